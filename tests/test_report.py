"""Findings as people and programs read them."""

import json
from textwrap import dedent

import pytest

from torchlint.diagnostic import Applicability, Diagnostic, Edit, Fix, Related, Severity, Span
from torchlint.report import Report, concise, fixable, full
from torchlint.report import json as json_report
from torchlint.source import Source

SCRIPT = """\
import torch

probs = torch.softmax(scores, -1)
if train:
    loss = criterion(probs, target)
done()
"""


def source(text: str = SCRIPT) -> Source:
    return Source("train.py", text)


def span(text: str, of: str, to: str | None = None) -> Span:
    start = text.index(of)
    end = start + len(of) if to is None else text.index(to, start) + len(to)
    return Source("train.py", text).span(start, end)


def finding(
    where: Span,
    *,
    fix: Applicability | None = None,
    severity: Severity = Severity.ERROR,
    code: str = "TL201",
    help: str | None = None,
    related: tuple[Related, ...] = (),
) -> Diagnostic:
    repair = None if fix is None else Fix("pass the logits", fix, (Edit(where, "scores"),))
    return Diagnostic(
        code,
        "softmax-into-cross-entropy",
        "expects logits",
        severity,
        "train.py",
        where,
        help,
        repair,
        related,
    )


def frame(text: str, where: Span) -> str:
    return full.render(Report([finding(where)], {"train.py": source(text)}))


def test_full() -> None:
    related = (
        Related("`probs` is softmax output", "train.py", span(SCRIPT, "torch.softmax(scores, -1)")),
        Related("`criterion` is made here", "losses.py", Span(0, 1, 7, 3, 7, 4)),
    )
    found = finding(
        span(SCRIPT, "(probs"), fix=Applicability.UNSAFE, help="pass what softmax was given", related=related
    )
    assert full.render(Report([found], {"train.py": source()})) == dedent(
        """\
        error[TL201] [unsafe fix] expects logits (softmax-into-cross-entropy)
         --> train.py:5:21
          |
        3 | probs = torch.softmax(scores, -1)
        4 | if train:
        5 |     loss = criterion(probs, target)
          |                     ^^^^^^
        6 | done()
          |
        help: pass what softmax was given
        unsafe fix: pass the logits
        note: train.py:3:9: `probs` is softmax output
        3 | probs = torch.softmax(scores, -1)
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^
        note: losses.py:7:3: `criterion` is made here

        """
    )


@pytest.mark.parametrize(
    ("applicability", "unsafe_fixes", "mark", "line"),
    [
        (Applicability.SAFE, False, "[*] ", "fix: pass the logits"),
        (Applicability.UNSAFE, False, "[unsafe fix] ", "unsafe fix: pass the logits"),
        (Applicability.UNSAFE, True, "[*] ", "unsafe fix: pass the logits"),
        (Applicability.DISPLAY, True, "", "suggestion: pass the logits"),
    ],
)
def test_full_says_what_is_fixable(applicability: Applicability, unsafe_fixes: bool, mark: str, line: str) -> None:
    text = full.render(
        Report([finding(span(SCRIPT, "probs"), fix=applicability)], {"train.py": source()}, unsafe_fixes=unsafe_fixes)
    )
    assert text.startswith(f"error[TL201] {mark}expects logits")
    assert f"\n{line}\n" in text


def test_a_finding_without_a_source_has_no_frame() -> None:
    text = full.render(Report([finding(Span(0, 0, 1, 1, 1, 1), severity=Severity.WARNING)], {}))
    assert text == "warning[TL201] expects logits (softmax-into-cross-entropy)\n --> train.py:1:1\n\n"


def body(rendered: str) -> str:
    """The rows of the frame alone."""
    return "".join(line + "\n" for line in rendered.splitlines()[3:-2])


def test_tabs_and_wide_characters() -> None:
    text = "if x:\n\tf('日本é\u0301', probs)\n"
    assert body(frame(text, span(text, "probs"))) == (
        "1 | if x:\n2 |     f('日本é\u0301', probs)\n  |                ^^^^^\n"
    )
    text = "f('日本')\n"
    assert body(frame(text, span(text, "'日本'"))) == "1 | f('日本')\n  |   ^^^^^^\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = "x = '\x1b[31m' + probs\n"
    assert body(frame(text, span(text, "probs"))) == "1 | x = '\ufffd[31m' + probs\n  |               ^^^^^\n"


def test_several_rows_from_the_first_character() -> None:
    text = "a\nif x:\n    f(\n        1,\n    )\nb\n"
    assert body(frame(text, span(text, "f(", ")"))) == dedent(
        """\
        1 |   a
        2 |   if x:
        3 | /     f(
        4 | |         1,
        5 | |     )
          | |_____^
        6 |   b
        """
    )


def test_several_rows_from_the_middle_of_one() -> None:
    text = "y = f(\n    1,\n)\n"
    assert body(frame(text, span(text, "f(", ")"))) == dedent(
        """\
        1 |   y = f(
          |  _____^
        2 | |     1,
        3 | | )
          | |_^
        """
    )


def test_many_rows_are_shown_by_the_first_and_last() -> None:
    text = "for x in y:\n" + "".join(f"    f({number})\n" for number in range(20))
    assert body(frame(text, span(text, "for", "f(19)"))) == dedent(
        """\
         1 | / for x in y:
         2 | |     f(0)
         3 | |     f(1)
         4 | |     f(2)
           | | ...
        20 | |     f(18)
        21 | |     f(19)
           | |_________^
        """
    )


