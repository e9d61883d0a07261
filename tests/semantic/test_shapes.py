"""Shapes: what the table says against what torch does, on random programs; and what loaders give."""

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import libcst as cst
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchlint.parse import parse
from torchlint.semantic.model import Model
from torchlint.semantic.project import Unit
from torchlint.semantic.shapes import MANY, SCALAR, Shape, batched, broadcast, disagree, join, stretches
from torchlint.semantic.values import Tensor
from torchlint.source import Source

CALLS = 10_000
# Names that a linted program does not define, so that nothing is known of them, and their values when it runs.
HIDDEN = {f"u{n}": n for n in range(1, 7)}
UNARY = ("relu()", "abs()", "clone()", "contiguous()", "exp()", "softmax(-1)", "clamp(min=0)", "float()", "detach()",
    "cumsum(-1)", "flip(-1)", "sigmoid()", "to(torch.float64)", "argsort(-1)", "neg()", "requires_grad_()", "data", "T",
    "add_(1)", "isnan()", "tril()", "sqrt().log()")  # fmt: skip
FUNCTIONS = ("F.relu", "torch.tanh", "F.gelu", "torch.isfinite", "torch.zeros_like", "torch.randn_like", "F.dropout",
    "torch.round", "F.normalize", "nn.ReLU()", "nn.Dropout(0.1)", "nn.Sigmoid()", "nn.Identity()", "nn.Flatten()",
    "nn.Flatten(0)", "nn.Flatten(1, 2)", "nn.Softmax(dim=-1)", "nn.MaxPool2d(2)", "nn.AvgPool2d(2, 1)",
    "nn.MaxPool2d(3, 2, 1)", "nn.MaxPool2d(2, ceil_mode=True)", "nn.AdaptiveAvgPool2d(1)", "nn.MaxPool1d(2)",
    "nn.AdaptiveAvgPool2d((2, 3))", "nn.AdaptiveMaxPool1d(2)", "nn.AvgPool1d(3, 2)", "nn.AvgPool2d(3, ceil_mode=True)",
    "nn.MaxPool2d(3, stride=2, dilation=2)", "torch.ravel", "F.softplus", "torch.t", "torch.sum", "torch.flatten",
    "nn.Upsample(scale_factor=2)", "nn.Upsample(size=(3, 5))", "nn.Upsample(4)", "nn.UpsamplingNearest2d(None, 2)",
    "nn.PixelShuffle(2)", "nn.PixelUnshuffle(2)", "nn.GLU()", "nn.GLU(1)", "nn.Softmax(2)", "nn.LogSoftmax(dim=1)",
    "nn.ZeroPad2d(1)", "nn.ReflectionPad2d((1, 0, 1, 0))", "nn.ConstantPad1d(2, 0.0)", "nn.InstanceNorm2d(4)",
    "nn.InstanceNorm1d(4)", "nn.AdaptiveMaxPool2d(2)", "nn.LPPool2d(2, 2)", "nn.Conv3d(2, 3, 2)",
    "nn.Unflatten(1, (2, 2))", "nn.Unflatten(-1, (2, -1))", "nn.MaxPool3d(2)", "nn.AvgPool3d(2, 1)",
    "nn.AdaptiveAvgPool1d(1)", "nn.Hardtanh()")  # fmt: skip
POOLS = ("F.adaptive_avg_pool2d", "F.max_pool2d", "F.avg_pool2d", "F.avg_pool1d", "F.max_pool1d")
LOSSES = ("nn.MSELoss()", "nn.L1Loss(reduction='none')", "F.mse_loss", "nn.SmoothL1Loss(reduction='sum')",
    "nn.HuberLoss('none')", "nn.KLDivLoss(reduction='batchmean')")  # fmt: skip
RECURRENT = ("LSTM", "GRU", "RNN")
# What torch refuses for other reasons than sizes.
OTHER_REASONS = re.compile(
    r"dtype|type|floating|Long|Float|complex|integral|not implemented|quant|negative|non-empty|bool|leaf|in-place"
    r"|Expected more than 1|Python number|deprecated|missing 1 required|dimension 0$|0-dim|tuple index",
    re.IGNORECASE,
)


