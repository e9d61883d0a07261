"""A call as it is written: which expression stands for which parameter."""

import libcst as cst


def written_argument(node: cst.CSTNode, index: int | None, *names: str) -> cst.Arg | None:
    """The argument at a position (from 0) or under one of its names, as written; None where it is not to be found.

    Nothing is said of what stands after a `*sequence`.
    """
    if not isinstance(node, cst.Call):
        return None
    position = 0
    starred = False
    for arg in node.args:
        if arg.keyword is not None:
            if arg.keyword.value in names:
                return arg
        elif arg.star:
            starred = starred or arg.star == "*"
        else:
            if position == index and not starred:
                return arg
            position += 1
    return None


def is_plain(node: cst.CSTNode) -> bool:
    """Whether an expression is a name, or an attribute of one such as `self.model`, without parentheses around it."""
    while isinstance(node, cst.Attribute) and not node.lpar:
        node = node.value
    return isinstance(node, cst.Name) and not node.lpar
