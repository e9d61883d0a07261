"""What a DataLoader was made with."""

from torchlint.semantic.values import Const, Instance, Scalar, Tri, Value, alternatives

NUM_WORKERS = 5
MULTIPROCESSING_CONTEXT = 11


def has_workers(loader: Instance) -> Tri:
    """Whether a loader starts worker processes. A default of the command line counts as what happens."""
    value = loader.arguments.get(NUM_WORKERS, "num_workers")
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
    value = loader.arguments.get(MULTIPROCESSING_CONTEXT, "multiprocessing_context")
    return value is not None and not (isinstance(value, Const) and value.value is None)
