"""The Code Quality report, against the schema that GitLab checks it by."""

import json

import jsonschema
from hypothesis import given
from made_up import SCRIPT, finding, notebook, report, reports

from torchlint.diagnostic import Severity
from torchlint.report import Report, gitlab
from torchlint.report.characters import well_formed
from torchlint.report.fingerprint import fingerprints
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)
LINE = {"type": "integer", "minimum": 1}
ISSUE = {
    "type": "object",
    "required": ["description", "fingerprint", "severity", "location"],
    "properties": {
        "description": {"type": "string", "minLength": 1},
        "fingerprint": {"type": "string", "minLength": 1},
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {
            "type": "object",
            "required": ["path"],
            "properties": {"path": {"type": "string", "minLength": 1}},
            "oneOf": [
                {
                    "required": ["lines"],
                    "properties": {"lines": {"type": "object", "required": ["begin"], "properties": {"begin": LINE}}},
                },
                {
                    "required": ["positions"],
                    "properties": {
                        "positions": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": {
                                "begin": {"type": "object", "required": ["line"], "properties": {"line": LINE}}
                            },
                        }
                    },
                },
            ],
        },
    },
}
SCHEMA = {"type": "array", "items": ISSUE}


def test_a_finding() -> None:
    made_up = report(SOURCE, finding(SOURCE, "probs, target"))
    assert json.loads(gitlab.render(made_up)) == [
        {
            "type": "issue",
            "check_name": "softmax-into-cross-entropy",
            "description": "TL201: `criterion` expects logits",
            "categories": ["Bug Risk"],
            "severity": "major",
            "fingerprint": fingerprints(made_up)[0],
            "location": {
                "path": "train.py",
                "positions": {"begin": {"line": 6, "column": 31}, "end": {"line": 6, "column": 44}},
            },
        }
    ]
    assert gitlab.render(Report([], {})) == "[]\n"


def test_severities() -> None:
    found = [finding(SOURCE, "probs", severity=severity) for severity in Severity]
    assert [issue["severity"] for issue in json.loads(gitlab.render(report(SOURCE, *found)))] == [
        "major", "minor", "info",
    ]  # fmt: skip


@given(reports())
def test_gitlab_takes_all_of_it(made_up: Report) -> None:
    text = gitlab.render(made_up)
    text.encode()
    issues = json.loads(text)
    jsonschema.validate(issues, SCHEMA)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == len(made_up.diagnostics)
    for issue, found in zip(issues, made_up.diagnostics, strict=True):
        assert issue["location"]["path"] == well_formed(found.filename)
        assert issue["description"] == well_formed(f"{found.code}: {found.message}")


def test_a_notebook_is_looked_up_in_its_json() -> None:
    source = notebook("import torch\n", "x = 1\ny = bad\n")
    (issue,) = json.loads(gitlab.render(report(source, finding(source, "bad"))))
    begin = issue["location"]["positions"]["begin"]
    assert source.file_text.splitlines()[begin["line"] - 1][begin["column"] - 1 :].startswith("bad")
    assert issue["description"] == "TL201: cell 3, line 2: `criterion` expects logits"
