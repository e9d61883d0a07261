"""The dtypes of tensors that are made from nothing, or from Python's numbers, where no `dtype` is given."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import objects
from torchlint.semantic.promotion import WIDE, default_float
from torchlint.semantic.values import Array, Const, Scalar, Symbol, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Of the tensor types before torch 0.4, which also are names for what `type()` takes.
LEGACY = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ShortTensor": "int16",
    "CharTensor": "int8",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}
ALIASES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
    "short": "int16"}  # fmt: skip
NAMES = frozenset({
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "complex32", "complex64", "complex128",
})  # fmt: skip
# Methods that convert a tensor or a module to floats.
FLOATS = {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16"}
_FLOATS = frozenset({
    "zeros", "ones", "rand", "randn", "empty", "linspace", "logspace", "eye", "hann_window", "hamming_window", "Tensor",
    "scalar_tensor", "range",
})  # fmt: skip
_INTEGERS = frozenset({"randint", "randperm", "tril_indices", "triu_indices"})
_OF_DATA = frozenset({"tensor", "as_tensor", "asarray", "from_numpy"})
MAX_DEPTH = 4


def named(value: Value | None) -> str | None:
    """The dtype that a value is a name of: `torch.float`, `torch.LongTensor`, `"torch.FloatTensor"`."""
    if isinstance(value, Symbol):
        name = value.name
    elif isinstance(value, Const) and isinstance(value.value, str):
        name = value.value
    else:
        return None
    if not name.startswith("torch."):
        return None
    name = name.removeprefix("torch.").removeprefix("cuda.")
    return LEGACY.get(name) or ALIASES.get(name) or (name if name in NAMES else None)


def looks_like_device(call: "Call") -> bool:
    """Whether the first argument of `to(...)` is named as a device is."""
    node = call.node
    if not isinstance(node, cst.Call) or not node.args:
        return False
    argument = node.args[0]
    if argument.keyword is not None:
        return argument.keyword.value == "device"
    last = argument.value.attr if isinstance(argument.value, cst.Attribute) else argument.value
    return isinstance(last, cst.Name) and "dev" in last.value.lower()


def made(machine: "Interpreter", call: "Call") -> str | None:
    """The dtype of a tensor that a function makes without being told one; None where it is not certain."""
    name = (call.name or "").rpartition(".")[2]
    if name in LEGACY:
        return LEGACY[name]
    if name in ("Tensor", *_OF_DATA):
        # A tensor stays of its dtype, also under the name of the class.
        data = call.argument(0, "data", "obj", "s")
        if isinstance(data, Tensor):
            return data.dtype if not data.batch else None
    if name in _FLOATS:
        return default_float(machine) if call.arguments.complete else None
    if not call.arguments.complete:
        return None
    if name in _INTEGERS:
        return "int64"
    kind = None
    if name in _OF_DATA:
        given = call.argument(0, "data", "obj", "s", "ndarray")
        if isinstance(given, Array):
            return given.dtype if given.dtype in NAMES or given.dtype == WIDE else None
        if isinstance(given, Scalar) and given.kind in NAMES:
            # A number of NumPy's.
            return given.kind
        kind = kind_of(machine, given, 0) if given is not None else None
    elif name == "full":
        filled = call.argument(1, "fill_value")
        kind = kind_of(machine, filled, 0) if filled is not None else None
    elif name == "arange":
        values = (*call.arguments.positional, *(call.argument(None, word) for word in ("start", "end", "step")))
        kind = _widest([kind_of(machine, value, 0) for value in values if value is not None])
    return {"bool": "bool", "int": "int64", "float": default_float(machine)}.get(kind) if kind is not None else None


def kind_of(machine: "Interpreter", value: Value, depth: int) -> str | None:
    """Whether these numbers are `bool`, `int` or `float`; None where they are no Python numbers, or not known."""
    if isinstance(value, Const):
        name = type(value.value).__name__
        return name if name in ("bool", "int", "float") else None
    if isinstance(value, Scalar):
        return value.kind if value.kind in ("int", "float") else None
    if isinstance(value, (Tensor, Array)) or depth > MAX_DEPTH:
        return None
    if isinstance(value, TupleOf):
        return _widest([kind_of(machine, item, depth + 1) for item in value.items])
    held = objects.content(machine, value)
    if held is None:
        return None
    if held.items is None:
        return kind_of(machine, held.element, depth + 1)
    return _widest([kind_of(machine, item, depth + 1) for item in held.items])


def _widest(kinds: list[str | None]) -> str | None:
    if not kinds or None in kinds:
        return None
    return next((kind for kind in ("float", "int", "bool") if kind in kinds), None)
