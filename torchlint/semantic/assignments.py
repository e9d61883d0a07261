"""What the variables of one function are assigned, by its syntax alone."""

from collections.abc import Iterator

import libcst as cst

from torchlint.semantic.flow import own_nodes


def assigned_once(function: cst.FunctionDef | cst.Lambda, name: str) -> cst.BaseExpression | None:
    """What a variable of a function is assigned, where one plain assignment of its body is all that binds it."""
    found: cst.BaseExpression | None = None
    for node in own_nodes(function) if isinstance(function, cst.FunctionDef) else ():
        if name not in bound(node):
            continue
        if found is not None or not isinstance(node, cst.Assign) or len(node.targets) > 1:
            return None
        if not isinstance(node.targets[0].target, cst.Name):
            return None
        found = node.value
    return found


def bound(node: cst.CSTNode) -> Iterator[str]:
    """The variables that a statement or expression binds itself."""
    targets: list[cst.BaseExpression]
    if isinstance(node, cst.Assign):
        targets = [target.target for target in node.targets]
    elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.NamedExpr, cst.For, cst.CompFor)):
        targets = [node.target]
    elif isinstance(node, cst.AsName):
        targets = [node.name]
    else:
        return
    while targets:
        target = targets.pop()
        if isinstance(target, cst.Name):
            yield target.value
        elif isinstance(target, (cst.Tuple, cst.List)):
            targets.extend(element.value for element in target.elements)


def statement_of(function: cst.FunctionDef, target: cst.CSTNode) -> cst.Assign | None:
    """The assignment of a function's body that assigns to this one target alone."""
    for node in own_nodes(function):
        if isinstance(node, cst.Assign) and any(each.target is target for each in node.targets):
            return node if len(node.targets) == 1 else None
    return None
