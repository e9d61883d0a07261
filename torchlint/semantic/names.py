"""Which value a name means: closures, imports of project files, star imports."""

from typing import TYPE_CHECKING

from torchlint.semantic.knowledge import (
    canonical,
)
from torchlint.semantic.project import Imported, Unit
from torchlint.semantic.values import (
    UNKNOWN,
    Frame,
    Symbol,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


def closure(frame: Frame) -> Frame:
    """The frame in which functions defined here look up free names: not the body of a class."""
    while frame.is_class and frame.parent is not None:
        frame = frame.parent
    frame.captured = True
    return frame


def load(machine: "Interpreter", imported: Imported) -> Value:
    """What a name imported from a project file is."""
    project = machine.project
    seen = set()
    while project is not None:
        if imported in seen:
            return UNKNOWN
        seen.add(imported)
        unit = machine.target if imported.path == machine.target.path else project.unit(imported.path)
        if unit is None:
            return UNKNOWN
        if imported.attribute is None:
            return unit.frame
        value = machine.state.get(unit.frame, imported.attribute)
        if value is None:
            value = star_imported(machine, unit, imported.attribute)
        if value is None:
            path = project.resolve(unit.path, imported.attribute, 1) if unit.path.endswith("__init__.py") else None
            if path is None and unit.stars and unit.stars[0] and len(unit.stars) == 1:
                return Symbol(canonical(f"{unit.stars[0]}.{imported.attribute}"))
            return load(machine, Imported(path, None)) if path is not None else UNKNOWN
        if not isinstance(value, Imported):
            return value
        imported = value
    return UNKNOWN


def star_imported(machine: "Interpreter", unit: Unit, name: str) -> Value | None:
    """What a name is that a file has by a star import of files of the project; None when none of them has it.

    A file in whose text the name does not occur is not parsed for it.
    """
    project = machine.project
    asked = (unit.path, name)
    if project is None or not unit.star_paths or name.startswith("_") or asked in machine.resolving:
        return None
    machine.resolving.add(asked)
    try:
        for path in reversed(unit.star_paths):
            data = project.read(path) or b""
            if name.encode() not in data and not _has_stars(data):
                continue
            source = machine.target if path == machine.target.path else project.unit(path)
            value = machine.state.get(source.frame, name) if source is not None else None
            if value is None and source is not None:
                value = star_imported(machine, source, name)
            if value is not None:
                return load(machine, value) if isinstance(value, Imported) else value
        return None
    finally:
        machine.resolving.discard(asked)


def _has_stars(data: bytes) -> bool:
    return b"import *" in data
