"""The shapes that torch's functions, the methods of tensors and the layers of torch.nn give, by qualified name.

One entry says what one call gives, as far as its operands and arguments are known, and raises `Mismatch` where torch
raises. A name without an entry gives a tensor of unknown shape, or keeps that of its operand where `tensors.py` says
that it is the same tensor. A constructor has an entry where it refuses numbers that do not fit.
"""

from typing import TYPE_CHECKING

from torchlint.semantic.knowledge.shapes_arguments import Entry, Given
from torchlint.semantic.knowledge.shapes_functional import FUNCTIONAL
from torchlint.semantic.knowledge.shapes_layers import CONSTRUCTORS, LAYERS
from torchlint.semantic.knowledge.shapes_losses import LOSSES
from torchlint.semantic.knowledge.shapes_operations import FUNCTIONS, METHODS, SHARED
from torchlint.semantic.shapes import Shape
from torchlint.semantic.values import Instance, Iterated, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Functions of torch.nn.functional that torch has too, with the same parameters.
_ALSO_IN_TORCH = (
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "max_pool1d",
    "max_pool2d", "max_pool3d", "avg_pool1d", "adaptive_avg_pool1d", "adaptive_max_pool1d", "pixel_shuffle",
    "pixel_unshuffle", "cosine_similarity",
)  # fmt: skip
SHAPES: dict[str, Entry] = {
    **{f"torch.{name}": FUNCTIONAL[name] for name in _ALSO_IN_TORCH},
    **{f"torch.{name}": entry for name, entry in {**SHARED, **FUNCTIONS}.items()},
    **{f"torch.Tensor.{name}": entry for name, entry in {**SHARED, **METHODS}.items()},
    **{f"torch.nn.functional.{name}": entry for name, entry in FUNCTIONAL.items()},
    **{f"torch.special.{name}": SHARED["softmax"] for name in ("softmax", "log_softmax", "expit")},
    **{f"torch.nn.{name}.forward": entry for name, entry in LAYERS.items()},
    **{f"torch.nn.{name}": entry for name, entry in {**CONSTRUCTORS, **LOSSES}.items()},
}


def shaped(machine: "Interpreter", call: "Call", entry: Entry, result: Value) -> Value:
    """The result of a call with the shape that the table's entry says.

    Raises:
        Mismatch: torch refuses the call.
    """
    if not call.arguments.complete and not call.arguments.tail:
        return result
    if type(call.receiver) is not Instance and (call.name or "").endswith(".forward"):
        # `nn.Linear.forward(self, x)`: which layer that is stands among the arguments.
        return result
    given = entry(machine, call)
    return result if given is None else _with_shape(result, given)


def _with_shape(result: Value, given: Given) -> Value:
    """A tensor of this shape; a tuple with these shapes, or with one for each of its tensors."""
    if type(result) is Tensor:
        return result.of_shape(given) if type(given) is Shape else result
    if type(result) is TupleOf:
        each = given if type(given) is tuple else (given,) * len(result.items)
        if len(each) != len(result.items):
            return result
        items = [_with_shape(item, one) for item, one in zip(result.items, each, strict=True)]  # type: ignore[arg-type]
        return TupleOf(items, result.origin, made_by=result.made_by, names=result.names)
    if type(result) is Iterated and type(given) is tuple:
        return TupleOf([_with_shape(result.element, one) for one in given], result.origin)  # type: ignore[arg-type]
    return result
