import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.loaders import Loader
from torchlint.semantic.pickling import Unpicklable
from torchlint.semantic.values import Origin, Tri

# What a function is called that takes the place of a lambda, by the parameter that is given it.
NAMES = {"collate_fn": "collate", "worker_init_fn": "start_worker"}


class UnpicklableWorkerObject(Rule):
    """Checks for lambdas, local functions and other objects that cannot be pickled, where loader workers need them.

    Reported are the dataset of a loader with workers and all that it holds (transforms, attributes), `collate_fn` and
    `worker_init_fn`: lambdas, functions and classes defined in functions, generators, locks, modules, and
    `torch.Generator`, which can be pickled but not be sent to a worker.

    ## Why is this bad?
    Where processes are spawned (Windows, macOS) or come from a fork server (Linux from Python 3.14 on), the workers
    are sent the dataset and the functions by pickle: `AttributeError: Can't pickle local object`, `PicklingError:
    Can't pickle <function <lambda>>`. Under `fork` it works, so the script runs for its author and fails for others.

    ## Example
    ```python
    from torch.utils.data import DataLoader


    def make_loader(dataset):
        return DataLoader(dataset, num_workers=2, collate_fn=lambda batch: batch)
    ```

    ## Use instead
    ```python
    from torch.utils.data import DataLoader


    def collate(batch):
        return batch


    def make_loader(dataset):
        return DataLoader(dataset, num_workers=2, collate_fn=collate)
    ```

    ## Fix safety
    Unsafe: a lambda of the module's own code becomes a function with a name. There is no fix for other objects.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#platform-specific-behaviors
    - https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled
    """

    code = "TL403"
    category = Category.PORTABILITY
    fix_safety = Applicability.UNSAFE
    words = ("num_workers", "DataLoader", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[int] = set()
        for loader in self.model.loaders:
            if loader.workers is not Tri.YES or self.model.forks(loader) is Tri.YES:
                continue
            place = self.model.place(loader.call)
            for name in ("collate_fn", "worker_init_fn", "dataset"):
                value = loader.value(name)
                for found in self.model.unpicklable(value) if value is not None else ():
                    where = self._place(found.origin) or place
                    cause = found.origin.node if found.origin is not None else where
                    if where is not None and id(cause) not in reported:
                        reported.add(id(cause))
                        self._report(loader, name, found, where)

    def _place(self, origin: Origin | None) -> cst.CSTNode | None:
        return origin.node if origin is not None and origin.unit is self.model.unit else None

    def _report(self, loader: Loader, name: str, found: Unpicklable, place: cst.CSTNode) -> None:
        here = found.origin is not None and place is found.origin.node
        what = f"{found.what} cannot be pickled"
        if not here:
            needed = found.what.replace("this ", "a ").rstrip(",")
            what = f"this loader's workers need {needed}, which cannot be pickled"
        never = self.model.forks(loader) is Tri.NO
        consequence = "workers do not start" if never else "workers only start where processes fork"
        self.report(
            place,
            f"{what}: {consequence}",
            help="not on Windows, not on macOS, not on Linux from Python 3.14 on; use what has a name in its module",
            severity=Severity.ERROR if never else None,
            fix=self._name_it(name, place) if here else None,
            related=[
                (loader.call.origin, "the loader with workers"),
                (None if here else found.origin, "what cannot be pickled"),
            ],
        )

    def _name_it(self, parameter: str, node: cst.CSTNode) -> Repair | None:
        """A lambda of the module's own code becomes a function before the statement that it stands in."""
        if not isinstance(node, cst.Lambda):
            return None
        statement = self.model.statement_of(node)
        text = self.text(node)
        if statement is None or "\n" in text or "\r" in text or node.lpar:
            return None
        name = self._free_name(NAMES.get(parameter, "apply"))
        end = self.source.newline
        parameters = self.model.module.code_for_node(node.params)
        definition = f"def {name}({parameters}):{end}    return {self.text(node.body)}{end}{end}{end}"
        return self.fix(
            "make it a function with a name",
            Applicability.UNSAFE,
            self.insert_before(statement, definition),
            self.replace(node, name),
        )

    def _free_name(self, name: str) -> str:
        taken = set(re.findall(r"\w+", self.source.text))
        return next(free for free in (name, *(f"{name}_{n}" for n in range(2, 1000))) if free not in taken)
