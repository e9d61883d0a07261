"""What a loader gives each time: batches by the samples of its dataset, put together as `default_collate` does.

The samples of a `TensorDataset` are the rows of its tensors, those of torchvision's datasets are an image and what
its class says, and those of the project's own datasets are what their `__getitem__` returns.
"""

from typing import TYPE_CHECKING

from torchlint.semantic import datasets
from torchlint.semantic.image_sizes import size_after
from torchlint.semantic.knowledge.vision import PREFIX, dataset_class
from torchlint.semantic.loaders import DATA_LOADER, argument, loaded
from torchlint.semantic.shapes import MANY, Dim, Shape, Size
from torchlint.semantic.transforms import Image, Kind, channels_of, run, steps
from torchlint.semantic.values import (
    CONTENT,
    NONE,
    UNKNOWN,
    Arguments,
    Array,
    Const,
    Device,
    DictRef,
    Entries,
    FunctionRef,
    Instance,
    Items,
    ListRef,
    Scalar,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
    join_all,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

TENSOR_DATASET = "torch.utils.data.TensorDataset"
# Statements that getting a sample may run.
FUEL = 200
MAX_DEPTH = 3
# What Python's numbers become. A bool may be what a comparison of something unknown is taken for.
_DTYPES = {"int": "int64", "float": "float64"}


def batch(machine: "Interpreter", loader: Instance) -> Value:
    """A batch of a loader; where no more is known, tensors without a graph on the CPU, or containers of them."""
    if loader.symbol != DATA_LOADER or machine.facts is None or loader.origin is None:
        return loaded(loader)
    known = machine.batches.get(loader)
    if known is None or known[0] is not loader.arguments:
        known = machine.batches[loader] = (loader.arguments, _batch(machine, loader))
    return known[1]


def _batch(machine: "Interpreter", loader: Instance) -> Value:
    anything = loaded(loader)
    if not _collates(loader):
        return anything
    read = datasets.sources(argument(loader, loader.arguments, "dataset"), machine.state)
    if not read.complete or not read.datasets:
        return anything
    samples = [_sample(machine, dataset) for dataset in read.datasets]
    if UNKNOWN in samples:
        return anything
    return _collated(machine, join_all(samples), _size(loader), loader)


def _collates(loader: Instance) -> bool:
    """Whether batches certainly are made by `default_collate`."""
    size = argument(loader, loader.arguments, "batch_size")
    collate = argument(loader, loader.arguments, "collate_fn")
    return loader.arguments.complete and size != NONE and (collate is None or collate == NONE)


def _size(loader: Instance) -> Dim:
    """The number of samples in a batch: 1, `MANY`, or None where it may be either."""
    if argument(loader, loader.arguments, "batch_sampler") not in (None, NONE):
        return None
    size = argument(loader, loader.arguments, "batch_size")
    if size is None:
        return 1
    options = alternatives(size)
    if not all(isinstance(option, Const) and type(option.value) is int for option in options):
        return None
    if all(isinstance(option, Const) and option.value > 1 for option in options):
        return MANY
    return 1 if size == Const(1) else None


def _sample(machine: "Interpreter", dataset: Instance) -> Value:
    """A sample of a dataset; UNKNOWN where nothing is certain."""
    if dataset.info is not None:
        known = machine.batches.get(dataset)
        if known is None or known[0] is not dataset.arguments:
            known = machine.batches[dataset] = (dataset.arguments, _own_sample(machine, dataset))
        return known[1]
    if dataset.symbol == TENSOR_DATASET:
        arguments = dataset.arguments
        if not arguments.complete or not arguments.positional:
            return UNKNOWN
        return TupleOf(map(_row, arguments.positional))
    if dataset.symbol is not None and dataset.symbol.startswith(PREFIX):
        return _vision_sample(machine, dataset, dataset.symbol)
    return UNKNOWN


def _row(value: Value) -> Value:
    """One row of a tensor of a `TensorDataset`, which takes nothing but tensors."""
    if not isinstance(value, Tensor):
        return Tensor(Tri.NO, Device.CPU)
    shape = value.shape
    if shape is not None and not shape.open:
        return value.of_shape(Shape(shape.dims[1:]) if shape.dims else None)
    return value.of_shape(None)


def _vision_sample(machine: "Interpreter", dataset: Instance, symbol: str) -> Value:
    known = dataset_class(symbol)
    arguments = dataset.arguments
    if known is None or known.target != "number" or not arguments.complete:
        return UNKNOWN
    position = known.transform
    transform = arguments.get(position, "transform")
    if arguments.get(None, "transforms") is not None:
        return UNKNOWN
    image: Value = UNKNOWN
    if transform is not None:
        pipeline = steps(transform, machine.state)
        after, _ = run(pipeline, Image(Kind.PIL, channels_of(known.mode)))
        if after.kind.is_tensor:
            dtype = "uint8" if after.kind is Kind.BYTES else "float32" if after.kind is Kind.FLOAT else None
            size = size_after(pipeline, known.size[::-1] if known.size is not None else None, machine.state)
            dims = (after.channels, *(size or (None, None)))
            sizes = [Size(dim, dataset.origin) if dim is not None else None for dim in dims]
            image = Tensor(Tri.NO, Device.CPU, dtype, shape=Shape(tuple(sizes)))
    target_transform = arguments.get(None if position is None else position + 1, "target_transform")
    target = Scalar("int") if target_transform is None or target_transform == NONE else UNKNOWN
    return TupleOf((image, target))


def _own_sample(machine: "Interpreter", dataset: Instance) -> Value:
    """What `__getitem__` of a class of the project returns, with what this object holds now."""
    assert dataset.info is not None
    if datasets.method(dataset.info, "__getitems__") is not None:
        return UNKNOWN
    function = datasets.method(dataset.info, "__getitem__")
    if function is None or function in machine.active or machine.fuel <= 0:
        return UNKNOWN
    kept = machine.recording, machine.facts, machine.fuel, set(machine.entered)
    machine.recording, machine.facts, machine.fuel = False, None, min(FUEL, machine.fuel)
    with machine.layer():
        value = machine.follow(FunctionRef(function, dataset), Arguments((Scalar("int"),)), function.node)
        value = _settled(machine, value, 0) if machine.fuel > 0 else UNKNOWN
    used = min(FUEL, kept[2]) - machine.fuel
    machine.recording, machine.facts, machine.entered = kept[0], kept[1], kept[3]
    machine.fuel = kept[2] - used
    return value


def _settled(machine: "Interpreter", value: Value, depth: int) -> Value:
    """A sample that holds its own content: what the state says of its lists and dicts is forgotten after the call."""
    if depth > MAX_DEPTH:
        return UNKNOWN
    if isinstance(value, TupleOf):
        return TupleOf(_settled(machine, item, depth + 1) for item in value.items)
    if isinstance(value, ListRef):
        held = machine.read(value, CONTENT)
        if not isinstance(held, Items) or held.items is None:
            return UNKNOWN
        return TupleOf(_settled(machine, item, depth + 1) for item in held.items)
    if isinstance(value, DictRef):
        entries = machine.read(value, CONTENT)
        if not isinstance(entries, Entries):
            return UNKNOWN
        return Entries(
            {key: _settled(machine, item, depth + 1) for key, item in entries.entries.items()}, entries.exact
        )
    return value


def _collated(machine: "Interpreter", sample: Value, size: Dim, loader: Instance) -> Value:
    """The batch of samples like this one."""
    if isinstance(sample, TupleOf):
        return TupleOf((_collated(machine, item, size, loader) for item in sample.items), loader.origin)
    if isinstance(sample, Entries):
        parts = {key: _collated(machine, item, size, loader) for key, item in sample.entries.items()}
        return DictRef(Entries(parts, sample.exact), loader.origin)
    if isinstance(sample, Tensor):
        shape = sample.shape
        if shape is not None:
            shape = shape if shape.open else Shape((size, *shape.dims))
        return Tensor(Tri.NO, sample.device, sample.dtype, origin=loader.origin, shape=shape)
    if isinstance(sample, Array):
        shape = sample.shape
        if shape is None or shape.open:
            return Tensor(Tri.NO, Device.CPU, sample.dtype, origin=loader.origin)
        return Tensor(Tri.NO, Device.CPU, sample.dtype, origin=loader.origin, shape=Shape((size, *shape.dims)))
    kind = sample.kind if isinstance(sample, Scalar) else ""
    if isinstance(sample, Const):
        kind = type(sample.value).__name__
    if kind in _DTYPES or kind == "number":
        return Tensor(Tri.NO, Device.CPU, _DTYPES.get(kind), origin=loader.origin, shape=Shape((size,)))
    if kind == "str":
        return UNKNOWN
    return loaded(loader)
