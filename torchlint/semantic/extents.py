"""What a program that asks a tensor for its sizes is told: `x.shape`, `x.size(0)`, `x.dim()`, `x.numel()`."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.shapes import Dim, Mismatch, Size, product, size
from torchlint.semantic.values import UNKNOWN, Const, Extent, Iterated, Origin, Scalar, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def of_dim(dim: Dim, origin: Origin | None) -> Value:
    """One size as a number."""
    if isinstance(dim, int):
        return Const(int(dim), (dim.origin if isinstance(dim, Size) else None) or origin)
    return Extent(dim) if dim is not None else Scalar("int")


def of_tensor(machine: "Interpreter", tensor: Tensor, node: cst.CSTNode | None) -> Value:
    """All sizes; UNKNOWN where their number is not certain."""
    shape = tensor.shape.settled if tensor.shape is not None else None
    if shape is None or shape.open or tensor.batch:
        return UNKNOWN
    origin = machine.here(node) if node is not None else None
    return TupleOf([of_dim(dim, origin) for dim in shape.dims], origin)


def of_size(machine: "Interpreter", call: "Call", tensor: Tensor) -> Value:
    """`x.size()`, `x.size(dim)`"""
    if not call.arguments.positional and not call.arguments.keywords:
        known = of_tensor(machine, tensor, call.node)
        return known if known is not UNKNOWN else Iterated(Scalar("int"))
    where = call.argument(0, "dim")
    if not isinstance(where, Const) or type(where.value) is not int or where.assumed:
        return Scalar("int")
    shape = tensor.shape.settled if tensor.shape is not None and where.value >= 0 else tensor.shape
    if shape is not None and not shape.open and not -len(shape.dims) <= where.value < len(shape.dims):
        raise Mismatch(f"has no dimension {where.value}: there are {len(shape.dims)}, {shape}")
    return of_dim(size(shape, where.value), machine.here(call.node))


def of_rank(tensor: Tensor) -> Value:
    """`x.dim()`, `x.ndim`"""
    rank = tensor.shape.rank if tensor.shape is not None and not tensor.batch else None
    return Scalar("int") if rank is None else Const(rank)


def of_count(tensor: Tensor) -> Value:
    """`x.numel()`"""
    shape = tensor.shape
    count = product(shape.dims) if shape is not None and not shape.open and not tensor.batch else None
    return Const(int(count)) if isinstance(count, int) else Scalar("int")
