"""Where `squeeze()` without a dimension takes away the batch as well, if that has one sample."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.lengths import known_length
from torchlint.semantic.loaders import DATA_LOADER, argument
from torchlint.semantic.shapes import Shape
from torchlint.semantic.values import TRUE, UNKNOWN, Const, Instance, Origin, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

# Functions that give a tensor of the same shape.
_UNARY = frozenset(
    {"sigmoid", "float", "double", "tanh", "relu", "clamp", "to", "exp", "log_softmax", "softmax", "cuda"}
)
# Functions that make a tensor of whatever size they are told.
_MADE = frozenset({"full", "ones", "zeros", "view", "reshape", "expand", "new_full", "new_ones", "new_zeros"})
# The numbers of samples in its parts.
_SVHN = {"train": 73257, "test": 26032, "extra": 531131}
_CONVERSIONS = frozenset({"float", "double", "to", "cuda", "long", "type"})
_MAX_STEPS = 4
_TENSOR_DATASET = "torch.utils.data.TensorDataset"


class Dropped(NamedTuple):
    """A call of `squeeze()`: where, and the shape that it is given where the linted file shows it."""

    origin: Origin
    shape: Shape | None


def squeezed(model: "Model", value: Value | None) -> Dropped | None:
    """The call of `squeeze()` that a tensor comes from, through functions that keep its shape."""
    for _ in range(_MAX_STEPS):
        if not isinstance(value, Tensor) or value.origin is None:
            return None
        node = value.origin.node
        if _is_bare_squeeze(node):
            calls = model.calls(node) if value.origin.unit is model.unit else ()
            given = _subject(calls[0]) if calls else None
            return Dropped(value.origin, given.shape if isinstance(given, Tensor) else None)
        if value.origin.unit is not model.unit:
            return None
        call = next((call for call in model.calls(node) if call.name), None)
        if call is None or (call.name or "").rpartition(".")[2] not in _UNARY:
            return None
        value = _subject(call)
    return None


def _subject(call: "Call") -> Value | None:
    if call.receiver is not None and not isinstance(call.receiver, Instance):
        return call.receiver
    return call.argument(0, "input")


def _is_bare_squeeze(node: cst.CSTNode) -> bool:
    """`x.squeeze()` or `torch.squeeze(x)`"""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.func.attr.value != "squeeze":
        return False
    of_torch = isinstance(node.func.value, cst.Name) and node.func.value.value == "torch"
    return len(node.args) == (1 if of_torch else 0)


def drops_batch(shape: Shape | None) -> bool:
    """Whether a shape is that of a batch with a last dimension of 1, where the batch may be of one sample."""
    if shape is None or not shape.dims or shape.dims[-1] != 1 or not isinstance(shape.dims[-1], int):
        return False
    first = shape.settled.dims[0] if not shape.settled.open else None
    return not isinstance(first, int) and (shape.open or len(shape.dims) > 1)


def may_be_single(model: "Model", call: "Call") -> bool:
    """Whether a call runs for each batch of a loop whose last batch may be of one sample."""
    loops = {id(loop.iter): loop for loop in call.loops if isinstance(loop, cst.For)}
    if not loops:
        return False
    loaders = [event.subject for event in model.events if event.kind == "iterate" and id(event.node) in loops]
    if loaders:
        return all(_may_be_single(model, loader) for loader in loaders)
    innermost = next(loop for loop in reversed(call.loops) if isinstance(loop, cst.For))
    return _goes_over_batches(model, innermost)


def _may_be_single(model: "Model", loader: Value) -> bool:
    if not isinstance(loader, Instance) or loader.symbol != DATA_LOADER:
        return False
    size, last = argument(loader, loader.arguments, "batch_size"), argument(loader, loader.arguments, "drop_last")
    if last is not None and (last == TRUE or not isinstance(last, Const)):
        return False
    if argument(loader, loader.arguments, "batch_sampler") is not None or not loader.arguments.complete:
        return False
    dataset = argument(loader, loader.arguments, "dataset")
    length = _length(model, dataset) if dataset is not None else None
    if isinstance(size, Const) and type(size.value) is int and size.value > 0 and length is not None:
        return length % size.value == 1 or size.value == 1
    return True


def _length(model: "Model", dataset: Value) -> int | None:
    if isinstance(dataset, Instance) and dataset.symbol == "torchvision.datasets.SVHN":
        split = dataset.arguments.get(1, "split")
        return _SVHN.get(split.value if isinstance(split, Const) else "train")
    if isinstance(dataset, Instance) and dataset.symbol == _TENSOR_DATASET and dataset.arguments.positional:
        first = dataset.arguments.positional[0]
        shape = first.shape if isinstance(first, Tensor) else None
        rows = shape.dims[0] if shape is not None and not shape.open and shape.dims else None
        return int(rows) if isinstance(rows, int) else None
    return known_length(model, dataset)


def _goes_over_batches(model: "Model", loop: cst.For) -> bool:
    """Whether a loop over something unknown goes by the names of batches: `for x, y in loader`."""
    node: cst.CSTNode = loop.iter
    while isinstance(node, cst.Call) and node.args:
        node = node.args[0].value
    name = node.attr if isinstance(node, cst.Attribute) else node
    return isinstance(name, cst.Name) and any(word in name.value.lower() for word in ("loader", "iterator", "_dl"))


def _is_of_loop(model: "Model", call: "Call", written: cst.BaseExpression) -> bool:
    """Whether an expression is what a loop takes out of a loader, converted at most: `y.float()`, `batch.label`."""
    while isinstance(written, cst.Call) and isinstance(written.func, cst.Attribute):
        if written.func.attr.value not in _CONVERSIONS:
            return False
        written = written.func.value
    is_part = isinstance(written, (cst.Attribute, cst.Subscript))
    base = written.value if isinstance(written, (cst.Attribute, cst.Subscript)) else written
    if not isinstance(base, cst.Name):
        return False
    text = model.unit.source.text
    if any(f"{base.value}{end}" in text for end in (".squeeze", ".view", ".reshape", ".unsqueeze")):
        return False
    return any(isinstance(loop, cst.For) and _names(loop.target, base.value, is_part) for loop in call.loops)


def _names(target: cst.BaseExpression, name: str, is_part: bool) -> bool:
    if isinstance(target, cst.Name):
        return is_part and target.value == name
    elements = target.elements if isinstance(target, (cst.Tuple, cst.List)) else ()
    return any(
        isinstance(element.value, cst.Name) and element.value.value == name
        if not isinstance(element.value, (cst.Tuple, cst.List))
        else _names(element.value, name, is_part)
        for element in elements
    )


def follows(model: "Model", call: "Call", value: Value | None, written: cst.BaseExpression | None) -> bool:
    """Whether a target may have lost its batch in the same way, or takes its shape from the output."""
    if value is UNKNOWN and written is not None:
        return not _is_of_loop(model, call, written)
    if not isinstance(value, Tensor) or value.batch:
        return False
    if value.shape is not None and value.shape.rank == 1:
        return squeezed(model, value) is not None or _is_made_like(model, value)
    return True


def _is_made_like(model: "Model", value: Tensor) -> bool:
    """Whether a tensor is made here, as `ones_like` makes it, and does not come out of a data set."""
    if value.origin is None or value.origin.unit is not model.unit:
        return False
    names = {(call.name or "").rpartition(".")[2] for call in model.calls(value.origin.node)}
    return any(name.endswith(("_like", "_as")) or name in _MADE for name in names)
