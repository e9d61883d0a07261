"""Reviewdog's format, against its schema, and its positions against the bytes of the file."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from made_up import SCRIPT, edit, finding, notebook, report, reports

from torchlint.diagnostic import Applicability, Fix, Related, Severity, Span
from torchlint.report import Report, rdjson
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)
POSITION = {
    "type": "object",
    "required": ["line"],
    "properties": {"line": {"type": "integer", "minimum": 1}, "column": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
RANGE = {
    "type": "object",
    "required": ["start"],
    "properties": {"start": POSITION, "end": POSITION},
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "required": ["path"],
    "properties": {"path": {"type": "string"}, "range": RANGE},
    "additionalProperties": False,
}
NAMED = {"url": {"type": "string", "format": "uri"}}
DIAGNOSTIC = {
    "type": "object",
    "required": ["message", "location"],
    "properties": {
        "message": {"type": "string"},
        "location": LOCATION,
        "severity": {"enum": ["UNKNOWN_SEVERITY", "ERROR", "WARNING", "INFO"]},
        "source": {"type": "object", "properties": {"name": {"type": "string"}, **NAMED}},
        "code": {
            "type": "object",
            "required": ["value"],
            "properties": {"value": {"type": "string"}, **NAMED},
            "additionalProperties": False,
        },
        "suggestions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["range", "text"],
                "properties": {"range": RANGE, "text": {"type": "string"}},
                "additionalProperties": False,
            },
        },
        "original_output": {"type": "string"},
        "related_locations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["location"],
                "properties": {"message": {"type": "string"}, "location": LOCATION},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "required": ["diagnostics"],
    "properties": {
        "diagnostics": {"type": "array", "items": DIAGNOSTIC},
        "source": {"type": "object", "properties": {"name": {"type": "string"}, **NAMED}},
        "severity": {"enum": ["UNKNOWN_SEVERITY", "ERROR", "WARNING", "INFO"]},
    },
    "additionalProperties": False,
}


def read(made_up: Report) -> Any:
    text = rdjson.render(made_up)
    text.encode()
    result = json.loads(text)
    jsonschema.validate(result, SCHEMA)
    return result


def at(data: bytes, position: dict[str, int]) -> int:
    """The offset in a file's bytes of a line and a column in bytes, counted without torchlint."""
    return sum(len(line) for line in data.splitlines(keepends=True)[: position["line"] - 1]) + position["column"] - 1


def within(data: bytes, where: dict[str, dict[str, int]]) -> str:
    return data[at(data, where["start"]) : at(data, where["end"])].decode()


def accepted(data: bytes, suggestion: dict[str, Any]) -> bytes:
    """The file after the suggestion was accepted."""
    where = suggestion["range"]
    text: str = suggestion["text"]
    return data[: at(data, where["start"])] + text.encode() + data[at(data, where["end"]) :]


def test_a_finding() -> None:
    related = (
        Related("softmax is applied here", "train.py", finding(SOURCE, "torch.softmax").span),
        Related("elsewhere", "losses.py", Span(90, 95, 7, 3, 8, 4)),
    )
    result = read(report(SOURCE, finding(SOURCE, "probs, target", related=related)))
    assert result == {
        "source": {"name": "torchlint", "url": "https://github.com/torchlint/torchlint"},
        "diagnostics": [
            {
                "message": "`criterion` expects logits",
                "location": {
                    "path": "train.py",
                    # The string before it takes 7 bytes more than it has characters.
                    "range": {"start": {"line": 6, "column": 38}, "end": {"line": 6, "column": 51}},
                },
                "severity": "ERROR",
                "code": {
                    "value": "TL201",
                    "url": "https://github.com/torchlint/torchlint#softmax-into-cross-entropy",
                },
                "related_locations": [
                    {
                        "message": "softmax is applied here",
                        "location": {
                            "path": "train.py",
                            "range": {"start": {"line": 5, "column": 17}, "end": {"line": 5, "column": 30}},
                        },
                    },
                    {
                        "message": "elsewhere",
                        "location": {"path": "losses.py", "range": {"start": {"line": 7}, "end": {"line": 8}}},
                    },
                ],
            }
        ],
    }
    assert read(Report([], {}))["diagnostics"] == []


def test_severities_and_rules_of_others() -> None:
    found = [finding(SOURCE, "probs", severity=severity, code="ACME101") for severity in Severity]
    diagnostics = read(report(SOURCE, *found))["diagnostics"]
    assert [diagnostic["severity"] for diagnostic in diagnostics] == ["ERROR", "WARNING", "INFO"]
    assert diagnostics[0]["code"] == {"value": "ACME101"}


@pytest.mark.parametrize("unsafe_fixes", [False, True])
@pytest.mark.parametrize("applicability", Applicability)
def test_suggestions_are_what_would_be_applied(applicability: Applicability, unsafe_fixes: bool) -> None:
    found = finding(SOURCE, "probs", fix=Fix("do", applicability, (edit(SOURCE, "probs", "scores"),)))
    (diagnostic,) = read(report(SOURCE, found, unsafe_fixes=unsafe_fixes))["diagnostics"]
    offered = applicability is Applicability.SAFE or (applicability is Applicability.UNSAFE and unsafe_fixes)
    assert ("suggestions" in diagnostic) == offered


@pytest.mark.parametrize(
    "source",
    [
        SOURCE,
        Source("train.py", SCRIPT.replace("\n", "\r\n")),
        notebook("import torch\n", SCRIPT),
        notebook(SCRIPT, ascii=True),
        notebook(SCRIPT, "x = 1\n", indent=None),
    ],
    ids=["script", "crlf", "notebook", "escaped notebook", "notebook on one line"],
)
def test_positions_and_suggestions_are_those_of_the_bytes(source: Source) -> None:
    edits = (
        edit(source, "probs, target", "'é\\n', target"),
        edit(source, "torch.softmax(scores, -1)", "scores"),
        edit(source, "class", "# é\nclass"),
    )
    found = finding(source, "probs, target", fix=Fix("do", Applicability.SAFE, edits))
    (diagnostic,) = read(report(source, found))["diagnostics"]
    assert within(source.data, diagnostic["location"]["range"]) == "probs, target"
    (suggestion,) = diagnostic["suggestions"]
    assert accepted(source.data, suggestion) == source.edited(edits).data


def test_a_notebook_is_looked_up_in_its_json() -> None:
    source = notebook("import torch\n", "x = 1\n'日', bad\n")
    (diagnostic,) = read(report(source, finding(source, "bad")))["diagnostics"]
    assert diagnostic["message"] == "cell 3, line 2: `criterion` expects logits"
    assert within(source.data, diagnostic["location"]["range"]) == "bad"


@given(reports())
def test_any_report_fits_the_schema(made_up: Report) -> None:
    assert len(read(made_up)["diagnostics"]) == len(made_up.diagnostics)