def test_an_empty_span_has_one_caret() -> None:
    text = "x = 1\n"
    at_end = Source("train.py", text).span(5, 5)
    assert body(frame(text, at_end)) == "1 | x = 1\n  |      ^\n"
    past_end = Source("train.py", text).span(6, 6)
    assert body(frame(text, past_end)) == "1 | x = 1\n2 |\n  | ^\n"
    assert body(frame("", Source("train.py", "").span(0, 0))) == "1 |\n  | ^\n"


def test_only_a_part_of_a_very_long_line_is_shown() -> None:
    text = "x = [" + "1, " * 100_000 + "probs, " + "1, " * 100_000 + "]\n"
    rendered = frame(text, span(text, "probs"))
    assert len(rendered) < 1000
    code, carets = body(rendered).splitlines()
    assert code.startswith("1 | …")
    assert code.endswith("…")
    assert code[carets.index("^") :].startswith("probs")
    assert carets.count("^") == len("probs")


def test_line_breaks_of_every_kind() -> None:
    text = "a = 1\r\nb = 2\rc = probs\nd"
    assert body(frame(text, span(text, "probs"))) == ("1 | a = 1\n2 | b = 2\n3 | c = probs\n  |     ^^^^^\n4 | d\n")


def test_colour_adds_nothing_but_colour() -> None:
    from rich.text import Text

    found = [finding(span(SCRIPT, "probs"), fix=Applicability.SAFE, help="do", severity=Severity.INFO)]
    for renderer in (full, concise):
        plain = renderer.render(Report(found, {"train.py": source()}))
        coloured = renderer.render(Report(found, {"train.py": source()}, colour=True))
        assert "\x1b[" not in plain
        assert "\x1b[1;34m" in coloured
        assert Text.from_ansi(coloured).plain.rstrip() == plain.rstrip()


def test_concise() -> None:
    found = [
        finding(span(SCRIPT, "(probs"), fix=Applicability.SAFE),
        finding(span(SCRIPT, "probs"), fix=Applicability.UNSAFE),
    ]
    assert concise.render(Report(found, {})) == (
        "train.py:5:21: TL201 [*] expects logits (softmax-into-cross-entropy)\n"
        "train.py:3:1: TL201 expects logits (softmax-into-cross-entropy)\n"
    )


def test_json() -> None:
    related = (Related("here", "losses.py", Span(0, 1, 7, 3, 7, 4)),)
    found = finding(span(SCRIPT, "(probs"), fix=Applicability.UNSAFE, help="do that", related=related)
    assert json.loads(json_report.render(Report([found, finding(span(SCRIPT, "if", "target"))], {}))) == [
        {
            "code": "TL201",
            "name": "softmax-into-cross-entropy",
            "severity": "error",
            "message": "expects logits",
            "help": "do that",
            "filename": "train.py",
            "location": {"row": 5, "column": 21},
            "end_location": {"row": 5, "column": 27},
            "cell": None,
            "noqa_row": 5,
            "url": "https://github.com/torchlint/torchlint#softmax-into-cross-entropy",
            "fix": {
                "applicability": "unsafe",
                "message": "pass the logits",
                "edits": [
                    {
                        "content": "scores",
                        "location": {"row": 5, "column": 21},
                        "end_location": {"row": 5, "column": 27},
                        "cell": None,
                    }
                ],
            },
            "related": [
                {
                    "message": "here",
                    "filename": "losses.py",
                    "location": {"row": 7, "column": 3},
                    "end_location": {"row": 7, "column": 4},
                    "cell": None,
                }
            ],
        },
        {
            "code": "TL201",
            "name": "softmax-into-cross-entropy",
            "severity": "error",
            "message": "expects logits",
            "help": None,
            "filename": "train.py",
            "location": {"row": 4, "column": 1},
            "end_location": {"row": 5, "column": 35},
            "cell": None,
            "noqa_row": 5,
            "url": "https://github.com/torchlint/torchlint#softmax-into-cross-entropy",
            "fix": None,
            "related": [],
        },
    ]
    assert json_report.render(Report([], {})) == "[]\n"


def test_summary() -> None:
    where = span(SCRIPT, "probs")
    error, warning = finding(where), finding(where, severity=Severity.WARNING)
    safe, unsafe = finding(where, fix=Applicability.SAFE), finding(where, fix=Applicability.UNSAFE)
    assert fixable.summary([]) == "All checks passed!\n"
    assert fixable.summary([error]) == "Found 1 finding (1 error).\n"
    assert fixable.summary([safe, safe, unsafe, warning]) == (
        "Found 4 findings (3 errors, 1 warning).\n[*] 2 fixable with `--fix` (1 more with `--unsafe-fixes`).\n"
    )
    assert fixable.summary([safe, unsafe], unsafe_fixes=True) == (
        "Found 2 findings (2 errors).\n[*] 2 fixable with `--fix`.\n"
    )
    assert fixable.summary([unsafe]) == "Found 1 finding (1 error).\n1 fixable with `--fix --unsafe-fixes`.\n"
    assert fixable.summary([], fixed=2) == "Found 2 findings (2 fixed, 0 remaining).\n"
    assert fixable.summary([error], fixed=2) == "Found 3 findings (2 fixed, 1 remaining: 1 error).\n"


def test_statistics() -> None:
    where = span(SCRIPT, "probs")
    found = [
        finding(where),
        *[finding(where, code="TL101", fix=Applicability.SAFE)] * 10,
        finding(where, code="TL301", fix=Applicability.SAFE),
        finding(where, code="TL301"),
    ]
    assert fixable.statistics(found) == (
        "10  TL101  [*] softmax-into-cross-entropy\n"
        " 2  TL301  [ ] softmax-into-cross-entropy\n"
        " 1  TL201  [ ] softmax-into-cross-entropy\n"
    )
    assert fixable.statistics([]) == ""
