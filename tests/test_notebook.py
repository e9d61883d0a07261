"""Notebooks: read, linted, and fixed without touching another byte."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchlint.cli import main
from torchlint.diagnostic import Edit
from torchlint.fixer import fix
from torchlint.linter import lint
from torchlint.notebook import Cells, Notebook, NotebookError, from_cells, load, read
from torchlint.registry import load as load_rules
from torchlint.source import Source

RULES = load_rules(plugins=False).rules
GRAD = "import torch\nx = torch.ones(2, requires_grad=True)\n"


def code(source: str | list[str], **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"c{abs(hash(str(source))) % 10**8}",
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "m1", "metadata": {}, "source": [text]}


def notebook(*cells: dict[str, Any], language: str | None = "python", **more: Any) -> dict[str, Any]:
    metadata = {} if language is None else {"kernelspec": {"name": "k", "display_name": "K", "language": language}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5, **more}


def written(content: object, **options: Any) -> bytes:
    options = {"indent": 1, "ensure_ascii": False} | options
    return (json.dumps(content, **options) + "\n").encode()


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def found_in(source: Source) -> list[tuple[int, int, int, str]]:
    """Cell, row, column and code of each finding."""
    places = []
    for found in lint(source, RULES):
        cell, span = source.cell_at(found.span.start), source.in_cell(found.span)
        assert cell is not None
        places.append((cell.number, span.row, span.column, found.code))
    return places


def fixed(source: Source) -> Source:
    return fix(source, lambda text: lint(text, RULES), unsafe=False).source


class TestReading:
    def test_cells_are_one_program_in_order(self) -> None:
        data = written(notebook(markdown("# Title"), code(lines(GRAD)), code(["y = 1\n", "x.numpy()"])))
        assert found_in(read("a.ipynb", data)) == [(3, 2, 1, "TL301")]

    def test_a_source_may_be_one_string(self) -> None:
        data = written(notebook(code(GRAD), code("y = 1\nx.numpy()")))
        assert found_in(read("a.ipynb", data)) == [(2, 2, 1, "TL301")]

    def test_magics_do_not_matter(self) -> None:
        cells = [code("%matplotlib inline\n!pip install torch\n" + GRAD), code("%%time\nx?\nx.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(2, 3, 1, "TL301")]

    def test_an_indented_cell(self) -> None:
        cells = [code(GRAD), code("  # so it was pasted\n  x.numpy()"), code("x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(2, 2, 3, "TL301"), (3, 1, 1, "TL301")]

    def test_many_comments_with_windows_line_ends(self) -> None:
        cells = [code("# a line\r\n" * 5_000), code(GRAD + "x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(2, 3, 1, "TL301")]

    @pytest.mark.parametrize("magic", ["%%bash", "%%html", "%%javascript", "%%writefile a.py", "%%cython"])
    def test_cells_in_another_language_are_skipped(self, magic: str) -> None:
        cells = [code(GRAD), code(f"{magic}\nx.numpy()\nif [ -f y ]; then"), code("x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(3, 1, 1, "TL301")]

    def test_cells_that_an_editor_marked_as_another_language(self) -> None:
        cells = [code(GRAD), code("SELECT 1", vscode={"languageId": "sql"}), code("x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(3, 1, 1, "TL301")]

    @pytest.mark.parametrize("language", ["R", "julia", "javascript", "C++17"])
    def test_other_kernels_are_skipped(self, language: str) -> None:
        assert found_in(read("a.ipynb", written(notebook(code("x <- !!"), language=language)))) == []

    @pytest.mark.parametrize(("kernel", "is_python"), [("ir", False), ("julia-1.10", False), ("irene", True)])
    def test_a_kernel_may_tell_the_language(self, kernel: str, is_python: bool) -> None:
        content = notebook(code(GRAD + "x.numpy()"), language=None)
        content["metadata"] = {"kernelspec": {"name": kernel, "display_name": kernel}}
        assert bool(found_in(read("a.ipynb", written(content)))) is is_python

    @pytest.mark.parametrize("language", ["python", "Python", "ipython", None])
    def test_python_is_known_and_is_assumed(self, language: str | None) -> None:
        data = written(notebook(code(GRAD + "x.numpy()"), language=language))
        assert found_in(read("a.ipynb", data)) == [(1, 3, 1, "TL301")]

    @pytest.mark.parametrize(
        "cells", [[], [markdown("text")], [code("")], [code([])], [code([""])], [code("\n")], [code("%%bash\nls")]]
    )
    def test_nothing_to_lint(self, cells: list[dict[str, Any]]) -> None:
        source = read("a.ipynb", written(notebook(*cells)))
        assert found_in(source) == []
        assert source.cells
        assert fixed(source).data == source.data

    def test_an_empty_file(self) -> None:
        assert found_in(read("a.ipynb", b"")) == []

    def test_windows_line_ends_in_cells_and_file(self) -> None:
        data = written(notebook(code((GRAD + "x.numpy()\ny = 1").replace("\n", "\r\n")))).replace(b"\n", b"\r\n")
        source = read("a.ipynb", data)
        assert found_in(source) == [(1, 3, 1, "TL301")]
        after = fixed(source).data
        assert after == data.replace(b"x.numpy", b"x.detach().numpy")

    def test_a_byte_order_mark(self) -> None:
        data = b"\xef\xbb\xbf" + written(notebook(code(GRAD + "x.numpy()")))
        assert fixed(read("a.ipynb", data)).data == data.replace(b"x.numpy", b"x.detach().numpy")

    def test_no_guard_is_wanted(self) -> None:
        text = (
            "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
            "for x in DataLoader(TensorDataset(torch.ones(4)), num_workers=2):\n    print(x)\n"
        )
        assert [found.code for found in lint(Source("a.py", text), RULES)] == ["TL402"]
        assert found_in(read("a.ipynb", written(notebook(code(text))))) == []


class TestBrokenCells:
    def test_each_is_one_finding_and_the_others_are_linted(self) -> None:
        cells = [code(GRAD), code("y = ((1\nz"), code("x.numpy()"), code("def f(:\n"), code("x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [
            (2, 1, 6, "TL000"),
            (3, 1, 1, "TL301"),
            (4, 1, 7, "TL000"),
            (5, 1, 1, "TL301"),
        ]

    def test_an_unclosed_string_does_not_swallow_the_next_cell(self) -> None:
        cells = [code(GRAD), code("s = '''\n"), code("x.numpy()  # '''")]
        assert [(cell, name) for cell, _, _, name in found_in(read("a.ipynb", written(notebook(*cells))))] == [
            (2, "TL000"),
            (3, "TL301"),
        ]

    def test_a_cell_that_ends_in_a_backslash(self) -> None:
        cells = [code(GRAD), code("y = 1 + \\"), code("x.numpy()")]
        found = found_in(read("a.ipynb", written(notebook(*cells))))
        assert [(cell, name) for cell, _, _, name in found] == [(2, "TL000"), (3, "TL301")]

    def test_rules_explain_what_they_know(self) -> None:
        cells = [code("import os\n"), code("os.listdir('C:\\data\\')\n"), code(GRAD + "x.numpy()")]
        assert found_in(read("a.ipynb", written(notebook(*cells)))) == [(2, 1, 12, "TL902"), (3, 3, 1, "TL301")]

    def test_fixing_goes_on_around_them(self) -> None:
        data = written(notebook(code(GRAD), code("y = ((1"), code("x.numpy()")))
        assert fixed(read("a.ipynb", data)).data == data.replace(b"x.numpy", b"x.detach().numpy")


class TestPlaces:
    def test_rows_and_columns_in_the_file(self) -> None:
        data = written(notebook(markdown("a"), code(lines(GRAD)), code(['s = "é\t😀"; x.numpy()\n', "y = 1"])))
        source = read("a.ipynb", data)
        (found,) = lint(source, RULES)
        text = data.decode()
        span = source.in_file(found.span)
        assert text[span.start : span.end] == "x.numpy()"
        assert text.splitlines()[span.row - 1][span.column - 1 : span.end_column - 1] == "x.numpy()"
        assert source.file_text == text

    def test_escapes_count_in_the_file(self) -> None:
        data = written(notebook(code(lines(GRAD)), code(['s = "é\\t😀"; (x\n', '  .numpy())  # "'])), ensure_ascii=True)
        source = read("a.ipynb", data)
        (found,) = lint(source, RULES)
        span = source.in_file(found.span)
        assert json.loads('"' + re.sub(r'",\s*"', "", data.decode()[span.start : span.end]) + '"') == "x\n  .numpy()"

    def test_a_script_is_its_own_file(self) -> None:
        source = Source("a.py", GRAD + "x.numpy()\n")
        (found,) = lint(source, RULES)
        assert source.in_file(found.span) == source.in_cell(found.span) == found.span
        assert found.fix is not None
        assert source.edits_in_file(found.fix.edits) == found.fix.edits
        assert source.cell_at(0) is None


class TestBadNotebooks:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"{", "not a notebook: line 1 is not valid JSON: expecting property name enclosed in double quotes"),
            (b'{"cells": [\n1,\n}', "not a notebook: line 3 is not valid JSON"),
            (b"[1]", "not a notebook: the JSON is not an object"),
            (b'{"nbformat": 4}', "not a notebook: there is no list of `cells`"),
            (b'{"nbformat": 4, "cells": {}}', "not a notebook: there is no list of `cells`"),
            (b'{"nbformat": 4, "cells": [1]}', "not a notebook: cell 1 is not an object"),
            (b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "the `source` of cell 1 is neither"),
            (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "the `source` of cell 1 is neither"),
            (b'{"nbformat": 3, "worksheets": []}', "the notebook is of format 3 or older; `jupyter nbconvert"),
            (b'{"nbformat": 5, "cells": []}', "the notebook is of format 5; torchlint reads format 4"),
            (b'{"a": "\xff"}', "not a notebook: line 1 holds a byte that is not utf-8"),
            (b"[" * 100_000, "not a notebook: "),
        ],
    )
    def test_one_line_says_what_is_wrong(self, data: bytes, message: str) -> None:
        with pytest.raises(NotebookError) as caught:
            load("a.ipynb", data)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


STYLES: Sequence[Callable[[object], bytes]] = [
    written,
    lambda content: written(content, indent=4, ensure_ascii=True),
    lambda content: written(content, indent=None, separators=(",", ":")),
    lambda content: written(content, indent="\t", sort_keys=True),
    lambda content: written(content).replace(b"\n", b"\r\n").rstrip(),
]
TEXT = st.text(st.sampled_from("ab é😀\\\"'\t/\n\n#%"), max_size=30)
EDITS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), TEXT), max_size=4)


def test_integers_of_any_length() -> None:
    data = written(notebook(code([*lines(GRAD), "x.numpy()"]), metadata={}))
    data = data.replace(b'"nbformat":', b'"longest": %s, "nbformat":' % (b"9" * 5000), 1)
    assert b"9" * 5000 in data
    after = fixed(read("a.ipynb", data)).data
    assert after == data.replace(b"x.numpy()", b"x.detach().numpy()")


class TestFixes:
    def test_one_line_changes(self) -> None:
        before = written(notebook(markdown("é"), code(lines(GRAD)), code(["x.numpy()\n", "y = 1"])))
        after = fixed(read("a.ipynb", before)).data
        assert after == before.replace(b"x.numpy()", b"x.detach().numpy()")

    def test_a_line_that_goes_takes_its_string_along(self) -> None:
        before = written(notebook(code([*lines(GRAD), "# torchlint: ignore[TL201]\n", "y = 1"])))
        after = fixed(read("a.ipynb", before)).data
        assert json.loads(after)["cells"][0]["source"] == [*lines(GRAD), "y = 1"]

    def test_the_last_line_too(self) -> None:
        source = read("a.ipynb", written(notebook(code(["a\n", "b\n", "c"]))))
        after = source.edited([Edit(source.span(4, 5), "")])
        assert json.loads(after.data)["cells"][0]["source"] == ["a\n", "b\n"]

    def test_new_lines_get_strings_of_their_own(self) -> None:
        source = read("a.ipynb", written(notebook(code(["a\n", "b"]))))
        after = source.edited([Edit(source.span(0, 0), "x\ny\n"), Edit(source.span(3, 3), "\nz\n")])
        assert json.loads(after.data)["cells"][0]["source"] == ["x\n", "y\n", "a\n", "b\n", "z\n"]

    def test_nothing_is_changed_in_or_before_a_magic(self) -> None:
        source = read("a.ipynb", written(notebook(code("%%time\nx = 1\n!ls\n"), code("y = 1"))))
        offset = source.text.index
        assert source.allows([Edit(source.span(offset("x"), offset("x")), "z = 2\n")])
        assert not source.allows([Edit(source.span(0, 0), "import torch\n")])
        assert not source.allows([Edit(source.span(2, 3), "")])
        assert not source.allows([Edit(source.span(offset("x"), offset("y")), "")])
        assert not source.allows([Edit(source.span(offset("x"), offset("x") + 8), "")])

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(TEXT, st.booleans()), min_size=1, max_size=4),
        st.integers(0, len(STYLES) - 1),
        st.integers(0, 3),
        EDITS,
    )
    def test_any_edit(self, cells: list[tuple[str, bool]], style: int, which: int, wanted: list[Any]) -> None:
        """The edited cell says what the edits say; no byte changes outside its source; the notebook is valid."""
        texts = [text or "x" for text, _ in cells]
        sources = [
            text if as_string else lines_of_json(text) for text, (_, as_string) in zip(texts, cells, strict=True)
        ]
        content = notebook(*(code(source) | {"id": f"id{index}"} for index, source in enumerate(sources)))
        source = read("a.ipynb", STYLES[style](content))
        which %= len(texts)
        cell, text = source.cells[which], texts[which]
        edits, expected, end = [], "", 0
        for start, length, new in sorted(wanted, key=lambda edit: edit[0]):
            start, stop = min(start, len(text)), min(start + length, len(text))
            if start >= end:
                edits.append(Edit(source.span(cell.start + start, cell.start + stop), new))
                expected += text[end:start] + new
                end = stop + 1
                expected += text[stop : stop + 1]
        expected += text[end:]
        after = source.edited(edits)
        result = json.loads(after.data)
        assert "".join(result["cells"][which]["source"]) == expected
        result["cells"][which]["source"] = content["cells"][which]["source"]
        assert result == content
        nbformat.validate(json.loads(after.data))
        before_it, after_it = around(source.data, which), around(after.data, which)
        assert before_it == after_it
        if isinstance(sources[which], list):
            assert all("\n" not in line[:-1] for line in json.loads(after.data)["cells"][which]["source"])


def lines_of_json(text: str) -> list[str]:
    return re.split(r"(?<=\n)(?=.)", text, flags=re.DOTALL)


def around(data: bytes, cell: int) -> tuple[str, str]:
    """The file before and after the source of a cell, by a scan of its own."""
    text = data.decode("utf-8-sig")
    starts = [match.end() for match in re.finditer(r'"source":\s*', text)]
    # Strings in cells hold no such key, since their quotes are escaped.
    start = starts[cell]
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[:start], text[end:]


class TestCellsOfAnEditor:
    def test_they_are_linted_like_a_notebook(self) -> None:
        source = from_cells("a.ipynb", [(1, GRAD), (3, "%%time\nx.numpy()")])
        assert found_in(source) == [(3, 2, 1, "TL301")]

    def test_edits_give_new_cells(self) -> None:
        source = from_cells("a.ipynb", [(1, GRAD), (3, "%%time\nx.numpy()")])
        after = fixed(source)
        assert isinstance(after, Cells)
        assert [after.code(cell) for cell in after.cells] == [GRAD, "%%time\nx.detach().numpy()"]
        assert [cell.number for cell in after.cells] == [1, 3]

    def test_a_notebook_stays_one(self) -> None:
        assert isinstance(fixed(read("a.ipynb", written(notebook(code(GRAD + "x.numpy()"))))), Notebook)


class TestConsole:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.chdir(tmp_path)
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def torchlint(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(["check", "--isolated", "--no-plugins", *arguments])
        out, err = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    def test_notebooks_are_found_and_shown_by_cell(self) -> None:
        Path("a.ipynb").write_bytes(written(notebook(code(GRAD), code("%cd x\n\ny = 1\nx.numpy()\nz = 1"))))
        status, out, _ = self.torchlint(".")
        assert status == 1
        assert out.startswith(
            "error[TL301] [*] `.numpy()` on a tensor that requires grad (numpy-on-grad-tensor)\n"
            " --> a.ipynb:cell 2:4:1\n"
            "  |\n"
            "2 |\n"
            "3 | y = 1\n"
            "4 | x.numpy()\n"
            "  | ^^^^^^^^^\n"
            "5 | z = 1\n"
            "  |\n"
            "help: convert `x.detach()`\n"
            "fix: insert `.detach()`\n"
            "note: a.ipynb:cell 1:2:5: this makes it require grad\n"
        ), out
        assert "a.ipynb:cell 2:4:1: TL301 [*]" in self.torchlint("--output-format", "concise", ".")[1]

    def test_a_frame_ends_with_its_cell_and_shows_magics(self) -> None:
        Path("a.ipynb").write_bytes(written(notebook(code(GRAD), code("%cd x\nx.numpy()\n"), code("y = 1"))))
        _, out, _ = self.torchlint("a.ipynb")
        assert "  |\n1 | %cd x\n2 | x.numpy()\n  | ^^^^^^^^^\n  |\nhelp" in out

    def test_json_counts_by_cell(self) -> None:
        Path("a.ipynb").write_bytes(written(notebook(markdown("a"), code(GRAD), code("y = 1\nx.numpy()"))))
        (found,) = json.loads(self.torchlint("--output-format", "json", ".")[1])
        assert (found["cell"], found["location"], found["noqa_row"]) == (3, {"row": 2, "column": 1}, 2)
        (edit,) = found["fix"]["edits"]
        assert (edit["cell"], edit["location"], edit["content"]) == (3, {"row": 2, "column": 2}, ".detach()")
        (related,) = found["related"]
        assert (related["cell"], related["location"]["row"]) == (2, 2)

    def test_fix_and_diff(self) -> None:
        before = written(notebook(markdown("é"), code(lines(GRAD)), code(["x.numpy()\n", "y = 1"])))
        Path("a.ipynb").write_bytes(before)
        after = before.replace(b"x.numpy()", b"x.detach().numpy()")
        status, patch, _ = self.torchlint("--diff", ".")
        assert status == 1
        Path("a.patch").write_text(patch, "utf-8")
        if shutil.which("git") is not None:
            subprocess.run(["git", "apply", "a.patch"], check=True)
            assert Path("a.ipynb").read_bytes() == after
            Path("a.ipynb").write_bytes(before)
        assert self.torchlint("--fix", ".")[0] == 0
        assert Path("a.ipynb").read_bytes() == after
        assert self.torchlint("--fix", ".")[0] == 0
        assert Path("a.ipynb").read_bytes() == after

    def test_standard_input(self) -> None:
        before = written(notebook(code(GRAD + "x.numpy()")))
        status, out, _ = self.torchlint("-", "--stdin-filename", "a.ipynb", "--output-format", "concise", stdin=before)
        assert (status, out.split(" ")[0]) == (1, "a.ipynb:cell")
        status, out, _ = self.torchlint("-", "--stdin-filename", "a.ipynb", "--fix", stdin=before)
        assert (status, out.encode()) == (0, before.replace(b"x.numpy", b"x.detach().numpy"))

    def test_suppressions_in_cells(self) -> None:
        cells = [code(GRAD), code("x.numpy()  # noqa: TL301"), code("y = 1  # noqa: TL301")]
        Path("a.ipynb").write_bytes(written(notebook(*cells)))
        _, out, _ = self.torchlint("--output-format", "concise", ".")
        assert out.startswith("a.ipynb:cell 3:1:16: TL002 [*] unused suppression of `TL301` (unused-suppression)\n")
        self.torchlint("--fix", ".")
        assert json.loads(Path("a.ipynb").read_bytes())["cells"][2]["source"] == "y = 1"

    @pytest.mark.parametrize("data", [b"{", b"x.numpy()\n", b'{"nbformat": 3, "worksheets": []}', b"\xff"])
    def test_a_file_that_is_no_notebook(self, data: bytes) -> None:
        Path("a.ipynb").write_bytes(data)
        Path("b.ipynb").write_bytes(written(notebook(code(GRAD + "x.numpy()"))))
        status, out, _ = self.torchlint("--output-format", "concise", ".")
        assert status == 2
        first, second = out.splitlines()[:2]
        assert first.startswith("a.ipynb:1:1: TL003 ")
        assert second.startswith("b.ipynb:cell 1:3:1: TL301 ")
        self.torchlint("--fix", ".")
        assert Path("a.ipynb").read_bytes() == data

    def test_many_notebooks_in_several_processes(self) -> None:
        for number in range(30):
            Path(f"n{number:02}.ipynb").write_bytes(written(notebook(code(GRAD), code("\n" * number + "x.numpy()"))))
        one = self.torchlint("-j", "1", "--output-format", "json", ".")
        assert one == self.torchlint("-j", "2", "--output-format", "json", ".")
        assert [found["location"]["row"] for found in json.loads(one[1])] == list(range(1, 31))

    def test_a_notebook_imports_modules_beside_it(self) -> None:
        Path("net.py").write_text("from torch import nn\n\ndef build():\n    return nn.Linear(2, 2)\n")
        cells = [code("import torch\nfrom net import build"), code("build()(torch.ones(2)).numpy()")]
        Path("a.ipynb").write_bytes(written(notebook(*cells)))
        assert "a.ipynb:cell 2:1:1: TL301" in self.torchlint("--output-format", "concise", ".")[1]
