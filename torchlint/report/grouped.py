"""Findings under the names of their files, in columns."""

from itertools import groupby

from torchlint.report import Report
from torchlint.report.characters import one_line
from torchlint.report.fixable import would_apply
from torchlint.report.paint import STYLE_OF_SEVERITY, painter
from torchlint.report.place import shown


def render(report: Report) -> str:
    """The findings, a block a file. `[*]` marks those that `--fix` would repair."""
    paint = painter(report.colour)
    blocks = []
    for filename, group in groupby(report.diagnostics, key=lambda found: found.filename):
        findings = list(group)
        source = report.sources.get(filename)
        # `row:column`, in a notebook `cell 3:row:column`; the last colons stand below each other.
        places = [shown(source, found.span).rpartition(":") for found in findings]
        before = max(len(row) for row, _, _ in places)
        after = max(len(column) for _, _, column in places)
        code_width = max(len(found.code) for found in findings)
        lines = [paint(one_line(filename), "bold") + ":\n"]
        for found, (row, _, column) in zip(findings, places, strict=True):
            code = paint(found.code, STYLE_OF_SEVERITY[found.severity]) + " " * (code_width - len(found.code))
            mark = paint("[*]", "cyan") + " " if would_apply(found, unsafe_fixes=report.unsafe_fixes) else ""
            lines.append(
                f"  {row:>{before}}:{column:<{after}}  {code}  {mark}{one_line(found.message)} ({found.name})\n"
            )
        blocks.append("".join(lines) + "\n")
    return "".join(blocks)
