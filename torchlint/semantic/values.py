"""The lattice of abstract values, and its join.

A value says what is certain about an expression; `UNKNOWN` says nothing. Values are immutable and
compare by what they say, not by where they come from. Things with identity and changing content
(instances, lists, dicts, modules, classes, function frames) are `Cell`s: the value is the cell
itself, its content lives in the `State` (see `state.py`).
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import libcst as cst

from torchlint.semantic import shapes
from torchlint.semantic.shapes import Shape

if TYPE_CHECKING:
    from torchlint.semantic.project import Unit

# A seed as torch draws it, of 64 bits.
WIDE_SEED = "wide seed"
PARTIAL = "functools.partial"
MAX_ALTERNATIVES = 4
# A list longer than this is known by its elements only.
MAX_ITEMS = 64


class Origin(NamedTuple):
    """The node that made a value so, and the file it stands in."""

    node: cst.CSTNode
    unit: "Unit"


class Tri(Enum):
    """What is known about a yes-or-no question."""

    NO = 0
    MAYBE = 1
    YES = 2

    def join(self, other: "Tri") -> "Tri":
        """What holds when either holds."""
        return self if self is other else Tri.MAYBE


class Device(Enum):
    """Where a tensor or module lives.

    WHEN_AVAILABLE: on the accelerator wherever there is one, as by
    `torch.device("cuda" if torch.cuda.is_available() else "cpu")`.
    """

    UNKNOWN = 0
    CPU = 1
    ACCELERATOR = 2
    WHEN_AVAILABLE = 3

    def join(self, other: "Device") -> "Device":
        """What holds when either holds."""
        return self if self is other else Device.UNKNOWN

    def meet(self, other: "Device") -> "Device":
        """The device of an operation on both, which torch allows only on one device."""
        return other if self is Device.UNKNOWN else self


class Numbers(Enum):
    """What the numbers of a tensor are.

    CLAMPED_SOFTMAX, CLAMPED_SIGMOID: the same, kept off 0 or 1.
    LOGITS: any numbers, as a linear layer or a convolution gives them.
    ACTIVATION: numbers without an upper bound, as ReLU and its relatives give them.
    EXP, SUM_OF_EXP, ONE_PLUS_EXP: made of the exponentials of LOGITS.
    STEPS: rounded, so that the gradient is zero everywhere.
    """

    UNKNOWN = 0
    SOFTMAX = 1
    LOG_SOFTMAX = 2
    SIGMOID = 3
    CLAMPED_SOFTMAX = 4
    CLAMPED_SIGMOID = 5
    LOG_SIGMOID = 6
    LOGITS = 7
    ACTIVATION = 8
    TANH = 9
    ONE_MINUS_SIGMOID = 10
    EXP = 11
    SUM_OF_EXP = 12
    ONE_PLUS_EXP = 13
    STEPS = 14


class Value:
    """Base of all values."""

    __slots__ = ("origin",)
    origin: Origin | None

    def _key(self) -> Hashable:
        """What the value says, without its origin."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())


class Unknown(Value):
    """Nothing is certain."""

    __slots__ = ()

    def __init__(self) -> None:
        self.origin = None

    def _key(self) -> Hashable:
        return ()

    def __repr__(self) -> str:
        return "Unknown"


UNKNOWN = Unknown()


class Const(Value):
    """A literal. `assumed`: a default that a command line or a caller may override."""

    __slots__ = ("assumed", "value")

    def __init__(self, value: Any, origin: Origin | None = None, assumed: bool = False) -> None:
        self.value = value
        self.origin = origin
        self.assumed = assumed

    def _key(self) -> Hashable:
        return (type(self.value), self.value, self.assumed)

    def __repr__(self) -> str:
        return f"Const({self.value!r}{', assumed' if self.assumed else ''})"


NONE = Const(None)
TRUE = Const(True)
FALSE = Const(False)


class Scalar(Value):
    """A Python number, string or bool of unknown value; `kind` is int, float, number, str, bool,
    bytes, cpus (a positive number of processors), or WIDE_SEED."""

    __slots__ = ("kind",)

    def __init__(self, kind: str, origin: Origin | None = None) -> None:
        self.kind = kind
        self.origin = origin

    def _key(self) -> Hashable:
        return self.kind

    def __repr__(self) -> str:
        return f"Scalar({self.kind})"


