"""What a variable of a function is assigned, where one plain assignment is all that binds it."""

import libcst as cst
import pytest
from test_flow import function_of

from torchlint.semantic.assignments import assigned_once

ONCE = [
    pytest.param("def f():\n    seed = 1 + w\n    use(seed)", "1 + w", id="plain"),
    pytest.param("def f(a):\n    if a:\n        seed = g(a)\n    use(seed)", "g(a)", id="in a branch"),
    pytest.param("def f():\n    seed = 1\n    def g():\n        seed = 2", "1", id="another function binds its own"),
]
OFTEN = [
    pytest.param("def f(seed):\n    use(seed)", id="parameter"),
    pytest.param("def f():\n    seed = 1\n    seed = 2", id="twice"),
    pytest.param("def f():\n    seed = 1\n    seed += 2", id="augmented"),
    pytest.param("def f():\n    seed: int = 1", id="annotated"),
    pytest.param("def f():\n    seed = other = 1", id="two targets"),
    pytest.param("def f():\n    seed, other = 1, 2", id="unpacked"),
    pytest.param("def f():\n    seed = 1\n    (other, [seed, _]) = g()", id="unpacked again"),
    pytest.param("def f():\n    seed = 1\n    for seed in g():\n        pass", id="loop"),
    pytest.param("def f():\n    seed = 1\n    with g() as seed:\n        pass", id="with"),
    pytest.param("def f():\n    seed = 1\n    if (seed := g()):\n        pass", id="walrus"),
]


@pytest.mark.parametrize(("code", "expected"), ONCE)
def test_one_assignment_is_found(code: str, expected: str) -> None:
    found = assigned_once(function_of(code), "seed")
    assert found is not None
    assert cst.Module([]).code_for_node(found) == expected


@pytest.mark.parametrize("code", OFTEN)
def test_what_is_bound_otherwise_is_not(code: str) -> None:
    assert assigned_once(function_of(code), "seed") is None


def test_a_lambda_assigns_nothing() -> None:
    assert assigned_once(cst.ensure_type(cst.parse_expression("lambda w: w"), cst.Lambda), "w") is None
