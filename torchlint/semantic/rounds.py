"""Loops that go over things known one by one, as those that build or run the layers of a model do.

Such a loop is run once for each of them, so that `for width in [64, 128]: layers.append(nn.Conv2d(channels, width, 3))`
makes two layers, each of its own size.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import objects
from torchlint.semantic.instances import MODULE_DICT
from torchlint.semantic.parts import nodes_in
from torchlint.semantic.state import State, rebased
from torchlint.semantic.values import CONTENT, Cell, Const, DictRef, Entries, Frame, Instance, Symbol, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

# In one loop, and in all of a file.
MAX_ROUNDS = 24
MAX_TOTAL = 600
# What a loop has in it that trains, or goes over data.
_TRAINING = frozenset({"backward", "zero_grad", "step", "DataLoader", "manual_backward"})
_COUNTING = frozenset({"builtins.enumerate", "builtins.zip", "builtins.reversed"})


def known_items(machine: "Interpreter", loop: cst.For, iterable: Value) -> Sequence[Value] | None:
    """What a loop of a model goes over; None where that is not known, or the loop is to be run as any other."""
    items = _items(machine, loop.iter, iterable)
    if items is None or len(items) > min(MAX_ROUNDS, machine.rounds_left) or not _builds(machine, loop):
        return None
    machine.rounds_left -= len(items)
    return items


def _items(machine: "Interpreter", node: cst.BaseExpression, value: Value) -> Sequence[Value] | None:
    known = objects.exact_items(machine, value)
    if known is not None:
        return known
    if isinstance(node, cst.Call) and type(node.func) is cst.Attribute and not node.args:
        return _of_dict(machine, node.func)
    if isinstance(node, cst.Call) and type(node.func) is cst.Name and node.args:
        if any(arg.keyword is not None or arg.star for arg in node.args):
            return None
        function = machine.lookup(node.func.value, machine.frame)
        if isinstance(function, Symbol) and function.name == "builtins.range":
            return _numbers([_again(machine, arg.value) for arg in node.args])
        if isinstance(function, Symbol) and function.name in _COUNTING:
            return _counted(machine, function.name, node)
    return None


def _of_dict(machine: "Interpreter", func: cst.Attribute) -> Sequence[Value] | None:
    """What `items()`, `values()` and `keys()` of a dict give."""
    name = func.attr.value
    if name not in ("items", "values", "keys"):
        return None
    owner = _again(machine, func.value)
    known = isinstance(owner, DictRef) or (isinstance(owner, Instance) and owner.symbol == MODULE_DICT)
    held = machine.read(owner, CONTENT) if known and isinstance(owner, Cell) else None
    if not isinstance(held, Entries) or not held.exact:
        return None
    if name == "values":
        return [*held.entries.values()]
    keys = [Const(key) for key in held.entries]
    return keys if name == "keys" else [TupleOf(pair) for pair in zip(keys, held.entries.values(), strict=True)]


def _numbers(bounds: Sequence[Value]) -> Sequence[Value] | None:
    """What `range` gives."""
    known = [bound.value for bound in bounds if type(bound) is Const and type(bound.value) is int and not bound.assumed]
    if len(known) < len(bounds) or len(known) > 3 or 0 in known[2:]:
        return None
    numbers = range(*known)
    return [Const(number) for number in numbers] if len(numbers) <= MAX_ROUNDS else None


def _counted(machine: "Interpreter", name: str, node: cst.Call) -> Sequence[Value] | None:
    """What `enumerate`, `zip` and `reversed` give."""
    parts = [_items(machine, arg.value, _again(machine, arg.value)) for arg in node.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if name == "builtins.zip":
        return [TupleOf(each) for each in zip(*known, strict=False)]
    if len(known) > 1:
        return None
    if name == "builtins.reversed":
        return known[0][::-1]
    return [TupleOf((Const(index), item)) for index, item in enumerate(known[0])]


def _again(machine: "Interpreter", node: cst.BaseExpression) -> Value:
    """What an expression that has just been evaluated is; no fact comes of it."""
    kept = machine.recording, machine.facts
    machine.recording, machine.facts = False, None
    value = machine.eval(node)
    machine.recording, machine.facts = kept
    return value


def _builds(machine: "Interpreter", loop: cst.For) -> bool:
    """Whether a loop is one of a model: in a method of a module, or in a function that makes layers."""
    known = machine.building.get(id(loop))
    if known is None:
        names = {
            inner.attr.value if isinstance(inner, cst.Attribute) else inner.value
            for inner in nodes_in(loop.body)
            if isinstance(inner, (cst.Attribute, cst.Name))
        }
        known = machine.building[id(loop)] = (names.isdisjoint(_TRAINING), "nn" in names)
    return known[0] and (machine.in_module or (known[1] and bool(machine.active)))


def run(machine: "Interpreter", loop: cst.For, items: Sequence[Value]) -> None:
    """Run the body of a loop once for each item."""
    outer = machine.state
    kept = machine.breaks, machine.continues, machine.loops, machine.loop_base, machine.turns, machine.round
    machine.loops = (*machine.loops, loop)
    head = machine.loop_base = State(outer)
    exits: list[State] = []
    for index, item in enumerate(items):
        machine.breaks, machine.continues = [], []
        turn = machine.state = State(head)
        machine.turn += 1
        machine.turns, machine.round = (*kept[4], machine.turn), (*kept[5], index)
        machine.bind(loop.target, item)
        machine._block(loop.body)
        exits.extend(rebased(state, outer) for state in machine.breaks)
        head.absorb([*machine.continues, turn])
        if head.dead:
            break
    machine.breaks, machine.continues, machine.loops, machine.loop_base, machine.turns, machine.round = kept
    machine.state = outer
    outer.absorb([*exits, head])


def listed(machine: "Interpreter", node: cst.ListComp) -> tuple[Value, ...] | None:
    """The elements of a list comprehension of a module; None where they are not known one by one."""
    if not machine.in_module or not isinstance(node.elt, (cst.Call, cst.IfExp)):
        return None
    made = _each(machine, node.for_in, lambda: machine.eval(node.elt))
    return tuple(made) if made is not None else None


def entries(machine: "Interpreter", node: cst.DictComp) -> Entries | None:
    """The content of a dict that a comprehension of a module makes; None where it is not made of known items."""
    if not machine.in_module or not isinstance(node.value, (cst.Call, cst.IfExp)):
        return None
    made = _each(machine, node.for_in, lambda: TupleOf((machine.eval(node.key), machine.eval(node.value))))
    if made is None:
        return None
    pairs = [pair.items for pair in made if isinstance(pair, TupleOf)]
    known = {key.value: value for key, value in pairs if isinstance(key, Const) and isinstance(key.value, (str, int))}
    return Entries(known) if len(known) == len(made) else Entries({}, False)


def _each(machine: "Interpreter", clause: cst.CompFor, element: Callable[[], Value]) -> list[Value] | None:
    """What a comprehension makes of each known item."""
    if clause.inner_for_in is not None:
        return None
    iterable = machine.eval(clause.iter)
    items = _items(machine, clause.iter, iterable)
    if items is None or not 0 < len(items) <= min(MAX_ROUNDS, machine.rounds_left):
        return None
    machine.rounds_left -= len(items)
    outer, base, outer_round = machine.frame, machine.state, machine.round
    made: list[Value] | None = []
    turn = machine.state = State(base)
    inner = machine.frame = Frame(machine.unit, outer, outer.function, outer.receiver)
    inner.allocations = outer.allocations
    for index, item in enumerate(items):
        machine.round = (*outer_round, index)
        machine.bind(clause.target, item)
        chosen = [machine.truth(condition.test) for condition in clause.ifs]
        if None in chosen:
            made = None
            break
        if all(chosen):
            assert made is not None
            made.append(element())
    machine.frame, machine.state, machine.round = outer, base, outer_round
    turn.writes = {key: value for key, value in turn.writes.items() if key[0] is not inner}
    base.absorb([turn] if made is not None else [turn, State(base)])
    return made
