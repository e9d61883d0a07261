"""Shapes of tensors, as far as they are certain, and how the sizes of several go together.

What torch certainly refuses raises `Mismatch`; what changes a shape stands in `reshaping.py`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torchlint.semantic.values import Origin

# A size: a number, a symbol that stands for one that is not known, or None where nothing is known of it.
Dim = int | str | None
# The symbol for the number of samples in a batch or a data set: some number, as a rule greater than 1.
MANY = "N"
# What stands for a multiple of it, or for it and more: greater than 1 too, and never known to be the same number.
MULTIPLE = "kN"
# A joined symbol longer than this says nothing any more.
_MAX_SYMBOL = 24


class Size(int):
    """A number with the place that set it.

    `factors`: of which it is the product; `maker`: the operation that multiplied or added them up.
    """

    origin: "Origin | None"
    factors: tuple[Dim, ...]
    maker: str

    def __new__(
        cls, value: int, origin: "Origin | None" = None, factors: tuple[Dim, ...] = (), maker: str = ""
    ) -> "Size":
        """A number that came from a place."""
        size = super().__new__(cls, value)
        size.origin = origin
        size.factors = factors
        size.maker = maker
        return size


def spelled(dim: Dim) -> str:
    """A size as a message says it: `512*7*7 = 25088`."""
    factors = dim.factors if isinstance(dim, Size) else ()
    if len(factors) < 2:
        return shown(dim)
    return f"{'*'.join(map(shown, factors))} = {dim}"


def shown(dim: Dim) -> str:
    """A size as a shape shows it."""
    return MANY if dim == MANY else str(int(dim)) if isinstance(dim, int) else "?"


class Mismatch(Exception):
    """What torch refuses because of sizes.

    Attributes:
        text: what does not fit, as a clause about the operation: `takes 400 features`.
        given: the size that does not fit, `wanted` the one that would; None where it is not one size.
        what: what these sizes count: `features`, `channels`.
    """

    def __init__(self, text: str, given: Dim = None, wanted: Dim = None, what: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.given = given
        self.wanted = wanted
        self.what = what


def expect(given: Dim, wanted: Dim, what: str) -> None:
    """Raise unless a size may be the one that is wanted."""
    if given != wanted and isinstance(given, int) and isinstance(wanted, int):
        raise Mismatch(f"takes {spelled(wanted)} {what}", given, wanted, what)


class Shape(NamedTuple):
    """What is known of a tensor's sizes.

    Attributes:
        dims: the sizes, the last ones if there may be more.
        open: there may be any number of further dimensions before these, none too.
        lead: of an open shape, the size of the dimension before these, if there is just one more: the batch of what
            may also be a single sample. Whatever counts dimensions from the front takes it to be there.
    """

    dims: tuple[Dim, ...]
    open: bool = False
    lead: Dim = None

    @property
    def rank(self) -> int | None:
        """The number of dimensions; None where it is not certain."""
        return None if self.open else len(self.dims)

    @property
    def last(self) -> Dim:
        """The size of the last dimension; None where there is none, or it is not certain."""
        return self.dims[-1] if self.dims else None

    @property
    def settled(self) -> "Shape":
        """The same with the batch that it may have; itself where it has none, or any number of dimensions."""
        return self if self.lead is None else Shape((self.lead, *self.dims))

    def __str__(self) -> str:
        dims = self.settled
        sizes = ["...", *map(shown, dims.dims)] if dims.open else [*map(shown, dims.dims)]
        return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


SCALAR = Shape(())


def trailing(dims: Iterable[Dim]) -> Shape | None:
    """A shape of which the last sizes are known; None where none of them is."""
    known = list(dims)
    while known and known[0] is None:
        del known[0]
    return Shape(tuple(known), True) if known else None


def batched(dims: Iterable[Dim], lead: Dim) -> Shape:
    """A shape with a batch that may be missing."""
    return Shape(tuple(dims), True, lead)


def _either(a: Dim, b: Dim) -> Dim:
    return a if a == b else None


def _lead(a: Dim, b: Dim) -> Dim:
    """The size of a batch that is either: one symbol for both."""
    if a is None or b is None or a == b:
        return a if a == b else None
    if "?" in (a, b):
        return "?"
    symbols = sorted({*str(a).split("|"), *str(b).split("|")})
    joined = "|".join(symbols)
    return joined if len(joined) <= _MAX_SYMBOL else "?"


def join(a: Shape | None, b: Shape | None) -> Shape | None:
    """What is certain when the shape is either."""
    if a is None or b is None:
        return None
    if a == b:
        return a
    if a.lead is not None or b.lead is not None:
        return _join_batched(a, b)
    if not a.open and not b.open and len(a.dims) == len(b.dims):
        return Shape(tuple(map(_either, a.dims, b.dims)))
    count = min(len(a.dims), len(b.dims))
    return trailing(map(_either, a.dims[len(a.dims) - count :], b.dims[len(b.dims) - count :]))


def _join_batched(a: Shape, b: Shape) -> Shape | None:
    one, other = a.settled, b.settled
    if not one.open and not other.open and len(one.dims) == len(other.dims):
        return batched(map(_either, one.dims[1:], other.dims[1:]), _lead(one.dims[0], other.dims[0]))
    return join(Shape(a.dims, a.open), Shape(b.dims, b.open))


def _wider(a: Dim, b: Dim) -> Dim:
    """The size that two sizes broadcast to."""
    if a == 1 or a == b:
        return b if a == 1 else a
    if b == 1:
        return a
    # What is not known may be 1.
    if isinstance(a, int):
        return a
    if isinstance(b, int):
        return b
    if MANY in (a, b) or MULTIPLE in (a, b):
        return MANY if MANY in (a, b) else MULTIPLE
    return _lead(a, b)


def broadcast(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of an elementwise operation on both.

    Raises:
        Mismatch: two sizes differ, and neither is 1.
    """
    if a is None or b is None:
        return stretched(a if b is None else b)
    if a is b or b == SCALAR:
        return a
    if a == SCALAR:
        return b
    lead: Dim = None
    if a.lead is not None or b.lead is not None:
        one, other = a.settled, b.settled
        if not one.open and not other.open and len(one.dims) == len(other.dims):
            lead = _wider(one.dims[0], other.dims[0]) or _lead(one.dims[0], other.dims[0])
            if not a.open or not b.open:
                # One of them has the batch.
                a, b, lead = one, other, None
    count = max(len(a.dims), len(b.dims))
    left = (*[None if a.open else 1] * (count - len(a.dims)), *a.dims)
    right = (*[None if b.open else 1] * (count - len(b.dims)), *b.dims)
    for index, (x, y) in enumerate(zip(left, right, strict=True)):
        if x != y and isinstance(x, int) and isinstance(y, int) and x != 1 and y != 1:
            where = "the last dimension" if index == count - 1 else f"dimension {index - count}"
            raise Mismatch(f"cannot go together: {spelled(x)} and {spelled(y)} in {where} of {a} and {b}", x, y)
    dims = tuple(map(_wider, left, right))
    if lead is not None:
        return batched(dims, lead)
    return trailing(dims) if a.open or b.open else Shape(dims)


