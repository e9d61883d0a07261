"""What stands around a node in its file, by the syntax alone."""

import libcst as cst

from torchlint.semantic.parts import parts

_KINDS = (cst.FunctionDef, cst.ClassDef, cst.For, cst.While, cst.If, cst.Try, cst.TryStar)


def enclosing(root: cst.CSTNode, node: cst.CSTNode) -> tuple[cst.CSTNode, ...]:
    """The functions, classes, loops, conditions and `try` statements around a node, outermost first.

    All of `root` is looked at: not a question to ask of every node.
    """
    pending: list[tuple[cst.CSTNode, tuple[cst.CSTNode, ...]]] = [(root, ())]
    while pending:
        inner, around = pending.pop()
        if inner is node:
            return around
        if isinstance(inner, _KINDS):
            around = (*around, inner)
        pending.extend((part, around) for part in parts(inner))
    return ()


def is_tried(root: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether a node stands in a `try` that catches more than interruptions by the user."""
    for outer in enclosing(root, node):
        if isinstance(outer, (cst.Try, cst.TryStar)):
            if any(getattr(handler.type, "value", "") != "KeyboardInterrupt" for handler in outer.handlers):
                return True
    return False
