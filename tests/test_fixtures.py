"""The lint side of every fixture: just what must be found is found, and fixes make the fixed file."""

import codecs
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from torchlint.diagnostic import Diagnostic
from torchlint.fixer import fix
from torchlint.linter import lint
from torchlint.notebook import load as load_source
from torchlint.prove.cases import Case, check, find, target_of
from torchlint.registry import load
from torchlint.rule import Rule
from torchlint.semantic.project import Project
from torchlint.source import Source
from torchlint.target import ANY, Target

FIXTURES = Path(__file__).parent.parent / "fixtures"
RULES = load(plugins=False).rules
RULE_OF = {rule.name().replace("-", "_"): rule for rule in RULES}
CASES = list(find(FIXTURES))


def read(path: str) -> bytes | None:
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


def found(path: Path, data: bytes, rules: Sequence[type[Rule]], target: Target = ANY) -> list[Diagnostic]:
    source, project = load_source(str(path), data), Project(read)
    return lint(source, rules, path=path.resolve().as_posix(), project=project, target=target)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_and_fixes(case: Case) -> None:
    assert check(case, RULE_OF[case.rule]) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_line_breaks_and_a_byte_order_mark_change_nothing(case: Case) -> None:
    rule = RULE_OF[case.rule]
    for path in case.files:
        data = path.read_bytes()
        plain = [where(diagnostic) for diagnostic in found(path, data, [rule], case.target)]
        for copy in (codecs.BOM_UTF8 + data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r")):
            assert [where(diagnostic) for diagnostic in found(path, copy, [rule], case.target)] == plain


def where(diagnostic: Diagnostic) -> tuple[object, ...]:
    span = diagnostic.span
    return (diagnostic.code, span.row, span.column, span.end_row, span.end_column, diagnostic.message)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name())
def test_the_documented_example_shows_this_rule_alone(rule: type[Rule]) -> None:
    blocks = rule.documentation().code_blocks("Example")
    assert blocks
    for block in blocks:
        target = target_of(block)
        codes = {diagnostic.code for diagnostic in found(Path("example.py"), block.encode(), RULES, target)}
        assert codes == {rule.code}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name())
def test_what_to_use_instead_is_clean(rule: type[Rule]) -> None:
    blocks = rule.documentation().code_blocks("Use instead")
    assert blocks
    for block in blocks:
        assert found(Path("example.py"), block.encode(), RULES, target_of(block)) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_fixes_mean_the_same_whatever_ends_a_line(newline: str) -> None:
    for case in find(FIXTURES):
        rule = RULE_OF[case.rule]
        for path in case.files if case.kind == "bad" and case.program is None else ():
            text = path.read_text("utf-8")
            fixed = [
                fix(Source(path.name, copy), partial(lint, rules=[rule], target=case.target), unsafe=True).source.text
                for copy in (text, text.replace("\n", newline))
            ]
            assert fixed[0].replace("\n", newline) == fixed[1]
