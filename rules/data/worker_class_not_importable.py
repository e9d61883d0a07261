from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import PARTIAL, ClassInfo, FunctionInfo, FunctionRef, Instance, Tri, alternatives


class WorkerClassNotImportable(Rule):
    """Checks for datasets and functions of loader workers that are defined where no worker can import them.

    That is in a cell of a notebook, or under `if __name__ == "__main__":`.

    ## Why is this bad?
    Where processes are spawned (Windows, macOS) or come from a fork server (Linux from Python 3.14 on), a worker
    gets the name of the class and looks it up in its own import of the script, which does not run what is guarded,
    and has no cells: `AttributeError: Can't get attribute 'Faces' on <module '__main__'>`. The cell then hangs, or
    raises `DataLoader worker exited unexpectedly`. Under `fork` it runs.

    ## Example
    ```python
    from torch.utils.data import DataLoader, Dataset

    if __name__ == "__main__":

        class Squares(Dataset):
            def __len__(self):
                return 10

            def __getitem__(self, index):
                return index**2

        loader = DataLoader(Squares(), num_workers=2)
        print(list(loader))
    ```

    ## Use instead
    ```python
    from torch.utils.data import DataLoader, Dataset


    class Squares(Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return index**2


    if __name__ == "__main__":
        loader = DataLoader(Squares(), num_workers=2)
        print(list(loader))
    ```

    ## Fix safety
    Unsafe, and in notebooks alone: `num_workers=0` loads in the notebook's own process, and more slowly.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#platform-specific-behaviors
    - https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods
    """

    code = "TL420"
    category = Category.PORTABILITY
    fix_safety = Applicability.UNSAFE
    words = ("num_workers", "DataLoader", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[ClassInfo | FunctionInfo] = set()
        for loader in self.model.loaders:
            if loader.workers is Tri.YES and self.model.forks(loader) is not Tri.YES:
                for info in self._sent(loader):
                    if info not in reported and self._is_out_of_reach(info):
                        reported.add(info)
                        self._report(loader, info)
                        if self.source.cells:
                            # The others have the same cause and the same cure.
                            return

    def _sent(self, loader: Loader) -> Iterator[ClassInfo | FunctionInfo]:
        """The classes and functions that a worker is told by name."""
        for name in ("dataset", "collate_fn", "worker_init_fn"):
            value = loader.value(name)
            for option in alternatives(value) if value is not None else ():
                if isinstance(option, Instance) and option.symbol == PARTIAL:
                    option = option.arguments.get(0) or option
                if isinstance(option, FunctionRef):
                    if option.receiver is None and isinstance(option.info.node, cst.FunctionDef):
                        yield option.info
                elif isinstance(option, Instance):
                    yield from (held.info for held in self.model.held_objects(option) if held.info is not None)

    def _is_out_of_reach(self, info: ClassInfo | FunctionInfo) -> bool:
        if info.unit is not self.model.unit or info.is_local:
            return False
        return bool(self.source.cells) or info.guarded

    def _report(self, loader: Loader, info: ClassInfo | FunctionInfo) -> None:
        assert not isinstance(info.node, cst.Lambda)
        where = "in a notebook" if self.source.cells else 'under `if __name__ == "__main__":`'
        own = self.model.forks(loader) is Tri.MAYBE
        self.report(
            info.node.name,
            f"workers cannot import `{info.name}`, defined {where}" + (", where they are not forked" if own else ""),
            help="not on Windows, not on macOS, not on Linux from Python 3.14 on; "
            + ("put it into a module" if self.source.cells else "define it above"),
            fix=self._without_workers(loader) if self.source.cells else None,
            related=[(loader.call.origin, "the loader with workers")],
        )

    def _without_workers(self, loader: Loader) -> Repair | None:
        argument = loader.node("num_workers")
        if argument is None or not isinstance(argument.value, cst.Integer):
            return None
        if loader.call.origin.unit is not self.model.unit:
            return None
        return self.fix("load without workers", Applicability.UNSAFE, self.replace(argument.value, "0"))
