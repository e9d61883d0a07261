"""What a node is an operand, an argument or an element of."""

import libcst as cst

from torchlint.semantic.parts import parts

# Nodes that only hold an expression in its place.
_HOLDERS = (cst.Arg, cst.Element, cst.ComparisonTarget)


def parents(root: cst.CSTNode, node: cst.CSTNode) -> tuple[cst.CSTNode, ...]:
    """The nodes around a node, innermost first; () where it is no part of `root`.

    All of `root` is looked at: not a question to ask of every node.
    """
    pending: list[tuple[cst.CSTNode, tuple[cst.CSTNode, ...]]] = [(root, ())]
    while pending:
        inner, around = pending.pop()
        if inner is node:
            return around
        if not isinstance(inner, _HOLDERS):
            around = (inner, *around)
        pending.extend((part, around) for part in parts(inner))
    return ()
