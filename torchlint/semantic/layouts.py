"""How the numbers of a tensor lie in memory, as far as it is certain, and which views torch cannot give of it.

A layout is () for a tensor whose numbers lie one after another in the order of its dimensions. Otherwise it names, for
each dimension, the place that it has in memory: (0, 2, 1) after `permute(0, 2, 1)`. None where nothing is known.
"""

from collections.abc import Sequence

from torchlint.semantic.shapes import Dim, Shape

Layout = tuple[int, ...]
CONTIGUOUS: Layout = ()


def permuted(layout: Layout | None, order: Sequence[int]) -> Layout | None:
    """The layout after the dimensions were put into another order; they are counted from 0."""
    rank = len(order)
    if layout is None or (layout and len(layout) != rank) or sorted(order) != list(range(rank)):
        return None
    before = layout or tuple(range(rank))
    after = tuple(before[dim] for dim in order)
    return CONTIGUOUS if after == tuple(range(rank)) else after


def turned(layout: Layout | None, shape: Shape | None) -> Layout | None:
    """The layout after all dimensions changed places, as `tensor.T` does."""
    rank = shape.settled.rank if shape is not None else None
    return permuted(layout, range(rank - 1, -1, -1)) if rank is not None else None


def refuses(layout: Layout, shape: Shape, sizes: Sequence[Dim]) -> bool:
    """Whether `view(sizes)` certainly raises for every tensor of this layout and shape.

    Sizes that are not known are taken to be greater than 1.
    """
    if shape.open or len(shape.dims) != len(layout) or 0 in shape.dims:
        return False
    stretches = _stretches(layout, shape.dims)
    wanted = [size for size in sizes if size != 1]
    if len(wanted) < len(stretches):
        return bool(stretches)
    if all(isinstance(dim, int) for stretch in stretches for dim in stretch):
        numbers = [size for size in wanted if isinstance(size, int) and size > 0]
        return len(numbers) == len(wanted) and not _fits(stretches, numbers)
    if len(wanted) > len(stretches):
        return False
    # Each stretch must become one dimension.
    return any(
        isinstance(size, int) and size > 0 and isinstance(length, int) and size != length
        for size, length in zip(wanted, map(_length, stretches), strict=True)
    )


def _stretches(layout: Layout, dims: Sequence[Dim]) -> list[list[Dim]]:
    """The dimensions by the stretches of memory that they make up, where those of size 1 do not count."""
    places = sorted(place for place, dim in zip(layout, dims, strict=True) if dim != 1)
    found: list[list[Dim]] = []
    last: int | None = None
    for place, dim in zip(layout, dims, strict=True):
        if dim == 1:
            continue
        at = places.index(place)
        if last is not None and at == last + 1:
            found[-1].append(dim)
        else:
            found.append([dim])
        last = at
    return found


def _length(stretch: Sequence[Dim]) -> Dim:
    total = 1
    for dim in stretch:
        if not isinstance(dim, int):
            return stretch[0] if len(stretch) == 1 else None
        total *= dim
    return total


def _fits(stretches: Sequence[Sequence[Dim]], sizes: Sequence[int]) -> bool:
    """Whether sizes can be cut so that each run of them fills one stretch of memory."""
    pending = list(sizes)
    for stretch in stretches:
        length = _length(stretch)
        assert isinstance(length, int)
        total = 1
        while total < length and pending:
            total *= pending.pop(0)
        if total != length:
            return False
    return not pending
