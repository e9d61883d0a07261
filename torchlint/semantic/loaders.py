"""What a DataLoader was made with."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Const,
    Device,
    Instance,
    Scalar,
    Tensor,
    Tri,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call

DATA_LOADER = "torch.utils.data.DataLoader"
# The parameters of `DataLoader` that may be given by position, in order.
# https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.DataLoader
PARAMETERS = (
    "dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn", "pin_memory",
    "drop_last", "timeout", "worker_init_fn", "multiprocessing_context", "generator",
)  # fmt: skip
# DataLoaders of torch_geometric: they pass `num_workers` and the rest on, and give graphs.
# https://pytorch-geometric.readthedocs.io/en/latest/modules/loader.html
GRAPH_LOADERS = frozenset(
    f"torch_geometric.{module}.{name}"
    for module, names in {
        "loader": (
            "ClusterLoader", "DataListLoader", "DataLoader", "DenseDataLoader", "GraphSAINTEdgeSampler",
            "GraphSAINTNodeSampler", "GraphSAINTRandomWalkSampler", "HGTLoader", "LinkNeighborLoader",
            "NeighborLoader", "NeighborSampler", "NodeLoader", "RandomNodeLoader", "ShaDowKHopSampler",
            "TemporalDataLoader",
        ),
        "data": ("ClusterLoader", "DataListLoader", "DataLoader", "DenseDataLoader", "NeighborSampler"),
    }.items()
    for name in names
)  # fmt: skip
_LOADERS = GRAPH_LOADERS | {DATA_LOADER}


class Loader:
    """A DataLoader as one call made it.

    Attributes:
        call: the call that made it; it may stand in another file of the project, `call.stack` leads there.
        instance: the loader.
        arguments: what `DataLoader` itself was given, also where a class derived from it was called.
    """

    __slots__ = ("arguments", "call", "instance")

    def __init__(self, call: "Call", instance: Instance) -> None:
        self.call = call
        self.instance = instance
        self.arguments = instance.arguments

    @property
    def is_plain(self) -> bool:
        """Whether it is torch's own class, called directly."""
        return self.instance.symbol == DATA_LOADER

    @property
    def of_graphs(self) -> bool:
        """Whether it is one of torch_geometric, which collates graphs by itself."""
        return self.instance.symbol in GRAPH_LOADERS

    def value(self, name: str) -> Value | None:
        """The value of an argument; None when it is not given, or hidden in a `**dict` of unknown content."""
        return argument(self.instance, self.arguments, name)

    def given(self, name: str) -> Tri:
        """Whether an argument other than None is given."""
        value = self.value(name)
        if value is None:
            return Tri.NO if self.arguments.complete else Tri.MAYBE
        options = alternatives(value)
        nones = [option == NONE for option in options]
        if all(nones):
            return Tri.NO
        return Tri.MAYBE if any(nones) or UNKNOWN in options else Tri.YES

    def node(self, name: str) -> cst.Arg | None:
        """An argument as written in the call; None when it is not written there (default, `*args`, `**kwargs`)."""
        call = self.call.node
        if not isinstance(call, cst.Call) or self.instance.info is not None:
            return None
        index = PARAMETERS.index(name) if name in PARAMETERS and not self.of_graphs else None
        for position, arg in enumerate(call.args):
            if arg.star == "*":
                index = None
            elif not arg.star and (arg.keyword.value == name if arg.keyword is not None else position == index):
                return arg
        return None

    @property
    def workers(self) -> Tri:
        """Whether it starts worker processes. A default of the command line counts as what happens."""
        return _has_workers(self.value("num_workers"), self.arguments)

    @property
    def stacks(self) -> bool:
        """Whether it certainly makes batches of more than one sample, by the default `collate_fn`."""
        size = self.value("batch_size")
        several = size is not None and all(
            isinstance(option, Const) and isinstance(option.value, int) and option.value > 1
            for option in alternatives(size)
        )
        plain = all(self.given(name) is Tri.NO for name in ("collate_fn", "batch_sampler"))
        return several and plain and not self.of_graphs

    @property
    def start_method(self) -> Value | None:
        """What it is told about how its processes start; None when nothing."""
        return self.value("multiprocessing_context") if self.given("multiprocessing_context") is not Tri.NO else None


def argument(loader: Instance, arguments: Arguments, name: str) -> Value | None:
    """An argument of a loader by its name in the signature of `DataLoader`."""
    positional = name in PARAMETERS and (loader.symbol not in GRAPH_LOADERS or name == "dataset")
    return arguments.get(PARAMETERS.index(name) if positional else None, name)


def is_loader(value: Value) -> bool:
    """Whether a value is a DataLoader, of torch, derived from it, or of torch_geometric."""
    if not isinstance(value, Instance):
        return False
    if value.info is not None:
        return not _LOADERS.isdisjoint(value.info.external_bases)
    return value.symbol in _LOADERS


def loaded(loader: Value) -> Value:
    """What comes out of a loader: tensors without a graph on the CPU, or containers of them."""
    if isinstance(loader, Instance) and loader.symbol in GRAPH_LOADERS:
        return UNKNOWN
    return Tensor(Tri.NO, Device.CPU, batch=True, origin=loader.origin)


def has_workers(loader: Instance) -> Tri:
    """Whether a loader starts worker processes. A default of the command line counts as what happens."""
    return _has_workers(argument(loader, loader.arguments, "num_workers"), loader.arguments)


def _has_workers(value: Value | None, arguments: Arguments) -> Tri:
    if value is None:
        return Tri.NO if arguments.complete else Tri.MAYBE
    answers = {_positive(option) for option in alternatives(value)}
    return answers.pop() if len(answers) == 1 else Tri.MAYBE


def _positive(value: Value) -> Tri:
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        return Tri.YES if value.value > 0 else Tri.NO
    # The number of CPUs is at least one.
    return Tri.YES if isinstance(value, Scalar) and value.kind == "cpus" else Tri.MAYBE


def has_own_context(loader: Instance) -> bool:
    """Whether the loader is told how to start its processes."""
    value = argument(loader, loader.arguments, "multiprocessing_context")
    return value is not None and not (isinstance(value, Const) and value.value is None)
