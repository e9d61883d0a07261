import gc
import threading
from collections.abc import Callable

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchlint.nesting import LEVELS, SHALLOW, TooDeep, depth, with_room
from torchlint.parse import ParseProblem, parse
from torchlint.source import Source

# What nests, as a function of how often.
DEEP: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: "(" * n + "1" + ")" * n,
    "lists": lambda n: "[" * n + "]" * n,
    "dicts": lambda n: "{a:" * n + "1" + "}" * n,
    "calls in calls": lambda n: "f(" * n + "1" + ")" * n,
    "sum": lambda n: "+".join(["a"] * n),
    "sum over lines": lambda n: "x = (\n" + "\n  + ".join(["a"] * n) + "\n)\n",
    "power": lambda n: "**".join(["a"] * n),
    "shift": lambda n: "<<".join(["a"] * n),
    "attributes": lambda n: "a" + ".b" * n,
    "calls of calls": lambda n: "a" + "()" * n,
    "subscripts": lambda n: "a" + "[0]" * n,
    "elif": lambda n: "if a:\n  pass\n" + "elif a:\n  pass\n" * n,
    "elif in a function": lambda n: "def f():\n  if a:\n    pass\n" + "  elif a:\n    pass\n  # and\n\n" * n,
    "not": lambda n: "not " * n + "a",
    "minus": lambda n: "-" * n + "a",
    "lambda": lambda n: "lambda: " * n + "a",
    "lambda with parameters": lambda n: "lambda a, b: " * n + "a",
    "conditional": lambda n: "a if b else " * n + "c",
    "and": lambda n: " and ".join(["a"] * n),
    "comprehension": lambda n: "[a " + "for a, b in c " * n + "]",
    "strings": lambda n: "x = (" + "\n".join(['"a"'] * n) + ")",
    "dotted import": lambda n: "import a" + ".b" * n,
    "walrus": lambda n: "(a:=" * n + "1" + ")" * n,
    "f-string": lambda n: 'f"{' + "+".join(["a"] * n) + '}"',
    "triple f-string": lambda n: 'x = rF"""\n{' + "+".join(["a"] * n) + '}\n"""',
    "f-string field of dicts": lambda n: 'f"{' + "{a:" * n + "1" + "}" * n + '}" + "' + " " * 50 + '"',
    "list pattern": lambda n: "match a:\n  case " + "[" * n + "b" + "]" * n + ": pass",
    "class pattern": lambda n: "match a:\n  case " + "A(" * n + "b" + ")" * n + ": pass",
    "blocks": lambda n: "".join(" " * i + "if a:\n" for i in range(n)) + " " * n + "pass\n",
}

