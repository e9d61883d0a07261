"""Expressions and loops that put one and the same object several times into a list."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.assignments import bound
from torchlint.semantic.parts import parts
from torchlint.semantic.values import Const, DictRef, Instance, Iterated, ListRef, TupleOf, Value, alternatives

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model


class Repetition(NamedTuple):
    """An expression whose object comes several times, and the multiplication, comprehension or call that repeats it."""

    element: cst.BaseExpression
    node: cst.CSTNode


def repetitions(model: "Model", value: Value) -> Iterator[Repetition]:
    """What repeats one object in the expressions of this file that made a list, tuple, dict or generator."""
    if isinstance(value, (ListRef, TupleOf, DictRef, Iterated)) and value.origin is not None:
        if value.origin.unit is model.unit:
            yield from repeated(model, value.origin.node)


def repeated(model: "Model", node: cst.CSTNode) -> Iterator[Repetition]:
    """What an expression for a list repeats, parts of sums one by one."""
    if isinstance(node, cst.BinaryOperation):
        if isinstance(node.operator, cst.Add):
            yield from repeated(model, node.left)
            yield from repeated(model, node.right)
        elif isinstance(node.operator, cst.Multiply):
            for literal, times in ((node.left, node.right), (node.right, node.left)):
                if isinstance(literal, (cst.List, cst.Tuple)) and not _is_once(model.value(times)):
                    for element in literal.elements:
                        if not isinstance(element, cst.StarredElement):
                            yield Repetition(element.value, node)
    elif isinstance(node, (cst.ListComp, cst.GeneratorExp)):
        if _is_outside(node.elt, node.for_in):
            yield Repetition(node.elt, node)
    elif isinstance(node, cst.DictComp) and _is_outside(node.value, node.for_in):
        yield Repetition(node.value, node)


def appended(call: "Call") -> Repetition | None:
    """A call such as `layers.append(layer)` that each pass of a loop makes, with an object from before the loop."""
    node = call.node
    loop = call.loops[-1] if call.loops else None
    if not isinstance(loop, cst.For) or not isinstance(loop.body, cst.IndentedBlock):
        return None
    if not isinstance(node, cst.Call) or not node.args or node.args[-1].star or node.args[-1].keyword is not None:
        return None
    element = node.args[-1].value
    if not isinstance(element, cst.Name) or element.value in _names(loop.target):
        return None
    lines = [line for line in loop.body.body if isinstance(line, cst.SimpleStatementLine)]
    # Under no condition, in a loop that goes on.
    if not any(isinstance(small, cst.Expr) and small.value is node for line in lines for small in line.body):
        return None
    pending: list[cst.CSTNode] = [loop.body]
    while pending:
        inner = pending.pop()
        if isinstance(inner, (cst.Break, cst.Return)) or element.value in bound(inner):
            return None
        pending.extend(parts(inner))
    return Repetition(element, node)


def _names(target: cst.CSTNode) -> Iterator[str]:
    pending = [target]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Name):
            yield node.value
        pending.extend(parts(node))


def _is_once(times: Value) -> bool:
    return any(isinstance(option, Const) and option.value in (0, 1) for option in alternatives(times))


def _is_outside(element: cst.BaseExpression, clause: cst.CompFor | None) -> bool:
    """Whether an element of a comprehension is a variable that the comprehension does not bind."""
    names: list[str] = []
    while clause is not None:
        names.extend(_names(clause.target))
        clause = clause.inner_for_in
    return isinstance(element, cst.Name) and element.value not in names


def is_made_before(model: "Model", module: Instance, call: "Call") -> bool:
    """Whether an object was made before the innermost loop around a call was entered."""
    origin = module.origin
    if origin is None or origin.unit is not model.unit:
        return False
    made = model.calls(origin.node)
    return bool(made) and all(call.loops[-1] not in maker.loops for maker in made)
