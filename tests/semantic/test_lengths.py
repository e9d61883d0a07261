"""Lengths as formulas: which arithmetic is followed, and what it gives."""

from collections.abc import Sequence
from textwrap import dedent

import libcst as cst
import pytest

from torchlint.parse import parse
from torchlint.semantic.lengths import Formula, Read, comprehended, formulas, known_length
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.source import Source

IMPORTS = """
import math
import numpy as np
from torch.utils.data import Subset
from torchvision import datasets

"""


def shown(code: str) -> tuple[Model, list[cst.BaseExpression]]:
    """The model of some code, and the arguments of its first `print(...)`."""
    source = Source("/project/main.py", IMPORTS + dedent(code))
    model = Model(Unit("/project/main.py", source, parse(source)), Project(dict[str, bytes]().get))
    found: list[list[cst.BaseExpression]] = []

    class Finder(cst.CSTVisitor):
        def leave_Call(self, original_node: cst.Call) -> None:
            if isinstance(original_node.func, cst.Name) and original_node.func.value == "print":
                found.append([arg.value for arg in original_node.args])

    model.module.visit(Finder())
    return model, found[0]


def read(code: str) -> list[Formula] | None:
    model, nodes = shown(code)
    return formulas(model, [Read(model.value(node), node) for node in nodes])


FOLLOWED = [
    pytest.param("print(len(load()))", [7], [7], id="len"),
    pytest.param("d = load()\nprint(int(0.8 * len(d)), int(len(d) * 0.2))", [99], [79, 19], id="truncated"),
    pytest.param("d = load()\nn = len(d)\na = n // 10 * 8\nb = n - a\nprint(a, b)", [99], [72, 27], id="variables"),
    pytest.param("def f(d, p=0.75):\n    print(len(d) * p)", [10], [7.5], id="default"),
    pytest.param("d = load()\nprint(math.ceil(len(d) / 4), round(len(d) / 4))", [10], [3, 2], id="rounding"),
    pytest.param("d = load()\nprint(min(len(d), 50), len(d) % 7, float(len(d)))", [9], [9, 2, 9.0], id="functions"),
    pytest.param("d = load()\nprint(int(np.floor(len(d) * 0.5)), np.floor(len(d) * 0.5))", [9], [4, 4.0], id="numpy"),
    pytest.param("def f(n):\n    print(n // 2, n - n // 2)", [9], [4, 5], id="parameter"),
    pytest.param(
        "class A:\n    def f(self):\n        print(len(self.d) - 1, len(self.d))", [9], [8, 9], id="attribute"
    ),
    pytest.param("def f(d, p):\n    print(int(len(d) * p), len(d))", [10, 0.5], [5, 10], id="two unknowns"),
    pytest.param("def f(d, p):\n    print(int(p * 10), len(d))", [0.5, 10], [5, 10], id="in order of appearance"),
    pytest.param("print(5, 2.5 * 2)", [], [5, 5.0], id="numbers"),
    pytest.param("print(len([1, 2, 3]) + 1)", [], [4], id="known length"),
]


@pytest.mark.parametrize(("code", "given", "expected"), FOLLOWED)
def test_arithmetic_is_followed(code: str, given: Sequence[float], expected: Sequence[float]) -> None:
    found = read(code)
    assert found is not None
    assert all(len(part.unknowns) == len(given) for part in found)
    numbers = [part.at(given) for part in found]
    assert numbers == expected
    assert [type(number) for number in numbers] == [type(number) for number in expected]


NOT_FOLLOWED = [
    pytest.param("print(True)", id="bool"),
    pytest.param("print('5')", id="text"),
    pytest.param("print(len(load()) ** 2)", id="power"),
    pytest.param("print(load())", id="unknown call"),
    pytest.param("d = load()\nn = len(d)\nn += 1\nprint(n)", id="augmented"),
    pytest.param("print(sum([1, len(load())]))", id="sum"),
    pytest.param("print(round(number=len(load())))", id="keyword"),
    pytest.param("d = load()\nprint([len(d)])", id="list"),
]


@pytest.mark.parametrize("code", NOT_FOLLOWED)
def test_what_is_not_followed(code: str) -> None:
    assert read(code) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("d = load()\nprint([int(p * len(d)) for p in (0.8, 0.2)])", [79, 19]),
        ("d = load()\nshares = [0.5, 0.25]\nn = len(d)\nprint([n * share for share in shares])", [49.5, 24.75]),
        ("p = 0.5\nd = load()\nn = int(p * len(d))\nprint([n // p for p in (2, 3)])", [24, 16]),
    ],
)
def test_comprehensions_are_followed(code: str, expected: list[float]) -> None:
    model, (node,) = shown(code)
    numbers = model.value(node)
    held = model.elements(numbers)
    assert held is not None
    found = formulas(model, comprehended(model, numbers, held))
    assert found is not None
    assert [part.at((99,)) for part in found] == expected


def test_a_comprehension_that_was_changed_is_not_followed() -> None:
    model, (node,) = shown("d = load()\nl = [int(p * len(d)) for p in (0.8, 0.2)]\nl[1] += 1\nprint(l)")
    numbers = model.value(node)
    assert formulas(model, comprehended(model, numbers, model.elements(numbers) or ())) is None


def test_lengths_of_two_datasets_are_two_unknowns() -> None:
    found = read("a, b = load(), load()\nprint(len(a), len(b), len(a))")
    assert found is not None
    assert [part.at((3, 4)) for part in found] == [3, 4, 3]


KNOWN = [
    pytest.param("print([1, 2, 3])", 3, id="list"),
    pytest.param("print((1, 2))", 2, id="tuple"),
    pytest.param("print(range(10))", 10, id="range"),
    pytest.param("print(range(2, 10, 3))", 3, id="range with a step"),
    pytest.param("print(range(5, 1))", 0, id="empty range"),
    pytest.param("print(range(n))", None, id="range of something"),
    pytest.param("print(range(1, 2, 0))", None, id="range that raises"),
    pytest.param("print(Subset(load(), range(4)))", 4, id="subset"),
    pytest.param("print(Subset(load(), load()))", None, id="subset of unknown indices"),
    pytest.param("print(datasets.MNIST('x'))", 60_000, id="training part"),
    pytest.param("print(datasets.CIFAR10('x', train=False))", 10_000, id="test part"),
    pytest.param("print(datasets.CIFAR10('x', flag))", None, id="some part"),
    pytest.param("print(datasets.CIFAR10(**options))", None, id="unknown arguments"),
    pytest.param("print(datasets.FakeData())", 1000, id="default size"),
    pytest.param("print(datasets.FakeData(size=7))", 7, id="size"),
    pytest.param("print(datasets.ImageFolder('x'))", None, id="folder"),
    pytest.param("print([x for x in load()])", None, id="comprehension"),
]


@pytest.mark.parametrize(("code", "expected"), KNOWN)
def test_known_lengths(code: str, expected: int | None) -> None:
    model, nodes = shown(code)
    assert known_length(model, model.value(nodes[0])) == expected
