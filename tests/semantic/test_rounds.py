"""Loops and comprehensions of models that run once for each known item, and what a program asks of sizes."""

from typing import Any

import libcst as cst
import pytest

from torchlint.parse import parse
from torchlint.semantic.model import Model
from torchlint.semantic.project import Unit
from torchlint.semantic.shapes import MANY, Shape
from torchlint.semantic.values import Const, Extent, Tensor
from torchlint.source import Source


def last_of(code: str) -> Any:
    """What the last statement of a program assigns."""
    source = Source("/project/main.py", code)
    model = Model(Unit("/project/main.py", source, parse(source)))
    line = model.module.body[-1]
    assert isinstance(line, cst.SimpleStatementLine)
    assert isinstance(line.body[0], cst.Assign)
    return model.value(line.body[0].value)


NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, sizes, extra=()):
        super().__init__()
        self.layers = nn.ModuleList()
        {build}
    def forward(self, x):
        {run}
        return x
last = Net([4, 6, 5])(torch.randn(2, 4))
"""
RUN = "for layer in self.layers: x = layer(x)"
PAIRS = "zip(sizes[:-1], sizes[1:])"
NETS = [
    (f"for a, b in {PAIRS}: self.layers.append(nn.Linear(a, b))", RUN, Shape((2, 5))),
    (f"self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in {PAIRS}])", RUN, Shape((2, 5))),
    ("for i in range(len(sizes) - 1): self.layers.append(nn.Linear(sizes[i], sizes[i + 1]))", RUN, Shape((2, 5))),
    ("for i in range(1, 3): self.layers.append(nn.Linear(sizes[i - 1], sizes[i]))", RUN, Shape((2, 5))),
    (f"self.net = nn.Sequential(*[nn.Linear(a, b) for a, b in {PAIRS}])", "x = self.net(x)", Shape((2, 5))),
    (f"self.layers.extend(nn.Linear(a, b) for a, b in {PAIRS})", RUN, None),
    ("for s in sizes[1:]:\n            if s > 5: continue\n            self.layers.append(nn.Linear(4, s))", RUN,
        Shape((2, 5))),
    ("for s in sizes[1:]:\n            self.layers.append(nn.Linear(4, s))\n            break", RUN, Shape((2, 6))),
    ("for s in extra: self.layers.append(nn.Linear(9, s))", RUN, Shape((2, 4))),
    ("for s in unknown: self.layers.append(nn.Linear(4, s))", RUN, None),
    ("for i, s in enumerate(sizes[1:]): self.layers.append(nn.Linear(4 if i == 0 else 6, s))",
        "for i, layer in enumerate(reversed(self.layers[::-1])): x = layer(x)", Shape((2, 5))),
]  # fmt: skip


@pytest.mark.parametrize(("build", "run", "shape"), NETS)
def test_each_round_makes_its_own_layer(build: str, run: str, shape: Shape | None) -> None:
    value = last_of(NET.format(build=build, run=run))
    known = value.shape if isinstance(value, Tensor) else None
    assert known == shape if shape is not None else known is None or None in known.dims


def test_a_loop_that_trains_is_not_run_for_each_item() -> None:
    code = "import torch\nfrom torch import nn\nfc = nn.Linear(2, 1)\ncount = 0\n"
    code += "def train():\n    total = 0\n    for epoch in range(3):\n        loss = fc(torch.randn(4, 2)).sum()\n"
    code += "        loss.backward()\n        total = total + 1\n    return total\nlast = train()\n"
    assert not isinstance(last_of(code), Const)


X = "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\nx = torch.randn(2, unknown, 5)\n"
BATCH = "data = TensorDataset(torch.randn(9, 3))\n(batch,) = next(iter(DataLoader(data, batch_size=4)))\n"
ASKED = [
    ("x.shape[0]", Const(2)),
    ("x.size(-1)", Const(5)),
    ("x.size()[2]", Const(5)),
    ("x.dim()", Const(3)),
    ("x.ndim", Const(3)),
    ("x[:, 0].numel()", Const(10)),
    ("batch.shape[0]", Extent(MANY)),
    ("batch.size(1)", Const(3)),
]


@pytest.mark.parametrize(("expression", "value"), ASKED)
def test_sizes_that_are_asked_for(expression: str, value: Any) -> None:
    assert last_of(f"{X}{BATCH}last = {expression}\n") == value


RESHAPED = [
    ("x.view(x.size(0), -1)", Shape((2, None))),
    ("x.reshape(-1, x.shape[1], 5)", Shape((2, "n", 5))),
    ("x.view(2 * x.size(1), 5)", Shape((None, 5))),
    ("batch.view(batch.size(0), 3, 1)", Shape((MANY, 3, 1))),
    ("batch.unsqueeze(1).flatten(1)", Shape((MANY, 3))),
]


@pytest.mark.parametrize(("expression", "shape"), RESHAPED)
def test_a_size_that_is_not_known_stays_the_same_one(expression: str, shape: Shape) -> None:
    found = last_of(f"{X}{BATCH}last = {expression}\n").shape
    assert len(found.dims) == len(shape.dims)
    for dim, wanted in zip(found.dims, shape.dims, strict=True):
        assert dim == wanted or (wanted == "n" and isinstance(dim, str))


IMAGES = """
from torch.utils.data import DataLoader
from torchvision import datasets, transforms as T
data = datasets.{dataset}("data", transform=T.Compose([{steps}]))
last = next(iter(DataLoader(data, batch_size=8)))[0]
"""
STEPS = [
    ("MNIST", "T.ToTensor()", (1, 28, 28)),
    ("CIFAR10", "T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ToTensor()", (3, 32, 32)),
    ("CIFAR10", "T.Resize(64), T.ToTensor(), T.Normalize((0.5,), (0.5,))", (3, 64, 64)),
    ("CIFAR10", "T.Grayscale(), T.Pad(2), T.ToTensor()", (1, 36, 36)),
    ("ImageFolder", "T.Resize(256), T.ToTensor()", (3, None, None)),
    ("ImageFolder", "T.Resize(256), T.CenterCrop(224), T.ToTensor()", (3, 224, 224)),
    ("ImageFolder", "T.Resize((120, 160)), T.ToTensor()", (3, 120, 160)),
    ("CelebA", "T.ToTensor()", None),
    ("CIFAR10", "T.ToTensor(), T.Lambda(print)", None),
]


@pytest.mark.parametrize(("dataset", "steps", "sizes"), STEPS)
def test_images_have_the_size_that_datasets_and_transforms_give(
    dataset: str, steps: str, sizes: tuple[int | None, ...] | None
) -> None:
    shape = getattr(last_of(IMAGES.format(dataset=dataset, steps=steps)), "shape", None)
    assert shape == (Shape((MANY, *sizes)) if sizes is not None else None)
