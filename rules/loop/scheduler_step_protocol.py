import re
from collections.abc import Callable

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Call, Event
from torchlint.semantic.steps import excludes, runs_alike, runs_with
from torchlint.semantic.training import SCHEDULERS, is_optimizer, is_scheduler
from torchlint.semantic.values import Const, Instance, ListRef, Scalar, Tensor, TupleOf, Value
from torchlint.semantic.written import written_argument

PLATEAU = SCHEDULERS + "ReduceLROnPlateau"
ONE_CYCLE = SCHEDULERS + "OneCycleLR"
# Those that are stepped without an argument, and whose numbers count epochs as nearly everybody writes them.
BY_EPOCH = {SCHEDULERS + "StepLR": "step_size", SCHEDULERS + "MultiStepLR": "milestones"}
# Larger numbers may well count batches.
MAX_STEP_SIZE, MAX_MILESTONE = 30, 150

# What nobody calls the number of an epoch.
_METRIC = re.compile(r"(^|_)(loss|losses|acc|accuracy|metric|score|auc|f1|iou|map|bleu)$")
# Names of what batches come from.
_BATCHES = re.compile(r"load|batch|_dl$|^dl$|_iter$")

# Message, help, severity.
Problem = tuple[str, str, Severity]


class SchedulerStepProtocol(Rule):
    """Checks for learning rate schedulers that are stepped in the wrong place, too often, or with the wrong argument.

    Before the optimizer's step in the epoch; once a batch where the numbers count epochs; `OneCycleLR` once an epoch;
    `ReduceLROnPlateau` without its metric, and others with one; made anew in each epoch; over an optimizer that is not
    the one that is stepped.

    ## Why is this bad?
    The learning rate is another than was meant: its first value is skipped, or it has decayed to nothing within an
    epoch, or never changes. Most of this happens in silence.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10)
    for epoch in range(30):
        scheduler.step()
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).sum().backward()
            optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10)
    for epoch in range(30):
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).sum().backward()
            optimizer.step()
        scheduler.step()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
    """

    code = "TL106"
    category = Category.CORRECTNESS
    words = ("sched", "lr_scheduler", "LR")

    def leave_Module(self, node: cst.Module) -> None:
        for event, *_ in self.model.training.places("scheduler"):
            self._check_arguments(event)
        for events in self.model.training.places("schedule"):
            known = [event for event in events if is_scheduler(event.subject)]
            if known:
                self._check_step(known)

    def _check_arguments(self, made: Event) -> None:
        call = made.detail
        assert isinstance(call, Call)
        if "verbose" in call.arguments.keywords and made.origin.unit is self.model.unit:
            arg = next(
                (arg for arg in getattr(made.node, "args", ()) if arg.keyword and arg.keyword.value == "verbose"), None
            )
            self.report(
                arg or made.node,
                "schedulers no longer take `verbose`; this raises a TypeError on recent torch",
                help="leave it out, and print `scheduler.get_last_lr()`",
                severity=Severity.WARNING,
            )

    def _check_step(self, events: list[Event]) -> None:
        event = events[0]
        call = event.detail
        place = self.model.place(event)
        assert isinstance(call, Call)
        assert isinstance(event.subject, Instance)
        if place is None:
            return
        problem = (
            self._argument_problem(event.subject, call)
            or self._every(events, self._order_problem)
            or self._every(events, self._batch_problem)
            or self._every(events, self._cycle_problem)
            or self._every(events, self._renewed_problem)
            or self._every(events, self._optimizer_problem)
        )
        if problem is not None:
            message, help_, severity = problem
            self.report(place, message, help=help_, severity=severity)

    def _every(self, events: list[Event], check: Callable[[Event], Problem | None]) -> Problem | None:
        """What is wrong with a step in each context in which it is made."""
        found = [check(event) for event in events]
        return found[0] if all(problem is not None for problem in found) else None

    def _argument_problem(self, scheduler: Instance, call: Call) -> Problem | None:
        given = call.argument(0, "metrics", "epoch")
        symbol = scheduler.symbol or ""
        if symbol == PLATEAU and given is None and call.arguments.complete:
            return (
                "`ReduceLROnPlateau.step()` needs the metric that it watches; this raises a TypeError",
                "give it the validation loss",
                Severity.ERROR,
            )
        is_metric = isinstance(given, Tensor) or (isinstance(given, Scalar) and given.kind == "float")
        if not is_metric and given is not None and not isinstance(given, Const):
            arg = written_argument(call.node, 0, "metrics", "epoch")
            is_metric = arg is not None and (
                _METRIC.search(_last_name(arg.value)) is not None
                or (_is_mean(arg.value) and "WarmRestarts" not in symbol)
            )
        if symbol.startswith(SCHEDULERS) and symbol != PLATEAU and is_metric and "WarmRestarts" not in symbol:
            name = symbol.rpartition(".")[2]
            return (
                f"`{name}.step()` takes this for the number of an epoch",
                "call it without an argument; only `ReduceLROnPlateau` takes a metric",
                Severity.ERROR,
            )
        return None

    def _stepped(self, turn: int) -> list[Event]:
        return [event for event in self.model.training.within(turn) if event.kind in ("step", "maybe-step", "engine")]

    def _order_problem(self, event: Event) -> Problem | None:
        """Stepped before the optimizer, in the innermost loop around both."""
        training = self.model.training
        for turn in reversed(event.turns):
            events = training.within(turn)
            at = events.index(event)
            steps = [other for other in events if other.kind in ("step", "maybe-step", "engine", "escape")]
            if not steps:
                continue
            before = [other for other in events[:at] if other in steps]
            after = [other for other in events[at:] if other in steps and not excludes(other, event)]
            if before or not after or not is_optimizer(after[0].subject):
                return None
            if not runs_alike(event, after[0]) or self._is_stepped_earlier(events[0]):
                return None
            return (
                "the scheduler is stepped before the optimizer: the first value of the schedule is skipped",
                "call `scheduler.step()` after the optimizer's steps",
                Severity.ERROR,
            )
        return None

    def _is_stepped_earlier(self, first: Event) -> bool:
        """Whether an optimizer was stepped before a loop, as in a warm-up."""
        events = self.model.events
        return any(event.kind == "step" and not event.turns for event in events[: events.index(first)])

    def _batch_problem(self, event: Event) -> Problem | None:
        """`StepLR(step_size=10)` stepped with each batch."""
        scheduler = event.subject
        assert isinstance(scheduler, Instance)
        name = BY_EPOCH.get(scheduler.symbol or "")
        if name is None or len(event.turns) < 2:
            return None
        inner = self.model.training.within(event.turns[-1])
        if not any(other.kind == "step" and other.turns == event.turns and runs_with(event, other) for other in inner):
            return None
        if not self._is_epoch_sized(scheduler.arguments.get(1, name)) or len(event.path) > 0:
            return None
        if not _goes_through_batches(event.loops[-1]) and not any(
            other.kind == "iterate" and other.turns == event.turns[:-1] for other in self.model.events
        ):
            return None
        return (
            f"stepped with each batch, but `{name}` is as small as a number of epochs",
            "call `scheduler.step()` once an epoch",
            Severity.WARNING,
        )

    def _is_epoch_sized(self, given: Value | None) -> bool:
        if isinstance(given, Const):
            return isinstance(given.value, int) and not given.assumed and 1 <= given.value <= MAX_STEP_SIZE
        if isinstance(given, (ListRef, TupleOf)):
            numbers = self.model.elements(given)
            return bool(numbers) and all(
                isinstance(number, Const) and isinstance(number.value, int) and number.value <= MAX_MILESTONE
                for number in numbers or ()
            )
        return False

    def _cycle_problem(self, event: Event) -> Problem | None:
        """`OneCycleLR(steps_per_epoch=len(loader))` stepped once an epoch."""
        scheduler = event.subject
        assert isinstance(scheduler, Instance)
        if scheduler.symbol != ONE_CYCLE or not event.turns:
            return None
        per_epoch = scheduler.arguments.get(4, "steps_per_epoch")
        if per_epoch is None or per_epoch == Const(1) or scheduler.arguments.get(2, "total_steps") is not None:
            return None
        steps = self._stepped(event.turns[-1])
        if not steps or not all(len(other.turns) > len(event.turns) and other.kind == "step" for other in steps):
            return None
        return (
            "`OneCycleLR` counts batches, and is stepped once an epoch: it never gets through its cycle",
            "call `scheduler.step()` after each `optimizer.step()`",
            Severity.ERROR,
        )

    def _renewed_problem(self, event: Event) -> Problem | None:
        """Made anew in the pass in which it is stepped once."""
        if not event.turns or self.model.training.is_last(event.turns[-1]):
            return None
        pass_ = self.model.training.within(event.turns[-1])
        made = [other for other in pass_ if other.kind == "scheduler" and other.turns == event.turns]
        if not any(other.subject is event.subject for other in made) or not isinstance(event.subject, Instance):
            return None
        optimizer = event.subject.arguments.get(0, "optimizer")
        if not is_optimizer(optimizer or event.subject):
            return None
        fresh = [other for other in pass_ if other.kind == "optimizer" and other.subject is optimizer]
        if fresh or not any(other.kind == "step" and other.subject is optimizer for other in pass_):
            return None
        return (
            "the scheduler is made anew in each pass, so that its schedule never goes on",
            "make it once, before the loop",
            Severity.ERROR,
        )

    def _optimizer_problem(self, event: Event) -> Problem | None:
        """Over an optimizer that is never stepped, beside another one that is."""
        assert isinstance(event.subject, Instance)
        own = event.subject.arguments.get(0, "optimizer")
        if not isinstance(own, Instance) or own.symbol is None or not is_optimizer(own) or not event.turns:
            return None
        steps = [other for other in self.model.events if other.kind in ("step", "maybe-step", "engine", "escape")]
        if not steps or not all(is_optimizer(other.subject) and other.kind == "step" for other in steps):
            return None
        if any(other.subject is own for other in steps):
            return None
        made = self.model.training.made
        over = made.get(own)
        others = [made.get(other.subject) for other in steps if isinstance(other.subject, Instance)]
        if over is None or not any(other is not None and other.modules & over.modules for other in others):
            return None
        return (
            "the scheduler changes the learning rate of an optimizer that is no longer stepped",
            "make the scheduler after the optimizer that is used",
            Severity.ERROR,
        )


def _is_mean(node: cst.BaseExpression) -> bool:
    """`running / len(train_loader)`"""
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Divide):
        return False
    return isinstance(node.right, cst.Call) and isinstance(node.right.func, cst.Name) and node.right.func.value == "len"


def _last_name(node: cst.BaseExpression) -> str:
    """`val_loss` of `val_loss`, `self.val_loss`, `val_loss / n`, `val_loss.item()` and `logs["val_loss"]`."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
        return _last_name(node.left)
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "item":
        return _last_name(node.func.value)
    if isinstance(node, cst.Subscript) and isinstance(node.slice[0].slice, cst.Index):
        index = node.slice[0].slice.value
        return str(index.value).strip("'\"") if isinstance(index, cst.SimpleString) else ""
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _goes_through_batches(loop: cst.CSTNode) -> bool:
    """`for x, y in self.train_loader`, also with `enumerate` or `tqdm` around it"""
    source = loop.iter if isinstance(loop, cst.For) else None
    while isinstance(source, cst.Call) and source.args:
        source = source.args[0].value
    return source is not None and _BATCHES.search(_last_name(source)) is not None
