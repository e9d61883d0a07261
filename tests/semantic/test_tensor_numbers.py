"""What the numbers of tensors are known to be, beside what torch computes: as known as they are true."""

from collections.abc import Callable

import libcst as cst
import pytest
import torch

from torchlint.parse import parse
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.values import Tensor, Tri
from torchlint.source import Source

START = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
x = nn.Linear(4, 4)(torch.randn(64, 4)) * 3
image = nn.Conv2d(1, 2, 1)(torch.randn(8, 1, 4, 4) * 3)
"""


def known(expression: str) -> Tensor:
    source = Source("/project/main.py", f"{START}value = {expression}\n")
    model = Model(Unit("/project/main.py", source, parse(source)), Project(lambda path: None))
    statement = model.module.body[-1]
    assert isinstance(statement, cst.SimpleStatementLine)
    assert isinstance(statement.body[0], cst.Assign)
    value = model.value(statement.body[0].value)
    assert isinstance(value, Tensor)
    return value


def computed(expression: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The value, and the scores that it is made of."""
    scope: dict[str, torch.Tensor] = {}
    exec(f"{START}value = {expression}\n", scope)
    return scope["value"], scope["image" if "image" in expression else "x"]


HOLDS: dict[str, Callable[[torch.Tensor], bool]] = {
    "SOFTMAX": lambda p: bool(((p >= 0) & (p <= 1)).all()),
    "SIGMOID": lambda p: bool(((p >= 0) & (p <= 1)).all()),
    "CLAMPED_SOFTMAX": lambda p: bool(((p > 0) & (p <= 1)).all()),
    "CLAMPED_SIGMOID": lambda p: bool(((p > 0) & (p < 1)).all()),
    "LOG_SOFTMAX": lambda p: bool((p <= 0).all()),
    "LOG_SIGMOID": lambda p: bool((p <= 0).all()),
    "LOGITS": lambda p: bool((p < 0).any() and (p > 1).any()),
    "ACTIVATION": lambda p: bool((p > 1).any()),
    "TANH": lambda p: bool((p < 0).any() and (p.abs() <= 1).all()),
    "ONE_MINUS_SIGMOID": lambda p: bool(((p >= 0) & (p <= 1)).all()),
    "EXP": lambda p: bool((p > 0).all()),
    "SUM_OF_EXP": lambda p: bool((p > 0).all()),
    "ONE_PLUS_EXP": lambda p: bool((p > 1).all()),
    "STEPS": lambda p: bool((p == p.round()).all()),
    "UNKNOWN": lambda p: True,
}


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("x", "LOGITS"),
        ("x.view(-1).unsqueeze(0)[:, 3:]", "LOGITS"),
        ("(x + x) / 2.0 - 1", "LOGITS"),
        ("1 / x", "UNKNOWN"),
        ("x * x", "UNKNOWN"),
        ("x ** 2", "UNKNOWN"),
        ("x.clamp(0, 1)", "UNKNOWN"),
        ("nn.Dropout(0.5)(nn.BatchNorm1d(4)(x))", "LOGITS"),
        ("F.dropout(x, 0.5, training=True)", "LOGITS"),
        ("nn.Flatten()(nn.AdaptiveAvgPool2d(2)(image))", "LOGITS"),
        ("F.interpolate(image, scale_factor=2, mode='bilinear')", "LOGITS"),
        ("F.avg_pool2d(F.relu(image), 2)", "ACTIVATION"),
        ("nn.Sequential(nn.LeakyReLU(), nn.Dropout())(x)", "ACTIVATION"),
        ("torch.relu(x).clamp(max=1)", "UNKNOWN"),
        ("x.tanh()", "TANH"),
        ("(nn.Tanh()(x) + 1) / 2", "UNKNOWN"),
        ("F.softmax(x, 1)", "SOFTMAX"),
        ("F.softmax(x, 1).clamp(min=1e-7)", "CLAMPED_SOFTMAX"),
        ("torch.clamp(torch.sigmoid(x), 1e-6, 1 - 1e-6)", "CLAMPED_SIGMOID"),
        ("F.softmax(x, 1) + 1e-8", "UNKNOWN"),
        ("nn.Dropout()(F.softmax(x, 1))", "UNKNOWN"),
        ("nn.Upsample(scale_factor=2)(torch.sigmoid(image))", "SIGMOID"),
        ("torch.log(x.softmax(1).clamp(min=1e-7))", "LOG_SOFTMAX"),
        ("torch.log(1 - torch.sigmoid(x))", "LOG_SIGMOID"),
        ("F.logsigmoid(x)", "LOG_SIGMOID"),
        ("1 - x.sigmoid()", "ONE_MINUS_SIGMOID"),
        ("2 - x.sigmoid()", "UNKNOWN"),
        ("x.sigmoid() - 1", "UNKNOWN"),
        ("torch.exp(x)", "EXP"),
        ("torch.exp(x - x.max())", "UNKNOWN"),
        ("x.exp().sum(1)", "SUM_OF_EXP"),
        ("1 + x.exp()", "ONE_PLUS_EXP"),
        ("torch.round(x)", "STEPS"),
        ("x.sign().view(-1)", "STEPS"),
        ("(x.floor() * 2 - torch.ones(4)).abs()", "STEPS"),
        ("torch.stack([x.floor(), x.ceil()])", "STEPS"),
        ("x.round() + x", "UNKNOWN"),
        ("x + (x.round() - x).detach()", "UNKNOWN"),
        ("x.round() * nn.Linear(4, 4).weight.sum()", "UNKNOWN"),
        ("nn.Linear(4, 4)(x.round())", "LOGITS"),
    ],
)
def test_numbers(expression: str, numbers: str) -> None:
    value = known(expression)
    assert value.numbers.name == numbers
    result, scores = computed(expression)
    assert HOLDS[numbers](result.detach())
    assert (value.grad is Tri.YES) is result.requires_grad
    if numbers == "STEPS":
        (gradient,) = torch.autograd.grad(result.sum(), scores)
        assert not gradient.any()