class Programs:
    """Expressions on tensors made before, each of which torch evaluates on its meta device, or refuses."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, **HIDDEN}
        self.pool: list[str] = []

    def number(self, low: int = 1, high: int = 6) -> str:
        value = self.random.randint(low, high)
        return f"u{value}" if 1 <= value <= 6 and self.random.random() < 0.1 else str(value)

    def near(self, right: int) -> str:
        """As a rule the right number."""
        return str(right if self.random.random() < 0.8 else right + self.random.choice([-1, 1, 2]) or 1)

    def dim(self, x: Any, more: int = 0) -> str:
        rank = x.dim() + more
        return str(self.random.randint(-max(rank, 1), max(rank - 1, 0) + (self.random.random() < 0.1)))

    def sizes(self, low: int = 1) -> str:
        return ", ".join(self.number() for _ in range(self.random.randint(low, 4)))

    def made(self) -> str:
        choices: list[Callable[[], str]] = [
            *[lambda: f"torch.zeros({self.sizes()})"] * 4,
            *[lambda: f"torch.randn(({self.sizes(2)},))"] * 4,
            lambda: f"torch.ones(size=[{self.sizes()}])",
            lambda: f"torch.full(({self.sizes()},), 1.0)",
            lambda: f"torch.randint({self.number()}, ({self.sizes()},))",
            lambda: f"torch.tensor([[{self.number()}, 2.0], [3.0, 4.0]])",
            lambda: f"torch.tensor([{self.sizes()}])",
            lambda: "torch.tensor(3.0)",
            lambda: f"torch.arange({self.number()})",
            lambda: f"torch.arange({self.number(1, 3)}, {self.number(3, 6)}, {self.number(1, 2)})",
            lambda: f"torch.linspace(0, 1, {self.number()})",
            lambda: f"torch.eye({self.number()})",
            lambda: f"torch.empty(*[{self.sizes()}], {self.number()})",
        ]
        return self.random.choice(choices)()

    def step(self) -> str:
        name, other = self.random.choice(self.pool[-40:]), self.random.choice(self.pool[-40:])
        x = self.names[name]
        third = self.random.choice([name, other])
        flag = self.random.choice(["", ", keepdim=True", ", True", ", keepdim=False"])
        size = [1, 1, 1, 1, *x.shape]
        choices: list[Callable[[], str]] = [
            lambda: f"{name}.{self.random.choice(UNARY)}",
            lambda: f"{self.random.choice(FUNCTIONS)}({name})",
            lambda: f"{self.random.choice(FUNCTIONS)}({name})",
            lambda: f"{self.random.choice(POOLS)}({name}, {self.number(1, 3)})",
            lambda: f"F.max_pool2d({name}, {self.number(1, 3)}, {self.number(1, 2)}, {self.number(0, 1)})",
            lambda: f"{name} {self.random.choice('+-*/')} {self.random.choice([other, '2', '0.5'])}",
            lambda: f"{name} {self.random.choice(['<', '>='])} {third}",
            lambda: f"{name} @ {other}",
            lambda: f"torch.maximum({name}, {other})",
            lambda: f"{name}.{self.random.choice(['add', 'mul', 'eq', 'pow'])}({self.random.choice([other, '2'])})",
            lambda: f"torch.where({name} > 0, {other}, {third})",
            lambda: f"{name}.{self.random.choice(['sum', 'mean', 'std', 'argmax', 'prod'])}()",
            lambda: f"{name}.{self.random.choice(['sum', 'mean', 'argmax', 'amax', 'all'])}({self.dim(x)}{flag})",
            lambda: f"torch.{self.random.choice(['sum', 'mean', 'var', 'logsumexp'])}({name}, dim={self.dim(x)})",
            lambda: f"torch.sum({name}, ({self.dim(x)}, {self.dim(x)}))",
            lambda: f"{name}.{self.random.choice(['max', 'min', 'median'])}({self.dim(x)}{flag})[0]",
            lambda: f"torch.max({name}, {self.random.choice([other, self.dim(x)])})[1]",
            lambda: f"{name}.norm({self.random.choice(['', '2', f'2, {self.dim(x)}', f'dim={self.dim(x)}'])})",
            lambda: f"{name}.topk({self.number(1, 2)}, {self.dim(x)}).values",
            lambda: f"{name}.reshape({self.random.choice(['-1', f'-1, {self.number()}', f'{self.number()}, -1'])})",
            lambda: f"{name}.reshape(({self.number()}, -1))",
            lambda: f"{name}.reshape({', '.join(map(str, [*x.shape[:-1], -1]))})",
            lambda: f"{name}.reshape({name}.size(0), -1)",
            lambda: f"{name}.reshape({name}.shape[0], {self.near(x.numel() // size[-x.dim()])})",
            lambda: f"torch.zeros({name}.shape[-1], {name}.size({self.dim(x)}))",
            lambda: f"torch.flatten({name}, {self.dim(x)})",
            lambda: f"{name}.flatten({self.dim(x)}, {self.dim(x)})",
            lambda: f"{name}.squeeze({self.random.choice(['', self.dim(x)])})",
            lambda: f"torch.unsqueeze({name}, {self.dim(x, 1)})",
            lambda: f"{name}.unsqueeze({self.dim(x, 1)})",
            lambda: f"{name}.transpose({self.dim(x)}, {self.dim(x)})",
            lambda: f"{name}.permute({', '.join(map(str, self.random.sample(range(x.dim()), x.dim())))})",
            lambda: f"{name}.permute({self.random.choice(['0, 2, 1', '0, 2, 3, 1', '1, 0', '0, 0, 1', '-1, 0, 1'])})",
            lambda: f"torch.movedim({name}, {self.dim(x)}, {self.dim(x)})",
            lambda: f"torch.cat([{name}, {third}], {self.dim(x)})",
            lambda: f"torch.cat(({name}, {name}, {name}), dim={self.dim(x)})",
            lambda: f"torch.stack([{name}, {third}], dim={self.dim(x, 1)})",
            lambda: f"torch.matmul({name}, {other})",
            lambda: f"torch.{self.random.choice(['mm', 'bmm', 'mv', 'dot', 'outer'])}({name}, {other})",
            lambda: f"torch.bmm({name}, {name}.transpose(-1, -2))",
            lambda: f"torch.einsum('ij,jk->ik', {name}, {other})",
            lambda: f"torch.einsum('bij,bkj->bik', {name}, {name})",
            lambda: f"{name}.expand({self.number()}, {', '.join(['-1'] * x.dim())})",
            lambda: f"{name}.expand({', '.join(self.near(each) for each in x.shape)})",
            lambda: f"{name}.repeat({', '.join(self.number(1, 2) for _ in range(x.dim() + 1))})",
            lambda: f"{name}.repeat_interleave({self.number(1, 3)}, {self.dim(x)})",
            lambda: f"torch.chunk({name}, {self.number(1, 3)}, {self.dim(x)})[0]",
            lambda: f"{name}.split({self.number(1, 3)}, dim={self.dim(x)})[-1]",
            lambda: f"{name}.split([1, {self.number(1, 2)}], -1)[1]",
            lambda: f"torch.unbind({name}, {self.dim(x)})[0]",
            lambda: f"{name}.select({self.dim(x)}, 0)",
            lambda: f"{name}.narrow({self.dim(x)}, 0, 1)",
            lambda: f"{name}.unflatten({self.dim(x)}, ({self.number(1, 2)}, -1))",
            lambda: f"{name}[{self.index(x)}]",
            lambda: f"{name}[{self.index(x)}, {self.index(x)}]",
            lambda: f"nn.Linear({self.near(size[-1])}, {self.number()})({name})",
            lambda: f"F.linear({name}, torch.zeros({self.number()}, {self.near(size[-1])}))",
            lambda: f"nn.Bilinear({self.near(size[-1])}, {self.near(size[-1])}, 3)({name}, {name})",
            lambda: f"nn.Embedding(9, {self.number()})({name}.long())",
            lambda: f"nn.LayerNorm({self.near(size[-1])})({name})",
            lambda: f"nn.LayerNorm([{self.near(size[-2])}, {size[-1]}])({name})",
            lambda: f"nn.GroupNorm({self.number(1, 2)}, {self.near((*x.shape, 1, 1)[1])})({name})",
            lambda: f"nn.BatchNorm1d({self.near((*x.shape, 1, 1)[1])})({name})",
            lambda: f"nn.BatchNorm2d({self.near((*x.shape, 1, 1)[1])})({name})",
            lambda: f"nn.Sequential(nn.Flatten(), nn.Linear({self.near(x.numel() // size[-x.dim()])}, "
            f"{self.number()}), nn.ReLU())({name})",
            lambda: f"nn.Conv2d({self.near(size[-3])}, {self.number()}, {self.number(1, 3)}, "
            f"padding={self.number(0, 2)})({name})",
            lambda: f"nn.Conv2d({self.near(size[-3])}, 4, (1, 3), 2, 1)({name})",
            lambda: f"nn.Conv2d({size[-3]}, 4, 3, padding='same')({name})",
            lambda: f"nn.Conv2d({size[-3]}, 4, 3, dilation=2, bias=False)({name})",
            lambda: f"nn.Conv2d({size[-3]}, {self.number()}, 1, groups={self.number(1, 2)})({name})",
            lambda: f"nn.Conv1d({self.near(size[-2])}, {self.number()}, 2, stride=2)({name})",
            lambda: f"F.conv2d({name}, torch.zeros(2, {self.near(size[-3])}, 2, 2), padding=1)",
            lambda: f"nn.ConvTranspose2d({self.near(size[-3])}, {self.number()}, 3, 2, 1, 1)({name})",
            lambda: f"nn.ConvTranspose1d({self.near(size[-2])}, 2, 4, stride=2, padding=1)({name})",
            lambda: f"nn.AdaptiveAvgPool2d({self.number(1, 3)})({name})",
            lambda: f"F.interpolate({name}, scale_factor={self.random.choice(['2', '0.5', '1.5'])})",
            lambda: f"F.interpolate({name}, size=({self.number()}, {self.number()}))",
            lambda: f"F.pad({name}, (1, {self.number(0, 2)}, 0, 1))",
            lambda: f"F.glu({name}, {self.dim(x)})",
            lambda: f"nn.{self.random.choice(RECURRENT)}({self.near(size[-1])}, {self.number(1, 3)}, "
            f"{self.random.choice(['1', '2', 'num_layers=2', 'batch_first=True', 'bidirectional=True'])})({name})[0]",
            lambda: f"nn.{self.random.choice(RECURRENT[1:])}({self.near(3)}, {self.number(1, 3)}, "
            f"{self.random.choice(['1', '2', 'num_layers=2', 'batch_first=True', 'bidirectional=True'])})"
            f"(torch.zeros({self.number()}, {self.random.choice(['3', '2, 3'])}))[1]",
            lambda: f"nn.LSTM(3, 2, bidirectional=True)(torch.zeros({self.number()}, 4, 3))[1][1]",
            lambda: f"nn.GRU({size[-1]}, 2)({name}, torch.zeros(1, {self.near(size[-2])}, 2))[0]",
            lambda: f"nn.GRUCell({self.near(size[-1])}, 3)({name})",
            lambda: f"nn.LSTMCell({size[-1]}, 2)({name})[0]",
            lambda: f"nn.MultiheadAttention({self.near(size[-1])}, {self.number(1, 2)})({name}, {name}, {name})[0]",
            lambda: f"nn.TransformerEncoderLayer({self.near(size[-1])}, {self.number(1, 2)}, 8)({name})",
            lambda: f"F.cosine_similarity({name}, {third})",
            lambda: f"torch.cdist({name}, {third})",
            lambda: f"F.scaled_dot_product_attention({name}, {name}, {name})",
            lambda: f"{self.random.choice(LOSSES)}({name}, {other})",
            lambda: f"nn.CrossEntropyLoss()({name}.reshape({size[-x.dim()]}, -1), "
            f"torch.zeros({self.near(size[-x.dim()])}, dtype=torch.long))",
            lambda: f"nn.CrossEntropyLoss(reduction='none')({name}, {name}.argmax(1))",
            lambda: f"{name}.new_zeros({self.sizes()})",
            lambda: f"{name}.view_as({other})",
        ]  # fmt: skip
        return self.random.choice(choices)()

    def index(self, x: Any) -> str:
        return self.random.choice(["0", "-1", ":", "1:", ":2", "None", "...", "u1", "::2", "torch.tensor([0, 0])"])

    def lines(self) -> Iterator[tuple[str, Any]]:
        """Names of statements, expressions, and the tensors that they are, or what torch says where it refuses."""
        found = 0
        while found < CALLS:
            text = self.made() if len(self.pool) < 40 or self.random.random() < 0.15 else self.step()
            try:
                value = eval(text, self.names)
            except (RuntimeError, IndexError, ValueError, TypeError, AssertionError, ZeroDivisionError) as error:
                value = error
            if isinstance(value, torch.Tensor):
                if value.dim() > 5 or not 0 < value.numel() < 5000:
                    continue
                name = f"r{found}"
                self.names[name] = value
                self.pool.append(name)
            elif not isinstance(value, Exception) or OTHER_REASONS.search(str(value)):
                continue
            found += 1
            yield text, value


def says(shape: Shape, actual: tuple[int, ...], symbols: dict[str, int]) -> bool:
    """Whether a tensor of this size is one of those that the shape speaks of; a symbol is one number everywhere."""
    dims = shape.settled.dims if shape.lead is not None and len(actual) > len(shape.dims) else shape.dims
    if len(dims) > len(actual) or (shape.rank is not None and len(dims) < len(actual)):
        return False
    ends = actual[len(actual) - len(dims) :]
    return all(
        dim in (None, "?")
        or "|" in str(dim)
        or (symbols.setdefault(dim, size) if isinstance(dim, str) else dim) == size
        for dim, size in zip(dims, ends, strict=True)
    )


def exact(shape: Shape | None) -> bool:
    """Whether nothing about a shape is unknown."""
    return shape is not None and not shape.open and all(isinstance(dim, int) for dim in shape.dims)


def within(node: cst.CSTNode) -> Iterator[int]:
    """The ids of a node and of all in it."""
    yield id(node)
    for child in node.children:
        yield from within(child)


def model_of(code: str) -> Model:
    source = Source("/project/main.py", code)
    return Model(Unit("/project/main.py", source, parse(source)))


def assigned(model: Model) -> Iterator[tuple[cst.BaseExpression, Any]]:
    """The right side of each assignment of the module, and what it is."""
    for line in model.module.body:
        if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Assign):
            yield line.body[0].value, model.value(line.body[0].value)


@pytest.mark.filterwarnings("ignore")
def test_shapes_and_refusals_are_those_of_torch() -> None:
    with torch.device("meta"):
        made = list(Programs(20).lines())
    head = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nimport torch.nn.functional as F\n"
    model = model_of(head + "".join(f"r{index} = {text}\n" for index, (text, _) in enumerate(made)))
    refused = {id(misfit.place): misfit.mismatch for misfit in model.misfits}
    shapes: dict[str, Shape | None] = {}
    symbols: dict[str, int] = {}
    # Of what may have a batch, whatever counts dimensions from the front takes it to be there.
    supposed: set[str] = set()
    known = whole = raised = 0
    for index, ((text, result), (node, value)) in enumerate(zip(made, assigned(model), strict=True)):
        shape = shapes[f"r{index}"] = value.shape if isinstance(value, Tensor) else None
        mismatch = next((refused[each] for each in within(node) if each in refused), None)
        given = re.findall(r"\br\d+", text)
        if any(name in supposed for name in given) or (shape is not None and shape.lead is not None):
            supposed.add(f"r{index}")
            continue
        if isinstance(result, Exception):
            if not re.search(r"\bu\d", text) and all(exact(shapes[name]) for name in given):
                assert mismatch is not None, f"{text} of {[str(shapes[name]) for name in given]}: {result}"
                raised += 1
            continue
        # On the meta device these take any channels and dimensions, and refuse them elsewhere.
        assert mismatch is None or re.search("ConvTranspose|Softmax", text), (
            f"{text}: {mismatch}, on torch {tuple(result.shape)}"
        )
        if shape is not None:
            known += 1
            whole += exact(shape)
            assert says(shape, tuple(result.shape), symbols), f"{text}: {shape}, on torch {tuple(result.shape)}"
    assert raised > 0.1 * CALLS
    assert known > 0.6 * CALLS
    assert whole > 0.3 * CALLS


IMPORTS = """
import torch
import torch.nn as nn
import numpy as np
import pandas as pd
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
class Own(Dataset):
    def __init__(self, labels=None):
        self.labels = labels
    def __getitem__(self, index):
        label = self.labels[index]
        return {"image": torch.zeros(3, 4), "index": index, "float": float(label), "int": int(label),
            "one": torch.tensor(int(label)), "list": [1, 2.0], "name": str(label), "any": label}
