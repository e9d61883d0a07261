from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.datasets import is_dataset_class, is_iterable_class
from torchlint.semantic.handles import Kept, Kind, kept_handles
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import ClassInfo, FunctionRef, Instance, Tri

FILE = "builtins.open"
CONSEQUENCES = {
    Kind.POSITION: "they move each other's place in it and read wrong data",
    Kind.STATE: "it must not be used in a process that was forked",
    Kind.NOTHING: "workers that do not fork do not start",
}


class SharedHandleInDataset(Rule):
    """Checks for a file or database that is opened once for a dataset, and read for each sample in the workers.

    Reported are files, archives, videos, LMDB, SQLite, HDF5 and NetCDF that `__init__` or the module opens and that
    `__getitem__` or `__iter__` uses. Opening them when the first sample is asked for is fine, and so is closing them
    before `__init__` ends.

    ## Why is this bad?
    Forked workers share the position in the file with each other: one moves it between another's `seek` and `read`,
    and samples are silently wrong; archives raise `BadZipFile: Bad CRC-32`. Where workers are spawned (Windows, macOS)
    or come from a fork server (Linux from Python 3.14 on), they do not start: `cannot pickle '_io.TextIOWrapper'
    object`, `h5py objects cannot be pickled`.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, Dataset


    class Rows(Dataset):
        def __init__(self, path, size):
            self.file = open(path, "rb")
            self.size = size

        def __len__(self):
            return self.size

        def __getitem__(self, index):
            self.file.seek(index * 16)
            return torch.frombuffer(bytearray(self.file.read(16)), dtype=torch.float32)


    def make_loader(path):
        return DataLoader(Rows(path, 1000), num_workers=4)
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, Dataset


    class Rows(Dataset):
        def __init__(self, path, size):
            self.path = path
            self.file = None
            self.size = size

        def __len__(self):
            return self.size

        def __getitem__(self, index):
            if self.file is None:
                self.file = open(self.path, "rb")
            self.file.seek(index * 16)
            return torch.frombuffer(bytearray(self.file.read(16)), dtype=torch.float32)


    def make_loader(path):
        return DataLoader(Rows(path, 1000), num_workers=4)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#multi-process-data-loading
    - https://docs.h5py.org/en/stable/mpi.html
    - https://lmdb.readthedocs.io/en/release/#environment-class
    """

    code = "TL410"
    category = Category.SUSPICIOUS
    words = ("open(", "File(", "connect(", "load(", "VideoCapture", "Dataset(", "Environment(", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[cst.CSTNode] = set()
        for info, dataset, loader in self._datasets():
            for kept in kept_handles(self.model, info, dataset):
                if is_iterable_class(info) and kept.symbol == FILE:
                    # What is read once and in order is a question of its own.
                    continue
                here = kept.made.unit is self.model.unit
                place = kept.made.node if here else self.model.place(loader.call) if loader is not None else None
                if place is not None and place not in reported and not self._is_harmless(kept, info):
                    reported.add(place)
                    self._report(place, kept, loader, here)

    def _datasets(self) -> Iterator[tuple[ClassInfo, Instance | None, Loader | None]]:
        """The classes of datasets with what is known of their use: those of loaders with workers first."""
        read: set[ClassInfo] = set()
        others: list[tuple[ClassInfo, Instance]] = []
        for loader in self.model.loaders:
            for dataset in self.model.sources(loader).datasets:
                if dataset.info is None:
                    continue
                read.add(dataset.info)
                if loader.workers is Tri.YES:
                    yield dataset.info, dataset, loader
                elif loader.workers is Tri.MAYBE and dataset.info.unit is self.model.unit:
                    others.append((dataset.info, dataset))
        for info, dataset in others:
            yield info, dataset, None
        for info in self.model.classes:
            if is_dataset_class(info) and not any(info in each.mro for each in read):
                yield info, None, None

    def _is_harmless(self, kept: Kept, info: ClassInfo) -> bool:
        """Whether each process has a handle that works: where all workers that there may be are forked."""
        if kept.kind is not Kind.NOTHING:
            return False
        functions = [found.info for found in info.base.values() if isinstance(found, FunctionRef)]
        loaders = {loader for function in functions for loader, _ in self.model.readers(function)}
        if loaders:
            return all(self.model.forks(loader) is Tri.YES for loader in loaders)
        return self.model.target.forks

    def _report(self, place: cst.CSTNode, kept: Kept, loader: Loader | None, here: bool) -> None:
        who = "the workers of the loader" if loader is not None else "workers of this dataset"
        self.report(
            place,
            f"{who} all use this one `{kept.symbol.removeprefix('builtins.')}`: {CONSEQUENCES[kept.kind]}",
            help="open it when the first sample is asked for, so that each worker opens its own",
            severity=Severity.WARNING if loader is not None else Severity.INFO,
            related=[
                (None if here else kept.made, "it is opened here"),
                (kept.used, "samples are read from it here"),
                (loader.call.origin if loader is not None and here else None, "the loader with workers"),
            ],
        )
