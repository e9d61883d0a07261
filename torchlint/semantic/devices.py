"""Operations that mix devices: one operand was moved to an accelerator, another one was left on the CPU."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.values import Device, FunctionInfo, Tensor

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

ELSEWHERE = frozenset({Device.ACCELERATOR, Device.WHEN_AVAILABLE})


class Mixed(NamedTuple):
    """An operation of the linted file, its two operands, and the functions that are running, outermost first."""

    node: cst.CSTNode
    moved: Tensor
    stray: Tensor
    active: tuple[FunctionInfo, ...]


def is_stray(tensor: Tensor) -> bool:
    """Whether a tensor certainly is on the CPU and has a dimension: one number may be mixed with any device."""
    return tensor.device is Device.CPU and not tensor.batch and tensor.shape is not None and bool(tensor.shape.dims)


def note_mixed(machine: "Interpreter", node: cst.CSTNode, moved: Tensor, stray: Tensor) -> None:
    """An operation has both operands."""
    if machine.facts is not None and machine.unit is machine.target and machine.recording and is_stray(stray):
        machine.facts.mixed.append(Mixed(node, moved, stray, machine.active))
