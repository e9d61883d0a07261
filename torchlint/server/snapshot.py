"""A document as it was when its lint began: what is linted, and how places in it become places in the editor."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Literal

from torchlint import notebook
from torchlint.diagnostic import Edit, Span
from torchlint.report.lsp import Encoding, range_in
from torchlint.source import Source

# A script; a notebook by its cells; or a notebook as the JSON text that it is on disk.
Form = Literal["script", "cells", "json"]


@dataclass(frozen=True)
class Part:
    """A text of the editor's: a whole document, or a cell."""

    uri: str
    version: int | None
    source: Source


@dataclass(frozen=True)
class Snapshot:
    """One state of a document.

    Attributes:
        key: what the document is known by.
        serial: tells this state from all others.
        path: the file's absolute path with `/`; None for what is not saved.
        parts: the texts; one for each cell of a notebook, else one.
        numbers: of each part, its number among all cells.
    """

    key: str
    serial: int
    path: str | None
    form: Form
    parts: tuple[Part, ...]
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """What findings call the document."""
        return self.path or self.key

    @cached_property
    def source(self) -> Source:
        """What is linted.

        Raises:
            NotebookError: the document is the JSON of a notebook that cannot be read.
        """
        if self.form == "script":
            return Source(self.name, self.parts[0].source.text)
        if self.form == "json":
            return notebook.read(self.name, self.parts[0].source.text.encode("utf-8", "surrogatepass"))
        texts = [part.source.text for part in self.parts]
        return notebook.from_cells(self.name, list(zip(self.numbers, texts, strict=True)))

    def place(self, span: Span) -> tuple[Part, Span]:
        """The part that a span of `source` starts in, and the span there."""
        if self.form == "script":
            return self.parts[0], span
        if self.form == "json":
            return self.parts[0], self.source.in_file(span)
        if not self.parts:
            raise ValueError("a notebook without code has no places")
        cell = self.source.cell_at(span.start)
        assert cell is not None
        part = self.parts[self.source.cells.index(cell)]
        start = min(max(span.start, cell.start), cell.end) - cell.start
        end = min(max(span.end, cell.start), cell.end) - cell.start
        return part, part.source.span(start, max(start, end))

    def locate(self, span: Span, encoding: Encoding) -> tuple[str, dict[str, Any]]:
        """The URI and `Range` of a span of `source`."""
        part, placed = self.place(span)
        return part.uri, range_in(part.source, placed, encoding)

    def edits(self, edits: Sequence[Edit], encoding: Encoding) -> list[dict[str, Any]]:
        """Edits of `source` as edits of the editor's texts: `uri`, `range` and `newText`."""
        if self.form == "json":
            part = self.parts[0]
            placed = [(part, edit.span, edit.content) for edit in self.source.edits_in_file(edits)]
        else:
            placed = [(*self.place(edit.span), edit.content) for edit in edits]
        return [
            {"uri": part.uri, "range": range_in(part.source, span, encoding), "newText": content}
            for part, span, content in placed
        ]

    def changes(self, after: Source, encoding: Encoding) -> list[dict[str, Any]]:
        """Edits of the editor's texts (`uri`, `range` and `newText`) that make of `source` what it became."""
        if self.form == "cells":
            assert isinstance(after, notebook.Cells)
            texts = [after.code(cell) for cell in after.cells]
        else:
            texts = [after.file_text]
        return [
            {"uri": part.uri, "range": range_in(part.source, span, encoding), "newText": content}
            for part, text in zip(self.parts, texts, strict=False)
            for span, content in _differences(part.source, text)
        ]


def _differences(before: Source, after: str) -> Iterator[tuple[Span, str]]:
    """The rows that differ: their span in the one text, and what stands there in the other."""
    old, new = _rows(before.text), _rows(after)
    starts = [0]
    for row in old:
        starts.append(starts[-1] + len(row))
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    # In a long text, rows that stand everywhere are no landmarks: comparing each with each takes minutes.
    matcher = SequenceMatcher(None, old[same:], new[same:], autojunk=True)
    for kind, first, last, new_first, new_last in matcher.get_opcodes():
        if kind != "equal":
            content = "".join(new[same + new_first : same + new_last])
            yield before.span(starts[same + first], starts[same + last]), content


def _rows(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
