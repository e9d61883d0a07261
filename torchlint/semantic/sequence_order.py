"""Which dimension code takes for the sequence and which for the batch: of what a recurrent or attention layer gives,
and of the state that it is given.

Only the one function is looked at in which the layer is called.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted, own_nodes
from torchlint.semantic.parts import parts, stands_in
from torchlint.semantic.steps import flattened
from torchlint.semantic.written import written_argument

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# Layers and functions that leave the dimensions as they are.
_ORDERLY = frozenset({
    "LayerNorm", "Dropout", "ReLU", "GELU", "Linear", "Tanh", "Sigmoid", "SiLU", "ELU", "LeakyReLU", "Identity", "relu",
    "gelu", "dropout", "tanh", "sigmoid", "silu", "elu", "leaky_relu", "layer_norm", "normalize",
})  # fmt: skip
# Methods that take a dimension away.
_POOLING = {"mean": "mean", "max": "maximum", "amax": "maximum"}
_FACTORIES = frozenset({"zeros", "randn", "rand", "ones"})
# What stands around a factory without changing its sizes.
_KEEPING = frozenset({"to", "cuda", "float", "double", "half", "requires_grad_", "type_as", "Variable", "detach"})


class Read(NamedTuple):
    """A place that reads a part of an output: the one dimension that it takes away, and how."""

    node: cst.BaseExpression
    dim: int
    what: str


def reads(model: "Model", function: cst.FunctionDef, call: cst.CSTNode, several: bool) -> Iterator[Read]:
    """The places that take one step, or the mean over one dimension, of the output of a call: of the call itself, and
    of variables that get its output, or a sum with it, or what a layer that leaves the dimensions as they are makes
    of it. `several`: the layer gives its output as the first of two."""
    outputs = _Outputs(model, call, several)
    statement, following = _around(function.body, call)
    for line in (statement, *following) if statement is not None else ():
        for node in _all(line):
            found = _read(node, outputs.has)
            if found is not None:
                yield found
        outputs.bind(line)
        if line is not statement and not outputs.names and not outputs.pairs:
            return


class _Outputs:
    """The expressions that are the output of a layer: `names` are variables that have it, `pairs` those that have all
    that the layer gives."""

    def __init__(self, model: "Model", call: cst.CSTNode, several: bool) -> None:
        self.model = model
        self.call = call
        self.several = several
        self.names: set[str] = set()
        self.pairs: set[str] = set()

    def has(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is the output."""
        if isinstance(node, cst.Name):
            return node.value in self.names
        if not self.several:
            return node is self.call
        if not isinstance(node, cst.Subscript) or not self._is_pair(node.value) or len(node.slice) != 1:
            return False
        piece = node.slice[0].slice
        return isinstance(piece, cst.Index) and isinstance(piece.value, cst.Integer) and piece.value.value == "0"

    def bind(self, line: cst.CSTNode) -> None:
        """What the variables are after a statement."""
        taken = {node.value for node in _bound(line) if isinstance(node, cst.Name)}
        names: set[str] = set()
        pairs: set[str] = set()
        for small in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.Assign) and len(small.targets) == 1:
                target = small.targets[0].target
                if isinstance(target, cst.Name):
                    names |= {target.value} if self._carries(small.value) else set()
                    pairs |= {target.value} if self.several and self._is_pair(small.value) else set()
                elif self.several and isinstance(target, (cst.Tuple, cst.List)) and self._is_pair(small.value):
                    names |= {dotted(element.value) for element in target.elements[:1]}
            elif isinstance(small, cst.AugAssign) and isinstance(small.target, cst.Name):
                # `out += x`
                names |= {small.target.value} & self.names
        self.names = (self.names - taken) | names
        self.pairs = (self.pairs - taken) | pairs

    def _is_pair(self, node: cst.BaseExpression) -> bool:
        return node is self.call or (isinstance(node, cst.Name) and node.value in self.pairs)

    def _carries(self, node: cst.BaseExpression) -> bool:
        """Whether an expression has the dimensions of the output, in its order."""
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, (cst.Add, cst.Multiply)):
            return self._carries(node.left) or self._carries(node.right)
        if isinstance(node, cst.Call) and node is not self.call and node.args and self._is_kept(node):
            return self._carries(node.args[0].value)
        return self.has(node)

    def _is_kept(self, node: cst.Call) -> bool:
        """Whether a call leaves the dimensions of what it is given as they are."""
        names = [(call.name or "").removesuffix(".forward") for call in self.model.calls(node)]
        return bool(names) and all(name[:6] == "torch." and name.rpartition(".")[2] in _ORDERLY for name in names)


def _read(node: cst.CSTNode, is_output: Callable[[cst.BaseExpression], bool]) -> Read | None:
    if isinstance(node, cst.Subscript):
        return _step(node) if is_output(node.value) else None
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in _POOLING:
        return _pooled(node, node.func, is_output)
    return None


def _step(node: cst.Subscript) -> Read | None:
    """`out[:, -1]`, `out[:, -1, :]`, `out[-1]`, `out[-1, :, :]`, `out[:, 0]`"""
    pieces = [element.slice for element in node.slice]
    if len(pieces) in (1, 3) and _number(pieces[0]) == -1 and all(map(_is_all, pieces[1:])):
        return Read(node, 0, "last")
    if len(pieces) in (2, 3) and _is_all(pieces[0]) and (len(pieces) == 2 or _is_all(pieces[2])):
        number = _number(pieces[1])
        if number is not None:
            return Read(node, 1, "last" if number else "first")
    return None


def _pooled(node: cst.Call, func: cst.Attribute, is_output: Callable[[cst.BaseExpression], bool]) -> Read | None:
    """`out.mean(1)`, `out.max(dim=0)`, `torch.mean(out, dim=1)`"""
    owner: cst.BaseExpression | None = func.value
    index = 0
    if dotted(func.value) == "torch":
        given = written_argument(node, 0, "input")
        owner, index = given.value if given is not None else None, 1
    dim = written_argument(node, index, "dim", "axis")
    if owner is None or not is_output(owner) or dim is None or not isinstance(dim.value, cst.Integer):
        return None
    what = _POOLING[func.attr.value]
    return Read(node, int(dim.value.value), what) if dim.value.value in ("0", "1") else None


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
    """The statement that a call stands in, and those that run after it: in its own block and, where that is the body
    of loops, after these."""
    if not isinstance(block, cst.IndentedBlock):
        return None, ()
    index = next((index for index, each in enumerate(block.body) if stands_in(call, each)), None)
    if index is None:
        return None, ()
    statement, following = block.body[index], block.body[index + 1 :]
    if isinstance(statement, cst.SimpleStatementLine):
        return statement, following
    for part in parts(statement):
        found, inner = _around(part, call) if isinstance(part, cst.IndentedBlock) else _within(part, call)
        if found is not None:
            return found, (*inner, *following) if isinstance(statement, cst.For) else inner
    return None, ()


def _within(node: cst.CSTNode, call: cst.CSTNode) -> tuple[cst.CSTNode | None, Sequence[cst.CSTNode]]:
    """The same for a call in an `else` and the like."""
    for part in parts(node) if not isinstance(node, cst.BaseExpression) else ():
        found, inner = _around(part, call) if isinstance(part, cst.IndentedBlock) else _within(part, call)
        if found is not None:
            return found, inner
    return None, ()


def _all(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        pending.extend(parts(inner))