@pytest.mark.parametrize(
    ("expression", "cut"),
    [
        ("(x > 0.5).float().mean()", "(x > 0.5)"),
        ("F.mse_loss(x.argmax(1).float(), torch.zeros(64))", "x.argmax(1)"),
        ("F.mse_loss(x.data, torch.zeros(64, 4))", "x.data"),
        ("F.mse_loss(x.detach(), torch.zeros(64, 4))", "x.detach()"),
        ("torch.tensor([x.sum(), x.mean()]).sum()", "torch.tensor([x.sum(), x.mean()])"),
        ("x.to(torch.int64).float().sum()", "x.to(torch.int64)"),
        ("x.long().float().sum()", "x.long()"),
        ("x.max(1)[1].float().sum()", "x.max(1)"),
        ("torch.randn(3).detach().sum()", None),
    ],
)
@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_what_ends_a_graph(expression: str, cut: str | None) -> None:
    value = known(expression)
    assert value.grad is Tri.NO
    made = value.grad_origin
    assert (None if made is None else cst.Module([]).code_for_node(made.node)) == cut
    result, _ = computed(expression)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.backward(result)


@pytest.mark.parametrize(
    "left",
    [
        "def f():\n    with torch.no_grad():\n        if x.sum() > 0:\n            return 0\n    return 1\nf()",
        "for i in range(3):\n    with torch.no_grad():\n        if x[i].sum() > 0:\n            break",
        "for i in range(3):\n    with torch.no_grad():\n        if x[i].sum() > 0:\n            continue",
    ],
)
def test_a_grad_mode_ends_with_its_block(left: str) -> None:
    source = Source("/project/main.py", f"{START}{left}\nvalue = x * 2\n")
    model = Model(Unit("/project/main.py", source, parse(source)), Project(lambda path: None))
    value = model.global_value("value")
    assert isinstance(value, Tensor)
    assert value.grad is Tri.YES