def stretched(shape: Shape | None) -> Shape | None:
    """The shape of an elementwise operation with something of any size: what is not 1 stays."""
    if shape is None or not shape.dims:
        return None
    settled = shape.settled
    if settled.open or (shape.lead is None and len(settled.dims) < 4):
        return trailing(dim if _stays(dim) else None for dim in shape.dims)
    # Images are hardly stretched to more dimensions.
    first, rest = settled.dims[0], settled.dims[1:]
    return batched((dim if _stays(dim) else None for dim in rest), first if _stays(first) else "?")


def _stays(dim: Dim) -> bool:
    return dim in (MANY, MULTIPLE) or (isinstance(dim, int) and dim != 1)


def size(shape: Shape | None, dim: int) -> Dim:
    """The size of a dimension; None where it is not certain."""
    if shape is None:
        return None
    if dim >= 0 or (shape.lead is not None and -dim == len(shape.dims) + 1):
        shape = shape.settled
        if shape.open:
            return None
    return shape.dims[dim] if -len(shape.dims) <= dim < len(shape.dims) else None


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements."""
    total = 1
    symbols: list[str] = []
    for dim in dims:
        if dim is None:
            return None
        if isinstance(dim, int):
            total *= dim
        else:
            symbols.append(dim)
    if not symbols or total == 0:
        return total
    if len(symbols) == 1 and total == 1:
        return symbols[0]
    return MULTIPLE if all(symbol in (MANY, MULTIPLE) for symbol in symbols) else None


def disagree(a: Shape, b: Shape) -> bool:
    """Whether two shapes certainly are not the same, so that an elementwise operation stretches or refuses them.

    `MANY` differs from 1: a batch of one sample is an exception.
    """
    if not a.open and not b.open and len(a.dims) != len(b.dims):
        return True
    if (a.open and not b.open and len(a.dims) > len(b.dims)) or (b.open and not a.open and len(b.dims) > len(a.dims)):
        return True
    return any(_differ(x, y) for x, y in zip(reversed(a.dims), reversed(b.dims), strict=False))


def _differ(x: Dim, y: Dim) -> bool:
    if x is None or y is None or x == y:
        return False
    return (isinstance(x, int) and isinstance(y, int)) or (1 in (x, y) and (_stays(x) or _stays(y)))


def stretches(a: Shape, b: Shape) -> bool:
    """Whether an elementwise operation certainly makes more of two tensors than either has: `(N, 1)` and `(N,)`."""
    if _repeats(a, b) and _repeats(b, a):
        return True
    # Whatever stands before the 1: the row is as long as a batch.
    return any(
        y.rank == 1 and _repeats(x, y) and (x.open or (y.dims == (MANY,) and x.dims == (None, 1)))
        for x, y in ((a, b), (b, a))
    )


def _repeats(a: Shape, b: Shape) -> bool:
    """Whether some dimension of `a`, or one that it lacks, certainly is repeated to fit `b`."""
    for index in range(-1, -len(b.dims) - 1, -1):
        own: Dim = a.dims[index] if -index <= len(a.dims) else None if a.open else 1
        if own == 1 and _stays(b.dims[index]):
            return True
    return False
