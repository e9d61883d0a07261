"""Which room may import which, seen in the imports themselves."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "torchlint"
# Top down: a module imports from its own floor or one below. A package stands for all that is in it.
FLOORS = [
    {"__main__"},
    {"cli", "server", "prove"},
    {"check", "watch"},
    {"console", "completion", "noqa", "progress", "rule_page", "settings_listing"},
    {"runner"},
    {"baseline", "changed"},
    {"config", "discover", "cache", "registry", "fixer", "pattern"},
    {"metadata"},
    {"linter"},
    {"suppress"},
    {"semantic", "rule", "parse", "locate", "nesting"},
    {"report", "notebook"},
    {"ipython"},
    {"source", "lexical"},
    {"diagnostic", "target", "__init__"},
]
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
REPORT_MAY = {"report", "diagnostic", "source"}
RULE_MAY = {"rule", "diagnostic", "semantic"}
SLOW = {"libcst.matchers", "libcst.codemod", "libcst.metadata"}
# Where torch is run on purpose: the child process of the proof, and what writes the knowledge from torch.
CHILD = "torchlint.prove.runtime"
GENERATOR = {
    f"torchlint.semantic.knowledge.{name}" for name in ("generate", "module_classes", "conversions", "sampling")
}

MODULES = sorted(PACKAGE.rglob("*.py"))
RULES = sorted((ROOT / "rules").rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, inside functions too, those for type checkers alone left out."""
    package = [*path.relative_to(ROOT).parent.parts]
    for node in at_run_time(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_run_time(node)


def room(name: str) -> str | None:
    """The part of torchlint that a dotted name lies in."""
    parts = name.split(".")
    if parts[0] != "torchlint":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in {*FLOOR_OF, "rules"} else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in FLOOR_OF, "say on which floor this module is"
    for name in imports(path):
        other = room(name)
        if other is not None and other != own:
            assert other in FLOOR_OF, f"imports {name}"
            assert FLOOR_OF[other] >= FLOOR_OF[own], f"imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "report").rglob("*.py")), ids=shown)
def test_reports_know_nothing_of_linting(path: Path) -> None:
    assert {room(name) for name in imports(path)} - {None} <= REPORT_MAY


@pytest.mark.parametrize("path", RULES, ids=shown)
def test_rules_import_the_contract_alone(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        assert room(name) in RULE_MAY or top == "libcst" or top in sys.stdlib_module_names, f"imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "semantic").rglob("*.py")), ids=shown)
def test_the_model_knows_no_rule(path: Path) -> None:
    assert not {"rule", "rules", "registry"} & {room(name) for name in imports(path)}


@pytest.mark.parametrize("path", [*MODULES, *RULES], ids=shown)
def test_only_the_generator_imports_what_it_is_made_of(path: Path) -> None:
    if module(path) not in GENERATOR:
        assert not {part for name in imports(path) for part in (name, name.rpartition(".")[0])} & GENERATOR


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))], ids=shown)
def test_nobody_imports_a_rule(path: Path) -> None:
    for name in imports(path):
        assert not name.startswith(("torchlint.rules.", "rules.")), f"imports {name}"


@pytest.mark.parametrize("path", [*MODULES, *RULES], ids=shown)
def test_linting_needs_neither_torch_nor_the_slow_parts_of_libcst(path: Path) -> None:
    for name in imports(path):
        assert not any(name == slow or name.startswith(f"{slow}.") for slow in SLOW), f"imports {name}"
        if module(path) not in {CHILD, *GENERATOR}:
            assert name.split(".")[0] not in ("torch", "torchvision", "numpy"), f"imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_only_the_server_speaks_the_language_server_protocol(path: Path) -> None:
    if path.parent.name != "server":
        assert not {"pygls", "lsprotocol"} & {name.split(".")[0] for name in imports(path)}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a run of the console has imported when it ends."""
    script = (
        "import atexit, sys; sys.argv[0] = 'torchlint'\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
        "from torchlint.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_needs_no_rules_loads_none(option: str) -> None:
    loaded = loaded_by(option)
    assert not loaded & {"libcst", "rich", "pygls", "packaging", "torchlint.linter", "torchlint.registry", "torch"}


def test_a_run_loads_no_torch_and_no_slow_part_of_libcst(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import torch\nx = torch.ones(2)\n")
    loaded = loaded_by("check", "--isolated", "--output-format", "json", str(path))
    assert "torchlint.linter" in loaded
    # libcst imports its metadata itself.
    assert not loaded & {"torch", "numpy", "packaging", "libcst.matchers", "libcst.codemod"}


def test_versions_that_are_stated_are_read_by_packaging() -> None:
    assert "packaging.version" in loaded_by("check", "--target-python", "3.11", "--show-settings")
