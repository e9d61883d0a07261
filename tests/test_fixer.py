import errno
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchlint.diagnostic import Applicability, Diagnostic, Edit, Fix, Severity
from torchlint.fixer import MOST_ROUNDS, FixError, FixResult, fix, write
from torchlint.source import Source

Lint = Callable[[Source], Sequence[Diagnostic]]


def finding(
    source: Source,
    *edits: tuple[int, int, str],
    code: str = "TL301",
    applicability: Applicability = Applicability.SAFE,
    message: str = "m",
) -> Diagnostic:
    made = tuple(Edit(source.span(start, end), content) for start, end, content in edits)
    span = made[0].span if made else source.span(0, 0)
    return Diagnostic(code, "a-rule", message, Severity.ERROR, source.filename, span, fix=Fix("f", applicability, made))


def replacing(pattern: str, content: str, **options: str) -> Lint:
    def lint(source: Source) -> list[Diagnostic]:
        return [
            finding(source, (match.start(), match.end(), match.expand(content)), **options)  # type: ignore[arg-type]
            for match in re.finditer(pattern, source.text)
        ]

    return lint


def fixed(text: str, lint: Lint, *, unsafe: bool = False) -> FixResult:
    return fix(Source("a.py", text), lint, unsafe=unsafe)


def test_fixes_are_applied_until_there_are_none() -> None:
    result = fixed("a = one + one\n", replacing(r"\b(?:one|two)\b", "three"))
    assert result.source.text == "a = three + three\n"
    assert len(result.applied) == 2
    assert result.remaining == ()


def test_what_one_round_brings_forth_the_next_one_fixes() -> None:
    lint = replacing(r"x(\d)", r"y\1y")
    result = fixed("x1\n", lambda source: [*lint(source), *replacing("y1y", "z")(source)])
    assert result.source.text == "z\n"


def test_without_anything_to_fix_the_linter_runs_once() -> None:
    calls = []

    def lint(source: Source) -> list[Diagnostic]:
        calls.append(source)
        return [finding(source, (0, 1, "b"), applicability=Applicability.UNSAFE)]

    source = Source("a.py", "a\n")
    result = fix(source, lint, unsafe=False)
    assert (result.source, result.applied, len(result.remaining), len(calls)) == (source, (), 1, 1)


@pytest.mark.parametrize(
    ("applicability", "unsafe", "applied"),
    [
        (Applicability.SAFE, False, True),
        (Applicability.SAFE, True, True),
        (Applicability.UNSAFE, False, False),
        (Applicability.UNSAFE, True, True),
        (Applicability.DISPLAY, True, False),
    ],
)
def test_who_may_apply(applicability: Applicability, unsafe: bool, applied: bool) -> None:
    def lint(source: Source) -> list[Diagnostic]:
        at = source.text.find("bad")
        return [finding(source, (at, at + 3, "ok"), applicability=applicability)] if at >= 0 else []

    result = fixed("bad\n", lint, unsafe=unsafe)
    assert result.source.text == ("ok\n" if applied else "bad\n")
    assert bool(result.remaining) != applied


def test_the_earlier_start_wins_and_the_loser_is_retried() -> None:
    def lint(source: Source) -> list[Diagnostic]:
        found = []
        if "f(g(1))" in source.text:
            at = source.text.index("f(g(1))")
            found.append(finding(source, (at, at + 7, "h(g(1))"), code="TL302"))
        if "g(1)" in source.text:
            at = source.text.index("g(1)")
            found.append(finding(source, (at, at + 4, "k(1)"), code="TL301"))
        return found

    result = fixed("f(g(1))\n", lint)
    assert result.source.text == "h(k(1))\n"
    assert [diagnostic.code for diagnostic in result.applied] == ["TL302", "TL301"]


def test_at_a_tie_the_lower_code_wins() -> None:
    def lint(source: Source) -> list[Diagnostic]:
        if source.text != "a\n":
            return []
        return [finding(source, (0, 1, "late"), code="TL302"), finding(source, (0, 1, "early"), code="TL301")]

    assert fixed("a\n", lint).source.text == "early\n"


