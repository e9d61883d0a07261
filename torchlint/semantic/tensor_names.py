"""Names that certainly stand for tensors, by what the code around does with them, or by the loader that they are
taken from. An object of another class may also have `to` and `cuda`: a model, a batch of graphs, encoded text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.datasets import collates_by_default
from torchlint.semantic.flow import own_nodes
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.parts import parts
from torchlint.semantic.values import Tensor, Tri, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

# Of all that has a method `to` or `cuda`, only tensors have these.
ONLY_TENSORS = frozenset({
    "view", "reshape", "unsqueeze", "permute", "item", "numel", "argmax", "dim", "shape", "view_as", "type_as",
    "expand_as", "ndimension", "masked_fill", "requires_grad_", "unsqueeze_", "transpose", "repeat", "expand",
})  # fmt: skip
_KINDS = ("isinstance", "hasattr", "is_tensor", "type(", "ndarray", "numpy")
# Modules that take something else as well.
_OPEN = ("torch.nn.Sequential", "torch.nn.Identity", "torch.nn.DataParallel", "torch.nn.ModuleList")


def asks_kind(model: "Model", call: "Call") -> bool:
    """Whether a condition around a call asks what something is: what is taken for a tensor may be something else."""
    return any(word in model.module.code_for_node(test) for test in call.tests for word in _KINDS)


def is_tensor_name(model: "Model", name: cst.Name, call: "Call") -> bool:
    """Whether a name certainly stands for a tensor where its method `to` or `cuda` is called."""
    return _is_collated(model, name.value, call.receiver) or _is_used_as_tensor(model, name.value, call)


def _is_collated(model: "Model", name: str, receiver: Value | None) -> bool:
    """Whether something comes out of a loader that puts samples together by torch's `default_collate`.

    That gives tensors, and lists and dicts, which have no method `to`; only dicts of a class of their own may have one,
    such as encoded text.
    """
    if not isinstance(receiver, Tensor) or not receiver.batch:
        return False
    text = model.unit.source.text
    if any(word in text for word in ("tokeniz", "transformers", f"**{name}", f'{name}["', f"{name}['")):
        return False
    makers = [loader for loader in model.loaders if loader.instance.origin == receiver.origin]
    return bool(makers) and all(loader.is_plain and collates_by_default(loader) is Tri.YES for loader in makers)


def _is_used_as_tensor(model: "Model", name: str, call: "Call") -> bool:
    """Whether the function around uses the name as nothing else can be used."""
    scope = call.active[-1].node if call.active else model.module
    if call.active and call.active[-1].unit is not model.unit:
        return False
    used = False
    for node in scope_nodes(scope):
        if type(node) is cst.Attribute:
            if type(node.value) is cst.Name and node.value.value == name and node.attr.value in ONLY_TENSORS:
                used = True
        elif type(node) is cst.Call:
            used = used or (any(_is_name(arg.value, name) for arg in node.args) and _takes_tensors(model, node))
        elif type(node) is cst.Assign:
            if any(_is_name(target.target, name) for target in node.targets) and not _is_made_of(node.value, name):
                return False
    return used


def scope_nodes(scope: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes of a function or module, without those of the functions in it."""
    if isinstance(scope, cst.FunctionDef):
        yield from own_nodes(scope)
        return
    pending = [*parts(scope)]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            pending.extend(parts(node))


def _is_name(node: cst.BaseExpression, name: str) -> bool:
    return type(node) is cst.Name and node.value == name


def _is_made_of(node: cst.BaseExpression, name: str) -> bool:
    """`x.method(...)` for the name `x`: a tensor is made of a tensor."""
    while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        node = node.func.value
    return _is_name(node, name)


def _takes_tensors(model: "Model", node: cst.Call) -> bool:
    """Whether what is called is a layer or loss of torch, which takes tensors."""
    for call in model.calls(node):
        name = call.name or ""
        if name.startswith("torch.nn.functional."):
            return True
        if name.endswith(".forward") and not name.startswith(_OPEN):
            return module_class(name.removesuffix(".forward")) is not None
    return False
