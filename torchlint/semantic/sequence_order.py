"""Which dimension code takes for the sequence and which for the batch: of what a recurrent or attention layer gives,
and of the state that it is given.

Only the syntax of the one function is looked at in which the layer is called.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted, own_nodes
from torchlint.semantic.parts import parts, stands_in
from torchlint.semantic.steps import flattened
from torchlint.semantic.written import written_argument

_FACTORIES = frozenset({"zeros", "randn", "rand", "ones"})
# What stands around a factory without changing its sizes.
_KEEPING = frozenset({"to", "cuda", "float", "double", "half", "requires_grad_", "type_as", "Variable", "detach"})


class Read(NamedTuple):
    """A place that reads a part of an output: the one dimension that it takes away, and how."""

    node: cst.BaseExpression
    dim: int
    what: str


def output_name(target: cst.BaseExpression | None, several: bool) -> str:
    """The variable that the output of a layer is assigned to; `several`: the layer gives it as the first of two."""
    if several:
        if not isinstance(target, (cst.Tuple, cst.List)) or not target.elements:
            return ""
        target = target.elements[0].value
    return target.value if isinstance(target, cst.Name) else ""


def reads(function: cst.FunctionDef, call: cst.CSTNode, name: str, several: bool) -> Iterator[Read]:
    """The places that take one step, or the mean over one dimension, of the output of a call: of the call itself, and
    of the variable that its output is assigned to, until that is bound anew."""
    statement, following = _around(function.body, call)
    for node in _all(statement) if statement is not None else ():
        found = _read(node, lambda each: _is_output(each, call, several))
        if found is not None:
            yield found
    for later in following if name else ():
        for node in _all(later):
            found = _read(node, lambda each: isinstance(each, cst.Name) and each.value == name)
            if found is not None:
                yield found
        if any(isinstance(node, cst.Name) and node.value == name for node in _bound(later)):
            return


def _is_output(node: cst.BaseExpression, call: cst.CSTNode, several: bool) -> bool:
    """Whether an expression is the output of a call: all that it gives, or the first of two."""
    if not several:
        return node is call
    if not isinstance(node, cst.Subscript) or node.value is not call or len(node.slice) != 1:
        return False
    piece = node.slice[0].slice
    return isinstance(piece, cst.Index) and isinstance(piece.value, cst.Integer) and piece.value.value == "0"


def _read(node: cst.CSTNode, is_output: Callable[[cst.BaseExpression], bool]) -> Read | None:
    if isinstance(node, cst.Subscript):
        return _step(node) if is_output(node.value) else None
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "mean":
        return _mean(node, node.func, is_output)
    return None


def _step(node: cst.Subscript) -> Read | None:
    """`out[:, -1]`, `out[:, -1, :]`, `out[-1]`, `out[:, 0]`"""
    pieces = [element.slice for element in node.slice]
    if len(pieces) == 1 and _number(pieces[0]) == -1:
        return Read(node, 0, "last")
    if len(pieces) in (2, 3) and _is_all(pieces[0]) and (len(pieces) == 2 or _is_all(pieces[2])):
        number = _number(pieces[1])
        if number is not None:
            return Read(node, 1, "last" if number else "first")
    return None


def _mean(node: cst.Call, func: cst.Attribute, is_output: Callable[[cst.BaseExpression], bool]) -> Read | None:
    """`out.mean(1)`, `out.mean(dim=0)`, `torch.mean(out, dim=1)`"""
    owner: cst.BaseExpression | None = func.value
    index = 0
    if dotted(func.value) == "torch":
        given = written_argument(node, 0, "input")
        owner, index = given.value if given is not None else None, 1
    dim = written_argument(node, index, "dim", "axis")
    if owner is None or not is_output(owner) or dim is None or not isinstance(dim.value, cst.Integer):
        return None
    return Read(node, int(dim.value.value), "mean") if dim.value.value in ("0", "1") else None


def _number(piece: cst.BaseSlice) -> int | None:
    """0 or -1, where that is the index."""
    index = piece.value if isinstance(piece, cst.Index) else None
    if isinstance(index, cst.Integer) and index.value == "0":
        return 0
    if isinstance(index, cst.UnaryOperation) and isinstance(index.operator, cst.Minus):
        if isinstance(index.expression, cst.Integer) and index.expression.value == "1":
            return -1
    return None


def _is_all(piece: cst.BaseSlice) -> bool:
    return isinstance(piece, cst.Slice) and piece.lower is None and piece.upper is None and piece.step is None


def has_batch_of_one(function: cst.FunctionDef) -> bool:
    """Whether a function may put a dimension of one beside the sequence: `x.unsqueeze(1)`, `x.view(len(x), 1, -1)`."""
    for node in own_nodes(function):
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            if node.func.attr.value in ("unsqueeze", "squeeze", "expand_dims"):
                return True
            if node.func.attr.value in ("view", "reshape", "expand"):
                if any(isinstance(arg.value, cst.Integer) and arg.value.value == "1" for arg in node.args):
                    return True
        elif isinstance(node, cst.Subscript) and any(
            isinstance(element.slice, cst.Index) and dotted(element.slice.value) == "None" for element in node.slice
        ):
            return True
    return False


# -- initial states ---------------------------------------------------------------------------------


def state_sizes(function: cst.FunctionDef, call: cst.Call) -> tuple[int | None, ...]:
    """For each dimension of the initial state of a layer, which dimension of the layer's input gives its size.

    Empty where that is not certain: the state is made elsewhere, or the input is bound anew.
    """
    given, state = written_argument(call, 0, "input"), written_argument(call, 1, "hx")
    if given is None or state is None or not isinstance(given.value, cst.Name):
        return ()
    node: cst.BaseExpression | None = state.value
    if isinstance(node, (cst.Tuple, cst.List)) and node.elements:
        node = node.elements[0].value
    factory = _factory(function, node)
    name = given.value.value
    if factory is None or _times_bound(function, name):
        return ()
    sizes = [arg.value for arg in factory.args if arg.keyword is None]
    if len(sizes) == 1 and isinstance(sizes[0], (cst.Tuple, cst.List)):
        sizes = [element.value for element in sizes[0].elements]
    if len(sizes) != 3 or any(arg.star for arg in factory.args):
        return ()
    return tuple(_size_of(function, size, name) for size in sizes)


def _factory(function: cst.FunctionDef, node: cst.BaseExpression | None) -> cst.Call | None:
    """`torch.zeros(...)`, behind conversions and a variable that is bound once."""
    for _ in range(6):
        if isinstance(node, cst.Name):
            node = _only_value(function, node.value)
        elif isinstance(node, cst.Call):
            last = dotted(node.func).rpartition(".")[2] or (
                node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
            )
            if last in _FACTORIES:
                return node
            if last == "Variable" and node.args:
                node = node.args[0].value
            elif last in _KEEPING and isinstance(node.func, cst.Attribute):
                node = node.func.value
            else:
                return None
        else:
            return None
    return None


def _size_of(function: cst.FunctionDef, size: cst.BaseExpression, name: str) -> int | None:
    """Which dimension of a variable a size is: `x.size(0)`, `x.shape[1]`, `len(x)`, also by another variable."""
    if isinstance(size, cst.Name):
        bound = [node for node in own_nodes(function) if isinstance(node, cst.Assign) and _binds(node, size.value)]
        if len(bound) != 1 or _times_bound(function, size.value) != 1:
            return None
        target = bound[0].targets[0].target
        if isinstance(target, cst.Name):
            return _size_of(function, bound[0].value, name) if bound[0].value is not size else None
        if isinstance(target, (cst.Tuple, cst.List)) and _is_shape(bound[0].value, name):
            names = [dotted(element.value) for element in target.elements]
            starred = any(isinstance(element, cst.StarredElement) for element in target.elements)
            return names.index(size.value) if size.value in names and not starred else None
        return None
    if isinstance(size, cst.Call) and dotted(size.func) == "len":
        return 0 if len(size.args) == 1 and dotted(size.args[0].value) == name else None
    index: cst.BaseExpression | None = None
    if isinstance(size, cst.Call) and dotted(size.func) == f"{name}.size" and len(size.args) == 1:
        index = size.args[0].value
    elif isinstance(size, cst.Subscript) and _is_shape(size.value, name) and len(size.slice) == 1:
        piece = size.slice[0].slice
        index = piece.value if isinstance(piece, cst.Index) else None
    return int(index.value) if isinstance(index, cst.Integer) and index.value in ("0", "1", "2") else None


def _is_shape(node: cst.BaseExpression, name: str) -> bool:
    if isinstance(node, cst.Call):
        return dotted(node.func) == f"{name}.size" and not node.args
    return dotted(node) == f"{name}.shape"


def _only_value(function: cst.FunctionDef, name: str) -> cst.BaseExpression | None:
    bound = [node for node in own_nodes(function) if isinstance(node, cst.Assign) and _binds(node, name)]
    if len(bound) != 1 or _times_bound(function, name) != 1 or len(bound[0].targets) != 1:
        return None
    return bound[0].value if isinstance(bound[0].targets[0].target, cst.Name) else None


def _binds(node: cst.Assign, name: str) -> bool:
    return any(dotted(item) == name for target in node.targets for item in flattened(target.target))


def _times_bound(function: cst.FunctionDef, name: str) -> int:
    return sum(isinstance(node, cst.Name) and node.value == name for node in _bound(function.body))


def _bound(statement: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What a statement binds."""
    for node in _all(statement):
        if isinstance(node, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.For, cst.NamedExpr, cst.CompFor)):
            yield from flattened(node.target)
        elif isinstance(node, cst.AsName):
            yield from flattened(node.name)


def _around(block: cst.CSTNode, call: cst.CSTNode) -> tuple[cst.CSTNode | None, Sequence[cst.CSTNode]]:
    """The statement that a call stands in, and those after it in its own block."""
    pending = [block]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.IndentedBlock):
            index = next((index for index, each in enumerate(node.body) if stands_in(call, each)), None)
            if index is not None and isinstance(node.body[index], cst.SimpleStatementLine):
                return node.body[index], node.body[index + 1 :]
        pending.extend(parts(node))
    return None, ()


def _all(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        pending.extend(parts(inner))
