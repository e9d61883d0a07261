"""Which findings `--fix` would repair, and what a run comes to."""

from collections import Counter
from collections.abc import Sequence

from torchlint.diagnostic import Applicability, Diagnostic, Severity


def would_apply(found: Diagnostic, *, unsafe_fixes: bool) -> bool:
    """Whether `--fix` would apply this finding's fix."""
    if found.fix is None:
        return False
    applicability = found.fix.applicability
    return applicability is Applicability.SAFE or (unsafe_fixes and applicability is Applicability.UNSAFE)


def needs_unsafe(found: Diagnostic, *, unsafe_fixes: bool) -> bool:
    """Whether `--unsafe-fixes` is missing for this finding's fix to be applied."""
    return not unsafe_fixes and found.fix is not None and found.fix.applicability is Applicability.UNSAFE


def summary(remaining: Sequence[Diagnostic], *, fixed: int = 0, unsafe_fixes: bool = False) -> str:
    """The last lines of a human report: how many findings, and how many of them could be repaired."""
    if not remaining and not fixed:
        return "All checks passed!\n"
    found = _count(len(remaining) + fixed, "finding")
    by_severity = Counter(diagnostic.severity for diagnostic in remaining)
    severities = ", ".join(
        _count(by_severity[severity], word)
        for severity, word in (
            (Severity.ERROR, "error"),
            (Severity.WARNING, "warning"),
            (Severity.INFO, "info"),
        )
        if by_severity[severity]
    )
    if fixed:
        rest = f"{len(remaining)} remaining" + (f": {severities}" if severities else "")
        text = f"Found {found} ({fixed} fixed, {rest}).\n"
    else:
        text = f"Found {found} ({severities}).\n"
    now = sum(would_apply(diagnostic, unsafe_fixes=unsafe_fixes) for diagnostic in remaining)
    more = sum(needs_unsafe(diagnostic, unsafe_fixes=unsafe_fixes) for diagnostic in remaining)
    if now:
        text += f"[*] {now} fixable with `--fix`" + (f" ({more} more with `--unsafe-fixes`)" if more else "") + ".\n"
    elif more:
        text += f"{more} fixable with `--fix --unsafe-fixes`.\n"
    return text


def tally(diagnostics: Sequence[Diagnostic], *, unsafe_fixes: bool) -> list[tuple[int, str, str, bool]]:
    """Count, code, name and whether all are fixable, a rule a row, the most frequent rule first."""
    counts = Counter((found.code, found.name) for found in diagnostics)
    unfixable = {found.code for found in diagnostics if not would_apply(found, unsafe_fixes=unsafe_fixes)}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(count, code, name, code not in unfixable) for (code, name), count in ordered]


def statistics(diagnostics: Sequence[Diagnostic], *, unsafe_fixes: bool = False) -> str:
    """The table that `--statistics` prints."""
    rows = tally(diagnostics, unsafe_fixes=unsafe_fixes)
    width = max((len(str(count)) for count, *_ in rows), default=0)
    return "".join(
        f"{count:>{width}}  {code}  {'[*]' if fixable else '[ ]'} {name}\n" for count, code, name, fixable in rows
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 or word == "info" else "s")
