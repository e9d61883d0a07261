"""Logging commands of Azure Pipelines, which lists them as issues of the run."""

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.source import Source

# Azure Pipelines knows no third.
TYPES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "warning"}


def render(report: Report) -> str:
    """The findings as `task.logissue` commands."""
    return well_formed(
        "".join(_command(found, report.sources.get(found.filename)) + "\n" for found in report.diagnostics)
    )


def _command(found: Diagnostic, source: Source | None) -> str:
    span = on_disk.span(source, found.span)
    properties: dict[str, str | int] = {
        "type": TYPES[found.severity],
        "sourcepath": on_disk.path(found.filename),
        "linenumber": span.row,
        "columnnumber": span.column,
        "code": found.code,
    }
    text = "".join(f"{key}={_escaped_property(str(value))};" for key, value in properties.items())
    # The code of an issue is not shown.
    message = f"{found.code} {on_disk.with_cell(found.message, source, found.span)} ({found.name})"
    return f"##vso[task.logissue {text}]{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace("]", "%5D").replace(";", "%3B")
