"""Where a tuple that a call returned is used as if it were one tensor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.instances import CONTAINERS, WRAPPERS
from torchlint.semantic.knowledge import is_tensor_method, is_tensor_property, module_class, operators
from torchlint.semantic.values import Array, Tensor, TupleOf

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# These take whatever they are given.
ANYTHING = frozenset({"torch.nn.Identity", "torch.nn.Module"}) | CONTAINERS | WRAPPERS
TUPLE_ATTRIBUTES = frozenset({"count", "index", "n_fields", "n_sequence_fields", "n_unnamed_fields"})


class Use(NamedTuple):
    """A tuple, the expression that is used as a tensor, how, and whether that raises."""

    value: TupleOf
    node: cst.BaseExpression
    how: str
    raises: bool


def tensor_uses(model: "Model", node: cst.CSTNode) -> Iterator[Use]:
    """The uses at a node of a returned tuple as a tensor. Each is certain in a context in which the node runs."""
    if not model.facts.tuples:
        return
    if isinstance(node, cst.Attribute):
        name = node.attr.value
        if is_tensor_method(name) or is_tensor_property(name):
            for value in _tuples(model, node.value):
                if name not in value.names and name not in TUPLE_ATTRIBUTES:
                    yield Use(value, node.value, f"`.{name}` is asked of it", True)
    elif isinstance(node, cst.Subscript):
        if len(node.slice) > 1:
            for value in _tuples(model, node.value):
                yield Use(value, node.value, "it is indexed in several dimensions", True)
    elif isinstance(node, cst.BinaryOperation):
        yield from _operand(model, node.left, node.right, node.operator)
        yield from _operand(model, node.right, node.left, node.operator)
    elif isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        operator, right = node.comparisons[0].operator, node.comparisons[0].comparator
        if isinstance(operator, (cst.Equal, cst.NotEqual)):
            for side, other in ((node.left, right), (right, node.left)):
                for value in _tuples(model, side):
                    if any(isinstance(option, (Tensor, Array)) for option in model.values(other)):
                        yield Use(value, side, "it never equals a tensor", False)
    elif isinstance(node, cst.Call):
        yield from _argument(model, node)


def _tuples(model: "Model", node: cst.BaseExpression) -> Iterator[TupleOf]:
    for value in model.values(node):
        if isinstance(value, TupleOf) and value.made_by is not None:
            yield value


def _operand(
    model: "Model", node: cst.BaseExpression, other: cst.BaseExpression, operator: cst.BaseBinaryOp
) -> Iterator[Use]:
    for value in _tuples(model, node):
        beside = any(isinstance(option, Tensor) and not option.batch for option in model.values(other))
        if beside or _was_given(model, value, other):
            yield Use(value, node, "it is an operand beside a tensor", True)


def _was_given(model: "Model", value: TupleOf, other: cst.BaseExpression) -> bool:
    """Whether the other operand was an input of the very call that returned the tuple, as in a residual: a tensor."""
    call = value.origin.node if value.origin is not None and value.origin.unit is model.unit else None
    return (
        isinstance(call, cst.Call)
        and isinstance(other, cst.Name)
        and any(isinstance(arg.value, cst.Name) and arg.value.value == other.value for arg in call.args)
    )


def _argument(model: "Model", node: cst.Call) -> Iterator[Use]:
    for call in model.calls(node):
        if (
            not call.certain
            or call.name is None
            or not node.args
            or node.args[0].star
            or node.args[0].keyword is not None
        ):
            continue
        value = call.argument(0)
        if isinstance(value, TupleOf) and value.made_by is not None and _wants_tensor(call.name):
            yield Use(value, node.args[0].value, "it is passed where a tensor is expected", True)


def _wants_tensor(name: str) -> bool:
    if name.endswith(".forward"):
        owner = name.removesuffix(".forward")
        return module_class(owner) is not None and owner not in ANYTHING
    if name.startswith("torch.Tensor."):
        return False
    overloads = operators(name)
    return bool(overloads) and all(
        bool(overload.parameters) and overload.parameters[0].type == "Tensor" for overload in overloads
    )
