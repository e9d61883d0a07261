import re

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.datasets import SAMPLE_METHODS, is_iterable_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.handles import HANDLES
from torchlint.semantic.loaders import Loader
from torchlint.semantic.members import Members
from torchlint.semantic.randomness import WORKER_INFO
from torchlint.semantic.values import (
    Array,
    ClassInfo,
    Const,
    DictRef,
    Instance,
    Iterated,
    ListRef,
    Tensor,
    Tri,
    TupleOf,
    alternatives,
)

# Names that speak of workers, or of numbers that are drawn: each worker may well give samples of its own.
_OWN_SAMPLES = re.compile(r"worker|getpid|current_process|rand(?!perm)|choice|shard(?!s\b)", re.IGNORECASE)
_SHARE_OF_RANK = re.compile(r"rank|world_size|num_replicas", re.IGNORECASE)
# Packages whose streams of samples know of workers.
_STREAMS = ("webdataset", "load_dataset", "torchdata", "streaming", "litdata", "tfrecord", "IterDataPipe")
_PLAIN_BASES = ("torch.utils.data.", "builtins.object", "abc.ABC", "typing.")
# Calls that make something of which each process has all.
_WHOLE = frozenset({
    "builtins.range", "os.listdir", "glob.glob", "csv.reader", "csv.DictReader", "pandas.read_csv", "pandas.read_json",
    "pandas.read_parquet", "pandas.read_table",
})  # fmt: skip
# Calls whose result, kept by `__init__`, is all of the data.
_LOADED = (
    *sorted(_WHOLE), "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "json.load", "json.loads", "pickle.load",
    "torch.load", "builtins.open.readlines",
)  # fmt: skip


class IterableDatasetNotSharded(Rule):
    """Checks for an `IterableDataset` that gives all its samples in each worker of a loader.

    Reported are datasets that iterate over files, ranges and lists, that ask nowhere which worker they run in, and
    that a loader with more than one worker reads without `worker_init_fn`. Datasets that draw at random, that never
    end or that pass on the stream of another package are left alone.

    ## Why is this bad?
    Each worker gets a copy of the dataset and iterates over all of it. With four workers each sample comes four times
    in an epoch: nothing warns, validation counts all of them, and an epoch takes four times as long.

    ## Example
    ```python
    from torch.utils.data import DataLoader, IterableDataset


    class Lines(IterableDataset):
        def __init__(self, path):
            self.path = path

        def __iter__(self):
            with open(self.path) as file:
                for line in file:
                    yield line.strip()


    def make_loader(path):
        return DataLoader(Lines(path), batch_size=32, num_workers=4)
    ```

    ## Use instead
    ```python
    from itertools import islice

    from torch.utils.data import DataLoader, IterableDataset, get_worker_info


    class Lines(IterableDataset):
        def __init__(self, path):
            self.path = path

        def __iter__(self):
            worker = get_worker_info()
            start, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
            with open(self.path) as file:
                for line in islice(file, start, None, step):
                    yield line.strip()


    def make_loader(path):
        return DataLoader(Lines(path), batch_size=32, num_workers=4)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset
    """

    code = "TL407"
    category = Category.SUSPICIOUS
    words = ("IterableDataset", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[cst.CSTNode] = set()
        for loader in self.model.loaders:
            if not self._has_several_workers(loader) or loader.given("worker_init_fn") is not Tri.NO:
                continue
            for dataset in self.model.sources(loader).datasets:
                info = dataset.info
                if info is None or not is_iterable_class(info) or not self._gives_all(dataset, info):
                    continue
                function = method(info, "__iter__")
                here = function is not None and function.unit is self.model.unit
                place = function.node.name if here else self.model.place(loader.call)  # type: ignore[union-attr]
                if place is not None and place not in reported:
                    reported.add(place)
                    self._report(place, loader, info, here)

    @staticmethod
    def _has_several_workers(loader: Loader) -> bool:
        count = loader.value("num_workers")
        return loader.workers is Tri.YES and not (isinstance(count, Const) and count.value == 1)

    def _gives_all(self, dataset: Instance, info: ClassInfo) -> bool:
        """Whether a dataset gives the same samples, all that there are, in whichever process it is iterated over."""
        if info.has_unknown_base or any(not base.startswith(_PLAIN_BASES) for base in info.external_bases):
            return False
        if any(stream in unit.source.text for unit in (self.model.unit, info.unit) for stream in _STREAMS):
            return False
        for held in self.model.held_objects(dataset):
            if held.info is not None and is_iterable_class(held.info) and self._knows_better(held.info):
                return False
        calls = self.model.calls_of_sample(dataset)
        if any(
            call.name == WORKER_INFO or (call.name or "").startswith(("random.", "numpy.random.")) for call in calls
        ):
            return False
        return self._reads_known_source(dataset, info)

    @staticmethod
    def _members(info: ClassInfo) -> Members:
        found = (method(info, name) for name in SAMPLE_METHODS)
        return Members(info, [function for function in found if function is not None])

    def _knows_better(self, info: ClassInfo) -> bool:
        members = self._members(info)
        for node in members.nodes:
            if isinstance(node, cst.Name) and _OWN_SAMPLES.search(node.value):
                return True
            if isinstance(node, cst.While) and not isinstance(node.test, cst.Comparison):
                # It may well never end, and then nobody counts.
                return True
        return False

    def _reads_known_source(self, dataset: Instance, info: ClassInfo) -> bool:
        """Whether what is iterated over is known, and nothing that may give each worker a part of its own."""
        for call in self.model.calls_of_sample(dataset):
            if call.name in _WHOLE or (isinstance(call.result, Instance) and call.result.symbol in HANDLES):
                return True
        for name in self._members(info).reads:
            options = alternatives(self.model.held(dataset, name))
            if all(isinstance(held, (ListRef, DictRef, TupleOf, Tensor, Array, Iterated)) for held in options):
                return True
            if any(self._is_loaded(call, info, name) for call in self.model.sample_calls(*_LOADED)):
                return True
        return False

    def _is_loaded(self, call: Call, info: ClassInfo, name: str) -> bool:
        """Whether a call reads all of the data into an attribute."""
        target = self.model.assigned_to(call.node)
        made = method(info, "__init__")
        return isinstance(target, cst.Attribute) and target.attr.value == name and made in call.active

    def _report(self, place: cst.CSTNode, loader: Loader, info: ClassInfo, here: bool) -> None:
        by_rank = any(
            isinstance(node, cst.Name) and _SHARE_OF_RANK.search(node.value) for node in self._members(info).nodes
        )
        self.report(
            place,
            f"each worker of the loader gives all samples of `{info.name}`: every sample comes several times",
            help="ask `torch.utils.data.get_worker_info()` in `__iter__`, and give each worker a part",
            severity=Severity.INFO if by_rank else None,
            related=[(loader.call.origin, "the loader with workers") if here else (info.origin, "the dataset")],
        )
