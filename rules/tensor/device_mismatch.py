import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.devices import Mixed
from torchlint.semantic.flow import dotted
from torchlint.semantic.knowledge import is_loss
from torchlint.semantic.parts import stands_in
from torchlint.semantic.values import Tensor

# After these no device is certain.
DEFAULTS = frozenset({"torch.set_default_device", "torch.set_default_tensor_type"})
# Methods that take a tensor from any device.
ANY_DEVICE = frozenset({
    "to", "type_as", "copy_", "view_as", "expand_as", "reshape_as", "item", "tolist", "index_select", "masked_select",
})  # fmt: skip
JOINING = frozenset({
    "torch.cat", "torch.concat", "torch.stack", "torch.matmul", "torch.mm", "torch.bmm", "torch.add", "torch.mul",
    "torch.sub", "torch.div", "torch.Tensor.matmul", "torch.Tensor.mm", "torch.Tensor.bmm", "torch.Tensor.add",
    "torch.Tensor.mul", "torch.Tensor.sub", "torch.Tensor.div", "torch.einsum",
})  # fmt: skip


class DeviceMismatch(Rule):
    """Checks for tensors that are left on the CPU beside a model, or tensors, that were moved to an accelerator.

    Batches that are not moved, targets of a loss, and tensors that are made without `device=`. Reported where both
    places are certain: by `.to(device)`, `.cuda()`, `device=`, where `device` is `"cuda"`, or that where available.

    ## Why is this bad?
    On a machine with a GPU torch raises a RuntimeError: `Expected all tensors to be on the same device`. On one
    without, where it is mostly tried first, nothing is seen of it.

    ## Example
    ```python
    import torch
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.Linear(4, 2).to(device)
    scores = model(torch.randn(8, 4))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.Linear(4, 2).to(device)
    scores = model(torch.randn(8, 4, device=device))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/cuda.html
    """

    code = "TL304"
    category = Category.SUSPICIOUS
    words = ("cuda", "xpu", "mps")

    def leave_Module(self, node: cst.Module) -> None:
        if not DEFAULTS.isdisjoint(self.model.called) or "with torch.device(" in self.source.text:
            return
        seen: set[int] = set()
        for mixed in self.model.facts.mixed:
            entry = self._entry(mixed) if mixed.is_layer else None
            if entry is not None and id(entry) not in seen:
                seen.add(id(entry))
                self._report_input(entry, mixed)
            elif not mixed.is_layer and id(mixed.node) not in seen and self._is_certain(mixed):
                seen.add(id(mixed.node))
                self.report(
                    mixed.node,
                    "a tensor on the CPU meets one that was moved to an accelerator",
                    help="make or move it there too: `device=...`, `.to(device)`",
                    related=[
                        (mixed.stray.origin, "this one is on the CPU"),
                        (mixed.moved, "the other one was moved here"),
                    ],
                )

    def _entry(self, mixed: Mixed) -> cst.Call | None:
        """The call of this file by which a tensor came to a layer from where it was made; None where it is unclear."""
        origin = mixed.stray.origin
        if origin is None:
            return None
        forwards = {id(event.node) for event in self.model.events if event.kind == "forward"}
        for node in mixed.stack:
            if isinstance(node, cst.Call) and id(node) in forwards:
                return node
        function = mixed.active[-1].node if mixed.active else self.model.module
        here = bool(mixed.stack) and mixed.stack[-1] is mixed.node and origin.unit is self.model.unit
        return mixed.node if here and isinstance(mixed.node, cst.Call) and stands_in(origin.node, function) else None

    def _report_input(self, place: cst.Call, mixed: Mixed) -> None:
        name = ""
        for arg in place.args:
            if any(
                isinstance(value, Tensor) and value.origin == mixed.stray.origin
                for value in self.model.values(arg.value)
            ):
                name = name or dotted(arg.value)
        if len(place.args) == 1:
            name = dotted(place.args[0].value)
        self.report(
            place,
            f"`{name}` is on the CPU, and the model was moved to an accelerator"
            if name
            else "the input is on the CPU, and the model was moved to an accelerator",
            help=f"move it too: `{name}.to(device)`" if name else "move it too: `.to(device)`",
            related=[(mixed.stray.origin, "it comes from here"), (mixed.moved, "the model was moved here")],
        )

    def _is_certain(self, mixed: Mixed) -> bool:
        """Whether torch refuses the operation, and this is the place to mend it."""
        node = mixed.node
        if isinstance(node, cst.Call):
            names = {call.name for call in self.model.calls(node)}
            if any(name is None or name.rpartition(".")[2] in ANY_DEVICE for name in names):
                return False
            if all(name is not None and is_loss(name) for name in names):
                # The lengths that CTC takes may be anywhere.
                return not any("CTC" in (name or "") or "ctc" in (name or "") for name in names)
            if not all(name in JOINING for name in names):
                return False
        elif not isinstance(node, cst.BinaryOperation):
            return False
        origin = mixed.stray.origin
        function = mixed.active[-1].node if mixed.active else self.model.module
        return origin is not None and origin.unit is self.model.unit and stands_in(origin.node, function)
