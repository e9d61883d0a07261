"""Tensors of no dimensions that are indexed, and tensors of many elements that are asked whether they are true."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.shapes import MANY, MULTIPLE, SCALAR, product
from torchlint.semantic.stretches import asks_for_shape
from torchlint.semantic.values import Const, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


class ScalarUse(NamedTuple):
    """A tensor that is used as what its shape says it is not, in one context: `indexed` or `truth`.

    `node`: the index expression, or the expression that is asked.
    """

    how: str
    node: cst.BaseExpression
    tensor: Tensor


def has_many(tensor: Value | None) -> bool:
    """Whether a value certainly is a tensor of more than one element."""
    if not isinstance(tensor, Tensor) or tensor.shape is None or tensor.shape.open:
        return False
    count = product(tensor.shape.dims)
    return count in (MANY, MULTIPLE) or (isinstance(count, int) and count > 1)


def is_scalar(tensor: Value | None) -> bool:
    """Whether a value certainly is a tensor without dimensions."""
    return isinstance(tensor, Tensor) and tensor.shape == SCALAR


def note_index(machine: "Interpreter", node: cst.BaseExpression, tensor: Tensor, indexes: list[Value]) -> None:
    """Keep `tensor[index]` of the linted file where the tensor has no dimension that an index could be for."""
    # `tensor[None]`, `tensor[...]` and `tensor[True]` are fine.
    if indexes and all(isinstance(index, Const) and type(index.value) in (int, slice) for index in indexes):
        _note(machine, ScalarUse("indexed", node, tensor))


def note_truth(machine: "Interpreter", node: cst.BaseExpression, tensor: Tensor) -> None:
    """Keep an expression of the linted file that is asked whether it is true, and has many elements."""
    if has_many(tensor):
        _note(machine, ScalarUse("truth", node, tensor))


def _note(machine: "Interpreter", use: ScalarUse) -> None:
    if machine.facts is None or not machine.recording or machine.unit is not machine.target or machine.tried:
        return
    if not asks_for_shape(machine.tests):
        machine.facts.scalar_uses.append(use)
