import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.modes import mode_layers
from torchlint.semantic.parts import stands_in
from torchlint.semantic.steps import Pass, assigned_in, same
from torchlint.semantic.training import Forward
from torchlint.semantic.values import Instance, Tri

MODES = frozenset({"train", "eval", "mode"})


class EvalModeNotRestored(Rule):
    """Checks for models that are put into eval mode during training and never back.

    Typically `model.train()` stands before the epochs, and a validation in them calls `model.eval()`.

    ## Why is this bad?
    From then on training goes on with dropout switched off and with batch norm frozen: it normalizes with its running
    statistics and no longer updates them. Nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for epoch in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            print(model(torch.randn(8, 4)).argmax(1))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(10):
        model.train()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            print(model(torch.randn(8, 4)).argmax(1))
    ```

    ## Fix safety
    Unsafe: training goes on in another mode, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval
    """

    code = "TL112"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("eval", "optim", "train")

    def leave_Module(self, node: cst.Module) -> None:
        training = self.model.training
        if not any(event.kind == "eval" for event in training.events):
            return
        found: dict[int, tuple[Pass, Event, Event]] = {}
        for each in training.passes:
            for forward in each.events:
                if forward.kind == "forward" and self._is_trained(forward, each):
                    left = self._left(forward, each)
                    if left is not None:
                        found.setdefault(id(left.node), (each, forward, left))
        for each, forward, left in found.values():
            self._report(each, forward, left)

    def _is_trained(self, forward: Event, each: Pass) -> bool:
        """Whether a model is one of those that the steps of a pass train."""
        assert isinstance(forward.detail, Forward)
        if forward.detail.grad is Tri.NO:
            return False
        training, model = self.model.training, forward.subject
        for step in each.steps:
            over = training.made.get(step.subject) if isinstance(step.subject, Instance) else None
            if over is not None and over.complete and isinstance(model, Instance):
                if model in over.held or over.held & set(self.model.held_objects(model)):
                    return True
            elif any(event.kind == "train" and self._concerns(event, forward) for event in training.events):
                return True
        return False

    def _concerns(self, event: Event, forward: Event) -> bool:
        """Whether setting the mode of one thing sets that of a model."""
        if same(event, forward):
            return True
        if isinstance(event.subject, Instance) and isinstance(forward.subject, Instance):
            return forward.subject in self.model.held_objects(event.subject)
        return False

    def _left(self, forward: Event, each: Pass) -> Event | None:
        """Where a model is put into eval mode in a pass, if training goes on in that mode in the next one."""
        training = self.model.training
        for turn in reversed(forward.turns[: forward.turns.index(each.turn) + 1]):
            events = training.within(turn)
            modes = [event for event in events if event.kind in MODES and self._concerns(event, forward)]
            if not modes or training.is_last(turn):
                continue
            at = events.index(forward)
            before = [event for event in modes if events.index(event) < at]
            if any(event.kind != "eval" for event in before):
                return None
            last = modes[-1]
            if last.kind != "eval" or any(_leaves(statement, branch) for statement, branch in last.path):
                return None
            if last in before and not self._is_put_into_train_mode(forward):
                # Training in eval mode from the start may well be meant: batch norm stays frozen.
                return None
            if self._is_renewed(forward, training.loop_of(turn)):
                continue
            return last
        return None

    def _is_renewed(self, forward: Event, loop: cst.CSTNode) -> bool:
        """Whether each pass through a loop makes a model of its own."""
        made = forward.subject.origin
        if stands_in(forward.node, loop):
            return assigned_in(loop, forward.text) or (made is not None and stands_in(made.node, loop))
        called = [function.node for function in forward.active if not stands_in(loop, function.node)]
        if isinstance(forward.active[-1].node, cst.FunctionDef) and forward.active[-1].node in called:
            if assigned_in(forward.active[-1].node.body, forward.text):
                return True
        return made is not None and any(stands_in(made.node, node) for node in called)

    def _is_put_into_train_mode(self, forward: Event) -> bool:
        return any(event.kind == "train" and self._concerns(event, forward) for event in self.model.events)

    def _report(self, each: Pass, forward: Event, left: Event) -> None:
        layers = mode_layers(self.model, forward.subject) if isinstance(forward.subject, Instance) else Tri.MAYBE
        place = self.model.place(left)
        if layers is Tri.NO or place is None:
            return
        name = forward.text or left.text or "the model"
        self.report(
            place,
            f"`{name}` stays in eval mode when training goes on: dropout off, batch norm frozen",
            help=f"call `{name}.train()` before each training pass" if name != "the model" else "call `train()` again",
            severity=Severity.ERROR if layers is Tri.YES else Severity.WARNING,
            fix=self._restored(each, forward, left, name),
            related=[(forward.origin, "it is trained here, in the next pass")],
        )

    def _restored(self, each: Pass, forward: Event, left: Event, name: str) -> Repair | None:
        """`model.train()` before the loop that trains, or as its first statement if the model is left in it."""
        loop = each.loop
        if forward.origin.unit is not self.model.unit or not forward.text or not isinstance(loop, (cst.For, cst.While)):
            return None
        if not isinstance(loop.body, cst.IndentedBlock) or not stands_in(forward.node, loop.body):
            return None
        inside = each.turn in left.turns
        edit = self.insert_line(loop.body.body[0] if inside else loop, f"{name}.train()")
        return self.fix("switch back to train mode", Applicability.UNSAFE, edit)


def _leaves(statement: cst.CSTNode, branch: int) -> bool:
    """Whether a branch of an `if` ends by leaving the loop or the function."""
    if not isinstance(statement, cst.If):
        return False
    taken = statement.body if branch == 0 else statement.orelse
    body = taken.body if isinstance(taken, cst.Else) else taken
    if not isinstance(body, cst.IndentedBlock):
        return False
    last = body.body[-1]
    return isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], (cst.Break, cst.Return, cst.Raise))
