"""Workflow commands, which GitHub Actions shows as annotations of the changed lines.

GitHub keeps the first ten of each kind a step, so the worst come first.
"""

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.report.place import shown
from torchlint.source import Source

COMMAND_OF_SEVERITY = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
ORDER = tuple(COMMAND_OF_SEVERITY)


def render(report: Report) -> str:
    """The findings as workflow commands: errors, then warnings, then notices."""
    findings = sorted(report.diagnostics, key=lambda found: ORDER.index(found.severity))
    return well_formed("".join(_command(found, report.sources.get(found.filename)) + "\n" for found in findings))


def _command(found: Diagnostic, source: Source | None) -> str:
    span = on_disk.span(source, found.span)
    properties: dict[str, str | int] = {
        "title": f"torchlint ({found.code})",
        "file": on_disk.path(found.filename),
        "line": span.row,
        "endLine": span.end_row,
    }
    if span.row == span.end_row:  # GitHub refuses columns of a span over several lines
        properties |= {"col": span.column, "endColumn": span.end_column}
    # The log shows the message alone, without the file.
    message = f"{found.filename}:{shown(source, found.span)}: {found.code} {found.message} ({found.name})"
    text = ",".join(f"{key}={_escaped_property(str(value))}" for key, value in properties.items())
    return f"::{COMMAND_OF_SEVERITY[found.severity]} {text}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
