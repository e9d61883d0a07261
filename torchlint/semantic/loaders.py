"""What a DataLoader was made with."""

from torchlint.semantic.values import UNKNOWN, Const, Device, Instance, Scalar, Tensor, Tri, Value, alternatives

DATA_LOADER = "torch.utils.data.DataLoader"
NUM_WORKERS = 5
MULTIPROCESSING_CONTEXT = 11
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
    value = loader.arguments.get(_index(loader, NUM_WORKERS), "num_workers")
    if value is None:
        return Tri.NO if loader.arguments.complete else Tri.MAYBE
    answers = {_positive(option) for option in alternatives(value)}
    return answers.pop() if len(answers) == 1 else Tri.MAYBE


def _positive(value: Value) -> Tri:
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        return Tri.YES if value.value > 0 else Tri.NO
    # The number of CPUs is at least one.
    return Tri.YES if isinstance(value, Scalar) and value.kind == "cpus" else Tri.MAYBE


def has_own_context(loader: Instance) -> bool:
    """Whether the loader is told how to start its processes."""
    value = loader.arguments.get(_index(loader, MULTIPROCESSING_CONTEXT), "multiprocessing_context")
    return value is not None and not (isinstance(value, Const) and value.value is None)


def _index(loader: Instance, index: int) -> int | None:
    """The position of an argument of `DataLoader`; the loaders of torch_geometric take it by name alone."""
    return None if loader.symbol in GRAPH_LOADERS else index
