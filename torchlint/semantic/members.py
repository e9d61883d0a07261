"""What the methods of a class do with the attributes of their object: which they read, assign, and change in place.

Only the syntax of the methods that are asked about is looked at, and of those that they call on the same object.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeGuard

import libcst as cst

from torchlint.semantic import datasets
from torchlint.semantic.parts import parts
from torchlint.semantic.values import ClassInfo, FunctionInfo, FunctionRef

# Methods of lists, dicts and sets that change them.
CHANGING = frozenset({
    "append", "extend", "insert", "add", "update", "setdefault", "remove", "pop", "popitem", "clear", "discard",
})  # fmt: skip


class Change(NamedTuple):
    """A place that changes what an attribute holds: its name, the statement or call, the method.

    `how`: `assigned` (another object), `counted` (`self.n += 1`), `filled` (an item of it is assigned) or `called` (a
    method of it that changes it).
    """

    name: str
    node: cst.CSTNode
    function: FunctionInfo
    how: str


# Nodes that bind something, or may change what is bound.
_BINDING = frozenset({
    cst.AssignTarget, cst.AnnAssign, cst.For, cst.CompFor, cst.AsName, cst.AugAssign, cst.Call,
})  # fmt: skip


class Members:
    """What some methods of a class, and all that they call on their object, do with its attributes.

    Attributes:
        functions: the methods, those that were asked about first.
        nodes: the nodes of their bodies.
        reads: each attribute that is read, with the places.
        changes: the places that change what an attribute holds.
        names: the plain names that are read.
    """

    def __init__(self, info: ClassInfo, functions: Iterable[FunctionInfo]) -> None:
        self.functions: list[FunctionInfo] = []
        self.nodes: set[cst.CSTNode] = set()
        self.reads: dict[str, list[cst.Attribute]] = {}
        self.changes: list[Change] = []
        self.names: dict[str, list[cst.Name]] = {}
        pending = list(functions)
        while pending:
            function = pending.pop(0)
            if function in self.functions or not isinstance(function.node, cst.FunctionDef):
                continue
            self.functions.append(function)
            self._read(function, function.node)
            for name in self.reads:
                called = datasets.method(info, name)
                if called is not None and called not in self.functions:
                    pending.append(called)

    def assigned(self) -> frozenset[str]:
        """The names of the attributes that are given another object."""
        return frozenset(change.name for change in self.changes if change.how == "assigned")

    def _read(self, function: FunctionInfo, node: cst.FunctionDef) -> None:
        receiver = receiver_name(node)
        found = list(_all_nodes(node))
        written: set[cst.CSTNode] = set()
        for inner in found:
            # `type(...) is`: `isinstance` is slow for libcst's abstract classes, and these are many nodes.
            kind = type(inner)
            if kind is cst.Attribute:
                written.add(inner.attr)  # type: ignore[attr-defined]
            elif kind is cst.Arg:
                if inner.keyword is not None:  # type: ignore[attr-defined]
                    written.add(inner.keyword)  # type: ignore[attr-defined]
            elif kind in _BINDING:
                self.changes.extend(_changes(inner, receiver, function))
                written.update(_targets(inner))
        for inner in found:
            kind = type(inner)
            if kind is cst.Name:
                if inner not in written:
                    self.names.setdefault(inner.value, []).append(inner)  # type: ignore[attr-defined,arg-type]
            elif kind is cst.Attribute and is_member(inner, receiver) and inner not in written:
                self.reads.setdefault(inner.attr.value, []).append(inner)
        self.nodes.update(found)


def sampling(info: ClassInfo) -> Members | None:
    """What the methods of a dataset that give samples do; None where no class of the project has any."""
    functions = [datasets.method(info, name) for name in datasets.SAMPLE_METHODS]
    found = [function for function in functions if function is not None]
    return Members(info, found) if found else None


def methods_reading(info: ClassInfo, name: str, but: Members) -> frozenset[str]:
    """The methods of a class that read an attribute, and that a program calls by name; `but` some that it knows of."""
    found = set()
    for entry in info.mro:
        for key, value in entry.base.items() if isinstance(entry, ClassInfo) else ():
            if isinstance(value, FunctionRef) and not key.startswith("__") and value.info not in but.functions:
                reading = Members(info, [value.info])
                if name in reading.reads and name not in reading.assigned():
                    found.add(key)
    return frozenset(found)


def attributes_read(
    module: cst.Module, name: str, after: cst.CSTNode | None, but: frozenset[cst.CSTNode]
) -> list[cst.Attribute]:
    """The places of a file that read an attribute of some object, without those that stand before a place in its
    function; `but` the classes that are left out."""
    pending: list[tuple[cst.CSTNode, cst.CSTNode]] = [(module, module)]
    found: list[tuple[cst.Attribute, cst.CSTNode]] = []
    while pending:
        node, function = pending.pop()
        if node in but:
            continue
        if node is after:
            found = [(read, around) for read, around in found if around is not function]
        if isinstance(node, cst.Attribute) and node.attr.value == name:
            found.append((node, function))
        # `dataset.seen = []` reads `dataset` alone.
        written = [*_targets(node), *([node.target] if isinstance(node, cst.AugAssign) else [])]
        inner = [part.value if isinstance(part, cst.Attribute) and part in written else part for part in parts(node)]
        around = node if isinstance(node, cst.FunctionDef) else function
        pending.extend((part, around) for part in reversed(inner))
    return [read for read, _ in found]


def attributes_set(block: cst.BaseSuite) -> Iterator[cst.Attribute]:
    """The attributes, of whatever object, that the statements of a block assign."""
    pending: list[cst.CSTNode] = [block]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Assign):
            for target in node.targets:
                if isinstance(target.target, cst.Attribute):
                    yield target.target
        elif isinstance(node, cst.AugAssign):
            if isinstance(node.target, cst.Attribute):
                yield node.target
        elif not isinstance(node, (cst.BaseExpression, cst.FunctionDef, cst.ClassDef)):
            pending.extend(parts(node))


def receiver_name(node: cst.FunctionDef) -> str:
    """The name of a method's own object, mostly `self`; empty where it has none."""
    parameters: Sequence[cst.Param] = (*node.params.posonly_params, *node.params.params)
    return parameters[0].name.value if parameters else ""


