"""`--add-noqa`: a suppression comment for each finding, so that a project starts clean."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchlint.diagnostic import Diagnostic
from torchlint.fixer import FixError, write
from torchlint.report.place import shown
from torchlint.runner import FileResult
from torchlint.source import Source, SourceError
from torchlint.suppress import suppression

# A comment changes its line, and a finding that a baseline covered there comes to light: it needs another round.
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Added:
    """How many findings are silenced now in how many files, and a line for each one, or file, that is as it was.

    `failed`: whether a file could not be read, silenced or written, rather than that a finding cannot be silenced.
    """

    findings: int
    files: int
    problems: tuple[str, ...]
    failed: bool


def add_noqa(
    results: Sequence[FileResult], check: Callable[[FileResult, bytes], FileResult], reason: str | None
) -> Added:
    """Write suppression comments for all findings of a run.

    Args:
        check: what lints the bytes again that a file is to have; a file is written only if its findings are gone
            then, and the program is the same.
        reason: what to say after each list of codes.
    """
    findings = files = 0
    problems: list[str] = []
    failed = False
    for result in results:
        before = after = result.source
        left = list(result.diagnostics)
        try:
            if before is not None:
                after, left = _silenced(result, before, check, reason)
                if after is not before:
                    write(Path(result.file.path), before.data, after.data)
                    files += 1
                    findings += len(result.diagnostics) - len(left)
        except (_NotSilenced, SourceError, FixError) as error:
            problems.append(f"{result.file.name}: left as it was: {error}")
            failed = True
            continue
        for found in left:
            why = found.message if found.internal else f"a comment cannot silence this: {found.message}"
            problems.append(f"{found.filename}:{shown(after, found.span)}: {found.code} {why}")
            failed = failed or found.internal
    return Added(findings, files, tuple(problems), failed)


class _NotSilenced(Exception):
    pass


def _silenced(
    result: FileResult, before: Source, check: Callable[[FileResult, bytes], FileResult], reason: str | None
) -> tuple[Source, list[Diagnostic]]:
    """The source with comments, the same if there are none to add; and what is found in it that none can silence."""
    source, found = before, result.diagnostics
    for _ in range(MOST_ROUNDS):
        edits = suppression(source, found, reason)
        if not edits:
            break
        source = source.edited(edits)
        found = check(result, source.data).diagnostics
    stubborn = [one for one in found if suppression(source, [one])]
    new = {one.code for one in found} - {one.code for one in result.diagnostics}
    if stubborn:
        raise _NotSilenced(f"{_named(source, stubborn[0])} would still be found")
    if new:
        raise _NotSilenced(f"{_named(source, next(one for one in found if one.code in new))} would be found")
    if source is not before and not _same_program(before.text, source.text):
        raise _NotSilenced("a comment would change the program")
    return source, list(found)


def _named(source: Source, found: Diagnostic) -> str:
    return f"{found.code} at {shown(source, found.span)}"


def _same_program(before: str, after: str) -> bool:
    """Whether two texts differ in comments alone; so too if Python cannot read the first, which has no program."""
    try:
        tree = ast.parse(before)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    try:
        return ast.dump(tree) == ast.dump(ast.parse(after))
    except (SyntaxError, ValueError):
        return False
