"""Jupyter notebooks as sources: the code cells one after the other, and where they stand in the JSON file.

A notebook runs as one program, so its cells are one text. Edits of that text become edits of the JSON strings in
which the code stands; every other byte of the file stays as it is.

The format is described at https://nbformat.readthedocs.io/en/latest/format_description.html.
"""

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torchlint.diagnostic import Edit, Span
from torchlint.ipython import blank, neutral
from torchlint.source import Cell, Source, SourceError, apply_edits

SUFFIX = ".ipynb"

# Kernels whose notebooks may not say their language; those of Python environments have any name.
_OTHER_KERNEL = re.compile(r"(ir|julia|bash|javascript|deno|rust|gophernotes|xcpp|scala|sas|\.net)\b", re.IGNORECASE)
_PYTHON = ("python", "ipython", "python3", "python2", "sage", "pyodide", "xpython")
_SPACE = re.compile(r"[ \t\r\n]*")
# A character outside the basic plane is escaped as two surrogates.
_JSON_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)
# Outputs may hold integers that are longer than Python reads at once; nothing here asks for their value.
_LONGEST_INTEGER = 18
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_INTEGER else digits)


class NotebookError(SourceError):
    """A file that is not a notebook, or of a format that is not supported. The message is one line for the reader."""


def load(filename: str, data: bytes) -> Source:
    """The source in a file's bytes: a notebook if its name says so, else Python.

    Raises:
        NotebookError: the file is called a notebook and is none.
        SourceError: the bytes are not Python text.
    """
    return read(filename, data) if is_notebook(filename) else Source.from_bytes(filename, data)


def is_notebook(filename: str) -> bool:
    """Whether a file is a notebook by its name."""
    return filename.lower().endswith(SUFFIX)


