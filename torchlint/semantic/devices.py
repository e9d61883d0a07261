"""Operations that mix devices: one operand was moved to an accelerator, another one was left on the CPU."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.values import Device, FunctionInfo, Origin, Tensor

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

ELSEWHERE = frozenset({Device.ACCELERATOR, Device.WHEN_AVAILABLE})


class Mixed(NamedTuple):
    """An operation on two devices.

    Attributes:
        node: the operation.
        moved: what moved the one operand, or the layer.
        stray: the operand on the CPU.
        active: the functions that are running, outermost first.
        stack: the calls of the linted file that led there, outermost first.
        is_layer: the operation is a layer of torch that was moved.
    """

    node: cst.CSTNode
    moved: Origin | None
    stray: Tensor
    active: tuple[FunctionInfo, ...]
    stack: tuple[cst.CSTNode, ...]
    is_layer: bool


def is_stray(tensor: Tensor) -> bool:
    """Whether a tensor certainly is on the CPU and has a dimension: one number may be mixed with any device."""
    return tensor.device is Device.CPU and not tensor.batch and tensor.shape is not None and bool(tensor.shape.dims)


def note_mixed(
    machine: "Interpreter", node: cst.CSTNode, moved: Origin | None, stray: Tensor, *, is_layer: bool = False
) -> None:
    """An operation has both operands."""
    if machine.facts is not None and machine.recording and is_stray(stray):
        if is_layer or machine.unit is machine.target:
            machine.facts.mixed.append(Mixed(node, moved, stray, machine.active, machine.stack, is_layer))
