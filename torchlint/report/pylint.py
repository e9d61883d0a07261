"""One line a finding as Pylint's parseable format has it: `path:row: [CODE] message`."""

from torchlint.report import Report, on_disk
from torchlint.report.characters import one_line


def render(report: Report) -> str:
    """The findings, one line each. The rows of a notebook are those of its JSON; the message says the cell."""
    lines = []
    for found in report.diagnostics:
        source = report.sources.get(found.filename)
        message = on_disk.with_cell(found.message, source, found.span)
        row = on_disk.span(source, found.span).row
        lines.append(f"{one_line(on_disk.path(found.filename))}:{row}: [{found.code}] {one_line(message)}\n")
    return "".join(lines)
