"""Backward passes that go once more through what a backward pass before them has freed, in code that runs in order.

What is followed are names: which results of models a loss was computed from. Branches are not entered, loops are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.facts import Event
from torchlint.semantic.instances import is_module
from torchlint.semantic.parts import parts
from torchlint.semantic.steps import flattened
from torchlint.semantic.training import Backward
from torchlint.semantic.values import Instance, Tensor, Tri, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model


class Result(NamedTuple):
    """What a model gave: the name that it has, the statement, and how many loops are around it."""

    name: str
    node: cst.CSTNode
    depth: int


class Again(NamedTuple):
    """A call of `backward()` that leads through a result whose graph is freed; in each pass of a loop but the first
    if `looped`."""

    node: cst.Call
    result: Result
    looped: bool


Results = frozenset[Result]
NOTHING: Results = frozenset()


def may_meet(model: "Model", backwards: Iterable[Event]) -> bool:
    """Whether the backward passes of one function may meet in a graph.

    There are several, or one of them is in a loop that a model is called before.
    """
    found = list(backwards)
    if len({id(event.node) for event in found}) > 1:
        return True
    return any(
        event.kind == "forward" and event.active == backward.active and len(event.loops) < len(backward.loops)
        for backward in found
        for event in model.events
    )


class Freed:
    """The graphs that are freed while the statements of one function, or of a module, run."""

    def __init__(self, model: "Model") -> None:
        self.model = model
        backwards = [event for event in model.events if isinstance(event.detail, Backward)]
        kept = {id(event.node) for event in backwards if event.detail.keeps_graph is not Tri.NO}  # type: ignore[attr-defined]
        last = {id(event.node) for event in backwards if any(map(model.training.is_last, event.turns))}
        self.frees = {id(event.node) for event in backwards} - kept
        self.repeated = self.frees - last
        self._freed: set[Result] = set()

    def again(self, body: Sequence[cst.CSTNode]) -> Iterator[Again]:
        """The backward passes of these statements that go through a freed graph."""
        self._freed.clear()
        yield from self._block(body, {}, 0)

    def _block(self, body: Sequence[cst.CSTNode], names: dict[str, Results], depth: int) -> Iterator[Again]:
        for statement in body:
            if isinstance(statement, cst.SimpleStatementLine):
                for part in statement.body:
                    if isinstance(part, (cst.Assign, cst.AugAssign, cst.AnnAssign)):
                        self._assign(part, names, depth)
                    elif isinstance(part, cst.Expr) and isinstance(part.value, cst.Call):
                        yield from self._call(part.value, names, depth)
            elif isinstance(statement, cst.With):
                yield from self._block(statement.body.body, names, depth)
            elif isinstance(statement, (cst.For, cst.While)):
                assigned = _assigned(statement)
                inside = {name: held for name, held in names.items() if name not in assigned}
                yield from self._block(statement.body.body, inside, depth + 1)
                self._forget(statement, names)
            else:
                self._forget(statement, names)

    def _forget(self, statement: cst.CSTNode, names: dict[str, Results]) -> None:
        for name in _assigned(statement):
            names.pop(name, None)

    def _assign(self, node: cst.Assign | cst.AugAssign | cst.AnnAssign, names: dict[str, Results], depth: int) -> None:
        if node.value is None:
            return
        held, is_result = self._sources(node.value, names)
        targets = [each.target for each in node.targets] if isinstance(node, cst.Assign) else [node.target]
        for target in targets:
            for item in flattened(target):
                if not isinstance(item, cst.Name):
                    continue
                known = names.get(item.value, NOTHING) if isinstance(node, cst.AugAssign) else NOTHING
                own = {Result(item.value, node, depth)} if is_result else NOTHING
                names[item.value] = known | held | own

    def _call(self, node: cst.Call, names: dict[str, Results], depth: int) -> Iterator[Again]:
        func = node.func
        if not isinstance(func, cst.Attribute) or func.attr.value != "backward" or id(node) not in self.frees:
            return
        held, _ = self._sources(func.value, names)
        for result in sorted(held, key=lambda each: each.name):
            if result in self._freed:
                yield Again(node, result, False)
                break
            if result.depth < depth and id(node) in self.repeated:
                yield Again(node, result, True)
                break
        self._freed |= held

    def _sources(self, expression: cst.CSTNode, names: Mapping[str, Results]) -> tuple[Results, bool]:
        """The results that an expression certainly leads back to, and whether a model is called in it."""
        held: set[Result] = set()
        is_result = False
        pending = [expression]
        while pending:
            node = pending.pop()
            if isinstance(node, (cst.BinaryOperation, cst.UnaryOperation)):
                pending.extend(parts(node))
            elif not isinstance(node, (cst.Name, cst.Call, cst.Attribute, cst.Subscript)) or not self._has_graph(node):
                continue
            elif isinstance(node, cst.Name):
                held |= names.get(node.value, NOTHING)
            elif isinstance(node, cst.Call):
                calls = self.model.calls(node)
                modules = [isinstance(call.callee, Instance) and is_module(call.callee) for call in calls]
                is_result = is_result or (bool(calls) and all(modules))
                known = [(call.name or "").startswith("torch.") for call in calls]
                if not calls or not all(map(or_, modules, known)):
                    continue
                pending.extend(arg.value for arg in node.args)
                if isinstance(node.func, cst.Attribute):
                    pending.append(node.func.value)
            elif isinstance(node, (cst.Attribute, cst.Subscript)):
                pending.append(node.value)
        return frozenset(held), is_result

    def _has_graph(self, node: cst.CSTNode) -> bool:
        values = self.model.values(node)
        return bool(values) and all(map(_requires_grad, values))


def _requires_grad(value: Value) -> bool:
    if isinstance(value, TupleOf):
        return any(map(_requires_grad, value.items))
    return isinstance(value, Tensor) and value.grad is Tri.YES


# Statements in which no other stands.
_LEAVES = frozenset({cst.Assign, cst.AugAssign, cst.AnnAssign, cst.Expr, cst.Return, cst.Assert, cst.Raise, cst.Del})


def _assigned(statement: cst.CSTNode) -> set[str]:
    """The names that are assigned anywhere in a statement, other than in an expression."""
    found: set[str] = set()
    pending = [statement]
    while pending:
        node = pending.pop()
        targets: list[cst.CSTNode] = []
        if isinstance(node, cst.Assign):
            targets = [each.target for each in node.targets]
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.For, cst.NamedExpr)):
            targets = [node.target]
        elif isinstance(node, cst.AsName):
            targets = [node.name]
        for target in targets:
            found.update(item.value for item in flattened(target) if isinstance(item, cst.Name))
        if type(node) not in _LEAVES:
            pending.extend(parts(node))
    return found
