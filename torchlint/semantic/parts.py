"""The nodes in a node, white space and punctuation left out.

`CSTNode.children` gives them too, and takes twenty times as long, since it visits the node.
"""

from collections.abc import Iterator

import libcst as cst

_PUNCTUATION = frozenset({
    "leading_lines", "lines_after_decorators", "trailing_whitespace", "header", "footer", "lpar", "rpar", "comma",
    "semicolon", "dot", "equal", "colon", "lbracket", "rbracket", "lbrace", "rbrace", "indent", "star_ind",
    "param_star", "operator",
})  # fmt: skip
# The fields of a class of nodes; None for what is no node.
_FIELDS: dict[type, tuple[str, ...] | None] = {type(None): None, str: None, int: None, bool: None}


def parts(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes in a node, in order."""
    known = _FIELDS
    for name in _fields(type(node)) or ():
        value = getattr(node, name)
        kind = type(value)
        if kind is tuple or kind is list:
            for item in value:
                kind = type(item)
                if (known[kind] if kind in known else _fields(kind)) is not None:
                    yield item
        elif (known[kind] if kind in known else _fields(kind)) is not None:
            yield value


def _fields(kind: type) -> tuple[str, ...] | None:
    if kind not in _FIELDS:
        _FIELDS[kind] = (
            tuple(
                name
                for name in getattr(kind, "__dataclass_fields__", ())
                if name not in _PUNCTUATION and not name.startswith("whitespace")
            )
            if issubclass(kind, cst.CSTNode)
            else None
        )
    return _FIELDS[kind]


def nodes_in(outer: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all that is part of it, in no order."""
    pending = [outer]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(parts(node))


def stands_in(node: cst.CSTNode, outer: cst.CSTNode) -> bool:
    """Whether a node is part of another one."""
    pending = [outer]
    while pending:
        inner = pending.pop()
        if inner is node:
            return True
        pending.extend(parts(inner))
    return False


def line_of(outer: cst.CSTNode, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
    """The line in a block that consists of the one statement that a node is part of; None for any other node."""
    pending = [outer]
    while pending:
        inner = pending.pop()
        if isinstance(inner, cst.SimpleStatementLine):
            if stands_in(node, inner):
                return inner if len(inner.body) == 1 else None
        else:
            pending.extend(parts(inner))
    return None


def has_attribute(node: cst.CSTNode, name: str) -> bool:
    """Whether `something.name` occurs in a node."""
    pending = [node]
    while pending:
        inner = pending.pop()
        if type(inner) is cst.Attribute and inner.attr.value == name:
            return True
        pending.extend(parts(inner))
    return False
