"""Datasets: which classes are datasets, what a loader reads in the end, and which code its workers run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from torchlint.semantic.values import (
    CONTENT,
    NONE,
    PARTIAL,
    UNKNOWN,
    Arguments,
    ClassInfo,
    DictRef,
    Entries,
    FunctionInfo,
    FunctionRef,
    Instance,
    Items,
    ListRef,
    Method,
    Tri,
    TupleOf,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.loaders import Loader
    from torchlint.semantic.state import State

DATASET = "torch.utils.data.Dataset"
ITERABLE_DATASET = "torch.utils.data.IterableDataset"
SUBSET = "torch.utils.data.Subset"
# Datasets of other datasets, which they are given as a list.
JOINED = frozenset({"torch.utils.data.ConcatDataset", "torch.utils.data.ChainDataset"})
# Datasets of torch itself that hold nothing but tensors, or other datasets.
_PLAIN = frozenset({"torch.utils.data.TensorDataset", "torch.utils.data.StackDataset", SUBSET, *JOINED})
_PACKAGES = ("torchvision.datasets.", "torchaudio.datasets.")
# The methods that a loader calls on a dataset to get samples.
SAMPLE_METHODS = ("__getitem__", "__getitems__", "__iter__", "__next__")


def is_dataset(value: Value) -> bool:
    """Whether a value certainly is a dataset."""
    if not isinstance(value, Instance):
        return False
    if value.info is not None:
        return is_dataset_class(value.info)
    return value.symbol is not None and is_dataset_symbol(value.symbol)


def is_dataset_symbol(name: str) -> bool:
    """Whether a qualified name from outside the project is that of a class of datasets."""
    return name in (DATASET, ITERABLE_DATASET) or name in _PLAIN or name.startswith(_PACKAGES)


def is_dataset_class(info: ClassInfo) -> bool:
    """Whether a class of the project derives from a class of datasets."""
    return any(is_dataset_symbol(name) for name in info.external_bases)


def is_iterable_class(info: ClassInfo) -> bool:
    """Whether a class of the project derives from `IterableDataset`."""
    return ITERABLE_DATASET in info.external_bases


def method(info: ClassInfo, name: str) -> FunctionInfo | None:
    """A method as the order of the classes finds it; None when no class of the project defines it."""
    for entry in info.mro:
        if isinstance(entry, ClassInfo):
            found = entry.base.get(name)
            if isinstance(found, FunctionRef):
                return found.info
    return None


class Sources(NamedTuple):
    """What a dataset reads in the end: behind subsets and concatenations. `complete`: and nothing else."""

    datasets: tuple[Instance, ...]
    complete: bool


def sources(value: Value | None, end: "State") -> Sources:
    """The datasets behind `Subset`, `random_split`, `ConcatDataset` and `ChainDataset`."""
    found: dict[Instance, None] = {}
    complete = _collect(value if value is not None else UNKNOWN, end, found, set())
    return Sources(tuple(found), complete)


def _collect(value: Value, end: "State", found: dict[Instance, None], seen: set[Instance]) -> bool:
    options = alternatives(value)
    complete = len(options) == 1
    for option in options:
        if not isinstance(option, Instance):
            complete = False
        elif option in seen:
            continue
        elif option.symbol == SUBSET:
            seen.add(option)
            complete = _collect(option.arguments.get(0, "dataset") or UNKNOWN, end, found, seen) and complete
        elif option.symbol in JOINED:
            seen.add(option)
            parts = elements(option.arguments.get(0, "datasets") or UNKNOWN, end)
            complete = complete and parts is not None
            for part in parts or ():
                complete = _collect(part, end, found, seen) and complete
        else:
            found[option] = None
    return complete


def elements(value: Value, end: "State") -> tuple[Value, ...] | None:
    """The elements of a list or tuple, one for all where they are not known one by one; None for anything else."""
    if isinstance(value, TupleOf):
        return value.items
    if isinstance(value, ListRef):
        held = end.get(value, CONTENT)
        if isinstance(held, Items):
            return held.items if held.items is not None else (held.element,)
    return None


def collates_by_default(loader: "Loader") -> Tri:
    """Whether a loader makes its batches by `default_collate`."""
    if loader.of_graphs:
        return Tri.NO
    size = loader.value("batch_size")
    whole = size is not None and NONE in alternatives(size)
    if loader.given("collate_fn") is Tri.YES or size == NONE:
        return Tri.NO
    return Tri.MAYBE if whole or loader.given("collate_fn") is Tri.MAYBE else Tri.YES


def held_objects(root: Value, end: "State") -> Iterator[Instance]:
    """An object and all that it holds in attributes, constructor arguments and containers, nearest first."""
    pending: list[Value] = [root]
    seen: set[int] = set()
    while pending:
        value = pending.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Instance):
            yield value
            pending.extend((*value.arguments.positional, *value.arguments.keywords.values()))
            for name in sorted(value.base.keys() | value.written):
                pending.append(end.get(value, name) or UNKNOWN)
        elif isinstance(value, (ListRef, DictRef)):
            pending.append(end.get(value, CONTENT) or UNKNOWN)
        elif isinstance(value, Items):
            pending.extend(value.items if value.items is not None else (value.element,))
        elif isinstance(value, Entries):
            pending.extend(value.entries.values())
        elif isinstance(value, TupleOf):
            pending.extend(value.items)
        elif isinstance(value, (FunctionRef, Method)):
            # A bound method takes its object along.
            if value.receiver is not None:
                pending.append(value.receiver)
        else:
            pending.extend(option for option in alternatives(value) if option is not value)


class Started(NamedTuple):
    """A function in which a worker starts, what it is bound to, and the arguments that `functools.partial` binds."""

    info: FunctionInfo
    receiver: Value | None
    bound: Arguments | None = None

    @property
    def _parameters(self) -> list[str]:
        parameters = self.info.node.params
        names = [parameter.name.value for parameter in (*parameters.posonly_params, *parameters.params)]
        return names[1 if self.receiver is not None else 0 :]

    @property
    def fixed(self) -> frozenset[str]:
        """The parameters that `functools.partial` has given values."""
        if self.bound is None:
            return frozenset()
        return frozenset((*self._parameters[: len(self.bound.positional)], *self.bound.keywords))

    @property
    def first(self) -> str | None:
        """The parameter that gets the first argument of the loader: the worker's number, or the samples."""
        return next((name for name in self._parameters if name not in self.fixed), None)


