"""SARIF, against its schema, Microsoft's validator, and the text of the files."""

import json
import os
import platform
import subprocess
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given
from made_up import NASTY, RULE, SCRIPT, edit, finding, notebook, report, reports
from node_client import CLIENTS

from torchlint.diagnostic import Applicability, Category, Diagnostic, Fix, Related, Severity, Span
from torchlint.registry import load
from torchlint.report import Report, sarif
from torchlint.report.characters import well_formed
from torchlint.report.fingerprint import fingerprints
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)
MULTITOOL = CLIENTS / "node_modules" / "@microsoft" / "sarif-multitool-linux"
# What the validator remarks even on the best of logs: messages without placeholders, no URL of the repository, and
# that it cannot reach the web.
REMARKS = {"SARIF2002", "SARIF2003", "SARIF2006"}
# The same of files that are elsewhere or not at hand, and of a rule that nobody describes.
REMARKS_ON_ODDITIES = {*REMARKS, "SARIF2010", "SARIF2011", "SARIF2012", "SARIF2016"}


@cache
def validator() -> jsonschema.Draft202012Validator:
    path = MULTITOOL / "sarif-2.1.0.json"
    if not path.is_file():
        pytest.skip("@microsoft/sarif-multitool-linux is not installed: npm install --prefix tests/clients")
    return jsonschema.Draft202012Validator(json.loads(path.read_text("utf-8-sig")))


def run_of(made_up: Report) -> Any:
    text = sarif.render(made_up)
    text.encode()
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return run


def cut(text: str, region: dict[str, int]) -> str:
    """The text of a region, by its lines and columns alone."""
    lines = Source("", text)
    start = lines.offset(region["startLine"], region["startColumn"])
    return text[start : lines.offset(region["endLine"], region["endColumn"])]


def replaced(text: str, replacements: list[dict[str, Any]]) -> str:
    """A text after the replacements of a fix, the last one first."""
    lines = Source("", text)

    def start(replacement: dict[str, Any]) -> int:
        region = replacement["deletedRegion"]
        return lines.offset(region["startLine"], region["startColumn"])

    for replacement in sorted(replacements, key=start, reverse=True):
        end = start(replacement) + len(cut(lines.text, replacement["deletedRegion"]))
        text = text[: start(replacement)] + replacement["insertedContent"]["text"] + text[end:]
    return text


def test_a_result() -> None:
    related = (
        Related("softmax is applied here", "train.py", finding(SOURCE, "torch.softmax").span),
        Related("elsewhere", "losses.py", Span(90, 95, 7, 3, 8, 4)),
    )
    made_up = report(SOURCE, finding(SOURCE, "probs, target", related=related))
    run = run_of(made_up)
    (result,) = run["results"]
    assert result == {
        "ruleId": "TL201",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "`criterion` expects logits"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "train.py"},
                    "region": {
                        "startLine": 6,
                        "startColumn": 31,
                        "endLine": 6,
                        "endColumn": 44,
                        "snippet": {"text": "probs, target"},
                    },
                    "contextRegion": {
                        "startLine": 4,
                        "startColumn": 1,
                        "endLine": 7,
                        "endColumn": 1,
                        "snippet": {"text": SCRIPT[SCRIPT.index("    def step") :]},
                    },
                }
            }
        ],
        "partialFingerprints": {"torchlint/v1": fingerprints(made_up)[0]},
        "relatedLocations": [
            {
                "id": 1,
                "physicalLocation": {
                    "artifactLocation": {"uri": "train.py"},
                    "region": {
                        "startLine": 5,
                        "startColumn": 17,
                        "endLine": 5,
                        "endColumn": 30,
                        "snippet": {"text": "torch.softmax"},
                    },
                    "contextRegion": {
                        "startLine": 3,
                        "startColumn": 1,
                        "endLine": 7,
                        "endColumn": 1,
                        "snippet": {"text": SCRIPT[SCRIPT.index("class") :]},
                    },
                },
                "message": {"text": "softmax is applied here"},
            },
            {
                "id": 2,
                "physicalLocation": {
                    "artifactLocation": {"uri": "losses.py"},
                    "region": {"startLine": 7, "startColumn": 3, "endLine": 8, "endColumn": 4},
                },
                "message": {"text": "elsewhere"},
            },
        ],
    }
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["automationDetails"] == {"id": "torchlint/"}
    assert run["invocations"] == [{"executionSuccessful": True}]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule == {
        "id": "TL201",
        "name": "SoftmaxIntoCrossEntropy",
        "shortDescription": {"text": "Checks for softmax output passed to cross entropy."},
        "fullDescription": {"text": "Checks for softmax output passed to cross entropy. It is squashed twice."},
        "help": {"text": RULE.documentation, "markdown": RULE.documentation},
        "helpUri": "https://github.com/torchlint/torchlint#softmax-into-cross-entropy",
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "precision": "very-high",
            "problem.severity": "error",
            "tags": ["pytorch", "correctness"],
        },
    }


