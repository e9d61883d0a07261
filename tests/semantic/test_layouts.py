"""How tensors lie in memory, and which views torch refuses of them: what the table says, on random programs."""

import random
from collections.abc import Iterator
from typing import Any

import libcst as cst
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchlint.parse import parse
from torchlint.semantic.layouts import CONTIGUOUS, permuted, refuses
from torchlint.semantic.model import Model
from torchlint.semantic.project import Unit
from torchlint.semantic.shapes import MANY, Shape
from torchlint.semantic.values import Tensor
from torchlint.source import Source

CALLS = 2500
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


class Programs:
    """Expressions on tensors made before, each of which torch evaluates as well."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
        self.pool: list[str] = []

    def sizes(self, count: int) -> str:
        return ", ".join(str(self.random.choice([1, 2, 3, 4])) for _ in range(count))

    def dim(self, rank: int) -> int:
        return self.random.randint(-rank, rank - 1) if rank else 0

    def step(self) -> str:
        name, other = self.random.choice(self.pool[-40:]), self.random.choice(self.pool[-40:])
        x = self.names[name]
        rank = x.dim()
        last, channels = x.shape[-1] if rank else 1, x.shape[1] if rank > 1 else 1
        order = tuple(self.random.sample(range(rank), rank))
        batch_first = self.random.choice(["True", "False"])
        return self.random.choice([
            f"{name}.permute({', '.join(map(str, order))})", f"torch.permute({name}, {order})",
            f"{name}.transpose({self.dim(rank)}, {self.dim(rank)})", f"{name}.t()", f"{name}.T", f"{name}.contiguous()",
            f"nn.Linear({last}, 3)({name})", f"F.relu({name})", f"{name} + 1", f"{name} * {name}", f"{name} + {other}",
            f"{name} @ {other}", f"torch.matmul({name}, {other})", f"{name}.softmax(-1)", f"nn.Dropout(0.1)({name})",
            f"torch.cat([{name}, {name}], {self.dim(rank)})", f"torch.stack([{name}, {other}], 0)", f"{name}.view(-1)",
            f"{name}.reshape(-1, {self.random.choice([1, 2, 3])})", f"{name}.unsqueeze({self.dim(rank)})",
            f"{name}.squeeze()", f"nn.Conv2d({channels}, 2, 1)({name})", f"nn.BatchNorm2d({channels})({name})",
            f"nn.MaxPool2d(1)({name})", f"{name}[0]", f"{name}[:, :1]", f"{name}.expand(2, {', '.join(['-1'] * rank)})",
            f"{name}.double().float()", f"{name}.clone()", f"{name}.repeat(2, {', '.join(['1'] * rank)})",
            f"nn.LSTM({last}, 3, batch_first={batch_first})({name})[0]", f"{name}.flatten(1)",
            f"nn.LayerNorm({last})({name})", f"{name}.to(memory_format=torch.channels_last)",
        ])  # fmt: skip

    def lines(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Expressions, and the tensors that they are."""
        found = 0
        while found < CALLS:
            text = f"torch.randn({self.sizes(self.random.randint(1, 4))})"
            if len(self.pool) > 30 and self.random.random() < 0.75:
                text = self.step()
            try:
                value = eval(text, self.names)
            except (RuntimeError, IndexError, ValueError, TypeError, AssertionError, SyntaxError):
                continue
            if not isinstance(value, torch.Tensor) or value.dim() > 5 or not 0 < value.numel() < 400:
                continue
            name = f"r{found}"
            self.names[name] = value
            self.pool.append(name)
            found += 1
            yield text, value

    def views(self, count: int) -> Iterator[list[int]]:
        """Sizes of as many elements."""
        for _ in range(5):
            rest, sizes = count, []
            for _ in range(self.random.randint(0, 3)):
                size = self.random.choice([size for size in range(1, rest + 1) if rest % size == 0])
                sizes.append(size)
                rest //= size
            sizes.append(rest)
            self.random.shuffle(sizes)
            yield sizes


def assigned(code: str) -> Iterator[Any]:
    """What each assignment of the module assigns."""
    source = Source("/project/main.py", code)
    model = Model(Unit("/project/main.py", source, parse(source)))
    for line in model.module.body:
        if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Assign):
            yield model.value(line.body[0].value)


@pytest.mark.filterwarnings("ignore")
def test_layouts_are_those_of_torch() -> None:
    programs = Programs(4)
    made = list(programs.lines())
    code = HEAD + "".join(f"r{index} = {text}\n" for index, (text, _) in enumerate(made))
    known = refused = 0
    for (text, tensor), value in zip(made, assigned(code), strict=True):
        if not isinstance(value, Tensor) or value.layout is None:
            continue
        known += 1
        places = value.layout or tuple(range(tensor.dim()))
        assert tensor.permute(sorted(range(tensor.dim()), key=places.__getitem__)).is_contiguous(), text
        for sizes in programs.views(tensor.numel()) if value.layout and value.shape is not None else ():
            assert value.shape is not None
            try:
                tensor.view(*sizes)
                raises = False
            except RuntimeError:
                raises = True
            if None not in value.shape.dims:
                assert refuses(value.layout, value.shape, sizes) is raises, (text, sizes)
            refused += raises
    assert known > 0.7 * CALLS
    assert refused > 300


VIEWS = [
    ((0, 2, 1), Shape((MANY, None, 4)), (MANY, -1), True),
    ((0, 2, 1), Shape((MANY, None, 4)), (None, None, None), False),
    ((0, 2, 1), Shape((MANY, 3, 4)), (MANY, 4, 3), True),
    ((0, 2, 1), Shape((MANY, 1, 4)), (MANY, -1), False),
    ((2, 0, 1), Shape((4, None, 3)), (4, -1), False),
    ((2, 0, 1), Shape((4, None, 3)), (-1,), True),
    ((1, 0), Shape((3, 2)), (3, 1, 2), False),
    ((1, 0), Shape((3, 2)), (6,), True),
    ((0, 2, 1), Shape((4,), True), (-1,), False),
]


@pytest.mark.parametrize(("layout", "shape", "sizes", "expected"), VIEWS)
def test_views_of_sizes_that_are_not_known(
    layout: tuple[int, ...], shape: Shape, sizes: tuple[Any, ...], expected: bool
) -> None:
    assert refuses(layout, shape, sizes) is expected


def test_turning_twice_gives_order_again() -> None:
    once = permuted(CONTIGUOUS, (0, 2, 1))
    assert once == (0, 2, 1)
    assert permuted(once, (0, 2, 1)) == CONTIGUOUS
    assert permuted(None, (0, 1)) is None
    assert permuted(once, (1, 0)) is None
