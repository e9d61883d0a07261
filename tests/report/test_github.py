"""Workflow commands, against what GitHub's own toolkit prints, and what the runner makes of them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from made_up import SCRIPT, finding, notebook, report, reports, texts
from node_client import NodeClient

from torchlint.diagnostic import Diagnostic, Severity, Span
from torchlint.report import Report, github
from torchlint.report.characters import well_formed
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)


@pytest.fixture(scope="module")
def toolkit() -> Iterator[NodeClient]:
    client = NodeClient("actions_core.mjs", "@actions/core")
    yield client
    client.close()


def decoded(line: str) -> tuple[str, dict[str, str], str]:
    """What the runner reads: command, properties, message."""
    assert line.startswith("::")
    head, message = line[2:].split("::", 1)
    command, properties = head.split(" ", 1)
    pairs = (pair.split("=", 1) for pair in properties.strip().split(","))
    return command, {key: _unescaped(value, property=True) for key, value in pairs}, _unescaped(message)


def _unescaped(text: str, *, property: bool = False) -> str:
    if property:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_a_finding() -> None:
    assert github.render(report(SOURCE, finding(SOURCE, "probs, target"))) == (
        "::error title=torchlint (TL201),file=train.py,line=6,endLine=6,col=31,endColumn=44::"
        "train.py:6:31: TL201 `criterion` expects logits (softmax-into-cross-entropy)\n"
    )
    assert github.render(report(SOURCE)) == ""


def test_a_span_over_several_lines_has_no_columns() -> None:
    found = finding(SOURCE, "scores, -1)\n        '日")
    line = github.render(report(SOURCE, found)).rstrip("\n")
    assert decoded(line)[1] == {"title": "torchlint (TL201)", "file": "train.py", "line": "5", "endLine": "6"}


def test_the_worst_come_first() -> None:
    severities = [Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.WARNING, Severity.ERROR, Severity.INFO]
    found = [
        finding(SOURCE, "probs", severity=severity, message=str(number)) for number, severity in enumerate(severities)
    ]
    lines = github.render(report(SOURCE, *found)).splitlines()
    assert [(decoded(line)[0], decoded(line)[2].split()[2]) for line in lines] == [
        ("error", "2"), ("error", "4"), ("warning", "1"), ("warning", "3"), ("notice", "0"), ("notice", "5"),
    ]  # fmt: skip


def test_a_notebook_is_annotated_in_its_json() -> None:
    source = notebook("import torch\n", "y = 1\nx = '😀', bad\n")
    _, properties, message = decoded(github.render(report(source, finding(source, "bad"))).rstrip("\n"))
    row, column = int(properties["line"]), int(properties["col"])
    assert source.file_text.splitlines()[row - 1][column - 1 :].startswith("bad")
    assert properties["endColumn"] == str(column + 3)
    assert message.startswith("train.ipynb:cell 3:2:10: TL201 ")


@given(reports())
def test_the_runner_reads_what_was_meant(made_up: Report) -> None:
    lines = github.render(made_up).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(made_up.diagnostics)
    assert not any("\r" in line for line in lines)
    read = sorted((command, properties["file"], message) for command, properties, message in map(decoded, lines))
    names = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    assert read == sorted(
        (
            names[found.severity],
            well_formed(found.filename),
            well_formed(
                f"{found.filename}:{found.span.row}:{found.span.column}: {found.code} {found.message} ({found.name})"
            ),
        )
        for found in made_up.diagnostics
    )


@settings(deadline=None)
@given(texts, texts, texts)
def test_the_toolkit_prints_the_same(toolkit: NodeClient, filename: str, code: str, message: str) -> None:
    for last_row, severity in zip((2, 2, 3), Severity, strict=True):
        found = Diagnostic(code, "some-rule", message, severity, f"{filename}.py", Span(9, 12, 2, 5, last_row, 8))
        properties: dict[str, object] = {
            "title": f"torchlint ({code})",
            "file": f"{filename}.py",
            "startLine": 2,
            "endLine": last_row,
        }
        if last_row == 2:
            properties |= {"startColumn": 5, "endColumn": 8}
        command = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}[severity]
        expected = toolkit.ask([command, properties, f"{filename}.py:2:5: {code} {message} (some-rule)"])
        assert github.render(Report([found], {})) == expected + "\n"


def test_a_finding_without_source() -> None:
    found = replace(finding(SOURCE, "import"), internal=True, severity=Severity.WARNING)
    assert github.render(Report([found], {})).startswith("::warning title=torchlint (TL201),file=train.py,line=1,")
