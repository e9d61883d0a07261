import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.flow import dotted
from torchlint.semantic.parts import stands_in
from torchlint.semantic.steps import Pass, assigned_in, bound_in_pass
from torchlint.semantic.values import UNKNOWN

# What may clear the gradients of an optimizer, or make new ones.
CLEARING = frozenset({"zero_grad", "grad-set", "escape", "engine", "optimizer"})


class MissingZeroGrad(Rule):
    """Checks for training loops that never clear the gradients of the optimizer that they step.

    The loop is followed through functions, methods and other files. `optimizer.zero_grad()`, `model.zero_grad()` and
    setting `.grad` anywhere in the loop are right; what an engine such as Accelerate does is left to it.

    ## Why is this bad?
    `backward()` adds to the gradients that are there. Without clearing them each step uses the sum of the gradients of
    all batches so far: training diverges, or learns something else, and nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
    ```

    ## Fix safety
    Unsafe: the parameters take another course, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
    """

    code = "TL101"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("optim", "step", ".grad")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[int] = set()
        self._check_descents()
        for made in self.model.training.step_nodes.values():
            (first, step), *_ = made
            if all(self._accumulates(each, event) for each, event in made) and id(first.loop) not in reported:
                reported.add(id(first.loop))
                self._report(first, step)

    def _check_descents(self) -> None:
        """`w -= lr * w.grad` in a loop whose passes run `backward()`, and never clear `w.grad`."""
        for events in self.model.training.places("descend"):
            event = events[0]
            if all(map(self._descends, events)) and event.origin.unit is self.model.unit:
                self.report(
                    event.node,
                    f"`{event.text}.grad` is never cleared in this loop; each step uses the sum of all before",
                    help=f"call `{event.text}.grad.zero_()` after the update, or `{event.text}.grad = None`",
                )
                return

    def _descends(self, event: Event) -> bool:
        """Whether a tensor is updated by a gradient to which each pass adds."""
        training = self.model.training
        for turn, loop in zip(reversed(event.turns), reversed(event.loops), strict=True):
            events = training.within(turn)
            if not any(other.kind == "backward" for other in events):
                continue
            cleared = any(other.kind in CLEARING or other.kind == "step" for other in events)
            name = event.text.partition(".")[0]
            # A parameter that a loop goes through is not made anew in each pass.
            inner = event.loops[event.loops.index(loop) + 1 :]
            looped = any(isinstance(each, cst.For) and dotted(each.target) == name for each in inner)
            return not (cleared or training.is_last(turn)) and (looped or not assigned_in(loop, name, but=event.node))
        return False

    def _accumulates(self, each: Pass, step: Event) -> bool:
        """Whether nothing in a pass may clear the gradients that a step uses, and other passes follow."""
        training = self.model.training
        if training.is_last(each.turn):
            return False
        if any(event.kind in CLEARING and training.may_concern(event, step) for event in each.events):
            return False
        # An optimizer of which nothing is known may be made anew in each pass.
        return step.subject is not UNKNOWN or (bool(step.text) and not bound_in_pass(step, each.loop))

    def _report(self, each: Pass, step: Event) -> None:
        place = self.model.place(step)
        if place is None:
            return
        training = self.model.training
        cleared = next(
            (
                event
                for event in training.events
                if event.kind == "zero_grad" and training.may_concern(event, step) and event.text == step.text
            ),
            None,
        )
        name = step.text or "the optimizer"
        once = cleared is not None and (not cleared.turns or set(cleared.turns) & set(step.turns))
        self.report(
            place,
            f"the gradients of `{name}` are cleared only outside this loop; each step uses the sum of all before"
            if once
            else f"the gradients of `{name}` are never cleared in this loop; each step uses the sum of all before",
            help="call `zero_grad()` in each pass through the loop, before `backward()`",
            fix=self._cleared(each, step),
            related=[(cleared.origin, "cleared here, outside the loop")] if once and cleared is not None else (),
        )

    def _cleared(self, each: Pass, step: Event) -> Repair | None:
        """`optimizer.zero_grad()` as the first statement of the loop, where the step stands in it by that name."""
        loop = each.loop
        if not step.text or not isinstance(loop, (cst.For, cst.While)) or not isinstance(loop.body, cst.IndentedBlock):
            return None
        if step.origin.unit is not self.model.unit or not stands_in(step.node, loop.body):
            return None
        first = loop.body.body[0]
        return self.fix(
            "clear the gradients first", Applicability.UNSAFE, self.insert_line(first, f"{step.text}.zero_grad()")
        )
