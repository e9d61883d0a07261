"""What methods of a module do with a tensor that it holds as an attribute: whether they know that it does not move.

Only the syntax of the class is looked at, and the values of single expressions.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.members import is_member, receiver_name
from torchlint.semantic.parts import parts
from torchlint.semantic.values import ClassInfo, Const, FunctionInfo, FunctionRef, Instance, Scalar, Symbol, Tensor

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# Where calling a module, or training it, starts.
_ENTRIES = ("forward", "training_step", "validation_step", "test_step", "predict_step")
# Methods of tensors that give the same numbers, on the same device.
_SHAPING = frozenset({
    "view", "reshape", "unsqueeze", "squeeze", "expand", "expand_as", "repeat", "permute", "transpose", "t", "clone",
    "detach", "contiguous", "float", "long", "bool", "int", "flatten", "unbind", "narrow", "sum", "mean", "exp", "log",
    "sqrt", "abs", "neg", "flip", "repeat_interleave", "view_as", "unsqueeze_", "half", "double", "requires_grad_",
})  # fmt: skip
# Attributes and methods that say nothing of where a tensor is.
_SIZES = frozenset({"shape", "size", "dim", "ndim", "numel", "dtype", "nelement", "stride", "item", "tolist"})
# Operations that want all of their tensors on one device.
_MIXING = frozenset({
    "matmul", "mm", "bmm", "einsum", "mul", "add", "sub", "div", "multiply", "gather", "index_select", "scatter",
    "scatter_add", "where", "cat", "concat", "stack", "masked_fill", "masked_fill_", "masked_select", "conv1d",
    "conv2d", "conv3d", "conv_transpose2d", "linear", "embedding", "baddbmm", "addmm", "lerp", "dot", "cdist",
    "maximum", "minimum", "eq", "ne", "add_", "mul_", "sub_", "div_", "batch_norm", "logical_and", "logical_or",
    "outer", "mse_loss", "l1_loss", "cross_entropy", "grid_sample", "cosine_similarity", "kron",
    "scaled_dot_product_attention", "binary_cross_entropy", "binary_cross_entropy_with_logits", "nll_loss", "kl_div",
    "smooth_l1_loss", "huber_loss",
})  # fmt: skip


class Use(Enum):
    """AWARE: it is moved, or asked where it is. STRAY: it meets what a caller gave. OTHER: nothing is certain."""

    AWARE = 0
    STRAY = 1
    OTHER = 2


class Reading(NamedTuple):
    """An expression of a method that is the tensor, or a part of it, and what is done with it."""

    node: cst.BaseExpression
    use: Use


def stray_use(model: "Model", info: ClassInfo, name: str) -> cst.BaseExpression | None:
    """Where a module, when it is called, mixes a tensor that it holds with what it is given.

    None where it does not, or where any of its methods moves the tensor, or asks where it is.
    """
    methods = {key: value.info for entry in reversed(info.mro) for key, value in _methods(entry)}
    called = _reached(methods)
    found: list[cst.BaseExpression] = []
    for key, method in methods.items():
        if isinstance(method.node, cst.FunctionDef):
            for reading in _Reader(model, method.node, name).readings():
                if reading.use is Use.AWARE:
                    return None
                if reading.use is Use.STRAY and key in called and method.unit is model.unit:
                    found.append(reading.node)
    return found[0] if found else None


def read_in(info: ClassInfo, name: str) -> tuple[bool, bool]:
    """Whether an attribute is read when a module is called, and whether it is read in any other method."""
    methods = {key: value.info for entry in reversed(info.mro) for key, value in _methods(entry)}
    called = _reached(methods)
    inside = outside = False
    for key, method in methods.items():
        if isinstance(method.node, cst.FunctionDef) and any(_reads(method.node, name)):
            inside, outside = inside or key in called, outside or key not in called
    return inside, outside


def _methods(entry: object) -> Iterator[tuple[str, FunctionRef]]:
    for key, value in entry.base.items() if isinstance(entry, ClassInfo) else ():
        if isinstance(value, FunctionRef):
            yield key, value


def _reached(methods: dict[str, FunctionInfo]) -> set[str]:
    """The methods that calling the module leads to."""
    pending = [key for key in _ENTRIES if key in methods]
    found = set(pending)
    while pending:
        node = methods[pending.pop()].node
        if not isinstance(node, cst.FunctionDef):
            continue
        own = receiver_name(node)
        for inner in _nodes(node):
            if is_member(inner, own) and inner.attr.value in methods and inner.attr.value not in found:
                found.add(inner.attr.value)
                pending.append(inner.attr.value)
    return found


def _nodes(function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(parts(node))


def _reads(function: cst.FunctionDef, name: str) -> Iterator[cst.Attribute]:
    own = receiver_name(function)
    written = {id(node.target) for node in _nodes(function) if isinstance(node, cst.AssignTarget)}
    for node in _nodes(function):
        if is_member(node, own) and node.attr.value == name and id(node) not in written:
            yield node


class _Reader:
    """The uses of one attribute in one method."""

    def __init__(self, model: "Model", function: cst.FunctionDef, name: str) -> None:
        self.model = model
        self.function = function
        self.name = name
        self.parents: dict[int, cst.CSTNode] = {}

    def readings(self) -> Iterator[Reading]:
        """Each place that reads the attribute, also by a variable that it is assigned to."""
        found = [*_reads(self.function, self.name)]
        if not found:
            return
        for node in _nodes(self.function):
            for part in parts(node):
                self.parents[id(part)] = node
        self.given = self._given()
        pending: list[cst.BaseExpression] = [*found]
        followed: set[str] = set()
        while pending:
            node = pending.pop()
            use, variable = self._use(node)
            if variable and variable not in followed:
                followed.add(variable)
                pending.extend(self._loads(variable))
            yield Reading(node, use)

    def _loads(self, variable: str) -> Iterator[cst.Name]:
        for node in _nodes(self.function):
            if isinstance(node, cst.Name) and node.value == variable:
                parent = self.parents.get(id(node))
                if not isinstance(parent, cst.AssignTarget) and not (
                    isinstance(parent, (cst.Attribute, cst.Arg)) and parent.value is not node
                ):
                    yield node

    def _given(self) -> set[str]:
        """The names of what the caller gives, and of what is computed from that."""
        parameters = self.function.params
        names = {
            each.name.value
            for each in (*parameters.posonly_params, *parameters.params)[1:]
            if each.default is None and not (each.annotation and dotted(each.annotation.annotation) in _PLAIN)
        }
        grown = True
        while grown:
            grown = False
            for node in _nodes(self.function):
                if isinstance(node, cst.Assign):
                    targets = [item for target in node.targets for item in _names(target.target)]
                    if not names.issuperset(targets) and self._mentions(node.value, names):
                        names.update(targets)
                        grown = True
        return names

    def _mentions(self, expression: cst.CSTNode, names: set[str]) -> bool:
        """Whether an expression is computed from what has one of the names, and not only from its size."""
        pending = [expression]
        while pending:
            node = pending.pop()
            if isinstance(node, cst.Name) and node.value in names:
                return True
            if isinstance(node, cst.Attribute):
                if node.attr.value not in _SIZES and node.attr.value != "device":
                    pending.append(node.value)
            elif isinstance(node, cst.Call):
                if dotted(node.func) not in ("len", "range", "isinstance"):
                    # Factories take sizes, and give tensors of their own.
                    pending.append(node.func)
                    pending.extend(arg.value for arg in node.args)
            else:
                pending.extend(parts(node))
        return False

    def _use(self, node: cst.BaseExpression) -> tuple[Use, str]:
        """What is done with an expression that is the tensor; the variable that it is assigned to."""
        inner: cst.CSTNode = node
        while True:
            outer = self.parents.get(id(inner))
            if isinstance(outer, cst.Subscript):
                if outer.value is not inner:
                    return Use.OTHER, ""
            elif isinstance(outer, cst.Attribute):
                name = outer.attr.value
                call = self.parents.get(id(outer))
                if name in _SIZES:
                    return Use.OTHER, ""
                if name in _MIXING and isinstance(call, cst.Call) and call.func is outer:
                    others = [arg.value for arg in call.args]
                    return (Use.STRAY if self._meets(others, inner) else Use.OTHER), ""
                if name not in _SHAPING and name not in ("T", "mT", "data"):
                    return Use.AWARE, ""
                if isinstance(call, cst.Call) and call.func is outer:
                    outer = call
            elif isinstance(outer, (cst.BinaryOperation, cst.Comparison)):
                others = [outer.left]
                if isinstance(outer, cst.BinaryOperation):
                    others.append(outer.right)
                else:
                    others.extend(each.comparator for each in outer.comparisons)
                if self._meets(others, inner):
                    return Use.STRAY, ""
                if isinstance(outer, cst.Comparison) and any(dotted(each) == "None" for each in others):
                    return Use.OTHER, ""
            elif isinstance(outer, cst.Arg):
                if outer.star:
                    return Use.OTHER, ""
            elif isinstance(outer, cst.Call):
                return self._argument(outer, inner), ""
            elif isinstance(outer, cst.Assign):
                targets = [target.target for target in outer.targets]
                return Use.OTHER, targets[0].value if len(targets) == 1 and isinstance(targets[0], cst.Name) else ""
            elif isinstance(outer, cst.AugAssign):
                if outer.value is inner and self._meets([outer.target], inner):
                    return Use.STRAY, ""
                return Use.OTHER, ""
            elif not isinstance(outer, (cst.UnaryOperation, cst.Element, cst.List, cst.Tuple, cst.ComparisonTarget)):
                return Use.OTHER, ""
            inner = outer

    def _argument(self, call: cst.Call, arg: cst.CSTNode) -> Use:
        """What a call does with the tensor that it is given."""
        name = dotted(call.func).rpartition(".")[2] or (
            call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        )
        callees = self.model.values(call.func)
        if any(each.keyword is not None and each.keyword.value == "device" for each in call.args):
            return Use.AWARE
        if name in ("to", "type_as", "tensor", "as_tensor", "new_tensor", "Variable", "Parameter", "device"):
            return Use.AWARE
        if callees and all(isinstance(callee, Instance) and callee.symbol is not None for callee in callees):
            # A layer, which moves with the module.
            return Use.STRAY if name not in ("append", "extend") else Use.OTHER
        others = [each.value for each in call.args if each is not arg]
        if isinstance(call.func, cst.Attribute) and not any(isinstance(callee, Symbol) for callee in callees):
            others.append(call.func.value)
        if name in _MIXING and dotted(call.func) != f"self.{name}":
            everything = [item for other in others for item in _items(other)] + [*_items(arg)]
            return Use.STRAY if self._meets(everything, arg) else Use.OTHER
        return Use.OTHER

    def _meets(self, others: Sequence[cst.BaseExpression], own: cst.CSTNode) -> bool:
        """Whether one of several operands is what the caller gave, or was computed from it."""
        for other in others:
            if other is own or isinstance(other, (cst.Integer, cst.Float)):
                continue
            values = self.model.values(other)
            if values and all(isinstance(value, (Const, Scalar)) for value in values):
                continue
            if any(isinstance(value, Tensor) and value.shape is not None and not value.shape.dims for value in values):
                continue
            if self._mentions(other, self.given):
                return True
        return False


_PLAIN = frozenset({"int", "float", "bool", "str"})


def _names(target: cst.BaseExpression) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _names(element.value)


def _items(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """An expression, or the elements of a list or tuple as which an argument is written."""
    if isinstance(node, cst.Arg):
        node = node.value
    if isinstance(node, (cst.List, cst.Tuple)):
        for element in node.elements:
            yield element.value
    elif isinstance(node, cst.BaseExpression):
        yield node
