"""Slices as they are written."""

import libcst as cst


def reversed_in(node: cst.BaseExpression) -> bool:
    """Whether an expression ends in a slice that goes from the end to the start, such as `image[:, :, ::-1]`, and
    picks no single item beside it."""
    if not isinstance(node, cst.Subscript):
        return False
    found = 0
    for element in node.slice:
        piece = element.slice
        if isinstance(piece, cst.Slice):
            found += _is_minus_one(piece.step)
        elif not _is_harmless(piece):
            return False
    return found > 0


def _is_harmless(piece: cst.BaseSlice) -> bool:
    """Whether an index is `...`, which picks nothing out."""
    return isinstance(piece, cst.Index) and isinstance(piece.value, cst.Ellipsis)


def _is_minus_one(step: cst.BaseExpression | None) -> bool:
    return (
        isinstance(step, cst.UnaryOperation)
        and isinstance(step.operator, cst.Minus)
        and isinstance(step.expression, cst.Integer)
    )