FLAT = {
    "a list of numbers": "x = [" + "-1.5e-3, " * 60_000 + "]\n",
    "a list of lines": "x = [\n" + "    (1, -2, 'a'),\n" * 20_000 + "]\n",
    "a dict": "x = {" + ", ".join(f"'k{i}': a.b(c)[{i}] + -1" for i in range(8_000)) + "}\n",
    "a dict of lambdas": "x = {" + ", ".join(f"{i}: lambda a, b=1: a + b" for i in range(4_000)) + "}\n",
    "a polynomial": "y = " + " + ".join(f"a[{i}].b*c**{i}/d(1)" for i in range(300)) + "\n",
    "many elif": "".join(
        f"def f{i}(a):\n    if a:\n        return 1\n" + "    elif a.b:\n        return (\n2)\n" * 40 for i in range(40)
    ),
    "comparisons": "<".join(["a"] * 5_000),
    "statements": "a.b(c);" * 5_000,
    "prose": 'x = """' + "It isn't (so ([{ - or: not, a.b.c + 'd' \n" * 5_000 + '"""\n',
    "a page with fields": 'x = f"""' + "<a href='{a.b}'>(- {c[0]:>{d}} {{ {e!r} }} </a>\n" * 3_000 + '"""\n',
    "comments": "# (([[{{ don't - not not not - - -\n" * 5_000,
    "an elif chain of 100": "if a:\n    pass\n" + "elif a == 'b':\n    c.d(e)\n" * 100,
    "a sum of 300": "x = (" + " + 'b' + \\\n".join(["a"] * 300) + ")\n",
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("levels", [13, 100, 700, 10_000])
def test_nesting_never_ends_the_process(kind: str, levels: int) -> None:
    if kind == "blocks" and levels > 700:
        levels = 1_500  # the text grows with the square
    source = Source("deep.py", DEEP[kind](levels))
    problem = None
    try:
        module = parse(source)
    except ParseProblem as refused:
        problem = refused
    if problem is None:
        assert levels < 10_000
        assert with_room(source.text, lambda: module.code) == source.text
    else:
        assert levels >= 100
        assert "too deeply" in str(problem) or "too many" in str(problem)
        assert kind == "blocks" or source.position(problem.syntax.offset)[0] <= 4


@pytest.mark.parametrize("kind", FLAT)
def test_long_is_not_deep(kind: str) -> None:
    source = Source("flat.py", FLAT[kind])
    module = parse(source)
    assert with_room(source.text, lambda: module.code) == source.text


def test_the_problem_is_placed_at_the_deep_line() -> None:
    text = 's = """\n((((\n"""\r\n# (\nif a:\n    x = ' + "-" * 2_000 + "a\n"
    with pytest.raises(ParseProblem) as problem:
        parse(Source("a.py", text))
    assert Source("a.py", text).position(problem.value.syntax.offset) == (6, 5)


def test_a_bracket_left_open_is_not_called_deep() -> None:
    text = "a = 1\nprint(b\n" + "c.d = e + f\n" * 2_000
    with pytest.raises(ParseProblem, match="was never closed") as problem:
        parse(Source("a.py", text))
    assert problem.value.syntax.offset == text.index("(")


def test_depth_of_ordinary_code_costs_no_thread() -> None:
    text = "class A:\n    def f(self, x):\n        return F.relu(self.bn(self.conv(x.view(x.size(0), -1))))\n" * 50
    assert depth(text) <= SHALLOW
    assert with_room(text, threading.current_thread) is threading.current_thread()


def test_work_in_a_room_recurses_and_fails_like_work_outside() -> None:
    text = "+".join(["a"] * LEVELS)

    def down(levels: int) -> int:
        return levels and 1 + down(levels - 1)

    assert with_room(text, lambda: down(20 * LEVELS)) == 20 * LEVELS
    assert with_room(text, lambda: with_room(text, lambda: 1)) == 1
    with pytest.raises(ZeroDivisionError):
        with_room(text, lambda: 1 / 0)
    with pytest.raises(TooDeep):
        with_room(text + text + "+", lambda: pytest.fail("begun"))


def test_rooms_in_several_threads_do_not_take_each_others_limits() -> None:
    text = "+".join(["a"] * 600)
    codes: list[str] = []
    threads = [
        threading.Thread(target=lambda: codes.append(with_room(text, lambda: cst.parse_module(text).code)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [text] * 6


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("x = (1,\n", "'(' was never closed", (1, 5)),
        ("x = 1\nprint 'a'\n", "missing parentheses in call to 'print'. Did you mean print(...)?", (2, 1)),
        ("def f():\n  a\n b\n", "unindent does not match any outer indentation level", (3, 3)),
        ("é = 'ü'; é é\n", "invalid syntax", (1, 12)),
        ("x = '😀' $\n", "invalid syntax", (1, 9)),
        ("a = 1\r\nb = = 2\r\n", "invalid syntax", (2, 5)),
        ("a = 1\rb = = 2\r", "invalid syntax", (2, 5)),
        ("if a:\npass\n", "expected an indented block after 'if' statement on line 1", (2, 1)),
    ],
)
def test_problems_read_as_python_puts_them(text: str, message: str, position: tuple[int, int]) -> None:
    source = Source("a.py", text)
    with pytest.raises(ParseProblem) as problem:
        parse(source)
    assert problem.value.syntax.message == message
    assert source.position(problem.value.syntax.offset) == position


def test_a_tree_that_the_parser_cannot_build_is_a_problem_too() -> None:
    with pytest.raises(ParseProblem, match=r"^cannot mix bytes and nonbytes literals$"):
        parse(Source("a.py", "x = b'a' 'b'\n"))


def test_python_may_know_more_than_the_parser() -> None:
    source = Source("a.py", "x = 1\n(a): int = 1\n")
    with pytest.raises(ParseProblem, match=r"^syntax that torchlint's parser does not know$") as problem:
        parse(source)
    assert source.position(problem.value.syntax.offset)[0] == 2


@pytest.mark.parametrize(
    "text",
    [
        r"path = 'C:\users\name'",
        r"path = 'C:\Users\new\xdata'",
        "x = '\\N{no such character}'",
        "return 1\n",
        "await x\n",
        "def f(a, a): pass\n",
        "nonlocal x\n",
    ],
)
def test_what_only_the_compiler_refuses_parses(text: str) -> None:
    with pytest.raises((SyntaxError, UnicodeError)):
        compile(text, "a.py", "exec")
    assert parse(Source("a.py", text)).code == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "    ",
        "# only",
        "\x0cimport a\n",
        "\x0c\x0c'doc'\n\x0cimport a\n",
        "import a\n\n\x0c\nclass B: pass\n",
        "import a\r\n\r\n\x0cclass B: pass\r\n",
        "\\\nimport a\n",
        "class A:\n    \\\n\n    x = 1\n",
        "x = 1\ny = 2\n    # c\n        ",
        "a = 1\rb = 2\r",
        "if a:\r\n\tb\n\tc = (1,\r2)",
    ],
)
def test_offsets_of_code_agree_with_the_text(text: str) -> None:
    assert_in_place(parse(Source("a.py", text)), text)


def assert_in_place(tree: cst.Module, text: str) -> None:
    """All of the tree's code before its footer stands where it stands in the text."""
    code = tree.with_changes(footer=()).code.rstrip()
    assert len(code) <= len(text)
    places = [index for index, character in enumerate(code) if character.isalnum() or character in "\"'("]
    assert [code[index] for index in places] == [text[index] for index in places]


_ATOMS = st.sampled_from(
    [
        "a",
        "b = 1",
        "if a:",
        "(",
        ")",
        "\n",
        "\r",
        "\r\n",
        "\x0c",
        " ",
        "\t",
        "    ",
        "# c",
        '"""x\n"""',
        "\\\n",
        ";",
        "[",
        "]",
        ",",
        "class A:",
        "pass",
        "def f():",
        "\n    ",
        "return",
        "@x",
        'f"{a}"',
        "else:",
        "é",
        "😀",
        "'",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_ATOMS, max_size=14).map("".join))
def test_any_text_gives_a_tree_of_that_text_or_one_problem(text: str) -> None:
    source = Source("a.py", text)
    problem = None
    try:
        tree = parse(source)
    except ParseProblem as refused:
        problem = refused
    if problem is None:
        assert_in_place(tree, text)
    else:
        assert 0 <= problem.syntax.offset <= len(text)
        assert str(problem)
        assert "\n" not in str(problem)


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    parse(Source("a.py", "x = 1\n"))
    with pytest.raises(ParseProblem):
        parse(Source("a.py", "x = = 1\n"))
    assert gc.isenabled()
    gc.disable()
    try:
        parse(Source("a.py", "x = 1\n"))
        assert not gc.isenabled()
    finally:
        gc.enable()
