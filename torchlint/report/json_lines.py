"""The objects of the `json` format, one a line, for programs that read findings as they come."""

import json

from torchlint.report import Report
from torchlint.report.json import objects


def render(report: Report) -> str:
    """The findings as JSON lines, in ASCII: some readers break lines at more characters than the line feed."""
    return "".join(json.dumps(found) + "\n" for found in objects(report))
