"""SARIF 2.1.0, which GitHub code scanning, Azure DevOps and editors read.

The format is described at https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from torchlint.diagnostic import Category, Diagnostic, Edit, Fix, RuleDescription, Severity, Span
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.report.fingerprint import fingerprints
from torchlint.source import Source

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/torchlint/torchlint"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PROBLEM_SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}

CONTEXT = 2  # rows shown before and after
# Nobody reads more of a snippet, and a notebook may stand on a single line.
LONGEST_SNIPPET = 4000
LONGEST_DESCRIPTION = 1000

_WHY = re.compile(r"^## Why is this bad\?\n+(.+?)\s*(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def render(report: Report) -> str:
    """The findings as a SARIF log with one run. Failures of torchlint are notifications of the run, not results."""
    return well_formed(json.dumps(_Log(report).log(), indent=2, ensure_ascii=False)) + "\n"


class _Log:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.rules = {rule.code: _rule(rule) for rule in report.rules()}
        for found in report.diagnostics:
            if not found.internal:
                self.rules.setdefault(found.code, _undescribed_rule(found))
        self.index_of_rule = {code: index for index, code in enumerate(self.rules)}
        self.places: dict[str, _Places] = {}

    def log(self) -> dict[str, Any]:
        marked = list(zip(self.report.diagnostics, fingerprints(self.report), strict=True))
        failures = [found for found, _ in marked if found.internal]
        invocation: dict[str, Any] = {"executionSuccessful": not failures}
        if failures:
            invocation["toolExecutionNotifications"] = [self._notification(found) for found in failures]
        run = {
            "tool": {"driver": self._driver()},
            "automationDetails": {"id": "torchlint/"},
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation],
            "results": [self._result(found, mark) for found, mark in marked if not found.internal],
        }
        return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}

    def _driver(self) -> dict[str, Any]:
        driver = {"name": "torchlint", "informationUri": HOME, "rules": list(self.rules.values())}
        try:
            driver["version"] = version("torchlint")
        except PackageNotFoundError:  # run from a checkout
            return driver
        return driver

    def _result(self, found: Diagnostic, fingerprint: str) -> dict[str, Any]:
        places = self._places(found.filename)
        result: dict[str, Any] = {
            "ruleId": found.code,
            "ruleIndex": self.index_of_rule[found.code],
            "level": LEVELS[found.severity],
            "message": {"text": on_disk.with_cell(found.message, places.source, found.span)},
            "locations": [places.location(found.span)],
            "partialFingerprints": {"torchlint/v1": fingerprint},
        }
        related = _distinct(
            # Another file's source is not at hand.
            (places if place.filename == found.filename else _Places(place.filename, None)).location(place.span)
            | {"message": {"text": place.message}}
            for place in found.related
        )
        if related:
            result["relatedLocations"] = [{"id": number} | location for number, location in enumerate(related, 1)]
        fix = None if found.fix is None else places.fix(found.fix)
        if fix is not None:
            result["fixes"] = [fix]
        cell = on_disk.cell_and_row(places.source, found.span)
        if cell is not None:
            result["properties"] = {"cell": cell[0], "cellLine": cell[1]}
        return result

    def _notification(self, found: Diagnostic) -> dict[str, Any]:
        places = self._places(found.filename)
        return {
            "descriptor": {"id": found.code},
            "level": LEVELS[found.severity],
            "message": {"text": on_disk.with_cell(found.message, places.source, found.span)},
            "locations": [places.location(found.span)],
        }

    def _places(self, filename: str) -> "_Places":
        if filename not in self.places:
            self.places[filename] = _Places(filename, self.report.sources.get(filename))
        return self.places[filename]


class _Places:
    """Places in a file, which for a notebook is its JSON."""

    def __init__(self, filename: str, source: Source | None) -> None:
        self.artifact = {"uri": uri(filename)}
        self.source = source

    @cached_property
    def _file(self) -> Source | None:
        if self.source is None or not self.source.cells:
            return self.source
        return Source(self.source.filename, self.source.file_text)

    def location(self, span: Span) -> dict[str, Any]:
        span = on_disk.span(self.source, span)
        place: dict[str, Any] = {"artifactLocation": self.artifact, "region": _region(span)}
        if self._file is not None:
            length = span.end - span.start
            if 0 < length <= LONGEST_SNIPPET:
                place["region"]["snippet"] = _text(self._file, span)
            start = self._file.offset(max(1, span.row - CONTEXT))
            last = min(self._file.rows, span.end_row + CONTEXT)
            around = self._file.span(start, self._file.offset(last) + len(self._file.line(last)))
            # The context has to hold more than the region.
            if length < around.end - around.start <= LONGEST_SNIPPET:
                place["contextRegion"] = _region(around) | {"snippet": _text(self._file, around)}
        return {"physicalLocation": place}

    def fix(self, fix: Fix) -> dict[str, Any] | None:
        """A fix with all its edits; None if there are none."""
        edits: Sequence[Edit] = fix.edits if self.source is None else self.source.edits_in_file(fix.edits)
        if not edits:
            return None
        replacements = [
            {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}} for edit in edits
        ]
        return {
            "description": {"text": f"{fix.message} ({fix.applicability.value})"},
            "artifactChanges": [{"artifactLocation": self.artifact, "replacements": replacements}],
        }


def uri(filename: str) -> str:
    """A file as a URI: relative to the working directory, or absolute if it is not below it."""
    if os.path.isabs(filename):
        return PurePath(well_formed(filename)).as_uri()
    return quote(well_formed(on_disk.path(filename)), safe="/")


def _text(source: Source, span: Span) -> dict[str, str]:
    return {"text": source.text[span.start : span.end]}


def _region(span: Span) -> dict[str, Any]:
    return {
        "startLine": span.row,
        "startColumn": span.column,
        "endLine": span.end_row,
        "endColumn": span.end_column,
    }


def _rule(rule: RuleDescription) -> dict[str, Any]:
    why = _WHY.search(rule.documentation)
    full = rule.summary if why is None else f"{rule.summary} {' '.join(why.group(1).split())}"
    descriptor: dict[str, Any] = {
        "id": rule.code,
        "name": _pascal_case(rule.name),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": _shortened(full)},
        "help": {"text": rule.documentation, "markdown": rule.documentation},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {
            "precision": "medium" if rule.category is Category.NURSERY else "very-high",
            "problem.severity": PROBLEM_SEVERITIES[rule.severity],
            "tags": ["pytorch", rule.category.value],
        },
    }
    if rule.url is not None:
        descriptor["helpUri"] = rule.url
    return descriptor


def _undescribed_rule(found: Diagnostic) -> dict[str, Any]:
    """A rule as far as a finding tells of it."""
    text = {"text": found.name.replace("-", " ")}
    name = _pascal_case(found.name)
    return {"id": found.code, "name": name, "shortDescription": text, "fullDescription": text, "help": text}


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1].rstrip() + "…"


def _pascal_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _distinct(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())
