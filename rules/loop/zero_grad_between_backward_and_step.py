import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.steps import runs_with

# What brings gradients back, or may.
FILLING = frozenset({"backward", "engine", "grad-set", "escape", "optimizer"})


class ZeroGradBetweenBackwardAndStep(Rule):
    """Checks for gradients that are cleared after `backward()` and before the `step()` that should use them.

    ## Why is this bad?
    The step finds no gradients: the parameters never change, and nothing warns. With a gradient scaler
    `scaler.step(optimizer)` raises an AssertionError.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
    """

    code = "TL102"
    category = Category.CORRECTNESS
    words = ("optim", "step")

    def leave_Module(self, node: cst.Module) -> None:
        steps: dict[int, list[tuple[Event, tuple[Event, Event] | None]]] = {}
        events = self.model.events
        for index, event in enumerate(events):
            if event.kind == "step":
                steps.setdefault(id(event.node), []).append((event, self._emptied(index, event)))
        for made in steps.values():
            step, found = made[0]
            place = self.model.place(step)
            if found is None or place is None or any(other is None for _, other in made):
                continue
            backward, cleared = found
            self.report(
                self.model.place(cleared) or place,
                "the gradients are cleared between `backward()` and `step()`: the step changes nothing",
                help="clear them before `backward()`, or after `step()`",
                related=[(backward.origin, "the gradients come from here"), (step.origin, "the step")],
            )

    def _emptied(self, index: int, step: Event) -> tuple[Event, Event] | None:
        """What filled the gradients that a step should use, and what then cleared them; None where they are there."""
        training, events = self.model.training, self.model.events
        cleared: Event | None = None
        for position in range(index - 1, -1, -1):
            event = events[position]
            if event.turns[: len(step.turns)] != step.turns:
                return None
            if event.kind == "zero_grad" and cleared is None:
                if training.certainly_concerns(event, step) and runs_with(event, step):
                    cleared = event
            elif cleared is None:
                if event.kind == "step" and training.may_concern(event, step):
                    return None
                if event.kind in FILLING:
                    return None
            elif event.kind == "step" and training.may_concern(event, step):
                return None
            elif event.kind == "backward" and event.turns == step.turns:
                # Of the very parameters, as far as the order of the loop shows: nothing was stepped in between.
                return (event, cleared) if runs_with(event, cleared) else None
            elif event.kind in ("backward", "engine", "escape", "grad-set"):
                return None
        return None
