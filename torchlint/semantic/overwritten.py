"""Tensors that are written to in place, by operators, by indexing and by methods, while autograd may follow them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.values import FunctionInfo, Tensor, Tri

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter
    from torchlint.semantic.model import Model

# Methods that change nothing that autograd has kept, or only how it sees the tensor.
_HARMLESS = frozenset({"requires_grad_", "detach_", "share_memory_", "rename_", "retain_grad_", "apply_", "map_"})


class Overwritten(NamedTuple):
    """A tensor is written to.

    Attributes:
        node: the statement or call.
        value: the tensor as it was before.
        grad: whether autograd is recording.
        active: the functions of the project that are running, outermost first.
        tests: the conditions around it that are not known, outermost first.
        tried: in a short `try` that catches what a wrong use of a tensor raises.
    """

    node: cst.CSTNode
    value: Tensor
    grad: Tri
    active: tuple[FunctionInfo, ...]
    tests: tuple[cst.BaseExpression, ...]
    tried: bool


def note_overwritten(machine: "Interpreter", node: cst.CSTNode, value: Tensor) -> None:
    """`y += 1`, `y[0] = 1`"""
    if machine.facts is None or not machine.recording or machine.unit is not machine.target:
        return
    if value.grad is not Tri.NO and machine.grad_mode() is not Tri.NO:
        found = Overwritten(node, value, machine.grad_mode(), machine.active, machine.tests, machine.tried)
        machine.facts.overwritten.append(found)


def overwritten(model: "Model") -> Iterator[Overwritten]:
    """Each tensor of a file that is written to while autograd may be recording."""
    yield from model.facts.overwritten
    for name in [*model.called]:
        method = name.removeprefix("torch.Tensor.")
        if name == method or not method.endswith("_") or method.startswith("_") or method in _HARMLESS:
            continue
        for call in model.calls_of(name):
            value = call.receiver
            if call.certain and isinstance(value, Tensor) and value.grad is not Tri.NO and call.grad is not Tri.NO:
                yield Overwritten(call.node, value, call.grad, call.active, call.tests, call.tried)
