"""Baselines: which findings they cover, when they are out of date, and what they refuse."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Console, put, torchlint

from torchlint.baseline import Baseline, BaselineError, Entry, Linted, empty, load, write
from torchlint.diagnostic import Diagnostic, Severity
from torchlint.source import Source

__all__ = ["torchlint"]  # a fixture

CODES = frozenset({"TL301", "TL302"})


def find(source: Source, *rows: int, code: str = "TL301", internal: bool = False) -> list[Diagnostic]:
    spans = [source.span(source.offset(row), source.offset(row) + 1) for row in rows]
    return [Diagnostic(code, "n", "m", Severity.ERROR, source.filename, span, internal=internal) for span in spans]


def path(name: str) -> str:
    return os.path.join(os.sep, "p", *name.split("/"))


def linted(name: str, source: Source, found: Sequence[Diagnostic], known: Sequence[Entry] = ()) -> Linted:
    return Linted(path(name), CODES, found, source, known)


def baseline_of(name: str, source: Source, found: Sequence[Diagnostic]) -> Baseline:
    return empty(path("baseline.json")).renewed([linted(name, source, found)], [])


class TestSplit:
    def test_lines_may_move_and_be_indented(self) -> None:
        before, after = Source("a.py", "x  =  1\n"), Source("a.py", "new\nif x:\n\tx =   1  \n")
        baseline = baseline_of("a.py", before, find(before, 1))
        assert baseline.split(path("a.py"), after, find(after, 3)) == ([], (Entry("a.py", "TL301", "x = 1"),))

    def test_what_is_not_the_same(self) -> None:
        source = Source("a.py", "x = 1\n")
        baseline = baseline_of("a.py", source, find(source, 1))
        other = Source("a.py", "x = 2\n")
        for name, text, code in [("b.py", source, "TL301"), ("a.py", other, "TL301"), ("a.py", source, "TL302")]:
            found = find(text, 1, code=code)
            assert baseline.split(path(name), text, found) == (found, ())

    def test_counts(self) -> None:
        source = Source("a.py", "x = 1\n" * 3)
        baseline = baseline_of("a.py", source, find(source, 1, 2))
        found = find(source, 1, 2, 3)
        left, known = baseline.split(path("a.py"), source, found)
        assert left == found[2:]
        assert len(known) == 2

    def test_syntax_errors_and_failures_are_never_covered(self) -> None:
        source = Source("a.py", "x = 1\n")
        found = [*find(source, 1, code="TL000"), *find(source, 1, internal=True)]
        baseline = baseline_of("a.py", source, found)
        assert baseline.counts == {}
        forged = Baseline(path(""), {Entry("a.py", one.code, "x = 1"): 9 for one in found})
        assert forged.split(path("a.py"), source, found) == (found, ())

    @given(st.lists(st.sampled_from(["x", "y", " x", "z"]), max_size=8), st.lists(st.sampled_from("xyz"), max_size=8))
    def test_a_baseline_covers_what_it_was_made_of_and_no_more(self, old: list[str], new: list[str]) -> None:
        before, after = (Source("a.py", "".join(line + "\n" for line in lines)) for lines in (old, new))
        baseline = baseline_of("a.py", before, find(before, *range(1, len(old) + 1)))
        assert baseline.split(path("a.py"), before, find(before, *range(1, len(old) + 1)))[0] == []
        left, known = baseline.split(path("a.py"), after, find(after, *range(1, len(new) + 1)))
        words = Counter(line.strip() for line in old)
        assert Counter(after.line(one.span.row) for one in left) == Counter(new) - words
        assert Counter(entry.line for entry in known) == Counter(new) & words


class TestStale:
    def setup_method(self) -> None:
        self.source = Source("a.py", "x = 1\ny = 1\n")
        self.baseline = baseline_of("a.py", self.source, find(self.source, 1, 2))
        self.known = self.baseline.split(path("a.py"), self.source, find(self.source, 1, 2))[1]

    def test_entries_that_cover_nothing(self) -> None:
        assert self.baseline.stale([linted("a.py", self.source, [], self.known)], []) == 0
        assert self.baseline.stale([linted("a.py", self.source, [], self.known[:1])], []) == 1
        assert self.baseline.stale([linted("a.py", self.source, [])], []) == 2

    def test_files_that_were_not_linted_are_not_judged(self) -> None:
        assert self.baseline.stale([], []) == 0
        assert self.baseline.stale([linted("b.py", self.source, [])], []) == 0

    def test_rules_that_did_not_run_are_not_judged(self) -> None:
        other = replace(linted("a.py", self.source, []), codes=frozenset({"TL999"}))
        assert self.baseline.stale([other], []) == 0
        assert self.baseline.renewed([other], []).counts == self.baseline.counts

    @pytest.mark.parametrize("internal", [True, False])
    def test_files_that_were_not_understood_are_not_judged(self, internal: bool) -> None:
        found = find(self.source, 1, code="TL000", internal=internal)
        assert self.baseline.stale([linted("a.py", self.source, found)], []) == 0
        assert self.baseline.renewed([linted("a.py", self.source, found)], []).counts == self.baseline.counts

    def test_files_that_are_gone(self, tmp_path: Path) -> None:
        baseline = Baseline(str(tmp_path), {Entry("sub/a.py", "TL301", "x"): 2, Entry("b.py", "TL301", "x"): 1})
        (tmp_path / "sub").mkdir()
        assert baseline.stale([], [str(tmp_path / "sub")]) == 2
        assert baseline.stale([], [str(tmp_path)]) == 3
        (tmp_path / "sub" / "a.py").touch()
        assert baseline.stale([], [str(tmp_path)]) == 1
        assert baseline.renewed([], [str(tmp_path)]).counts == {Entry("sub/a.py", "TL301", "x"): 2}

    def test_renewing_keeps_what_was_not_run(self) -> None:
        other = Source("b.py", "z\n")
        renewed = self.baseline.renewed([linted("b.py", other, find(other, 1))], [])
        assert renewed.counts == {**self.baseline.counts, Entry("b.py", "TL301", "z"): 1}
        renewed = renewed.renewed([linted("a.py", self.source, find(self.source, 2))], [])
        assert renewed.counts == {Entry("a.py", "TL301", "y = 1"): 1, Entry("b.py", "TL301", "z"): 1}


class TestFile:
    def test_what_is_written_is_read_again(self, tmp_path: Path) -> None:
        file = str(tmp_path / "b.json")
        entries = [Entry("ü.py", "TL301", 'print("\\")  # ü'), Entry("../a.py", "TL301", ""), Entry("a.py", "TL9", "x")]
        entries.append(Entry(os.fsdecode(b"\xe9.py"), "TL301", "x"))
        baseline = Baseline(str(tmp_path), {entry: number for number, entry in enumerate(entries, 1)})
        write(file, "b.json", baseline)
        data = Path(file).read_bytes()
        assert load(file, "b.json") == baseline
        write(file, "b.json", Baseline(str(tmp_path), dict(reversed(list(baseline.counts.items())))))
        assert Path(file).read_bytes() == data
        assert data.decode().splitlines()[3] == '    {"path": "../a.py", "code": "TL301", "line": "", "count": 2},'

    def test_an_empty_one(self, tmp_path: Path) -> None:
        file = str(tmp_path / "b.json")
        write(file, "b.json", empty(file))
        assert json.loads(Path(file).read_text()) == {"version": 1, "findings": []}
        assert load(file, "b.json").counts == {}

    def test_an_entry_that_a_merge_left_twice(self, tmp_path: Path) -> None:
        entry = {"path": "a.py", "code": "TL301", "line": "x", "count": 2}
        (tmp_path / "b.json").write_text(json.dumps({"version": 1, "findings": [entry, {**entry, "count": 1}]}))
        assert load(str(tmp_path / "b.json"), "b.json").counts == {Entry("a.py", "TL301", "x"): 2}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is not valid JSON"),
            (b"{", "is not valid JSON"),
            (b"\xff\xfe", "is not valid JSON"),
            (b"[" * 100_000, "is not valid JSON"),
            (b"[]", "b.json is not a baseline: it states no version"),
            (b'{"results": []}', "b.json is not a baseline: it states no version"),
            (b'{"version": 2, "findings": []}', "has version 2, and this torchlint reads 1"),
            (b'{"version": "1", "findings": []}', 'has version "1", and this torchlint reads 1'),
            (b'{"version": true, "findings": []}', "has version true"),
            (b'{"version": 1}', "is damaged: Expected `array`, got `null`"),
            (b'{"version": 1, "findings": [3]}', "is damaged: Expected `object`, got `int` - at `findings[0]`"),
            (
                b'{"version": 1, "findings": [{"path": "a", "code": "T", "line": 3}]}',
                "is damaged: Expected `str`, got `int` - at `findings[0].line`",
            ),
            (b'{"version": 1, "findings": [{"path": "a", "code": "T"}]}', "missing required field `line`"),
        ],
    )
    def test_what_is_no_baseline(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "b.json").write_bytes(content)
        with pytest.raises(BaselineError) as caught:
            load(str(tmp_path / "b.json"), "b.json")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_one_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(BaselineError, match=r"the baseline b\.json cannot be written: "):
            write(str(tmp_path / "missing" / "b.json"), "b.json", empty("b.json"))


class TestConsole:
    """With the stand-in, to which each `bad` is a finding."""

    def test_adopting(self, torchlint: Console) -> None:
        put("a.py", "import torch\nbad = 1\n")
        put("sub/b.py", "import torch\nbad = 1\nbad = 1\n")
        outcome = torchlint("--baseline", "b.json", "--write-baseline", ".")
        assert (outcome.code, outcome.out) == (0, "All checks passed!\n")
        assert outcome.err == "torchlint: wrote 3 findings to b.json\n"
        written = Path("b.json").read_bytes()
        assert [one["count"] for one in json.loads(written)["findings"]] == [1, 2]
        put("a.py", "import torch\n\n\n    bad   = 1\nnot bad\n")
        outcome = torchlint("--baseline", "b.json", "--output-format", "concise", "-q")
        assert (outcome.code, outcome.out) == (1, "a.py:5:5: TL101 [*] bad (bad-word)\n")
        assert torchlint("--baseline", "b.json", "sub").code == 0
        assert Path("b.json").read_bytes() == written

    def test_it_is_told_when_it_is_out_of_date(self, torchlint: Console) -> None:
        put("a.py", "import torch\nbad = 1\n")
        put("b.py", "import torch\nbad = 1\n")
        torchlint("--baseline", "b.json", "--write-baseline")
        put("a.py", "import torch\n")
        line = "torchlint: b.json lists 1 finding that is gone; --write-baseline takes it out\n"
        assert torchlint("--baseline", "b.json").err == line
        assert torchlint("--baseline", "b.json", "a.py").err == line
        assert torchlint("--baseline", "b.json", "b.py").err == ""
        assert torchlint("--baseline", "b.json", "-q").err == ""
        os.unlink("b.py")
        line = "torchlint: b.json lists 2 findings that are gone; --write-baseline takes them out\n"
        assert torchlint("--baseline", "b.json").err.endswith(line)
        assert torchlint("--baseline", "b.json", "--write-baseline").err == "torchlint: wrote 0 findings to b.json\n"
        assert torchlint("--baseline", "b.json").err == ""

    def test_it_is_configured_relative_to_the_file(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        put("torchlint.toml", 'baseline = "known/b.json"\n')
        put("sub/a.py", "import torch\nbad = 1\n")
        os.mkdir("known")
        assert torchlint("--write-baseline").code == 0
        assert json.loads(Path("known/b.json").read_text())["findings"][0]["path"] == "../sub/a.py"
        monkeypatch.chdir("sub")
        assert torchlint().code == 0
        assert torchlint("--baseline", "").code == 1
        assert torchlint("--isolated").code == 1

    def test_what_it_covers_is_not_fixed(self, torchlint: Console) -> None:
        put("a.py", "import torch\nbad = 1\n")
        torchlint("--baseline", "b.json", "--write-baseline")
        put("a.py", "import torch\nbad = 1\nbad = 2\n")
        outcome = torchlint("--baseline", "b.json", "--fix")
        assert (outcome.code, outcome.err) == (0, "")
        assert Path("a.py").read_text() == "import torch\nbad = 1\ngood = 2\n"

    def test_several_processes(self, torchlint: Console) -> None:
        for number in range(25):
            put(f"{number:02}.py", f"import torch\nbad = {number}\n")
        assert torchlint("--baseline", "b.json", "--write-baseline", "-j2").code == 0
        alone = Path("b.json").read_bytes()
        torchlint("--baseline", "b.json", "--write-baseline", "-j1")
        assert Path("b.json").read_bytes() == alone
        put("03.py", "import torch\nbad = 3\nbad = 4\n")
        outcome = torchlint("--baseline", "b.json", "-j2", "--output-format", "concise", "-q")
        assert (outcome.out, outcome.err) == ("03.py:3:1: TL101 [*] bad (bad-word)\n", "")

    def test_standard_input(self, torchlint: Console) -> None:
        put("a.py", "import torch\nbad = 1\n")
        torchlint("--baseline", "b.json", "--write-baseline")
        code = b"import torch\nbad = 1\n"
        assert torchlint("--baseline", "b.json", "-", "--stdin-filename", "a.py", stdin=code).code == 0
        assert torchlint("--baseline", "b.json", "-", "--stdin-filename", "other.py", stdin=code).code == 1

    def test_failures_are_not_hidden(self, torchlint: Console) -> None:
        put("a.py", "import torch\ncrash bad\n")
        outcome = torchlint("--baseline", "b.json", "--write-baseline")
        assert outcome.code == 2
        assert "TL001" in outcome.out
        assert json.loads(Path("b.json").read_text())["findings"] == []

    @pytest.mark.parametrize("content", [None, "{", '{"version": 9}', "[]"])
    def test_one_that_cannot_be_used(self, torchlint: Console, content: str | None) -> None:
        put("a.py")
        if content is not None:
            put("b.json", content)
        outcome = torchlint("--baseline", "b.json")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("torchlint: ")
        assert outcome.err.count("\n") == 1
        assert "b.json" in outcome.err
        if content is not None:  # nothing that is no baseline is written over
            assert torchlint("--baseline", "b.json", "--write-baseline").code == 2
            assert Path("b.json").read_text() == content

    def test_where_to_write_must_be_known(self, torchlint: Console) -> None:
        outcome = torchlint("--write-baseline")
        assert outcome.code == 2
        assert "--write-baseline must know where: give --baseline FILE too." in outcome.err
