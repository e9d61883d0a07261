"""Operations that stretch both of their tensors: `(N, 1)` and `(N,)` give `(N, N)`."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.parts import parts
from torchlint.semantic.shapes import stretches
from torchlint.semantic.values import Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

# What a program asks a tensor for to tell shapes and types apart.
_QUESTIONS = frozenset({
    "dim", "ndim", "ndimension", "shape", "size", "dtype", "is_floating_point", "numel", "__version__",
})  # fmt: skip


class Stretch(NamedTuple):
    """An operator between two tensors that stretches both, in one context in which it runs.

    `asked`: it stands under a condition about shapes or types.
    """

    node: cst.BaseExpression
    left: Tensor
    right: Tensor
    asked: bool


def note(machine: "Interpreter", node: cst.CSTNode, left: Value, right: Value) -> None:
    """Keep an operation of the linted file if it stretches both of its tensors."""
    if machine.facts is None or not machine.recording or machine.unit is not machine.target:
        return
    if type(left) is not Tensor or type(right) is not Tensor or left.shape is None or right.shape is None:
        return
    if stretches(left.shape, right.shape) and isinstance(node, cst.BaseExpression):
        machine.facts.stretches.append(Stretch(node, left, right, asks_for_shape(machine.tests)))


def asks_for_shape(tests: tuple[cst.BaseExpression, ...]) -> bool:
    """Whether one of these conditions is about the shape or type of something."""
    pending: list[cst.CSTNode] = [*tests]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Attribute) and node.attr.value in _QUESTIONS:
            return True
        if isinstance(node, cst.Name) and node.value in ("len", "isinstance", "type"):
            return True
        pending.extend(parts(node))
    return False
