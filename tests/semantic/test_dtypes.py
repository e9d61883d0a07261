"""Dtypes: what the table says against what torch and NumPy do, on random programs; and which layers refuse which."""

import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import libcst as cst
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchlint.parse import parse
from torchlint.semantic.model import Model
from torchlint.semantic.project import Unit
from torchlint.semantic.promotion import COMPLEX, FLOATS, SIGNED, promoted
from torchlint.semantic.values import Array, Tensor
from torchlint.source import Source

CALLS = 5000
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nimport numpy as np\n"
NUMBERS = ("2", "0.5", "True", "-1")
UNARY = ("abs", "ceil", "clone", "cos", "erf", "exp", "floor", "log", "log1p", "neg", "reciprocal", "round", "rsqrt",
    "sigmoid", "sign", "sin", "sqrt", "square", "tanh", "trunc", "sum", "mean", "std", "var", "prod", "argmax",
    "amax", "amin", "max", "min", "median", "all", "any", "isnan", "isfinite", "logical_not", "bitwise_not",
    "count_nonzero", "nonzero", "relu", "flatten", "squeeze", "ravel", "detach", "contiguous", "nan_to_num", "norm",
    "nansum", "positive", "frac", "erfinv", "lgamma", "logit", "expm1", "tan", "asin", "argsort", "t", "tril",
    "softmax", "cumsum", "cumprod", "logsumexp", "log_softmax", "unbind")  # fmt: skip
WITH_DIM = ("softmax", "log_softmax", "cumsum", "cumprod", "logsumexp", "unbind", "sum", "mean", "argmax", "std",
    "amax", "prod", "all", "any", "sort", "max", "median", "cummax")  # fmt: skip
BINARY = ("add", "sub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum",
    "atan2", "eq", "lt", "logical_and", "bitwise_and", "bitwise_xor", "matmul", "max", "min")  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "==", "<", "&", "|", "^", "@")
FUNCTIONAL = ("relu", "gelu", "elu", "leaky_relu", "softplus", "silu", "dropout", "sigmoid", "tanh", "softsign",
    "hardtanh", "logsigmoid", "normalize", "relu6", "mish", "hardswish", "tanhshrink", "softmin")  # fmt: skip
LAYERS = ("nn.ReLU()", "nn.Dropout(0.1)", "nn.Sigmoid()", "nn.Tanh()", "nn.Identity()", "nn.Flatten(0)", "nn.GELU()",
    "nn.Softmax(dim=-1)", "nn.LogSoftmax(-1)", "nn.LayerNorm(3)", "nn.BatchNorm1d(3)", "nn.Softplus()",
    "nn.Linear(3, 3)", "nn.Linear(3, 3, bias=False)", "nn.Linear(3, 3).double()", "nn.Linear(3, 3).half()",
    "nn.Linear(3, 3, dtype=torch.float64)", "nn.Linear(3, 3).to(torch.float64)", "nn.Embedding(9, 3)",
    "nn.Sequential(nn.Linear(3, 3), nn.ReLU())", "nn.Sequential(nn.Linear(3, 3), nn.Sigmoid()).double()",
    "nn.RNNCell(3, 3)", "nn.PReLU()", "nn.Linear(3, 3).double().float()", "nn.Linear(3, 3).type(torch.float64)",
    "nn.Embedding(9, 3).double()")  # fmt: skip
LOSSES = ("nn.MSELoss()", "nn.L1Loss()", "F.mse_loss", "F.smooth_l1_loss", "F.cross_entropy", "nn.BCEWithLogitsLoss()")
SIZES = ("", "3", "3, 3", "1, 3")