class Extent(Scalar):
    """A size of a tensor that is not known: `symbol` stands for it wherever it occurs in shapes."""

    __slots__ = ("symbol",)

    def __init__(self, symbol: str, origin: Origin | None = None) -> None:
        super().__init__("int", origin)
        self.symbol = symbol

    def _key(self) -> Hashable:
        return self.symbol

    def __repr__(self) -> str:
        return f"Extent({self.symbol})"


class Tensor(Value):
    """A torch tensor.

    Attributes:
        grad: whether it requires grad.
        device: where it lives.
        dtype: torch's name of the dtype without `torch.`, or None.
        numbers: what its numbers are; `numbers_origin` is what made them so, `numbers_dim` along which dim.
        grad_origin: what made it require grad, or, where it does not, what ended that.
        device_origin: what moved it.
        batch: it came out of a loader, so it may also be a container of tensors.
        shape: its sizes, as far as they are known; None where nothing is.
        layout: how its numbers lie in memory, see `layouts.py`; None where it is not known.
    """

    __slots__ = (
        "batch",
        "device",
        "device_origin",
        "dtype",
        "grad",
        "grad_origin",
        "layout",
        "numbers",
        "numbers_dim",
        "numbers_origin",
        "shape",
    )

    def __init__(
        self,
        grad: Tri = Tri.MAYBE,
        device: Device = Device.UNKNOWN,
        dtype: str | None = None,
        numbers: Numbers = Numbers.UNKNOWN,
        origin: Origin | None = None,
        *,
        numbers_dim: int | None = None,
        numbers_origin: Origin | None = None,
        grad_origin: Origin | None = None,
        device_origin: Origin | None = None,
        batch: bool = False,
        shape: Shape | None = None,
        layout: tuple[int, ...] | None = None,
    ) -> None:
        self.grad = grad
        self.device = device
        self.dtype = dtype
        self.numbers = numbers
        self.origin = origin
        self.numbers_dim = numbers_dim
        self.numbers_origin = numbers_origin
        self.grad_origin = grad_origin
        self.device_origin = device_origin
        self.batch = batch
        self.shape = shape
        self.layout = layout

    def _key(self) -> Hashable:
        return (self.grad, self.device, self.dtype, self.numbers, self.numbers_dim, self.batch, self.shape, self.layout)

    def but(self, **changes: Any) -> "Tensor":
        """The same with some fields changed."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in _TENSOR_FIELDS}
        fields.update(changes)
        return Tensor(**fields)

    @property
    def is_vague(self) -> bool:
        """Whether nothing but its type is known, which may be what an annotation says, or what was indexed."""
        known = self.dtype is not None or self.shape is not None or self.numbers is not Numbers.UNKNOWN
        return not known and self.grad is Tri.MAYBE and self.device is Device.UNKNOWN

    def of_shape(self, shape: Shape | None) -> "Tensor":
        """The same with another shape; how it lies in memory is not known then."""
        if shape == self.shape:
            return self
        return Tensor(
            self.grad,
            self.device,
            self.dtype,
            self.numbers,
            self.origin,
            numbers_dim=self.numbers_dim,
            numbers_origin=self.numbers_origin,
            grad_origin=self.grad_origin,
            device_origin=self.device_origin,
            batch=self.batch,
            shape=shape,
        )

    def __repr__(self) -> str:
        shape = f", {self.shape}" if self.shape is not None else ""
        return f"Tensor(grad={self.grad.name}, {self.device.name}, {self.dtype}, {self.numbers.name}{shape})"


_TENSOR_FIELDS = ("origin", *Tensor.__slots__)


class Array(Value):
    """A numpy array; `shape` and `dtype` (numpy's name) are None where nothing is known of them.

    `backwards`: a view that runs through another array from its end, so that it has a negative stride.
    """

    __slots__ = ("backwards", "dtype", "shape")

    def __init__(
        self,
        origin: Origin | None = None,
        shape: Shape | None = None,
        dtype: str | None = None,
        backwards: bool = False,
    ) -> None:
        self.origin = origin
        self.shape = shape
        self.dtype = dtype
        self.backwards = backwards

    def _key(self) -> Hashable:
        return (self.shape, self.dtype, self.backwards)

    def __repr__(self) -> str:
        return "Array"


class DeviceValue(Value):
    """A `torch.device`, or a string used as one."""

    __slots__ = ("device",)

    def __init__(self, device: Device, origin: Origin | None = None) -> None:
        self.device = device
        self.origin = origin

    def _key(self) -> Hashable:
        return self.device

    def __repr__(self) -> str:
        return f"DeviceValue({self.device.name})"


class TupleOf(Value):
    """A tuple. `made_by` is the callable that returned it, `names` its field names if it has any."""

    __slots__ = ("items", "made_by", "names")

    def __init__(
        self,
        items: Iterable[Value],
        origin: Origin | None = None,
        *,
        made_by: str | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.items = tuple(items)
        self.origin = origin
        self.made_by = made_by
        self.names = names

    def _key(self) -> Hashable:
        return (self.items, self.made_by)

    def __repr__(self) -> str:
        return f"TupleOf({', '.join(map(repr, self.items))}{f', made_by={self.made_by}' if self.made_by else ''})"


class Iterated(Value):
    """Something that is only known by what iterating it gives: a generator, `zip`, `model.parameters()`."""

    __slots__ = ("element", "over")

    def __init__(self, element: Value, over: tuple[Value, ...] = (), origin: Origin | None = None) -> None:
        self.element = element
        self.over = over
        self.origin = origin

    def _key(self) -> Hashable:
        return (self.element, self.over)

    def __repr__(self) -> str:
        return f"Iterated({self.element!r})"


class Symbol(Value):
    """Something outside the project, by its qualified name: a module, class, function or constant."""

    __slots__ = ("name",)

    def __init__(self, name: str, origin: Origin | None = None) -> None:
        self.name = name
        self.origin = origin

    def _key(self) -> Hashable:
        return self.name

    def __repr__(self) -> str:
        return f"Symbol({self.name})"


class Method(Value):
    """A method of something from outside the project, bound to its receiver. `name` is its qualified name."""

    __slots__ = ("name", "receiver")

    def __init__(self, receiver: Value, name: str) -> None:
        self.receiver = receiver
        self.name = name
        self.origin = None

    def _key(self) -> Hashable:
        return (self.receiver, self.name)

    @property
    def attribute(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"Method({self.name})"


class Cell(Value):
    """A value with identity.

    `base` is its content as of the end of the module that made it; `written` the names that states hold
    anything newer for, so that all other names need no look at the states.
    """

    __slots__ = ("base", "written")
    base: dict[str, Value]
    written: set[str]

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


class Starred(Value):
    """`*sequence` of unknown length among arguments: what each element is, and the last one if known."""

    __slots__ = ("element", "last")

    def __init__(self, element: Value, last: Value | None = None) -> None:
        self.element = element
        self.last = last
        self.origin = None

    def _key(self) -> Hashable:
        return (self.element, self.last)

    def __repr__(self) -> str:
        return f"Starred({self.element!r})"


class Arguments(NamedTuple):
    """What a call was given.

    `positional` are those before a `*sequence` of unknown length, `tail` that one (a `Starred`) and what follows.
    `complete`: no `*args` / `**kwargs` of unknown content was among it.
    """

    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = {}
    complete: bool = True
    tail: tuple[Value, ...] = ()

    def get(self, index: int | None, *names: str) -> Value | None:
        """The argument at a position (from 0) or under one of its names; None when it is not given."""
        if index is not None and index < len(self.positional):
            return self.positional[index]
        for name in names:
            if name in self.keywords:
                return self.keywords[name]
        return None


class Instance(Cell):
    """An object: of a class of the project (`info`) or from outside (`symbol`), with its constructor's arguments."""

    __slots__ = ("arguments", "info", "symbol")

    def __init__(
        self,
        info: "ClassInfo | None",
        symbol: str | None,
        arguments: Arguments,
        origin: Origin | None = None,
    ) -> None:
        self.info = info
        self.symbol = symbol
        self.arguments = arguments
        self.origin = origin
        self.base = {}
        self.written = set()

    def __repr__(self) -> str:
        return f"Instance({self.info.name if self.info else self.symbol})"


class ListRef(Cell):
    """A list; its content is an `Items` under CONTENT."""

    __slots__ = ()

    def __init__(self, content: "Items", origin: Origin | None = None) -> None:
        self.base = {CONTENT: content}
        self.written = set()
        self.origin = origin

    def __repr__(self) -> str:
        return f"ListRef({self.base[CONTENT]!r})"


class DictRef(Cell):
    """A dict; its content is an `Entries` under CONTENT."""

    __slots__ = ()

    def __init__(self, content: "Entries", origin: Origin | None = None) -> None:
        self.base = {CONTENT: content}
        self.written = set()
        self.origin = origin

    def __repr__(self) -> str:
        return f"DictRef({self.base[CONTENT]!r})"


# Keys that no Python attribute can have.
CONTENT = "#content"
TRAINING = "#training"
DEVICE = "#device"
DTYPE = "#dtype"
FROZEN = "#frozen"
# What a defaultdict makes its values with.
FACTORY = "#factory"


class Items(Value):
    """The content of a list: the exact items, or (`items` None) what each element is, and the last if known."""

    __slots__ = ("_last", "element", "items")

    def __init__(self, items: tuple[Value, ...] | None, element: Value = UNKNOWN, last: Value | None = None) -> None:
        self.items = items
        self.element = element
        self._last = last
        self.origin = None

    def _key(self) -> Hashable:
        return (self.items, self.element, self._last)

    @property
    def last(self) -> Value | None:
        """The last item, or None when it is not known."""
        if self.items is not None:
            return self.items[-1] if self.items else None
        return self._last

    def plus(self, value: Value) -> "Items":
        """The content after `append(value)`."""
        if self.items is not None and len(self.items) < MAX_ITEMS:
            return Items((*self.items, value))
        return Items(None, join(self.any, value), value)

    @property
    def any(self) -> Value:
        """What any element is; UNKNOWN for an empty list."""
        return join_all(self.items) if self.items is not None else self.element

    def __repr__(self) -> str:
        return f"Items({list(self.items) if self.items is not None else self.element})"


class Entries(Value):
    """The content of a dict: values of literal keys; `exact`: there are no other keys."""

    __slots__ = ("entries", "exact")

    def __init__(self, entries: Mapping[Any, Value], exact: bool = True) -> None:
        self.entries = dict(entries)
        self.exact = exact
        self.origin = None

    def _key(self) -> Hashable:
        return (frozenset(self.entries.items()), self.exact)

    def __repr__(self) -> str:
        return f"Entries({self.entries}{'' if self.exact else ', ...'})"


class FunctionInfo:
    """A function or lambda as written: its node, its file, the frame it was defined in, its decorators.

    `guarded`: it is defined under `if __name__ == "__main__":`, so that no other process finds it.
    `statement`: the statement of the module that it stands in; None where no module code defines it.
    """

    __slots__ = (
        "closure", "decorators", "defaults", "guarded", "name", "node", "owner", "statement", "unit",
    )  # fmt: skip

    def __init__(
        self,
        node: cst.FunctionDef | cst.Lambda,
        unit: "Unit",
        closure: "Frame",
        defaults: Mapping[str, Value],
        decorators: tuple[Value, ...] = (),
        owner: "ClassInfo | None" = None,
    ) -> None:
        self.node = node
        self.unit = unit
        self.closure = closure
        self.defaults = defaults
        self.decorators = decorators
        self.owner = owner
        self.guarded = False
        self.statement: cst.CSTNode | None = None
        self.name = node.name.value if isinstance(node, cst.FunctionDef) else "<lambda>"

    @property
    def is_local(self) -> bool:
        """Whether it is defined in a function."""
        return self.closure.parent is not None

    def __repr__(self) -> str:
        return f"FunctionInfo({self.name})"


class FunctionRef(Value):
    """A function of the project, bound to `receiver` when it is a method."""

    __slots__ = ("info", "receiver")

    def __init__(self, info: FunctionInfo, receiver: Value | None = None) -> None:
        self.info = info
        self.receiver = receiver
        self.origin = Origin(info.node, info.unit)

    def _key(self) -> Hashable:
        return (self.info, self.receiver)

    def __repr__(self) -> str:
        return f"FunctionRef({self.info.name})"


class ClassInfo(Cell):
    """A class of the project; its content are the class attributes, methods among them.

    `guarded`: it is defined under `if __name__ == "__main__":`, so that no other process finds it.
    `is_local`: it is defined in a function.
    """

    __slots__ = ("bases", "decorated", "guarded", "is_local", "mro", "name", "node", "setters", "unit")

    def __init__(self, node: cst.ClassDef, unit: "Unit", bases: tuple[Value, ...], decorated: bool) -> None:
        self.node = node
        self.unit = unit
        self.name = node.name.value
        self.bases = bases
        self.decorated = decorated
        self.guarded = self.is_local = False
        self.origin = Origin(node, unit)
        self.base = {}
        self.written = set()
        self.mro = _linearize(self)
        # Attribute name -> methods that assign it on `self`; filled when first asked for.
        self.setters: dict[str, list[str]] | None = None

    @property
    def external_bases(self) -> Iterator[str]:
        """Qualified names of the bases outside the project, in order."""
        for entry in self.mro:
            if isinstance(entry, Symbol):
                yield entry.name

    @property
    def has_unknown_base(self) -> bool:
        """Whether something among the bases could not be resolved."""
        return any(not isinstance(entry, (ClassInfo, Symbol)) for entry in self.mro)

    def __repr__(self) -> str:
        return f"ClassInfo({self.name})"


def _linearize(info: ClassInfo) -> tuple[Value, ...]:
    """The class, then its bases depth first; exact for single inheritance and for mixins without diamonds."""
    order: list[Value] = [info]
    for base in info.bases:
        for entry in base.mro if isinstance(base, ClassInfo) else (base,):
            if entry not in order:
                order.append(entry)
    return tuple(order)


class SuperRef(Value):
    """`super()` in a method: attribute look-up goes on after `after` in the order of the receiver's class."""

    __slots__ = ("after", "receiver")

    def __init__(self, receiver: Value, after: ClassInfo) -> None:
        self.receiver = receiver
        self.after = after
        self.origin = None

    def _key(self) -> Hashable:
        return (self.receiver, self.after)

    def __repr__(self) -> str:
        return f"SuperRef({self.after.name})"


class Frame(Cell):
    """The variables of a module, class body, function activation or comprehension.

    `parent` is the frame in which names are looked up next; `globals_` the module's frame.
    """

    __slots__ = (
        "allocations", "captured", "function", "globals_", "is_class", "outer_names", "parent", "receiver", "unit",
    )  # fmt: skip

    def __init__(
        self,
        unit: "Unit",
        parent: "Frame | None" = None,
        function: FunctionInfo | None = None,
        receiver: Value | None = None,
    ) -> None:
        self.unit = unit
        self.parent = parent
        self.function = function
        self.receiver = receiver
        self.globals_: Frame = self if parent is None else parent.globals_
        self.base = {}
        self.written = set()
        self.origin = None
        # Names declared `global` or `nonlocal` here, and the frame that they stand in.
        self.outer_names: dict[str, Frame] = {}
        # One object for each place that makes one, so that loops reach a fixed point.
        self.allocations: dict[Hashable, Cell] = {}
        self.is_class = False
        # A function defined here may outlive the activation.
        self.captured = False

    def close(self) -> None:
        """Let go of all that the frame holds."""
        self.base.clear()
        self.allocations.clear()

    def __repr__(self) -> str:
        return f"Frame({self.function.name if self.function else 'module'})"


class ParameterOf(Value):
    """A parameter of a module, as iterating `module.parameters()` gives it.

    `partial`: only some of the module's parameters are iterated over.
    """

    __slots__ = ("module", "partial")

    def __init__(self, module: Instance, partial: bool = False) -> None:
        self.module = module
        self.partial = partial
        self.origin = None

    def _key(self) -> Hashable:
        return (self.module, self.partial)

    def __repr__(self) -> str:
        return f"ParameterOf({self.module!r})"


class OneOf(Value):
    """One of a few values."""

    __slots__ = ("values",)

    def __init__(self, values: Iterable[Value]) -> None:
        self.values = tuple(values)
        self.origin = next((value.origin for value in self.values if value.origin), None)

    def _key(self) -> Hashable:
        return frozenset(self.values)

    def __repr__(self) -> str:
        return f"OneOf({', '.join(map(repr, self.values))})"


def alternatives(value: Value) -> tuple[Value, ...]:
    """The values that it may be: one for all but `OneOf`."""
    return value.values if type(value) is OneOf else (value,)


def join(a: Value, b: Value, *, widen: bool = False) -> Value:
    """What is certain when the value is either `a` or `b`. `widen`: differing numbers become a `Scalar`."""
    if a is b:
        return a
    if a is UNKNOWN or b is UNKNOWN:
        return UNKNOWN
    if type(a) is type(b):
        merged = _join_same(a, b, widen)
        if merged is not None:
            return merged
    elif widen and isinstance(a, (Const, Scalar)) and isinstance(b, (Const, Scalar)):
        kind_a, kind_b = _scalar_kind(a), _scalar_kind(b)
        if kind_a and kind_b:
            return Scalar(kind_a if kind_a == kind_b else "number")
    values: list[Value] = []
    for value in (*alternatives(a), *alternatives(b)):
        if value not in values:
            for index, other in enumerate(values):
                merged = _join_same(value, other, widen) if type(value) is type(other) else None
                if merged is not None:
                    values[index] = merged
                    break
            else:
                values.append(value)
    if len(values) == 1:
        return values[0]
    return OneOf(values) if len(values) <= MAX_ALTERNATIVES else UNKNOWN


def join_all(values: Iterable[Value]) -> Value:
    """The join of several values; UNKNOWN for none."""
    result: Value | None = None
    for value in values:
        result = value if result is None else join(result, value)
    return UNKNOWN if result is None else result


def _scalar_kind(value: Value) -> str | None:
    if isinstance(value, Scalar):
        return value.kind
    if isinstance(value, Const) and isinstance(value.value, (bool, int, float, str)):
        return type(value.value).__name__
    return None


def _common_grad_origin(a: Tensor, b: Tensor) -> Origin | None:
    """What made either require grad; where neither does, what ended that."""
    if a.grad is b.grad:
        return a.grad_origin or b.grad_origin
    return b.grad_origin if a.grad is Tri.NO else a.grad_origin


def _join_same(a: Value, b: Value, widen: bool) -> Value | None:
    """The join of two values of one type as one value of that type; None when it takes a `OneOf`."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        numbers = a.numbers if a.numbers is b.numbers else Numbers.UNKNOWN
        return Tensor(
            a.grad.join(b.grad),
            a.device.join(b.device),
            a.dtype if a.dtype == b.dtype else None,
            numbers,
            a.origin or b.origin,
            numbers_dim=a.numbers_dim if a.numbers_dim == b.numbers_dim else None,
            numbers_origin=a.numbers_origin or b.numbers_origin,
            grad_origin=_common_grad_origin(a, b),
            device_origin=a.device_origin or b.device_origin,
            batch=a.batch or b.batch,
            shape=a.shape if a.shape is b.shape else shapes.join(a.shape, b.shape),
            layout=a.layout if a.layout == b.layout else None,
        )
    if a == b:
        if isinstance(a, Scalar) and isinstance(b, Scalar) and a.origin is not b.origin:
            return a if a.origin is None or isinstance(a, Extent) else Scalar(a.kind)
        return a
    if isinstance(a, Const) and isinstance(b, Const):
        if widen:
            kind_a, kind_b = _scalar_kind(a), _scalar_kind(b)
            if kind_a and kind_b:
                return Scalar(kind_a if kind_a == kind_b else "number")
        if type(a.value) is type(b.value) and a.value == b.value:
            return a if a.assumed else b
        return None
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        if a.kind == b.kind:
            return Scalar(a.kind)
        return Scalar("number" if {a.kind, b.kind} <= {"int", "float", "number", "bool"} else "unknown")
    if isinstance(a, TupleOf) and isinstance(b, TupleOf) and len(a.items) == len(b.items) and a.made_by == b.made_by:
        items = (join(x, y, widen=widen) for x, y in zip(a.items, b.items, strict=True))
        return TupleOf(items, a.origin, made_by=a.made_by, names=a.names)
    if isinstance(a, Items) and isinstance(b, Items):
        if a.items is not None and b.items is not None and len(a.items) == len(b.items):
            return Items(tuple(join(x, y, widen=widen) for x, y in zip(a.items, b.items, strict=True)))
        last = join(a.last, b.last) if a.last is not None and b.last is not None else None
        if a.items == () or b.items == ():
            # A list that starts empty and is filled in a loop: its elements are those that were put in.
            full = b if a.items == () else a
            return Items(None, full.any, full.last)
        return Items(None, join(a.any, b.any, widen=widen), last)
    if isinstance(a, Entries) and isinstance(b, Entries):
        entries = {
            key: join(a.entries[key], b.entries[key], widen=widen)
            if key in a.entries and key in b.entries
            else (a.entries.get(key) or b.entries[key])
            for key in {**a.entries, **b.entries}
        }
        return Entries(entries, a.exact and b.exact and a.entries.keys() == b.entries.keys())
    if isinstance(a, Iterated) and isinstance(b, Iterated):
        return Iterated(join(a.element, b.element), a.over, a.origin)
    if isinstance(a, DeviceValue) and isinstance(b, DeviceValue):
        return DeviceValue(a.device.join(b.device), a.origin)
    if isinstance(a, Array) and isinstance(b, Array):
        dtype = a.dtype if a.dtype == b.dtype else None
        return Array(a.origin, shapes.join(a.shape, b.shape), dtype, a.backwards and b.backwards)
    return None
