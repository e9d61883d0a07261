"""Tensors that modules get as plain attributes: neither parameters nor buffers."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.instances import is_module
from torchlint.semantic.values import FunctionInfo, Instance, Tensor

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


class Kept(NamedTuple):
    """A module of this file is given a tensor as an attribute, by an assignment.

    Attributes:
        target: the attribute, as written.
        owner: the module.
        value: the tensor.
        active: the functions of the project that are running, outermost first.
    """

    target: cst.Attribute
    owner: Instance
    value: Tensor
    active: tuple[FunctionInfo, ...]

    @property
    def is_made(self) -> bool:
        """Whether this is part of making the module."""
        info = self.owner.info
        return info is not None and any(each.name == "__init__" and each.owner in info.mro for each in self.active)


def note_kept(machine: "Interpreter", owner: Instance, target: cst.Attribute, value: Tensor) -> None:
    """`owner.name = tensor`"""
    if machine.facts is not None and machine.recording and machine.unit is machine.target:
        if owner.info is not None and is_module(owner):
            machine.facts.kept.append(Kept(target, owner, value, machine.active))


def note_gradient(machine: "Interpreter", tensor: Tensor, node: cst.CSTNode) -> None:
    """`tensor.grad` is asked for."""
    if isinstance(node, cst.Attribute) and machine.facts is not None and machine.recording:
        if machine.unit is machine.target:
            machine.facts.gradients_read.append((node, tensor, machine.active))
