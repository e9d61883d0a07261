"""Logging commands, read by Azure's own library."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from made_up import SCRIPT, finding, notebook, report, reports
from node_client import NodeClient

from torchlint.diagnostic import Severity
from torchlint.report import Report, azure
from torchlint.report.characters import well_formed
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)


@pytest.fixture(scope="module")
def library() -> Iterator[NodeClient]:
    client = NodeClient("azure_task_lib.mjs", "azure-pipelines-task-lib")
    yield client
    client.close()


def test_a_finding() -> None:
    found = [finding(SOURCE, "probs, target", severity=severity) for severity in Severity]
    error, warning, info = azure.render(report(SOURCE, *found)).splitlines()
    assert error == (
        "##vso[task.logissue type=error;sourcepath=train.py;linenumber=6;columnnumber=31;code=TL201;]"
        "TL201 `criterion` expects logits (softmax-into-cross-entropy)"
    )
    assert warning == info == error.replace("type=error", "type=warning")
    assert azure.render(report(SOURCE)) == ""


@settings(deadline=None)
@given(reports())
def test_the_library_reads_what_was_meant(library: NodeClient, made_up: Report) -> None:
    lines = azure.render(made_up).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(made_up.diagnostics)
    for line, found in zip(lines, made_up.diagnostics, strict=True):
        assert "\r" not in line
        assert json.loads(library.ask(line)) == {
            "command": "task.logissue",
            "properties": {
                "type": "error" if found.severity is Severity.ERROR else "warning",
                "sourcepath": well_formed(found.filename),
                "linenumber": str(found.span.row),
                "columnnumber": str(found.span.column),
                "code": found.code,
            },
            "message": well_formed(f"{found.code} {found.message} ({found.name})"),
        }


def test_a_notebook_is_looked_up_in_its_json() -> None:
    source = notebook("import torch\n", "x = 1\ny = bad\n")
    line = azure.render(report(source, finding(source, "bad")))
    row = [number for number, text in enumerate(source.file_text.splitlines(), 1) if "bad" in text]
    assert f";linenumber={row[0]};" in line
    assert "]TL201 cell 3, line 2: `criterion` expects" in line
