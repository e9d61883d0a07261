"""Whether code of a module looks at the mode it is in, training or evaluation, by the syntax of its class."""

from collections.abc import Iterable, Iterator

import libcst as cst

from torchlint.semantic.flow import own_nodes
from torchlint.semantic.parts import parts
from torchlint.semantic.values import ClassInfo, FunctionInfo

# How a condition about the mode is written: `self.training`, `is_train`, `mode == "train"`, `not evaluate`.
_MODE_WORDS = ("train", "eval", "infer", "deterministic", "sampling")


def mentions_mode(node: cst.CSTNode) -> bool:
    """Whether an expression has a name or a text in it that is about the mode."""
    pending = [node]
    while pending:
        inner = pending.pop()
        text = getattr(inner, "value", None)
        if isinstance(inner, (cst.Name, cst.SimpleString)) and isinstance(text, str):
            if any(word in text.lower() for word in _MODE_WORDS):
                return True
        pending.extend(parts(inner))
    return False


def asks_mode(tests: Iterable[cst.BaseExpression], method: FunctionInfo) -> bool:
    """Whether any condition around a call is about the mode, any in its method, or one under which that is called."""
    if any(map(mentions_mode, tests)):
        return True
    if not isinstance(method.node, cst.FunctionDef) or any(map(mentions_mode, _conditions(method.node))):
        return True
    return any(
        mentions_mode(condition.test) and _names(condition, method.name)
        for other in _methods(method.owner)
        for condition in own_nodes(other)
        if isinstance(condition, (cst.If, cst.IfExp))
    )


def switches_itself(owner: ClassInfo) -> bool:
    """Whether a class of modules has a `train` or `eval` of its own, which may switch anything with the mode."""
    return any(method.name.value in ("train", "eval") for method in _methods(owner))


def is_computed(owner: ClassInfo, name: str) -> bool:
    """Whether an attribute of a class is a method or a property, which may give something else in each mode."""
    return any(method.name.value == name for method in _methods(owner))


def _conditions(function: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
    for node in own_nodes(function):
        if isinstance(node, (cst.If, cst.IfExp, cst.While)):
            yield node.test


def _methods(owner: ClassInfo | None) -> Iterator[cst.FunctionDef]:
    """The methods of a class, and of those that it is derived from."""
    for entry in owner.mro if owner is not None else ():
        for statement in entry.node.body.body if isinstance(entry, ClassInfo) else ():
            if isinstance(statement, cst.FunctionDef):
                yield statement


def _names(node: cst.CSTNode, name: str) -> bool:
    """Whether an attribute of that name is mentioned in a node."""
    pending = [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, cst.Attribute) and inner.attr.value == name:
            return True
        pending.extend(parts(inner))
    return False
