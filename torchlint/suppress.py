"""Comments that silence findings: `# noqa: TL301`, `# torchlint: ignore[name]`, and for a whole file.

    x.numpy()  # noqa: TL301, E501            these codes on this line; codes of other linters are let be
    x.numpy()  # noqa                         everything on this line
    x.numpy()  # torchlint: ignore[numpy-on-grad-tensor] -- checked above
    x.numpy()  # torchlint: ignore
    # torchlint: ignore-file[TL301]           these codes in this file
    # torchlint: ignore-file                  everything in this file

A comment counts for a finding whose first or last row it stands on, or on the last row of the statement
around it.
A comment of ours that silences nothing is a finding itself, with a fix that removes it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from torchlint.diagnostic import Applicability, Diagnostic, Edit, Fix, Severity
from torchlint.lexical import comments, logical_line_ends, unbroken
from torchlint.source import Source

if TYPE_CHECKING:
    from torchlint.rule import Rule

UNUSED = ("TL002", "unused-suppression")
SYNTAX_ERROR = "TL000"

# Nearly every file is done with this one search.
_WORTH_A_LOOK = re.compile(r"#[^\r\n]*?(?:noqa|torchlint:)", re.IGNORECASE)
_NOQA = re.compile(
    r"#\s*noqa(?![\w-])(?:\s*:\s*(?P<list>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)(?P<reason>\s+--(?:\s[^#]*)?)?)?",
    re.IGNORECASE,
)
_IGNORE = re.compile(
    r"#\s*torchlint:\s*ignore(?P<file>-file)?(?![\w-])"
    r"(?:\s*\[(?P<list>[^\]#]*)(?P<closed>\])?)?(?P<reason>\s+--(?:\s[^#]*)?)?",
    re.IGNORECASE,
)


@dataclass
class _Entry:
    """One code or name in a list: as written, where, and the code that it means."""

    text: str
    start: int
    end: int
    code: str
    used: bool = False

    def covers(self, diagnostic: Diagnostic) -> bool:
        # flake8 reads a code as a prefix, so `TL3` is understood alike.
        return diagnostic.code.startswith(self.code)


@dataclass
class _Directive:
    """One suppression. Without entries it silences everything; with a flaw, nothing."""

    start: int
    end: int
    opens_comment: bool
    entries: list[_Entry] = field(default_factory=list)
    whole_file: bool = False
    flaw: str = ""

    def silences(self, diagnostic: Diagnostic) -> bool:
        """Whether the finding is covered, wherever it stands; notes which entry did it."""
        if self.flaw:
            return False
        covering = [entry for entry in self.entries if entry.covers(diagnostic)]
        for entry in covering:
            entry.used = True
        return not self.entries or bool(covering)


def apply(
    source: Source,
    diagnostics: Sequence[Diagnostic],
    rules: Sequence["type[Rule]"],
    *,
    known: Mapping[str, str] | None = None,
) -> list[Diagnostic]:
    """The findings that no comment silences, and one for each comment with something to silence that did not.

    Args:
        rules: the rules that ran. Only their suppressions can be called unused.
        known: every name and code that there is, to its code. Given, a suppression that names none of
            them is a finding too.

    Internal errors cannot be silenced, nor syntax errors but for a whole file.
    """
    if not _WORTH_A_LOOK.search(source.text):
        return list(diagnostics)
    return _Suppressions(source, rules, known or {}).apply(diagnostics)


def suppression(source: Source, found: Sequence[Diagnostic], reason: str | None = None) -> list[Edit]:
    """Edits that silence findings of a source by comments: one `# noqa: CODES -- reason` a row, or more in an old one.

    A finding is silenced on its first row if that can hold a comment, else on its last or on the last row of the
    statement; where one of them names codes in a suppression already, there. Findings that no comment of a row
    silences (syntax errors and failures of torchlint) are passed over.
    """
    return _Suppressions(source, (), {}).added(found, reason)


def named(source: Source, known: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """The codes and names in the suppressions of a source: the offsets of each, and the code that it means."""
    directives = _Suppressions(source, (), known).directives
    return [(entry.start, entry.end, entry.code) for directive in directives for entry in directive.entries]


class _Suppressions:
    def __init__(self, source: Source, rules: Sequence["type[Rule]"], known: Mapping[str, str]) -> None:
        self.source = source
        self.known = known
        self.ran = {rule.code for rule in rules}
        self.codes = {rule.name(): rule.code for rule in rules} | {UNUSED[1]: UNUSED[0]} | dict(known)
        self.directives = list(self._read())
        self.by_row: dict[int, list[_Directive]] = {}
        for directive in self.directives:
            if not directive.whole_file:
                self.by_row.setdefault(source.position(directive.start)[0], []).append(directive)

    def apply(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        kept = [diagnostic for diagnostic in diagnostics if not self._silenced(diagnostic)]
        return kept + [
            unused for directive in self.directives for unused in self._unused(directive) if not self._silenced(unused)
        ]

    # -- reading ---------------------------------------------------------------

    def _read(self) -> Iterator[_Directive]:
        for offset, comment in comments(self.source.text):
            if not _WORTH_A_LOOK.match(comment):
                continue
            for pattern in (_NOQA, _IGNORE):
                for match in pattern.finditer(comment):
                    yield self._directive(offset, match)

    def _directive(self, offset: int, match: re.Match[str]) -> _Directive:
        groups = match.groupdict()
        entries = []
        flaw = ""
        if groups["list"] is not None:
            for part in re.finditer(r"[^\s,]+", groups["list"]):
                start = offset + match.start("list") + part.start()
                text = part.group()
                code = self.codes.get(text.lower(), text.upper())
                entries.append(_Entry(text, start, start + len(text), code))
            if "closed" in groups and groups["closed"] is None:
                flaw = "the list of this suppression has no `]`, so it silences nothing"
            elif not entries:
                flaw = "this suppression names no rule, so it silences nothing"
        return _Directive(
            offset + match.start(),
            offset + match.end(),
            match.start() == 0,
            entries,
            whole_file=bool(groups.get("file")),
            flaw=flaw,
        )

    # -- silencing -------------------------------------------------------------

    def _silenced(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.internal:
            return False
        found = [directive for directive in self.directives if directive.whole_file]
        if diagnostic.code != SYNTAX_ERROR:
            found += [directive for row in self._rows(diagnostic) for directive in self.by_row.get(row, ())]
        # All of them, so that none of several that cover the finding is called unused.
        silencing = [directive for directive in found if directive.silences(diagnostic)]
        return bool(silencing)

    def _rows(self, diagnostic: Diagnostic) -> set[int]:
        rows = set(diagnostic.noqa_rows)
        for offset in (diagnostic.span.start, diagnostic.span.end):
            end = self._line_ends[bisect_left(self._line_ends, offset)]
            rows.add(self.source.position(end)[0])
        return rows

    @cached_property
    def _line_ends(self) -> list[int]:
        return logical_line_ends(self.source.text)

    # -- adding ------------------------------------------------------------------

    def added(self, found: Iterable[Diagnostic], reason: str | None) -> list[Edit]:
        """The edits of `suppression`."""
        wanted: dict[int, dict[str, str]] = {}  # row to codes and their names
        for diagnostic in found:
            row = None if diagnostic.internal or diagnostic.code == SYNTAX_ERROR else self._row_for(diagnostic)
            if row is not None:
                wanted.setdefault(row, {})[diagnostic.code] = diagnostic.name
        why = " ".join((reason or "").split())
        return [self._addition(row, names, f" -- {why}" if why else "") for row, names in sorted(wanted.items())]

    def _row_for(self, diagnostic: Diagnostic) -> int | None:
        """The row whose comment is to silence the finding; None if none of them can hold a comment."""
        rows = list(dict.fromkeys([*diagnostic.noqa_rows, *sorted(self._rows(diagnostic))]))
        able = [row for row in rows if self._holds_comment(row)]
        return next((row for row in able if self._list_on(row)), able[0] if able else None)

    def _holds_comment(self, row: int) -> bool:
        end = self.source.offset(row) + len(self.source.line(row))
        index = bisect_left(self._unbroken, (end, 0)) - 1
        return index < 0 or not self._unbroken[index][0] <= end < self._unbroken[index][1]

    @cached_property
    def _unbroken(self) -> list[tuple[int, int]]:
        return list(unbroken(self.source.text))

    def _list_on(self, row: int) -> _Directive | None:
        """A suppression on a row that names rules, so that it can name one more."""
        directives = self.by_row.get(row, ())
        return next((directive for directive in directives if directive.entries and not directive.flaw), None)

    def _addition(self, row: int, names: Mapping[str, str], reason: str) -> Edit:
        directive = self._list_on(row)
        if directive is None:
            start = self.source.offset(row)
            line = self.source.line(row)
            gap = "  " if line.strip() else ""
            content = f"{gap}# noqa: {', '.join(sorted(names))}{reason}"
            return self._edit(start + len(line.rstrip()), start + len(line), content)
        entries = directive.entries
        by_name = not any(re.fullmatch(r"[A-Za-z]+[0-9]+", entry.text) for entry in entries)
        there = {entry.code for entry in entries}
        new = [names[code] if by_name else code for code in sorted(names) if not {code, names[code].upper()} & there]
        text = self.source.text
        separator = text[entries[0].end : entries[1].start] if len(entries) > 1 else ", "
        closing = text[entries[-1].end : directive.end]  # `]`, and a reason where there is one
        if " --" not in closing:
            closing = closing.rstrip() + reason
        return self._edit(entries[-1].end, directive.end, "".join(separator + entry for entry in new) + closing)

    # -- what silenced nothing ---------------------------------------------------

    def _unused(self, directive: _Directive) -> Iterator[Diagnostic]:
        if directive.flaw:
            span = self.source.span(directive.start, directive.end)
            yield Diagnostic(*UNUSED, directive.flaw, Severity.WARNING, self.source.filename, span)
            return
        if any(entry.code == UNUSED[0] for entry in directive.entries):
            return
        unused = [entry for entry in directive.entries if not entry.used and self._was_looked_for(entry)]
        unknown = [entry for entry in directive.entries if self._is_unknown(entry)]
        if unused:
            message = f"unused suppression of {_listed(unused)}"
            yield self._finding(directive, unused, message, "remove it")
        if unknown:
            names = [*self.known, *self.known.values()]
            close = get_close_matches(unknown[0].text, names, n=1)
            message = f"unused suppression: there is no rule {_listed(unknown)}"
            yield self._finding(directive, unknown, message, f"did you mean `{close[0]}`?" if close else "remove it")

    def _was_looked_for(self, entry: _Entry) -> bool:
        return any(code.startswith(entry.code) for code in self.ran)

    def _is_unknown(self, entry: _Entry) -> bool:
        """Whether the entry speaks to us and names nothing of ours."""
        ours = entry.code.startswith("TL") or not re.fullmatch(r"[A-Z]+[0-9]+", entry.code)
        return bool(self.known) and ours and not any(code.startswith(entry.code) for code in self.known.values())

    def _finding(self, directive: _Directive, entries: Sequence[_Entry], message: str, help: str) -> Diagnostic:
        start, end = entries[0].start, entries[-1].end
        return Diagnostic(
            *UNUSED,
            message,
            Severity.WARNING,
            self.source.filename,
            self.source.span(start, end),
            help,
            Fix("remove the suppression", Applicability.SAFE, (self._removal(directive, entries),)),
        )

    def _removal(self, directive: _Directive, entries: Sequence[_Entry]) -> Edit:
        """Take entries out of a directive. Without any left the directive goes, and an empty comment too."""
        text = self.source.text
        left = [entry for entry in directive.entries if entry not in entries]
        if left:
            first, last = directive.entries[0], directive.entries[-1]
            separator = text[first.end : directive.entries[1].start]
            return self._edit(first.start, last.end, separator.join(entry.text for entry in left))
        row, column = self.source.position(directive.start)
        line_start = directive.start - column + 1
        line_end = line_start + len(self.source.line(row))
        before = text[line_start : directive.start]
        after = text[directive.end : line_end].strip()
        if not before.strip() and not after:
            # Nothing else stands on the line, so the line goes.
            return self._edit(line_start, self.source.offset(row + 1), "")
        if not after:
            return self._edit(line_start + len(before.rstrip()), line_end, "")
        if after.startswith("#"):
            return self._edit(directive.start, line_end - len(text[directive.end : line_end].lstrip()), "")
        return self._edit(directive.start, directive.end, "#" if directive.opens_comment else "")

    def _edit(self, start: int, end: int, content: str) -> Edit:
        return Edit(self.source.span(start, end), content)


def _listed(entries: Iterable[_Entry]) -> str:
    return ", ".join(f"`{entry.text}`" for entry in entries)
