"""Shapes of tensors, as far as they are certain, and what operations make of them.

An operation that torch would refuse gives any shape here, or none.
"""

from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import NamedTuple

# A size: a number, `MANY`, or None where nothing is known of it.
Dim = int | str | None
# The number of samples in a batch or a data set: some number, as a rule greater than 1.
MANY = "N"


class Shape(NamedTuple):
    """What is known of a tensor's sizes.

    `open`: there may be any number of further dimensions before these, none too.
    """

    dims: tuple[Dim, ...]
    open: bool = False

    @property
    def rank(self) -> int | None:
        """The number of dimensions; None where it is not certain."""
        return None if self.open else len(self.dims)

    @property
    def last(self) -> Dim:
        """The size of the last dimension; None where there is none, or it is not certain."""
        return self.dims[-1] if self.dims else None

    def __str__(self) -> str:
        sizes = ["...", *map(_shown, self.dims)] if self.open else [*map(_shown, self.dims)]
        return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


SCALAR = Shape(())


def _shown(dim: Dim) -> str:
    return "?" if dim is None else str(dim)


def trailing(dims: Iterable[Dim]) -> Shape | None:
    """A shape of which the last sizes are known; None where none of them is."""
    known = list(dims)
    while known and known[0] is None:
        del known[0]
    return Shape(tuple(known), True) if known else None


def _either(a: Dim, b: Dim) -> Dim:
    return a if a == b else None


def join(a: Shape | None, b: Shape | None) -> Shape | None:
    """What is certain when the shape is either."""
    if a is None or b is None:
        return None
    if a == b:
        return a
    if not a.open and not b.open and len(a.dims) == len(b.dims):
        return Shape(tuple(map(_either, a.dims, b.dims)))
    count = min(len(a.dims), len(b.dims))
    return trailing(map(_either, a.dims[len(a.dims) - count :], b.dims[len(b.dims) - count :]))


def _wider(a: Dim, b: Dim) -> Dim:
    """The size that two sizes broadcast to."""
    if a == 1:
        return b
    if b == 1 or a == b:
        return a
    if type(a) is int:
        return a
    # What is not known may be 1.
    return b if type(b) is int else a if b is None else b


