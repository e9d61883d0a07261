"""What operations make of a shape: reductions, views, dimensions that come, go and change places, indexes.

Each raises `Mismatch` for what torch refuses.
"""

from collections.abc import Sequence
from types import EllipsisType

from torchlint.semantic.shapes import (
    MANY,
    MULTIPLE,
    SCALAR,
    Dim,
    Mismatch,
    Shape,
    Size,
    batched,
    broadcast,
    join,
    product,
    shown,
    size,
    spelled,
    trailing,
)


def _place(shape: Shape, dim: int) -> int | None:
    """An index of a dimension, from the end (-1 is the last); None where it is not certain.

    Raises:
        Mismatch: there is no such dimension.
    """
    count = len(shape.dims)
    if shape.open:
        return dim if dim < 0 and -dim <= count else None
    if not -count <= dim < count:
        raise Mismatch(f"has no dimension {dim}: there are {count}, {shape}")
    return dim if dim < 0 else dim - count


def _fitting(shape: Shape, *dims: int) -> Shape:
    """The shape, with the batch that it may have where dimensions are counted from the front."""
    if shape.lead is None or not any(dim >= 0 or -dim > len(shape.dims) for dim in dims):
        return shape
    return shape.settled


def _like(shape: Shape, dims: Sequence[Dim]) -> Shape | None:
    """A shape with other last sizes, and the same before them."""
    if shape.lead is not None:
        return batched(dims, shape.lead)
    return trailing(dims) if shape.open else Shape(tuple(dims))


def with_size(shape: Shape, dim: int, new: Dim) -> Shape | None:
    """The shape with another size in one dimension."""
    shape = _fitting(shape, dim)
    place = _place(shape, dim)
    if place is None:
        # Before the known ones, or it may be any of them.
        return shape if shape.open and dim < 0 else None
    at = len(shape.dims) + place
    return _like(shape, (*shape.dims[:at], new, *shape.dims[at + 1 :]))


def reduced(shape: Shape | None, dims: Sequence[int] | None, keepdim: bool) -> Shape | None:
    """The shape of a reduction over some dimensions; `dims` None: over all."""
    if dims is None:
        if not keepdim:
            return SCALAR
        return None if shape is None or shape.open else Shape((1,) * len(shape.dims))
    if shape is None:
        return None
    if shape == SCALAR and all(dim in (0, -1) for dim in dims):
        if len(dims) > 1:
            raise Mismatch("names a dimension twice")
        return SCALAR
    shape = _fitting(shape, *dims)
    places = [_place(shape, dim) for dim in dims]
    if None in places and any(dim >= 0 for dim in dims):
        return None
    if None not in places and len(set(places)) < len(places):
        raise Mismatch(f"names a dimension of {shape} twice")
    count = len(shape.dims)
    left: list[Dim] = []
    for index, dim in enumerate(shape.dims):
        if index - count not in places:
            left.append(dim)
        elif keepdim:
            left.append(1)
    return _like(shape, left)


def flattened(shape: Shape | None, start: int, end: int, maker: str = "flatten") -> Shape | None:
    """The shape after the dimensions from `start` to `end` became one."""
    shape = _fitting(shape, start, end) if shape is not None else None
    if shape is None or shape.open:
        if start == 0 and end == -1:
            return Shape((None if shape is None else _flat(shape.settled, maker),))
        # Fewer dimensions than `start` says are refused.
        return Shape((None,) * (start + 1)) if start > 0 and end == -1 else None
    count = len(shape.dims)
    if count == 0:
        if start not in (0, -1) or end not in (0, -1):
            raise Mismatch("has no such dimension: there are none, ()")
        return Shape((1,))
    first, last = _place(shape, start), _place(shape, end)
    assert first is not None
    assert last is not None
    if first > last:
        raise Mismatch(f"ends before it starts: dimensions {start} to {end} of {shape}")
    first, last = first + count, last + count
    if first == last:
        return shape
    middle = _flat(Shape(shape.dims[first : last + 1]), maker)
    return Shape((*shape.dims[:first], middle, *shape.dims[last + 1 :]))


