from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import ITERABLE_DATASET, is_iterable_class, method
from torchlint.semantic.loaders import DATA_LOADER, Loader, is_loader
from torchlint.semantic.values import NONE, Const, Instance, Scalar, Tri, Value

# What `DataLoader.__setattr__` refuses after construction.
FIXED = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})
ITERABLE = frozenset({ITERABLE_DATASET, "torch.utils.data.ChainDataset"})
NO_WORKERS = {
    "prefetch_factor": ("`prefetch_factor`", "None"),
    "persistent_workers": ("`persistent_workers=True`", "False"),
    "multiprocessing_context": ("`multiprocessing_context`", None),
    "timeout": ("`timeout`", None),
}


class Conflict(NamedTuple):
    """An argument that `DataLoader` refuses, why, what it conflicts with, and the value that it may have instead."""

    name: str
    message: str
    other: str | None = None
    instead: str | None = None


class DataloaderArgumentConflict(Rule):
    """Checks for arguments that `DataLoader` refuses: pairs that exclude each other, and impossible numbers.

    Also reported: assigning `batch_size`, `sampler`, `dataset` and the like on a loader that has been made.

    ## Why is this bad?
    The constructor raises `ValueError`, such as `sampler option is mutually exclusive with shuffle` or
    `persistent_workers option needs num_workers > 0`. A `timeout` without workers fails when the loader is iterated
    over. PyTorch 1 accepted `prefetch_factor=2` without workers; PyTorch 2 does not.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, RandomSampler, TensorDataset

    data = TensorDataset(torch.randn(8, 2))
    loader = DataLoader(data, shuffle=True, sampler=RandomSampler(data))
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, RandomSampler, TensorDataset

    data = TensorDataset(torch.randn(8, 2))
    loader = DataLoader(data, sampler=RandomSampler(data))
    ```

    ## Fix safety
    Safe: the call could not run before. Only arguments that had no meaning there are switched off: `shuffle=True`
    beside a sampler, and what needs workers where there are none.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """

    code = "TL417"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("DataLoader", "loader")

    def leave_Module(self, node: cst.Module) -> None:
        for loader in self.model.loaders:
            if loader.call.certain and not loader.call.tried and _knows_arguments(loader):
                for conflict in _conflicts(loader):
                    if self._report(loader, conflict):
                        # It raises at the first one.
                        break

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            left = target.target
            if type(left) is not cst.Attribute or left.attr.value not in FIXED:
                continue
            owner = self.model.value(left.value)
            if is_loader(owner) and isinstance(owner, Instance) and (owner.symbol == DATA_LOADER or owner.info):
                if not (owner.info is not None and isinstance(left.value, cst.Name) and left.value.value == "self"):
                    self.report(
                        left,
                        f"`{left.attr.value}` of a `DataLoader` cannot be set after it has been made",
                        help="make a new loader",
                        related=[(owner.origin, "the loader")],
                    )

    def _report(self, loader: Loader, conflict: Conflict) -> bool:
        place = self.model.place(loader.call)
        names = (conflict.name, conflict.other) if conflict.other is not None else (conflict.name,)
        args = [loader.node(name) for name in names]
        fix = None
        if loader.call.origin.unit is self.model.unit:
            if args[0] is not None:
                place = args[0].value
                fix = self._repair(args[0], conflict)
        elif all(arg is None or _is_literal(arg.value) for arg in args):
            # The other file shows it.
            return False
        if place is None:
            return False
        self.report(place, conflict.message, help=_help(conflict), fix=fix)
        return True

    def _repair(self, arg: cst.Arg, conflict: Conflict) -> Repair | None:
        if conflict.instead is None or not _is_literal(arg.value):
            return None
        edit = self.replace(arg.value, conflict.instead)
        return self.fix(f"set `{conflict.name}` to `{conflict.instead}`", Applicability.SAFE, edit)


def _help(conflict: Conflict) -> str:
    if conflict.other == "num_workers":
        return f"leave out `{conflict.name}`, or give the loader workers"
    return f"leave out `{conflict.name}`" + (f", or `{conflict.other}`" if conflict.other is not None else "")


def _knows_arguments(loader: Loader) -> bool:
    """Whether the arguments are those of `DataLoader`, and not of a class of the project that derives from it."""
    info = loader.instance.info
    if info is None or method(info, "__init__") is None:
        return True
    return loader.arguments is not loader.call.arguments


