"""Where control goes in a function: what the syntax says, and what happens when Python runs it."""

from contextlib import suppress
from textwrap import dedent, indent

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchlint.semantic.flow import completes, exits, is_generator, is_placeholder, runs_always


def function_of(code: str) -> cst.FunctionDef:
    statement = cst.parse_module(dedent(code)).body[0]
    assert isinstance(statement, cst.FunctionDef)
    return statement


def ends(code: str) -> list[list[str]]:
    """The ways to the end of a function, each as the kinds of its gates."""
    return [
        [gate.kind if gate.holds else f"not {gate.kind}" for gate in path] for path in exits(function_of(code)).ends
    ]


def returned(code: str) -> list[str]:
    return [cst.Module([]).code_for_node(node).strip() for node, _ in exits(function_of(code)).returns]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return 1", []),
        ("x = 1", [[]]),
        ("if a:\n    return 1", [["not if"]]),
        ("if a:\n    return 1\nelse:\n    raise ValueError", []),
        ("if a:\n    x = 1\nreturn x", []),
        ("if a:\n    raise ValueError\nx = 1", [[]]),
        ("if a:\n    return 1\nelif b:\n    return 2", [["not if", "not if"]]),
        ("if True:\n    return 1", []),
        ("if not 0:\n    return 1", []),
        ("while True:\n    x = f()", []),
        ("while 1:\n    if a:\n        break", [["if"]]),
        ("while a:\n    return 1", [["loop"]]),
        ("for x in y:\n    return x", [["loop"]]),
        ("for x in y:\n    print(x)", [[]]),
        ("for x in y:\n    if x:\n        break\nelse:\n    return 1", [["if"]]),
        ("try:\n    return f()\nexcept OSError:\n    print()", [["except"]]),
        ("try:\n    return f()\nexcept OSError:\n    raise", []),
        ("try:\n    return 1\nexcept OSError:\n    pass", []),
        ("try:\n    x = f()\nexcept OSError:\n    return 1\nelse:\n    return x", []),
        ("try:\n    x = f()\nfinally:\n    return 1", []),
        ("try:\n    return f()\nfinally:\n    g()", []),
        ("for _ in range(3):\n    try:\n        return f()\n    except OSError:\n        continue",
            [["loop"], ["except", "loop"]]),
        ("with open(f) as g:\n    return g.read()", []),
        ("with suppress(OSError):\n    return f()", [["except"]]),
        ("match x:\n    case 1:\n        return 1", [["no case"]]),
        ("match x:\n    case 1:\n        return 1\n    case _:\n        return 2", []),
        ("assert False, x", []),
        ("assert x", [[]]),
        ("sys.exit(1)", []),
        ("def g():\n    return 1", [[]]),
    ],
)  # fmt: skip
def test_ends(body: str, expected: list[list[str]]) -> None:
    assert ends("def f(x):\n" + indent(body, "    ")) == expected


def test_returns_that_cannot_be_reached() -> None:
    assert returned(
        """
        def f(x):
            if x:
                return 1
            while True:
                if x:
                    return 2
            return 3
        """
    ) == ["return 1", "return 2"]


def test_what_never_returns_by_other_knowledge() -> None:
    function = function_of("def f(x):\n    if x:\n        return 1\n    fail(x)\n")
    assert exits(function).ends
    assert not exits(function, lambda call: cst.ensure_type(call.func, cst.Name).value == "fail").ends


def test_generators_and_placeholders() -> None:
    assert is_generator(function_of("def f():\n    x = yield 1"))
    assert not is_generator(function_of("def f():\n    def g():\n        yield 1\n    return [x for x in g()]"))
    assert is_placeholder(function_of('def f():\n    """What it does."""\n    ...'))
    assert is_placeholder(function_of("def f(): raise NotImplementedError"))
    assert not is_placeholder(function_of("def f():\n    return 1"))
    assert not is_placeholder(function_of("def f(x):\n    x.append(1)"))
    assert completes(function_of("def f():\n    while True:\n        yield 1"))
    assert not completes(function_of("def f():\n    while True:\n        g()"))


def test_runs_always() -> None:
    function = function_of(
        """
        def f(x):
            for y in x:
                a()
                if y:
                    b()
        """
    )
    calls = {
        cst.ensure_type(node.func, cst.Name).value: node
        for node in _walk(function)
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name)
    }
    assert runs_always(function, calls["a"])
    assert not runs_always(function, calls["b"])


def _walk(node: cst.CSTNode) -> list[cst.CSTNode]:
    return [node, *(inner for child in node.children for inner in _walk(child))]


