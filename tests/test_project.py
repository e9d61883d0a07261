"""The promises that this codebase makes about itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli

from torchlint.linter import lint
from torchlint.prove.cases import STAND_INS, find
from torchlint.registry import load, rule_table
from torchlint.rule import Rule
from torchlint.semantic.project import Project
from torchlint.source import Source

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
DIGIT = {"loop": 1, "loss": 2, "tensor": 3, "data": 4, "model": 5, "script": 9}
HEADINGS = ["Why is this bad?", "Example", "Use instead", "Fix safety", "References"]
RULES = load(plugins=False).rules
RULE_FILES = sorted(path for path in (ROOT / "rules").glob("*/*.py") if path.name != "__init__.py")

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name())
each_file = pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)


def department(rule: type[Rule]) -> str:
    return rule.__module__.split(".")[-2]


def stem(rule: type[Rule]) -> str:
    return rule.__module__.split(".")[-1]


# -- rules ---------------------------------------------------------------------


def test_all_rules_load() -> None:
    registry = load(plugins=False)
    assert registry.problems == ()
    assert len(registry.rules) == len(RULE_FILES)


@each_file
def test_one_file_holds_one_rule(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    rules = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Rule" for base in node.bases)
    ]
    assert len(rules) == 1


@each_file
def test_rules_need_no_metadata_and_do_not_walk_the_tree(path: Path) -> None:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Name, ast.Attribute))
    }
    assert not names & {"METADATA_DEPENDENCIES", "MetadataWrapper", "visit", "walk"}


@each_rule
def test_file_name_and_class_agree(rule: type[Rule]) -> None:
    assert stem(rule).replace("_", "-") == rule.name()
    assert not re.match(r"(no|use|avoid)-", rule.name())


@each_rule
def test_the_code_belongs_to_the_department(rule: type[Rule]) -> None:
    assert re.fullmatch(rf"TL{DIGIT[department(rule)]}\d\d", rule.code)


def test_codes_and_names_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name() for rule in RULES}) == len(RULES)


@each_rule
def test_the_documentation_has_its_headings_in_order(rule: type[Rule]) -> None:
    documentation = rule.documentation()
    sections = documentation.sections
    wanted = [heading for heading in HEADINGS if heading != "Fix safety" or rule.fix_safety is not None]
    assert [heading for heading in sections if heading] == wanted
    assert re.match(r"Checks for .*\.$", documentation.summary)
    assert all(sections.values())
    assert re.search(r"^- https://\S+$", sections["References"], re.MULTILINE)


@each_rule
def test_the_documentation_fits_its_lines(rule: type[Rule]) -> None:
    assert rule.__doc__ is not None
    assert "\t" not in rule.__doc__
    assert max(map(len, rule.__doc__.splitlines())) <= 120


# -- fixtures ------------------------------------------------------------------


@each_rule
def test_a_rule_has_bad_and_good_fixtures(rule: type[Rule]) -> None:
    kinds = {case.kind for case in find(FIXTURES) if case.rule == stem(rule)}
    assert {"bad", "good"} <= kinds
    assert (FIXTURES / department(rule) / stem(rule)).is_dir()


def test_no_fixture_is_an_orphan() -> None:
    homes = {(department(rule), stem(rule)) for rule in RULES}
    folders = {
        (path.parent.name, path.name)
        for path in FIXTURES.glob("*/*")
        if path.is_dir() and path.parent.name in DIGIT and any(path.rglob("*.py"))
    }
    assert folders <= homes
    assert {path.name for path in FIXTURES.iterdir()} <= {*DIGIT, STAND_INS, "scripts"}


def test_no_file_of_a_fixture_is_ignored() -> None:
    used = {path for case in find(FIXTURES) for path in case.files}
    for folder in DIGIT:
        present = {path for path in (FIXTURES / folder).rglob("*.py") if "__pycache__" not in path.parts}
        assert present <= used


def messages() -> Iterator[tuple[str, str, str | None]]:
    def read(path: str) -> bytes | None:
        file = Path(path)
        return file.read_bytes() if file.is_file() else None

    for case in find(FIXTURES):
        if case.kind == "bad":
            for path in case.files:
                source = Source.from_bytes(str(path), path.read_bytes())
                rules = [rule for rule in RULES if stem(rule) == case.rule]
                for found in lint(
                    source, rules, path=path.resolve().as_posix(), project=Project(read), target=case.target
                ):
                    yield case.name, found.message, found.help
                    for related in found.related:
                        yield case.name, related.message, None
                    if found.fix is not None:
                        yield case.name, found.fix.message, None


def test_messages_have_one_style() -> None:
    for name, message, advice in messages():
        for text in filter(None, (message, advice)):
            assert "\n" not in text, (name, text)
            assert len(text) <= 120, (name, text)
            assert not text.endswith((".", "!")), (name, text)
            assert text.count("`") % 2 == 0, (name, text)
            assert re.match(r"[`'\"(a-z0-9]|[A-Z][A-Z0-9]|[A-Z]\w*[A-Z.(]|NumPy|Python|Windows|PyTorch", text), (
                name,
                text,
            )


# -- the README and the package ------------------------------------------------


def test_the_readme_lists_the_rules() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    table = re.search(r"<!-- rules -->\n+(.*?)\n*<!-- /rules -->", readme, re.DOTALL)
    assert table is not None
    # `torchlint rule --all --output-format markdown` prints it.
    assert table.group(1).strip() == rule_table(load(plugins=False)).strip()


def test_the_packages_are_the_folders() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    present = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("torchlint", "rules")
        for path in (ROOT / top).rglob("*.py")
    }
    assert listed == {re.sub(r"^rules\b", "torchlint.rules", name) for name in present}
    data = project["tool"]["setuptools"]["package-data"]
    for path in (*(ROOT / "torchlint").rglob("*.json"), ROOT / "torchlint" / "py.typed"):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        assert any(path.match(pattern) for pattern in data[package]), path


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not drawers & {path.stem for top in ("torchlint", "rules", "tests") for path in (ROOT / top).rglob("*.py")}
