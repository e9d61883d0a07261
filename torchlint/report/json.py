"""An array of objects with ruff's keys, so that scripts written for ruff's output work."""

import json
from typing import Any

from torchlint.diagnostic import Diagnostic, Fix, Span
from torchlint.report import Report
from torchlint.source import Source


def render(report: Report) -> str:
    """The findings as a JSON array. Rows and columns count from 1: columns code points, a notebook's rows by cell."""
    return json.dumps(objects(report), indent=2, ensure_ascii=False) + "\n"


def objects(report: Report) -> list[dict[str, Any]]:
    """The findings as objects."""
    return [_finding(found, report.sources.get(found.filename)) for found in report.diagnostics]


def _finding(found: Diagnostic, source: Source | None) -> dict[str, Any]:
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity.value,
        "message": found.message,
        "help": found.help,
        "filename": found.filename,
        **_place(source, found.span),
        # A comment at the end of the last row is always possible; the first may end inside a string.
        "noqa_row": _place(source, found.span)["end_location"]["row"],
        "url": found.url,
        "fix": None if found.fix is None else _fix(found.fix, source),
        "related": [
            {
                "message": place.message,
                "filename": place.filename,
                **_place(source if place.filename == found.filename else None, place.span),
            }
            for place in found.related
        ],
    }


def _fix(fix: Fix, source: Source | None) -> dict[str, Any]:
    return {
        "applicability": fix.applicability.value,
        "message": fix.message,
        "edits": [{"content": edit.content, **_place(source, edit.span)} for edit in fix.edits],
    }


def _place(source: Source | None, span: Span) -> dict[str, Any]:
    cell = None
    if source is not None:
        cell, span = source.cell_at(span.start), source.in_cell(span)
    return {
        "location": {"row": span.row, "column": span.column},
        "end_location": {"row": span.end_row, "column": span.end_column},
        "cell": None if cell is None else cell.number,
    }
