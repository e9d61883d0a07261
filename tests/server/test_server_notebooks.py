"""Notebooks: by cells, as one text of Python, and as the JSON that they are on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
from raw_client import Message, RawClient

NOTEBOOKS = {
    "notebookDocument": {"synchronization": {}},
    "workspace": {"workspaceEdit": {"documentChanges": True}},
}
IMPORTS = "%matplotlib inline\nimport torch\n"
DATA = "x = torch.ones(2, requires_grad=True)\n"
USE = "!ls\ny = x.numpy()"


class Book:
    """A notebook as an editor has it open."""

    def __init__(self, client: RawClient, folder: Path, *cells: tuple[str, str]) -> None:
        self.client = client
        self.uri = (folder / "book.ipynb").as_uri()
        self.version = 1
        params = {
            "notebookDocument": {
                "uri": self.uri,
                "notebookType": "jupyter-notebook",
                "version": 1,
                "cells": [self.cell(name) for name, _ in cells],
            },
            "cellTextDocuments": [self.text(name, text) for name, text in cells],
        }
        client.notify("notebookDocument/didOpen", params)

    def of(self, name: str) -> str:
        """The URI of a cell."""
        return f"vscode-notebook-cell:{self.uri.removeprefix('file:')}#{name}"

    def cell(self, name: str, kind: int = 2) -> Message:
        return {"kind": kind, "document": self.of(name)}

    def text(self, name: str, text: str, language: str = "python") -> Message:
        return {"uri": self.of(name), "languageId": language, "version": 1, "text": text}

    def change(self, **cells: Any) -> None:
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        self.client.notify("notebookDocument/didChange", {"notebookDocument": document, "change": {"cells": cells}})

    def codes(self, name: str) -> list[str]:
        """What is pushed next for a cell."""
        return [one["code"] for one in self.client.diagnostics(self.of(name))]


def line(found: Message) -> tuple[int, int]:
    return found["range"]["start"]["line"], found["range"]["start"]["character"]


def test_findings_and_fixes_by_cell(tmp_path: Path) -> None:
    with RawClient() as client:
        capabilities = client.initialize(tmp_path, capabilities=NOTEBOOKS)
        assert capabilities["notebookDocumentSync"]["notebookSelector"] == [{"cells": [{"language": "python"}]}]
        book = Book(client, tmp_path, ("a", IMPORTS), ("b", DATA), ("c", USE))
        assert book.codes("a") == []
        assert book.codes("b") == []
        (found,) = client.diagnostics(book.of("c"))
        assert line(found) == (1, 4)
        related = found["relatedInformation"][0]["location"]
        assert (related["uri"], related["range"]["start"]["line"]) == (book.of("b"), 0)
        params = {
            "textDocument": {"uri": book.of("c")},
            "range": found["range"],
            "context": {"diagnostics": [found]},
        }
        fix, disable, fix_all = client.ask("textDocument/codeAction", params)
        for action, text, place in (
            (fix, ".detach()", (1, 5)),
            (disable, "  # noqa: TL301", (1, 13)),
            (fix_all, "y = x.detach().numpy()", (1, 0)),
        ):
            (change,) = action["edit"]["documentChanges"]
            assert change["textDocument"] == {"uri": book.of("c"), "version": 1}
            (edit,) = change["edits"]
            assert (edit["newText"], line(edit)) == (text, place)


def test_cells_come_go_and_move(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=NOTEBOOKS)
        book = Book(client, tmp_path, ("a", IMPORTS), ("b", DATA), ("c", USE))
        assert book.codes("c") == ["TL301"]
        # The tensor needs no gradient any more.
        text = {"document": {"uri": book.of("b"), "version": 2}, "changes": [{"text": "x = torch.ones(2)\n"}]}
        book.change(textContent=[text])
        assert book.codes("c") == []
        # It does again, by a cell in between.
        array = {"start": 2, "deleteCount": 0, "cells": [book.cell("d")]}
        book.change(structure={"array": array, "didOpen": [book.text("d", "x.requires_grad_()\nz = x.numpy()")]})
        assert book.codes("c") == ["TL301"]
        assert book.codes("d") == ["TL301"]
        # Which moves to the end.
        array = {"start": 2, "deleteCount": 2, "cells": [book.cell("c"), book.cell("d")]}
        book.change(structure={"array": array})
        assert book.codes("c") == []
        # And becomes text.
        gone = {"array": {"start": 3, "deleteCount": 1}, "didClose": [{"uri": book.of("d")}]}
        book.change(structure=gone)
        assert book.codes("d") == []
        book.change(data=[book.cell("b", kind=1)])
        gone = {"array": {"start": 0, "deleteCount": 3}, "didClose": [{"uri": book.of(name)} for name in "abc"]}
        book.change(structure=gone)
        array = {"start": 0, "deleteCount": 0, "cells": [book.cell("e")]}
        opened = [book.text("e", f"import torch\n{DATA}y = x.numpy()\n")]
        book.change(structure={"array": array, "didOpen": opened})
        assert book.codes("e") == ["TL301"]
        closed = {"notebookDocument": {"uri": book.uri}, "cellTextDocuments": [{"uri": book.of("e")}]}
        client.notify("notebookDocument/didClose", closed)
        assert book.codes("e") == []
        assert client.finish() == 0


def test_a_cell_is_closed_and_opened_at_once(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=NOTEBOOKS)
        book = Book(client, tmp_path, ("a", IMPORTS), ("b", DATA), ("c", USE))
        assert book.codes("c") == ["TL301"]
        array = {"start": 2, "deleteCount": 1, "cells": [book.cell("c")]}
        for language, expected in (("r", []), ("python", ["TL301"])):
            closed, opened = [{"uri": book.of("c")}], [book.text("c", USE, language)]
            book.change(structure={"array": array, "didClose": closed, "didOpen": opened})
            assert book.codes("c") == expected
        # What comes back as it was has not been cleared.
        book.change(structure={"array": array, "didClose": [{"uri": book.of("c")}], "didOpen": [book.text("c", USE)]})
        text = {"document": {"uri": book.of("b"), "version": 2}, "changes": [{"text": "x = torch.ones(2)\n"}]}
        book.change(textContent=[text])
        assert book.codes("c") == []
        assert client.received("textDocument/publishDiagnostics") != []
        assert client.finish() == 0


def test_cells_in_other_languages_and_without_code(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=NOTEBOOKS)
        uri = (tmp_path / "book.ipynb").as_uri()
        kinds = (("python", "import torch\n" + DATA), ("markdown", "# y = x.numpy("), ("r", "x <- 1"), ("python", ""))
        cells = [
            {"kind": 1 if kind == "markdown" else 2, "document": f"{uri}#{n}"} for n, (kind, _) in enumerate(kinds)
        ]
        texts = [
            {"uri": f"{uri}#{n}", "languageId": kind, "version": 1, "text": text}
            for n, (kind, text) in enumerate(kinds)
        ]
        cells.append({"kind": 2, "document": f"{uri}#last"})
        texts.append({"uri": f"{uri}#last", "languageId": "python", "version": 1, "text": "y = x.numpy()"})
        document = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
        client.notify("notebookDocument/didOpen", {"notebookDocument": document, "cellTextDocuments": texts})
        assert [one["code"] for one in client.diagnostics(f"{uri}#last")] == ["TL301"]
        empty = {"uri": uri + "x", "notebookType": "jupyter-notebook", "version": 1, "cells": []}
        client.notify("notebookDocument/didOpen", {"notebookDocument": empty, "cellTextDocuments": []})
        action = {
            "textDocument": {"uri": uri + "x"},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
            "context": {"diagnostics": [], "only": ["source.fixAll"]},
        }
        assert not client.ask("textDocument/codeAction", action)


@pytest.mark.parametrize("name", ["book.ipynb", ".virtual_documents/book.ipynb", "book.py"])
def test_a_notebook_as_one_python_text(tmp_path: Path, name: str) -> None:
    """What JupyterLab sends: the cells joined, under the name of the notebook."""
    text = f"import torch\n\n\n{DATA}\n\ny = x.numpy()\n"
    if name.endswith(".ipynb"):
        text = text.replace("import torch\n", IMPORTS)
    uri = f"{tmp_path.as_uri()}/{name}"
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, text)
        (found,) = client.diagnostics(uri, 1)
        assert line(found) == (text[: text.index("x.numpy")].count("\n"), 4)
        (edit,) = found["data"]["fix"]["edits"]
        assert line(edit) == (line(found)[0], 5)


@pytest.mark.parametrize("language", ["json", "jupyter", "python"])
def test_a_notebook_as_json(tmp_path: Path, language: str) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# x.numpy()"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": IMPORTS.splitlines(keepends=True)},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": [DATA, "y = '\N{FIRE}', x.numpy()"]},
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    text = text.replace("\\ud83d\\udd25", "\N{FIRE}")
    uri = (tmp_path / "book.ipynb").as_uri()
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, text, language=language)
        (found,) = client.diagnostics(uri, 1)
        row, column = line(found)
        # The character outside the basic plane counts twice.
        assert text.split("\n")[row][column - 1 :].startswith("x.numpy()")
        client.change(uri, 2, text[: len(text) // 2])
        assert client.diagnostics(uri, 2) == []
        client.change(uri, 3, text.replace('"nbformat": 4', '"nbformat": 3'))
        assert client.diagnostics(uri, 3) == []
        assert client.finish() == 0
