"""A Code Quality report, which GitLab compares with that of the target branch.

GitLab tells findings apart by their fingerprints alone, so these are unique and survive moved lines. Its severities are
info, minor, major, critical and blocker: an error is `major`, a warning `minor`, an info `info`.
"""

import json
from typing import Any

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.report.fingerprint import fingerprints
from torchlint.source import Source

SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(report: Report) -> str:
    """The findings as an array of Code Climate issues, as far as GitLab reads them."""
    issues = [
        _issue(found, report.sources.get(found.filename), fingerprint)
        for found, fingerprint in zip(report.diagnostics, fingerprints(report), strict=True)
    ]
    return well_formed(json.dumps(issues, indent=2, ensure_ascii=False)) + "\n"


def _issue(found: Diagnostic, source: Source | None, fingerprint: str) -> dict[str, Any]:
    span = on_disk.span(source, found.span)
    return {
        "type": "issue",
        "check_name": found.name,
        # The name of the check is not shown.
        "description": f"{found.code}: {on_disk.with_cell(found.message, source, found.span)}",
        "categories": ["Bug Risk"],
        "severity": SEVERITIES[found.severity],
        "fingerprint": fingerprint,
        "location": {
            "path": on_disk.path(found.filename),
            "positions": {
                "begin": {"line": span.row, "column": span.column},
                "end": {"line": span.end_row, "column": span.end_column},
            },
        },
    }
