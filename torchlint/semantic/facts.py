"""What interpretation finds: the evaluations of calls, the events of training, the values of expressions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.devices import Mixed
from torchlint.semantic.loaders import Loader
from torchlint.semantic.state import State
from torchlint.semantic.values import (
    CONTENT,
    UNKNOWN,
    Arguments,
    ClassInfo,
    DictRef,
    FunctionInfo,
    Instance,
    Items,
    ListRef,
    Origin,
    Tensor,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter
    from torchlint.semantic.layer_dtypes import Mismatch
    from torchlint.semantic.misfits import Misfit
    from torchlint.semantic.module_attributes import Setting
    from torchlint.semantic.overwritten import Overwritten
    from torchlint.semantic.project import Unit
    from torchlint.semantic.scalars import ScalarUse
    from torchlint.semantic.single_batches import SingleBatch
    from torchlint.semantic.stretches import Stretch
    from torchlint.semantic.unregistered import Kept


_NO_LISTS: Mapping[Value, Items] = MappingProxyType({})


class Call:
    """One evaluation of a call: a fact.

    Attributes:
        node: the call as written; `unit` is its file.
        callee: what was called.
        name: the qualified name of a callee outside the project: `torch.softmax`, `torch.Tensor.numpy`,
            `torch.nn.LSTM.forward` for calling an `nn.LSTM` instance; None for others.
        receiver: what a method was called on.
        content: what the receiver held just before, for lists and containers of modules.
        lists: what the lists among the arguments held.
        arguments: the values it was given.
        result: what it gave.
        grad: whether autograd was recording.
        certain: the callee is this one whenever the call runs (not one of several).
        guarded: under `if __name__ == "__main__":`.
        importing: run when the file is imported (or started as a script).
        tests: the conditions around it that are not known, outermost first.
        tried: in a short `try` that catches what a wrong use of a tensor raises.
        stack: the calls and statements of this file that led here, outermost first.
        active: the functions of the project that are running, outermost first.
        loops: the loops around it, outermost first, those of callers among them.
    """

    __slots__ = (
        "active", "arguments", "callee", "certain", "content", "grad", "guarded", "importing", "lists", "loops", "name",
        "node", "receiver", "result", "stack", "tests", "tried", "unit",
    )  # fmt: skip

    def __init__(self, node: cst.CSTNode, callee: Value, arguments: Arguments, machine: "Interpreter") -> None:
        self.node = node
        self.unit = machine.unit
        self.callee = callee
        self.name: str | None = None
        self.receiver: Value | None = None
        self.content: Value | None = None
        self.lists: Mapping[Value, Items] = _NO_LISTS
        positional, keywords = arguments.positional, arguments.keywords
        for value in (*positional, *keywords.values()) if keywords else positional:
            if type(value) is ListRef:
                held = machine.read(value, CONTENT)
                if isinstance(held, Items):
                    self.lists = {**self.lists, value: held}
        self.arguments = arguments
        self.result: Value = UNKNOWN
        self.certain = True
        self.grad = machine.grad_mode()
        self.guarded = machine.guarded
        self.importing = machine.importing
        self.stack = machine.stack
        self.tests = machine.tests
        self.tried = machine.tried
        self.active = machine.active
        self.loops = machine.loops

    @property
    def origin(self) -> Origin:
        """The call as a place, with its file."""
        return Origin(self.node, self.unit)

    def argument(self, index: int | None, *names: str) -> Value | None:
        """The value of an argument by position (from 0) or name; None when it is not given."""
        return self.arguments.get(index, *names)

    def __repr__(self) -> str:
        return f"Call({self.name or self.callee!r})"


class Event:
    """Something that training consists of, in the order in which it happens.

    Attributes:
        kind: see `training.py`, which records most of them; also iterate and index (of a loader), start-method.
        subject: what it happens to.
        text: how the code names the subject, where nothing is known of it: `self.optimizer`.
        detail: what else is to be known, by kind.
        stack: the calls of this file that led to it, outermost first.
        origin: where, with the file.
        loops: the loops around it, outermost first, those of callers among them.
        turns: the pass through each of these loops, by numbers that no other pass has.
        path: the branches around it, outermost first: the `if`, `try` or `match`, and which of its branches.
        active: the functions of the project that are running, outermost first.
        statement: the statement of the module that was running, None when no module code was.
    """

    __slots__ = (
        "active", "detail", "guarded", "importing", "kind", "loops", "node", "origin", "path", "stack", "statement",
        "subject", "text", "turns",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        subject: Value,
        node: cst.CSTNode,
        machine: "Interpreter",
        text: str = "",
        detail: object = None,
    ) -> None:
        self.kind = kind
        self.subject = subject
        self.node = node
        self.text = text
        self.detail = detail
        self.turns = machine.turns
        self.path = machine.path
        self.active = machine.active
        self.origin = machine.here(node)
        self.stack = machine.stack
        self.loops = machine.loops
        self.statement = machine.statement
        self.guarded = machine.guarded
        self.importing = machine.importing

    def __repr__(self) -> str:
        return f"Event({self.kind}, {self.subject!r})"


class Facts:
    """What one file's interpretation found, by `id(node)`."""

    def __init__(self) -> None:
        self.values: dict[int, list[Value]] = {}
        self.calls: dict[int, list[Call]] = {}
        # The same by the qualified name of what was called, in the order in which they run.
        self.calls_by_name: dict[str, list[Call]] = {}
        # Calls of other files that run in the methods of datasets and transforms.
        self.calls_elsewhere: dict[str, list[Call]] = {}
        # Calls of other files to a few functions that rules ask for, such as `random_split`.
        self.led_to: list[Call] = []
        # What the result of a call is assigned to, by the id of the call.
        self.assigned: dict[int, cst.BaseExpression] = {}
        # Each DataLoader that is made, also by calls in other files that were led to from here.
        self.loaders: list[Loader] = []
        # What everything holds when all has run.
        self.end = State()
        # Losses that a call of this file leads to in other files.
        self.losses_elsewhere: dict[int, list[Call]] = {}
        self.events: list[Event] = []
        # Operations on a tensor with an array to its right.
        self.converted: list[cst.BinaryOperation] = []
        # What may be a function that was not called: conditions, and operands (False).
        self.mentioned: list[tuple[cst.BaseExpression, bool]] = []
        # Operations on a tensor that was moved to an accelerator and one that was left on the CPU.
        self.mixed: list[Mixed] = []
        # Passes through loops after which there is no other: they end in `break` or `return`.
        self.left: set[int] = set()
        # Layers of a Sequential that are given a tuple: the layer before, the layer, the tuple.
        self.chains: list[tuple[Instance, Value, TupleOf]] = []
        # Operators that stretch both of their tensors.
        self.stretches: list[Stretch] = []
        # What torch refuses because of sizes.
        self.misfits: list[Misfit] = []
        # Tensors that are used as what their shapes say they are not.
        self.scalar_uses: list[ScalarUse] = []
        # Batch norms that get one value for each channel while they train.
        self.single_batches: list[SingleBatch] = []
        # Tensors of whole numbers of which `requires_grad` is set, and where.
        self.gradients_asked: list[tuple[cst.Attribute, Tensor]] = []
        # Layers that are given tensors of a dtype that they refuse.
        self.dtype_mismatches: list[Mismatch] = []
        # Tensors that modules are given as plain attributes.
        self.kept: list[Kept] = []
        # Tensors that are written to by operators and by indexing, while autograd may follow them.
        self.overwritten: list[Overwritten] = []
        # Where the gradient of a tensor that requires grad is asked for: the attribute, the tensor, what is running.
        self.gradients_read: list[tuple[cst.Attribute, Tensor, tuple[FunctionInfo, ...]]] = []
        # Whether any call gives a tuple that something from outside the project returned.
        self.tuples = False
        # Attributes that are looked up on a `DataParallel` or `DistributedDataParallel`.
        self.wrapped: list[tuple[cst.Attribute, Instance]] = []
        # Assignments to attributes that rules look at.
        self.settings: list[Setting] = []
        # Objects that became attributes, or items of containers of modules, each with what holds it.
        self.members: set[tuple[Instance, Instance]] = set()
        # What was put into dicts by keys, and into lists by `+=`.
        self.entered: list[tuple[ListRef | DictRef, Value]] = []
        self.classes: list[ClassInfo] = []

    def close(self, unit: "Unit") -> None:
        """Open the circles between a linted file's classes, methods and objects, so that they are freed at once."""
        for info in self.classes:
            info.base.clear()
        for recorded in self.values.values():
            for value in recorded:
                if type(value) in (Instance, ListRef, DictRef) and value.origin and value.origin.unit is unit:
                    value.base.clear()  # type: ignore[attr-defined]
        self.values.clear()
        self.calls.clear()
        self.calls_by_name.clear()
        self.loaders.clear()
        self.assigned.clear()
        self.calls_elsewhere.clear()
        self.led_to.clear()
        self.end = State()
        self.losses_elsewhere.clear()
        self.events.clear()
        self.mixed.clear()
        self.converted.clear()
        self.mentioned.clear()
        self.chains.clear()
        self.wrapped.clear()
        self.stretches.clear()
        self.misfits.clear()
        self.scalar_uses.clear()
        self.single_batches.clear()
        self.kept.clear()
        self.overwritten.clear()
        self.gradients_read.clear()
        self.dtype_mismatches.clear()
        self.gradients_asked.clear()
        self.settings.clear()
        self.members.clear()
        self.entered.clear()
