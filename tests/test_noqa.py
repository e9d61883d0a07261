"""Adding suppressions: where the comment goes, and that the findings are gone and nothing else is."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import Console, put, torchlint

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.linter import lint
from torchlint.source import Source
from torchlint.suppress import apply, suppression

__all__ = ["torchlint"]  # a fixture

ROOT = Path(__file__).parent.parent
CODE = "TL301"
KNOWN = {"first-defect": CODE, "second-defect": "TL302", "other-defect": "TL999"}


def find(source: Source, part: str, code: str = CODE, name: str = "first-defect") -> Diagnostic:
    first, last = part.split("\n")[0], part.split("\n")[-1]
    start = source.text.index(first)
    span = source.span(start, source.text.index(last, start) + len(last))
    return Diagnostic(code, name, "m", Severity.ERROR, source.filename, span)


def silenced(text: str, *parts: str, reason: str | None = None, code: str = CODE) -> str:
    """The text with comments for findings at its parts, which then really are silenced, and no more to add."""
    source = Source("a.py", text)
    found = [find(source, part, code) for part in parts]
    after = source.edited(suppression(source, found, reason))
    again = [find(after, part, code) for part in parts]
    assert code not in {one.code for one in apply(after, again, (), known=KNOWN)}
    if code != "TL002":
        assert ast.dump(ast.parse(after.text)) == ast.dump(ast.parse(text))
    return after.text


@pytest.mark.parametrize(
    ("before", "part", "after"),
    [
        ("bad = 1\n", "bad", "bad = 1  # noqa: TL301\n"),
        ("bad = 1", "bad", "bad = 1  # noqa: TL301"),
        ("bad = 1   \n", "bad", "bad = 1  # noqa: TL301\n"),
        ("bad = 1\r\nx\r\n", "bad", "bad = 1  # noqa: TL301\r\nx\r\n"),
        ("bad = 1\rx\r", "bad", "bad = 1  # noqa: TL301\rx\r"),
        ("bad = 1  # why\n", "bad", "bad = 1  # why  # noqa: TL301\n"),
        ("bad = 1  # type: ignore[x]\n", "bad", "bad = 1  # type: ignore[x]  # noqa: TL301\n"),
        ("bad = '#'\n", "bad", "bad = '#'  # noqa: TL301\n"),
        # What names rules already names one more.
        ("bad  # noqa: E501\n", "bad", "bad  # noqa: E501, TL301\n"),
        ("bad  # noqa:E501,W291 so\n", "bad", "bad  # noqa:E501,W291,TL301 so\n"),
        ("bad  # noqa: E501 W291\n", "bad", "bad  # noqa: E501 W291 TL301\n"),
        ("bad  # noqa: E501 -- so\n", "bad", "bad  # noqa: E501, TL301 -- so\n"),
        ("bad  # torchlint: ignore[TL302]\n", "bad", "bad  # torchlint: ignore[TL302, TL301]\n"),
        (
            "bad  # torchlint: ignore[other-defect] -- so\n",
            "bad",
            "bad  # torchlint: ignore[other-defect, first-defect] -- so\n",
        ),
        (
            "bad  # torchlint: ignore[ other-defect ]\n",
            "bad",
            "bad  # torchlint: ignore[ other-defect, first-defect ]\n",
        ),
        ("bad  # see # noqa: E501\n", "bad", "bad  # see # noqa: E501, TL301\n"),
        # What is broken, or speaks of the file, is let be.
        ("bad  # torchlint: ignore[TL302\n", "bad", "bad  # torchlint: ignore[TL302  # noqa: TL301\n"),
        ("bad  # torchlint: ignore[]\n", "bad", "bad  # torchlint: ignore[]  # noqa: TL301\n"),
        (
            "bad  # torchlint: ignore-file[TL302]\n",
            "bad",
            "bad  # torchlint: ignore-file[TL302]  # noqa: TL301\n",
        ),
        # Where a row cannot hold a comment.
        ("bad = '''\nx'''\ny\n", "bad", "bad = '''\nx'''  # noqa: TL301\ny\n"),
        ("x = '''\nbad\n'''\ny\n", "bad", "x = '''\nbad\n'''  # noqa: TL301\ny\n"),
        ("bad = \\\n  1\n", "bad", "bad = \\\n  1  # noqa: TL301\n"),
        ("bad = '\\\nx'\n", "bad", "bad = '\\\nx'  # noqa: TL301\n"),
        ("f(bad, '''\nx''',\n  y)\n", "bad", "f(bad, '''\nx''',\n  y)  # noqa: TL301\n"),
        ("f(bad, '''\nx''', '''\ny''')\n", "bad", "f(bad, '''\nx''', '''\ny''')  # noqa: TL301\n"),
        ("f(bad, '''\nx''',\n  y)  # noqa: E501\n", "bad", "f(bad, '''\nx''',\n  y)  # noqa: E501, TL301\n"),
        # A finding of several rows.
        ("f(bad,\n  x)\n", "bad,\n  x", "f(bad,  # noqa: TL301\n  x)\n"),
        ("f(bad,\n  x)  # noqa: E501\n", "bad,\n  x", "f(bad,\n  x)  # noqa: E501, TL301\n"),
        ("f(\n  bad\n)  # noqa: E501\n", "bad", "f(\n  bad\n)  # noqa: E501, TL301\n"),
        ("if bad:\n  x\n", "bad", "if bad:  # noqa: TL301\n  x\n"),
    ],
)
def test_where_it_goes(before: str, part: str, after: str) -> None:
    assert silenced(before, part) == after


def test_a_reason() -> None:
    assert silenced("bad\n", "bad", reason="old code") == "bad  # noqa: TL301 -- old code\n"
    assert silenced("bad\n", "bad", reason="  old\n code ") == "bad  # noqa: TL301 -- old code\n"
    assert silenced("bad  # noqa: E501\n", "bad", reason="old") == "bad  # noqa: E501, TL301 -- old\n"
    assert silenced("bad  # noqa: E501 -- new\n", "bad", reason="old") == "bad  # noqa: E501, TL301 -- new\n"
    text = silenced("bad  # torchlint: ignore[other-defect]\n", "bad", reason="old")
    assert text == "bad  # torchlint: ignore[other-defect, first-defect] -- old\n"


def test_several_findings_share_a_comment() -> None:
    source = Source("a.py", "bad = worse\n")
    found = [find(source, "worse", "TL302"), find(source, "bad"), find(source, "worse", "TL302")]
    assert source.edited(suppression(source, found)).text == "bad = worse  # noqa: TL301, TL302\n"
    assert len(suppression(source, found)) == 1


def test_a_comment_alone_on_its_row() -> None:
    assert silenced("# noqa: TL999\n", "#", code="TL002") == "# noqa: TL999, TL002\n"
    text = "# torchlint: ignore-file[TL999]\n"
    assert silenced(text, "#", code="TL002") == "# torchlint: ignore-file[TL999]  # noqa: TL002\n"


def test_what_no_comment_silences_gets_none() -> None:
    source = Source("a.py", "bad\n")
    failure = Diagnostic("TL001", "n", "m", Severity.ERROR, "a.py", source.span(0, 3), internal=True)
    assert suppression(source, [failure, find(source, "bad", "TL000")]) == []
    assert suppression(source, []) == []


def test_in_a_notebook_the_cell_is_changed() -> None:
    from torchlint import notebook

    cells = ["%matplotlib inline\nbad = 1", "x  # noqa: E501\n"]
    code: dict[str, object] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    made = [{**code, "source": cell} for cell in cells]
    table = {"cells": made, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 4}
    source = notebook.load("a.ipynb", json.dumps(table).encode())
    found = [find(source, "bad"), find(source, "x")]
    after = json.loads(source.edited(suppression(source, found)).data)
    assert [cell["source"] for cell in after["cells"]] == [
        "%matplotlib inline\nbad = 1  # noqa: TL301",
        "x  # noqa: E501, TL301\n",
    ]


# -- the console, with the real rules ---------------------------------------------------------------

SCRIPT = "import torch\n\nx = torch.ones(3, requires_grad=True)\nprint(x.numpy())\n"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "torchlint", "--isolated", "--output-format", "concise", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_all_fixtures_can_be_silenced(tmp_path: Path, ending: str, mark: str) -> None:
    copy = tmp_path / "fixtures"
    shutil.copytree(ROOT / "fixtures", copy, ignore=shutil.ignore_patterns("*.ipynb"))
    before = {}
    for path in copy.rglob("*.py"):
        text = path.read_text("utf-8")
        path.write_bytes((mark + text.replace("\n", ending)).encode())
        before[path] = path.read_bytes()
    findings = run(copy, "--select", "ALL", "-q").stdout.splitlines()
    assert len(findings) > 100
    done = run(copy, "--select", "ALL", "--add-noqa=known")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith(f"torchlint: added suppressions of {len(findings)} findings to ")
    after = run(copy, "--select", "ALL", "-q")
    assert (after.returncode, after.stdout, after.stderr) == (0, "", "")
    changed = {path for path in before if path.read_bytes() != before[path]}
    assert {line.split(":")[0] for line in findings} == {str(path.relative_to(copy)) for path in changed}
    for path in changed:
        old, new = (data.decode().split(ending) for data in (before[path], path.read_bytes()))
        assert len(old) == len(new)
        for was, line in zip(old, new, strict=True):
            assert line == was or (line.startswith(was.rstrip()) and line.endswith(" -- known")), line
    once = {path: path.read_bytes() for path in before}
    assert "of 0 findings to 0 files" in run(copy, "--select", "ALL", "--add-noqa=other").stderr
    assert {path: path.read_bytes() for path in before} == once


def test_what_stands_next_is_a_path(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(SCRIPT)
    assert run(tmp_path, "--add-noqa", "a.py").returncode == 0
    assert (tmp_path / "a.py").read_text() == SCRIPT.replace("())\n", "())  # noqa: TL301\n")
    assert (tmp_path / "b.py").read_text() == SCRIPT
    assert run(tmp_path, "--", "--add-noqa").stderr.startswith("torchlint: --add-noqa: no such file")


def test_an_encoding_without_the_characters_of_the_reason(tmp_path: Path) -> None:
    data = ("# coding: latin-1\n" + SCRIPT + "print('é')\n").encode("latin-1")
    (tmp_path / "a.py").write_bytes(data)
    done = run(tmp_path, "--add-noqa=→")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("torchlint: a.py: left as it was: iso8859-1 cannot hold '→'")
    assert (tmp_path / "a.py").read_bytes() == data
    assert run(tmp_path, "--add-noqa=é").returncode == 0
    expected = data.replace(b"numpy())", "numpy())  # noqa: TL301 -- é".encode("latin-1"))
    assert (tmp_path / "a.py").read_bytes() == expected


def test_a_file_that_does_not_parse(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nx = (\n")
    (tmp_path / "b.py").write_text('import torch\npath = "C:\\data\\"\n')
    done = run(tmp_path, "--add-noqa")
    assert done.returncode == 0
    assert done.stderr.startswith("torchlint: a.py:2:5: TL000 a comment cannot silence this: ")
    assert (tmp_path / "a.py").read_text() == "import torch\nx = (\n"
    assert (tmp_path / "b.py").read_text() == 'import torch\npath = "C:\\data\\"  # noqa: TL902\n'


def test_a_cell_that_does_not_parse_is_named(tmp_path: Path) -> None:
    code: dict[str, object] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    cells = [{**code, "source": text} for text in ("import torch\n\n", "x = 1\ny = (\n")]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    done = run(tmp_path, "--add-noqa")
    assert done.stderr.startswith("torchlint: a.ipynb:cell 2:")
    assert ": TL000 a comment cannot silence this: " in done.stderr


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    from torchlint import noqa
    from torchlint.config import Settings
    from torchlint.discover import File
    from torchlint.runner import FileResult

    source = Source("a.py", "bad\n")
    (tmp_path / "a.py").write_text("changed in the meantime\n")
    file = File(str(tmp_path / "a.py"), "a.py", Settings(str(tmp_path)))
    result = FileResult(file, (find(source, "bad"),), source)
    added = noqa.add_noqa([result], lambda result, data: FileResult(result.file), None)
    assert (added.findings, added.files, added.failed) == (0, 0, True)
    assert added.problems == ("a.py: left as it was: it changed while it was being fixed; left alone",)
    assert (tmp_path / "a.py").read_text() == "changed in the meantime\n"


def test_a_finding_that_stays_leaves_the_file_alone(tmp_path: Path) -> None:
    from torchlint import noqa
    from torchlint.config import Settings
    from torchlint.discover import File
    from torchlint.runner import FileResult

    (tmp_path / "a.py").write_text("bad\n")
    file = File(str(tmp_path / "a.py"), "a.py", Settings(str(tmp_path)))

    def stubborn(result: FileResult, data: bytes) -> FileResult:
        source = Source("a.py", data.decode())
        return FileResult(file, (find(source, "bad"),), source)

    added = noqa.add_noqa([stubborn(FileResult(file), b"bad\n")], stubborn, None)
    assert added.problems == ("a.py: left as it was: TL301 at 1:1 would still be found",)
    assert added.failed
    assert (tmp_path / "a.py").read_text() == "bad\n"


def test_a_program_that_would_be_another_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchlint import noqa
    from torchlint.config import Settings
    from torchlint.diagnostic import Edit
    from torchlint.discover import File
    from torchlint.runner import FileResult

    (tmp_path / "a.py").write_text("bad\n")
    file = File(str(tmp_path / "a.py"), "a.py", Settings(str(tmp_path)))
    source = Source("a.py", "bad\n")
    result = FileResult(file, (find(source, "bad"),), source)
    for content in ("good = ", "= "):
        edits = [Edit(source.span(0, 0), content)]
        monkeypatch.setattr(noqa, "suppression", lambda source, found, reason=None, edits=edits: edits[: len(found)])
        added = noqa.add_noqa([result], lambda result, data: FileResult(result.file), None)
        assert added.problems == ("a.py: left as it was: a comment would change the program",)
    assert (tmp_path / "a.py").read_text() == "bad\n"


def test_what_a_baseline_covers_is_silenced_where_its_line_changes(tmp_path: Path) -> None:
    two = SCRIPT.replace("print(x.numpy())", "torch.nn.CrossEntropyLoss()(scores.softmax(1), labels), x.numpy()")
    two = two.replace("\nx =", "scores, labels = torch.nn.Linear(4, 3)(torch.randn(8, 4)), torch.zeros(8).long()\nx =")
    (tmp_path / "a.py").write_text(two)
    codes = {line.split()[1] for line in run(tmp_path, "-q").stdout.splitlines()}
    assert codes == {"TL201", "TL301"}
    run(tmp_path, "--select", "TL201", "--baseline", "b.json", "--write-baseline")
    assert {line.split()[1] for line in run(tmp_path, "-q", "--baseline", "b.json").stdout.splitlines()} == {"TL301"}
    done = run(tmp_path, "--baseline", "b.json", "--add-noqa")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.py").read_text() == two.replace("numpy()\n", "numpy()  # noqa: TL301, TL201\n")
    assert run(tmp_path, "-q").stdout == ""


def test_failures_fail(torchlint: Console) -> None:
    put("a.py", "import torch\ncrash bad\n")
    outcome = torchlint("--add-noqa")
    assert outcome.code == 2
    assert "a.py:1:1: TL001 ZeroDivisionError" in outcome.err


@pytest.mark.parametrize("other", ["--fix", "--diff", "--write-baseline", "-", "--watch"])
def test_what_it_cannot_be_used_with(torchlint: Console, other: str) -> None:
    outcome = torchlint("--add-noqa", other)
    assert outcome.code == 2
    assert "cannot be used together" in outcome.err


def test_the_rules_that_ran_see_what_was_written() -> None:
    from torchlint.registry import load

    registry = load(plugins=False)
    source = Source("a.py", SCRIPT)
    found = lint(source, registry.rules, known=registry.known)
    after = source.edited(suppression(source, found))
    assert len(found) == 1
    assert lint(after, registry.rules, known=registry.known) == []
