import re
from collections.abc import Mapping

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import NodeEdit, Rule
from torchlint.semantic.checkpoints import LOADED, RESULT, UNKNOWN_LOAD, is_test, is_written_here, loaded_part
from torchlint.semantic.facts import Call
from torchlint.semantic.objects import as_device
from torchlint.semantic.training import OPTIMIZERS
from torchlint.semantic.values import Const, Device, DeviceValue, Instance, Value
from torchlint.semantic.written import written_argument

# The file has to do with GPUs.
ABOUT_DEVICES = re.compile(r"cuda|\bdevice\b|\bgpu\b", re.IGNORECASE)
# Their state is a few numbers.
HOLDS_NUMBERS = re.compile(r"scaler|sched", re.IGNORECASE)
# What only the content of a file with a whole model is asked for.
AS_MODEL = ("eval", "train", "__call__", "parameters", "cuda", "to", "state_dict")


class LoadWithoutMapLocation(Rule):
    """Checks for `torch.load` of a checkpoint without `map_location` in a script that uses GPUs.

    Reported is the first place of a file at which what is loaded goes into a model or an optimizer, or is one. Also
    `map_location="cuda"` where nobody asks whether there is a GPU.

    ## Why is this bad?
    Tensors are loaded to where they were when they were saved. On a machine without a GPU a checkpoint from one raises
    `RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False`; with
    several GPUs each process takes memory of the first one.

    ## Example
    ```python
    import torch
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = nn.Linear(4, 2).to(device)
    model.load_state_dict(torch.load("model.pt"))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = nn.Linear(4, 2).to(device)
    model.load_state_dict(torch.load("model.pt", map_location=device))
    ```

    ## Fix safety
    Unsafe: what is loaded may lie elsewhere than before. The script's `device` is passed if it has one, else `"cpu"`.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """

    code = "TL508"
    category = Category.PORTABILITY
    fix_safety = Applicability.UNSAFE
    words = ("torch.load", "load(")

    def leave_Module(self, node: cst.Module) -> None:
        loads = {id(call.node): call for call in self.model.calls_of(LOADED) if call.certain and not call.tried}
        if not loads or is_test(self.model) or ABOUT_DEVICES.search(self.source.text) is None:
            return
        used = self._used()
        missing = [
            call
            for place, call in loads.items()
            if place in used and call.arguments.complete and not _is_placed(call) and not _has_choice(call, loads)
            if not is_written_here(self.model, call)
        ]
        if missing:
            more = f" ({len(missing)} such places)" if len(missing) > 1 else ""
            self.report(
                missing[0].node,
                f"without `map_location` this needs the device that the file was saved on{more}",
                help='pass `map_location`: the device that the model is on, or `"cpu"`',
                severity=Severity.INFO,
                fix=self.fix("load to the device", Applicability.UNSAFE, *self._edits(missing)),
            )
        if "is_available" not in self.source.text:
            self._check_literal(list(loads.values()))

    def _used(self) -> set[int]:
        """The loads of checkpoints: what they give goes into a module or optimizer, or is used as one."""
        found: set[int] = set()
        names = {RESULT, UNKNOWN_LOAD, *(f"{LOADED}.{name}" for name in AS_MODEL)}
        names |= {n for n in self.model.called if n.startswith(OPTIMIZERS) and n.endswith(".load_state_dict")}
        for name in names:
            for call in self.model.calls_of(name):
                loaded = call.receiver if name.startswith(f"{LOADED}.") else None
                arg = written_argument(call.node, 0, "state_dict")
                if name == UNKNOWN_LOAD and HOLDS_NUMBERS.search(self.text(call.node)[:80]):
                    continue
                if loaded is None and arg is not None:
                    loaded = loaded_part(self.model, arg.value)
                if isinstance(loaded, Instance) and loaded.origin is not None:
                    found.add(id(loaded.origin.node))
        return found

    def _edits(self, calls: list[Call]) -> list[NodeEdit]:
        text = f"map_location={self._device()}"
        return [
            self.insert_after(call.node.args[-1], f", {text}")
            for call in calls
            if isinstance(call.node, cst.Call) and call.node.args
        ]

    def _device(self) -> str:
        """The name under which the module keeps the device, else the CPU."""
        for name, value in self.model.unit.frame.base.items():
            if isinstance(value, DeviceValue) and name.lower() == "device":
                return name
        return '"cpu"'

    def _check_literal(self, calls: list[Call]) -> None:
        for call in calls:
            given = call.argument(1, "map_location")
            device = as_device(given) if isinstance(given, (Const, DeviceValue)) else None
            if device is not None and device.device is Device.ACCELERATOR and not call.tests and _is_text(given):
                self.report(
                    call.node,
                    "`map_location` is a GPU, and nobody asks here whether there is one",
                    help='choose it once: `device = "cuda" if torch.cuda.is_available() else "cpu"`',
                    severity=Severity.INFO,
                )
                return


def _is_placed(call: Call) -> bool:
    """Whether a load says where to, or reads what the script has in its memory anyway."""
    where = call.argument(0, "f")
    in_memory = isinstance(where, Instance) and where.symbol == "io.BytesIO"
    return in_memory or call.argument(1, "map_location") is not None


def _has_choice(call: Call, loads: Mapping[int, Call]) -> bool:
    """Whether another branch of a condition around a load says where to: this one means where the file says."""
    return any(_is_placed(other) and not set(call.tests).isdisjoint(other.tests) for other in loads.values())


def _is_text(value: Value | None) -> bool:
    return isinstance(value, DeviceValue) or (isinstance(value, Const) and isinstance(value.value, str))
