from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import SAMPLE_METHODS, is_dataset_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader
from torchlint.semantic.objects import as_device
from torchlint.semantic.values import TRUE, Const, Device, FunctionInfo, Instance, OneOf, Tensor, Tri, Value

MOVES = (".to", ".cuda")
ACCELERATORS = frozenset({Device.ACCELERATOR, Device.WHEN_AVAILABLE})
TENSORS = "torch.utils.data.TensorDataset"


class CudaInDataset(Rule):
    """Checks for samples that are put on the GPU before they leave the loader.

    Reported are `.cuda()`, `.to(device)` and `device=` in the dataset, transforms and `collate_fn` of a loader with
    workers, tensors on the GPU that its dataset holds, `pin_memory=True` for such data, and datasets of which one
    is on the GPU and another is not in one `ConcatDataset`. A device counts as the GPU if it is one wherever there is
    one, as by `"cuda" if torch.cuda.is_available() else "cpu"`.

    ## Why is this bad?
    A forked worker cannot use CUDA: `RuntimeError: Cannot re-initialize CUDA in forked subprocess`. A spawned one
    can, but each takes some hundred megabytes of the GPU, and its tensors are sent back with much ado. Only memory
    of the CPU can be pinned: `RuntimeError: cannot pin 'torch.cuda.FloatTensor'`.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, Dataset

    device = "cuda" if torch.cuda.is_available() else "cpu"


    class Points(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.tensor([float(index)]).to(device)


    def make_loader():
        return DataLoader(Points(), num_workers=2)
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, Dataset


    class Points(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.tensor([float(index)])


    def train(device):
        for points in DataLoader(Points(), num_workers=2, pin_memory=True):
            points = points.to(device, non_blocking=True)
    ```

    ## Fix safety
    Unsafe: the move to the GPU is taken out, and the training loop has to make it.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#multi-process-data-loading
    - https://docs.pytorch.org/docs/stable/notes/multiprocessing.html#cuda-in-multiprocessing
    """

    code = "TL411"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("cuda", "device")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[int] = set()
        for loader in self.model.loaders:
            pinned = loader.value("pin_memory") == TRUE
            if loader.workers is not Tri.NO or pinned:
                moves = [
                    (call, device)
                    for call, device in self._moves(self.model.worker_functions(loader))
                    if self.model.runs_in_workers(loader, call)
                ]
                for call, device in moves:
                    self._report_move(loader, call, device, pinned, reported)
                if moves or self._report_held(loader, pinned, reported):
                    continue
            self._report_mixed(loader, reported)
        if not self.model.loaders:
            self._check_exported(reported)

    # -- samples that are moved ---------------------------------------------------------------------------

    def _moves(self, functions: frozenset[FunctionInfo]) -> Iterator[tuple[Call, Device]]:
        """The calls in some functions, or led to by them, that put something on the GPU."""
        names = {*self.model.called, *self.model.called_by_samples}
        for name in sorted(name for name in names if name.endswith(MOVES) or name.startswith("torch.")):
            for call in self.model.sample_calls(name):
                device = _device(call)
                if device is not None and not functions.isdisjoint(call.active):
                    if not any("worker_info" in self.text(test) for test in call.tests):
                        yield call, device

    def _report_move(self, loader: Loader, call: Call, device: Device, pinned: bool, reported: set[int]) -> None:
        here = call.origin.unit is self.model.unit
        place = call.node if here else self.model.place(loader.call)
        if place is None or id(place) in reported:
            return
        reported.add(id(place))
        if loader.workers is Tri.NO:
            message, severity = "only memory of the CPU can be pinned, and this sample is on the GPU", Severity.ERROR
        else:
            message, severity = "this runs in loader workers, where CUDA cannot be used after a fork", Severity.ERROR
            if loader.workers is Tri.MAYBE or device is Device.UNKNOWN:
                message, severity = "in a loader worker CUDA cannot be used after a fork", Severity.WARNING
            if self._spawns(loader):
                message, severity = "each worker takes memory of the GPU for this", Severity.INFO
        self.report(
            place,
            message,
            help="leave samples on the CPU, and move each batch in the training loop",
            severity=severity,
            fix=self._leave_out(call) if here else None,
            related=[(loader.call.origin, "the loader"), (None if here else call.origin, "the sample is moved here")],
        )

    def _spawns(self, loader: Loader) -> bool:
        """Whether the script itself says that workers are not forked."""
        told = loader.start_method is not None or any(e.kind == "start-method" for e in self.model.events)
        return told and self.model.forks(loader) is Tri.NO

    def _leave_out(self, call: Call) -> Repair | None:
        node = call.node
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or call.name is None:
            return None
        if not call.name.endswith(MOVES) or len(node.args) > 1:
            return None
        edit = self.replace(node, self.text(node.func.value))
        return self.fix("leave it on the CPU", Applicability.UNSAFE, edit)

    def _check_exported(self, reported: set[int]) -> None:
        """Datasets for others to load: with workers or without."""
        samplers = {
            info
            for owner in self.model.classes
            if is_dataset_class(owner)
            for name in SAMPLE_METHODS
            if (info := method(owner, name)) is not None
        }
        for call, device in self._moves(frozenset(samplers)):
            if call.origin.unit is self.model.unit and id(call.node) not in reported and device is Device.ACCELERATOR:
                reported.add(id(call.node))
                self.report(
                    call.node,
                    "a loader with workers cannot use this dataset: after a fork CUDA cannot be used",
                    help="leave samples on the CPU, and move each batch in the training loop",
                    severity=Severity.INFO,
                    fix=self._leave_out(call),
                )

    # -- data that is there already -----------------------------------------------------------------------

    def _report_held(self, loader: Loader, pinned: bool, reported: set[int]) -> bool:
        place = self.model.place(loader.call)
        for dataset in self.model.sources(loader).datasets:
            held = next((tensor for tensor in self._tensors(dataset) if tensor.device in ACCELERATORS), None)
            if held is None or place is None or id(place) in reported:
                continue
            reported.add(id(place))
            if loader.workers is Tri.NO:
                message = "only memory of the CPU can be pinned, and this data is on the GPU"
            elif self._spawns(loader):
                message = "each worker takes memory of the GPU for data that is there already"
            else:
                message = "this loader's data is on the GPU, where workers cannot use it after a fork"
            self.report(
                place,
                message,
                help="leave the data on the CPU, and move each batch in the training loop; or load without workers",
                severity=Severity.ERROR if loader.workers is not Tri.MAYBE or pinned else Severity.WARNING,
                related=[(held.device_origin, "the data is moved here")],
            )
            return True
        return False

    def _tensors(self, dataset: Instance) -> Iterator[Tensor]:
        """The tensors that a dataset holds."""
        values: list[Value] = []
        if dataset.symbol == TENSORS:
            values = [*dataset.arguments.positional]
        elif dataset.info is not None:
            values = [self.model.held(dataset, name) for name in sorted(dataset.base.keys() | dataset.written)]
        for value in values:
            if isinstance(value, Tensor):
                yield value

    def _report_mixed(self, loader: Loader, reported: set[int]) -> None:
        place = self.model.place(loader.call)
        devices: dict[Device, Tensor] = {}
        for dataset in self.model.sources(loader).datasets if place is not None else ():
            for tensor in self._tensors(dataset) if dataset.symbol == TENSORS else ():
                devices.setdefault(tensor.device, tensor)
        moved = next((devices[device] for device in ACCELERATORS if device in devices), None)
        if Device.CPU in devices and moved is not None and place is not None and id(place) not in reported:
            whole = all(len({t.device for t in self._tensors(d)}) == 1 for d in self.model.sources(loader).datasets)
            if whole:
                reported.add(id(place))
                self.report(
                    place,
                    "a batch of this loader may hold samples of the CPU and of the GPU, which cannot be stacked",
                    help="leave all datasets on the CPU, and move each batch in the training loop",
                    related=[
                        (moved.device_origin, "this data is moved to the GPU"),
                        (devices[Device.CPU].origin, "this data is not"),
                    ],
                )


def _device(call: Call) -> Device | None:
    """Where a call puts a tensor, if that is the GPU; `UNKNOWN` for a default that a caller may override."""
    assert call.name is not None
    if call.name.endswith(".cuda"):
        return Device.ACCELERATOR
    target = call.arguments.keywords.get("device")
    if target is None and call.name.endswith(".to"):
        target = call.argument(0)
    if isinstance(target, Const) and target.assumed and isinstance(target.value, str):
        return Device.UNKNOWN if target.value.startswith("cuda") else None
    device = as_device(target) if target is not None and not isinstance(target, OneOf) else None
    return device.device if device is not None and device.device in ACCELERATORS else None