def test_nothing_found() -> None:
    run = run_of(Report([], {}))
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_every_rule_is_described_once_as_github_wants_it() -> None:
    rules = load(plugins=False).descriptions()
    described = run_of(Report([], {}, rules=lambda: rules))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in described] == sorted({rule.code for rule in rules})
    for rule in described:
        assert 0 < len(rule["shortDescription"]["text"]) <= len(rule["fullDescription"]["text"]) <= 1000
        assert rule["help"]["text"]
        assert len(rule["properties"]["tags"]) <= 10


def test_a_long_description_is_shortened() -> None:
    rule = replace(RULE, documentation=f"Checks.\n\n## Why is this bad?\n{'very ' * 400}\n", category=Category.NURSERY)
    (described,) = run_of(Report([], {}, rules=lambda: [rule]))["tool"]["driver"]["rules"]
    assert len(described["fullDescription"]["text"]) <= 1000
    assert described["fullDescription"]["text"].endswith("…")
    assert described["properties"]["precision"] == "medium"


def test_failures_of_torchlint_are_no_results() -> None:
    failure = replace(finding(SOURCE, "import"), code="TL001", name="internal-error", internal=True)
    run = run_of(report(SOURCE, finding(SOURCE, "probs"), failure))
    assert [result["ruleId"] for result in run["results"]] == ["TL201"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["descriptor"] == {"id": "TL001"}
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "train.py"}


@pytest.mark.parametrize(
    "source",
    [
        SOURCE,
        Source("train.py", SCRIPT.replace("\n", "\r\n")),
        notebook("import torch\n", SCRIPT),
        notebook(SCRIPT, "x = 1\n", indent=None, ascii=True),
    ],
    ids=["script", "crlf", "notebook", "notebook on one line"],
)
def test_regions_and_fixes_are_those_of_the_file(source: Source) -> None:
    edits = (
        edit(source, "probs, target", "'é\\n', target"),
        edit(source, "torch.softmax(scores, -1)", "scores"),
        edit(source, "class", "# é\nclass"),
    )
    found = finding(source, "probs, target", fix=Fix("pass the scores", Applicability.UNSAFE, edits))
    (result,) = run_of(report(source, found))["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert cut(source.file_text, region) == region["snippet"]["text"] == "probs, target"
    (fix,) = result["fixes"]
    assert fix["description"]["text"] == "pass the scores (unsafe)"
    (change,) = fix["artifactChanges"]
    assert replaced(source.file_text, change["replacements"]) == source.edited(edits).file_text


def test_a_notebook_says_its_cell() -> None:
    source = notebook("import torch\n", "x = 1\ny = bad\n")
    (result,) = run_of(report(source, finding(source, "bad")))["results"]
    assert result["message"]["text"] == "cell 3, line 2: `criterion` expects logits"
    assert result["properties"] == {"cell": 3, "cellLine": 2}


def test_a_notebook_on_one_line_is_not_in_the_log_time_and_again() -> None:
    source = notebook(*["x = 1\n" * 1000, "bad\n"] * 10, indent=None)
    made_up = report(source, *[finding(source, "bad")] * 50)
    assert len(sarif.render(made_up)) < len(source.file_text)


@pytest.mark.skipif(os.sep != "/", reason="these are names on POSIX")
@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("src/train.py", "src/train.py"),
        ("a b#c?d%.py", "a%20b%23c%3Fd%25.py"),
        ("c:d.py", "c%3Ad.py"),
        ("é日.py", "%C3%A9%E6%97%A5.py"),
        ("a\\b\n.py", "a%5Cb%0A.py"),
        ("/out side/é.py", "file:///out%20side/%C3%A9.py"),
        ("-", "-"),
    ],
)
def test_uris(filename: str, expected: str) -> None:
    assert sarif.uri(filename) == expected


