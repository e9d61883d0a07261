"""What a project declares of itself: in pyproject.toml, setup.cfg, setup.py, Pipfile, .python-version, runtime.txt.

Each function takes the bytes of such a file. It gives None where the file says nothing of a project, and an empty
`Said` where it cannot be understood: finding fault with it is not our business.
"""

import ast
import re
import warnings
from collections.abc import Iterable
from typing import Any

import tomli

from torchlint.metadata.requirements import torch_in
from torchlint.metadata.said import Said, known
from torchlint.metadata.specifiers import versions
from torchlint.target import Versions

_PYTHON = re.compile(r"(?:c?python-?)?(\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)t?")


def pyproject(data: bytes) -> Said | None:
    """`[project]` and `[tool.poetry]`; None where there is neither: the file then only sets up tools."""
    if b"project" not in data and b"poetry" not in data:
        return None
    table = _toml(data)
    if table is None:
        return Said()
    project, poetry = _table(table, "project"), _table(table, "tool", "poetry")
    if not project and not poetry:
        return None
    dependencies = _table(poetry, "dependencies")
    return Said(
        known(*_stated(project.get("requires-python")), *_constraint(dependencies.get("python"))),
        known(*_torch(project.get("dependencies")), *_constraints(dependencies)),
    )


def pipfile(data: bytes) -> Said | None:
    """`[requires]` and `[packages]`."""
    table = _toml(data) or {}
    requires = _table(table, "requires")
    python = [*_stated(requires.get("python_version")), *_stated(requires.get("python_full_version"))]
    return Said(known(*python), known(*_constraints(_table(table, "packages"))))


def setup_cfg(data: bytes) -> Said | None:
    """`python_requires` and `install_requires`; None where the file only sets up tools."""
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(data.decode("utf-8-sig", "replace"))
    except configparser.Error:
        return Said()
    if not parser.has_section("options"):
        return Said() if parser.has_section("metadata") else None
    python = parser.get("options", "python_requires", fallback=None)
    return Said(
        known(*_stated(python)), known(*_torch(parser.get("options", "install_requires", fallback="").splitlines()))
    )


def setup_py(data: bytes) -> Said | None:
    """`python_requires` and `install_requires` of the one call of `setup`, where they are literals; nothing is run."""
    if b"_requires" not in data:
        return Said()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            tree = ast.parse(data)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "setup"]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Said()
    if len(calls) != 1:
        return Said()
    given = {keyword.arg: _literal(keyword.value, tree) for keyword in calls[0].keywords}
    python, torch = given.get("python_requires"), given.get("install_requires")
    if isinstance(torch, str):
        torch = torch.splitlines()
    return Said(known(*_stated(python)), known(*_torch(torch)))


def python_version(data: bytes) -> Said | None:
    """The versions that pyenv's `.python-version` names, one a line; those of others than CPython are not known."""
    lines = [line.partition("#")[0].strip() for line in data.decode("utf-8-sig", "replace").splitlines()]
    found: Versions | None = None
    for line in filter(None, lines):
        match = _PYTHON.fullmatch(line)
        named = versions(match.group(1)) if match is not None else None
        if named is None:
            return Said()
        found = named if found is None else found.either(named)
    return Said(known(found))


def runtime_txt(data: bytes) -> Said | None:
    """Heroku's `python-3.8.10`; None for a file of that name that is something else."""
    match = re.fullmatch(r"\s*python-(\d+(?:\.\d+){1,2})\s*", data.decode("utf-8-sig", "replace"))
    return None if match is None else Said(known(versions(match.group(1))))


def _toml(data: bytes) -> dict[str, Any] | None:
    try:
        return tomli.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _table(table: object, *keys: str) -> dict[str, Any]:
    """A table within tables; empty where there is none."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _stated(text: object) -> list[Versions | None]:
    return [versions(text)] if isinstance(text, str) else []


def _torch(requirements: object) -> list[Versions | None]:
    """What a list of requirements says of torch."""
    return [torch_in(one) for one in requirements if isinstance(one, str)] if isinstance(requirements, list) else []


def _constraints(packages: dict[str, Any]) -> list[Versions | None]:
    """What a table of names and constraints says of torch."""
    return [one for name, value in packages.items() if name.lower() == "torch" for one in _constraint(value)]


def _constraint(value: object) -> list[Versions | None]:
    """A constraint of Poetry or Pipenv: a text, or a table. A table may say that it counts in some places only."""
    if isinstance(value, dict):
        if not value.keys() <= {"version", "optional", "source", "extras", "index", "allow-prereleases"}:
            return []
        value = value.get("version")
    return _stated(value)


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _literal(node: ast.expr, tree: ast.Module) -> str | list[str] | None:
    """A text or a list, written where it is used or as the one value of a name of the module; of a list, its texts."""
    if isinstance(node, ast.Name):
        bound = [
            one for one in ast.walk(tree) if isinstance(one, ast.Name) and one.id == node.id and _is_bound_or_gone(one)
        ]
        values = [
            statement.value
            for statement in tree.body
            if isinstance(statement, ast.Assign) and [_name(one) for one in statement.targets] == [node.id]
        ]
        if len(bound) != 1 or len(values) != 1 or isinstance(values[0], ast.Name):
            return None
        node = values[0]
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.List | ast.Tuple):
        return list(_texts(node.elts))
    return None


def _is_bound_or_gone(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


def _texts(nodes: Iterable[ast.expr]) -> Iterable[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