def broadcast(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of an elementwise operation on both."""
    if a is None or b is None:
        return None
    if a is b or b == SCALAR:
        return a
    if a == SCALAR:
        return b
    count = max(len(a.dims), len(b.dims))
    left = (*[None if a.open else 1] * (count - len(a.dims)), *a.dims)
    right = (*[None if b.open else 1] * (count - len(b.dims)), *b.dims)
    dims = map(_wider, left, right)
    return trailing(dims) if a.open or b.open else Shape(tuple(dims))


def _place(shape: Shape, dim: int) -> int | None:
    """An index of a dimension, from the end (-1 is the last); None where it is out of range or not certain."""
    count = len(shape.dims)
    if dim >= 0:
        return None if shape.open or dim >= count else dim - count
    return dim if -dim <= count else None


def size(shape: Shape | None, dim: int) -> Dim:
    """The size of a dimension; None where it is not certain."""
    place = _place(shape, dim) if shape is not None else None
    return shape.dims[place] if shape is not None and place is not None else None


def with_size(shape: Shape, dim: int, new: Dim) -> Shape | None:
    """The shape with another size in one dimension."""
    place = _place(shape, dim)
    if place is None:
        # Before the known ones, or it may be any of them.
        return shape if shape.open and dim < 0 else None
    at = len(shape.dims) + place
    dims = (*shape.dims[:at], new, *shape.dims[at + 1 :])
    return trailing(dims) if shape.open else Shape(dims)


def reduced(shape: Shape | None, dims: Sequence[int] | None, keepdim: bool) -> Shape | None:
    """The shape of a reduction over some dimensions; `dims` None: over all."""
    if dims is None:
        if not keepdim:
            return SCALAR
        return None if shape is None or shape.open else Shape((1,) * len(shape.dims))
    if shape is None:
        return None
    if shape == SCALAR and all(dim in (0, -1) for dim in dims):
        return SCALAR
    places = [_place(shape, dim) for dim in dims]
    if None in places and (not shape.open or any(dim >= 0 for dim in dims)):
        return None
    count = len(shape.dims)
    left: list[Dim] = []
    for index, dim in enumerate(shape.dims):
        if index - count not in places:
            left.append(dim)
        elif keepdim:
            left.append(1)
    return trailing(left) if shape.open else Shape(tuple(left))


def flattened(shape: Shape | None, start: int, end: int) -> Shape | None:
    """The shape after the dimensions from `start` to `end` became one."""
    if shape is None or shape.open:
        if start == 0 and end == -1:
            return Shape((None,))
        # Fewer dimensions than `start` says are refused.
        return Shape((None,) * (start + 1)) if start > 0 and end == -1 else None
    count = len(shape.dims)
    if count == 0:
        return Shape((1,)) if start in (0, -1) and end in (0, -1) else None
    first, last = _place(shape, start), _place(shape, end)
    if first is None or last is None or first > last:
        return None
    first, last = first + count, last + count
    return Shape((*shape.dims[:first], product(shape.dims[first : last + 1]), *shape.dims[last + 1 :]))


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements."""
    total = 1
    many = False
    for dim in dims:
        if dim is None:
            return None
        if type(dim) is int:
            total *= dim
        else:
            many = True
    return MANY if many and total else total


def reshaped(shape: Shape | None, sizes: Sequence[Dim]) -> Shape | None:
    """The shape after `view` or `reshape`; -1 among the sizes is worked out."""
    if -1 not in sizes:
        return Shape(tuple(sizes))
    rest = [other for other in sizes if other != -1]
    if len(rest) != len(sizes) - 1:
        return None
    filled: Dim = None
    if shape is not None and not shape.open:
        total, given = product(shape.dims), product(rest)
        if type(total) is int and type(given) is int:
            filled = total // given if given else None
        elif total == MANY:
            filled = _rest_of_many(shape, rest)
    return Shape(tuple(filled if other == -1 else other for other in sizes))


def _rest_of_many(shape: Shape, rest: Sequence[Dim]) -> Dim:
    """What -1 stands for where the shape holds one size that is `MANY`: that size only if all else is the same."""
    known = [dim for dim in shape.dims if type(dim) is int]
    if sum(dim == MANY for dim in shape.dims) != 1 or any(dim is None for dim in rest):
        return None
    total, given = product(known), product(dim for dim in rest if dim != MANY)
    if type(total) is not int or type(given) is not int or not given:
        return None
    if MANY in rest:
        return total // given if sum(dim == MANY for dim in rest) == 1 else None
    return MANY if total % given == 0 else None


def squeezed(shape: Shape | None, dims: Sequence[int] | None) -> Shape | None:
    """The shape without some dimensions of size 1, `dims` None: without any.

    `MANY` is no 1: what happens to a last batch of one sample is another question.
    """
    if shape is None:
        return None
    if dims is None:
        if shape.open or None in shape.dims:
            return None
        return Shape(tuple(dim for dim in shape.dims if dim != 1))
    if shape == SCALAR:
        return SCALAR
    places = [_place(shape, dim) for dim in dims]
    if None in places:
        return None
    count = len(shape.dims)
    known: list[Dim] = []
    certain = not shape.open
    for index, dim in enumerate(shape.dims):
        if index - count not in places:
            known.append(dim)
        elif dim is None:
            # It may go or stay, so that those before it may stand at either place.
            known.clear()
            certain = False
        elif dim != 1:
            known.append(dim)
    return Shape(tuple(known)) if certain else trailing(known)


def unsqueezed(shape: Shape | None, dim: int) -> Shape | None:
    """The shape with a dimension of size 1 more."""
    if shape is None:
        return trailing((1,)) if dim == -1 else None
    count = len(shape.dims)
    if shape.open:
        if dim >= 0 or -dim > count + 1:
            return None
        at = count + 1 + dim
        return trailing((*shape.dims[:at], 1, *shape.dims[at:]))
    if not -count - 1 <= dim <= count:
        return None
    at = dim if dim >= 0 else count + 1 + dim
    return Shape((*shape.dims[:at], 1, *shape.dims[at:]))


def transposed(shape: Shape | None, a: int, b: int) -> Shape | None:
    """The shape with two dimensions exchanged."""
    if shape is None:
        return None
    if shape == SCALAR:
        return SCALAR if a in (0, -1) and b in (0, -1) else None
    one, other = _place(shape, a), _place(shape, b)
    if one is None or other is None:
        return None
    dims = list(shape.dims)
    dims[one], dims[other] = dims[other], dims[one]
    return trailing(dims) if shape.open else Shape(tuple(dims))


def turned(shape: Shape | None) -> Shape | None:
    """The shape of `tensor.T`."""
    return Shape(shape.dims[::-1]) if shape is not None and not shape.open else None


def permuted(shape: Shape | None, order: Sequence[int]) -> Shape | None:
    """The shape with its dimensions in another order."""
    count = len(order)
    if shape is None or shape.open:
        return Shape((None,) * count)
    if count != len(shape.dims) or sorted(dim % count for dim in order) != list(range(count)):
        return None
    return Shape(tuple(shape.dims[dim] for dim in order))


def concatenated(shapes: Sequence[Shape | None], dim: int) -> Shape | None:
    """The shape of tensors put one after another along a dimension."""
    # An empty tensor of one dimension goes with any.
    known = [shape for shape in shapes if shape is None or shape.dims != (0,)]
    if not known:
        return shapes[0] if shapes else None
    merged = known[0]
    for shape in known[1:]:
        merged = _agreed(merged, shape)
    if merged is None:
        return None
    sizes = [size(shape, dim) for shape in known]
    total: Dim = 0
    for one in sizes:
        if one is None or total is None:
            total = None
        elif type(one) is int and type(total) is int:
            total += one
        else:
            total = MANY
    if merged.open and dim >= 0:
        return None
    return with_size(merged, dim, total)


def _agreed(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of tensors that have as many dimensions, and the same sizes but for one dimension that is set later."""
    if a is None or b is None:
        return None
    if a.open or b.open or len(a.dims) != len(b.dims):
        return join(a, b)
    dims = (x if y is None else y if x is None or x == y else None for x, y in zip(a.dims, b.dims, strict=True))
    return Shape(tuple(dims))


def stacked(shapes: Sequence[Shape | None], dim: int) -> Shape | None:
    """The shape of tensors of one shape put side by side along a new dimension."""
    if not shapes or shapes[0] is None:
        return None
    merged: Shape | None = shapes[0]
    for shape in shapes[1:]:
        merged = join(merged, shape)
    added = unsqueezed(merged, dim) if merged is not None else None
    return with_size(added, dim, len(shapes)) if added is not None else None


def multiplied(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of a matrix product."""
    if a is None or b is None or a.open or b.open or not a.dims or not b.dims:
        return None
    left, right = a.dims, b.dims
    rows = left[-2:-1] if len(left) > 1 else ()
    columns = right[-1:] if len(right) > 1 else ()
    batch = broadcast(Shape(left[:-2]), Shape(right[:-2]))
    return Shape((*batch.dims, *rows, *columns)) if batch is not None else None


def last_replaced(shape: Shape | None, new: Dim) -> Shape | None:
    """The shape after a layer that works on the last dimension."""
    if shape is None or (shape.open and not shape.dims):
        return trailing((new,))
    if not shape.dims:
        return None
    dims = (*shape.dims[:-1], new)
    return trailing(dims) if shape.open else Shape(dims)


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
    return type(x) is type(y) or 1 in (x, y)


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
        if own == 1 and b.dims[index] not in (None, 1):
            return True
    return False


# An index: an int, a slice, None for a new dimension, `...`; a Shape is that of a tensor of integers.
Index = int | slice | None | EllipsisType | Shape


def indexed(shape: Shape | None, indexes: Sequence[Index]) -> Shape | None:
    """The shape of `tensor[indexes]`."""
    if shape is None:
        return None
    if shape.open:
        if not indexes or indexes[0] is not ...:
            return shape if all(index is None for index in indexes) else None
        behind = indexes[1:]
        count = sum(index is not None for index in behind)
        if count > len(shape.dims) or ... in behind or any(isinstance(index, Shape) for index in behind):
            return None
        cut = len(shape.dims) - count
        picked = indexed(Shape(shape.dims[cut:]), behind)
        return trailing((*shape.dims[:cut], *picked.dims)) if picked is not None else None
    given = sum(index is not None and index is not ... for index in indexes)
    if given > len(shape.dims):
        return None
    dims: list[Dim] = []
    at = 0
    gathered = False
    for index in indexes:
        if index is None:
            dims.append(1)
        elif index is ...:
            more = len(shape.dims) - given
            dims.extend(shape.dims[at : at + more])
            at += more
        else:
            if isinstance(index, slice):
                dims.append(_sliced(shape.dims[at], index))
            elif isinstance(index, Shape):
                if gathered or index.open:
                    return None
                gathered = True
                dims.extend(index.dims)
            at += 1
    if gathered and any(type(index) is int for index in indexes):
        # Where the gathered dimensions go then depends on what stands between.
        return None
    return Shape((*dims, *shape.dims[at:]))


def _sliced(dim: Dim, index: slice) -> Dim:
    if index == slice(None):
        return dim
    bounds = (index.start, index.stop, index.step)
    if type(dim) is not int or not all(bound is None or type(bound) is int for bound in bounds):
        return None
    return len(range(*index.indices(dim)))


def window(size: Dim, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False) -> Dim:
    """The size that a convolution or pooling gives along one dimension."""
    if type(size) is not int or stride < 1:
        return None
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    steps = -(-room // stride) if ceil else room // stride
    if ceil and steps * stride >= size + padding:
        # The last window must start inside the input.
        steps -= 1
    return steps + 1 if room >= 0 else None