def worker_methods(loader: "Loader", end: "State") -> Iterator[Started]:
    """The functions of the project in which a loader's workers start.

    They are those of its dataset, of the transforms and other objects that it holds, `collate_fn` and
    `worker_init_fn`. What they call runs in the workers too.
    """
    for name in ("collate_fn", "worker_init_fn"):
        yield from started_by(loader, name)
    dataset = loader.value("dataset")
    for held in held_objects(dataset, end) if dataset is not None else ():
        if held.info is not None:
            names = SAMPLE_METHODS if is_dataset_class(held.info) else ("__call__", "forward")
            yield from _bound(held, held.info, names)
        elif held.symbol is not None and held.symbol.startswith("torchvision."):
            # `datasets.MNIST(transform=function)`, `transforms.Lambda(function)`
            for value in (*held.arguments.positional, *held.arguments.keywords.values()):
                for option in alternatives(value):
                    if isinstance(option, FunctionRef):
                        yield Started(option.info, option.receiver)


def started_by(loader: "Loader", name: str) -> Iterator[Started]:
    """The functions of the project that a loader is given as `collate_fn` or `worker_init_fn`."""
    for option in alternatives(loader.value(name) or UNKNOWN):
        bound = None
        if isinstance(option, Instance) and option.symbol == PARTIAL:
            given = option.arguments
            bound = Arguments(given.positional[1:], given.keywords, given.complete and not given.tail)
            option = given.get(0) or UNKNOWN
        if isinstance(option, FunctionRef):
            yield Started(option.info, option.receiver, bound)
        elif isinstance(option, Instance) and option.info is not None:
            yield from _bound(option, option.info, ("__call__",))


def _bound(receiver: Instance, info: ClassInfo, names: tuple[str, ...]) -> Iterator[Started]:
    for name in names:
        function = method(info, name)
        if function is not None:
            yield Started(function, receiver)
