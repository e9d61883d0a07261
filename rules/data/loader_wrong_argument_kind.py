import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.batches import counter_taken_for_batch, gives_pairs, makes_batches
from torchlint.semantic.datasets import is_dataset, is_iterable_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import PARAMETERS, Loader, is_loader
from torchlint.semantic.values import (
    Array,
    Const,
    DictRef,
    Instance,
    ListRef,
    Scalar,
    Symbol,
    Tensor,
    TupleOf,
    Value,
)

PACKAGE = "torch.utils.data."
CONTAINERS = (ListRef, TupleOf, DictRef)
FALSE_TEXTS = frozenset({"false", "no", "off", "0", "n", "f"})


class LoaderWrongArgumentKind(Rule):
    """Checks for the wrong kind of thing given to `DataLoader`, `TensorDataset`, `BatchSampler` and `ConcatDataset`,
    or asked of a loader.

    Data and labels as two arguments of `DataLoader`, a path in place of a dataset, arrays or lists in
    `TensorDataset`, a `BatchSampler` given as `sampler`, `shuffle="False"`; `next(loader)`, `loader[0]`, and
    `enumerate` forgotten or misread in a loop.

    ## Why is this bad?
    Most of it raises, with a message about something else: `DataLoader(x, y)` complains about `batch_size`,
    `TensorDataset` of an array that `'int' object is not callable`. The rest is silent: a path is iterated over
    letter by letter, `sampler=BatchSampler(...)` gives batches of shape `[1, batch]`, and any text shuffles.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader

    inputs, labels = torch.randn(8, 2), torch.zeros(8)
    loader = DataLoader(inputs, labels)
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    inputs, labels = torch.randn(8, 2), torch.zeros(8)
    loader = DataLoader(TensorDataset(inputs, labels))
    ```

    ## Fix safety
    `next(loader)` becomes `next(iter(loader))`, which is safe. The others are unsafe: results change.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html
    """

    code = "TL426"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("torch", "loader", "Loader")

    def leave_Module(self, node: cst.Module) -> None:
        self._check_indexed()
        for loader in self.model.loaders:
            if loader.is_plain and loader.call.certain and not loader.call.tried:
                self._check_loader(loader)
        for call in self.model.calls_of(PACKAGE + "TensorDataset"):
            self._check_tensors(call)
        for call in self.model.calls_of(PACKAGE + "BatchSampler"):
            if call.arguments.complete and call.argument(2, "drop_last") is None and call.certain and not call.tried:
                self.report(call.node, "`BatchSampler` needs `drop_last` too", help="add `drop_last=False`")
        for call in self.model.calls_of(PACKAGE + "ConcatDataset"):
            self._check_joined(call)
        for call in self.model.calls_of("builtins.next"):
            self._check_next(call)

    def visit_For(self, node: cst.For) -> None:
        if isinstance(node.target, cst.Tuple) and len(node.target.elements) == 2 and self.model.loaders:
            first, second = node.target.elements
            if isinstance(second.value, (cst.Tuple, cst.List)):
                self._check_unpacked(node)
            elif isinstance(first.value, cst.Name):
                self._check_counted(node, first.value)

    def _check_indexed(self) -> None:
        for event in self.model.events:
            if event.kind == "index" and event.origin.unit is self.model.unit and isinstance(event.node, cst.Subscript):
                owner = self.model.value(event.node.value)
                if isinstance(owner, Instance) and not _defines(owner, "__getitem__"):
                    self.report(
                        event.node,
                        "a `DataLoader` cannot be indexed",
                        help="index `loader.dataset`, or iterate over the loader",
                        related=[(owner.origin, "the loader")],
                    )

    def _check_loader(self, loader: Loader) -> None:
        here = loader.call.origin.unit is self.model.unit
        place = self.model.place(loader.call)
        if place is None:
            return

        def say(
            name: str, message: str, help: str, severity: Severity | None = None, fix: Repair | None = None
        ) -> None:
            arg = loader.node(name) if here else None
            where = arg.value if arg is not None else place
            self.report(where, message, help=help, severity=severity, fix=fix if arg is not None else None)

        given = loader.call.arguments
        twice = [name for name in PARAMETERS[: len(given.positional)] if name in given.keywords]
        size, dataset, sampler = loader.value("batch_size"), loader.value("dataset"), loader.value("sampler")
        if _is_data(size):
            fix = self._together(loader) if here else None
            say("batch_size", "the second argument of `DataLoader` is `batch_size`, and this is data",
                "put data and labels into one `TensorDataset`", fix=fix)  # fmt: skip
        elif twice:
            say(twice[0], f"`{twice[0]}` is given twice, by position and by name", "give it once")
        elif _is_text(dataset):
            say("dataset", "a text is given as the dataset; the loader iterates over its letters",
                "make a dataset of the files first", Severity.WARNING)  # fmt: skip
        if _derives(sampler, PACKAGE + "BatchSampler") and makes_batches(loader):
            fix = self._as_batch_sampler(loader) if here else None
            say("sampler", "a `BatchSampler` is given as `sampler`; batches get a shape of `[1, batch]`",
                "give it as `batch_sampler`", Severity.WARNING, fix)  # fmt: skip
        shuffle = loader.value("shuffle")
        if isinstance(shuffle, Const) and isinstance(shuffle.value, str) and shuffle.value.lower() in FALSE_TEXTS:
            arg = loader.node("shuffle") if here else None
            fix = None
            if arg is not None and isinstance(arg.value, cst.SimpleString):
                fix = self.fix("give `False`", Applicability.UNSAFE, self.replace(arg.value, "False"))
            say("shuffle", f'`shuffle` is the text "{shuffle.value}", which counts as true', "give `False`",
                Severity.WARNING, fix)  # fmt: skip

    def _together(self, loader: Loader) -> Repair | None:
        """`DataLoader(TensorDataset(x, y), ...)`, where the name `TensorDataset` is at hand."""
        first, second = loader.node("dataset"), loader.node("batch_size")
        known = self.model.unit.frame.base.get("TensorDataset")
        if (
            first is None
            or second is None
            or first.keyword
            or second.keyword
            or len(loader.call.arguments.positional) > 2
        ):
            return None
        values = (loader.value("dataset"), loader.value("batch_size"))
        if not isinstance(known, Symbol) or not all(isinstance(value, Tensor) for value in values):
            return None
        return self.fix(
            "put them into a `TensorDataset`",
            Applicability.UNSAFE,
            self.insert_before(first.value, "TensorDataset("),
            self.insert_after(second.value, ")"),
        )

    def _as_batch_sampler(self, loader: Loader) -> Repair | None:
        arg = loader.node("sampler")
        if arg is None or arg.keyword is None or loader.node("batch_size") is not None:
            return None
        return self.fix("give it as `batch_sampler`", Applicability.UNSAFE, self.replace(arg.keyword, "batch_sampler"))

    def _check_tensors(self, call: Call) -> None:
        if not call.certain or call.tried or not isinstance(call.node, cst.Call):
            return
        for arg, value in zip(call.node.args, call.arguments.positional, strict=False):
            if arg.star or arg.keyword is not None:
                return
            if isinstance(value, (Array, *CONTAINERS)):
                kind = "a NumPy array" if isinstance(value, Array) else "a list, tuple or dict"
                torch = self.model.unit.frame.base.get("torch")
                wrap = (self.insert_before(arg.value, "torch.as_tensor("), self.insert_after(arg.value, ")"))
                self.report(
                    arg.value,
                    f"`TensorDataset` takes tensors, and this is {kind}",
                    help="make a tensor of it: `torch.as_tensor(...)`",
                    fix=self.fix("make a tensor of it", Applicability.UNSAFE, *wrap)
                    if isinstance(torch, Symbol) and not isinstance(value, DictRef)
                    else None,
                )

    def _check_joined(self, call: Call) -> None:
        if not call.certain or call.tried:
            return
        if len(call.arguments.positional) > 1 and isinstance(call.node, cst.Call):
            self.report(call.node, "`ConcatDataset` takes one list of datasets", help="put the datasets into a list")
            return
        for part in self.model.elements(call.argument(0, "datasets") or Const(None)) or ():
            if isinstance(part, Instance) and part.info is not None and is_iterable_class(part.info):
                self.report(
                    call.node,
                    f"`ConcatDataset` does not take iterable datasets such as `{part.info.name}`",
                    help="use `ChainDataset`",
                )
                return

    def _check_next(self, call: Call) -> None:
        loader = call.argument(0)
        if not isinstance(loader, Instance) or not is_loader(loader) or call.tried or not call.certain:
            return
        if _defines(loader, "__next__") or not isinstance(call.node, cst.Call):
            return
        value = call.node.args[0].value
        wrap = (self.insert_before(value, "iter("), self.insert_after(value, ")"))
        self.report(
            call.node,
            "a `DataLoader` is not an iterator",
            help="take its iterator: `next(iter(loader))`",
            fix=self.fix("take its iterator", Applicability.SAFE, *wrap),
            related=[(loader.origin, "the loader")],
        )

    def _check_unpacked(self, node: cst.For) -> None:
        """`for i, (x, y) in loader`, where samples are pairs."""
        over = self.model.value(node.iter)
        loader = next((loader for loader in self.model.loaders if loader.instance is over), None)
        if loader is not None and gives_pairs(self.model, loader):
            wrap = (self.insert_before(node.iter, "enumerate("), self.insert_after(node.iter, ")"))
            self.report(
                node.iter,
                "the loader is not enumerated, so the first target is the inputs and the labels are unpacked",
                help="iterate over `enumerate(loader)`",
                fix=self.fix("enumerate it", Applicability.UNSAFE, *wrap),
            )

    def _check_counted(self, node: cst.For, counter: cst.Name) -> None:
        """`for x, y in enumerate(loader): x.to(device)`"""
        call = counter_taken_for_batch(self.model, node, counter)
        if call is not None:
            self.report(
                call.node,
                f"`{counter.value}` counts the batches of `enumerate`; it is a number, not a batch",
                help=f"unpack the batch: `for step, ({counter.value}, ...) in enumerate(loader)`",
                related=[(self.model.origin(node.iter), "the loader is enumerated here")],
            )


def _defines(loader: Instance, name: str) -> bool:
    """Whether a class of the project that derives from `DataLoader` defines a method, or may."""
    return loader.info is not None and (loader.info.has_unknown_base or method(loader.info, name) is not None)


def _derives(value: Value | None, symbol: str) -> bool:
    if not isinstance(value, Instance):
        return False
    return value.symbol == symbol if value.info is None else symbol in value.info.external_bases


def _is_data(value: Value | None) -> bool:
    return isinstance(value, (Tensor, Array, *CONTAINERS)) or (value is not None and is_dataset(value))


def _is_text(value: Value | None) -> bool:
    if isinstance(value, Const):
        return isinstance(value.value, str)
    return isinstance(value, Scalar) and value.kind == "str"