def is_member(node: cst.CSTNode, receiver: str) -> TypeGuard[cst.Attribute]:
    """Whether a node is an attribute of the object itself: `self.x`."""
    return isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == receiver


def _all_nodes(function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """The nodes of a function, with those of functions and lambdas in it, which mean the same object."""
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(parts(node))


def _targets(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What a statement binds."""
    if isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.For, cst.CompFor)):
        yield from _flat(node.target)
    elif isinstance(node, cst.AsName):
        yield from _flat(node.name)


def _flat(target: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _flat(element.value)
    else:
        yield target


def _changes(node: cst.CSTNode, receiver: str, function: FunctionInfo) -> Iterator[Change]:
    for target in _targets(node):
        if is_member(target, receiver):
            yield Change(target.attr.value, target, function, "assigned")
        else:
            yield from _filled(target, receiver, function)
    if isinstance(node, cst.AugAssign):
        if is_member(node.target, receiver):
            yield Change(node.target.attr.value, node.target, function, "counted")
        else:
            yield from _filled(node.target, receiver, function)
    elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        owner = node.func.value
        if node.func.attr.value in CHANGING and is_member(owner, receiver):
            yield Change(owner.attr.value, node, function, "called")


def _filled(target: cst.CSTNode, receiver: str, function: FunctionInfo) -> Iterator[Change]:
    if isinstance(target, cst.Subscript) and is_member(target.value, receiver):
        yield Change(target.value.attr.value, target, function, "filled")
