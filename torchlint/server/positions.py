"""Positions of the protocol to offsets, whatever the client sends. The way back is in `torchlint.report.lsp`."""

from collections.abc import Mapping
from typing import Any

from torchlint.report.lsp import Encoding, units
from torchlint.source import Source


def offset(source: Source, line: int, character: int, encoding: Encoding) -> int:
    """The offset of a line and character (from 0). A place that is not in the text gives the nearest that is."""
    if line < 0:
        return 0
    if line >= source.rows:
        return len(source.text)
    start = source.offset(line + 1)
    return start + _column(source.line(line + 1), max(character, 0), encoding)


def offsets(source: Source, place: Mapping[str, Any], encoding: Encoding) -> tuple[int, int]:
    """The offsets of a `Range` that was made by `range_in`."""
    start, end = place["start"], place["end"]
    return (
        offset(source, start["line"], start["character"], encoding),
        offset(source, end["line"], end["character"], encoding),
    )


def _column(text: str, character: int, encoding: Encoding) -> int:
    """How many code points lie before a number of code units; a place inside a character is before it."""
    if encoding == "utf-32" or text.isascii():
        return min(character, len(text))
    passed = 0
    for index, one in enumerate(text):
        passed += units(one, encoding)
        if passed > character:
            return index
    return len(text)
