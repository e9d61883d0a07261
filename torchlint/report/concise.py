"""One line a finding: `path:row:column: CODE [*] message (name)`."""

from collections.abc import Mapping, Sequence

from torchlint.diagnostic import Diagnostic
from torchlint.report.fixable import would_apply
from torchlint.report.paint import STYLE_OF_SEVERITY, painter
from torchlint.source import Source


def render(
    diagnostics: Sequence[Diagnostic],
    sources: Mapping[str, Source],
    *,
    unsafe_fixes: bool = False,
    colour: bool = False,
) -> str:
    """The findings, one line each. `[*]` marks those that `--fix` would repair."""
    paint = painter(colour)
    lines: list[str] = []
    for found in diagnostics:
        mark = paint("[*]", "cyan") + " " if would_apply(found, unsafe_fixes=unsafe_fixes) else ""
        message = " ".join(found.message.splitlines())
        lines.append(
            f"{paint(found.filename, 'bold')}:{found.span.row}:{found.span.column}: "
            f"{paint(found.code, STYLE_OF_SEVERITY[found.severity])} {mark}{message} ({found.name})\n"
        )
    return "".join(lines)
