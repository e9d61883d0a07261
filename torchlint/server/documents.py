"""What the client has open: texts and notebooks, as it last said they are.

The protocol's lines are those of Python's tokenizer, and so are those of `Source`; positions are clamped to the text.
"""

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote, urlsplit

from lsprotocol import types

from torchlint import notebook
from torchlint.discover import SUFFIXES
from torchlint.report.characters import well_formed
from torchlint.report.lsp import Encoding
from torchlint.server.positions import offset
from torchlint.server.snapshot import Form, Part, Snapshot
from torchlint.source import Source

PYTHON = ("python", "ipython")
# How the JSON of a notebook starts, also while it is being written.
_NOTEBOOK = re.compile(r'\s*\{\s*"(?:cells|metadata|nbformat|nbformat_minor)"')
_serials = itertools.count(1)

Change = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument


class UnknownDocument(Exception):
    """The client speaks of a document that it has not opened. The message is one line for the log."""


def path_of(uri: str) -> str | None:
    """The absolute path (with `/`) of a file's URI; None for anything else, such as an unsaved buffer."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # its host is none
        return None
    if parts.scheme != "file":
        return None
    # Names of files are bytes, and need not be UTF-8.
    path = unquote(parts.path, errors="surrogateescape")
    if "\0" in path:
        return None
    if parts.netloc and parts.netloc != "localhost":
        path = f"//{unquote(parts.netloc)}{path}"
    elif os.name == "nt":
        path = path.lstrip("/")
    return os.path.normpath(path).replace(os.sep, "/") if path else None


def key_of(uri: str) -> str:
    """The same for every spelling of a URI, since clients quote more or fewer characters."""
    return unquote(uri, errors="surrogateescape")


@dataclass
class Text:
    """An open text, or the text of a notebook's cell. `serial` tells each state of any document from all others."""

    uri: str
    language: str
    version: int | None
    source: Source
    serial: int = field(default_factory=lambda: next(_serials))

    @cached_property
    def path(self) -> str | None:
        """The file that the text is of."""
        return path_of(self.uri)

    def change(self, changes: Sequence[Change], version: int | None, encoding: Encoding) -> None:
        """Apply changes one after the other."""
        for change in changes:
            text = change.text
            if isinstance(change, types.TextDocumentContentChangePartial):
                first, last = change.range.start, change.range.end
                start = offset(self.source, first.line, first.character, encoding)
                end = max(start, offset(self.source, last.line, last.character, encoding))
                text = self.source.text[:start] + text + self.source.text[end:]
            self.source = Source(self.source.filename, text)
        self.version = version
        self.serial = next(_serials)

    def part(self) -> Part:
        """The text as it is now. Half a surrogate pair, which no file can hold, is as wide as what stands for it."""
        text = well_formed(self.source.text)
        source = self.source if text == self.source.text else Source(self.source.filename, text)
        return Part(self.uri, self.version, source)

    @property
    def form(self) -> Form | None:
        """What the text is to the linter; None if it is nothing for it.

        The content and the language decide: a text that a client calls Python may have the URI of a notebook.
        """
        name = (self.path or self.uri).lower()
        language = self.language.lower()
        if name.endswith(notebook.SUFFIX):
            if _NOTEBOOK.match(self.source.text):
                return "json"
            return "cells" if language in PYTHON else None
        return "script" if language in PYTHON or name.endswith(SUFFIXES) else None


@dataclass
class Notebook:
    """An open notebook: its cells in order, markup among them."""

    uri: str
    version: int
    cells: list[types.NotebookCell]
    serial: int = field(default_factory=lambda: next(_serials))

    @cached_property
    def path(self) -> str | None:
        """The file that the notebook is of."""
        return path_of(self.uri)


