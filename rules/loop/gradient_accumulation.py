import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.knowledge import is_loss
from torchlint.semantic.parts import parts
from torchlint.semantic.steps import Pass, runs_with
from torchlint.semantic.values import Const, Instance, Tensor


class GradientAccumulation(Rule):
    """Checks for gradients that are accumulated over batches in the wrong way.

    Reported where the optimizer steps every few batches (`if (i + 1) % 4 == 0:`), and either the gradients are cleared
    with each batch, or a loss that is a mean is never divided by the number of batches.

    ## Why is this bad?
    Cleared with each batch, the gradients of all batches but one are lost. Undivided, four batches have four times the
    gradient of one batch of the whole size, so that the learning rate is four times too large. Neither warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(16):
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(16):
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        (loss / 4).backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
    """

    code = "TL103"
    category = Category.SUSPICIOUS
    words = ("%",)

    def leave_Module(self, node: cst.Module) -> None:
        for made in self.model.training.step_nodes.values():
            found = [self._problem(each, step) for each, step in made]
            problem = found[0]
            if problem is not None and all(found):
                event, message, help_ = problem
                place = self.model.place(event)
                if place is not None:
                    self.report(
                        place, message, help=help_, related=[(made[0][1].origin, "the step, every few batches")]
                    )

    def _problem(self, each: Pass, step: Event) -> tuple[Event, str, str] | None:
        training = self.model.training
        at = each.events.index(step)
        before = [event for event in each.events[:at] if event.turns == step.turns and event.active == step.active]
        if any(event.kind in ("engine", "escape", "grad-set", "maybe-step") for event in each.events):
            return None
        backwards = [event for event in before if event.kind == "backward"]
        if not backwards or not all(runs_with(event, step) and _is_periodic(event, step) for event in backwards):
            return None
        first = each.events.index(backwards[0])
        for event in each.events[:first]:
            if event.kind == "zero_grad" and event.path == backwards[0].path and event.turns == step.turns:
                if training.certainly_concerns(event, step):
                    return (
                        event,
                        "the gradients are cleared with each batch, and stepped every few: those in between are lost",
                        "clear them after the step, in the same branch",
                    )
        cleared = any(event.kind == "zero_grad" and training.may_concern(event, step) for event in each.events)
        if len(backwards) == 1 and cleared and self._is_mean(backwards[0]):
            return (
                backwards[0],
                "the gradients of several batches are summed up, and the loss is not divided by their number",
                "divide the loss by the number of batches between two steps",
            )
        return None

    def _is_mean(self, backward: Event) -> bool:
        """Whether a backward pass starts at a loss that is the mean over a batch, just as it was computed."""
        loss = backward.subject
        if not isinstance(loss, Tensor) or loss.origin is None or loss.origin.unit is not self.model.unit:
            return False
        calls = self.model.calls(loss.origin.node)
        return bool(calls) and all(
            call.name is not None
            and is_loss(call.name)
            and not self._is_reduced_otherwise(call.argument(None, "reduction", "size_average", "reduce"))
            and not (isinstance(call.callee, Instance) and self._is_made_otherwise(call.callee))
            for call in calls
        )

    def _is_made_otherwise(self, criterion: Instance) -> bool:
        arguments = criterion.arguments
        given = arguments.get(None, "reduction", "size_average", "reduce")
        return not arguments.complete or self._is_reduced_otherwise(given)

    @staticmethod
    def _is_reduced_otherwise(reduction: object) -> bool:
        return reduction is not None and reduction != Const("mean")


def _is_periodic(backward: Event, step: Event) -> bool:
    """Whether a step follows a backward pass only now and then: a condition around it takes a remainder."""
    return any(
        isinstance(statement, cst.If) and branch == 0 and _takes_remainder(statement.test)
        for statement, branch in step.path[len(backward.path) :]
    )


def _takes_remainder(test: cst.CSTNode) -> bool:
    """`(i + 1) % 4 == 0`, also among other conditions."""
    pending = [test]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Modulo):
            return True
        pending.extend(parts(node))
    return False
