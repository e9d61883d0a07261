"""The step protocol: the passes through training loops, with the events of each in order.

A loop's body runs twice in the interpreter, as the first pass and as any later one finds it. What is said of a loop
should hold in each of its passes, in each context in which it runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from torchlint.semantic.datasets import held_objects
from torchlint.semantic.facts import Event, Facts
from torchlint.semantic.flow import dotted
from torchlint.semantic.parts import parts, stands_in
from torchlint.semantic.training import Optimized
from torchlint.semantic.values import Cell, ClassInfo, Instance


class Pass(NamedTuple):
    """One pass through the body of a loop that trains: all events in it, and the optimizer steps that belong to it.

    It is the innermost pass around a step that a backward pass is in, too.
    """

    loop: cst.CSTNode
    turn: int
    events: Sequence[Event]
    steps: Sequence[Event]


class Protocol:
    """The events of a file, by the passes through its loops."""

    def __init__(self, facts: Facts) -> None:
        self.events = facts.events
        self._facts = facts
        self._passes: list[Pass] | None = None
        self._of_turn: dict[int, list[Event]] = {}
        self._loops: dict[int, cst.CSTNode] = {}
        self.made: dict[Instance, Optimized] = {}
        for event in facts.events:
            for turn, loop in zip(event.turns, event.loops, strict=True):
                self._of_turn.setdefault(turn, []).append(event)
                self._loops[turn] = loop
            if event.kind == "optimizer" and isinstance(event.subject, Instance):
                assert isinstance(event.detail, Optimized)
                self.made[event.subject] = event.detail

    def within(self, turn: int) -> Sequence[Event]:
        """All events of a pass, those of loops in it among them."""
        return self._of_turn.get(turn, ())

    def loop_of(self, turn: int) -> cst.CSTNode:
        """The loop that a pass is one of."""
        return self._loops[turn]

    def is_last(self, turn: int) -> bool:
        """Whether a pass certainly leaves its loop, so that there is no other after it."""
        return turn in self._facts.left

    @property
    def passes(self) -> Sequence[Pass]:
        """The passes through loops that train."""
        if self._passes is None:
            steps: dict[int, list[Event]] = {}
            for event in self.events:
                if event.kind == "step":
                    for turn in reversed(event.turns):
                        if any(other.kind in ("backward", "engine") for other in self._of_turn[turn]):
                            steps.setdefault(turn, []).append(event)
                            break
            self._passes = [
                Pass(self._loops[turn], turn, self._of_turn[turn], stepped) for turn, stepped in steps.items()
            ]
        return self._passes

    def places(self, kind: str) -> list[list[Event]]:
        """The events of a kind, a list for each place in which they happen: in every context in which it runs."""
        found: dict[int, list[Event]] = {}
        for event in self.events:
            if event.kind == kind:
                found.setdefault(id(event.node), []).append(event)
        return list(found.values())

    @property
    def step_nodes(self) -> dict[int, list[tuple[Pass, Event]]]:
        """The optimizer steps in loops that train by where they stand (`id(node)`): each pass in which each is made."""
        found: dict[int, list[tuple[Pass, Event]]] = {}
        for each in self.passes:
            for step in each.steps:
                found.setdefault(id(step.node), []).append((each, step))
        return found

    def may_concern(self, event: Event, step: Event) -> bool:
        """Whether what happens to an event's subject may happen to the gradients that a step uses."""
        subject, optimizer = event.subject, step.subject
        if not isinstance(optimizer, Instance) or not isinstance(subject, Instance):
            return True
        if subject is optimizer:
            return True
        over = self.made.get(optimizer)
        if over is None or not over.complete:
            return True
        other = self.made.get(subject)
        if other is not None:
            return not other.complete or not over.held.isdisjoint(other.held) or bool(other.tensors)
        if subject in over.held or not over.held:
            return True
        return any(part in over.held for part in held_objects(subject, self._facts.end))

    def certainly_concerns(self, event: Event, step: Event) -> bool:
        """Whether what happens to an event's subject happens to all gradients that a step uses."""
        subject, optimizer = event.subject, step.subject
        if isinstance(subject, Instance) and isinstance(optimizer, Instance):
            if subject is optimizer:
                return True
            over = self.made.get(optimizer)
            return over is not None and over.complete and not over.tensors and over.modules == {subject}
        if same(event, step):
            return True
        owner = step.active[-1].owner if step.active else None
        if owner is None or not event.active or event.active[-1].owner is not owner:
            return False
        return event.text != "" and event.text == _optimized_as(step, owner)


