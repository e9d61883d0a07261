"""The formats whose lines people and editors read: grouped and pylint; and JSON lines."""

import json
import re
from textwrap import dedent

from hypothesis import given
from made_up import SCRIPT, edit, finding, notebook, report, reports
from rich.text import Text

from torchlint.diagnostic import Applicability, Fix, Severity
from torchlint.report import Report, grouped, json_lines, pylint
from torchlint.report.json import objects
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)
FIX = Fix("pass the logits", Applicability.UNSAFE, (edit(SOURCE, "probs", "scores"),))


class TestGrouped:
    def test_columns(self) -> None:
        other = notebook("import torch\n", "x = 1\n" * 12 + "bad\n", filename="b.ipynb")
        found = [
            finding(SOURCE, "import", message="this\nthat"),
            finding(SOURCE, "probs, target", fix=FIX, code="ACME101", name="other"),
            finding(other, "torch", message="torch"),
            finding(other, "bad", message="bad"),
        ]
        made_up = Report(found, {"train.py": SOURCE, "b.ipynb": other}, unsafe_fixes=True)
        assert grouped.render(made_up) == dedent(
            """\
            train.py:
              1:1   TL201    this that (softmax-into-cross-entropy)
              6:31  ACME101  [*] `criterion` expects logits (other)

            b.ipynb:
               cell 2:1:8  TL201  torch (softmax-into-cross-entropy)
              cell 3:13:1  TL201  bad (softmax-into-cross-entropy)

            """
        )
        assert grouped.render(Report([], {})) == ""

    def test_colour_adds_nothing_but_colour(self) -> None:
        found = [finding(SOURCE, "import", severity=severity, fix=FIX) for severity in Severity]
        plain = grouped.render(report(SOURCE, *found, unsafe_fixes=True))
        coloured = grouped.render(Report(found, {"train.py": SOURCE}, unsafe_fixes=True, colour=True))
        assert "\x1b[1;34m" in coloured
        assert Text.from_ansi(coloured).plain.rstrip() == plain.rstrip()

    @given(reports())
    def test_a_finding_is_one_line_that_steers_no_terminal(self, made_up: Report) -> None:
        text = grouped.render(made_up)
        text.encode()
        assert "\x1b" not in text
        lines = text.splitlines()
        assert sum(line.startswith("  ") for line in lines) == len(made_up.diagnostics)
        assert len(lines) == len(made_up.diagnostics) + 2 * len({found.filename for found in made_up.diagnostics})


class TestPylint:
    def test_a_line(self) -> None:
        assert pylint.render(report(SOURCE, finding(SOURCE, "probs, target"))) == (
            "train.py:6: [TL201] `criterion` expects logits\n"
        )
        assert pylint.render(Report([], {})) == ""

    def test_a_notebook_is_looked_up_in_its_json(self) -> None:
        source = notebook("import torch\n", "x = 1\ny = bad\n")
        row = next(number for number, text in enumerate(source.file_text.splitlines(), 1) if "bad" in text)
        assert pylint.render(report(source, finding(source, "bad"))) == (
            f"train.ipynb:{row}: [TL201] cell 3, line 2: `criterion` expects logits\n"
        )

    @given(reports())
    def test_a_finding_is_one_line(self, made_up: Report) -> None:
        text = pylint.render(made_up)
        text.encode()
        lines = text.splitlines()
        assert len(lines) == len(made_up.diagnostics)
        for line, found in zip(lines, made_up.diagnostics, strict=True):
            assert re.fullmatch(rf".*\.py:{found.span.row}: \[{found.code}\] .*", line)


class TestJsonLines:
    @given(reports())
    def test_the_objects_of_the_json_format(self, made_up: Report) -> None:
        text = json_lines.render(made_up)
        assert text.isascii()
        assert text.endswith("\n") or not made_up.diagnostics
        assert [json.loads(line) for line in text.splitlines()] == json.loads(json.dumps(objects(made_up)))
