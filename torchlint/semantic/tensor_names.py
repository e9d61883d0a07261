"""Names that certainly stand for tensors, by what the code around does with them, or by the loader that they are
taken from. An object of another class may also have `to` and `cuda`: a model, a batch of graphs, encoded text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.batches import TENSOR_DATASET
from torchlint.semantic.datasets import collates_by_default
from torchlint.semantic.flow import own_nodes
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.loaders import is_loader
from torchlint.semantic.parts import parts
from torchlint.semantic.values import Array, Const, Instance, Iterated, Scalar, Tensor, Tri, TupleOf, Value

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
# Datasets that give an image and its class, which become tensors in a batch.
_CLASSIFIED = frozenset({
    "MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST", "CIFAR10", "CIFAR100", "SVHN", "STL10", "ImageFolder",
    "ImageNet", "USPS", "Omniglot", "Flowers102", "Food101", "OxfordIIITPet", "StanfordCars", "FGVCAircraft", "GTSRB",
    "Caltech101", "Caltech256", "DTD", "EuroSAT", "Places365", "FakeData", "SEMEION", "Country211",
})  # fmt: skip


def asks_kind(model: "Model", call: "Call") -> bool:
    """Whether a condition around a call asks what something is: what is taken for a tensor may be something else."""
    return any(word in model.module.code_for_node(test) for test in call.tests for word in _KINDS)


def is_tensor_name(model: "Model", name: cst.Name, call: "Call") -> bool:
    """Whether a name certainly stands for a tensor where a method of it is called."""
    return _is_part_of_batch(model, name.value, call) or _is_used_as_tensor(model, name.value, call)


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


def _is_part_of_batch(model: "Model", name: str, call: "Call") -> bool:
    """Whether a loop over a loader unpacks its batches into this name and others, and this part is a tensor."""
    for loop in reversed(call.loops):
        if isinstance(loop, cst.For):
            position = _position(loop.target, name)
            if position is not None:
                return _is_tensor_part(model, model.value(loop.iter), position)
            if _is_name(loop.target, name):
                return False
    return False


def _position(target: cst.BaseExpression, name: str) -> int | None:
    """The place of a name in `x, y` or in the `(x, y)` of `i, (x, y)`; None where there is no such pattern."""
    if not isinstance(target, (cst.Tuple, cst.List)):
        return None
    parts = [element.value for element in target.elements]
    if len(parts) == 2 and isinstance(parts[1], (cst.Tuple, cst.List)):
        return _position(parts[1], name)
    return next((index for index, part in enumerate(parts) if _is_name(part, name)), None)


def _is_tensor_part(model: "Model", iterated: Value, position: int) -> bool:
    options = iterated.over if isinstance(iterated, Iterated) else (iterated,)
    given = [option for option in options if is_loader(option)]
    if len(given) != 1:
        return False
    loader = next((loader for loader in model.loaders if loader.instance is given[0]), None)
    if loader is None or not loader.is_plain or collates_by_default(loader) is not Tri.YES:
        return False
    sources, complete = model.sources(loader)
    return complete and bool(sources) and all(_gives_tensor(model, source, position) for source in sources)


def _gives_tensor(model: "Model", dataset: Instance, position: int) -> bool:
    """Whether a part of a dataset's samples becomes a tensor in a batch."""
    if dataset.info is None:
        symbol = dataset.symbol or ""
        if symbol == TENSOR_DATASET:
            return position < len(dataset.arguments.positional)
        return symbol.startswith("torchvision.datasets.") and symbol.rpartition(".")[2] in _CLASSIFIED and position < 2
    sample = model.sample(dataset)
    part = sample.items[position] if isinstance(sample, TupleOf) and position < len(sample.items) else None
    if isinstance(part, Const):
        return isinstance(part.value, (int, float))
    if isinstance(part, Scalar):
        return part.kind in ("int", "float", "number", "bool")
    return isinstance(part, (Tensor, Array))
