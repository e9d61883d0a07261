"""Leaves of autograd's graph: tensors that gradients are computed for, and that no operation computed."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.knowledge.tensors import FACTORIES
from torchlint.semantic.values import Tensor, Tri, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# What makes a leaf, if it is told to require grad.
MAKERS = frozenset({
    "torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.autograd.Variable",
    *(f"torch.{name}" for name in FACTORIES),
})  # fmt: skip


def is_leaf(model: "Model", value: Value) -> bool:
    """Whether a tensor certainly is a leaf that requires grad.

    So is what a factory makes with `requires_grad=True`, and what was told to require grad afterwards.
    """
    if not isinstance(value, Tensor) or value.grad is not Tri.YES or value.origin is None or value.grad_origin is None:
        return False
    if value.origin.unit is not model.unit or value.grad_origin.unit is not model.unit:
        return False
    made, told = value.origin.node, value.grad_origin.node
    if made is told:
        calls = model.calls(made)
        return bool(calls) and all(call.name in MAKERS for call in calls)
    owner: cst.BaseExpression | None = None
    if isinstance(told, cst.Call) and isinstance(told.func, cst.Attribute) and told.func.attr.value == "requires_grad_":
        owner = told.func.value
    elif isinstance(told, cst.Attribute) and told.attr.value == "requires_grad":
        owner = told.value
    if owner is None:
        return False
    # Anything computed from it later was made elsewhere.
    before = model.values(owner)
    return bool(before) and all(isinstance(each, Tensor) and each.origin == value.origin for each in before)