class Programs:
    """Expressions on tensors made before, each of which torch evaluates as well."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "u": 2, "v": 0.5}
        self.pool: list[str] = []

    def dtype(self) -> str:
        return f"torch.{self.random.choice(DTYPES)}"

    def size(self) -> str:
        sizes = self.random.choice(SIZES)
        return f"({sizes},)" if sizes else "()"

    def number(self) -> str:
        return self.random.choice([*NUMBERS, "u", "v"])

    def made(self) -> str:
        choices: list[Callable[[], str]] = [
            lambda: f"torch.zeros({self.size()}, dtype={self.dtype()})",
            lambda: f"torch.ones({self.size()}, dtype={self.dtype()})",
            lambda: f"torch.randn({self.size()})",
            lambda: "torch.rand(3)",
            lambda: "torch.randint(9, (3,))",
            lambda: "torch.randperm(3)",
            lambda: f"torch.full({self.size()}, {self.number()})",
            lambda: f"torch.tensor({self.number()})",
            lambda: f"torch.tensor([{self.number()}, {self.number()}, {self.number()}])",
            lambda: f"torch.tensor([[{self.number()}, 1, 2]] * 3)",
            lambda: f"torch.arange({self.random.choice(['3', '0, 3', '0, 3.0', '0.0, 6, 2'])})",
            lambda: "torch.linspace(0, 1, 3)",
            lambda: "torch.eye(3)",
            lambda: f"torch.scalar_tensor({self.number()})",
        ]
        return self.random.choice(choices)()

    def step(self) -> str:
        x, y, z = (self.random.choice(self.pool[-60:]) for _ in range(3))
        pick = self.random.choice
        other = pick([y, y, self.number()])
        choices: list[Callable[[], str]] = [
            lambda: f"{x}.{pick(UNARY)}()",
            lambda: f"torch.{pick(UNARY)}({x})",
            lambda: f"{x}.{pick(WITH_DIM)}({pick(['0', '-1', 'dim=0'])})",
            lambda: f"torch.{pick(WITH_DIM)}({x}, {pick(['0', 'dim=-1'])})",
            lambda: f"{x}.{pick(['sum', 'mean', 'prod'])}(dtype={self.dtype()})",
            lambda: f"torch.softmax({x}, 0, {self.dtype()})",
            lambda: f"{x} {pick(OPERATORS)} {other}",
            lambda: f"{x} {pick(OPERATORS)} {other}",
            lambda: f"{x} {pick(OPERATORS)} {y}",
            lambda: f"{self.number()} {pick(OPERATORS)} {x}",
            lambda: f"-{x}",
            lambda: f"{x}.{pick(BINARY)}({other})",
            lambda: f"torch.{pick(BINARY)}({x}, {y})",
            lambda: f"torch.div({x}, {other}, rounding_mode={pick(['None', repr('floor'), repr('trunc')])})",
            lambda: f"{x}.clamp({self.number()})",
            lambda: f"torch.clamp({x}, min={self.number()}, max={self.number()})",
            lambda: f"{x}.clamp_min({self.number()})",
            lambda: f"torch.where({x} > 0, {y}, {z})",
            lambda: f"torch.where({x} > 0, {self.number()}, {y})",
            lambda: f"{x}.where({y} > 0, {z})",
            lambda: f"torch.{pick(['cat', 'stack'])}([{x}, {y}])",
            lambda: f"torch.stack(({x}, {x}, {y}), dim=0)",
            lambda: f"{x}.to({self.dtype()})",
            lambda: f"{x}.{pick(['float', 'double', 'half', 'long', 'int', 'bool', 'byte'])}()",
            lambda: f"{x}.{pick(['type_as', 'to'])}({y})",
            lambda: f"{x}.type({self.dtype()})",
            lambda: f"{x}.view({pick(['-1', '1, -1', self.dtype()])})",
            lambda: f"{x}[{pick(['0', ':2', 'None', '...'])}]",
            lambda: f"{x}.masked_fill({y} > 0, {self.number()})",
            lambda: f"{x}.expand(3, 3)",
            lambda: (
                f"torch.{pick(['zeros', 'ones', 'rand', 'full', 'randint'])}_like({x}"
                f"{pick(['', ', 2', f', dtype={self.dtype()}'])})"
            ),
            lambda: (
                f"{x}.new_{pick(['zeros', 'ones', 'empty', 'full', 'tensor'])}({pick(['3', '(3,), 2', '[1.5, 2]'])})"
            ),
            lambda: f"F.{pick(FUNCTIONAL)}({x})",
            lambda: f"{pick(LAYERS)}({x})",
            lambda: f"{pick(LAYERS)}({x}.{pick(['float', 'double', 'long'])}())",
            lambda: f"{pick(LOSSES)}({x}, {y})",
            lambda: f"F.one_hot({x}.long(), 9)",
            lambda: f"F.pad({x}, (1, 1))",
            lambda: f"torch.Tensor({x})",
            lambda: f"torch.as_tensor({x})",
            lambda: f"nn.Parameter({x}, requires_grad=False)",
            lambda: f"torch.max({x}, 0)[{pick(['0', '1'])}]",
            lambda: f"{x}.sort().{pick(['values', 'indices'])}",
            lambda: f"{x}.topk(1)[0]",
            lambda: f"{x}.add_({other})",
            lambda: f"{x}.T",
        ]
        return self.random.choice(choices)()

    def lines(self) -> Iterator[tuple[str, Any]]:
        """Expressions, and the tensors that they are."""
        found = 0
        while found < CALLS:
            text = self.made() if len(self.pool) < 40 or self.random.random() < 0.3 else self.step()
            try:
                value = eval(text, self.names)
            except (RuntimeError, IndexError, ValueError, TypeError, AssertionError, AttributeError):
                continue
            if not isinstance(value, torch.Tensor) or value.dim() > 3 or value.numel() > 500:
                continue
            name = f"r{found}"
            self.names[name] = value
            self.pool.append(name)
            found += 1
            yield text, value


def model_of(code: str) -> Model:
    source = Source("/project/main.py", code)
    return Model(Unit("/project/main.py", source, parse(source)))


def assigned(model: Model) -> Iterator[Any]:
    """What each assignment of the module assigns."""
    for line in model.module.body:
        if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Assign):
            yield model.value(line.body[0].value)


@pytest.mark.filterwarnings("ignore")
def test_dtypes_are_those_of_torch() -> None:
    made = list(Programs(7).lines())
    model = model_of(HEAD + "".join(f"r{index} = {text}\n" for index, (text, _) in enumerate(made)))
    known = 0
    for (text, tensor), value in zip(made, assigned(model), strict=True):
        dtype = value.dtype if isinstance(value, Tensor) else None
        if dtype is not None:
            known += 1
            assert dtype == str(tensor.dtype).removeprefix("torch."), text
    assert known > 0.75 * CALLS


REFUSING = {
    "nn.Linear(3, 4)": (2, 3),
    "nn.Conv1d(3, 4, 1)": (2, 3, 5),
    "nn.Conv2d(3, 4, 1)": (2, 3, 5, 5),
    "nn.ConvTranspose2d(3, 4, 1)": (2, 3, 5, 5),
    "nn.LSTM(3, 4)": (2, 2, 3),
    "nn.GRU(3, 4)": (2, 2, 3),
    "nn.RNN(3, 4)": (2, 2, 3),
    "nn.LSTMCell(3, 4)": (2, 3),
    "nn.GRUCell(3, 4)": (2, 3),
    "nn.Embedding(9, 4)": (2, 3),
    "nn.EmbeddingBag(9, 4)": (2, 3),
    "nn.TransformerEncoderLayer(4, 2, 8)": (2, 2, 4),
    "nn.Sequential(nn.ReLU(), nn.Linear(3, 4))": (2, 3),
}
CONVERSIONS = ("", ".double()", ".to(torch.float64)", ".double().float()", ".type(torch.float64)")
GIVEN = ("float32", "float64", "int64", "int32", "uint8", "bool")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", REFUSING)
def test_a_layer_refuses_what_torch_refuses(layer: str) -> None:
    size = REFUSING[layer]
    for conversion, dtype in product(CONVERSIONS, GIVEN):
        call = f"{layer}{conversion}(torch.ones({size}, dtype=torch.{dtype}))"
        try:
            eval(call, {"torch": torch, "nn": nn})
            raises = False
        except (RuntimeError, ValueError):
            raises = True
        if raises and "Sequential" in layer and dtype == "bool":
            # Of the activation.
            continue
        assert bool(model_of(f"{HEAD}result = {call}\n").dtype_mismatches) is raises, call


UNCERTAIN = [
    "layer = nn.Linear(3, 4).to(unknown)",
    "layer = nn.Linear(3, 4).to(**unknown)",
    "layer = nn.Linear(3, 4, **unknown)",
    "layer = nn.Linear(3, 4, dtype=unknown)",
    "layer = nn.Linear(3, 4)\nunknown(layer)",
    "layer = nn.Linear(3, 4)\nif unknown:\n    layer.double()",
    "torch.set_default_dtype(torch.float64)\nlayer = nn.Linear(3, 4)",
    "layer = nn.Linear(3, 4)\nx = x.to(unknown)",
    "layer = nn.Linear(3, 4)\nx = x.type_as(unknown)",
    "layer = nn.Linear(3, 4)\nx = torch.from_numpy(np.asarray(unknown))",
    "layer = nn.Linear(3, 4)\nx = torch.from_numpy(np.load('data.npy'))",
    "layer = nn.Linear(3, 4)\nx = x * unknown",
    "layer = nn.Linear(3, 4)\nx = x.float() if unknown else x",
]


@pytest.mark.parametrize("code", UNCERTAIN)
def test_what_may_be_of_another_dtype_is_not_refused(code: str) -> None:
    before = "x = torch.zeros(2, 3, dtype=torch.float64)\n"
    assert not model_of(f"{HEAD}{before}{code}\nlayer(x)\n").dtype_mismatches
    assert model_of(f"{HEAD}{before}layer = nn.Linear(3, 4).to(device)\nlayer(x)\n").dtype_mismatches


def test_promotion_is_that_of_torch() -> None:
    for a, b in product((*FLOATS, *SIGNED, *COMPLEX, "uint8", "bool"), repeat=2):
        expected = torch.promote_types(getattr(torch, a), getattr(torch, b))
        assert promoted(a, b) == str(expected).removeprefix("torch."), (a, b)


ARRAYS = (
    "np.random.rand(3, 3)", "np.random.randn(3)", "np.random.randint(0, 9, (3, 3))", "np.random.normal(0, 1, (3, 3))",
    "np.random.uniform(size=3)", "np.random.random((3, 3))", "np.random.default_rng(0).normal(size=(3, 3))",
    "np.random.default_rng(0).random((3, 3), dtype=np.float32)", "np.random.default_rng(0).integers(0, 9, 3)",
    "np.random.RandomState(0).rand(3, 3)", "np.array([[1, 2, 3]] * 3)", "np.array([1.0, 2, 3])",
    "np.array([1, 2, 3], dtype=np.float32)", "np.zeros((3, 3))", "np.ones(3, dtype='float32')", "np.full((3, 3), 1.5)",
    "np.full(3, 1)", "np.eye(3)", "np.arange(3)", "np.linspace(0, 1, 3)", "np.array([True, False, True])",
    "np.zeros(3, dtype=int)", "np.identity(3, dtype=np.float32)", "np.array([(1, 2.5, 3)] * 3)",
)  # fmt: skip
CHANGES = (
    "{a} {o} {b}", "{a} {o} 2", "0.5 {o} {a}", "{a} {o} {a}.mean()", "({a} - {a}.mean(axis=0)) / 2.0", "-{a}",
    "{a}.astype(np.float32)", "{a}.astype('float64')", "{a}.astype(int)", "np.sin({a})", "np.sqrt(np.abs({a}))",
    "np.exp({a})", "np.concatenate([{a}, {a}])", "np.stack(({a}, {b}))", "np.vstack([{a}, {b}])", "{a}[:2]", "{a}.T",
    "{a}.reshape(-1, 1)", "{a}.flatten()", "{a}.copy()", "np.expand_dims({a}, 0)", "np.mean({a}, axis=0)", "{a}[::-1]",
    "{a}.std(axis=0)", "np.array({a})", "np.asarray({a})", "np.zeros_like({a})", "{a}.sum(axis=0)", "np.tile({a}, 2)",
    "np.flip({a}, 0)", "np.array([{a}, {a}])", "{a}.max(axis=0)", "{a}.transpose()", "np.ascontiguousarray({a})",
    "{a}[:, ::-1]", "np.fliplr({a})", "{a}.squeeze()", "{a}[None, ::-1]",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_arrays_are_those_of_numpy() -> None:
    drawn = random.Random(3)
    names: dict[str, Any] = {"np": np, "u": 2}
    made: list[tuple[str, Any]] = []
    while len(made) < 1500:
        pool = [f"r{index}" for index in range(max(0, len(made) - 40), len(made))]
        text = drawn.choice(ARRAYS)
        if len(made) > 40 and drawn.random() < 0.6:
            text = drawn.choice(CHANGES).format(a=drawn.choice(pool), b=drawn.choice(pool), o=drawn.choice("+-*/"))
        try:
            value = eval(text, names)
        except (ValueError, TypeError, IndexError):
            continue
        if isinstance(value, np.ndarray) and 0 < value.size < 500 and value.ndim < 4:
            names[f"r{len(made)}"] = value
            made.append((text, value))
    known = 0
    code = HEAD + "".join(f"r{index} = {text}\n" for index, (text, _) in enumerate(made))
    for (text, array), value in zip(made, assigned(model_of(code)), strict=True):
        if isinstance(value, Array):
            known += value.dtype is not None
            assert value.dtype in (None, str(array.dtype)), text
            assert not value.backwards or min(array.strides) < 0, text
    assert known > 0.85 * len(made)


def test_a_number_of_numpy_keeps_its_dtype() -> None:
    *_, value = assigned(model_of(f"{HEAD}a = np.random.rand(3)\nlast = torch.tensor(a.mean())\n"))
    assert isinstance(value, Tensor)
    assert value.dtype == str(torch.tensor(np.random.rand(3).mean()).dtype).removeprefix("torch.")


def test_autocast_leaves_the_dtype_of_products_unknown() -> None:
    code = "with torch.autocast('cuda'):\n    y = nn.Linear(3, 4)(torch.zeros(2, 3))\nlast = y\n"
    *_, value = assigned(model_of(HEAD + code))
    assert isinstance(value, Tensor)
    assert value.dtype is None