def _flat(shape: Shape, maker: str) -> Dim:
    """The number of elements, with what it is the product of."""
    total = None if shape.open else product(shape.dims)
    return Size(total, None, shape.dims, maker) if isinstance(total, int) else total


def reshaped(shape: Shape | None, sizes: Sequence[Dim], maker: str = "view") -> Shape | None:
    """The shape after `view` or `reshape`; -1 among the sizes is worked out."""
    if sum(other == -1 for other in sizes) > 1:
        raise Mismatch("has -1 twice")
    shape = shape.settled if shape is not None else None
    if shape is None or shape.open:
        return Shape(tuple(None if other == -1 else other for other in sizes))
    rest = [other for other in sizes if other != -1]
    own, asked = list(shape.dims), list(rest)
    while len(own) > 1 and asked and sizes[0] != -1 and own[0] == asked[0] and isinstance(own[0], int):
        # What stays in front, such as a batch.
        del own[0], asked[0]
    for symbol in [dim for dim in own if isinstance(dim, str) and dim != MULTIPLE]:
        # The same symbol is the same number: it cancels out.
        if symbol in asked:
            own.remove(symbol)
            asked.remove(symbol)
    total, given = product(own), product(asked)
    if total == 0 or given == 0:
        # Nothing can be cut in many ways.
        return Shape(tuple(None if other == -1 else other for other in sizes))
    if len(rest) == len(sizes):
        if isinstance(total, int) and isinstance(given, int) and total != given:
            raise Mismatch(_does_not_hold(shape, own, sizes, total), _sized(total, own, maker), given)
        return Shape(tuple(sizes))
    filled: Dim = None
    if isinstance(total, int) and isinstance(given, int):
        if total % given:
            raise Mismatch(_does_not_hold(shape, own, sizes, total), _sized(total, own, maker), given)
        filled = Size(total // given, None, tuple(own) if given == 1 else (), maker)
    elif isinstance(given, int):
        filled = _rest_of(shape, own, sizes, given, maker)
    return Shape(tuple(filled if other == -1 else other for other in sizes))


def _does_not_hold(shape: Shape, own: Sequence[Dim], sizes: Sequence[Dim], total: int) -> str:
    each = "" if len(own) == len(shape.dims) else " for each sample"
    wanted = ", ".join("-1" if dim == -1 else shown(dim) for dim in sizes)
    return f"cannot make ({wanted}) of {shape}, which has {spelled(_sized(total, own, ''))} numbers{each}"


def _sized(total: int, own: Sequence[Dim], maker: str) -> Size:
    return Size(total, None, tuple(own), maker)


def _rest_of(shape: Shape, own: Sequence[Dim], sizes: Sequence[Dim], given: int, maker: str) -> Dim:
    """What -1 stands for where one size is a symbol: that, only if all else is the same."""
    symbols = [dim for dim in own if isinstance(dim, str)]
    each = [dim for dim in own if isinstance(dim, int)]
    if len(symbols) + len(each) < len(own) or len(symbols) != 1:
        return None
    total = 1
    for dim in each:
        total *= dim
    if total == given:
        return symbols[0]
    if total % given and given % total and sizes[0] == -1 and own[0] == symbols[0] and "." not in symbols[0]:
        # Rows that hold parts of several samples of a batch: torch refuses that for nearly every size of it.
        text = _does_not_hold(shape, each, sizes, total)
        raise Mismatch(text, _sized(total, each, maker), given)
    return MULTIPLE if symbols[0] in (MANY, MULTIPLE) and total % given == 0 else None


def squeezed(shape: Shape | None, dims: Sequence[int] | None) -> Shape | None:
    """The shape without some dimensions of size 1, `dims` None: without any.

    `MANY` is no 1: what happens to a last batch of one sample is another question.
    """
    if shape is None:
        return None
    if dims is None:
        settled = shape.settled
        if settled.open or not all(isinstance(dim, int) or dim in (MANY, MULTIPLE) for dim in settled.dims):
            return None
        return Shape(tuple(dim for dim in settled.dims if dim != 1))
    if shape == SCALAR:
        if any(dim not in (0, -1) for dim in dims):
            raise Mismatch("has no such dimension: there are none, ()")
        return SCALAR
    shape = _fitting(shape, *dims)
    places = [_place(shape, dim) for dim in dims]
    if None in places:
        return None
    count = len(shape.dims)
    known: list[Dim] = []
    certain = not shape.open
    lead = shape.lead
    for index, dim in enumerate(shape.dims):
        if index - count not in places:
            known.append(dim)
        elif dim is None or (isinstance(dim, str) and dim not in (MANY, MULTIPLE)):
            # It may go or stay, so that those before it may stand at either place.
            known.clear()
            certain, lead = False, None
        elif dim != 1:
            known.append(dim)
    if lead is not None:
        return batched(known, lead)
    return Shape(tuple(known)) if certain else trailing(known)


def unsqueezed(shape: Shape | None, dim: int) -> Shape | None:
    """The shape with a dimension of size 1 more."""
    if shape is None:
        return trailing((1,)) if dim == -1 else None
    if shape.lead is not None and (dim >= 0 or -dim > len(shape.dims) + 1):
        shape = shape.settled
    count = len(shape.dims)
    if shape.open:
        if dim >= 0 or -dim > count + 1:
            return None
        at = count + 1 + dim
        return _like(shape, (*shape.dims[:at], 1, *shape.dims[at:]))
    if not -count - 1 <= dim <= count:
        raise Mismatch(f"has no place for dimension {dim}: there are {count}, {shape}")
    at = dim if dim >= 0 else count + 1 + dim
    return Shape((*shape.dims[:at], 1, *shape.dims[at:]))


def transposed(shape: Shape | None, a: int, b: int) -> Shape | None:
    """The shape with two dimensions exchanged."""
    if shape is None:
        return None
    if shape == SCALAR:
        if a not in (0, -1) or b not in (0, -1):
            raise Mismatch("has no such dimension: there are none, ()")
        return SCALAR
    shape = _fitting(shape, a, b)
    one, other = _place(shape, a), _place(shape, b)
    if one is None or other is None:
        return None
    dims = list(shape.dims)
    dims[one], dims[other] = dims[other], dims[one]
    return _like(shape, dims)


def turned(shape: Shape | None) -> Shape | None:
    """The shape of `tensor.T`."""
    return Shape(shape.dims[::-1]) if shape is not None and not shape.open else None


def permuted(shape: Shape | None, order: Sequence[int]) -> Shape | None:
    """The shape with its dimensions in another order."""
    count = len(order)
    if shape is not None and shape.lead is not None and count in (len(shape.dims), len(shape.dims) + 1):
        # Its order says how many there are.
        shape = shape.settled if count > len(shape.dims) else Shape(shape.dims)
    if shape is None or shape.open:
        return Shape((None,) * count)
    if count != len(shape.dims):
        raise Mismatch(f"orders {count} dimensions, but there are {len(shape.dims)}: {shape}")
    if any(not -count <= dim < count for dim in order) or len({dim % count for dim in order}) < count:
        raise Mismatch(f"is no order of the dimensions of {shape}")
    return Shape(tuple(shape.dims[dim] for dim in order))


def concatenated(shapes: Sequence[Shape | None], dim: int, maker: str = "cat") -> Shape | None:
    """The shape of tensors put one after another along a dimension."""
    # An empty tensor of one dimension goes with any.
    known = [shape for shape in shapes if shape is None or shape.dims != (0,)]
    if not known:
        return shapes[0] if shapes else None
    known = [_fitting(shape, dim) if shape is not None else None for shape in known]
    if any(shape is not None and not shape.open for shape in known):
        # Those that may have a batch have as many dimensions as the others.
        known = [shape.settled if shape is not None else None for shape in known]
    merged = known[0]
    for shape in known[1:]:
        merged = _agreed(merged, shape, dim)
    if merged is None:
        return None
    if not merged.open and not -len(merged.dims) <= dim < len(merged.dims):
        raise Mismatch(f"has no dimension {dim}: there are {len(merged.dims)}, {merged}")
    sizes = [size(shape, dim) for shape in known]
    if merged.open and dim >= 0:
        return None
    return with_size(merged, dim, _sum(sizes, maker))


def _sum(sizes: Sequence[Dim], maker: str) -> Dim:
    total = 0
    for one in sizes:
        if one is None:
            return None
        if isinstance(one, int):
            total += one
    if any(isinstance(one, str) for one in sizes):
        return MULTIPLE if MANY in sizes or MULTIPLE in sizes else None
    return Size(total, None, (), maker)


def _agreed(a: Shape | None, b: Shape | None, along: int) -> Shape | None:
    """The shape of tensors that have as many dimensions, and the same sizes but for one dimension that is set later."""
    if a is None or b is None:
        return None
    if a.lead is not None and b.lead is not None and len(a.dims) == len(b.dims):
        agreed = _agreed(a.settled, b.settled, along)
        return batched(agreed.dims[1:], agreed.dims[0] or "?") if agreed is not None else None
    if a.open or b.open:
        return join(a, b)
    if len(a.dims) != len(b.dims):
        raise Mismatch(f"takes tensors of one number of dimensions, but is given {a} and {b}")
    along %= len(a.dims) or 1
    for index, (x, y) in enumerate(zip(a.dims, b.dims, strict=True)):
        if index != along and x != y and isinstance(x, int) and isinstance(y, int):
            text = f"takes sizes that agree but for dimension {along}: {a} and {b} have {spelled(x)} and {spelled(y)}"
            raise Mismatch(f"{text} in dimension {index}", x, y)
    dims = (x if y is None else y if x is None or x == y else None for x, y in zip(a.dims, b.dims, strict=True))
    return Shape(tuple(dims))


def stacked(shapes: Sequence[Shape | None], dim: int) -> Shape | None:
    """The shape of tensors of one shape put side by side along a new dimension."""
    if not shapes or shapes[0] is None:
        return None
    merged: Shape | None = shapes[0]
    for shape in shapes[1:]:
        if merged is not None and shape is not None and not merged.open and not shape.open:
            pairs = list(zip(merged.dims, shape.dims, strict=False))
            if len(merged.dims) != len(shape.dims) or any(
                x != y and isinstance(x, int) and isinstance(y, int) for x, y in pairs
            ):
                raise Mismatch(f"takes tensors of one size, but is given {merged} and {shape}")
        merged = join(merged, shape)
    added = unsqueezed(merged, dim) if merged is not None else None
    return with_size(added, dim, len(shapes)) if added is not None else None


def multiplied(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of a matrix product."""
    if a is None or b is None:
        return None
    if (not a.open and not a.dims) or (not b.open and not b.dims):
        raise Mismatch(f"takes no tensor without dimensions: {a} and {b}")
    left, right = a.last, b.dims[-2] if len(b.dims) > 1 else b.dims[-1] if not b.open else None
    if left != right and isinstance(left, int) and isinstance(right, int):
        text = f"cannot multiply {a} by {b}: rows of {spelled(left)} numbers, columns of {spelled(right)}"
        raise Mismatch(text, left, right)
    a, b = a.settled, b.settled
    if a.open or b.open:
        return None
    rows = a.dims[-2:-1] if len(a.dims) > 1 else ()
    columns = b.dims[-1:] if len(b.dims) > 1 else ()
    batch = broadcast(Shape(a.dims[:-2]), Shape(b.dims[:-2]))
    return Shape((*batch.dims, *rows, *columns)) if batch is not None else None


def last_replaced(shape: Shape | None, new: Dim) -> Shape | None:
    """The shape after a layer that works on the last dimension."""
    if shape is None or (shape.open and not shape.dims):
        return trailing((new,))
    if not shape.dims:
        raise Mismatch("takes no tensor without dimensions")
    return _like(shape, (*shape.dims[:-1], new))


def divided(shape: Shape | None, dim: int, sizes: Sequence[Dim]) -> tuple[Shape, ...] | None:
    """The shapes of the parts of a tensor that is cut along a dimension."""
    if shape is None:
        return None
    parts = [with_size(shape, dim, one) for one in sizes]
    known = [part for part in parts if part is not None]
    return tuple(known) if len(known) == len(parts) else None


# An index: an int, a slice, None for a new dimension, `...`; a Shape is that of a tensor of integers; UNSURE is some
# int of which the value is not known.
Index = int | slice | None | EllipsisType | Shape | str
UNSURE = "int"


def indexed(shape: Shape | None, indexes: Sequence[Index]) -> Shape | None:
    """The shape of `tensor[indexes]`."""
    if shape is None:
        return None
    if shape.lead is not None and indexes and indexes[0] is not ... and any(index is not None for index in indexes):
        shape = shape.settled
    if shape.open:
        return _indexed_open(shape, indexes)
    given = sum(index is not None and index is not ... for index in indexes)
    if given > len(shape.dims):
        raise Mismatch(f"is indexed in {given} dimensions, but has {len(shape.dims)}: {shape}")
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
            dim = shape.dims[at]
            if isinstance(index, slice):
                dims.append(_sliced(dim, index))
            elif isinstance(index, Shape):
                if gathered or index.open:
                    return None
                gathered = True
                dims.extend(index.dims)
            elif isinstance(index, int) and isinstance(dim, int) and not -dim <= index < dim:
                raise Mismatch(f"has no index {index} in dimension {at}, of size {spelled(dim)}: {shape}", dim)
            at += 1
    if gathered and any(type(index) is int or index == UNSURE for index in indexes):
        # Where the gathered dimensions go then depends on what stands between.
        return None
    return Shape((*dims, *shape.dims[at:]))


def _indexed_open(shape: Shape, indexes: Sequence[Index]) -> Shape | None:
    if not indexes or indexes[0] is not ...:
        return shape if all(index is None for index in indexes) and shape.lead is None else None
    behind = indexes[1:]
    count = sum(index is not None for index in behind)
    if count > len(shape.dims) or ... in behind or any(isinstance(index, Shape) for index in behind):
        return None
    cut = len(shape.dims) - count
    picked = indexed(Shape(shape.dims[cut:]), behind)
    return _like(shape, (*shape.dims[:cut], *picked.dims)) if picked is not None else None


def _sliced(dim: Dim, index: slice) -> Dim:
    if index == slice(None):
        return dim
    bounds = (index.start, index.stop, index.step)
    if not isinstance(dim, int) or not all(bound is None or isinstance(bound, int) for bound in bounds):
        return None
    return len(range(*index.indices(dim)))


def window(size: Dim, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False) -> Dim:
    """The size that a convolution or pooling gives along one dimension.

    Raises:
        Mismatch: the window is larger than what it goes over.
    """
    if not isinstance(size, int) or stride < 1:
        return None
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 and (not ceil or -(-room // stride) + 1 < 1):
        reach = dilation * (kernel - 1) + 1
        around = f" with {padding} around them" if padding else ""
        text = f"goes over {reach} positions at a time, but there are only {spelled(size)}{around}"
        raise Mismatch(text, size, reach)
    steps = -(-room // stride) if ceil else room // stride
    if ceil and steps * stride >= size + padding:
        # The last window must start inside the input.
        steps -= 1
    return steps + 1
