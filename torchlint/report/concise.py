"""One line a finding: `path:row:column: CODE [*] message (name)`, in a notebook `path:cell 3:row:column:`."""

from torchlint.report import Report
from torchlint.report.fixable import would_apply
from torchlint.report.paint import STYLE_OF_SEVERITY, painter
from torchlint.report.place import shown


def render(report: Report) -> str:
    """The findings, one line each. `[*]` marks those that `--fix` would repair."""
    paint = painter(report.colour)
    lines: list[str] = []
    for found in report.diagnostics:
        mark = paint("[*]", "cyan") + " " if would_apply(found, unsafe_fixes=report.unsafe_fixes) else ""
        message = " ".join(found.message.splitlines())
        lines.append(
            f"{paint(found.filename, 'bold')}:{shown(report.sources.get(found.filename), found.span)}: "
            f"{paint(found.code, STYLE_OF_SEVERITY[found.severity])} {mark}{message} ({found.name})\n"
        )
    return "".join(lines)
