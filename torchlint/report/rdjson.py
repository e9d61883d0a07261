"""Reviewdog's diagnostic format, which it turns into review comments with suggestions.

Columns are counted in bytes of UTF-8, from 1.
"""

import json
from collections.abc import Sequence
from typing import Any

from torchlint.diagnostic import Diagnostic, Edit, Severity, Span
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.report.fixable import would_apply
from torchlint.source import Source, apply_edits

TOOL = {"name": "torchlint", "url": "https://github.com/torchlint/torchlint"}
SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}


def render(report: Report) -> str:
    """The findings as a `DiagnosticResult`. What `--fix` would do becomes a suggestion, one a finding."""
    result = {
        "source": TOOL,
        "diagnostics": [
            _diagnostic(found, report.sources.get(found.filename), report.unsafe_fixes) for found in report.diagnostics
        ],
    }
    return well_formed(json.dumps(result, indent=2, ensure_ascii=False)) + "\n"


def _diagnostic(found: Diagnostic, source: Source | None, unsafe_fixes: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "message": on_disk.with_cell(found.message, source, found.span),
        "location": _location(found.filename, source, found.span),
        "severity": SEVERITIES[found.severity],
        "code": {"value": found.code} | ({"url": found.url} if found.url is not None else {}),
    }
    if source is not None and found.fix is not None and would_apply(found, unsafe_fixes=unsafe_fixes):
        edits = source.edits_in_file(found.fix.edits)
        if edits:
            result["suggestions"] = [_suggestion(source.file_text, edits)]
    if found.related:
        result["related_locations"] = [
            {
                "message": place.message,
                "location": _location(place.filename, source if place.filename == found.filename else None, place.span),
            }
            for place in found.related
        ]
    return result


def _location(filename: str, source: Source | None, span: Span) -> dict[str, Any]:
    if source is None:  # lines alone: how many bytes stand before a column, nobody knows
        return {"path": on_disk.path(filename), "range": {"start": {"line": span.row}, "end": {"line": span.end_row}}}
    span = source.in_file(span)
    return {"path": on_disk.path(filename), "range": _range(source.file_text, span, span)}


def _suggestion(text: str, edits: Sequence[Edit]) -> dict[str, Any]:
    """The edits as one, with what stands between them: suggestions are accepted one by one, a fix only as a whole."""
    first = min((edit.span for edit in edits), key=lambda span: span.start)
    last = max((edit.span for edit in edits), key=lambda span: span.end)
    return {"range": _range(text, first, last), "text": apply_edits(text[: last.end], edits)[first.start :]}


def _range(text: str, first: Span, last: Span) -> dict[str, Any]:
    """From the start of one span to the end of another."""
    return {
        "start": {"line": first.row, "column": _byte_column(text, first.start, first.column)},
        "end": {"line": last.end_row, "column": _byte_column(text, last.end, last.end_column)},
    }


def _byte_column(text: str, offset: int, column: int) -> int:
    return len(text[offset - column + 1 : offset].encode("utf-8", "surrogatepass")) + 1
