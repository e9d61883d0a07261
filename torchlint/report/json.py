"""An array of objects with ruff's keys, so that scripts written for ruff's output work."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torchlint.diagnostic import Diagnostic, Fix, Span
from torchlint.source import Source

RULE_URL = "https://github.com/torchlint/torchlint#"


def render(
    diagnostics: Sequence[Diagnostic],
    sources: Mapping[str, Source],
    *,
    unsafe_fixes: bool = False,
    colour: bool = False,
) -> str:
    """The findings as a JSON array. Rows and columns count from 1, columns in code points."""
    return json.dumps([_finding(found) for found in diagnostics], indent=2, ensure_ascii=False) + "\n"


def _finding(found: Diagnostic) -> dict[str, Any]:
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity.value,
        "message": found.message,
        "help": found.help,
        "filename": found.filename,
        "location": _start(found.span),
        "end_location": _end(found.span),
        "cell": None,
        # A comment at the end of the last row is always possible; the first may end inside a string.
        "noqa_row": found.noqa_rows[1],
        "url": RULE_URL + found.name,
        "fix": None if found.fix is None else _fix(found.fix),
        "related": [
            {"message": place.message, "filename": place.filename, "location": _start(place.span)}
            for place in found.related
        ],
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "applicability": fix.applicability.value,
        "message": fix.message,
        "edits": [
            {"content": edit.content, "location": _start(edit.span), "end_location": _end(edit.span)}
            for edit in fix.edits
        ],
    }


def _start(span: Span) -> dict[str, int]:
    return {"row": span.row, "column": span.column}


def _end(span: Span) -> dict[str, int]:
    return {"row": span.end_row, "column": span.end_column}
