"""The page that GitHub shows for a step: all findings as a Markdown table, where annotations end after ten."""

import re
import string
from collections import Counter

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.report import Report
from torchlint.report.characters import one_line, well_formed
from torchlint.report.place import shown
from torchlint.source import Source

# GitHub drops the whole page of a step beyond this many bytes.
LIMIT = 1024 * 1024

ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)
# No character that Markdown or HTML gives a meaning stands for itself.
REFERENCES = {ord(character): f"&#{ord(character)};" for character in string.punctuation}

_CODE = re.compile(r"(`+)(.+?)\1")
_HEAD = "| | place | rule | finding |\n| --- | --- | --- | --- |\n"


def step_summary(report: Report, *, limit: int = LIMIT) -> str:
    """The findings as Markdown of at most `limit` bytes, the worst first. Empty if not even the counts fit."""
    findings = sorted(report.diagnostics, key=lambda found: ORDER.index(found.severity))
    # What stands on the page already may lack a line break at its end.
    heading = f"\n\n### torchlint: {_counts(findings)}\n\n"
    if len(heading) > limit:
        return ""
    if not findings:
        return heading
    size = len(heading) + len(_HEAD) + len(_more(len(findings)))
    rows: list[str] = []
    for found in findings:
        row = well_formed(_row(found, report.sources.get(found.filename)))
        size += len(row.encode())
        if size > limit:
            break
        rows.append(row)
    left_out = len(findings) - len(rows)
    table = _HEAD + "".join(rows) + "\n" if rows else ""
    rest = _more(left_out) if left_out else ""
    return heading + table + (rest if len(heading) + len(rest) <= limit else "")


def _counts(findings: list[Diagnostic]) -> str:
    if not findings:
        return "nothing found"
    number = Counter(found.severity for found in findings)
    parts = [
        f"{number[severity]} {word}" + ("" if number[severity] == 1 or severity is Severity.INFO else "s")
        for severity, word in zip(ORDER, ("error", "warning", "info"), strict=True)
        if number[severity]
    ]
    return ", ".join(parts)


def _more(left_out: int) -> str:
    return f"\nand {left_out} more, which the log of the step shows\n\n"


def _row(found: Diagnostic, source: Source | None) -> str:
    place = f"<code>{_escaped(f'{found.filename}:{shown(source, found.span)}')}</code>"
    code = _escaped(found.code)
    rule = f"{code} {_escaped(found.name)}" if found.url is None else f"[{code}]({found.url}) {_escaped(found.name)}"
    return f"| {found.severity.value} | {place} | {rule} | {_message(found.message)} |\n"


def _message(message: str) -> str:
    """A message, its code in backticks as code."""
    parts = []
    end = 0
    line = one_line(message)
    for match in _CODE.finditer(line):
        parts += [_escaped(line[end : match.start()]), f"<code>{_escaped(match.group(2))}</code>"]
        end = match.end()
    return "".join([*parts, _escaped(line[end:])])


def _escaped(text: str) -> str:
    return one_line(text).translate(REFERENCES)
