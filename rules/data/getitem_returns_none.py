import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.collation import holds_none, none_returns
from torchlint.semantic.datasets import collates_by_default, is_dataset_class, is_iterable_class, method
from torchlint.semantic.flow import Path, completes, exits, is_generator, is_placeholder
from torchlint.semantic.guards import depends_on_sample, is_about_sample
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import ClassInfo, FunctionInfo, FunctionRef, Instance, Tri


class GetitemReturnsNone(Rule):
    """Checks for a dataset whose `__getitem__` gives None for a sample, or for a part of one.

    Reported are ways to the end of the function that return nothing (after an exception that was caught, after a
    condition about the sample, or always), and `return None` and None in tuples and dicts, where a loader puts the
    samples into batches by `default_collate`. Loaders with a `collate_fn` of their own may well drop such samples.

    ## Why is this bad?
    The batch that has the sample in it raises `TypeError: default_collate: batch must contain tensors, numpy arrays,
    numbers, dicts or lists; found <class 'NoneType'>`, or `expected Tensor as element 1 in argument 0, but got
    NoneType`. As it takes a bad sample, that may be hours into training.

    ## Example
    ```python
    import numpy as np
    from torch.utils.data import Dataset


    class Recordings(Dataset):
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            try:
                return np.load(self.paths[index])
            except OSError:
                print("cannot read", self.paths[index])
    ```

    ## Use instead
    ```python
    import numpy as np
    from torch.utils.data import Dataset


    class Recordings(Dataset):
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            try:
                return np.load(self.paths[index])
            except OSError as error:
                raise RuntimeError(f"cannot read {self.paths[index]}") from error
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#working-with-collate-fn
    """

    code = "TL404"
    category = Category.CORRECTNESS
    words = ("__getitem__", "DataLoader", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        done: set[FunctionInfo] = set()
        for info in self.model.classes:
            found = info.base.get("__getitem__")
            function = found.info if isinstance(found, FunctionRef) else None
            if function is not None and function.owner is info and self._is_read(info, function):
                if self._check_ends(function):
                    done.add(function)
        self._check_loaders(done)

    def _is_read(self, info: ClassInfo, function: FunctionInfo) -> bool:
        """Whether samples come from a method as it is: not from a class that only stands for others."""
        if any(True for _ in self.model.readers(function)):
            return True
        if not is_dataset_class(info) or is_iterable_class(info) or function.decorators:
            return False
        return not any(
            info in other.mro[1:] and method(other, "__getitem__") is not function for other in self.model.classes
        )

    # -- falling off the end ------------------------------------------------------------------------------

    def _check_ends(self, function: FunctionInfo) -> bool:
        node = function.node
        if not isinstance(node, cst.FunctionDef) or is_placeholder(node):
            return False
        readers = list(self.model.readers(function))
        if readers and all(collates_by_default(loader) is not Tri.YES for loader, _ in readers):
            return False
        if not readers and self._drops_none():
            return False
        found = exits(node, self._never_returns)
        paths = sorted((path for path in found.ends if depends_on_sample(node, path)), key=len)
        if not paths or is_generator(node):
            return False
        place, message = self._why(node, paths[0], any(each.value is not None for each, _ in found.returns))
        self.report(
            place,
            message,
            help="return a sample or raise; samples can be left out by `collate_fn`",
            related=[(loader.call.origin, "the loader that reads them") for loader, _ in readers[:1]],
        )
        return True

    def _never_returns(self, call: cst.Call) -> bool:
        callees = [made.callee for made in self.model.calls(call)]
        return bool(callees) and all(
            isinstance(callee, FunctionRef)
            and isinstance(callee.info.node, cst.FunctionDef)
            and not is_placeholder(callee.info.node)
            and not completes(callee.info.node)
            for callee in callees
        )

    def _drops_none(self) -> bool:
        """Whether the file has a collate function that looks for None."""
        text = self.source.text
        return "collate" in text and ("None" in text.partition("collate")[2] or "filter(" in text)

    @staticmethod
    def _why(node: cst.FunctionDef, path: Path, returns: bool) -> tuple[cst.CSTNode, str]:
        """Where a way to the end turns off, and what to say there."""
        if not path:
            if returns:
                return node.name, "`__getitem__` comes to its end without returning a sample: it is None"
            return node.name, "`__getitem__` returns nothing: each sample is None"
        loop = next((gate.node for gate in path if gate.kind == "loop"), None)
        if isinstance(loop, cst.For):
            return loop.iter, "nothing is returned after the last turn of this loop has failed: the sample is None"
        gate = next((gate for gate in reversed(path) if gate.kind == "except"), path[-1])
        if gate.kind == "except":
            caught = gate.node.type if isinstance(gate.node, cst.ExceptHandler) else None
            return caught or gate.node, "nothing is returned after this exception: the sample is None"
        how = "this holds" if gate.holds else "this does not hold"
        return gate.node, f"nothing is returned when {how}: the sample is None"

    # -- None by name -------------------------------------------------------------------------------------

    def _check_loaders(self, done: set[FunctionInfo]) -> None:
        for loader in self.model.loaders:
            if collates_by_default(loader) is not Tri.YES:
                continue
            for dataset in self.model.sources(loader).datasets:
                function = method(dataset.info, "__getitem__") if dataset.info is not None else None
                if function is None or function in done or dataset.info is None or is_iterable_class(dataset.info):
                    continue
                if self._check_returns(loader, dataset, dataset.info, function):
                    done.add(function)

    def _check_returns(self, loader: Loader, dataset: Instance, info: ClassInfo, function: FunctionInfo) -> bool:
        node = function.node
        if not isinstance(node, cst.FunctionDef) or is_placeholder(node) or is_generator(node):
            return False
        always = holds_none(self.model.sample(dataset))
        returns = list(none_returns(node))
        certain = [each for each, path in returns if self._is_certain(node, path)]
        if not always and not certain:
            return False
        named = certain or [each for each, _ in returns]
        here = function.unit is self.model.unit
        places: list[cst.CSTNode | None] = [self.model.place(loader.call)]
        if here:
            places = [*named] or [node.name]
        for place in places:
            if place is not None:
                self.report(
                    place,
                    "samples are None, or have None in them: `default_collate` cannot make a batch of that",
                    help="return a sample or raise, or give the loader a `collate_fn` that drops or keeps None",
                    severity=None if always else Severity.WARNING,
                    related=[(loader.call.origin, "the loader") if here else (info.origin, "the dataset")],
                )
        return True

    @staticmethod
    def _is_certain(node: cst.FunctionDef, path: Path) -> bool:
        return depends_on_sample(node, path) and all(is_about_sample(node, gate) for gate in path)
