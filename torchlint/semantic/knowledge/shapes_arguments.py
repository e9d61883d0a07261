"""What a call was given, for working out shapes: the tensor that it is about, its arguments, plain numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic import objects
from torchlint.semantic.shapes import SCALAR, Dim, Shape, Size
from torchlint.semantic.values import UNKNOWN, Const, Extent, Instance, Iterated, Scalar, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# The shape of what a call gives, or those of the tensors in the tuple that it gives.
Given = Shape | tuple[object, ...] | None
# What one call gives. Raises `Mismatch` where torch refuses it.
Entry = Callable[["Interpreter", "Call"], Given]


def argument(call: "Call", index: int, *names: str) -> Value | None:
    """An argument by its position after the tensor that the call is about."""
    return call.argument(index + (call.receiver is None), *names)


def option(call: "Call", index: int | None, name: str) -> Value | None:
    """An argument of a layer's constructor; UNKNOWN where it may be given unseen, or was changed later."""
    layer = call.receiver
    assert isinstance(layer, Instance)
    value = layer.arguments.get(index, name)
    if name in layer.written or (value is None and not layer.arguments.complete):
        return UNKNOWN
    return value


def subject_shape(call: "Call") -> Shape | None:
    """The shape of the tensor that a function or method is about."""
    value = call.receiver if call.receiver is not None else call.argument(0, "input", "self", "x", "tensor")
    return value.shape if type(value) is Tensor else None


def operand_shape(value: Value | None) -> Shape | None:
    """The shape of an operand; a Python number has none."""
    if type(value) is Tensor:
        return value.shape
    return SCALAR if value is not None and objects.is_plain_number(value) else None


def int_of(value: Value | None) -> int | None:
    """A literal int; None for what a caller or a command line may set."""
    if type(value) is Const and type(value.value) is int and not value.assumed:
        return value.value
    return None


def dim_of(value: Value | None) -> Dim:
    """A size, with the place that set it, or the symbol of one that is not known."""
    if type(value) is Const:
        known = int_of(value)
        return known if known is None or value.origin is None else Size(known, value.origin)
    return value.symbol if type(value) is Extent else None


def number_of(value: Value | None, default: int) -> int | None:
    """A literal int, or the default where nothing is given; None where it is not known."""
    return default if value is None else int_of(value)


def flag_of(value: Value | None, default: bool = False) -> bool | None:
    """A literal bool, the default where nothing is given; None where it is not known."""
    if value is None:
        return default
    return value.value if type(value) is Const and type(value.value) is bool and not value.assumed else None


def is_sequence(machine: "Interpreter", value: Value | None) -> bool:
    return value is not None and (isinstance(value, (TupleOf, Iterated)) or objects.content(machine, value) is not None)


def sizes_of(machine: "Interpreter", values: tuple[Value, ...]) -> tuple[Dim, ...] | None:
    """Sizes as `view` and `zeros` take them: `2, 3` or `(2, 3)`; None where their number is not known."""
    if len(values) == 1 and not is_plain(values[0]):
        items = objects.exact_items(machine, values[0])
        if items is None:
            return None
        values = items
    return tuple(map(dim_of, values)) if all(map(is_plain, values)) or len(values) > 1 else None


def listed(call: "Call", *names: str) -> tuple[Value, ...]:
    """Sizes or dimensions as a method takes them: one by one, or in one sequence; none where some are not known."""
    if call.arguments.tail:
        return ()
    given = call.arguments.positional[call.receiver is None :]
    if not given:
        named = call.argument(None, *names)
        return (named,) if named is not None else ()
    return given


def is_plain(value: Value) -> bool:
    return isinstance(value, (Const, Scalar))


def dims_of(machine: "Interpreter", value: Value) -> tuple[int, ...] | None:
    one = int_of(value)
    if one is not None:
        return (one,)
    items = objects.exact_items(machine, value)
    if items is None:
        return None
    found = [int_of(item) for item in items]
    known = tuple(dim for dim in found if dim is not None)
    return known if len(known) == len(found) else None


def each_of(machine: "Interpreter", value: Value | None, count: int, default: int) -> list[int] | None:
    """An option of a convolution for each of its dimensions; None where it is not known."""
    if value is None:
        return [default] * count
    one = int_of(value)
    if one is not None:
        return [one] * count
    dims = dims_of(machine, value)
    if dims is not None and len(dims) == 1:
        return [dims[0]] * count
    return list(dims) if dims is not None and len(dims) == count else None
