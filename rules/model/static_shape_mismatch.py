import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.misfits import Misfit
from torchlint.semantic.shapes import Dim, Size, product, spelled
from torchlint.semantic.values import Instance, Origin

# A product that is longer than this is left out of a message.
MAX_PRODUCT = 24


def _worked_out(size: Dim) -> str:
    """A size, and how the code works it out: `ngf * 8 = 512`."""
    origin = size.origin if isinstance(size, Size) and not size.factors else None
    if origin is None or not isinstance(origin.node, cst.BinaryOperation):
        return spelled(size)
    text = origin.unit.module.code_for_node(origin.node)
    return f"{text} = {spelled(size)}" if len(text) <= MAX_PRODUCT and "\n" not in text else spelled(size)


class StaticShapeMismatch(Rule):
    """Checks for layers and operations whose sizes cannot fit what they are given.

    Sizes are followed from where the code tells them (layers, datasets and transforms of torchvision,
    `torch.randn(...)`, `view(-1, 784)`) through layers, functions and methods. What is not certain is not reported.

    ## Why is this bad?
    It raises as soon as it runs: `RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x256 and 400x120)`,
    `Given groups=1, weight of size [8, 16, 3, 3], expected input[1, 8, 6, 6] to have 16 channels`. A `view(-1, k)`
    with a `k` that is not the size of one sample makes rows of parts of several samples, which is found out only
    at the loss, or never.

    ## Example
    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 5)
            self.fc = nn.Linear(16 * 5 * 5, 10)

        def forward(self, x):
            x = torch.max_pool2d(torch.relu(self.conv(x)), 2)
            return self.fc(torch.flatten(x, 1))


    print(Net()(torch.randn(4, 3, 32, 32)).shape)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 5)
            self.fc = nn.Linear(16 * 14 * 14, 10)

        def forward(self, x):
            x = torch.max_pool2d(torch.relu(self.conv(x)), 2)
            return self.fc(torch.flatten(x, 1))


    print(Net()(torch.randn(4, 3, 32, 32)).shape)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    code = "TL511"
    category = Category.CORRECTNESS
    words = ("torch",)

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[int] = set()
        for misfit in self.model.misfits:
            place = self._place(misfit)
            # What follows from the first one is not said again.
            if id(place) not in seen:
                seen.add(id(place))
                self._report(place, misfit)

    def _place(self, misfit: Misfit) -> cst.CSTNode:
        """A layer of a `Sequential` is not called by itself: it is where it is made."""
        layer = misfit.layer
        if layer is not None and layer.origin is not None and self._is_inner(misfit, layer):
            return layer.origin.node
        return misfit.place

    def _is_inner(self, misfit: Misfit, layer: Instance) -> bool:
        called = misfit.origin.node
        if layer.origin is None or layer.origin.unit is not self.model.unit or not isinstance(called, cst.Call):
            return False
        if layer.origin.node is called:
            return False
        return all(value is not layer for value in self.model.values(called.func))

    def _report(self, place: cst.CSTNode, misfit: Misfit) -> None:
        mismatch = misfit.mismatch
        who = self._name(misfit)
        message = f"{who} {mismatch.text}"
        if mismatch.what and mismatch.text.startswith("takes"):
            maker = mismatch.given.maker if isinstance(mismatch.given, Size) else ""
            given, wanted = f"{_worked_out(mismatch.given)} {mismatch.what}", _worked_out(mismatch.wanted)
            message = f"{who} is given {given}, but takes {wanted}"
            if maker:
                message = f"`{maker}` gives {given}, but {who} takes {wanted}"
        self.report(place, message, help=self._advice(misfit), related=self._origins(place, misfit))

    def _name(self, misfit: Misfit) -> str:
        node = misfit.origin.node
        unit, layer = misfit.origin.unit, misfit.layer
        if layer is not None:
            symbol = layer.symbol or "layer"
            kind = f"nn.{symbol.removeprefix('torch.nn.')}" if symbol.startswith("torch.nn.") else symbol
            called = node.func if isinstance(node, cst.Call) and not isinstance(node.func, cst.Call) else None
            if called is not None and unit is self.model.unit and not self._is_inner(misfit, layer):
                name = self.text(called)
                return f"`{name}`" if len(name) < 30 else f"`{kind}`"
            return f"`{kind}`"
        if isinstance(node, cst.Call):
            name = unit.module.code_for_node(node.func)
            return f"`{name}`" if len(name) < 40 else f"`{name.rpartition('.')[2]}`"
        return "the tensors" if not isinstance(node, cst.Subscript) else "the tensor"

    def _advice(self, misfit: Misfit) -> str | None:
        mismatch = misfit.mismatch
        if not mismatch.what or mismatch.given is None:
            return None
        shape = misfit.given.shape.settled if misfit.given is not None and misfit.given.shape is not None else None
        if shape is not None and len(shape.dims) > 2 and product(shape.dims[1:]) == mismatch.wanted:
            return "flatten it first: `torch.flatten(x, 1)`"
        return f"make it take {int(mismatch.given)} {mismatch.what}" if isinstance(mismatch.given, int) else None

    def _origins(self, place: cst.CSTNode, misfit: Misfit) -> list[tuple[Origin | None, str]]:
        related: list[tuple[Origin | None, str]] = []
        for size in (misfit.mismatch.given, misfit.mismatch.wanted):
            if isinstance(size, Size) and size.origin is not None and size.origin.node is not place:
                related.append((size.origin, f"{int(size)} comes from here"))
        if misfit.origin.node is not place:
            related.append((misfit.origin, "it runs here"))
        return related