@given(reports())
def test_any_report_fits_the_schema(made_up: Report) -> None:
    run = run_of(made_up)
    validator().validate({"version": "2.1.0", "runs": [run]})
    wanted = [found for found in made_up.diagnostics if not found.internal]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result, found in zip(run["results"], wanted, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == found.code
        assert result["message"]["text"] == well_formed(found.message)
        place = result["locations"][0]["physicalLocation"]
        uri = urlsplit(place["artifactLocation"]["uri"])
        assert not uri.scheme
        assert not uri.query
        assert not uri.fragment
        assert unquote(uri.path) == well_formed(found.filename)
        related = [json.dumps(location) for location in result.get("relatedLocations", [])]
        assert len(set(related)) == len(related)
        source = made_up.sources.get(found.filename)
        if source is not None:
            for region in (place["region"], place.get("contextRegion")):
                if region is not None and "snippet" in region:
                    assert cut(source.text, region) == region["snippet"]["text"]


def ordinary() -> Report:
    """A report as a user's project gives it."""
    fix = Fix("pass the scores", Applicability.SAFE, (edit(SOURCE, "probs", "scores"),))
    related = Related("softmax is applied here", "train.py", finding(SOURCE, "torch.softmax").span)
    rules = load(plugins=False).descriptions()
    cells = notebook("import torch\n", SCRIPT)
    found = [finding(SOURCE, "probs, target", fix=fix, related=(related,)), finding(cells, "probs, target")]
    return Report(found, {"train.py": SOURCE, cells.filename: cells}, rules=lambda: rules)


def all_of_it() -> Report:
    """A report with everything that a log may hold."""
    cells = notebook("import torch\n", SCRIPT)
    odd = Source("ä b/c#d.py", "x = '\x1b😀'\n")
    fix = Fix("pass the scores", Applicability.SAFE, (edit(SOURCE, "probs", "scores"), edit(SOURCE, "torch", "t")))
    related = (
        Related("softmax is applied here", "train.py", finding(SOURCE, "torch.softmax").span),
        Related("softmax is applied here", "train.py", finding(SOURCE, "torch.softmax").span),
        Related("elsewhere", "losses.py", Span(90, 95, 7, 3, 8, 4)),
    )
    found: list[Diagnostic] = [
        finding(SOURCE, "probs, target", fix=fix, related=related),
        finding(SOURCE, "scores, -1)\n        '日", severity=Severity.WARNING),
        finding(SOURCE, "", severity=Severity.INFO, code="ACME101", name="other-rule"),
        replace(finding(SOURCE, "import"), code="TL001", name="internal-error", internal=True),
        finding(cells, "probs, target", fix=Fix("do", Applicability.DISPLAY, (edit(cells, "probs", "scores"),))),
        replace(finding(SOURCE, "import"), filename="/elsewhere/missing.py"),
        *(finding(odd, "😀", message=message) for message in NASTY if message.strip()),
    ]
    rules = load(plugins=False).descriptions()
    return Report(found, {"train.py": SOURCE, cells.filename: cells, odd.filename: odd}, rules=lambda: rules)


@pytest.mark.parametrize(
    ("made_up", "remarks"),
    [(report(SOURCE), REMARKS), (ordinary(), REMARKS), (all_of_it(), REMARKS_ON_ODDITIES)],
    ids=["nothing found", "ordinary", "all of it"],
)
def test_microsofts_validator_finds_no_fault(made_up: Report, remarks: set[str], tmp_path: Path) -> None:
    program = MULTITOOL / "Sarif.Multitool"
    if not program.is_file() or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("@microsoft/sarif-multitool-linux is not installed: npm install --prefix tests/clients")
    log, verdict = tmp_path / "log.sarif", tmp_path / "verdict.sarif"
    log.write_text(sarif.render(made_up), "utf-8")
    options = ["--rule-kind", "Sarif;Ghas", "--level", "Error;Warning;Note", "--log", "ForceOverwrite"]
    done = subprocess.run(
        [str(program), "validate", str(log), *options, "-o", str(verdict)],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert verdict.is_file(), done
    (run,) = json.loads(verdict.read_text("utf-8-sig"))["runs"]
    assert run["invocations"][0]["executionSuccessful"], run
    # Its exit status says nothing of what it found.
    found = Counter((result.get("level", "warning"), result["ruleId"]) for result in run["results"])
    assert {rule for level, rule in found if level == "note"} <= remarks
    assert not [(level, rule) for level, rule in found if level != "note"], run["results"]
