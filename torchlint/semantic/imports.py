"""Import statements: what the names that they bind mean."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.knowledge import canonical, exports
from torchlint.semantic.project import Imported
from torchlint.semantic.values import Symbol, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


def run_import(machine: "Interpreter", node: cst.Import) -> None:
    """`import a.b as c`"""
    for alias in node.names:
        name = dotted(alias.name)
        if alias.asname is not None:
            assert isinstance(alias.asname.name, cst.Name)
            machine.assign_name(alias.asname.name.value, _module(machine, name, node))
        else:
            top = name.partition(".")[0]
            machine.assign_name(top, _module(machine, top, node) if top == name else _package(machine, top, name, node))


def _package(machine: "Interpreter", top: str, name: str, node: cst.CSTNode) -> Value:
    if machine.project is not None and machine.project.resolve(machine.unit.path, name) is not None:
        known = machine.project.resolve(machine.unit.path, top)
        return Imported(known, None) if known is not None else Symbol("#local." + top)
    return Symbol(canonical(top), machine.here(node))


def _module(machine: "Interpreter", name: str, node: cst.CSTNode, level: int = 0) -> Value:
    if machine.project is not None:
        path = machine.project.resolve(machine.unit.path, name, level)
        if path is not None:
            return Imported(path, None)
    return Symbol(canonical(name) if not level else "." * level + name, machine.here(node))


def run_import_from(machine: "Interpreter", node: cst.ImportFrom) -> None:
    """`from a import b`"""
    level = len(node.relative)
    module = dotted(node.module) if node.module is not None else ""
    path = machine.project.resolve(machine.unit.path, module, level) if machine.project is not None else None
    if isinstance(node.names, cst.ImportStar):
        _import_star(machine, module, path, level)
        return
    for alias in node.names:
        assert isinstance(alias.name, cst.Name)
        name = alias.name.value
        bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else name
        machine.assign_name(bound, _imported(machine, module, path, level, name, node))


def _imported(machine: "Interpreter", module: str, path: str | None, level: int, name: str, node: cst.CSTNode) -> Value:
    if machine.project is not None:
        if path is not None:
            return Imported(path, name)
        dotted = f"{module}.{name}" if module else name
        file = machine.project.resolve(machine.unit.path, dotted, level)
        if file is not None:
            return Imported(file, None)
    prefix = "." * level + module
    return Symbol(canonical(f"{prefix}.{name}"), machine.here(node))


def _import_star(machine: "Interpreter", module: str, path: str | None, level: int) -> None:
    if path is not None:
        if path != machine.unit.path:
            machine.unit.star_paths.append(path)
        return
    names = exports(module) if not level else None
    if names is None:
        # Any name that is not defined here may come from there.
        machine.unit.stars.append("" if level else module)
        return
    for name in names:
        machine.assign_name(name, Symbol(canonical(f"{module}.{name}")))
