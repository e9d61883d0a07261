"""Strings that were meant to end at a quote which a backslash escapes, in a text that does not parse.

Found by characters alone: the quotes after such a string pair up wrongly.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torchlint.parse import ParseProblem, parse
from torchlint.source import Source

# A comment, or the start of a string.
_TOKEN = re.compile(r"#[^\r\n]*|((?<!\w)[rRbBuUfFtT]{1,2})?('''|\"\"\"|'|\")")
# What may stand after a string: the end of the line, an operator, a bracket, a word, the next string.
_AFTER = re.compile(r"[ \t]*(?:[,)\]}:;+.%=!<>&|#\r\n]|\Z|(?:if|else|for|in|and|or|not|is|as)\b|[rRbBuUfF]{0,2}['\"])")
_LINE = re.compile(r"[^\r\n]*")


class Slip(NamedTuple):
    """A string whose end is escaped: where it begins, where its last quote stands, its prefix, its quotes."""

    start: int
    end: int
    prefix: str
    quote: str


def repaired(text: str, slip: Slip) -> str:
    """The string with its last backslash doubled; a raw one is not raw any more."""
    body = text[slip.start + len(slip.prefix) + len(slip.quote) : slip.end]
    if "r" in slip.prefix.lower():
        prefix = slip.prefix.replace("r", "").replace("R", "")
        return prefix + slip.quote + body.replace("\\", "\\\\") + slip.quote
    return slip.prefix + slip.quote + body + "\\" + slip.quote


def becomes_python(source: Source, found: Sequence[Slip]) -> bool:
    """Whether the text parses once these strings, in order, are repaired."""
    text = source.text
    for slip in reversed(found):
        text = text[: slip.start] + repaired(text, slip) + text[slip.end + len(slip.quote) :]
    try:
        parse(Source(source.filename, text))
    except ParseProblem:
        return False
    return True


def slips(text: str, row_start: int, triple: bool) -> Iterator[Slip]:
    """The strings that seem to be meant to end at an escaped quote.

    Looked for on lines whose strings do not end, and on the one at which Python gave up. `triple`: in strings
    in triple quotes too.
    """
    offset = 0
    line = -1
    while (token := _TOKEN.search(text, offset)) is not None:
        offset = token.end()
        if token.group().startswith("#"):
            continue
        prefix, quote = token.group(1) or "", token.group(2)
        start = token.start()
        if len(quote) == 1:
            begin = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
            if begin != line:
                line = begin
                suspicious = _is_open(text, start) or begin == row_start
        end = _escaped_end(text, start, prefix, quote) if (suspicious if len(quote) == 1 else triple) else None
        if end is not None:
            yield Slip(start, end, prefix, quote)
            offset = end + len(quote)
        else:
            offset, _ = _end(text, offset, quote)


def _is_open(text: str, offset: int) -> bool:
    """Whether a string that begins on the rest of this line does not end where it should."""
    while (token := _TOKEN.match(text, offset)) or offset < len(text):
        if token is None:
            if text[offset] in "\r\n":
                return False
            offset += 1
            continue
        if token.group().startswith("#"):
            return False
        quote = token.group(2)
        if len(quote) == 3:
            return False
        offset, ends = _end(text, token.end(), quote)
        if not ends:
            return True
    return False


def _end(text: str, offset: int, quote: str) -> tuple[int, bool]:
    """Where a string ends whose body begins at an offset, and whether it ends; else the end of the line or text."""
    size = len(quote)
    while offset < len(text):
        if text[offset] == "\\":
            offset += 3 if text[offset : offset + 3] == "\\\r\n" else 2
        elif text.startswith(quote, offset):
            return offset + size, True
        elif size == 1 and text[offset] in "\r\n":
            return offset, False
        else:
            offset += 1
    return len(text), False


def _escaped_end(text: str, start: int, prefix: str, quote: str) -> int | None:
    """The first quote in a string that is escaped and seems to be meant as its end; on the line where it begins."""
    offset = start + len(prefix) + len(quote)
    match = _LINE.match(text, offset)
    assert match is not None
    while offset < match.end():
        if text[offset] == "\\":
            if text.startswith(quote, offset + 1):
                # Text with a quote in it, or with a blank before the backslash, was meant to go on.
                after = offset + 1 + len(quote)
                is_end = _AFTER.match(text, after) is not None and not text[offset - 1].isspace()
                return offset + 1 if is_end else None
            offset += 2
        elif text.startswith(quote, offset):
            return None
        else:
            offset += 1
    return None
