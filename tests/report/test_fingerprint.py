"""What a finding is known by."""

import re

from hypothesis import given
from hypothesis import strategies as st
from made_up import SCRIPT, finding, notebook, report, reports

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.report import Report
from torchlint.report.fingerprint import fingerprints
from torchlint.source import Source

LINES = (
    "def f(x):", "    bad(x)", "    y =  bad(x)", "class A:", "    def g(self):", "        bad(self)", "bad(1)",
    "bad(1); bad(1)", "if x:", "    '''", "x = '\\d'", "", "else:", "    @bad",
)  # fmt: skip
scripts = st.lists(st.sampled_from(LINES), max_size=12)


def prints(source: Source) -> list[str]:
    """The fingerprints of a finding for every `bad`."""
    found = [
        Diagnostic("TL101", "bad-word", "bad", Severity.WARNING, source.filename, source.span(*match.span()))
        for match in re.finditer("bad", source.text)
    ]
    return fingerprints(report(source, *found))


def script(*lines: str, filename: str = "a.py") -> Source:
    return Source(filename, "".join(line + "\n" for line in lines))


@given(reports())
def test_no_two_are_the_same_and_every_run_gives_the_same(made_up: Report) -> None:
    found = fingerprints(made_up)
    assert len(set(found)) == len(found) == len(made_up.diagnostics)
    assert all(re.fullmatch("[0-9a-f]{32}", mark) for mark in found)
    assert fingerprints(made_up) == found


@given(scripts, st.lists(st.sampled_from(["import os", "", "# more", "x = 1", "def ok():\n    pass", "class B: ..."])))
def test_lines_above_change_nothing(lines: list[str], above: list[str]) -> None:
    # The last line keeps an indented first one from becoming part of what is above it.
    assert prints(script(*above, "x = 2", *lines)) == prints(script("x = 2", *lines))


@given(scripts, st.data())
def test_empty_lines_and_comments_change_nothing(lines: list[str], data: st.DataObject) -> None:
    before = prints(script(*lines))
    for line in data.draw(st.lists(st.sampled_from(["", "# more", "        # more"]))):
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    assert prints(script(*lines)) == before


def test_blanks_in_a_line_change_nothing() -> None:
    assert prints(script("x = bad(1)")) == prints(script("if y:", "    x  =  bad(1)  "))
    assert prints(script("x = bad(1)")) != prints(script("x = bad(2)"))


def test_rule_file_and_what_is_around_tell_findings_apart() -> None:
    source = script("def f():", "    bad()", "class C:", "    def f(self):", "        bad()", "bad()")
    marks = prints(source)
    assert len(set(marks)) == 3
    assert prints(script("bad()")) == [marks[2]]
    assert prints(script("def f():", "    bad()")) == [marks[0]]
    assert prints(script("def g():", "    bad()")) != [marks[0]]
    assert prints(script("bad()", filename="b.py")) != [marks[2]]
    one, other = (fingerprints(report(source, finding(source, "bad", code=code))) for code in ("TL101", "TL102"))
    assert one != other


def test_repairing_one_of_the_same_leaves_the_others() -> None:
    before = prints(script("bad()", "bad()", "bad()"))
    assert prints(script("bad()", "bad()")) == before[:2]


def test_code_that_does_not_parse_and_nests_without_end_has_fingerprints() -> None:
    assert len(prints(script("def f(:", "    bad()"))) == 1
    assert len(prints(script("x = " + "(" * 5000, "bad()"))) == 1
    assert len(prints(script("x = " + "-" * 100_000 + "1", "bad()"))) == 1
    assert len(prints(Source("a.py", "x = '\ud800'\nbad()"))) == 1


def test_a_source_that_is_not_at_hand() -> None:
    found = finding(Source("a.py", SCRIPT), "probs")
    assert len(set(fingerprints(Report([found, found], {})))) == 2


def test_cells_above_change_nothing() -> None:
    cell = "def f():\n    bad()\n"
    before = prints(notebook(cell))
    assert len(before) == 1
    assert prints(notebook("%pip install torch\n", "x = (", "  y = 1\n", cell)) == before
    assert prints(notebook("  # indented\n  if x:\n    bad()\n")) != before
