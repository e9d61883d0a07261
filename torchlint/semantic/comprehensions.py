"""Comprehensions and generator expressions: what their elements are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from torchlint.semantic import objects, rounds
from torchlint.semantic.narrowing import narrow
from torchlint.semantic.state import State
from torchlint.semantic.values import (
    MAX_ALTERNATIVES,
    Const,
    Entries,
    Frame,
    Instance,
    Items,
    Iterated,
    Scalar,
    Tensor,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


def _element(machine: "Interpreter", node: cst.CSTNode, comp: cst.CompFor, elements: Callable[[], Value]) -> Value:
    outer = machine.frame
    with machine.layer() as turn:
        machine.frame = Frame(machine.unit, outer)
        machine.frame.allocations = outer.allocations
        machine.frame.function = outer.function
        machine.frame.receiver = outer.receiver
        clause: cst.CompFor | None = comp
        while clause is not None:
            iterable = machine.eval(clause.iter)
            machine.bind(clause.target, objects.iterate(machine, iterable, clause.iter))
            for condition in clause.ifs:
                machine.eval(condition.test)
                narrow(machine, condition.test, True)
            clause = clause.inner_for_in
        element = elements()
        inner, machine.frame = machine.frame, outer
    turn.writes = {key: value for key, value in turn.writes.items() if key[0] is not inner}
    machine.state.absorb((turn, State(machine.state)))
    return element


def list_of(machine: "Interpreter", node: cst.ListComp) -> Value:
    """`[... for ...]`"""
    items = _computed_numbers(machine, node) or rounds.listed(machine, node)
    if items is not None:
        return machine.allocate_list(node, Items(items))
    element = _element(machine, node, node.for_in, lambda: machine.eval(node.elt))
    return machine.allocate_list(node, Items(None, element, element))


def _computed_numbers(machine: "Interpreter", node: cst.ListComp) -> tuple[Value, ...] | None:
    """The elements of `[int(p * n) for p in (0.8, 0.2)]`; None for any other comprehension."""
    clause = node.for_in
    if clause.inner_for_in is not None or clause.ifs or not isinstance(clause.target, cst.Name):
        return None
    if not isinstance(node.elt, (cst.Call, cst.BinaryOperation)):
        return None
    given = objects.exact_items(machine, machine.eval_quietly(clause.iter))
    if not given or len(given) > MAX_ALTERNATIVES or not all(objects.is_number(number) for number in given):
        return None
    # For the record.
    machine.eval(clause.iter)
    outer = machine.frame
    machine.frame = Frame(machine.unit, outer, outer.function, outer.receiver)
    items = []
    for number in given:
        machine.bind(clause.target, number)
        items.append(machine.eval(node.elt))
    machine.frame = outer
    return tuple(items) if all(isinstance(item, (Const, Scalar)) for item in items) else None


def set_of(machine: "Interpreter", node: cst.SetComp | cst.GeneratorExp) -> Value:
    """`{... for ...}`, `(... for ...)`"""
    element = _element(machine, node, node.for_in, lambda: machine.eval(node.elt))
    return Iterated(element, (), machine.here(node))


def dict_of(machine: "Interpreter", node: cst.DictComp) -> Value:
    """`{...: ... for ...}`"""
    keys = _literal_keys(machine, node)
    entries = Entries(keys) if keys is not None else rounds.entries(machine, node)
    if entries is not None:
        return machine.allocate_dict(node, entries)

    def pair() -> Value:
        machine.eval(node.key)
        return machine.eval(node.value)

    value = _element(machine, node, node.for_in, pair)
    made = machine.allocate_dict(node, Entries({}, False))
    if machine.facts is not None and isinstance(value, (Instance, Tensor)):
        machine.facts.entered.append((made, value))
    return made


def _literal_keys(machine: "Interpreter", node: cst.DictComp) -> dict[Any, Value] | None:
    """The entries of `{k: ... for k in ["train", "val"]}`; None for any other comprehension."""
    clause = node.for_in
    if clause.inner_for_in is not None or clause.ifs or not isinstance(clause.target, cst.Name):
        return None
    items = objects.exact_items(machine, machine.eval(clause.iter))
    if items is None or not isinstance(node.key, cst.Name) or node.key.value != clause.target.value:
        return None
    entries: dict[Any, Value] = {}
    outer = machine.frame
    machine.frame = Frame(machine.unit, outer, outer.function, outer.receiver)
    for item in items:
        if not isinstance(item, Const) or item.assumed:
            machine.frame = outer
            return None
        machine.bind(clause.target, item)
        entries[item.value] = machine.eval(node.value)
    machine.frame = outer
    return entries