# -- against Python itself -------------------------------------------------------------------------------


def _blocks(depth: int, loop: bool, last: bool) -> st.SearchStrategy[str]:
    """Blocks of code that ask `c()` at each condition, and `r()`, which may raise, at the start of each block."""
    leaves = [
        "step()",
        "return N",
        "raise ValueError",
        *(["break", *(["continue"] if not last else [])] if loop else []),
    ]
    statements = st.sampled_from(leaves)
    if depth:
        inner = _blocks(depth - 1, loop, last)
        turn = _blocks(depth - 1, True, False)
        final = _blocks(depth - 1, loop, True)
        statements = st.one_of(
            statements,
            st.tuples(inner, st.none() | inner).map(_if),
            st.tuples(turn, st.none() | inner).map(lambda p: _loop("for x in turns():", *p)),
            st.tuples(turn, st.none() | inner).map(lambda p: _loop("while c():", *p)),
            turn.map(lambda body: _loop("while True:", body, None)),
            st.tuples(inner, inner, st.none() | inner, st.none() | final).map(lambda p: _try(*p)),
            st.tuples(inner, final).map(lambda p: f"try:\n{_in(p[0])}\nfinally:\n{_in(p[1])}"),
            inner.map(lambda body: f"with context():\n{_in(body)}"),
            st.tuples(inner, inner).map(lambda p: _match(*p)),
        )  # fmt: skip
    return st.lists(statements, min_size=1, max_size=2).map(lambda lines: "r()\n" + "\n".join(lines))


def _in(body: str) -> str:
    return indent(body, "    ")


def _if(parts: tuple[str, str | None]) -> str:
    yes, no = parts
    return f"if c():\n{_in(yes)}" + (f"\nelse:\n{_in(no)}" if no is not None else "")


def _loop(head: str, body: str, orelse: str | None) -> str:
    return f"{head}\n{_in(body)}" + (f"\nelse:\n{_in(orelse)}" if orelse is not None else "")


def _match(one: str, other: str) -> str:
    return f"match c():\n    case 1:\n{_in(_in(one))}\n    case _:\n{_in(_in(other))}"


def _try(body: str, handler: str, orelse: str | None, final: str | None) -> str:
    text = f"try:\n{_in(body)}\nexcept Exception:\n{_in(handler)}"
    text += f"\nelse:\n{_in(orelse)}" if orelse is not None else ""
    return text + (f"\nfinally:\n{_in(final)}" if final is not None else "")


class _Undecided(BaseException):
    pass


class _Oracle:
    """Answers the questions of one run as it was told; what comes after that is undecided."""

    def __init__(self, answers: tuple[bool, ...]) -> None:
        self.answers = list(answers)
        self.undecided = False

    def c(self) -> bool:
        if not self.answers:
            self.undecided = True
            raise _Undecided
        return self.answers.pop(0)

    def r(self) -> None:
        if self.c():
            raise ValueError

    def turns(self) -> object:
        while self.c():
            yield 1

    def context(self) -> "_Oracle":
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _outcomes(source: str, runs: int) -> set[object]:
    """What a function is seen to return, over all answers to its questions, the fewest first."""
    program = compile(source, "<generated>", "exec")
    seen: set[object] = set()
    pending: list[tuple[bool, ...]] = [()]
    for _ in range(runs):
        if not pending:
            break
        answers = pending.pop(0)
        oracle = _Oracle(answers)
        scope = {name: getattr(oracle, name) for name in ("c", "r", "turns", "context")} | {"step": oracle.r}
        exec(program, scope)
        result: object = "raised"
        with suppress(ValueError, _Undecided):
            result = scope["f"]()
        if oracle.undecided:
            pending.extend(((*answers, False), (*answers, True)))
        elif result != "raised":
            seen.add(result)
    return seen


@settings(deadline=None, max_examples=80)
@given(_blocks(2, False, False))
def test_agrees_with_python(body: str) -> None:
    numbered = "".join(part + str(number) for number, part in enumerate(body.split("N"), 1))
    numbered = numbered[: len(numbered) - len(str(body.count("N") + 1))]
    source = "def f():\n" + _in(numbered)
    found = exits(cst.ensure_type(cst.parse_module(source).body[0], cst.FunctionDef))
    predicted: set[object] = {None} if found.ends else set()
    predicted.update(cst.ensure_type(node.value, cst.Integer).evaluated_value for node, _ in found.returns)
    observed = _outcomes(source, 1500)
    assert observed <= predicted, source
    if len(body.split("\n")) <= 12:
        assert predicted == observed, source
