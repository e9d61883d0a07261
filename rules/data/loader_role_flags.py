import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import SUBSET, is_dataset_class, is_iterable_class, method
from torchlint.semantic.lengths import known_length
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import FALSE, TRUE, UNKNOWN, ClassInfo, Const, Instance, Scalar, Tri, Value

# Layers that read sequences: the order of samples may be part of the data, and a batch may need its full size.
DRAWS = ("random.", "numpy.random.", "torch.rand")
RECURRENT = (
    "torch.nn.LSTM",
    "torch.nn.GRU",
    "torch.nn.RNN",
    "torch.nn.LSTMCell",
    "torch.nn.GRUCell",
    "torch.nn.RNNCell",
)
EVALUATION = re.compile(r"(^|_)(val|valid|validation|test|testing|eval|evaluation)(_|$|loader|dl$|data)", re.IGNORECASE)
HOOKS = frozenset({"val_dataloader", "test_dataloader"})


class LoaderRoleFlags(Rule):
    """Checks for flags of a `DataLoader` that contradict what it is used for.

    Training epoch after epoch on a loader without `shuffle` or sampler; evaluating on a loader with
    `drop_last=True`; `drop_last=True` with a batch that is larger than the dataset.

    ## Why is this bad?
    Without shuffling, each epoch has the same batches in the order of the files, which is often by class: training
    converges worse, or not at all. `drop_last` leaves samples out of an evaluation, and gives no batch at all where the
    dataset is smaller than one. Nothing raises.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    data = datasets.MNIST("data", transform=transforms.ToTensor())
    loader = DataLoader(data, batch_size=64)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(5):
        for images, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    data = datasets.MNIST("data", transform=transforms.ToTensor())
    loader = DataLoader(data, batch_size=64, shuffle=True)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(5):
        for images, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    ```

    ## Fix safety
    Unsafe: batches come in another order.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """

    code = "TL431"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("DataLoader", "loader")

    # Names that calls are assigned to, by the calls.
    names: dict[int, str]

    def visit_Module(self, node: cst.Module) -> None:
        self.names = {}

    def visit_Assign(self, node: cst.Assign) -> None:
        if type(node.value) is cst.Call:
            target = node.targets[0].target
            if isinstance(target, cst.Name):
                self.names[id(node.value)] = target.value
            elif isinstance(target, cst.Attribute):
                self.names[id(node.value)] = target.attr.value

    def leave_Module(self, node: cst.Module) -> None:
        trained = self._trained()
        recurrent = any(True for _ in self.model.calls_of(*RECURRENT))
        for loader in self.model.loaders:
            if not loader.is_plain or not loader.call.certain:
                continue
            if loader.instance in trained:
                if trained[loader.instance] and not recurrent and self._keeps_order(loader):
                    self._report_order(loader)
            if loader.call.origin.unit is not self.model.unit:
                # Its own file shows the rest.
                continue
            if self._is_empty(loader):
                self.report(
                    loader.call.node,
                    "`drop_last=True` leaves no batch; the dataset is smaller than one",
                    help="leave out `drop_last`, or make the batches smaller",
                    severity=Severity.ERROR,
                )
            elif loader.instance not in trained and self._is_evaluated(loader) and loader.given("sampler") is Tri.NO:
                self._check_evaluation(loader, recurrent)

    def _trained(self) -> dict[Value, bool]:
        """The loaders over which a loop trains, and whether it does for several epochs."""
        steps = [event.loops for event in self.model.events if event.kind == "step"]
        # Optimizers of other packages.
        others = [name for name in self.model.called if name.endswith(".step")]
        steps += [call.loops for call in self.model.calls_of(*others)]
        loops = {id(loop.iter) for around in steps for loop in around if isinstance(loop, cst.For)}
        trained: dict[Value, bool] = {}
        for event in self.model.events:
            if event.kind == "iterate" and id(event.node) in loops:
                trained[event.subject] = trained.get(event.subject, False) or bool(event.loops)
        return trained

    def _is_empty(self, loader: Loader) -> bool:
        size, length = loader.value("batch_size"), known_length(self.model, loader.value("dataset") or UNKNOWN)
        return (
            loader.value("drop_last") == TRUE
            and isinstance(size, Const)
            and not size.assumed
            and isinstance(size.value, int)
            and length is not None
            and size.value > length
        )

    def _keeps_order(self, loader: Loader) -> bool:
        """Whether the loader gives samples in the order of a dataset that has an order worth breaking."""
        shuffle, size = loader.value("shuffle"), loader.value("batch_size")
        if shuffle not in (None, FALSE) or not loader.arguments.complete or isinstance(size, Scalar):
            # A size that is computed may be that of the whole dataset.
            return False
        if loader.given("sampler") is not Tri.NO or loader.given("batch_sampler") is not Tri.NO:
            return False
        dataset = loader.value("dataset")
        if not isinstance(dataset, Instance) or dataset.symbol == SUBSET:
            # Parts of a random split have been shuffled once.
            return False
        if dataset.info is not None:
            # Whoever writes a dataset and `shuffle=False` knows of an order.
            return shuffle is None and self._reads_by_index(dataset.info)
        return dataset.symbol is not None and dataset.symbol.startswith("torchvision.datasets.")

    def _reads_by_index(self, info: ClassInfo) -> bool:
        """Whether a dataset of the project gives the sample that is asked for, and none that it draws itself."""
        getter = method(info, "__getitem__")
        if getter is None or not is_dataset_class(info) or is_iterable_class(info):
            return False
        drawing = [name for name in self.model.called if name.startswith(DRAWS)]
        return not any(getter in call.active for call in self.model.calls_of(*drawing))

    def _report_order(self, loader: Loader) -> None:
        place = self.model.place(loader.call)
        here = loader.call.origin.unit is self.model.unit
        arg = loader.node("shuffle") if here else None
        if place is not None:
            self.report(
                arg if arg is not None else place,
                "the loader is trained on in the same order in each epoch",
                help="give `shuffle=True`",
                fix=self._shuffled(loader, arg) if here else None,
                related=[(loader.call.origin, "the loader is made here")] if not here else (),
            )

    def _shuffled(self, loader: Loader, arg: cst.Arg | None) -> Repair | None:
        call = loader.call.node
        if arg is not None:
            if not isinstance(arg.value, cst.Name) or arg.value.value != "False":
                return None
            return self.fix("shuffle", Applicability.UNSAFE, self.replace(arg.value, "True"))
        if not isinstance(call, cst.Call) or any(arg.star for arg in call.args):
            return None
        return self.fix("shuffle", Applicability.UNSAFE, self.insert_after(call.args[-1].value, ", shuffle=True"))

    def _is_evaluated(self, loader: Loader) -> bool:
        """Whether a loader has the name of one for evaluation, or reads a dataset that torchvision keeps for it."""
        name = self.names.get(id(loader.call.node), "")
        active = loader.call.active
        if EVALUATION.search(name) or (active and active[-1].name in HOOKS and active[-1].owner is not None):
            return "train" not in name
        return False

    def _check_evaluation(self, loader: Loader, recurrent: bool) -> None:
        size = loader.value("batch_size")
        if loader.value("drop_last") == TRUE and not recurrent and size is not None and size != Const(1):
            arg = loader.node("drop_last")
            self.report(
                arg if arg is not None else loader.call.node,
                "`drop_last=True` leaves samples out of the evaluation",
                help="leave out `drop_last`",
                severity=Severity.INFO,
            )
