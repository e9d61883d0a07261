"""What `copy.deepcopy` makes of modules: another module of the same class, with copies of all that it holds."""

from collections.abc import Hashable
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.checkpoints import STATE_COPY, is_state
from torchlint.semantic.instances import allocate, is_module
from torchlint.semantic.values import CONTENT, Cell, DictRef, Entries, Instance, Items, ListRef, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

# A module that holds more than this is not taken apart.
MAX_PARTS = 200


class _TooLarge(Exception):
    """A module holds more than is worth looking at."""


def deep_copy(machine: "Interpreter", node: cst.CSTNode, value: Value) -> Value:
    """A copy of a module or a state dict, made at a node; any other value is returned as it is.

    The objects that make up a copy are the same each time that the node runs in one activation of a function.
    """
    if isinstance(value, Instance) and is_state(value):
        return allocate(machine, node, None, STATE_COPY, value.arguments)
    if not is_module(value):
        return value
    try:
        return _Copier(machine, node).copy(value)
    except _TooLarge:
        return value


class _Copier:
    def __init__(self, machine: "Interpreter", node: cst.CSTNode) -> None:
        self.machine = machine
        self.node = node
        self.copies: dict[Cell, Cell] = {}

    def copy(self, value: Value) -> Value:
        """A module's copy, also where it stands in a list, tuple or dict; anything else itself."""
        if isinstance(value, TupleOf):
            return TupleOf(map(self.copy, value.items), value.origin, made_by=value.made_by, names=value.names)
        if isinstance(value, Items):
            items = tuple(map(self.copy, value.items)) if value.items is not None else None
            last = self.copy(value.last) if items is None and value.last is not None else None
            return Items(items, self.copy(value.element), last)
        if isinstance(value, Entries):
            return Entries({key: self.copy(held) for key, held in value.entries.items()}, value.exact)
        if not (isinstance(value, (ListRef, DictRef)) or is_module(value)):
            return value
        assert isinstance(value, (Instance, ListRef, DictRef))
        known = self.copies.get(value)
        if known is None:
            if len(self.copies) >= MAX_PARTS:
                raise _TooLarge
            known = self.copies[value] = self._allocate(value, len(self.copies))
            self._fill(value, known)
        return known

    def _allocate(self, value: Instance | ListRef | DictRef, number: int) -> Cell:
        allocations = self.machine.frame.allocations
        key: Hashable = (id(self.node), number)
        made = allocations.get(key)
        if type(made) is type(value) and (not isinstance(made, Instance) or _is_alike(made, value)):
            return made
        origin = self.machine.here(self.node)
        if isinstance(value, Instance):
            made = Instance(value.info, value.symbol, value.arguments, origin)
        elif isinstance(value, ListRef):
            made = ListRef(Items(None), origin)
        else:
            made = DictRef(Entries({}, False), origin)
        allocations[key] = made
        return made

    def _fill(self, value: Cell, made: Cell) -> None:
        if isinstance(value, Instance) and isinstance(made, Instance):
            arguments = value.arguments
            made.arguments = arguments._replace(positional=tuple(map(self.copy, arguments.positional)))
        for name in sorted(value.base.keys() | value.written) if isinstance(value, Instance) else (CONTENT,):
            held = self.machine.read(value, name)
            if held is not None:
                self.machine.write(made, name, self.copy(held))


def _is_alike(made: Instance, value: Cell) -> bool:
    return isinstance(value, Instance) and made.info is value.info and made.symbol == value.symbol
