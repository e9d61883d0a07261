"""Open files and databases: what becomes of them in worker processes."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.datasets import elements, method
from torchlint.semantic.knowledge.data import MAKERS
from torchlint.semantic.members import Members, is_member, receiver_name, sampling
from torchlint.semantic.parts import parts
from torchlint.semantic.values import ClassInfo, Const, FunctionInfo, Instance, Origin, Value, alternatives

if TYPE_CHECKING:
    from torchlint.semantic.model import Model
    from torchlint.semantic.state import State


class Kind(Enum):
    """What goes wrong when a process and the workers that it forks use the same handle.

    POSITION: they share its position, and read each other's bytes. STATE: its library says that it must not be used
    after a fork. NOTHING: each reads on its own; but it cannot be sent to workers that are not forked.
    """

    POSITION = 0
    STATE = 1
    NOTHING = 2


# Classes of handles, as `knowledge/data.py` names what makes them.
HANDLES = {
    "builtins.open": Kind.POSITION,
    "zipfile.ZipFile": Kind.POSITION,
    "tarfile.TarFile": Kind.POSITION,
    "numpy.NpzFile": Kind.POSITION,
    "cv2.VideoCapture": Kind.POSITION,
    "wave.Wave_read": Kind.POSITION,
    "soundfile.SoundFile": Kind.POSITION,
    "tifffile.TiffFile": Kind.POSITION,
    "rasterio.DatasetReader": Kind.STATE,
    "lmdb.Environment": Kind.STATE,
    "sqlite3.Connection": Kind.STATE,
    "sqlite3.Cursor": Kind.STATE,
    "netCDF4.Dataset": Kind.STATE,
    "tables.File": Kind.STATE,
    "h5py.File": Kind.NOTHING,
}
# Handles whose items read from them: `self.images = file["images"]`.
_PARTS = frozenset({"h5py.File", "netCDF4.Dataset"})
# Objects in objects that a dataset reads through.
MAX_DEPTH = 2
_OWN_PICKLING = ("__getstate__", "__reduce__", "__reduce_ex__", "__setstate__")


class Kept(NamedTuple):
    """A handle that is opened once and used for each sample.

    `made`: where it is opened. `used`: where a sample needs it. `symbol`: its class.
    """

    symbol: str
    made: Origin
    used: Origin

    @property
    def kind(self) -> Kind:
        """What goes wrong in workers."""
        return HANDLES[self.symbol]


def kept_handles(model: "Model", info: ClassInfo, dataset: Instance | None) -> list[Kept]:
    """The handles that objects of a class open before workers start, and use in them.

    `dataset` is one such object; None for a class of the linted file of which there may be none.
    """
    members = sampling(info)
    if members is None:
        return []
    found = _of_object(model, info, dataset, members)
    if info.unit is model.unit:
        found.update(_of_module(model, members))
    return list(found.values())


def _of_object(
    model: "Model", info: ClassInfo, dataset: Instance | None, members: Members, depth: int = 0
) -> dict[cst.CSTNode, Kept]:
    """The handles that an object opens when it is made and uses in some methods, by where it opens them."""
    if any(method(info, name) is not None for name in _OWN_PICKLING):
        return {}
    initializer = method(info, "__init__")
    before = Members(info, [initializer]) if initializer is not None else None
    later = members.assigned()
    found: dict[cst.CSTNode, Kept] = {}
    for name, reads in members.reads.items():
        # What samples assign is opened when it is first needed, in each worker.
        if name in later or method(info, name) is not None:
            continue
        handle = _held(model, dataset, name, reads, initializer)
        if handle is not None and handle.origin is not None and _stays_open(model, handle, members, before):
            function = next((f for f in members.functions if f.unit is handle.origin.unit), members.functions[0])
            used = Origin(reads[0], function.unit)
            found.setdefault(handle.origin.node, Kept(handle.symbol or "", handle.origin, used))
        elif handle is None and depth < MAX_DEPTH:
            part = _part(model, dataset, name, reads)
            if part is not None and part.info is not None:
                called = [method(part.info, each) for each in _called_on(members, reads)]
                inner = Members(part.info, [each for each in called if each is not None])
                found.update(_of_object(model, part.info, part, inner, depth + 1))
    return found


def _part(model: "Model", dataset: Instance | None, name: str, reads: list[cst.Attribute]) -> Instance | None:
    """The one object of the project that an attribute holds."""
    values = [model.held(dataset, name)] if dataset is not None else [v for read in reads for v in model.values(read)]
    first = values[0] if values else None
    return first if isinstance(first, Instance) and all(value is first for value in values) else None


def _called_on(members: Members, reads: list[cst.Attribute]) -> list[str]:
    """The names of the methods, and special ones behind `[]`, that are asked of an attribute."""
    names = [node.attr.value for node in members.nodes if isinstance(node, cst.Attribute) and node.value in reads]
    return sorted({*names, "__getitem__", "__call__"})


def _held(
    model: "Model",
    dataset: Instance | None,
    name: str,
    reads: list[cst.Attribute],
    initializer: FunctionInfo | None,
) -> Instance | None:
    """The handle that an attribute holds, or one that it holds a part of."""
    end = model.facts.end
    values = [model.held(dataset, name)] if dataset is not None else [v for read in reads for v in model.values(read)]
    handle = _handle(values, end)
    whole = _part_of(name, initializer) if handle is None and initializer is not None else None
    if whole is None:
        return handle
    if dataset is not None and isinstance(whole, cst.Attribute):
        handle = _handle([model.held(dataset, whole.attr.value)], end)
    else:
        handle = _handle(model.values(whole), end)
    return handle if handle is not None and handle.symbol in _PARTS else None


def _handle(values: Sequence[Value], end: "State") -> Instance | None:
    """The first of some values, if each is a handle, or a list of handles, of one class."""
    handles: list[Instance] = []
    for value in values:
        for option in alternatives(value):
            held = option if isinstance(option, Instance) else _handle((elements(option, end) or ())[:1], end)
            if held is None or held.symbol not in HANDLES:
                return None
            handles.append(held)
    return handles[0] if len({handle.symbol for handle in handles}) == 1 else None


def _part_of(name: str, initializer: FunctionInfo) -> cst.BaseExpression | None:
    """The `file` of `self.name = file["images"]["train"]` in `__init__`."""
    node = initializer.node
    if not isinstance(node, cst.FunctionDef):
        return None
    receiver = receiver_name(node)
    for statement in _statements(node.body):
        if not isinstance(statement, cst.Assign) or not isinstance(statement.value, cst.Subscript):
            continue
        for target in statement.targets:
            if is_member(target.target, receiver) and target.target.attr.value == name:
                value: cst.BaseExpression = statement.value
                while isinstance(value, cst.Subscript):
                    if any(isinstance(part.slice, cst.Slice) for part in value.slice):
                        # `file["images"][:]` reads it.
                        return None
                    value = value.value
                return value
    return None


def _statements(block: cst.CSTNode) -> list[cst.CSTNode]:
    """The simple statements of a block, those in the blocks in it among them."""
    found: list[cst.CSTNode] = []
    pending: list[cst.CSTNode] = [block]
    while pending:
        node = pending.pop(0)
        if isinstance(node, cst.SimpleStatementLine):
            found.extend(node.body)
        elif isinstance(node, (cst.IndentedBlock, cst.BaseCompoundStatement, cst.Else, cst.ExceptHandler, cst.Finally)):
            pending.extend(parts(node))
    return found


def _stays_open(model: "Model", handle: Instance, members: Members, before: Members | None) -> bool:
    """Whether a handle is opened outside of the methods that give samples, and is open when workers start."""
    assert handle.origin is not None
    if handle.origin.node in members.nodes or _is_written(handle):
        return False
    for node in before.nodes if before is not None else ():
        if isinstance(node, cst.WithItem) and node.item is handle.origin.node:
            return False
    makers = [name for name, symbol in MAKERS.items() if symbol == handle.symbol]
    made = [call for call in model.sample_calls(*makers, handle.symbol or "") if call.node is handle.origin.node]
    if made and all(call.tests for call in made):
        # Whether it is opened at all depends on how the dataset is made.
        return False
    closed = model.sample_calls(f"{handle.symbol}.close", f"{handle.symbol}.release")
    return not any(call.receiver is handle and not any(f in members.functions for f in call.active) for call in closed)


def _is_written(handle: Instance) -> bool:
    """Whether a file is opened to be written, as a log is."""
    given = (*handle.arguments.positional, *handle.arguments.keywords.values())
    modes = [value.value for value in given if isinstance(value, Const) and isinstance(value.value, str)]
    return any(mode[:1] in ("w", "a", "x") and len(mode) <= 3 for mode in modes)


def _of_module(model: "Model", members: Members) -> dict[cst.CSTNode, Kept]:
    """The handles that the file opens when it is imported, and that samples use by name.

    Spawned workers import the file and open their own.
    """
    found: dict[cst.CSTNode, Kept] = {}
    for name, reads in members.names.items():
        handle = _handle([model.global_value(name)], model.facts.end)
        if handle is None or handle.origin is None or handle.symbol is None or HANDLES[handle.symbol] is Kind.NOTHING:
            continue
        made = model.calls(handle.origin.node)
        used = [read for read in reads if any(value is handle for value in model.values(read))]
        if used and made and all(call.importing and not call.active for call in made):
            if _stays_open(model, handle, members, None):
                found[handle.origin.node] = Kept(handle.symbol, handle.origin, Origin(used[0], model.unit))
    return found