def _optimized_as(step: Event, owner: ClassInfo) -> str:
    """`self.net`, where a class makes an optimizer over `self.net.parameters()` itself."""
    origin = step.subject.origin if isinstance(step.subject, Instance) else None
    node = origin.node if origin is not None else None
    given = node.args[0].value if isinstance(node, cst.Call) and node.args else None
    if not isinstance(given, cst.Call) or not isinstance(given.func, cst.Attribute) or given.args:
        return ""
    text = dotted(given.func.value) if given.func.attr.value == "parameters" else ""
    return text if text.startswith("self.") and node is not None and stands_in(node, owner.node) else ""


def same(event: Event, other: Event) -> bool:
    """Whether two events certainly happen to the same thing: one object, or one name in one function."""
    if isinstance(event.subject, Cell) or isinstance(other.subject, Cell):
        return event.subject is other.subject
    if event.active == other.active:
        return bool(event.text) and event.text == other.text
    if event.text == other.text and event.text.startswith("self."):
        owners = {id(each.owner) for each in (*event.active, *other.active)}
        # One object's methods, that call each other.
        return len(owners) == 1 and event.active[-1].owner is not None
    for inner, outer in ((event, other), (other, event)):
        if inner.text and inner.active[:-1] == outer.active:
            return _passed_as(inner) == outer.text != ""
    return False


def _passed_as(event: Event) -> str:
    """What the caller of the running function names the parameter that an event is about; "" if that is not plain."""
    info = event.active[-1]
    if len(event.stack) < 2 or event.origin.unit is not info.unit:
        return ""
    call, parameters = event.stack[-2], [*info.node.params.posonly_params, *info.node.params.params]
    names = [parameter.name.value for parameter in parameters]
    if not isinstance(call, cst.Call) or event.text not in names:
        return ""
    position = names.index(event.text) - (info.owner is not None)
    for index, arg in enumerate(call.args):
        if arg.star:
            return ""
        if (arg.keyword is None and index == position) or (arg.keyword and arg.keyword.value == event.text):
            return dotted(arg.value)
    return ""


def runs_with(event: Event, other: Event) -> bool:
    """Whether an event happens whenever another one does: no branch is around it that is not around the other."""
    return other.path[: len(event.path)] == event.path


def runs_alike(event: Event, other: Event) -> bool:
    """Whether an event happens whenever another one does, also where branches of one condition are written twice."""
    return all(
        any(branch == taken and (statement is around or _same_test(statement, around)) for around, taken in other.path)
        for statement, branch in event.path
    )


def _same_test(statement: cst.CSTNode, other: cst.CSTNode) -> bool:
    return isinstance(statement, cst.If) and isinstance(other, cst.If) and statement.test.deep_equals(other.test)


def excludes(event: Event, other: Event) -> bool:
    """Whether two events stand in different branches of one statement."""
    taken = dict(event.path)
    return any(statement in taken and taken[statement] != branch for statement, branch in other.path)


def bound_in_pass(event: Event, loop: cst.CSTNode, but: cst.CSTNode | None = None) -> bool:
    """Whether the name by which an event calls its subject is assigned in each pass through a loop.

    In the loop itself, or in a function that is called from there and in which the event happens.
    """
    if assigned_in(loop, event.text, but):
        return True
    called = [info.node for info in event.active if not stands_in(loop, info.node)]
    return any(assigned_in(node.body, event.text, but) for node in called)


def assigned_in(loop: cst.CSTNode, name: str, but: cst.CSTNode | None = None) -> bool:
    """Whether a name or attribute (as written) is assigned in a loop, other than by the node `but`.

    `but` is an augmented assignment, or what a plain one assigns to.
    """
    pending: list[cst.CSTNode] = [loop]
    while pending:
        node = pending.pop()
        targets: Iterable[cst.CSTNode] = ()
        if isinstance(node, cst.Assign):
            targets = [target.target for target in node.targets]
        elif isinstance(node, (cst.AnnAssign, cst.AugAssign, cst.NamedExpr, cst.For)) and node is not but:
            targets = [node.target]
        for target in targets:
            if target is not but and any(dotted(item) == name for item in flattened(target)):
                return True
        if not isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            pending.extend(parts(node))
    return False


def flattened(target: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The single targets of an assignment: those of a tuple one by one."""
    if isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from flattened(element.value)
    else:
        yield target
