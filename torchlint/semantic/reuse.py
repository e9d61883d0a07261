"""Whether code that runs after an expression reads a variable of its function again, under that or another name.

Only the syntax of the one function is looked at.
"""

from collections.abc import Iterator, Sequence
from typing import TypeGuard

import libcst as cst

from torchlint.semantic.parts import parts, stands_in
from torchlint.semantic.steps import flattened

# What is asked of a tensor without looking at its numbers.
_SIZES = frozenset({
    "shape", "size", "dim", "ndim", "numel", "dtype", "device", "is_cuda", "requires_grad", "type_as", "new_zeros",
    "new_ones", "new_tensor", "new_full", "new_empty", "grad_fn", "get_device", "names",
})  # fmt: skip
_LIKE = frozenset(
    {"zeros_like", "ones_like", "rand_like", "randn_like", "empty_like", "full_like", "len", "isinstance"}
)


def read_again(
    function: cst.FunctionDef, call: cst.Call, name: str, but: frozenset[int] = frozenset()
) -> cst.Name | None:
    """Where what a variable holds before a call is read after it, or in the same statement beside it.

    None where it is not, where the variable is bound anew before, or where the call is a statement of its own, which
    is there for what it does to the variable. `but`: readings, by their ids, that do not count.
    """
    trail = _trail(function.body, call)
    if not trail:
        return None
    block, index = trail[-1]
    statement = block[index]
    if isinstance(statement, cst.SimpleStatementLine):
        small = next((each for each in statement.body if stands_in(call, each)), None)
        if small is None or len(statement.body) > 1 or (isinstance(small, cst.Expr) and small.value is call):
            return None
        held = _aliases(trail, name)
        found = _beside(small, call, held, but)
        if found is not None:
            return found
        held -= _bound(small)
        if isinstance(small, cst.Assign) and small.value is call:
            # What the call gives is the variable's own tensor.
            held -= {item.value for target in small.targets for item in flattened(target.target) if _is_name(item)}
        if isinstance(small, (cst.Return, cst.Raise)):
            return None
        return _after(trail, held, but)
    return None


def _is_name(node: cst.CSTNode) -> TypeGuard[cst.Name]:
    return isinstance(node, cst.Name)


Trail = list[tuple[Sequence[cst.CSTNode], int]]


def _trail(block: cst.CSTNode, call: cst.CSTNode) -> Trail:
    """The blocks around a call, outermost first, with the index of the statement that it is part of."""
    trail: Trail = []
    body = getattr(block, "body", ())
    while isinstance(body, (list, tuple)):
        index = next((index for index, each in enumerate(body) if stands_in(call, each)), None)
        if index is None:
            return []
        trail.append((body, index))
        statement = body[index]
        inner = None
        if isinstance(statement, (cst.If, cst.With, cst.For, cst.While, cst.Try, cst.Else)):
            inner = _inner(statement, call)
        if inner is None:
            return trail if isinstance(statement, cst.SimpleStatementLine) else []
        body = inner
    return []


def _inner(statement: cst.CSTNode, call: cst.CSTNode) -> Sequence[cst.CSTNode] | None:
    """The statements of the branch of a compound statement that a call stands in."""
    pending = [statement]
    while pending:
        node = pending.pop()
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock) and stands_in(call, body):
            return body.body
        for name in ("orelse", "finalbody"):
            other = getattr(node, name, None)
            if other is not None and stands_in(call, other):
                pending.append(other)
        for handler in getattr(node, "handlers", ()):
            if stands_in(call, handler):
                pending.append(handler)
    return None


def _aliases(trail: Trail, name: str) -> set[str]:
    """The variable, and others that hold the same tensor: `identity = x` in the statements before."""
    held = {name}
    for block, index in trail:
        for statement in block[:index]:
            for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
                if isinstance(small, cst.Assign):
                    same = isinstance(small.value, cst.Name) and small.value.value in held
                    targets = {item.value for t in small.targets for item in flattened(t.target) if _is_name(item)}
                    if same and all(isinstance(t.target, cst.Name) for t in small.targets):
                        held |= targets
                    else:
                        # The variable itself holds the tensor of the call, whatever the others held.
                        held = {name} if name in targets else held - targets
            if not isinstance(statement, cst.SimpleStatementLine):
                bound = _bound(statement)
                held = {name} if name in bound else held - bound
    return held


def _beside(statement: cst.CSTNode, call: cst.Call, held: set[str], but: frozenset[int]) -> cst.Name | None:
    """Another reading in the statement of a call, after it or as an operand that is used after it."""
    own = {id(node) for arg in call.args for node in _all(arg)}
    for node in _reads(statement, held):
        if id(node) not in own and id(node) not in but and not _precedes(statement, node, call):
            return node
    return None


