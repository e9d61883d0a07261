"""The sizes that convolutions, pooling, resampling and padding give, for layers and functions alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchlint.semantic.knowledge.shapes_arguments import each_of, flag_of, int_of, sizes_of
from torchlint.semantic.reshaping import window, with_size
from torchlint.semantic.shapes import Dim, Mismatch, Shape, Size, batched, expect, size
from torchlint.semantic.values import NONE, UNKNOWN, Const, Scalar, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def spatial(machine: "Interpreter", call: "Call", given: Shape | None, count: int) -> Shape:
    """What a layer over `count` spatial dimensions is given: channels and these, with or without a batch.

    Raises:
        Mismatch: it has another number of dimensions.
    """
    if given is None:
        return batched((None,) * (count + 1), machine.symbol(call.node))
    dims = given.dims
    if not given.open:
        if len(dims) not in (count + 1, count + 2):
            text = f"takes {count + 1} or {count + 2} dimensions, but is given {len(dims)}: {given}"
            raise Mismatch(text, given.last)
        return given
    if given.lead is not None:
        if len(dims) == count + 1:
            return given
        if len(dims) == count:
            # The one before these is no batch, but the channels.
            return given.settled
    if len(dims) == count + 2:
        return Shape(dims)
    if len(dims) > count + 2:
        raise Mismatch(f"takes {count + 1} or {count + 2} dimensions, but is given {len(dims)}: {given}", given.last)
    return batched((*[None] * (count + 1 - len(dims)), *dims), machine.symbol(call.node))


def replaced(given: Shape, count: int, channels: Dim, sizes: Sequence[Dim]) -> Shape:
    """The same batch, with other channels and sizes."""
    return Shape((*given.dims[: -count - 1], channels, *sizes), given.open, given.lead)


def last(given: Shape, count: int) -> list[Dim]:
    """The sizes of the last dimensions; None each where they are not known."""
    return [size(given, index) for index in range(-count, 0)]


def convolved(
    machine: "Interpreter",
    call: "Call",
    given: Shape | None,
    count: int,
    channels: tuple[Dim, Dim],
    kernel: list[int] | None,
    options: Sequence[Value | None],
) -> Shape:
    """What a convolution gives. `channels`: that it takes and gives; `options`: stride, padding, dilation."""
    shape = spatial(machine, call, given, count)
    expect(shape.dims[-count - 1], channels[0], "channels")
    padding = options[1]
    stride, dilation = each_of(machine, options[0], count, 1), each_of(machine, options[2], count, 1)
    around = each_of(machine, padding, count, 0)
    sizes: list[Dim] = [None] * count
    if isinstance(padding, Const) and padding.value == "same":
        sizes = last(shape, count)
    elif isinstance(padding, Const) and padding.value == "valid":
        around = [0] * count
    if kernel and stride and around and dilation:
        sizes = [window(*each) for each in zip(last(shape, count), kernel, stride, around, dilation, strict=True)]
    return replaced(shape, count, channels[1], sizes)


def convolved_back(
    machine: "Interpreter",
    call: "Call",
    given: Shape | None,
    count: int,
    channels: tuple[Dim, Dim],
    kernel: list[int] | None,
    options: Sequence[Value | None],
) -> Shape:
    """What a transposed convolution gives. `options`: stride, padding, output padding, dilation."""
    shape = spatial(machine, call, given, count)
    expect(shape.dims[-count - 1], channels[0], "channels")
    stride, dilation = each_of(machine, options[0], count, 1), each_of(machine, options[3], count, 1)
    padding, more = each_of(machine, options[1], count, 0), each_of(machine, options[2], count, 0)
    sizes: list[Dim] = [None] * count
    if kernel and stride and padding and more and dilation:
        sizes = [
            (each - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + more[i] + 1
            if isinstance(each, int)
            else None
            for i, each in enumerate(last(shape, count))
        ]
        if any(isinstance(each, int) and each < 1 for each in sizes):
            raise Mismatch(f"gives nothing for {shape}")
    return replaced(shape, count, channels[1], sizes)


def pooled(
    machine: "Interpreter",
    call: "Call",
    given: Shape | None,
    count: int,
    options: Sequence[Value | None],
) -> Shape:
    """What pooling gives. `options`: kernel, stride, padding, dilation, `ceil_mode`."""
    shape = spatial(machine, call, given, count)
    kernel = each_of(machine, options[0], count, 1)
    step = None if options[1] == NONE else options[1]
    stride = kernel if step is None else each_of(machine, step, count, 1)
    padding, dilation = each_of(machine, options[2], count, 0), each_of(machine, options[3], count, 1)
    ceil = flag_of(options[4])
    sizes: list[Dim] = [None] * count
    if kernel and stride and padding and dilation and ceil is not None:
        for around, each, wide in zip(padding, kernel, dilation, strict=True):
            if 2 * around > wide * (each - 1) + 1:
                raise Mismatch(f"takes a padding of at most half its {each} positions, but is given {around}")
        sizes = [
            window(*each, ceil=ceil) for each in zip(last(shape, count), kernel, stride, padding, dilation, strict=True)
        ]
    return replaced(shape, count, shape.dims[-count - 1], sizes)


def _may_be_one(wanted: Value | None) -> bool:
    return int_of(wanted) == 1 or wanted is UNKNOWN or isinstance(wanted, Scalar)


def adapted(machine: "Interpreter", call: "Call", given: Shape | None, wanted: Value | None, count: int) -> Shape:
    """What adaptive pooling gives: these sizes, of which None keeps the given one."""
    if count == 2 and given is not None and "avg" in (call.name or "").lower() and _may_be_one(wanted):
        # To one number it reduces whatever it is given.
        if len(given.dims) > 4 or (not given.open and len(given.dims) == 2):
            size = 1 if int_of(wanted) == 1 else None
            return Shape((*given.dims[:-2], size, size), given.open, given.lead)
    shape = spatial(machine, call, given, count)
    single = int_of(wanted)
    if single is not None and wanted is not None and wanted.origin is not None:
        single = Size(single, wanted.origin)
    sizes: Sequence[Dim] | None = (single,) * count if single is not None else None
    if sizes is None and wanted is not None and not isinstance(wanted, Const):
        sizes = sizes_of(machine, (wanted,))
    # Of a size that is not known it is not known either whether it is None, which keeps the given one.
    known = sizes if sizes is not None and len(sizes) == count else (None,) * count
    return replaced(shape, count, shape.dims[-count - 1], known)


def resampled(given: Shape | None, wanted: tuple[Dim, ...] | None, factors: list[float] | None) -> Shape | None:
    """What upsampling gives, by its sizes or by the factors of these; one number stands for all."""
    if given is None:
        return None
    shape = given.settled
    if shape.open:
        return None
    count = len(shape.dims) - 2
    if not 1 <= count <= 3:
        raise Mismatch(f"takes 3 to 5 dimensions, but is given {len(shape.dims)}: {shape}", shape.last)
    sizes: list[Dim] = [None] * count
    if wanted is not None:
        if len(wanted) not in (1, count):
            raise Mismatch(f"names {len(wanted)} sizes for {count} dimensions of {shape}")
        sizes = [*wanted] if len(wanted) == count else [wanted[0]] * count
    elif factors is not None and len(factors) in (1, count):
        each = factors if len(factors) == count else factors * count
        own = zip(shape.dims[2:], each, strict=True)
        sizes = [int(dim * factor) if isinstance(dim, int) else None for dim, factor in own]
        if 0 in sizes:
            raise Mismatch(f"leaves nothing of {shape}", shape.last)
    return Shape((*shape.dims[:2], *sizes))


def padded(given: Shape | None, widths: Sequence[int] | None) -> Shape | None:
    """What padding gives; the widths come in pairs, those of the last dimension first."""
    if given is None or widths is None or len(widths) % 2:
        return None
    count = len(widths) // 2
    if count > len(given.dims):
        if given.open:
            return None
        raise Mismatch(f"pads {count} dimensions, but is given {len(given.dims)}: {given}")
    dims = list(given.dims)
    for index in range(count):
        own = dims[-1 - index]
        before, after = widths[2 * index : 2 * index + 2]
        dims[-1 - index] = own + before + after if isinstance(own, int) else own if before + after == 0 else None
    if any(isinstance(dim, int) and dim < 0 for dim in dims):
        raise Mismatch(f"leaves less than nothing of {given}")
    return Shape(tuple(dims), given.open, given.lead)


def shuffled(given: Shape | None, factor: int | None) -> Shape | None:
    """What `PixelShuffle` gives: fewer channels, larger images."""
    if given is None:
        return None
    shape = given.settled if len(given.dims) < 3 else given
    if shape.open and len(shape.dims) < 3:
        return None
    if len(shape.dims) < 3:
        raise Mismatch(f"takes at least 3 dimensions, but is given {len(shape.dims)}: {shape}", shape.last)
    channels, *sizes = shape.dims[-3:]
    if factor is None or factor < 1:
        dims: list[Dim] = [None, None, None]
    else:
        square = factor * factor
        if isinstance(channels, int) and channels % square:
            raise Mismatch(f"takes a multiple of {factor}*{factor} = {square} channels", channels, square, "channels")
        dims = [
            Size(channels // square, None, (), "pixel_shuffle") if isinstance(channels, int) else None,
            *(each * factor if isinstance(each, int) else None for each in sizes),
        ]
    return Shape((*shape.dims[:-3], *dims), shape.open, shape.lead)


def unshuffled(given: Shape | None, factor: int | None) -> Shape | None:
    """What `PixelUnshuffle` gives: more channels, smaller images."""
    if given is None or (given.open and len(given.dims) < 3):
        return None
    if len(given.dims) < 3:
        raise Mismatch(f"takes at least 3 dimensions, but is given {len(given.dims)}: {given}", given.last)
    channels, *sizes = given.dims[-3:]
    if factor is None or factor < 1:
        dims: list[Dim] = [None, None, None]
    else:
        for each in sizes:
            if isinstance(each, int) and each % factor:
                raise Mismatch(f"takes a multiple of {factor} in height and width: {given}", each, factor)
        dims = [
            channels * factor * factor if isinstance(channels, int) else None,
            *(each // factor if isinstance(each, int) else None for each in sizes),
        ]
    return Shape((*given.dims[:-3], *dims), given.open, given.lead)


def halved(given: Shape | None, dim: int | None) -> Shape | None:
    """What a gated linear unit gives: half of one dimension."""
    if given is None or dim is None:
        return None
    own = size(given, dim)
    if isinstance(own, int) and own % 2:
        raise Mismatch(f"takes an even size in dimension {dim}, but is given {own}: {given}", own)
    return with_size(given, dim, own // 2 if isinstance(own, int) else None)