def test_an_edit_that_fixes_share_is_made_once() -> None:
    def lint(source: Source) -> list[Diagnostic]:
        return [
            finding(source, (match.start(), match.end(), "np.sum"), (0, 0, "import numpy as np\n"))
            for match in re.finditer(r"\bsum\b(?<!np.sum)", source.text)
        ]

    result = fixed("a = sum(b)\nc = sum(d)\n", lint)
    assert result.source.text == "import numpy as np\na = np.sum(b)\nc = np.sum(d)\n"


def test_insertions_at_one_place_wait_for_each_other() -> None:
    def lint(source: Source) -> list[Diagnostic]:
        return [
            finding(source, (0, 0, f"import {name}\n"), code=code)
            for name, code in (("a", "TL301"), ("b", "TL302"))
            if f"import {name}\n" not in source.text
        ]

    assert fixed("x = 1\n", lint).source.text == "import b\nimport a\nx = 1\n"


def test_a_fix_that_never_settles_ends_and_is_named() -> None:
    result = fixed("a\n", replacing(r"\A", "x"))
    assert result.source.text == "x" * MOST_ROUNDS + "a\n"
    failure = result.remaining[-1]
    assert failure.internal
    assert failure.message == f"the fix of TL301 a-rule still changes the file after {MOST_ROUNDS} rounds"


def test_a_fix_that_changes_nothing_does_not_count() -> None:
    result = fixed("a\n", replacing("a", "a"))
    assert result.applied == ()
    assert len(result.remaining) == 1


def test_a_fix_that_breaks_the_file_is_withdrawn_and_the_others_stay() -> None:
    lint = replacing("good", "better")
    bad = replacing("bad", "((", code="TL666")
    result = fixed("x = good\ny = bad\nz = good\n", lambda source: [*lint(source), *bad(source)])
    assert result.source.text == "x = better\ny = bad\nz = better\n"
    assert [diagnostic.code for diagnostic in result.applied] == ["TL301", "TL301"]
    left, failure = result.remaining
    assert (left.code, left.fix) == ("TL666", None)
    assert failure.internal
    assert failure.code == "TL001"
    assert failure.message == "the fix of TL666 a-rule was withdrawn: the file would not parse any more"


def test_fixes_that_break_the_file_only_together_are_told_apart() -> None:
    def lint(source: Source) -> list[Diagnostic]:
        found = []
        for code, word in (("TL301", "one"), ("TL302", "two")):
            if word in source.text:
                at = source.text.index(word)
                found.append(finding(source, (at, at + 3, "def"), code=code))
        return found

    result = fixed("one = 1 if a else two\n", lambda source: lint(source))
    assert result.source.text == "one = 1 if a else two\n"
    assert [diagnostic.code for diagnostic in result.remaining if diagnostic.internal] == ["TL001", "TL001"]


def test_a_file_that_never_parsed_need_not_parse_afterwards() -> None:
    result = fixed('a = "C:\\"\nb = (\n', replacing(r'"C:\\"\n', "'C:'\\n"))
    assert result.source.text == "a = 'C:'\nb = (\n"


def test_what_the_encoding_lacks_is_not_inserted() -> None:
    source = Source("a.py", "# coding: ascii\na\n", encoding="ascii")
    result = fix(source, lambda source: [finding(source, (16, 17, "é"))], unsafe=False)
    assert result.source is source
    assert len(result.remaining) == 1


def test_encoding_and_mark_are_kept() -> None:
    source = Source.from_bytes("a.py", b"\xef\xbb\xbfa = '\xc3\xa9'\r\n")
    result = fix(source, replacing(r"\ba\b", "b"), unsafe=False)
    assert result.source.encode(result.source.text) == b"\xef\xbb\xbfb = '\xc3\xa9'\r\n"


_EDITS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 4), st.sampled_from(["", "x", "😀", "\r\n"])), max_size=6
)