class Documents:
    """All open documents. A document that is linted is known by the key of its URI; a cell leads to its notebook."""

    def __init__(self) -> None:
        self.encoding: Encoding = "utf-16"
        self._texts: dict[str, Text] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._notebook_of: dict[str, str] = {}

    def __iter__(self) -> "itertools.chain[str]":
        """The keys of what is linted: notebooks, and texts that are no cells."""
        return itertools.chain(self._notebooks, [key for key in self._texts if key not in self._notebook_of])

    def target(self, uri: str) -> str | None:
        """The key of what is linted for a URI: for a cell, of its notebook. None if it is not open."""
        key = key_of(uri)
        if key in self._notebook_of:
            return self._notebook_of[key]
        return key if key in self._texts or key in self._notebooks else None

    def text(self, uri: str) -> Text:
        """An open text.

        Raises:
            UnknownDocument: it is not open.
        """
        try:
            return self._texts[key_of(uri)]
        except KeyError:
            raise UnknownDocument(f"{uri} is not open") from None

    # -- texts -----------------------------------------------------------------

    def open(self, item: types.TextDocumentItem) -> str:
        """Take in a text; one that is open already is replaced. The key of what is to be linted."""
        key = key_of(item.uri)
        self._texts[key] = Text(item.uri, item.language_id, item.version, Source(item.uri, item.text))
        return self._notebook_of.get(key, key)

    def change(self, uri: str, version: int | None, changes: Sequence[Change]) -> str:
        """Change a text. The key of what is to be linted.

        Raises:
            UnknownDocument: it is not open.
        """
        self.text(uri).change(changes, version, self.encoding)
        key = self._notebook_of.get(key_of(uri), key_of(uri))
        if key in self._notebooks:
            self._notebooks[key].serial = next(_serials)
        return key

    def close(self, uri: str) -> str:
        """Forget a text. Its key.

        Raises:
            UnknownDocument: it is not open.
        """
        self.text(uri)
        key = key_of(uri)
        del self._texts[key]
        self._notebook_of.pop(key, None)
        return key

    # -- notebooks -------------------------------------------------------------

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> str:
        """Take in a notebook and the texts of its cells. Its key."""
        document = params.notebook_document
        key = key_of(document.uri)
        if key in self._notebooks:
            self._forget_cells(key)
        self._notebooks[key] = Notebook(document.uri, document.version, list(document.cells))
        self._open_cells(key, params.cell_text_documents)
        return key

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> tuple[str, list[str]]:
        """Change a notebook. Its key, and the URIs of cells that are gone.

        Raises:
            UnknownDocument: the notebook, or a cell whose text changes, is not open.
        """
        found = self._notebook(params.notebook_document.uri)
        key = key_of(found.uri)
        found.version = params.notebook_document.version
        found.serial = next(_serials)
        gone: list[str] = []
        change = params.change.cells
        if change is None:
            return key, gone
        if change.structure is not None:
            array = change.structure.array
            found.cells[array.start : array.start + array.delete_count] = array.cells or []
            opened = change.structure.did_open or []
            reopened = {key_of(item.uri) for item in opened}
            # A cell whose language changes is closed and opened at once.
            for closed in change.structure.did_close or []:
                if key_of(closed.uri) not in reopened:
                    gone.append(closed.uri)
                self._texts.pop(key_of(closed.uri), None)
                self._notebook_of.pop(key_of(closed.uri), None)
            self._open_cells(key, opened)
        changed = {key_of(cell.document): cell for cell in change.data or []}
        found.cells[:] = [changed.get(key_of(cell.document), cell) for cell in found.cells]
        for content in change.text_content or []:
            text = self.text(content.document.uri)
            text.change(content.changes, content.document.version, self.encoding)
        return key, gone

    def close_notebook(self, uri: str) -> tuple[str, list[str]]:
        """Forget a notebook and its cells. Its key, and the URIs of the cells.

        Raises:
            UnknownDocument: it is not open.
        """
        key = key_of(self._notebook(uri).uri)
        gone = self._forget_cells(key)
        del self._notebooks[key]
        return key, gone

    def _notebook(self, uri: str) -> Notebook:
        try:
            return self._notebooks[key_of(uri)]
        except KeyError:
            raise UnknownDocument(f"the notebook {uri} is not open") from None

    def _open_cells(self, key: str, items: Sequence[types.TextDocumentItem]) -> None:
        for item in items:
            self._notebook_of[key_of(item.uri)] = key
            self.open(item)

    def _forget_cells(self, key: str) -> list[str]:
        cells = [cell for cell, owner in self._notebook_of.items() if owner == key]
        uris = [self._texts.pop(cell).uri for cell in cells if cell in self._texts]
        for cell in cells:
            del self._notebook_of[cell]
        return uris

    # -- for the linter ----------------------------------------------------------

    def snapshot(self, key: str) -> Snapshot | None:
        """What is to be linted, as it is now; None if it is not open or nothing for the linter."""
        opened = self._notebooks.get(key)
        if opened is not None:
            numbered = [
                (number, self._texts[key_of(cell.document)])
                for number, cell in enumerate(opened.cells, start=1)
                if cell.kind == types.NotebookCellKind.Code and key_of(cell.document) in self._texts
            ]
            python = [(number, text) for number, text in numbered if text.language.lower() in PYTHON]
            return Snapshot(
                key,
                opened.serial,
                opened.path,
                "cells",
                tuple(text.part() for _, text in python),
                tuple(number for number, _ in python),
            )
        text = self._texts.get(key)
        form = None if text is None or key in self._notebook_of else text.form
        if text is None or form is None:
            return None
        return Snapshot(key, text.serial, text.path, form, (text.part(),), (1,))

    def serial(self, key: str) -> int | None:
        """The state that a linted document is in; None if it is not open."""
        opened = self._notebooks.get(key) or self._texts.get(key)
        return None if opened is None else opened.serial

    def buffers(self) -> Mapping[str, tuple[int, str]]:
        """The serial and text of each open file by its path, for whoever imports it."""
        return {
            text.path: (text.serial, well_formed(text.source.text))
            for text in self._texts.values()
            if text.path is not None and text.form == "script"
        }