def _conflicts(loader: Loader) -> Iterator[Conflict]:
    """What the constructor refuses, in the order in which it does."""
    workers = _number(loader, "num_workers")
    if workers is not None and workers < 0:
        yield Conflict("num_workers", "`num_workers` is negative; it counts processes")
    elif isinstance(workers, float) or _is_quotient(loader, "num_workers"):
        yield Conflict("num_workers", "`num_workers` is a float; it counts processes")
    elif workers == 0 or (loader.value("num_workers") is None and loader.arguments.complete):
        for name, (shown, instead) in NO_WORKERS.items():
            if _is_on(loader, name) and (name != "timeout" or (_number(loader, name) or 0) > 0):
                yield Conflict(name, f"{shown} needs `num_workers` above 0", "num_workers", instead)
    if loader.of_graphs:
        return
    batch_sampler, sampler = _is_on(loader, "batch_sampler"), _is_on(loader, "sampler")
    if _is_iterable(loader.value("dataset")):
        for name, given in (("shuffle", None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if _is_on(loader, name) if given is None else given:
                yield Conflict(name, f"an iterable dataset decides on its own order; `{name}` is refused")
    if sampler and _is_on(loader, "shuffle"):
        yield Conflict("shuffle", "`shuffle=True` and `sampler` exclude each other", "sampler", "False")
    size = loader.value("batch_size")
    if batch_sampler:
        for name in ("shuffle", "sampler", "drop_last"):
            if _is_on(loader, name):
                yield Conflict(name, f"`batch_sampler` and `{name}` exclude each other", "batch_sampler")
        if isinstance(size, Const) and not size.assumed and size.value != 1 and _is_certain(loader, "batch_size"):
            yield Conflict("batch_size", "`batch_sampler` and `batch_size` exclude each other", "batch_sampler")
    elif loader.given("batch_sampler") is Tri.NO:
        yield from _of_batches(loader, size)


def _of_batches(loader: Loader, size: Value | None) -> Iterator[Conflict]:
    if size == NONE:
        if _is_certain(loader, "batch_size") and _is_on(loader, "drop_last"):
            yield Conflict("drop_last", "`drop_last` needs batches, which `batch_size=None` turns off", "batch_size")
        return
    if isinstance(size, Const) and not size.assumed and _is_certain(loader, "batch_size"):
        if type(size.value) is not int:
            yield Conflict("batch_size", f"`batch_size` is a {type(size.value).__name__}; it must be an integer")
        elif size.value <= 0:
            yield Conflict("batch_size", f"`batch_size` is {size.value}; it must be positive")
    elif _is_quotient(loader, "batch_size"):
        yield Conflict("batch_size", "`batch_size` is a float; it must be an integer")


def _is_certain(loader: Loader, name: str) -> bool:
    """Whether an argument that is known is given in any case: not by a dict that may lack it."""
    return loader.arguments.complete or loader.node(name) is not None


def _is_on(loader: Loader, name: str) -> bool:
    """Whether an argument certainly is given, as something other than None or what is false."""
    value = loader.value(name)
    if value is None or not _is_certain(loader, name):
        return False
    if isinstance(value, Const):
        return bool(value.value) and not value.assumed
    return name not in ("shuffle", "drop_last", "persistent_workers", "timeout") and loader.given(name) is Tri.YES


def _number(loader: Loader, name: str) -> int | float | None:
    value = loader.value(name)
    if isinstance(value, Const) and isinstance(value.value, (int, float)) and not isinstance(value.value, bool):
        return value.value if not value.assumed and _is_certain(loader, name) else None
    return None


def _is_quotient(loader: Loader, name: str) -> bool:
    """Whether an argument is computed by `/`, which gives a float."""
    value = loader.value(name)
    node = value.origin.node if isinstance(value, Scalar) and value.origin is not None else None
    return isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide)


def _is_iterable(dataset: Value | None) -> bool:
    if not isinstance(dataset, Instance):
        return False
    return is_iterable_class(dataset.info) if dataset.info is not None else dataset.symbol in ITERABLE


def _is_literal(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Name):
        return node.value in ("True", "False", "None")
    return isinstance(node, (cst.Integer, cst.Float, cst.SimpleString, cst.UnaryOperation))
