"""IPython's syntax out of Python's way, with IPython itself as the judge."""

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchlint.ipython import neutral

transformer = pytest.importorskip("IPython.core.inputtransformer2").TransformerManager()

# Cells that IPython runs, and what of them Python must see: other statements, at their rows.
RUNS = [
    ("%matplotlib inline\nimport torch", ["import torch"]),
    ("import torch\n%load_ext autoreload\n%autoreload 2\nx = 1", ["import torch", "x = 1"]),
    ("!pip install torch", []),
    ("!!ls\nx = 1", ["x = 1"]),
    ("if x:\n    !pip install torch\nelse:\n    %cd ..\n    y = 2", ["y = 2"]),
    ("!pip install \\\n    torch \\\n    numpy\nx = 1", ["x = 1"]),
    ("files = !ls *.png\nx = files[0]", ["x = files[0]"]),
    ("a, b = %magic 1\nx = 1", ["x = 1"]),
    ("d['key'] = !ls\nx = 1", ["x = 1"]),
    ("%time x = f(1)\ny = 2", ["x = f(1)", "y = 2"]),
    ("%time model.fit(x)", ["model.fit(x)"]),
    ("%timeit -n 10 f(x)\ny = 2", ["y = 2"]),
    ("%%time\nx = 1\n%matplotlib inline\ny = 2", ["x = 1", "y = 2"]),
    ("\n\n%%capture out\nx = 1", ["x = 1"]),
    ("?x\nx?\nx.y??\nd[0]?\n%timeit?\ny = 1", ["y = 1"]),
    ("x = 1 # why?\ny = x", ["x = 1", "y = x"]),
    ("text = '''\n!ls\n%cd\nwhat?\n'''\nx = 1", ["x = 1"]),
    ("x = (a\n  % b)\ny = [\n  c\n  !=d]", ["y = [\n  c\n  !=d]"]),
    ("x = 10 \\\n  % 3\ny = 1", ["y = 1"]),
    ("    x = 1\n    y = 2", ["x = 1", "y = 2"]),
    (">>> x = 1\n>>> if x:\n...     y = 2", ["x = 1", "y = 2"]),
    ("s = 'a = !b'\nprint('x = %d' % 3)", ["s = 'a = !b'"]),
    ("x = 1\r\n%cd data\r\ny = 2\r\n", ["x = 1", "y = 2"]),
    ("await f()\nx = 1", ["x = 1"]),
    ("x = 1;\nplt.show();", ["x = 1"]),
    ("/f x\n,f a b\n; f a b\ny = (1\n,2)", ["y = (1\n,2)"]),
    ("*int*?\nx.*?\ny = 1", ["y = 1"]),
    ("files: list[str] = !ls\ny = 1", ["y = 1"]),
    ("    %%time\n    x = 1", ["x = 1"]),
    ("", []),
    ("# only a comment", []),
    ("!", []),
]


def statements(code: str) -> list[str]:
    if re.match(r"\s*^[ \t]+\S", code, re.MULTILINE):
        code = f"if True:\n{code}"
    return [
        ast.get_source_segment(code, node) or "" for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)
    ]


@pytest.mark.parametrize(("cell", "kept"), RUNS)
def test_what_ipython_runs_parses(cell: str, kept: list[str]) -> None:
    ipython = cell.lstrip("\n")
    ast.parse(transformer.transform_cell(ipython.split("\n", 1)[1] if ipython.startswith("%%") else ipython))
    found = neutral(cell)
    assert found.is_python
    seen = statements(found.text)
    for statement in kept:
        assert statement.replace("\r\n", "\n") in [text.replace("\r\n", "\n") for text in seen]


@pytest.mark.parametrize(("cell", "kept"), RUNS)
def test_nothing_moves(cell: str, kept: list[str]) -> None:
    found = neutral(cell)
    assert len(found.text) == len(cell)
    assert [match.span() for match in re.finditer(r"\r?\n", found.text)] == [
        match.span() for match in re.finditer(r"\r?\n", cell)
    ]
    for statement in kept:
        assert found.text.find(statement) == cell.find(statement) or statement.startswith("model")
    changed = {offset for offset, (old, new) in enumerate(zip(cell, found.text, strict=True)) if old != new}
    assert changed <= {offset for start, end in found.ranges for offset in range(start, end)}


@pytest.mark.parametrize("magic", ["bash", "html", "javascript", "writefile a.py", "cython", "sql", "R", "script perl"])
def test_other_languages_are_no_program(magic: str) -> None:
    found = neutral(f"%%{magic}\nimport torch\nif [ -f x ]; then y; fi")
    assert not found.is_python
    assert found.text.count("\n") == 2
    assert not found.text.strip()
    assert not neutral(f"  %%{magic}\n  import (").is_python


@pytest.mark.parametrize(
    ("cell", "is_magic"),
    [("pip install torch", True), ("cd data", True), ("ls", False), ("time = 3", False), ("run.x = 1", False)],
)
def test_a_line_on_its_own_may_be_a_magic_without_sign(cell: str, is_magic: bool) -> None:
    assert neutral(cell).text.startswith("_#") is is_magic


def test_in_a_longer_cell_it_is_a_mistake() -> None:
    assert neutral("x = 1\npip install torch").text == "x = 1\npip install torch"
    assert neutral("// x\n// of another language").text == "// x\n// of another language"


def test_a_statement_that_cannot_follow_a_semicolon_goes_with_its_magic() -> None:
    assert statements(neutral("%time for x in y: f(x)").text) == ["_"]


def test_characters_that_no_parser_reads() -> None:
    assert neutral("x = '\0\ud800'\n").text == "x = '__'\n"


PIECES = st.lists(
    st.sampled_from([
        "x = 1", "%cd ..", "!ls \\", "  more", "if x:", "    !ls", "    y = 2", "x?", "'''", '"', "(", ")", "%%time",
        "%%bash", ">>> z", "", "#!", "a = !b", "s = f'{x!r}'", "%time f()", "\t%x", "é = '\U0001f600'",
    ])
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PIECES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_cell_keeps_its_shape(lines: list[str], newline: str) -> None:
    cell = newline.join(lines)
    found = neutral(cell)
    assert len(found.text) == len(cell)
    assert [match.span() for match in re.finditer(r"[\r\n]", found.text)] == [
        match.span() for match in re.finditer(r"[\r\n]", cell)
    ]


@settings(max_examples=500, deadline=None)
@given(PIECES)
def test_what_ipython_runs_parses_in_any_combination(lines: list[str]) -> None:
    cell = "\n".join(lines)
    found = neutral(cell)
    # IPython lets help end any line, even of what was never closed, and unindents line by line.
    if not found.is_python or "%%" in cell or ">>>" in cell or "?" in cell or cell.lstrip("\n").startswith((" ", "\t")):
        return
    try:
        ast.parse(transformer.transform_cell(cell))
    except SyntaxError:
        return
    statements(found.text)
