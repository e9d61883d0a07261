"""Which dtype an operation on several operands gives: torch's type promotion, as far as dtypes and ranks are known.

https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

from torchlint.semantic.values import Array, Const, Scalar, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter
    from torchlint.semantic.project import Unit

DEFAULT_FLOAT = "float32"
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = frozenset({"uint8", "uint16", "uint32", "uint64"})
INTEGERS = UNSIGNED | frozenset(SIGNED)
# Floats, the wider ones later.
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex32", "complex64", "complex128")
BOOL = "bool"
# The one or the other, of which nothing decides: what pandas reads from a file.
WIDE = "int64 or float64"
# The complex dtype of numbers that are this wide.
_COMPLEX_OF = {"float16": "complex32", "bfloat16": "complex64", "float32": "complex64", "float64": "complex128"}
# How an operand takes part: as a tensor with dimensions or without, or as one of Python's numbers.
_SIZED, _SINGLE, _NUMBER = "sized", "single", "number"
_MAX_UNSURE = 3


def default_float(machine: "Interpreter") -> str | None:
    """What floats become; None in a program that may have changed it."""
    if machine.unit in machine.default_floats:
        return machine.default_floats[machine.unit]
    changed = _changes_default(machine.unit) or _changes_default(machine.target)
    made = machine.default_floats[machine.unit] = None if changed else DEFAULT_FLOAT
    return made


def _changes_default(unit: "Unit") -> bool:
    return "set_default_" in unit.source.text


def is_float(dtype: str | None) -> bool:
    """Whether a dtype is one of floats, which gradients need."""
    return dtype in FLOATS


def is_whole(dtype: str | None) -> bool:
    """Whether a dtype is one of whole numbers, `bool` among them."""
    return dtype == BOOL or dtype in INTEGERS


def promoted(a: str, b: str) -> str | None:
    """`torch.promote_types(a, b)`; None where torch refuses it, or it is not known here."""
    if a == b:
        return a
    kinds = [_kind(a), _kind(b)]
    if None in kinds:
        return None
    if kinds[0] != kinds[1]:
        lower, higher = (a, b) if str(kinds[0]) < str(kinds[1]) else (b, a)
        if higher in COMPLEX and lower in FLOATS:
            return promoted(_COMPLEX_OF[lower], higher)
        # The wide unsigned types promote with few others.
        return None if lower in UNSIGNED - {"uint8"} else higher
    if a in INTEGERS:
        return _wider_integer(a, b)
    if a in FLOATS:
        return "float32" if {a, b} == {"float16", "bfloat16"} else FLOATS[max(FLOATS.index(a), FLOATS.index(b))]
    return COMPLEX[max(COMPLEX.index(a), COMPLEX.index(b))]


def _kind(dtype: str) -> int | None:
    """The category of a dtype; a higher one decides."""
    if dtype == BOOL:
        return 0
    if dtype in INTEGERS:
        return 1
    return 2 if dtype in FLOATS else 3 if dtype in COMPLEX else None


def _wider_integer(a: str, b: str) -> str | None:
    if a in SIGNED and b in SIGNED:
        return SIGNED[max(SIGNED.index(a), SIGNED.index(b))]
    one, other = (a, b) if a == "uint8" else (b, a)
    if one != "uint8" or other not in SIGNED:
        return None
    return "int16" if other == "int8" else other


def result_type(operands: Iterable[Value], default: str | None) -> str | None:
    """The dtype of an elementwise operation on tensors and Python's numbers; None where it is not certain.

    `default`: the dtype of floats that none is said for.
    """
    known: list[list[tuple[str, str]]] = []
    for operand in operands:
        options = _options(operand, default)
        if options is None:
            return None
        known.append(options)
    if not known or sum(len(options) > 1 for options in known) > _MAX_UNSURE:
        return None
    results = {_result(choice) for choice in product(*known)}
    return results.pop() if len(results) == 1 else None


def _options(operand: Value, default: str | None) -> list[tuple[str, str]] | None:
    """The ways in which an operand may take part: its dtype, and how."""
    if isinstance(operand, Tensor):
        if operand.dtype is None or operand.batch:
            return None
        shape = operand.shape
        if shape is not None and shape.dims:
            return [(operand.dtype, _SIZED)]
        if shape is not None and not shape.open:
            return [(operand.dtype, _SINGLE)]
        return [(operand.dtype, _SIZED), (operand.dtype, _SINGLE)]
    kinds: tuple[str, ...] = ()
    if isinstance(operand, Const):
        kinds = (type(operand.value).__name__,)
    elif isinstance(operand, Scalar):
        # A bool may be what a comparison of something unknown is taken for.
        kinds = ("int", "float") if operand.kind == "number" else (operand.kind,)
    options = []
    for kind in kinds:
        dtype = {"bool": BOOL, "int": "int64", "cpus": "int64", "float": default}.get(kind)
        if dtype is None or (kind == "bool" and isinstance(operand, Scalar)):
            return None
        options.append((dtype, _NUMBER))
    return options or None


def _result(operands: Iterable[tuple[str, str]]) -> str | None:
    """What torch's `result_type` gives, where higher categories win, and sized tensors over the others."""
    found: dict[str, str | None] = {}
    for dtype, how in operands:
        before = found.get(how)
        found[how] = dtype if how not in found else promoted(before, dtype) if before is not None else None
    if None in found.values():
        return None
    result: str | None = None
    for how in (_NUMBER, _SINGLE, _SIZED):
        dtype_here = found.get(how)
        if dtype_here is not None:
            result = dtype_here if result is None else _combined(dtype_here, result)
            if result is None:
                return None
    return result


