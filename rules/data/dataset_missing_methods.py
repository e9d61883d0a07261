import re
from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import is_dataset_class, is_dataset_symbol, is_iterable_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import exits, is_placeholder
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import Array, ClassInfo, FunctionInfo, Instance, Symbol, Tensor, Tri, alternatives

MODULE = "torch.utils.data.dataset"
# Bases that define none of the methods: what the project's classes lack, nothing has.
BARE = frozenset({
    "torch.utils.data.Dataset", "torch.utils.data.IterableDataset", "builtins.object", "typing.Generic", "abc.ABC",
})  # fmt: skip
# What names of methods mean, without their underscores.
MEANT = {
    "getitem": "__getitem__",
    "getiem": "__getitem__",
    "len": "__len__",
    "length": "__len__",
    "lenght": "__len__",
    "iter": "__iter__",
    "iterator": "__iter__",
}
CONSEQUENCES = {
    "__getitem__": "getting a sample raises `NotImplementedError`",
    "__len__": "a loader that does not know its length raises `TypeError`",
    "__iter__": "an object of it cannot be made",
}


class DatasetMissingMethods(Rule):
    """Checks for a dataset that lacks what a loader asks of it.

    Reported are classes without `__getitem__`, `__len__` (or `__iter__` for an `IterableDataset`) whose objects a
    loader, `random_split` or `len` is given, misspelt names of these methods, a `__len__` that gives no integer, the
    class given to a loader in place of an object, and the module `torch.utils.data.dataset` as a base class.

    ## Why is this bad?
    The class looks fine until the loader asks: `TypeError: object of type 'Faces' has no len()`, `NotImplementedError:
    Subclasses of Dataset should implement __getitem__.`, `'float' object cannot be interpreted as an integer`.

    ## Example
    ```python
    from torch.utils.data import DataLoader, Dataset


    class Faces(Dataset):
        def __init__(self, images):
            self.images = images

        def __getitem__(self, index):
            return self.images[index]


    def make_loader(images):
        return DataLoader(Faces(images), batch_size=4)
    ```

    ## Use instead
    ```python
    from torch.utils.data import DataLoader, Dataset


    class Faces(Dataset):
        def __init__(self, images):
            self.images = images

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            return self.images[index]


    def make_loader(images):
        return DataLoader(Faces(images), batch_size=4)
    ```

    ## Fix safety
    Renaming a misspelt method, and naming the class `Dataset` in place of its module, is safe. `//` in place of `/` in
    `__len__` is unsafe, as the length may be meant to be rounded up.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#dataset-types
    """

    code = "TL423"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("Dataset", "dataset", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        # Classes of which something is said already, with what they lack.
        self.said: set[tuple[ClassInfo, str]] = set()
        for info in self.model.classes:
            self._check_bases(info)
            if is_dataset_class(info):
                self._check_names(info)
                self._check_length(info)
        for loader in self.model.loaders:
            self._check_class_given(loader)
            for lacking, dataset in self._asked(loader):
                self._lacks(lacking, dataset, self.model.place(loader.call), loader.call)
        for call in self.model.calls_of("builtins.len", "torch.utils.data.random_split"):
            given = call.argument(0, "obj", "dataset")
            if isinstance(given, Instance) and given.info is not None and is_dataset_class(given.info):
                if not call.tried:
                    self._lacks("__len__", given, call.node, call)

    # -- classes ------------------------------------------------------------------------------------------

    def _check_bases(self, info: ClassInfo) -> None:
        for arg in info.node.bases:
            base = self.model.value(arg.value)
            if isinstance(base, Symbol) and base.name == MODULE:
                whole = isinstance(arg.value, cst.Attribute)
                edit = (
                    self.replace(arg.value.attr, "Dataset")  # type: ignore[attr-defined]
                    if whole
                    else self.insert_after(arg.value, ".Dataset")
                )
                self.report(
                    arg.value,
                    "the base class is a module: `TypeError` when the class is defined",
                    help="the class is `Dataset`, with a capital letter",
                    fix=self.fix("name the class", Applicability.SAFE, edit),
                )

    def _check_names(self, info: ClassInfo) -> None:
        needed = ("__iter__",) if is_iterable_class(info) else ("__getitem__", "__len__")
        for name, function in _own_functions(info):
            wanted = MEANT.get(name.replace("_", "").lower())
            if wanted is None or wanted not in needed or name == wanted or not _is_special(name):
                continue
            if not _lacks(info, wanted):
                continue
            self.said.add((info, wanted))
            self.report(
                function.name,
                f"`{name}` is no method that a loader knows; it asks for `{wanted}`",
                help=f"name it `{wanted}`",
                fix=self._rename(function.name, wanted),
            )

    def _rename(self, name: cst.Name, wanted: str) -> Repair | None:
        # Whoever calls it by its name goes on to.
        if len(re.findall(rf"\b{name.value}\b", self.source.text)) > 1:
            return None
        return self.fix(f"rename it to `{wanted}`", Applicability.SAFE, self.replace(name, wanted))

    def _check_length(self, info: ClassInfo) -> None:
        for name, function in _own_functions(info):
            if name != "__len__" or is_placeholder(function) or function.decorators:
                continue
            found = exits(function)
            if () in found.ends and not any(node.value is not None for node, _ in found.returns):
                self.report(function.name, "`__len__` returns nothing: `TypeError` when the length is asked for")
            for node, _ in found.returns:
                value = node.value
                if isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Divide):
                    self.report(
                        value,
                        "`/` gives a float, and a length must be an integer",
                        help="use `//`, or `math.ceil` to round up",
                        fix=self.fix("use `//`", Applicability.UNSAFE, self.replace(value, self._floored(value))),
                    )
                elif isinstance(value, cst.Attribute) and value.attr.value == "shape":
                    if isinstance(self.model.value(value.value), (Tensor, Array)):
                        self.report(value, "a shape is a tuple, and a length must be an integer", help="use `shape[0]`")

    def _floored(self, value: cst.BinaryOperation) -> str:
        bare = value.with_changes(operator=cst.FloorDivide(
            value.operator.whitespace_before, value.operator.whitespace_after  # type: ignore[attr-defined]
        ), lpar=[], rpar=[])  # fmt: skip
        return self.text(bare)

    # -- objects ------------------------------------------------------------------------------------------

    def _check_class_given(self, loader: Loader) -> None:
        given = loader.value("dataset")
        is_class = isinstance(given, ClassInfo) and is_dataset_class(given) and not given.node.keywords
        if not is_class and not (isinstance(given, Symbol) and is_dataset_symbol(given.name) and _is_class(given.name)):
            return
        arg = loader.node("dataset") if loader.call.origin.unit is self.model.unit else None
        place = arg.value if arg is not None else self.model.place(loader.call)
        if place is not None and loader.call.certain and not loader.call.tried:
            self.report(
                place,
                "a class is given to the loader, which needs an object of it",
                help="call it with what its `__init__` takes",
            )

    def _asked(self, loader: Loader) -> Iterator[tuple[str, Instance]]:
        """The methods that a loader needs, each with a dataset that it needs it of."""
        if loader.call.tried or not loader.call.certain:
            return
        given = alternatives(value) if (value := loader.value("dataset")) is not None else ()
        for dataset in self.model.sources(loader).datasets:
            if dataset.info is None:
                continue
            if is_iterable_class(dataset.info):
                yield "__iter__", dataset
                continue
            known = is_dataset_class(dataset.info)
            if known and method(dataset.info, "__getitems__") is None:
                yield "__getitem__", dataset
            samplers = (loader.given("sampler"), loader.given("batch_sampler"))
            known = known or method(dataset.info, "__getitem__") is not None
            if known and dataset in given and all(each is Tri.NO for each in samplers):
                yield "__len__", dataset

    def _lacks(self, name: str, dataset: Instance, place: cst.CSTNode | None, call: Call) -> None:
        info = dataset.info
        if info is None or (info, name) in self.said or not _lacks(info, name):
            return
        if info.unit is self.model.unit:
            place = info.node.name
        if place is not None:
            self.said.add((info, name))
            related = (call.origin, "it is asked for here") if place is info.node.name else (info.origin, "the class")
            self.report(
                place,
                f"`{info.name}` has no `{name}`: {CONSEQUENCES[name]}",
                help=f"define `{name}`",
                related=[related],
            )


def _lacks(info: ClassInfo, name: str) -> bool:
    """Whether a class certainly does not have a method: neither itself nor anything that it derives from."""
    for entry in info.mro:
        if isinstance(entry, ClassInfo):
            if entry.decorated or name in entry.base or name in entry.written:
                return False
        elif not isinstance(entry, Symbol) or entry.name not in BARE:
            return False
    return True


def _own_functions(info: ClassInfo) -> Iterator[tuple[str, cst.FunctionDef]]:
    for name in list(info.base):
        value = info.base[name]
        found = getattr(value, "info", None)
        if isinstance(found, FunctionInfo) and found.owner is info and isinstance(found.node, cst.FunctionDef):
            yield name, found.node


def _is_special(name: str) -> bool:
    """Whether a name looks as if Python, and not the program, were to call it."""
    return name.startswith("__") or name.endswith("__") or (name.startswith("_") and name.endswith("_"))


def _is_class(symbol: str) -> bool:
    return symbol.rpartition(".")[2][:1].isupper()
