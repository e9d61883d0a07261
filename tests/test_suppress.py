import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchlint.diagnostic import Category, Diagnostic, Severity
from torchlint.rule import Rule
from torchlint.source import Source
from torchlint.suppress import apply


class FirstDefect(Rule):
    """A rule."""

    code = "TL301"
    category = Category.CORRECTNESS


class SecondDefect(Rule):
    """Another."""

    code = "TL302"
    category = Category.CORRECTNESS


RULES = [FirstDefect, SecondDefect]
KNOWN = {
    "first-defect": "TL301",
    "second-defect": "TL302",
    "dormant-defect": "TL499",
    "unused-suppression": "TL002",
    "syntax-error": "TL000",
}


def finding(source: Source, part: str, rule: type[Rule] = FirstDefect, *, internal: bool = False) -> Diagnostic:
    start = source.text.index(part)
    span = source.span(start, start + len(part))
    return Diagnostic(rule.code, rule.name(), "m", Severity.ERROR, "a.py", span, internal=internal)


def left(text: str, *parts: str, rule: type[Rule] = FirstDefect) -> list[str]:
    """Codes and texts of what remains of findings at the parts, and of findings about suppressions."""
    source = Source("a.py", text)
    kept = apply(source, [finding(source, part, rule) for part in parts], RULES, known=KNOWN)
    return [f"{found.code} {text[found.span.start : found.span.end]}" for found in kept]


def without_unused(text: str, *parts: str) -> str:
    """The text after the fixes of all findings about suppressions."""
    source = Source("a.py", text)
    kept = apply(source, [finding(source, part) for part in parts], RULES, known=KNOWN)
    edits = [edit for found in kept if found.fix for edit in found.fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span, reverse=True):
        text = text[: edit.span.start] + edit.content + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NoQA",
        "# noqa: TL301",
        "# noqa:TL301",
        "# noqa : tl301",
        "# noqa: E501, TL301",
        "# noqa: E501 TL301",
        "# noqa: TL3",
        "# noqa: TL301 -- it is a leaf",
        "# type: ignore  # noqa: TL301",
        "# type: ignore # noqa: E501 # more",
        "# torchlint: ignore",
        "# torchlint: ignore -- see [1]",
        "# torchlint:ignore[TL301]",
        "# torchlint: ignore[first-defect]",
        "# torchlint: ignore[ first-defect , E501 ]",
        "# torchlint: ignore[First-Defect] -- it is a leaf",
        "# pylint: disable=x # torchlint: ignore[TL301]",
    ],
)
def test_a_comment_silences_a_finding_on_its_row(comment: str) -> None:
    expected = ["TL301 bad"] if comment.startswith("# type: ignore # noqa: E501") else []
    assert left(f"x = bad  {comment}\n", "bad") == expected


@pytest.mark.parametrize(
    "text",
    [
        "x = bad  # nothing\n",
        "x = bad  # noqa: E501\n",
        "x = bad  # ruff: noqa\n",
        "x = bad  # noqa-ish\n",
        "x = bad  # torchlint: ignored\n",
        "x = bad  # torchlint: ignore-files\n",
        "x = bad; y = '# noqa'\n",
        "x = bad; y = '''\n# noqa\n'''\n",
        '"""\n# torchlint: ignore-file\n"""\nx = bad\n',
        "# noqa\nx = bad\n",
        "x = bad\n# noqa\n",
        "if bad:\n    pass  # noqa\n",
    ],
)
def test_what_does_not_silence(text: str) -> None:
    assert left(text, "bad") == ["TL301 bad"]


@pytest.mark.parametrize(
    "text",
    [
        "x = f(  # noqa\n    bad,\n)\n".replace("bad", "BAD"),
        "x = f(\n    BAD,  # noqa\n    2,\n)\n",
        "x = f(\n    BAD,\n    2,\n)  # noqa\n",
        "x = BAD + \\\n    2  # noqa\n",
        "x = BAD + '''\n)\n'''  # noqa\n",
        "x = BAD(\r\n    2,\r\n    )  # noqa\r\ny = 1\r\n",
        "with a(\n    BAD\n) as b:  # noqa\n    pass\n",
        "x = [BAD,  # a comment with ] and (\n  1]  # noqa\n",
    ],
)
def test_a_statement_over_several_rows_takes_the_comment_at_its_end(text: str) -> None:
    assert left(text, "BAD") == (["TL301 BAD"] if "(  # noqa" in text else [])


def test_a_finding_over_several_rows_takes_the_comment_on_its_first_or_last() -> None:
    for row in (0, 2):
        rows = ["x = f(", "1", ", 2", ")"]
        rows[row] += "  # noqa: TL301"
        text = "\n".join(rows)
        assert left(text, text[text.index("f(") : text.index(", 2") + 3]) == []


def test_a_text_that_does_not_parse_is_read_all_the_same() -> None:
    assert left('x = "C:\\data\\"  # noqa: TL301\n', '"C:\\data\\"') == []
    assert left('"""\nx = BAD  # noqa: TL301\n', "BAD") == []


@pytest.mark.parametrize("listed", ["", "[TL301]", "[first-defect, E501] -- generated"])
def test_a_whole_file(listed: str) -> None:
    assert left(f"# torchlint: ignore-file{listed}\nx = bad\n", "bad") == []


