"""Tensors that an operation computed from a leaf of autograd's graph: no leaves, and no parameters themselves."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.devices import ELSEWHERE
from torchlint.semantic.flow import own_nodes
from torchlint.semantic.leaves import MAKERS
from torchlint.semantic.parts import parts, stands_in
from torchlint.semantic.values import Device, Tensor, Tri, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

PARAMETERS = frozenset({"torch.nn.Parameter", "torch.nn.parameter.Parameter"})
# Methods that give their own tensor where there is nothing to do.
_KEEPING = frozenset({
    "to", "cuda", "cpu", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous", "requires_grad_",
    "share_memory_", "xpu", "pin_memory",
})  # fmt: skip
_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16"}


def leaf_before(model: "Model", value: Value) -> cst.Call | None:
    """The call that made the leaf from which operations of this file certainly computed a tensor; None for all else."""
    if not isinstance(value, Tensor) or value.grad is Tri.NO or value.origin is None or value.grad_origin is None:
        return None
    if value.origin.unit is not model.unit or value.grad_origin.unit is not model.unit:
        return None
    made, last = value.grad_origin.node, value.origin.node
    if made is last or not isinstance(made, cst.Call):
        return None
    calls = model.calls(made)
    if not calls or not all(call.name in MAKERS and _requires_grad(call.result) for call in calls):
        # Where modes are not known, what is made of it only may require grad.
        return None
    return made if _is_after(model, last, made) and _operates(model, last, made) else None


def _requires_grad(value: Value) -> bool:
    return isinstance(value, Tensor) and value.grad is Tri.YES


def is_parameter(model: "Model", made: cst.Call) -> bool:
    """Whether a call that makes a leaf makes an `nn.Parameter`."""
    return all(call.name in PARAMETERS for call in model.calls(made))


def is_only_in(model: "Model", statement: cst.Assign, made: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether nothing else gets hold of a leaf: it is part of what is assigned, or of a variable used only there."""
    if stands_in(made, statement.value):
        return True
    target = model.assigned_to(made)
    if not isinstance(target, cst.Name):
        return False
    loads = [
        node
        for node in own_nodes(function)
        if isinstance(node, cst.Name) and node.value == target.value and node is not target
    ]
    return bool(loads) and all(stands_in(node, statement) for node in loads)


def _is_after(model: "Model", last: cst.CSTNode, made: cst.Call) -> bool:
    """Whether an expression has a leaf in it, or a variable that leads to it: `Variable(x)` is made after `x`."""
    pending = [last]
    while pending:
        node = pending.pop()
        if node is made:
            return True
        if isinstance(node, (cst.Name, cst.Attribute)):
            for value in model.values(node):
                if isinstance(value, Tensor) and value.grad_origin is not None and value.grad_origin.node is made:
                    return True
        pending.extend(parts(node))
    return False


def _operates(model: "Model", node: cst.CSTNode, made: cst.Call) -> bool:
    """Whether any operation from a leaf to a result makes a new tensor of it."""
    while node is not made:
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            return True
        if node.func.attr.value not in _KEEPING or _converts(model, node, made):
            return True
        before = node.func.value
        if isinstance(before, (cst.Name, cst.Attribute)):
            known = [value.origin for value in model.values(before) if isinstance(value, Tensor)]
            if len(known) != 1 or known[0] is None or known[0].node is node:
                return False
            before = known[0].node  # type: ignore[assignment]
        node = before
    return False


def _converts(model: "Model", node: cst.Call, made: cst.Call) -> bool:
    """Whether a conversion of a leaf gives another tensor: it was on the CPU, or of a dtype that is known."""
    assert isinstance(node.func, cst.Attribute)
    name = node.func.attr.value
    data = _data(model, made)
    results = [call.result for call in model.calls(node)]
    if data is None or not results:
        return False
    if name in _DTYPES:
        return data.dtype is not None and data.dtype != _DTYPES[name]
    if name == "cuda":
        return data.device is Device.CPU
    if name != "to" or len(node.args) != 1 or data.device is not Device.CPU:
        return False
    return all(isinstance(result, Tensor) and _is_elsewhere(node, result, data) for result in results)


def _is_elsewhere(node: cst.Call, result: Tensor, data: Tensor) -> bool:
    """Whether `.to(...)` of a tensor on the CPU moves it, as far as its argument tells, or changes its dtype."""
    given = node.args[0].value
    if result.device in ELSEWHERE:
        return True
    if result.device is Device.CPU:
        return result.dtype is not None and data.dtype is not None and result.dtype != data.dtype
    last = given.attr if isinstance(given, cst.Attribute) else given
    return isinstance(last, cst.Name) and "dev" in last.value.lower()


def _data(model: "Model", made: cst.Call) -> Tensor | None:
    """What a leaf was made of: what a parameter was given, else the tensor of the factory itself."""
    if is_parameter(model, made):
        values = [call.argument(0, "data") for call in model.calls(made)]
    else:
        values = [call.result for call in model.calls(made)]
    found = values[0] if values else None
    if not isinstance(found, Tensor) or any(value != found for value in values):
        return None
    return found
