"""Bytes to text and offsets to positions. The only position arithmetic in torchlint.

Line breaks are those of Python's tokenizer (LF, CRLF, CR), not those of `str.splitlines`.
"""

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torchlint.diagnostic import Edit, Span

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# PEP 263: a coding cookie stands on one of the first two lines, the first being blank or a comment.
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK_OR_COMMENT = re.compile(rb"^[ \t\f]*(?:#.*)?$")


class SourceError(Exception):
    """A file whose bytes cannot be read as Python text. The message is one line for the reader."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell of a notebook: its number among all cells, from 1, and its part of the text as offsets."""

    number: int
    start: int
    end: int


class Source:
    """A file's bytes, its text, and where things stand in it.

    `text` has no byte order mark; `encode` gives it back its mark and its encoding. A notebook is a source too: its
    `text` is that of its code cells, one after the other; `cells` is empty for anything else.
    """

    cells: tuple[Cell, ...] = ()

    def __init__(self, filename: str, text: str, encoding: str = "utf-8", bom: bool = False) -> None:
        self.filename = filename
        self.text = text
        self.encoding = encoding
        self.bom = bom

    @classmethod
    def from_bytes(cls, filename: str, data: bytes) -> "Source":
        """Decode as Python would (byte order mark, coding cookie, else UTF-8).

        Raises:
            SourceError: the bytes do not fit the declared or default encoding, the encoding is
                unknown or would not give the same bytes back, or there is a NUL byte, which Python
                does not accept.
        """
        bom = data.startswith(codecs.BOM_UTF8)
        body = data[len(codecs.BOM_UTF8) :] if bom else data
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceError("the file is UTF-16; Python reads UTF-8 unless a coding cookie says otherwise")
        encoding = _declared_encoding(body)
        try:
            codec = codecs.lookup(encoding)
        except LookupError:
            raise SourceError(f"unknown encoding in the coding cookie: {encoding}") from None
        if bom and codec.name != "utf-8":
            raise SourceError(f"the file starts with a UTF-8 byte order mark but its coding cookie says {encoding}")
        nul = body.find(b"\0")
        if nul >= 0:
            raise SourceError(f"line {body.count(10, 0, nul) + 1} holds a NUL byte; this is not Python source")
        try:
            text = body.decode(codec.name)
        except UnicodeDecodeError as error:
            row = body.count(b"\n", 0, error.start) + 1
            raise SourceError(f"line {row} holds a byte that is not {codec.name}: 0x{body[error.start]:02x}") from None
        except LookupError:
            raise SourceError(f"not a text encoding in the coding cookie: {encoding}") from None
        except ValueError as error:
            raise SourceError(f"the file is not {codec.name}: {error}") from None
        source = cls(filename, text, codec.name, bom)
        if codec.name != "utf-8" and source.encode(text) != data:
            # Writing a fix would change more than the fix.
            raise SourceError(f"the file's bytes cannot be restored from {codec.name}")
        return source

    def encode(self, text: str) -> bytes:
        """`text` as bytes in this file's encoding, with its byte order mark.

        Raises:
            SourceError: the text holds a character that the file's encoding lacks.
        """
        try:
            data = text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise SourceError(f"{self.encoding} cannot hold {text[error.start]!r}") from None
        return codecs.BOM_UTF8 + data if self.bom else data

    @property
    def data(self) -> bytes:
        """The bytes of the file.

        Raises:
            SourceError: the text holds a character that the file's encoding lacks.
        """
        return self.encode(self.text)

    def edited(self, edits: Iterable[Edit]) -> "Source":
        """The source after edits that do not overlap. Equal edits are made once; those at one place, in their order."""
        return Source(self.filename, apply_edits(self.text, edits), self.encoding, self.bom)

    @cached_property
    def newline(self) -> str:
        """The first line break of the file, which inserted lines use too."""
        match = _LINE_BREAK.search(self.text)
        return match.group() if match else "\n"

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]

    @property
    def rows(self) -> int:
        """How many rows the text has; a final line break opens one more, empty, row."""
        return len(self._line_starts)

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column (from 1, code points) of an offset."""
        row = bisect_right(self._line_starts, offset)
        return row, offset - self._line_starts[row - 1] + 1

    def offset(self, row: int, column: int = 1) -> int:
        """Offset of a row and column (from 1, code points). A row past the end gives the end of the text."""
        starts = self._line_starts
        return min(starts[row - 1] + column - 1, len(self.text)) if row <= len(starts) else len(self.text)

    def span(self, start: int, end: int) -> Span:
        """The span between two offsets."""
        row, column = self.position(start)
        end_row, end_column = self.position(end)
        return Span(start, end, row, column, end_row, end_column)

    def cell_at(self, offset: int) -> Cell | None:
        """The cell that an offset lies in; None outside notebooks."""
        if not self.cells:
            return None
        index = bisect_right(self.cells, offset, key=lambda cell: cell.start)
        return self.cells[max(index - 1, 0)]

    def in_cell(self, span: Span) -> Span:
        """The span with rows counted from the start of its cell; the same span outside notebooks."""
        above = self.rows_of_cell(span.start).start - 1
        if not above:
            return span
        return Span(span.start, span.end, span.row - above, span.column, span.end_row - above, span.end_column)

    def rows_of_cell(self, offset: int) -> range:
        """The rows of the cell that an offset lies in; outside notebooks, all of them."""
        cell = self.cell_at(offset)
        start, end = (0, len(self.text)) if cell is None else (cell.start, cell.end)
        last, column = self.position(end)
        # The row that a final line break opens is no row to a reader.
        return range(self.position(start)[0], last + (column > 1))

    def in_file(self, span: Span) -> Span:
        """Where the span stands in the file on disk, which for a notebook is JSON."""
        return span

    def edits_in_file(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits of the text as edits of the file on disk."""
        return tuple(edits)

    def masked(self, keep: Iterable[Cell]) -> "Source":
        """The same source, in which only some cells say anything; no offset moves. A source without cells stays."""
        return self

    def opening(self, cell: Cell) -> int:
        """Where the text of a cell starts, with what stands before it to make it Python."""
        return cell.start

    def allows(self, edits: Iterable[Edit]) -> bool:
        """Whether edits touch only what the file's author wrote as Python, and no two cells at once."""
        return True

    @property
    def file_text(self) -> str:
        """The text of the file on disk, which `in_file` and `edits_in_file` speak of."""
        return self.text

    def line(self, row: int) -> str:
        """The text of a row (from 1) without its line break."""
        start = self._line_starts[row - 1]
        end = self._line_starts[row] if row < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """A text after edits that do not overlap. Equal edits are made once; those at one place, in their order."""
    pieces = []
    end = 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.span.start, edit.span.end)):
        pieces += [text[end : max(end, edit.span.start)], edit.content]
        end = max(end, edit.span.end)
    return "".join(pieces) + text[end:]


def _declared_encoding(body: bytes) -> str:
    for line in re.split(rb"\r\n|\r|\n", body[:4096], maxsplit=2)[:2]:
        match = _COOKIE.match(line)
        if match:
            return _usual_name(match.group(1).decode("ascii", "replace"))
        if not _BLANK_OR_COMMENT.match(line):
            break
    return "utf-8"


def _usual_name(cookie: str) -> str:
    """The encoding that a cookie means. Like Python, drops what editors append: `utf-8-unix`, `latin-1-dos`."""
    name = cookie.lower().replace("_", "-")
    for usual in ("utf-8", "latin-1", "iso-8859-1", "iso-latin-1"):
        if name == usual or name.startswith(f"{usual}-"):
            return usual
    return cookie
