"""A finding with the code that it is about, carets under it, what to do, and related places."""

import unicodedata
from collections.abc import Callable, Iterator

from torchlint.diagnostic import Applicability, Diagnostic, Fix, Span
from torchlint.report import Report
from torchlint.report.fixable import needs_unsafe, would_apply
from torchlint.report.paint import STYLE_OF_SEVERITY, Paint, painter
from torchlint.report.place import shown
from torchlint.source import Source

CONTEXT = 2  # rows shown before and after
LONGEST_SPAN = 6  # a span over more rows is shown by its first and last ones
WIDEST_LINE = 200  # code points; of a longer line only the part around the span is shown
TAB = "    "


def render(report: Report) -> str:
    """The findings with code frames. A finding in a file that `sources` lacks has no frame."""
    paint = painter(report.colour)
    return "".join(
        "\n".join(_finding(found, report.sources.get(found.filename), report.unsafe_fixes, paint)) + "\n\n"
        for found in report.diagnostics
    )


def _finding(found: Diagnostic, source: Source | None, unsafe_fixes: bool, paint: Paint) -> Iterator[str]:
    style = STYLE_OF_SEVERITY[found.severity]
    marks = ""
    if would_apply(found, unsafe_fixes=unsafe_fixes):
        marks = paint("[*]", "cyan") + " "
    elif needs_unsafe(found, unsafe_fixes=unsafe_fixes):
        marks = paint("[unsafe fix]", "cyan") + " "
    head = paint(f"{found.severity.value}[{found.code}]", style)
    yield f"{head} {marks}{paint(found.message, 'bold')} ({found.name})"

    own_places = [place for place in found.related if place.filename == found.filename and source is not None]
    gutter = max((_gutter(source, found.span, CONTEXT), *(_gutter(source, place.span, 0) for place in own_places)))
    edge = paint(" " * gutter + " |", "blue")
    arrow = paint(" " * gutter + "-->", "blue")
    yield f"{arrow} {found.filename}:{shown(source, found.span)}"
    if source is not None:
        yield edge
        for number, text in _frame(source, found.span, CONTEXT, lambda text: paint(text, style)):
            yield f"{paint(f'{number:>{gutter}} |', 'blue')} {text}".rstrip()
        yield edge
    if found.help is not None:
        yield f"{paint('help', 'bold cyan')}: {found.help}"
    if found.fix is not None:
        yield f"{paint(_fix_word(found.fix), 'bold cyan')}: {found.fix.message}"
    for place in found.related:
        where = f"{place.filename}:{shown(source if place in own_places else None, place.span)}"
        yield f"{paint('note', 'bold green')}: {where}: {place.message}"
        if place in own_places and source is not None:
            for number, text in _frame(source, place.span, 0, lambda text: paint(text, "green")):
                yield f"{paint(f'{number:>{gutter}} |', 'blue')} {text}".rstrip()


def _fix_word(fix: Fix) -> str:
    return {
        Applicability.SAFE: "fix",
        Applicability.UNSAFE: "unsafe fix",
        Applicability.DISPLAY: "suggestion",
    }[fix.applicability]


def _gutter(source: Source | None, span: Span, context: int) -> int:
    """How wide the row numbers of a frame are."""
    if source is None:
        return len(str(span.end_row))
    rows = source.rows_of_cell(span.start)
    return len(str(min(span.end_row + context, rows[-1] if rows else 1) - rows.start + 1))


def _frame(source: Source, span: Span, context: int, mark: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The rows of a frame as row number (empty for a row of marks) and text."""
    rows = source.rows_of_cell(span.start)
    above = rows.start - 1
    first, last = span.row, min(span.end_row, source.rows)
    before = range(max(rows.start, first - context), first)
    after = range(last + 1, min(rows.stop, last + context + 1))
    if first == last:
        for row in before:
            yield str(row - above), _shown(source.line(row))
        yield from _marked_row(source.line(first), span, above, mark)
        for row in after:
            yield str(row - above), _shown(source.line(row))
    else:
        for row in before:
            yield str(row - above), "  " + _shown(source.line(row))
        yield from _marked_rows(source, span, last, above, mark)
        for row in after:
            yield str(row - above), "  " + _shown(source.line(row))


def _marked_row(line: str, span: Span, above: int, mark: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    start, end = span.column - 1, span.end_column - 1
    cut = _cut(line, start)
    yield str(span.row - above), _shown(line, cut)
    carets = _width(line[start : min(end, cut + WIDEST_LINE)])
    yield "", " " * (bool(cut) + _width(line[cut:start])) + mark("^" * max(1, carets))


def _marked_rows(
    source: Source, span: Span, last: int, above: int, mark: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """The rows of a span over several rows, with a bracket on their left that leads from start to end."""
    line = source.line(span.row)
    before = line[: span.column - 1]
    if before.strip():
        yield str(span.row - above), "  " + _shown(line)
        yield "", " " + mark("_" * (1 + _width(before[:WIDEST_LINE])) + "^")
    else:
        yield str(span.row - above), mark("/") + " " + _shown(line)
    inside = range(span.row + 1, last + 1)
    skipped = range(0)
    if len(inside) > LONGEST_SPAN:
        skipped = inside[LONGEST_SPAN // 2 : -2]
    for row in inside:
        if row not in skipped:
            yield str(row - above), mark("|") + " " + _shown(source.line(row))
        elif row == skipped[0]:
            yield "", mark("|") + " ..."
    up_to_last = source.line(last)[: max(0, span.end_column - 2)]
    yield "", mark("|" + "_" * (1 + _width(up_to_last[:WIDEST_LINE])) + "^")


def _cut(line: str, start: int) -> int:
    """Where the shown part of a line begins, so that the column `start` is in it."""
    return 0 if len(line) <= WIDEST_LINE else max(0, min(start - WIDEST_LINE // 2, len(line) - WIDEST_LINE))


def _shown(line: str, cut: int = 0) -> str:
    """A line as it is printed: tabs as blanks, control characters as a placeholder, very long lines cut."""
    part = line[cut : cut + WIDEST_LINE]
    text = part if part.isprintable() else "".join(map(_shown_character, part))
    return ("…" if cut else "") + text.rstrip() + ("…" if cut + WIDEST_LINE < len(line) else "")


def _shown_character(character: str) -> str:
    if character == "\t":
        return TAB
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cs") else character


def _width(text: str) -> int:
    """How many columns of a terminal a text takes as it is printed."""
    return len(text) if text.isascii() and "\t" not in text else sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if character == "\t":
        return len(TAB)
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