def _precedes(statement: cst.CSTNode, node: cst.CSTNode, call: cst.Call) -> bool:
    """Whether a reading is done with before the call: it is an operand of something that is computed earlier."""
    pending = [statement]
    while pending:
        outer = pending.pop()
        inner = [*parts(outer)]
        here = next((each for each in inner if stands_in(node, each)), None)
        there = next((each for each in inner if stands_in(call, each)), None)
        if here is None or there is None:
            return False
        if here is there:
            if here in (node, call):
                return False
            pending.append(here)
            continue
        # The two part here. What is merely a name is read now, and looked at later; an operation is done with.
        while isinstance(here, (cst.Arg, cst.Element, cst.List, cst.Tuple)):
            if here is node:
                return False
            here = next(each for each in parts(here) if stands_in(node, each))
        return here is not node and inner.index(_holder(inner, node)) < inner.index(there)
    return False


def _holder(inner: Sequence[cst.CSTNode], node: cst.CSTNode) -> cst.CSTNode:
    return next(each for each in inner if stands_in(node, each))


def _after(trail: Trail, held: set[str], but: frozenset[int]) -> cst.Name | None:
    """A reading in the statements after those that a trail leads through."""
    for block, index in reversed(trail):
        found, held = _first(block[index + 1 :], held, but)
        if found is not None or not held:
            return found
    return None


def _first(statements: Sequence[cst.CSTNode], held: set[str], but: frozenset[int]) -> tuple[cst.Name | None, set[str]]:
    """The first reading in statements that run in order, and the variables that hold the tensor after them."""
    for statement in statements:
        if not held:
            break
        if isinstance(statement, cst.SimpleStatementLine):
            for small in statement.body:
                found = next((node for node in _reads(small, held) if id(node) not in but), None)
                if found is not None:
                    return found, held
                if isinstance(small, (cst.Return, cst.Raise, cst.Continue, cst.Break)):
                    return None, set()
                held = held - _bound(small)
        else:
            found = _in_branches(statement, held, but)
            if found is not None:
                return found, held
            held = held - _bound(statement)
    return None, held


def _in_branches(statement: cst.CSTNode, held: set[str], but: frozenset[int]) -> cst.Name | None:
    """A reading in what a compound statement asks, or in one of its branches."""
    if isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
        return None
    for part in parts(statement):
        if isinstance(part, cst.IndentedBlock):
            found, _ = _first(part.body, held, but)
        elif isinstance(part, cst.SimpleStatementSuite):
            found = next((node for node in _reads(part, held) if id(node) not in but), None)
        elif isinstance(part, (cst.If, cst.Else, cst.ExceptHandler, cst.Finally)):
            found = _in_branches(part, held, but)
        else:
            found = next((node for node in _reads(part, held) if id(node) not in but), None)
        if found is not None:
            return found
    return None


def _reads(statement: cst.CSTNode, held: set[str]) -> Iterator[cst.Name]:
    """The places that look at the numbers of one of the variables."""
    pending = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Name):
            if node.value in held:
                yield node
        elif isinstance(node, cst.Attribute):
            if node.attr.value not in _SIZES:
                pending.append(node.value)
        elif isinstance(node, cst.Assign):
            pending.append(node.value)
            pending.extend(t.target for t in node.targets if not isinstance(t.target, cst.Name))
        elif isinstance(node, cst.Comparison) and any(
            isinstance(each.comparator, cst.Name) and each.comparator.value == "None" for each in node.comparisons
        ):
            continue
        elif isinstance(node, cst.Call):
            last = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
            pending.append(node.func)
            if not (isinstance(last, cst.Name) and last.value in _LIKE):
                pending.extend(arg.value for arg in reversed(node.args))
        elif not isinstance(node, (cst.Del, cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            pending.extend(reversed([*parts(node)]))


def _bound(statement: cst.CSTNode) -> set[str]:
    """The variables that a statement binds anew, under whatever condition; in-place operators do not."""
    found: set[str] = set()
    for node in _all(statement):
        if isinstance(node, (cst.AssignTarget, cst.For, cst.AnnAssign, cst.NamedExpr)):
            found |= {item.value for item in flattened(node.target) if isinstance(item, cst.Name)}
        elif isinstance(node, cst.Del):
            found |= {each.value for each in _all(node) if isinstance(each, cst.Name)}
    return found


def _all(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        pending.extend(parts(inner))