def _combined(higher: str, lower: str) -> str | None:
    """The dtype of operands of which the one takes precedence within its category."""
    if higher in COMPLEX:
        return higher
    if higher in FLOATS:
        return _COMPLEX_OF[higher] if lower in COMPLEX else higher
    if higher == BOOL or lower in FLOATS or lower in COMPLEX:
        return promoted(higher, lower)
    return higher


def quotient(dtype: str | None, default: str | None) -> str | None:
    """What a division gives where its operands promote to a dtype: whole numbers become floats."""
    if dtype == WIDE:
        return None
    return default if is_whole(dtype) else dtype


def arithmetic(left: Value, operator: str, right: Value, default: str | None) -> str | None:
    """The dtype of `left <operator> right`, one of which is a tensor; the operator by the name of its node."""
    if operator == "MatrixMultiply":
        sides = {side.dtype for side in (left, right) if isinstance(side, Tensor) and not side.batch}
        # torch takes both of one dtype only.
        known = sides - {None}
        return known.pop() if len(known) == 1 else None
    dtype = result_type((left, right), default)
    return quotient(dtype, default) if operator == "Divide" else dtype


def array_arithmetic(left: Value, operator: str, right: Value) -> str | None:
    """The dtype of an operation of NumPy's on two arrays, or on an array and one of Python's numbers.

    Only what holds for arrays of any rank: single precision beside a number of double may become either.
    """
    sides = (left, right)
    dtypes = [side.dtype for side in sides if isinstance(side, Array)]
    if None in dtypes or any(dtype not in INTEGERS and not is_float(dtype) for dtype in dtypes):
        return None
    kinds = {type(side.value).__name__ if isinstance(side, Const) else side.kind
             for side in sides if isinstance(side, (Const, Scalar))}  # fmt: skip
    if len(dtypes) + sum(isinstance(side, (Const, Scalar)) for side in sides) < 2 or not kinds <= {
        "int",
        "float",
        "float64",
    }:
        return None
    if "float64" in dtypes:
        return "float64"
    if "float64" in kinds:
        # A number of NumPy's, which a narrower array may be widened by.
        return "float64" if all(dtype == "int64" for dtype in dtypes) else None
    if all(dtype == "int64" for dtype in dtypes):
        return "float64" if "float" in kinds or operator == "Divide" else "int64"
    if all(dtype == "float32" for dtype in dtypes):
        return "float32"
    return None
