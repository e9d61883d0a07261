import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.datasets import SAMPLE_METHODS
from torchlint.semantic.loaders import Loader
from torchlint.semantic.members import Change, Members, attributes_read, attributes_set, methods_reading, sampling
from torchlint.semantic.values import (
    ClassInfo,
    Const,
    DictRef,
    FunctionRef,
    Instance,
    ListRef,
    Scalar,
    Tri,
    Value,
    alternatives,
)

# How samples change what the dataset keeps; what they assign may well be opened or computed when it is first needed.
KEEPING = frozenset({"counted", "filled", "called"})


class DatasetStateLostInWorkers(Rule):
    """Checks for what a dataset keeps in one process and is asked for in another.

    Reported are lists, dicts and counters that `__getitem__` fills in the workers of a loader while the main process
    reads them, and attributes that the main process sets between epochs while the workers live on
    (`persistent_workers=True`). Memory that processes share (`multiprocessing.Array`, `share_memory_()`) is fine.

    ## Why is this bad?
    Each worker has a copy of the dataset. What `__getitem__` writes stays in that copy and is thrown away with it, so
    the main process finds its list empty; and workers that live on never see what is set later. Nothing warns.

    ## Example
    ```python
    import numpy as np
    from torch.utils.data import DataLoader, Dataset


    class Files(Dataset):
        def __init__(self, paths):
            self.paths = paths
            self.empty = []

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            sample = np.load(self.paths[index])
            if sample.size == 0:
                self.empty.append(index)
            return sample


    def empty_files(paths):
        dataset = Files(paths)
        for _ in DataLoader(dataset, batch_size=None, num_workers=4):
            pass
        return len(dataset.empty)
    ```

    ## Use instead
    ```python
    import numpy as np
    from torch.utils.data import DataLoader, Dataset


    class Files(Dataset):
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            return np.load(self.paths[index])


    def empty_files(paths):
        loader = DataLoader(Files(paths), batch_size=None, num_workers=4)
        return sum(sample.size == 0 for sample in loader)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#multi-process-data-loading
    """

    code = "TL422"
    category = Category.SUSPICIOUS
    words = ("num_workers", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        self.done: set[cst.CSTNode] = set()
        for loader in self.model.loaders:
            if loader.workers is not Tri.YES:
                continue
            for dataset in self.model.sources(loader).datasets:
                members = sampling(dataset.info) if dataset.info is not None else None
                if dataset.info is not None and members is not None:
                    self._check_kept(loader, dataset, dataset.info, members)
                    if self._lives_on(loader):
                        self._check_set(loader, dataset, dataset.info, members)

    # -- what workers keep --------------------------------------------------------------------------------

    def _check_kept(self, loader: Loader, dataset: Instance, info: ClassInfo, members: Members) -> None:
        for change in members.changes:
            if change.how not in KEEPING or change.name in members.assigned():
                continue
            if not self._is_private(self.model.held(dataset, change.name)):
                continue
            read = self._read_outside(loader, dataset, info, change, members)
            here = change.function.unit is self.model.unit
            place = change.node if here else self.model.place(loader.call)
            if read is not None and place is not None and place not in self.done:
                self.done.add(place)
                self.report(
                    place,
                    f"`{change.name}` changes in a worker's copy of the dataset; the main process never sees it",
                    help="return it with the sample, or use memory that processes share",
                    related=[
                        (self.model.origin(read), "the main process reads it here"),
                        (
                            loader.call.origin if here else info.origin,
                            "the loader with workers" if here else "the dataset",
                        ),
                    ],
                )

    @staticmethod
    def _is_private(value: Value) -> bool:
        """Whether a value is a list, dict or number, which processes do not share."""
        return all(
            isinstance(option, (ListRef, DictRef))
            or (isinstance(option, Scalar) and option.kind in ("int", "float", "number"))
            or (isinstance(option, Const) and isinstance(option.value, (int, float)))
            for option in alternatives(value)
        )

    def _read_outside(
        self, loader: Loader, dataset: Instance, info: ClassInfo, change: Change, members: Members
    ) -> cst.CSTNode | None:
        """Where the main process reads an attribute after the loader was made."""
        readers = methods_reading(info, change.name, members)
        made = self.model.place(loader.call)
        is_made = made is None
        for key, calls in self.model.facts.calls.items():
            is_made = is_made or key == id(made)
            for call in calls if is_made else ():
                if any(function in members.functions or function.owner in info.mro for function in call.active):
                    continue
                if isinstance(call.callee, FunctionRef) and call.callee.receiver is dataset:
                    if call.callee.info.name in readers:
                        return call.node
        own = frozenset(entry.node for entry in info.mro if isinstance(entry, ClassInfo))
        for read in attributes_read(self.model.unit.module, change.name, made, own):
            if any(value is dataset for value in self.model.values(read.value)):
                return read
        return None

    # -- what the main process sets -----------------------------------------------------------------------

    @staticmethod
    def _lives_on(loader: Loader) -> bool:
        value = loader.value("persistent_workers")
        return isinstance(value, Const) and value.value is True and not value.assumed

    def _check_set(self, loader: Loader, dataset: Instance, info: ClassInfo, members: Members) -> None:
        epochs = {
            loop
            for event in self.model.events
            if event.kind == "iterate" and event.subject is loader.instance
            for loop in event.loops
            # A loader that is made anew for each epoch starts its workers anew.
            if loop not in loader.call.loops
        }
        for calls in self.model.facts.calls.values():
            for call in calls:
                callee = call.callee
                if not isinstance(callee, FunctionRef) or callee.receiver is not dataset or call.node in self.done:
                    continue
                if epochs.isdisjoint(call.loops) or any(function in members.functions for function in call.active):
                    continue
                setting = Members(info, [callee.info])
                written = sorted({change.name for change in setting.changes} & members.reads.keys())
                if written and callee.info.name not in SAMPLE_METHODS and callee.info not in members.functions:
                    self._report_set(loader, call.node, written[0])
        for loop in epochs:
            if isinstance(loop, (cst.For, cst.While)):
                for target in attributes_set(loop.body):
                    name = target.attr.value
                    if name in members.reads and any(value is dataset for value in self.model.values(target.value)):
                        self._report_set(loader, target, name)

    def _report_set(self, loader: Loader, place: cst.CSTNode, name: str) -> None:
        if place in self.done:
            return
        self.done.add(place)
        self.report(
            place,
            f"the workers live on with the `{name}` that the dataset had when they started",
            help="leave `persistent_workers` out, or use memory that processes share",
            related=[(loader.call.origin, "the loader whose workers are persistent")],
        )
