"""Lengths of datasets: those that are known, and numbers that a program computes from one.

`formulas` reads an expression such as `int(0.8 * len(data))` back through the variables that it went through, so that
it can be computed for any length of `data`.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.batch_values import TENSOR_DATASET
from torchlint.semantic.datasets import SUBSET
from torchlint.semantic.shapes import size
from torchlint.semantic.values import (
    CONTENT,
    UNKNOWN,
    Arguments,
    Const,
    Instance,
    Items,
    Iterated,
    ListRef,
    Scalar,
    Tensor,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

Number = int | float
_NOTHING: Mapping[str, Number] = MappingProxyType({})
# Variables that an expression may have gone through.
MAX_STEPS = 24
# Lengths of the training and of the test part.
_TRAIN_AND_TEST = {
    "torchvision.datasets.MNIST": (60_000, 10_000),
    "torchvision.datasets.FashionMNIST": (60_000, 10_000),
    "torchvision.datasets.KMNIST": (60_000, 10_000),
    "torchvision.datasets.CIFAR10": (50_000, 10_000),
    "torchvision.datasets.CIFAR100": (50_000, 10_000),
    "torchvision.datasets.USPS": (7_291, 2_007),
}
_OPERATORS: dict[type, Callable[[Number, Number], Number]] = {
    cst.Add: operator.add,
    cst.Subtract: operator.sub,
    cst.Multiply: operator.mul,
    cst.Divide: operator.truediv,
    cst.FloorDivide: operator.floordiv,
    cst.Modulo: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "builtins.int": int,
    "builtins.float": float,
    "builtins.round": round,
    "builtins.abs": abs,
    "builtins.min": min,
    "builtins.max": max,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
    "numpy.floor": lambda x: float(math.floor(x)),
    "numpy.ceil": lambda x: float(math.ceil(x)),
    "numpy.round": lambda x: float(round(x)),
    "numpy.int32": int,
    "numpy.int64": int,
}


class Unknown(NamedTuple):
    """What a formula depends on: an expression, and, where that is `len(...)`, the expression whose length it is."""

    node: cst.BaseExpression
    counted: cst.BaseExpression | None = None


class Formula(NamedTuple):
    """A number as a function of unknowns; `at` is given a number for each of them, in their order."""

    at: Callable[[Sequence[Number]], Number]
    unknowns: tuple[Unknown, ...] = ()


class Read(NamedTuple):
    """A value, the expression where it is read if that is known, and what a comprehension binds there."""

    value: Value
    node: cst.BaseExpression | None
    bound: Mapping[str, Number] = _NOTHING


def comprehended(model: "Model", numbers: Value, values: Sequence[Value]) -> list[Read]:
    """The elements of a list as a comprehension computes them; those that it does not are given as they are."""
    origin = numbers.origin
    if origin is None or origin.unit is not model.unit or not isinstance(origin.node, cst.ListComp):
        return [Read(value, None) for value in values]
    comprehension = origin.node
    over, name = _items(model, comprehension.for_in.iter), comprehension.for_in.target
    found = []
    for index, value in enumerate(values):
        number = over[index] if index < len(over) else UNKNOWN
        computed = value.origin is not None and value.origin.node is comprehension.elt
        if computed and isinstance(name, cst.Name) and isinstance(number, Const):
            found.append(Read(value, comprehension.elt, {name.value: number.value}))
        else:
            found.append(Read(value, None))
    return found


def _items(model: "Model", node: cst.BaseExpression) -> Sequence[Value]:
    value = model.value(node)
    if isinstance(value, TupleOf):
        return value.items
    held = model.facts.end.get(value, CONTENT) if isinstance(value, ListRef) else None
    return held.items or () if isinstance(held, Items) else ()


def formulas(model: "Model", values: Sequence[Read]) -> list[Formula] | None:
    """Several values as formulas of the same unknowns; None where one is computed in ways that cannot be followed."""
    parts = []
    for value, node, bound in values:
        part = _of_value(model, value, node, MAX_STEPS, bound)
        if part is None:
            return None
        parts.append(part)
    return _aligned(model, parts)


def known_length(model: "Model", value: Value) -> int | None:
    """How many samples a dataset has, where its arguments or torchvision say so; None where nothing does."""
    if isinstance(value, TupleOf):
        return len(value.items)
    if isinstance(value, Instance) and value.symbol is not None:
        if value.symbol == "torchvision.datasets.FakeData":
            return _count(value.arguments.get(0, "size"), 1000, value.arguments)
        if value.symbol == TENSOR_DATASET:
            first = value.arguments.get(0)
            rows = size(first.shape, 0) if isinstance(first, Tensor) else None
            return int(rows) if isinstance(rows, int) else None
        if value.symbol in _TRAIN_AND_TEST:
            train = _constant(value.arguments.get(1, "train"), True, value.arguments)
            return _TRAIN_AND_TEST[value.symbol][0 if train else 1] if isinstance(train, bool) else None
        if value.symbol == SUBSET:
            indices = value.arguments.get(1, "indices")
            return known_length(model, indices) if indices is not None else None
    if isinstance(value, ListRef):
        held = model.facts.end.get(value, CONTENT)
        return len(held.items) if isinstance(held, Items) and held.items is not None else None
    if isinstance(value, Iterated) and value.origin is not None and value.origin.unit is model.unit:
        found = {_of_range(call.arguments) for call in model.calls(value.origin.node) if call.name == "builtins.range"}
        return found.pop() if len(found) == 1 else None
    return None


def _of_range(arguments: Arguments) -> int | None:
    bounds = [_constant(value, None, arguments) for value in arguments.positional]
    numbers = [bound for bound in bounds if type(bound) is int]
    if not arguments.complete or not numbers or len(numbers) < len(bounds):
        return None
    try:
        return len(range(*numbers))
    except (TypeError, ValueError):
        return None


def _constant(value: Value | None, default: object, arguments: Arguments) -> object:
    """A literal argument, or the default of one that is not given; None where neither is certain."""
    if value is None:
        return default if arguments.complete else None
    return value.value if isinstance(value, Const) and not value.assumed else None


def _count(value: Value | None, default: int, arguments: Arguments) -> int | None:
    found = _constant(value, default, arguments)
    return found if type(found) is int else None


def _of_value(
    model: "Model", value: Value, node: cst.BaseExpression | None, steps: int, bound: Mapping[str, Number] = _NOTHING
) -> Formula | None:
    if isinstance(node, cst.Name) and node.value in bound:
        given = bound[node.value]
        return Formula(lambda _: given)
    if isinstance(value, Const):
        number = value.value
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return None
        return Formula(lambda _: number)
    if steps <= 0:
        return None
    if isinstance(node, (cst.Call, cst.BinaryOperation)):
        return _of_expression(model, node, steps - 1, bound)
    origin = value.origin if isinstance(value, Scalar) else None
    if origin is not None and origin.unit is model.unit and origin.node is not node:
        if isinstance(origin.node, (cst.Call, cst.BinaryOperation)):
            found = _of_expression(model, origin.node, steps - 1)
            if found is not None:
                return found
        else:
            return None
    if isinstance(node, (cst.Name, cst.Attribute)) and (value is UNKNOWN or isinstance(value, Scalar)):
        return Formula(_first, (Unknown(node),))
    return None


def _of_expression(
    model: "Model", node: cst.Call | cst.BinaryOperation, steps: int, bound: Mapping[str, Number] = _NOTHING
) -> Formula | None:
    if isinstance(node, cst.BinaryOperation):
        operation = _OPERATORS.get(type(node.operator))
        if operation is None:
            return None
        return _combined(model, operation, (node.left, node.right), steps, bound)
    calls = model.calls(node)
    names = {call.name for call in calls}
    if len(names) != 1 or not all(call.certain for call in calls):
        return None
    name = names.pop() or ""
    if name == "builtins.len" and len(node.args) == 1:
        value = model.value(node)
        if isinstance(value, Const):
            return _of_value(model, value, None, steps)
        return Formula(_first, (Unknown(node, node.args[0].value),))
    function = _FUNCTIONS.get(name)
    if function is None or any(arg.star or arg.keyword is not None for arg in node.args):
        return None
    return _combined(model, function, tuple(arg.value for arg in node.args), steps, bound)


def _combined(
    model: "Model",
    function: Callable[..., Number],
    nodes: tuple[cst.BaseExpression, ...],
    steps: int,
    bound: Mapping[str, Number],
) -> Formula | None:
    parts = []
    for node in nodes:
        part = _of_value(model, model.value(node), node, steps, bound)
        if part is None:
            return None
        parts.append(part)
    aligned = _aligned(model, parts)
    return Formula(lambda given: function(*[part.at(given) for part in aligned]), aligned[0].unknowns)


def _first(given: Sequence[Number]) -> Number:
    return given[0]


def _aligned(model: "Model", parts: Sequence[Formula]) -> list[Formula]:
    """The same formulas, all of the same unknowns."""
    unknowns: list[Unknown] = []
    aligned = []
    for part in parts:
        places = []
        for unknown in part.unknowns:
            place = next((i for i, known in enumerate(unknowns) if _is_same(model, known, unknown)), len(unknowns))
            if place == len(unknowns):
                unknowns.append(unknown)
            places.append(place)
        aligned.append((part.at, tuple(places)))
    return [Formula(_moved(at, places), tuple(unknowns)) for at, places in aligned]


def _moved(at: Callable[[Sequence[Number]], Number], places: tuple[int, ...]) -> Callable[[Sequence[Number]], Number]:
    return lambda given: at([given[place] for place in places])


def _is_same(model: "Model", one: Unknown, other: Unknown) -> bool:
    if one.node is other.node:
        return True
    if one.counted is not None and other.counted is not None:
        return is_same_object(model, one.counted, other.counted)
    return _text(model, one.node) == _text(model, other.node)


def is_same_object(model: "Model", one: cst.BaseExpression, other: cst.BaseExpression) -> bool:
    """Whether two expressions are the same object: what they are says so, or, where that is unknown, how they are
    written."""
    first, second = model.value(one), model.value(other)
    if isinstance(first, Instance) or isinstance(second, Instance):
        return first is second
    return _text(model, one) == _text(model, other)


def _text(model: "Model", node: cst.BaseExpression) -> str:
    return model.module.code_for_node(node)