batch = next(iter(DataLoader(Own(), batch_size=4)))
both = TensorDataset(torch.randn(20, 3), torch.arange(20))
x, y = next(iter(DataLoader(both, 5)))
df = pd.read_csv("table.csv")
"""
N = MANY
VALUES = [
    ("batch['image']", Shape((N, 3, 4)), "float32"),
    ("batch['index']", Shape((N,)), "int64"),
    ("batch['float']", Shape((N,)), "float64"),
    ("batch['int']", Shape((N,)), "int64"),
    ("batch['one']", Shape((N,)), "int64"),
    ("batch['list'][1]", Shape((N,)), "float64"),
    ("batch['any']", None, None),
    ("x", Shape((N, 3)), "float32"),
    ("y", Shape((N,)), "int64"),
    ("next(iter(DataLoader(both)))[1]", Shape((1,)), "int64"),
    ("next(iter(DataLoader(Subset(both, [0, 1]), batch_size=2)))[0]", Shape((N, 3)), "float32"),
    ("next(iter(DataLoader(random_split(both, [10, 10])[0], batch_size=2)))[0]", Shape((N, 3)), "float32"),
    ("next(iter(DataLoader(ConcatDataset([both, both]), batch_size=2)))[1]", Shape((N,)), "int64"),
    ("next(iter(DataLoader(both, batch_size=4, collate_fn=print)))", None, None),
    ("next(iter(DataLoader(both, batch_size=None)))", None, None),
    ("torch.tensor(df['a'].values, dtype=torch.float)", Shape((N,)), "float32"),
    ("torch.tensor(df[['a']].values)", Shape((N, None)), "int64 or float64"),
    ("torch.from_numpy(df.iloc[:, -1].to_numpy())", Shape((N,)), "int64 or float64"),
    ("torch.from_numpy(df.iloc[:, :-1].values)", Shape((N, None)), "int64 or float64"),
    ("torch.from_numpy(np.zeros((4, 2)))", Shape((4, 2)), "float64"),
    ("torch.from_numpy(np.random.randn(4, 2).astype(np.float32)[:, 0])", Shape((4,)), "float32"),
    ("torch.as_tensor(np.array([[1], [2]])).T", Shape((1, 2)), "int64"),
    ("torch.tensor([1, 2.0])", Shape((2,)), "float32"),
    ("torch.tensor([[True], [False]])", Shape((2, 1)), "bool"),
    ("torch.tensor(3)", SCALAR, "int64"),
    ("torch.full((2,), 1)", Shape((2,)), "int64"),
    ("torch.arange(4)", Shape((4,)), "int64"),
    ("torch.arange(0, 1, 0.5)", Shape((None,)), "float32"),
    ("torch.LongTensor([1, 2]).type(torch.FloatTensor)", Shape((2,)), "float32"),
    ("torch.zeros(2, dtype=unknown)", Shape((2,)), None),
    ("torch.zeros_like(y)", Shape((N,)), "int64"),
    ("nn.functional.one_hot(y, 7)", Shape((N, 7)), "int64"),
    ("y.float().view(-1, 1)", Shape((N, 1)), "float32"),
    ("y[:, None] == y", Shape((N, N)), "bool"),
    ("nn.Linear(3, 1)(x).squeeze(-1) - y", Shape((N,)), "float32"),
    ("nn.DataParallel(nn.MSELoss())(x, x)", None, None),
]


@pytest.mark.parametrize(("expression", "shape", "dtype"), VALUES, ids=[entry[0] for entry in VALUES])
def test_shapes_and_dtypes_of_data(expression: str, shape: Shape | None, dtype: str | None) -> None:
    *_, (_, value) = assigned(model_of(f"{IMPORTS}last = {expression}\n"))
    if shape is None and dtype is None:
        assert getattr(value, "shape", None) is None
    else:
        assert isinstance(value, Tensor)
        assert (value.shape, value.dtype) == (shape, dtype)


def test_a_batch_of_texts_is_no_tensor() -> None:
    *_, (_, value) = assigned(model_of(f"{IMPORTS}last = batch['name']\n"))
    assert not isinstance(value, Tensor)


def test_what_may_change_the_default_dtype_leaves_it_unknown() -> None:
    *_, (_, value) = assigned(model_of("import torch\ntorch.set_default_dtype(torch.float64)\nlast = torch.zeros(2)\n"))
    assert isinstance(value, Tensor)
    assert (value.shape, value.dtype) == (Shape((2,)), None)


JOINS = [
    (Shape((2, 3)), Shape((2, 3)), Shape((2, 3))),
    (Shape((2, 3)), Shape((4, 3)), Shape((None, 3))),
    (Shape((2, 3)), Shape((3,)), Shape((3,), True)),
    (Shape((N, 1)), Shape((2, 1), True), Shape((1,), True)),
    (Shape((3,)), Shape((4, 5)), None),
    (SCALAR, Shape((3,)), None),
    (Shape((3,)), None, None),
    (batched((64, 7), "n1"), batched((64, 7), "n2"), batched((64, 7), "n1|n2")),
    (batched((64, 7), "n1"), Shape((8, 64, 8)), batched((64, None), "8|n1")),
]


@pytest.mark.parametrize(("a", "b", "result"), JOINS)
def test_join(a: Shape, b: Shape | None, result: Shape | None) -> None:
    assert join(a, b) == join(b, a) == result


BROADCASTS = [
    (Shape((N, 1)), Shape((N,)), Shape((N, N))),
    (Shape((N, 1)), SCALAR, Shape((N, 1))),
    (Shape((1,), True), Shape((N,)), Shape((N,), True)),
    (Shape((None, 3)), Shape((4, 1)), Shape((4, 3))),
    (Shape((None,)), Shape((None,)), Shape((None,))),
    (Shape((3,), True), Shape((2, 1)), Shape((2, 3), True)),
    (Shape((3,)), None, Shape((3,), True)),
    (Shape((1, 3, 1)), None, Shape((3, None), True)),
    (Shape((N, 64, 7, 7)), None, batched((64, 7, 7), N)),
    (batched((64, 7, 7), "n1"), Shape((8, 64, 1, 1)), Shape((8, 64, 7, 7))),
    (Shape((1,)), None, None),
]


@pytest.mark.parametrize(("a", "b", "result"), BROADCASTS)
def test_broadcast(a: Shape, b: Shape | None, result: Shape | None) -> None:
    assert broadcast(a, b) == broadcast(b, a) == result


PAIRS = [
    (Shape((N, 1)), Shape((N,)), True, True),
    (Shape((1,), True), Shape((N,)), True, True),
    (Shape((8, 1)), Shape((8,)), True, True),
    (Shape((N, 1, 4, 4)), Shape((N, 4, 4)), True, True),
    (Shape((N, 1)), Shape((N, 1)), False, False),
    (Shape((N,)), Shape((1,)), False, True),
    (Shape((N, 3)), Shape((N, 1)), False, True),
    (Shape((None, 1)), Shape((None,)), False, True),
    (Shape((None, 1)), Shape((N,)), True, True),
    (Shape((None, 1)), Shape((8,)), False, True),
    (Shape((1,), True), Shape((None,)), False, False),
    (Shape((3,), True), Shape((N, 3)), False, False),
    (SCALAR, Shape((N, 1)), False, True),
]


@pytest.mark.parametrize(("a", "b", "both", "differ"), PAIRS)
def test_what_is_stretched_and_what_differs(a: Shape, b: Shape, both: bool, differ: bool) -> None:
    assert stretches(a, b) is stretches(b, a) is both
    assert disagree(a, b) is disagree(b, a) is differ


@pytest.mark.parametrize(
    ("shape", "text"),
    [(SCALAR, "()"), (Shape((N,)), "(N,)"), (Shape((None, 3)), "(?, 3)"), (Shape((1,), True), "(..., 1)")],
)
def test_a_shape_is_shown_as_python_writes_it(shape: Shape, text: str) -> None:
    assert str(shape) == text