def test_a_whole_file_of_other_codes() -> None:
    text = "# torchlint: ignore-file[TL302]\nx = bad\n"
    assert left(text, "bad") == ["TL301 bad", "TL002 TL302"]
    assert left(text, "bad", rule=SecondDefect) == []


def test_failures_are_not_silenced() -> None:
    source = Source("a.py", "# torchlint: ignore-file\nx = bad  # noqa\n")
    assert apply(source, [finding(source, "bad", internal=True)], RULES) != []


def test_a_syntax_error_is_silenced_for_a_whole_file_only() -> None:
    class SyntaxError_(Rule):
        code = "TL000"

    for text, count in [("x = bad  # noqa\n", 1), ("# torchlint: ignore-file\nx = bad\n", 0)]:
        source = Source("a.py", text)
        assert len(apply(source, [finding(source, "bad", SyntaxError_)], RULES)) == count


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # noqa: TL301\n", "x = 1\n"),
        ("x = 1  # noqa: TL301", "x = 1"),
        ("x = 1  # noqa: TL301\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n"),
        ("x = 1  # noqa: TL301,E501\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: E501, TL301, W291\n", "x = 1  # noqa: E501, W291\n"),
        ("x = 1  # noqa: TL301 TL302\n", "x = 1\n"),
        ("x = 1  # noqa: TL301 -- once needed\n", "x = 1\n"),
        ("x = 1  # noqa: TL301, E501 -- long\n", "x = 1  # noqa: E501 -- long\n"),
        ("x = 1  # noqa: TL301 the shape is known\n", "x = 1  # the shape is known\n"),
        ("x = '#'  # noqa: TL301 known\n", "x = '#'  # known\n"),
        ("x = 1  # type: ignore  # noqa: TL301\n", "x = 1  # type: ignore\n"),
        ("x = 1  # noqa: TL301  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("x = 1  # noqa: TL301 -- odd  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("x = 1  # why # torchlint: ignore[TL301] # more\n", "x = 1  # why # more\n"),
        ("    # torchlint: ignore[first-defect]\nx = 1\n", "x = 1\n"),
        ("# torchlint: ignore-file[TL301]\r\nx = 1\r\n", "x = 1\r\n"),
        ("x = 1\n# torchlint: ignore-file[TL301]", "x = 1\n"),
        ("x = 1  # torchlint: ignore[TL301, second-defect]\n", "x = 1\n"),
        ("x = 1  # torchlint: ignore[frist-defect]\n", "x = 1\n"),
        ("x = 1  # noqa: TL998\n", "x = 1\n"),
    ],
)
def test_what_silences_nothing_is_found_and_removed(before: str, after: str) -> None:
    assert without_unused(before) == after
    assert without_unused(after) == after


def test_a_used_neighbour_stays() -> None:
    assert without_unused("x = bad  # noqa: TL302, TL301\n", "bad") == "x = bad  # noqa: TL301\n"


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa\n",
        "x = 1  # noqa: E501\n",
        "x = 1  # noqa: T201, N801\n",
        "x = 1  # torchlint: ignore\n",
        "# torchlint: ignore-file\n",
        "x = 1  # noqa: TL499\n",
        "x = 1  # torchlint: ignore[dormant-defect]\n",
        "x = 1  # noqa: TL301, TL002\n",
        "x = 1  # noqa: TL301  # torchlint: ignore[unused-suppression]\n",
        "x = 1  # torchlint: ignore[TL301]  # noqa\n",
    ],
)
def test_what_is_not_called_unused(text: str) -> None:
    assert left(text) == []


def test_unknown_names_get_a_suggestion() -> None:
    source = Source("a.py", "x = 1  # torchlint: ignore[frist-defect]\n")
    (unknown,) = apply(source, [], RULES, known=KNOWN)
    assert unknown.message == "unused suppression: there is no rule `frist-defect`"
    assert unknown.help == "did you mean `first-defect`?"
    assert apply(source, [], RULES) == []  # nobody said which names there are


@pytest.mark.parametrize("text", ["x = bad  # torchlint: ignore[TL301\n", "x = bad  # torchlint: ignore[]\n"])
def test_a_flawed_comment_silences_nothing_and_says_so(text: str) -> None:
    source = Source("a.py", text)
    kept = apply(source, [finding(source, "bad")], RULES, known=KNOWN)
    assert [found.code for found in kept] == ["TL301", "TL002"]
    assert "silences nothing" in kept[1].message
    assert kept[1].fix is None


_PIECES = [
    "x = bad",
    "# noqa",
    ": TL301",
    ",",
    " E501",
    "# torchlint: ignore",
    "[first-defect]",
    "[",
    "]",
    "-file",
]
_PIECES += [" -- because", "\n", "\r\n", "  ", "'", '"""', "(", ")", "é", "# type: ignore", "TL999"]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_removing_unused_suppressions_touches_comments_only_and_ends(text: str) -> None:
    from torchlint.lexical import code_only

    code = code_only(text).split()
    for _ in range(8):
        shorter = without_unused(text)
        if shorter == text:
            break
        assert code_only(shorter).split() == code
        text = shorter
    assert without_unused(text) == text
