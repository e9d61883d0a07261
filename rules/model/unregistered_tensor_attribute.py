import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.assignments import statement_of
from torchlint.semantic.attributes import setters
from torchlint.semantic.derived import leaf_before
from torchlint.semantic.devices import is_stray
from torchlint.semantic.parts import stands_in
from torchlint.semantic.stray_uses import stray_use
from torchlint.semantic.unregistered import Kept
from torchlint.semantic.values import ClassInfo, Const, Device, Instance, Tensor, Tri

# What shows that the file, or whoever trains its modules, moves things to devices.
MOVING = re.compile(
    r"\.cuda\(|\.to\(\s*[\w.]*dev|\.to\(\s*[\"']|torch\.device|is_available\(|\bdevice\s*="
    r"|LightningModule|PreTrainedModel|Accelerator\("
)
# A class that defines one of these moves its tensors itself.
OWN_MOVES = frozenset({"_apply", "to", "cuda", "__setattr__", "__getattr__"})


class UnregisteredTensorAttribute(Rule):
    """Checks for tensors that a module holds as plain attributes and uses in `forward`, in files that move things to
    devices.

    ## Why is this bad?
    A module moves its parameters and buffers. A plain tensor stays on the CPU, and using it raises `Expected all
    tensors to be on the same device`. It is missing from the state dict, too.

    ## Example
    ```python
    import torch
    from torch import nn


    class Shift(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.offset = torch.arange(size)

        def forward(self, x):
            return x + self.offset


    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Shift(4).to(device)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    class Shift(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.register_buffer("offset", torch.arange(size), persistent=False)

        def forward(self, x):
            return x + self.offset


    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Shift(4).to(device)
    ```

    ## Fix safety
    Unsafe: the tensor moves with the module then. It stays out of the state dict, so that old checkpoints load; leave
    `persistent=False` out to save it.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_buffer
    """

    code = "TL518"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("cuda", "device", "Lightning", "PreTrained", ".to(")

    def leave_Module(self, node: cst.Module) -> None:
        found: dict[tuple[ClassInfo, str], list[Kept]] = {}
        for kept in self.model.kept:
            owner = kept.active[-1].owner if kept.active else None
            if owner is not None:
                found.setdefault((owner, kept.target.attr.value), []).append(kept)
        for (info, name), all_kept in found.items():
            if all(kept.is_made and self._is_plain(kept) for kept in all_kept):
                if MOVING.search(self.source.text) and not self._is_set_otherwise(info, name):
                    self._check(info, name, all_kept)

    def _is_plain(self, kept: Kept) -> bool:
        """Whether a tensor stays on the CPU, and is not meant to be trained."""
        value = kept.value
        if value.grad is Tri.YES or not (is_stray(value) or self._is_array(value)):
            return False
        return leaf_before(self.model, value) is None

    def _is_array(self, value: Tensor) -> bool:
        """Whether a tensor of which only the shape is not known was an array, which nobody makes of one number."""
        if value.device is not Device.CPU or value.shape is not None or value.origin is None:
            return False
        made = self.model.calls_of("torch.from_numpy")
        return any(stands_in(call.node, value.origin.node) for call in made)

    def _is_set_otherwise(self, info: ClassInfo, name: str) -> bool:
        """Whether anything else may move the tensor, register it, or put another one in its place."""
        for entry in info.mro:
            if isinstance(entry, ClassInfo) and (name in setters(entry) or OWN_MOVES.intersection(entry.base)):
                return True
        for call in self.model.calls_of("torch.nn.Module.register_buffer", "torch.nn.Module.register_parameter"):
            given, owner = call.argument(0, "name"), call.receiver
            if not isinstance(owner, Instance) or owner.info is None or info in owner.info.mro:
                if not isinstance(given, Const) or given.value == name:
                    return True
        elsewhere = re.findall(rf"\.{name}\s*=(?!=)|setattr\([^)]*{name}", self.source.text)
        return len(elsewhere) > len({id(kept.target) for kept in self.model.kept if kept.target.attr.value == name})

    def _check(self, info: ClassInfo, name: str, all_kept: list[Kept]) -> None:
        # Where the class is made for others, what these do with it counts.
        classes = {kept.owner.info for kept in all_kept if kept.owner.info is not None}
        if len(classes) > 1:
            classes = {each for each in classes if each is not info or "forward" in each.base}
        uses = [stray_use(self.model, each, name) for each in classes]
        used = uses[0] if uses else None
        if used is None or None in uses:
            return
        target = all_kept[0].target
        self.report(
            target,
            f"`{name}` is no buffer; it does not move with the module, and `forward` uses it as it is",
            help=f'register it: `self.register_buffer("{name}", ..., persistent=False)`',
            fix=self._register(info, all_kept[0]),
            related=[(self.model.origin(used), "it is used here")],
        )

    def _register(self, info: ClassInfo, kept: Kept) -> Repair | None:
        function = kept.active[-1].node
        statement = statement_of(function, kept.target) if isinstance(function, cst.FunctionDef) else None
        if statement is None or not isinstance(kept.target.value, cst.Name):
            return None
        before = [call.node for call in self.model.calls_of("torch.nn.Module.__init__")]
        if not before and all(not isinstance(entry, ClassInfo) or entry is info for entry in info.mro):
            # Without `super().__init__()` there is nothing to register it in.
            return None
        value = self.text(statement.value)
        edit = self.replace(
            statement,
            f'{kept.target.value.value}.register_buffer("{kept.target.attr.value}", {value}, persistent=False)',
        )
        return self.fix("register it as a buffer", Applicability.UNSAFE, edit)
