"""`--output-format lsp`: what the protocol's own types accept, at the places that an editor means."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lsprotocol import converters, types

from torchlint.diagnostic import Applicability, Diagnostic, Edit, Fix, Related, Severity, Span
from torchlint.report import Report, lsp
from torchlint.source import Source

ROOT = Path(__file__).resolve().parents[2]
TEXT = "import torch\n\n\ty = '\N{FIRE}', x.numpy()\n"


def finding(source: Source, of: str, *, code: str = "TL301", related: tuple[Related, ...] = ()) -> Diagnostic:
    start = source.text.index(of)
    span = source.span(start, start + len(of))
    fix = Fix("insert", Applicability.SAFE, (Edit(source.span(start, start), "\ud800'"),))
    return Diagnostic(
        code, "numpy-on-grad-tensor", "it raises", Severity.WARNING, source.filename, span, "do", fix, related
    )


def rendered(report: Report) -> list[types.PublishDiagnosticsParams]:
    converter = converters.get_converter()
    return [
        converter.structure(json.loads(line), types.PublishDiagnosticsParams)
        for line in lsp.render(report).splitlines()
    ]


def test_a_line_for_each_file() -> None:
    one, two = Source("a b#.py", TEXT), Source("sub/b.py", TEXT)
    elsewhere = Related("there", "sub/b.py", two.span(TEXT.index("x.num"), TEXT.index("x.num") + 1))
    unknown = Related("and there", "c.py", Span(5, 6, 3, 4, 3, 5))
    here = Related("here", "a b#.py", one.span(0, 6))
    found = [
        finding(one, "x.numpy()", related=(elsewhere, unknown, here)),
        finding(one, "import", code="TL002"),
        finding(two, "x.numpy()", code="ACM1"),
    ]
    first, second = rendered(Report(found, {"a b#.py": one, "sub/b.py": two}))
    assert first.uri == Path("a b#.py").absolute().as_uri()
    assert "%20" in first.uri
    assert "%23" in first.uri
    numpy, unused = first.diagnostics
    # A tab is one character, and the one outside the basic plane is two.
    assert numpy.range == types.Range(types.Position(2, 11), types.Position(2, 20))
    assert (numpy.severity, numpy.source, numpy.message) == (
        types.DiagnosticSeverity.Warning,
        "torchlint",
        "it raises\nhelp: do",
    )
    assert numpy.related_information is not None
    places = [
        (place.location.uri.rpartition("/")[2], place.location.range.start) for place in numpy.related_information
    ]
    assert places == [
        ("b.py", types.Position(2, 11)),
        ("c.py", types.Position(2, 3)),
        ("a%20b%23.py", types.Position(0, 0)),
    ]
    assert numpy.tags is None
    assert unused.tags == (types.DiagnosticTag.Unnecessary,)
    assert isinstance(numpy.data, dict)
    (edit,) = numpy.data["fix"]["edits"]
    assert (edit["uri"], edit["newText"], edit["range"]["start"]) == (
        first.uri,
        "\N{REPLACEMENT CHARACTER}'",
        {"line": 2, "character": 11},
    )
    (foreign,) = second.diagnostics
    assert foreign.code_description is None


def test_nothing_found() -> None:
    assert lsp.render(Report([], {})) == ""


def test_a_file_that_could_not_be_read() -> None:
    span = Span(0, 0, 1, 1, 1, 1)
    found = Diagnostic("TL003", "unreadable-file", "no", Severity.ERROR, "gone.py", span, internal=True)
    (params,) = rendered(Report([found], {}))
    assert params.diagnostics[0].range == types.Range(types.Position(0, 0), types.Position(0, 0))


def run(*arguments: str, stdin: str = "") -> types.PublishDiagnosticsParams:
    command = [sys.executable, "-m", "torchlint", "check", "--isolated", "--output-format", "lsp", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1, done.stderr
    return converters.get_converter().structure(json.loads(done.stdout), types.PublishDiagnosticsParams)


def test_on_the_console(tmp_path: Path) -> None:
    text = "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.numpy()\n"
    path = tmp_path / "a.py"
    path.write_text(text)
    params = run(str(path))
    assert (params.uri, params.diagnostics[0].range.start) == (path.as_uri(), types.Position(2, 4))
    assert run("-", stdin=text).uri == "untitled:stdin"
    assert run("-", "--stdin-filename", str(path), stdin=text).uri == path.as_uri()


def test_a_notebook_is_the_json_that_it_is_on_disk(tmp_path: Path) -> None:
    code = ["import torch\n", "x = torch.ones(2, requires_grad=True)\n", "y = '\N{FIRE}', x.numpy()"]
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    ]
    text = json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False
    )
    path = tmp_path / "book.ipynb"
    path.write_text(text, encoding="utf-8")
    (found,) = run(str(path)).diagnostics
    line = text.split("\n")[found.range.start.line].encode("utf-16-le")
    assert line[2 * found.range.start.character : 2 * found.range.end.character].decode("utf-16-le") == "x.numpy()"
    assert isinstance(found.data, dict)
    (edit,) = found.data["fix"]["edits"]
    assert edit["range"]["start"] == {"line": found.range.start.line, "character": found.range.start.character + 1}