@given(st.lists(_EDITS.filter(bool), max_size=5))
def test_chosen_fixes_do_not_touch_and_land_where_they_say(fixes: list[list[tuple[int, int, str]]]) -> None:
    source = Source("a.py", "(  # broken é\r\n😀")  # does not parse, so that nothing is withdrawn
    size = len(source.text)
    found = []
    for number, edits in enumerate(fixes):
        ends = [(min(start, size), min(start + length, size), text) for start, length, text in edits]
        apart = [
            edit
            for index, edit in enumerate(ends)
            if not any(edit[0] <= other[1] and other[0] <= edit[1] for other in ends[:index])
        ]
        found.append(finding(source, *apart, code=f"TL{number:03}"))
    rounds = [found]
    result = fix(source, lambda _: rounds.pop() if rounds else [], unsafe=False)
    made = {edit for diagnostic in result.applied if diagnostic.fix for edit in diagnostic.fix.edits}
    text = source.text
    for edit in sorted(made, key=lambda edit: edit.span, reverse=True):
        text = text[: edit.span.start] + edit.content + text[edit.span.end :]
    assert result.source.text == text
    spans = sorted((edit.span.start, edit.span.end) for edit in made)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    changing = [d for d in found if d.fix and any(_changes(source, edit) for edit in d.fix.edits)]
    assert bool(result.applied) == bool(changing)


def _changes(source: Source, edit: Edit) -> bool:
    return source.text[edit.span.start : edit.span.end] != edit.content


# -- to disk -------------------------------------------------------------------


def test_write_replaces_the_bytes_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old\r\n")
    path.chmod(0o754)
    write(path, b"old\r\n", b"new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"other")
    with pytest.raises(FixError, match="changed while it was being fixed; left alone"):
        write(path, b"old", b"new")
    assert path.read_bytes() == b"other"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_says_so_already_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"new")
    write(path, b"old", b"new")


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FixError, match="disappeared"):
        write(tmp_path / "a.py", b"old", b"new")
    with pytest.raises(FixError):
        write(tmp_path, b"old", b"new")
    assert list(tmp_path.iterdir()) == []


def test_links_stay_links(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    (folder / "a.py").write_bytes(b"old")
    (tmp_path / "one.py").symlink_to(folder / "a.py")
    (tmp_path / "two.py").symlink_to("one.py")
    write(tmp_path / "two.py", b"old", b"new")
    assert (folder / "a.py").read_bytes() == b"new"
    assert (tmp_path / "two.py").is_symlink()
    assert (tmp_path / "one.py").is_symlink()


def test_a_full_disk_leaves_the_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    script = """
import resource, signal, sys
from pathlib import Path
from torchlint.fixer import FixError, write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write(Path(sys.argv[1]), b"old", b"n" * 100_000)
except FixError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large; left as it was\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["mkstemp", "replace"])
def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    monkeypatch.setattr(f"torchlint.fixer.{'tempfile' if step == 'mkstemp' else 'os'}.{step}", refuse)
    with pytest.raises(FixError, match=r"^Read-only file system; left as it was$"):
        write(path, b"old", b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # the superuser may write all
        monkeypatch.setattr("torchlint.fixer.os.access", lambda *_: False)
    with pytest.raises(FixError, match="it is read-only"):
        write(path, b"old", b"new")
    assert path.read_bytes() == b"old"


def test_writers_in_two_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"")
    script = """
import sys
from pathlib import Path
from torchlint.fixer import FixError, write
path, name = Path(sys.argv[1]), sys.argv[2].encode()
refused = 0
for number in range(150):
    while True:
        old = path.read_bytes()
        try:
            write(path, old, old + b"%s%d\\n" % (name, number))
            break
        except FixError as error:
            assert "changed" in str(error), error
            refused += 1
print(refused)
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    outputs = [writer.communicate(timeout=120) for writer in writers]
    assert [error for _, error in outputs] == [b"", b""]
    lines = path.read_bytes().decode().split()
    assert sorted(lines) == sorted(f"{name}{number}" for name in "ab" for number in range(150))
    assert list(tmp_path.iterdir()) == [path]
