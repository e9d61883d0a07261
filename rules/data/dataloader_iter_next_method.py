import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import method
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import is_loader
from torchlint.semantic.values import UNKNOWN, Instance, Iterated, Value


class DataloaderIterNextMethod(Rule):
    """Checks for `.next()` called on the iterator of a `DataLoader`, or on the loader itself.

    Also reported on what wraps the iterator, such as `tqdm(loader)` and `enumerate(loader)`.

    ## Why is this bad?
    Iterators have `__next__`, which `next(...)` calls; `.next()` was Python 2's spelling. PyTorch kept it as an
    alias until version 1.12, so old tutorials have it: `AttributeError: '_SingleProcessDataLoaderIter' object has
    no attribute 'next'`.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(8, 2)), batch_size=4)
    batches = iter(loader)
    print(batches.next())
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(8, 2)), batch_size=4)
    batches = iter(loader)
    print(next(batches))
    ```

    ## Fix safety
    Safe: the call could not run before.

    ## References
    - https://docs.python.org/3/library/functions.html#next
    """

    code = "TL405"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = (".next(", ".next (")

    def leave_Module(self, node: cst.Module) -> None:
        seen: set[int] = set()
        for name in [name for name in self.model.called if name.endswith(".next")]:
            for call in self.model.calls_of(name):
                if id(call.node) not in seen and self._is_defect(call):
                    seen.add(id(call.node))
                    self._report(call)

    def _is_defect(self, call: Call) -> bool:
        if not call.certain or call.tried or call.arguments.positional:
            return False
        return _loader_of(call.receiver) is not None or self._iterates_over_parameter(call.receiver)

    def _iterates_over_parameter(self, receiver: Value | None) -> bool:
        """Whether it is `iter(loader)` of something unknown that is called a loader, as a parameter is."""
        origin = receiver.origin if isinstance(receiver, Iterated) and not receiver.over else None
        if origin is None or origin.unit is not self.model.unit or "def next" in self.source.text:
            return False
        for call in self.model.calls(origin.node):
            if call.name != "builtins.iter" or call.argument(0) is not UNKNOWN or not isinstance(call.node, cst.Call):
                return False
            over = call.node.args[0].value
            name = over.attr.value if isinstance(over, cst.Attribute) else getattr(over, "value", "")
            if not isinstance(name, str) or "loader" not in name.lower():
                return False
        return bool(self.model.calls(origin.node))

    def _report(self, call: Call) -> None:
        loader = _loader_of(call.receiver)
        whole = is_loader(call.receiver) if call.receiver is not None else False
        what = "a `DataLoader`" if whole else "the iterator of a `DataLoader`"
        self.report(
            call.node,
            f"{what} has no method `next`",
            help="call the builtin `next(iter(...))`" if whole else "call the builtin `next(...)`",
            fix=self._repair(call.node, whole),
            related=[(loader.origin, "the loader")] if loader is not None else (),
        )

    def _repair(self, node: cst.CSTNode, whole: bool) -> Repair | None:
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.args:
            return None
        receiver = self.text(node.func.value)
        if self.text(node).count("#") != receiver.count("#") or "next" in self.model.unit.frame.base:
            # A comment would be lost, or `next` means something else here.
            return None
        content = f"next(iter({receiver}))" if whole else f"next({receiver})"
        return self.fix("call the builtin `next`", Applicability.SAFE, self.replace(node, content))


def _loader_of(receiver: Value | None) -> Value | None:
    """The loader that something iterates over, or is; None where it may have a method `next` of its own."""
    if isinstance(receiver, Iterated):
        loaders = receiver.over
    else:
        loaders = (receiver,) if receiver is not None and is_loader(receiver) else ()
    if not loaders or not all(_has_plain_iterator(loader) for loader in loaders):
        return None
    return loaders[0]


def _has_plain_iterator(loader: Value) -> bool:
    return isinstance(loader, Instance) and (loader.info is None or method(loader.info, "__iter__") is None)
