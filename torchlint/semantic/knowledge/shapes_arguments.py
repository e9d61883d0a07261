"""What a call was given, for working out shapes: the tensor that it is about, its arguments, plain numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic import objects
from torchlint.semantic.shapes import SCALAR, Dim, Shape
from torchlint.semantic.values import Const, Iterated, Scalar, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# What one call gives.
Entry = Callable[["Interpreter", "Call"], Shape | None]


def argument(call: "Call", index: int, *names: str) -> Value | None:
    """An argument by its position after the tensor that the call is about."""
    return call.argument(index + (call.receiver is None), *names)


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


def number_of(value: Value | None, default: int) -> int | None:
    """A literal int, or the default where nothing is given; None where it is not known."""
    return default if value is None else int_of(value)


def flag_of(value: Value | None) -> bool | None:
    """A literal bool, False where nothing is given; None where it is not known."""
    if value is None:
        return False
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
    return tuple(map(int_of, values)) if all(map(is_plain, values)) or len(values) > 1 else None


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
