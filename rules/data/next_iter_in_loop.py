import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.datasets import is_iterable_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader, is_loader
from torchlint.semantic.values import FALSE, Const, Instance, Iterated, Scalar, Tri, Value


class NextIterInLoop(Rule):
    """Checks for `next(iter(loader))` in a loop, which starts from the beginning each time.

    Reported are loops that count or run over another loader, where the loader has a fixed order and a model runs on
    the batches, or where it has worker processes. Once an epoch, beside a loop over batches, is meant as a sample
    and not reported.

    ## Why is this bad?
    `iter(loader)` starts a new pass over the data. Without `shuffle` each `next` gives the first batch again, so a
    model is trained on one batch and nothing says so. With workers, all of them are started and stopped for each
    batch, which takes longer than the batch.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(100, 4)), batch_size=2)
    layer = torch.nn.Linear(4, 1)
    for step in range(50):
        (batch,) = next(iter(loader))
        print(layer(batch))
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(100, 4)), batch_size=2)
    layer = torch.nn.Linear(4, 1)
    for (batch,) in loader:
        print(layer(batch))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#single-and-multi-process-data-loading
    """

    code = "TL429"
    category = Category.SUSPICIOUS
    words = ("next(",)

    # Calls that run once for each element of a comprehension.
    repeated: set[int]

    def may_find(self) -> bool:
        return bool(self.model.loaders)

    def visit_Module(self, node: cst.Module) -> None:
        self.repeated = set()

    def visit_ListComp(self, node: cst.ListComp) -> None:
        self.repeated.add(id(node.elt))

    def visit_DictComp(self, node: cst.DictComp) -> None:
        self.repeated.add(id(node.value))

    def leave_Module(self, node: cst.Module) -> None:
        loaders = {loader.instance: loader for loader in self.model.loaders}
        for call in self.model.calls_of("builtins.next") if loaders else ():
            given = call.argument(0)
            source = given.over[0] if isinstance(given, Iterated) and len(given.over) == 1 else None
            loader = loaders.get(source) if isinstance(source, Instance) else None
            if loader is not None and call.loops and self._starts_anew(call):
                loop = call.loops[-1]
                if self._is_same_loader(loader, loop) and self._is_of_steps(call, loop):
                    self._report(call, loader, loop)

    def _starts_anew(self, call: Call) -> bool:
        """Whether it is `next(iter(loader))` in one, or of an iterator that each turn of the loop makes for it."""
        argument = _iter_of(call)
        if argument is None or any(made.name == "builtins.iter" for made in self.model.calls(argument)):
            return argument is not None
        if not isinstance(argument, cst.Name):
            return False
        taken = {id(other.node) for other in self.model.calls_of("builtins.next") if call.loops[-1] in other.loops}
        # Of `iter` in the same turn of the same loop, under the same conditions.
        made = [
            made.result
            for made in self.model.calls_of("builtins.iter")
            if made.loops[-1:] == call.loops[-1:] and made.tests == call.tests and made.active == call.active
        ]
        given = [other.argument(0) for other in self.model.calls(call.node)]
        return len(taken) == 1 and all(any(value is result for result in made) for value in given)

    def _is_same_loader(self, loader: Loader, loop: cst.CSTNode) -> bool:
        """Whether it is one loader that is made before the loop, not one of several."""
        if loop in loader.call.loops or (loader.instance.info is not None and method(loader.instance.info, "__iter__")):
            return False
        return not any(id(node) in self.repeated for node in (*loader.call.stack, loader.call.node))

    def _is_of_steps(self, call: Call, loop: cst.CSTNode) -> bool:
        """Whether the loop counts, or runs over batches, and nothing but the loop decides whether the call runs."""
        outside: tuple[cst.BaseExpression, ...] = ()
        if isinstance(loop, cst.For):
            over = self.model.value(loop.iter)
            if not _counts(over) and not is_loader(over) and not (isinstance(over, Iterated) and over.over):
                return False
            if any(_runs_once(made) for made in self.model.calls(loop.iter)):
                return False
            outside = next((made.tests for made in self.model.calls(loop.iter)), ())
        if call.tests != outside:
            return False
        taken = {id(_iter_of(other)) for other in self.model.calls_of("builtins.next")}
        return not any(
            event.kind == "iterate" and loop in event.loops and id(event.node) not in taken
            for event in self.model.events
        )

    def _runs_model(self, loop: cst.CSTNode) -> bool:
        """Whether a model learns or predicts in the loop; without one, the same batch may well be meant."""
        if any(event.kind in ("backward", "step") and loop in event.loops for event in self.model.events):
            return True
        forwards = [name for name in self.model.called if name.endswith(".forward")]
        return any(loop in call.loops for call in self.model.calls_of(*forwards))

    def _report(self, call: Call, loader: Loader, loop: cst.CSTNode) -> None:
        if _has_fixed_order(loader) and self._runs_model(loop):
            message = "`next(iter(loader))` in a loop gives the first batch each time"
        elif loader.workers is Tri.YES and loader.value("persistent_workers") in (None, FALSE):
            message = "`next(iter(loader))` in a loop starts the loader's workers anew for each batch"
        else:
            return
        self.report(
            call.node,
            message,
            help="make the iterator before the loop, or loop over the loader",
            related=[(loader.call.origin, "the loader")],
        )


def _iter_of(call: Call) -> cst.BaseExpression | None:
    node = call.node
    return node.args[0].value if isinstance(node, cst.Call) and node.args and not node.args[0].star else None


def _counts(over: Value) -> bool:
    """Whether a loop over it gives numbers one after the other, as over `range`."""
    return isinstance(over, Iterated) and isinstance(over.element, Scalar) and over.element.kind == "int"


def _runs_once(call: Call) -> bool:
    """Whether it is `range(1)`."""
    bound = call.argument(0)
    return (
        call.name in ("builtins.range", "tqdm.trange")
        and len(call.arguments.positional) == 1
        and isinstance(bound, Const)
        and bound.value in (0, 1)
    )


def _has_fixed_order(loader: Loader) -> bool:
    """Whether the loader gives the same samples in the same order in each pass."""
    size = loader.value("batch_size")
    if size is not None and not (isinstance(size, Const) and isinstance(size.value, int)):
        # All samples at once, for all that is known.
        return False
    dataset = loader.value("dataset")
    if not isinstance(dataset, Instance) or (dataset.info is not None and is_iterable_class(dataset.info)):
        return False
    shuffle = loader.value("shuffle")
    ordered = shuffle == FALSE or (shuffle is None and loader.arguments.complete)
    return ordered and loader.given("sampler") is Tri.NO and loader.given("batch_sampler") is Tri.NO