def read(filename: str, data: bytes) -> "Notebook":
    """The notebook in a file's bytes. One in another language than Python has no cells.

    Raises:
        NotebookError: the bytes are not JSON, or the JSON is not a notebook of format 4.
    """
    bom = data.startswith(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise NotebookError(f"not a notebook: line {row} holds a byte that is not utf-8") from None
    return Notebook(filename, text, bom, _code_cells(text))


def from_cells(filename: str, cells: Sequence[tuple[int, str]]) -> "Cells":
    """Code cells that stand in no file: the number of each among all cells (from 1), and its text."""
    return Cells(filename, cells)


class Cells(Source):
    """The code cells of a notebook, one after the other.

    `text` is what Python can parse; `original` is what the cells say, at the same offsets: magics and shell escapes
    are neutralised in the one and stand in the other.
    """

    def __init__(self, filename: str, codes: Sequence[tuple[int, str]], bom: bool = False) -> None:
        pieces: list[str] = []
        originals: list[str] = []
        cells: list[Cell] = []
        self._neutralised: list[tuple[int, int]] = []
        self._openings: dict[Cell, int] = {}
        end = 0
        for number, code in codes:
            cell = neutral(code)
            # IPython strips an indentation that the whole cell has; a block of our own gives it a meaning.
            opening = "if True:\n" if cell.is_python and _is_indented(cell.text) else ""
            start = end + len(opening)
            # A line break even after one, so that the end of a cell is not the start of the next.
            pieces += [opening, cell.text, "\n"]
            originals += [opening, code, "\n"]
            self._neutralised += [(start + first, start + last) for first, last in cell.ranges]
            cells.append(Cell(number, start, start + len(code)))
            self._openings[cells[-1]] = end
            end = start + len(code) + 1
        super().__init__(filename, "".join(pieces), bom=bom)
        self.original = "".join(originals)
        # A notebook without code cells has one that is empty, so that it is one still.
        self.cells = tuple(cells) or (Cell(1, 0, 0),)
        self._openings.setdefault(self.cells[0], 0)

    def line(self, row: int) -> str:
        """The text of a row (from 1) as it stands in its cell, without its line break."""
        start = self.offset(row)
        return self.original[start : start + len(super().line(row))]

    def code(self, cell: Cell) -> str:
        """What a cell says."""
        return self.original[cell.start : cell.end]

    def masked(self, keep: Iterable[Cell]) -> "Cells":
        """The same source, in which only some cells say anything; no offset moves."""
        text = blank(self.text)
        for cell in keep:
            start = self.opening(cell)
            text = text[:start] + self.text[start : cell.end] + text[cell.end :]
        masked = copy(self)
        masked.text = text
        return masked

    def opening(self, cell: Cell) -> int:
        """Where the text of a cell starts, with what stands before it to make it Python."""
        return self._openings[cell]

    def allows(self, edits: Iterable[Edit]) -> bool:
        """Whether edits stay within their cells, and away from what Python does not see."""
        for edit in edits:
            span = edit.span
            cell = self.cell_at(span.start)
            if cell is None or not cell.start <= span.start <= span.end <= cell.end:
                return False
            index = bisect_right(self._neutralised, (span.start, len(self.text)))
            for start, end in self._neutralised[max(index - 1, 0) :]:
                if start > span.end:
                    break
                # Nothing may come before a magic: a cell's must be the first, and a line's may be one.
                if start <= span.start < end or span.start <= start < span.end or start == span.end == span.start:
                    return False
        return True

    def edited(self, edits: Iterable[Edit]) -> "Cells":
        """The cells after edits that do not overlap, each in one cell."""
        changes: dict[Cell | None, list[Edit]] = {}
        for edit in edits:
            changes.setdefault(self.cell_at(edit.span.start), []).append(edit)
        return Cells(self.filename, [(cell.number, self._edited(cell, changes.get(cell, ()))) for cell in self.cells])

    def _edited(self, cell: Cell, edits: Sequence[Edit]) -> str:
        moved = [Edit(_moved(edit.span, -cell.start), edit.content) for edit in edits]
        return apply_edits(self.code(cell), moved)


class Notebook(Cells):
    """A notebook on disk."""

    def __init__(self, filename: str, file_text: str, bom: bool, cells: Sequence["_CodeCell"]) -> None:
        super().__init__(filename, [(cell.number, cell.code) for cell in cells], bom)
        self._file = Source(filename, file_text, bom=bom)
        self._code_cells = tuple(cells)

    @property
    def file_text(self) -> str:
        """The text of the file, which is JSON."""
        return self._file.text

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self._file.encode(self._file.text)

    def edited(self, edits: Iterable[Edit]) -> "Notebook":
        """The notebook after edits that do not overlap, each in one cell. Only the strings that they touch change."""
        return self._from(apply_edits(self.file_text, self.edits_in_file(tuple(edits))))

    def _from(self, file_text: str) -> "Notebook":
        return Notebook(self.filename, file_text, self.bom, _code_cells(file_text))

    def in_file(self, span: Span) -> Span:
        """Where the span stands in the JSON file."""
        cell, json_cell = self._cells_at(span.start)
        if json_cell is None:
            return self._file.span(0, 0)
        start = json_cell.start_in_file(span.start - cell.start)
        if span.end <= span.start:
            return self._file.span(start, start)
        last = min(span.end, cell.end) - cell.start
        return self._file.span(start, max(start, json_cell.end_in_file(last)))

    def edits_in_file(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits of the cells as edits of the JSON file. A line keeps a string of its own where the cell has a list."""
        changed = []
        for edit in edits:
            cell, json_cell = self._cells_at(edit.span.start)
            if json_cell is not None:
                start, end, content = json_cell.edit(
                    edit.span.start - cell.start, edit.span.end - cell.start, edit.content
                )
                changed.append(Edit(self._file.span(start, end), content))
        return tuple(changed)

    def _cells_at(self, offset: int) -> "tuple[Cell, _CodeCell | None]":
        index = max(bisect_right(self.cells, offset, key=lambda cell: cell.start) - 1, 0)
        return self.cells[index], self._code_cells[index] if self._code_cells else None


def _is_indented(text: str) -> bool:
    """Whether the first statement of a cell is."""
    lines = (line for line in re.split("[\r\n]+", text) if line.strip() and not line.lstrip().startswith("#"))
    return next(lines, "").startswith((" ", "\t"))


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by, span.row, span.column, span.end_row, span.end_column)


# -- where the code stands in the JSON -------------------------------------------------------------------


class _Literal:
    """A JSON string: the offsets of its first character and of its closing quote, and what it says."""

    def __init__(self, file_text: str, start: int, end: int, value: str) -> None:
        self.start = start
        self.end = end
        self.value = value
        self._file_text = file_text

    @cached_property
    def _offsets(self) -> Sequence[int]:
        """The offset in the file of each character of the value, and of the closing quote."""
        raw = self._file_text[self.start : self.end]
        if "\\" not in raw:
            return range(self.start, self.end + 1)
        return [self.start + match.start() for match in _JSON_CHARACTER.finditer(raw)] + [self.end]

    def in_file(self, offset: int) -> int:
        """The offset in the file of a character of the value."""
        return self._offsets[offset]

    def encoded(self, text: str) -> str:
        """A text as it stands in such a string: as plain as this one is."""
        raw = self._file_text[self.start : self.end]
        escaped = ("\\u" in raw and raw.isascii()) or re.search("[\ud800-\udfff]", text) is not None
        return json.dumps(text, ensure_ascii=escaped)[1:-1]


@dataclass(frozen=True, slots=True)
class _CodeCell:
    """A code cell in its file: the strings that make up its source.

    `separator` is what stands between two of them; None where the source is one string and not a list.
    """

    number: int
    literals: tuple[_Literal, ...]
    starts: tuple[int, ...]
    separator: str | None

    @property
    def code(self) -> str:
        return "".join(literal.value for literal in self.literals)

    def _index(self, offset: int) -> int:
        return max(bisect_right(self.starts, offset) - 1, 0)

    def start_in_file(self, offset: int) -> int:
        """The offset in the file of the character at an offset of the code; of its end, the closing quote."""
        index = self._index(offset)
        literal = self.literals[index]
        return literal.in_file(min(offset - self.starts[index], len(literal.value)))

    def end_in_file(self, offset: int) -> int:
        """The offset in the file just after the character before an offset of the code."""
        index = self._index(offset - 1)
        literal = self.literals[index]
        return literal.in_file(min(offset - self.starts[index], len(literal.value)))

    def edit(self, start: int, end: int, content: str) -> tuple[int, int, str]:
        """An edit of the code as start, end and content in the file."""
        length = self.starts[-1] + len(self.literals[-1].value)
        first = self.start_in_file(start)
        if not content and end == length and start in self.starts[1:]:
            # The last lines go: with them the strings that they are.
            first = self.end_in_file(start)
        # Up to the start of the next string, so that none is left empty.
        last = self.start_in_file(end) if end > start else first
        literal = self.literals[self._index(start)]
        if self.separator is None:
            return first, max(first, last), literal.encoded(content)
        *lines, rest = re.split(r"(?<=\n)", content)
        if lines and not rest and end == length:
            rest = lines.pop()
        if content and start == length and literal.value.endswith("\n"):
            lines.insert(0, "")
        return first, max(first, last), f'"{self.separator}"'.join(map(literal.encoded, [*lines, rest]))


def _code_cells(text: str) -> list[_CodeCell]:
    notebook = _parsed(text)
    if not _is_python(notebook.get("metadata")):
        return []
    cells = notebook["cells"]
    wanted = [index for index, cell in enumerate(cells) if _is_code(cell, index)]
    if not wanted:
        return []
    places = _source_places(text)
    return [_code_cell(text, index, places[index]) for index in wanted]


def _parsed(text: str) -> dict[str, Any]:
    if not text.strip():
        # What some editors make of a new notebook.
        return {"cells": []}
    try:
        notebook = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        problem = error.msg[:1].lower() + error.msg[1:]
        raise NotebookError(f"not a notebook: line {error.lineno} is not valid JSON: {problem}") from None
    except RecursionError:
        raise NotebookError("not a notebook: the JSON is nested too deeply") from None
    if not isinstance(notebook, dict):
        raise NotebookError("not a notebook: the JSON is not an object")
    version = notebook.get("nbformat", 4)
    if version in (1, 2, 3) or "worksheets" in notebook:
        raise NotebookError(
            "the notebook is of format 3 or older; `jupyter nbconvert --to notebook --inplace` brings it to format 4"
        )
    if version != 4:
        raise NotebookError(f"the notebook is of format {json.dumps(version)}; torchlint reads format 4")
    if not isinstance(notebook.get("cells"), list):
        raise NotebookError("not a notebook: there is no list of `cells`")
    return notebook


def _is_python(metadata: object) -> bool:
    """Whether a notebook's metadata says Python, or nothing."""
    if not isinstance(metadata, dict):
        return True
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        described = metadata.get(key)
        language = described.get(name) if isinstance(described, dict) else None
        if isinstance(language, str) and language:
            return language.lower() in _PYTHON
    kernel = metadata.get("kernelspec")
    return not (isinstance(kernel, dict) and _OTHER_KERNEL.match(str(kernel.get("name"))))


def _is_code(cell: object, index: int) -> bool:
    if not isinstance(cell, dict):
        raise NotebookError(f"not a notebook: cell {index + 1} is not an object")
    if cell.get("cell_type") != "code":
        return False
    source = cell.get("source")
    is_text = isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))
    if not is_text:
        raise NotebookError(f"not a notebook: the `source` of cell {index + 1} is neither a string nor a list of them")
    metadata = cell.get("metadata")
    vscode = metadata.get("vscode") if isinstance(metadata, dict) else None
    language = vscode.get("languageId") if isinstance(vscode, dict) else None
    return language in (None, "python") and bool(source)


