"""Calling torch's operators on small inputs to see what they really return. Read by the generator alone."""

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from torchlint.semantic.knowledge import Argument

_SHAPES = ((3, 3), (4,), (2, 3, 3), (1, 2, 4, 4), (1, 2, 4, 4, 4), ())
_FLOAT, _CLASSES, _INDEX, _MASK = "float", "classes", "index", "mask"
# How tensors after the first are made: as the first, or in another type or shape.
_OTHERS = ("same", "vector", "weight", _CLASSES, _INDEX, _MASK)
# Names of arguments that take integers or booleans whatever the others take.
_INDEX_NAMES = ("index", "indices", "offsets")
_MASK_NAMES = ("mask", "condition")
_INT_LISTS = ((1, 1), (0,), (3, 3), (2, 2), (4,), (0, 1), (1, 2), (2, 1, 0), (1, 2, 2), (1, 1, 1, 1))
_STRINGS = {"mode": "constant", "reduce": "sum", "ord": "fro", "indexing": "ij", "rounding_mode": "floor"}
_NO_SAMPLE = object()


@dataclass(frozen=True)
class _Choice:
    """One way to fill the arguments."""

    shape: tuple[int, ...]
    other: str
    number: int
    numbers: tuple[int, ...]


def _choices() -> Iterator[_Choice]:
    for number, shape, other in itertools.product((0, 1, 2), _SHAPES, _OTHERS):
        yield _Choice(shape, other, number, (1, 1))
    for numbers, shape in itertools.product(_INT_LISTS[1:], _SHAPES):
        yield _Choice(shape, "same", 1, numbers)


def _tensor(shape: Sequence[int], how: str) -> torch.Tensor:
    if how == _INDEX:
        return torch.zeros(shape, dtype=torch.int64)
    if how == _MASK:
        return torch.ones(shape, dtype=torch.bool)
    if how == _CLASSES:
        return torch.zeros(shape[:1], dtype=torch.int64)
    values = torch.linspace(0.1, 0.9, max(1, torch.Size(shape).numel())).reshape(list(shape))
    # Not a leaf, so that operators in place may write to it.
    return values.requires_grad_().clone()


def _value(argument: Argument, choice: _Choice, first: bool) -> object:
    type_ = argument.type.removesuffix("?")
    if type_ in ("Tensor", "Tensor[]", "Tensor?[]"):
        if any(word in argument.name for word in _INDEX_NAMES):
            how = choice.other if choice.other in (_CLASSES, _INDEX) else _INDEX
            tensor = _tensor(choice.shape, how)
        elif any(word in argument.name for word in _MASK_NAMES):
            tensor = _tensor(choice.shape, _MASK)
        elif first or choice.other == "same":
            tensor = _tensor(choice.shape, _FLOAT)
        elif choice.other == "vector":
            tensor = _tensor(choice.shape[-1:], _FLOAT)
        elif choice.other == "weight":
            tensor = _tensor((2, 2, *[1] * (len(choice.shape) - 2)), _FLOAT)
        else:
            tensor = _tensor(choice.shape, choice.other)
        return tensor if type_ == "Tensor" else [tensor, tensor]
    if type_ == "int":
        return choice.number
    if type_ == "int[1]":
        return max(1, choice.number)
    if type_.startswith("int["):
        return list(choice.numbers)
    if type_ in ("float", "Scalar"):
        return 0.5
    if type_.startswith(("float[", "Scalar[")):
        return [0.5, 0.5]
    if type_ in ("bool", "True", "False"):
        return type_ == "True"
    if type_ == "ScalarType":
        return torch.float32
    if type_ == "Device":
        return torch.device("cpu")
    if type_ == "Layout":
        return torch.strided
    if type_ == "str":
        return _STRINGS.get(argument.name, "mean")
    return _NO_SAMPLE


def observe(
    call: Callable[..., object], parameters: Sequence[Argument], *, spread: bool = False
) -> tuple[object] | None:
    """The result, alone in a tuple, of a call that works on small float tensors that require grad.

    None if no such call was found. Only required arguments are filled. With `spread` a variadic
    argument is passed as several.
    """
    required = [parameter for parameter in parameters if parameter.default is None]
    # Those after one that is left out can only be given by name.
    by_name = itertools.dropwhile(lambda parameter: parameter.default is None, parameters)
    named_only = {parameter.name for parameter in by_name}
    for choice in _choices():
        positional: list[object] = []
        named: dict[str, object] = {}
        tensors = 0
        for parameter in required:
            value = _value(parameter, choice, tensors == 0)
            if value is _NO_SAMPLE:
                return None
            tensors += parameter.type.startswith("Tensor")
            if parameter.keyword_only or parameter.name in named_only:
                named[parameter.name] = value
            elif parameter.variadic and spread:
                assert isinstance(value, list)
                positional.extend(value)
            else:
                positional.append(value)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                result = call(*positional, **named)
        except (
            RuntimeError,
            TypeError,
            ValueError,
            IndexError,
            AssertionError,
            AttributeError,
            ArithmeticError,
        ):
            if not tensors:
                return None
            continue
        return (result,)
    return None


def requires_grad(result: object) -> bool:
    """Whether a result, or a tensor in it, requires grad."""
    if isinstance(result, torch.Tensor):
        return result.requires_grad
    return isinstance(result, (list, tuple)) and any(map(requires_grad, result))
