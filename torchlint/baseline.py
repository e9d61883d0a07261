"""The findings that a project has already: a file of them, and what it leaves of others.

An entry is a rule, a path and the text of a line, not its number, so that it still covers its finding
when the line moves. Each covers as many findings as its count says.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from torchlint.diagnostic import Diagnostic
from torchlint.fixer import FixError, put
from torchlint.source import Source

VERSION = 1
SYNTAX_ERROR = "TL000"


class BaselineError(Exception):
    """A baseline that cannot be used or written. The message is one line that names the file and says what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """What makes two findings the same: the file (from the baseline's folder, with /), the code, the line's words."""

    path: str
    code: str
    line: str


@dataclass(frozen=True, slots=True)
class Linted:
    """What a run says of a file to the baseline: its absolute path, the codes that were looked for in it, what was
    found in which source (None where there is nothing), and the entries that covered the rest."""

    path: str
    codes: frozenset[str]
    found: Sequence[Diagnostic] = ()
    source: Source | None = None
    known: Sequence[Entry] = ()

    @property
    def understood(self) -> bool:
        """Whether the rules saw the file: an entry that covers nothing there is out of date."""
        return not any(found.internal or found.code == SYNTAX_ERROR for found in self.found)


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    code: str
    line: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """Entries, with how many findings each covers, and the folder that their paths start from."""

    folder: str
    counts: Mapping[Entry, int]

    def split(
        self, path: str, source: Source, found: Iterable[Diagnostic]
    ) -> tuple[list[Diagnostic], tuple[Entry, ...]]:
        """The findings in a file (an absolute path) that are not covered, and the entries that covered the others.

        Where there are more alike than an entry covers, the first ones are covered.
        """
        used: Counter[Entry] = Counter()
        left = []
        for diagnostic in found:
            entry = self._entry(path, source, diagnostic)
            if is_coverable(diagnostic) and used[entry] < self.counts.get(entry, 0):
                used[entry] += 1
            else:
                left.append(diagnostic)
        return left, tuple(used.elements())

    def stale(self, linted: Iterable[Linted], folders: Sequence[str]) -> int:
        """How many entries, counted as often as they cover, cover nothing any more.

        Only a run that looked can tell: entries of the files that were linted for their rule, and of files that
        are gone from `folders`, which were linted wholly.
        """
        return sum((self._counts() - self._still(linted, folders)).values())

    def renewed(self, linted: Sequence[Linted], folders: Sequence[str]) -> "Baseline":
        """The baseline that covers what was found, and what this one says of files and rules that were not run."""
        kept = self._still(linted, folders)
        for file in linted:
            if file.source is not None:
                kept.update(self._entry(file.path, file.source, one) for one in file.found if is_coverable(one))
        return Baseline(self.folder, kept)

    def _still(self, linted: Iterable[Linted], folders: Sequence[str]) -> Counter[Entry]:
        """The entries without those that the run showed to cover nothing."""
        files = {_from(self.folder, file.path): file for file in linted}
        still: Counter[Entry] = Counter()
        for file in files.values():
            still.update(file.known)
        for entry, count in self.counts.items():
            seen = files.get(entry.path)
            if seen is None:
                judged = self._is_gone(entry.path, folders)
            else:
                judged = entry.code in seen.codes and seen.understood
            if not judged:
                still[entry] = count
        return still

    def _is_gone(self, path: str, folders: Sequence[str]) -> bool:
        full = os.path.normpath(os.path.join(self.folder, path))
        below = any(full.startswith(os.path.join(folder, "")) for folder in folders)
        return below and not os.path.lexists(full)

    def _counts(self) -> Counter[Entry]:
        return Counter(dict(self.counts))

    def _entry(self, path: str, source: Source, diagnostic: Diagnostic) -> Entry:
        line = " ".join(source.line(diagnostic.span.row).split())
        return Entry(_from(self.folder, path), diagnostic.code, line)


def is_coverable(diagnostic: Diagnostic) -> bool:
    """Whether a baseline may cover a finding: not where a file could not be looked into."""
    return not diagnostic.internal and diagnostic.code != SYNTAX_ERROR


def empty(file: str) -> Baseline:
    """A baseline without entries, to be written to a file (an absolute path)."""
    return Baseline(os.path.dirname(file), {})


def load(file: str, shown: str) -> Baseline:
    """Read a baseline.

    Args:
        file: its absolute path.
        shown: what messages call it.

    Raises:
        BaselineError: there is none, or it is not one that this version can use.
    """
    try:
        data = Path(file).read_bytes()
    except FileNotFoundError:
        raise BaselineError(
            f"there is no baseline {shown}; --write-baseline makes one of the present findings"
        ) from None
    except OSError as error:
        raise BaselineError(f"the baseline {shown} cannot be read: {error.strerror or type(error).__name__}") from None
    try:
        table = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BaselineError(
            f"the baseline {shown} is not valid JSON: {reason}; repair it, or delete it and write it anew"
        ) from None
    version = table.get("version") if isinstance(table, dict) else None
    if version is None:
        raise BaselineError(f"{shown} is not a baseline: it states no version; give another file, or delete it")
    if version != VERSION or isinstance(version, bool):
        raise BaselineError(
            f"the baseline {shown} has version {json.dumps(version)}, and this torchlint reads {VERSION};"
            " delete it and write it anew"
        )
    return Baseline(os.path.dirname(file), dict(_entries(table, shown)))


def _entries(table: Mapping[str, object], shown: str) -> Iterator[tuple[Entry, int]]:
    try:
        written = msgspec.convert(table.get("findings"), list[_Written])
    except msgspec.ValidationError as error:
        what = f"{error}".replace("`$", "`findings")
        raise BaselineError(f"the baseline {shown} is damaged: {what}; delete it and write it anew") from None
    counts: Counter[Entry] = Counter()
    for one in written:  # a merge may have left an entry twice
        entry = Entry(one.path, one.code, one.line)
        counts[entry] = max(counts[entry], one.count)
    yield from counts.items()


def write(file: str, shown: str, baseline: Baseline) -> None:
    """Write a baseline at once and wholly; the same findings always give the same bytes, an entry a line.

    Raises:
        BaselineError: it cannot be written. What was there is there still.
    """
    lines = [
        _json({"path": entry.path, "code": entry.code, "line": entry.line, "count": count})
        for entry, count in sorted(baseline.counts.items())
        if count > 0
    ]
    body = ",\n".join(f"    {line}" for line in lines)
    text = f'{{\n  "version": {VERSION},\n  "findings": [\n{body}\n  ]\n}}\n'
    try:
        put(Path(file), text.encode())
    except FixError as error:
        raise BaselineError(f"the baseline {shown} cannot be written: {error}") from None


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, from a file name that is not UTF-8
        return json.dumps(value)
    return text


def _from(folder: str, path: str) -> str:
    """A path as the baseline has it, from its folder."""
    with suppress(ValueError):  # on another drive
        path = os.path.relpath(path, folder)
    return path.replace(os.sep, "/")
