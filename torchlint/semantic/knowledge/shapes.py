"""The shapes that torch's functions, the methods of tensors and the layers of torch.nn give, by qualified name.

One entry says what one call gives, as far as its operands and arguments are known. A name without an entry gives a
tensor of unknown shape, or keeps that of its operand where `tensors.py` says that it is the same tensor.
"""

from typing import TYPE_CHECKING

from torchlint.semantic.knowledge.shapes_arguments import Entry
from torchlint.semantic.knowledge.shapes_layers import LAYERS, LOSSES, POOLS
from torchlint.semantic.knowledge.shapes_operations import FUNCTIONS, METHODS, SHARED, UNARY, one_hot
from torchlint.semantic.values import Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

SHAPES: dict[str, Entry] = {
    **{f"torch.{name}": entry for name, entry in {**SHARED, **FUNCTIONS}.items()},
    **{f"torch.Tensor.{name}": entry for name, entry in {**SHARED, **METHODS}.items()},
    **{f"torch.nn.functional.{name}": SHARED[name] for name in UNARY},
    **{f"torch.nn.functional.{name}": entry for name, entry in POOLS.items()},
    "torch.nn.functional.one_hot": one_hot,
    **{f"torch.special.{name}": SHARED["softmax"] for name in ("softmax", "log_softmax", "expit")},
    **{f"torch.nn.{name}.forward": entry for name, entry in LAYERS.items()},
    **{f"torch.nn.{name}": entry for name, entry in LOSSES.items()},
}


def shaped(machine: "Interpreter", call: "Call", entry: Entry, result: Value) -> Value:
    """The result of a call with the shape that the table's entry says; each tensor of a tuple has it."""
    if not call.arguments.complete and not call.arguments.tail:
        return result
    shape = entry(machine, call)
    if shape is None:
        return result
    if type(result) is Tensor:
        return result.of_shape(shape)
    if type(result) is TupleOf:
        items = [item.of_shape(shape) if type(item) is Tensor else item for item in result.items]
        return TupleOf(items, result.origin, made_by=result.made_by, names=result.names)
    return result
