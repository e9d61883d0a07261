"""What torch's names are, take and return: generated facts, read without torch.

`torch.json` and `conversions.json` beside this file are written by
`python -m torchlint.semantic.knowledge.generate` from an installed torch. They are read on the
first question of a process; an entry is decoded when it is first asked for.

Every function takes any spelling of a name (see `canonical`). A name that the data lacks gets
the empty answer: None, False or (). Private names are recorded only where their own module is
public, so for `torch._dynamo` and the like "unknown" does not mean "absent".
"""

import ast
import re
from enum import Enum
from functools import cache
from pathlib import Path
from types import EllipsisType
from typing import Literal, TypeVar

import msgspec

Kind = Literal["module", "class", "function", "constant"]
Scalar = None | bool | int | float | str
Decoded = TypeVar("Decoded")

_KINDS: dict[str, Kind] = {"M": "module", "C": "class", "F": "function", "K": "constant"}


class ParameterKind(str, Enum):
    """How an argument reaches a Python parameter."""

    POSITIONAL_ONLY = "positional-only"
    POSITIONAL_OR_KEYWORD = "positional-or-keyword"
    VAR_POSITIONAL = "var-positional"
    KEYWORD_ONLY = "keyword-only"
    VAR_KEYWORD = "var-keyword"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a Python signature. `default` is `...` where there is none or it is no plain literal."""

    name: str
    kind: ParameterKind
    has_default: bool = False
    default: Scalar | EllipsisType = ...


class Signature(msgspec.Struct, frozen=True):
    """The parameters of a callable in order, without `self`."""

    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


class Argument(msgspec.Struct, frozen=True):
    """A parameter of an overload.

    `type` is as in torch's native_functions.yaml (`Tensor`, `Tensor?`, `int[1]?`, `Scalar`, `bool`,
    `ScalarType?` for a dtype ...), with two additions: `Any`, and `True` or `False` where the overload
    holds only for that literal (or, when it is also the default, for the argument left out).
    `default` is the text of the default, None where there is none.
    `variadic`: the elements may stand as several positional arguments, as in `x.view(2, 3)`.
    """

    name: str
    type: str
    keyword_only: bool = False
    default: str | None = None
    variadic: bool = False


class Return(msgspec.Struct, frozen=True):
    """A result of an overload: its field name ("" where it has none), its type, and whether it requires grad
    when a tensor argument does and gradients are on."""

    name: str
    type: str
    differentiable: bool


class Overload(msgspec.Struct, frozen=True):
    """One way to call an operator.

    The receiver of a method is left out. Several returns are a tuple in Python, one `Tensor[]` is a
    tuple or list of tensors, and none is None. Python also takes numpy's spellings `axis` for `dim` and
    `keepdims` for `keepdim`.
    """

    parameters: tuple[Argument, ...]
    returns: tuple[Return, ...]


class ModuleClass(msgspec.Struct, frozen=True):
    """A subclass of torch.nn.Module.

    `bases`: its torch ancestors, nearest first, torch.nn.Module last.
    `required`: constructor parameters without default.
    `has_parameters`: whether an instance made with the fewest arguments has parameters; None where
    that depends on the modules or parameters that it is given.
    `returns`: what an instance made with the fewest arguments returns when called on tensors; None
    where it has no `forward` of its own or returns what something else returns.
    """

    bases: tuple[str, ...]
    required: tuple[str, ...]
    has_parameters: bool | None
    returns: Literal["tensor", "tuple", "other"] | None
    is_loss: bool


class _Data(msgspec.Struct, frozen=True):
    torch: str
    namespaces: dict[str, msgspec.Raw]
    signatures: dict[str, msgspec.Raw]
    operators: dict[str, msgspec.Raw]
    module_classes: dict[str, msgspec.Raw]
    tensor_methods: frozenset[str]
    tensor_properties: frozenset[str]


class Conversions(msgspec.Struct, frozen=True):
    """What conversions.json holds: the versions that were run, and for each callable both effects."""

    versions: dict[str, str]
    effects: dict[str, tuple[str | None, str | None]]


@cache
def _data() -> _Data:
    return msgspec.json.decode(Path(__file__).with_name("torch.json").read_bytes(), type=_Data)


@cache
def _conversions() -> Conversions:
    return msgspec.json.decode(Path(__file__).with_name("conversions.json").read_bytes(), type=Conversions)


@cache
def _namespace(name: str) -> dict[str, str] | None:
    raw = _data().namespaces.get(name)
    return None if raw is None else msgspec.json.decode(raw, type=dict[str, str])


def torch_version() -> str:
    """The version of torch that the data was generated from."""
    return _data().torch


def canonical(name: str) -> str:
    """The public spelling of a qualified name: `torch.nn.modules.activation.Softmax` is `torch.nn.Softmax`.

    Only spellings of the same object are joined: `torch.nn.functional.softmax` and `torch.softmax`
    stay apart. A name outside torch, or unknown to the data, comes back as it is.
    """
    return _resolve(name)[0] if name == "torch" or name.startswith("torch.") else name


def kind(name: str) -> Kind | None:
    """What the name is in torch; None where torch has no such public name.

    Known: attributes of torch's modules, and of torch.Tensor, torch.nn.Module and torch.optim.Optimizer.
    """
    return _resolve(name)[1] if name == "torch" or name.startswith("torch.") else None


@cache
def _resolve(name: str) -> tuple[str, Kind | None]:
    parts = name.split(".")
    current, found = "torch", _KINDS["M"]
    for index, part in enumerate(parts[1:], 1):
        members = _namespace(current)
        entry = members.get(part) if members is not None else None
        if entry is None and _namespace(f"{current}.{part}") is not None:
            entry = "m"  # A private module, which its package does not list.
        if entry is None:
            return ".".join((current, *parts[index:])), None
        code, _, target = entry.partition("=")
        current, found = target or f"{current}.{part}", _KINDS[code[0].upper()]
    return current, found


@cache
def exports(module: str) -> frozenset[str] | None:
    """The names that `from module import *` binds; None for what is no public module of torch."""
    name, found = canonical(module), kind(module)
    members = _namespace(name)
    if found != "module" or members is None:
        return None
    return frozenset(member for member, entry in members.items() if entry[0].isupper())


@cache
def signature(name: str) -> Signature | None:
    """The Python signature of a function, or of a class as a constructor.

    An operator without a Python signature gets that of its overload, if it has only one; ask
    `operators` for the others.
    """
    name = canonical(name)
    raw = _data().signatures.get(name)
    if raw is not None:
        return _parse_signature(msgspec.json.decode(raw, type=str))
    overloads = operators(name)
    if len(overloads) != 1:
        return None
    return Signature(tuple(_as_python(argument) for argument in overloads[0].parameters))


def _parse_signature(text: str) -> Signature:
    tree = ast.parse(f"lambda {text}: 0", mode="eval").body
    assert isinstance(tree, ast.Lambda)
    arguments = tree.args
    parameters: list[Parameter] = []

    def add(argument: ast.arg | None, kind: ParameterKind, default: ast.expr | None = None) -> None:
        if argument is not None:
            value = ... if default is None else ast.literal_eval(default)
            parameters.append(Parameter(argument.arg, kind, default is not None, value))

    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
    for index, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        only = index < len(arguments.posonlyargs)
        add(
            argument,
            ParameterKind.POSITIONAL_ONLY if only else ParameterKind.POSITIONAL_OR_KEYWORD,
            default,
        )
    add(arguments.vararg, ParameterKind.VAR_POSITIONAL)
    for argument, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        add(argument, ParameterKind.KEYWORD_ONLY, keyword_default)
    add(arguments.kwarg, ParameterKind.VAR_KEYWORD)
    return Signature(tuple(parameters))


def _as_python(argument: Argument) -> Parameter:
    kind = ParameterKind.KEYWORD_ONLY if argument.keyword_only else ParameterKind.POSITIONAL_OR_KEYWORD
    if argument.default is None:
        return Parameter(argument.name, kind)
    try:
        default = ast.literal_eval(argument.default)
    except ValueError:
        default = ...
    plain = default is None or isinstance(default, (bool, int, float, str))
    return Parameter(argument.name, kind, True, default if plain else ...)


@cache
def is_loss(name: str) -> bool:
    """Whether a qualified name is that of a loss function, or of calling an instance of a loss class."""
    if name.endswith(".forward"):
        known = module_class(name.removesuffix(".forward"))
        return known is not None and known.is_loss
    return name.startswith("torch.nn.functional.") and name.endswith(("_loss", "cross_entropy", "_entropy_with_logits"))


@cache
def operators(name: str) -> tuple[Overload, ...]:
    """The overloads of an operator, such as `torch.max`, `torch.nn.functional.relu` or `torch.Tensor.max`."""
    raw = _data().operators.get(canonical(name))
    if raw is None:
        return ()
    return tuple(parse_overload(text) for text in msgspec.json.decode(raw, type=list[str]))


_ALIASING = re.compile(r"\([a-z|]+!?(?: -> [a-z*|]+)?\)")


def parse_overload(text: str) -> Overload:
    """Read an overload as torch's native_functions.yaml writes it, without the operator's name.

    Two marks are ours: `^` after a type says that the result is differentiable, `...` after one that
    the argument is variadic. Notes on aliasing, such as `(a!)`, are dropped.

    Raises:
        ValueError: the text is no overload.
    """
    head, arrow, tail = _ALIASING.sub("", text).rpartition(" -> ")
    if not arrow or not (head.startswith("(") and head.endswith(")")):
        raise ValueError(f"not an overload: {text}")
    parameters: list[Argument] = []
    keyword_only = False
    for part in _split(head[1:-1]):
        if part == "*":
            keyword_only = True
            continue
        declared, _, default = part.partition("=")
        type_, _, name = declared.rpartition(" ")
        variadic = type_.endswith("...")
        parameters.append(Argument(name, type_.removesuffix("..."), keyword_only, default or None, variadic))
    returns = _split(tail[1:-1]) if tail.startswith("(") else [tail]
    return Overload(tuple(parameters), tuple(map(_parse_return, returns)))


def _parse_return(text: str) -> Return:
    type_, _, name = text.partition(" ")
    return Return(name, type_.removesuffix("^"), type_.endswith("^"))


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes."""
    parts = re.findall(r"""(?:\[[^]]*\]|\([^)]*\)|'[^']*'|"[^"]*"|[^,])+""", text)
    return [part.strip() for part in parts]


@cache
def module_class(name: str) -> ModuleClass | None:
    """What is known of a public subclass of torch.nn.Module."""
    raw = _data().module_classes.get(canonical(name))
    return None if raw is None else msgspec.json.decode(raw, type=ModuleClass)


def is_tensor_method(name: str) -> bool:
    """Whether `tensor.name` is a method."""
    return name in _data().tensor_methods


def tensor_methods() -> frozenset[str]:
    """The names of all methods of tensors."""
    return _data().tensor_methods


def is_tensor_property(name: str) -> bool:
    """Whether `tensor.name` is a property."""
    return name in _data().tensor_properties


def numpy_conversion(name: str) -> tuple[str | None, str | None]:
    """What calling this does to tensors that require grad, by the qualified name of the callable.

    First for one such tensor as the argument that takes data, second for a list of such tensors with
    no dimensions. An effect is the exception as `Type: text`, None where there is none. A callable that
    was not tried gets (None, None).
    """
    return _conversions().effects.get(name, (None, None))
