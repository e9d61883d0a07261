"""Sizes that a function takes off a tensor by name, and gives back in another order: `b, c, t = x.shape`, then
`x.view(b, t, c)`."""

from collections.abc import Iterator, Sequence

import libcst as cst

from torchlint.semantic.parts import parts, stands_in


def exchanged(scope: cst.CSTNode, node: cst.Call) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The sizes of a tensor in its order and in that of a `view` or `reshape` of it, where only the order differs.

    `scope` is the function, or the module, that the call stands in. None where the sizes are not read right off the
    same variable, or anything may have changed since.
    """
    func = node.func
    if not isinstance(func, cst.Attribute) or not isinstance(func.value, cst.Name):
        return None
    wanted = _names([arg.value for arg in _sizes(node)])
    if wanted is None or len(wanted) < 2 or len(set(wanted)) < len(wanted):
        return None
    name = func.value.value
    known: dict[int, str] = {}
    for line in _lines(scope):
        if stands_in(node, line):
            own = tuple(known.get(index, "") for index in range(len(wanted)))
            return (own, wanted) if set(own) == set(wanted) and own != wanted else None
        taken = _taken(line, name)
        if taken is not None:
            known = dict(enumerate(taken))
            continue
        one = _taken_alone(line, name)
        if known and _binds(line, {name}):
            known = {}
        known = {index: size for index, size in known.items() if not _binds(line, {size})}
        if one is not None:
            known[one[0]] = one[1]
    return None


def _sizes(node: cst.Call) -> Sequence[cst.Arg | cst.Element]:
    if len(node.args) == 1 and isinstance(node.args[0].value, (cst.Tuple, cst.List)):
        return [element for element in node.args[0].value.elements if isinstance(element, cst.Element)]
    return [arg for arg in node.args if not arg.star and arg.keyword is None]


def _names(nodes: Sequence[cst.BaseExpression]) -> tuple[str, ...] | None:
    names = tuple(node.value for node in nodes if isinstance(node, cst.Name))
    return names if len(names) == len(nodes) else None


def _lines(scope: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The lines of a function, and the heads of its loops and contexts, in order; not those of inner functions."""
    for part in parts(scope):
        if isinstance(part, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
            yield part
        elif isinstance(part, (cst.For, cst.With, cst.While)):
            yield _head(part)
            yield from _lines(part.body)
            if isinstance(part, (cst.For, cst.While)) and part.orelse is not None:
                yield from _lines(part.orelse)
        elif not isinstance(part, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            yield from _lines(part)


def _head(node: cst.For | cst.With | cst.While) -> cst.CSTNode:
    if isinstance(node, cst.For):
        return node.target
    return node.items[0] if isinstance(node, cst.With) else node.test


def _taken(line: cst.CSTNode, name: str) -> tuple[str, ...] | None:
    """The names in `b, c, t = x.shape` or `b, c, t = x.size()`."""
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    assign = line.body[0]
    if not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
        return None
    value, target = assign.value, assign.targets[0].target
    if isinstance(value, cst.Call) and not value.args:
        value, wanted = value.func, "size"
    else:
        wanted = "shape"
    if not isinstance(value, cst.Attribute) or value.attr.value != wanted or not isinstance(target, cst.Tuple):
        return None
    if not isinstance(value.value, cst.Name) or value.value.value != name:
        return None
    return _names([element.value for element in target.elements])


def _taken_alone(line: cst.CSTNode, name: str) -> tuple[int, str] | None:
    """The index and the name in `b = x.size(0)` or `b = x.shape[0]`."""
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    assign = line.body[0]
    if not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
        return None
    value, target = assign.value, assign.targets[0].target
    index: cst.CSTNode | None = None
    if isinstance(value, cst.Call) and len(value.args) == 1:
        index, owner, wanted = value.args[0].value, value.func, "size"
    elif isinstance(value, cst.Subscript) and len(value.slice) == 1:
        piece = value.slice[0].slice
        index, owner, wanted = (piece.value if isinstance(piece, cst.Index) else None), value.value, "shape"
    else:
        return None
    if not isinstance(owner, cst.Attribute) or owner.attr.value != wanted or not isinstance(target, cst.Name):
        return None
    if not isinstance(owner.value, cst.Name) or owner.value.value != name or not isinstance(index, cst.Integer):
        return None
    return int(index.value), target.value


def _binds(line: cst.CSTNode, names: set[str]) -> bool:
    """Whether a line gives any of these names another value."""
    pending = [line]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Assign):
            if any(_mentions(target.target, names) for target in node.targets):
                return True
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.NamedExpr)):
            if _mentions(node.target, names):
                return True
        elif isinstance(node, cst.WithItem):
            if node.asname is not None and _mentions(node.asname.name, names):
                return True
        elif node is line and isinstance(node, (cst.Name, cst.Tuple)) and _mentions(node, names):
            # The target of a loop.
            return True
        pending.extend(parts(node))
    return False


def _mentions(node: cst.CSTNode, names: set[str]) -> bool:
    pending = [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, cst.Name) and inner.value in names:
            return True
        pending.extend(parts(inner))
    return False