def _code_cell(text: str, index: int, start: int) -> _CodeCell:
    literals: list[_Literal] = []

    def literal(position: int) -> int:
        value, end = json.decoder.scanstring(text, position + 1)  # type: ignore[attr-defined]
        literals.append(_Literal(text, position + 1, end - 1, value))
        return int(end)

    separator = None
    if text[start] == "[":
        _array(text, start, literal)
        if len(literals) > 1:
            separator = text[literals[0].end + 1 : literals[1].start - 1]
        else:
            separator = "," + text[start + 1 : literals[0].start - 1]
    else:
        literal(start)
    starts = [0]
    for before in literals[:-1]:
        starts.append(starts[-1] + len(before.value))
    return _CodeCell(index + 1, tuple(literals), tuple(starts), separator)


def _source_places(text: str) -> list[int]:
    """Where the `source` of each cell starts. The text is known to be JSON, and of the right structure."""
    places: list[int] = []

    def cell(position: int) -> int:
        found = -1

        def source(position: int) -> int:
            nonlocal found
            found = position
            return _skip(text, position)

        end = _object(text, position, {"source": source})
        places.append(found)
        return end

    def cells(position: int) -> int:
        places.clear()
        return _array(text, position, cell)

    _object(text, _space(text, 0), {"cells": cells})
    return places


# Given where a value starts, these say where it ends.
_Walk = Callable[[int], int]


def _object(text: str, position: int, members: Mapping[str, _Walk]) -> int:
    position = _space(text, position + 1)
    while text[position] != "}":
        key, position = json.decoder.scanstring(text, position + 1)  # type: ignore[attr-defined]
        position = _space(text, _space(text, position) + 1)
        member = members.get(key)
        position = _after_value(text, _skip(text, position) if member is None else member(position))
    return position + 1


def _array(text: str, position: int, item: _Walk) -> int:
    position = _space(text, position + 1)
    while text[position] != "]":
        position = _after_value(text, item(position))
    return position + 1


def _after_value(text: str, position: int) -> int:
    position = _space(text, position)
    return _space(text, position + 1) if text[position] == "," else position


def _skip(text: str, position: int) -> int:
    return _DECODER.raw_decode(text, position)[1]


def _space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position
