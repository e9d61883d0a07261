"""The shapes that the functions of torch.nn.functional give."""

from typing import TYPE_CHECKING

from torchlint.semantic import reshaping, shapes
from torchlint.semantic.knowledge.shapes_arguments import (
    Entry,
    argument,
    dims_of,
    int_of,
    number_of,
    operand_shape,
    subject_shape,
)
from torchlint.semantic.knowledge.shapes_layers import resample
from torchlint.semantic.knowledge.shapes_operations import SHARED, UNARY, one_hot
from torchlint.semantic.knowledge.shapes_windows import (
    adapted,
    convolved,
    convolved_back,
    halved,
    padded,
    pooled,
    shuffled,
    unshuffled,
)
from torchlint.semantic.shapes import Dim, Mismatch, Shape, expect

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def _linear(machine: "Interpreter", call: "Call") -> Shape | None:
    given, weight = subject_shape(call), operand_shape(argument(call, 0, "weight"))
    if weight is None or weight.open or not 1 <= len(weight.dims) <= 2:
        return None
    expect(given.last if given is not None else None, weight.dims[-1], "features")
    if len(weight.dims) == 1:
        return Shape(given.dims[:-1]) if given is not None and not given.open else None
    return reshaping.last_replaced(given, weight.dims[0])


def _embedding(machine: "Interpreter", call: "Call") -> Shape | None:
    given, weight = subject_shape(call), operand_shape(argument(call, 0, "weight"))
    width = shapes.size(weight, -1)
    if given is None:
        return shapes.trailing((width,))
    return Shape((*given.dims, width), given.open, given.lead)


def _channels(call: "Call", count: int, weight_at: int) -> tuple[Shape | None, int | None]:
    """The shape of a convolution's weight, and its groups."""
    weight = operand_shape(argument(call, 0, "weight"))
    known = weight is not None and not weight.open and len(weight.dims) == count + 2
    return (weight if known else None), number_of(argument(call, weight_at, "groups"), 1)


def _convolution(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        weight, groups = _channels(call, count, 5)
        if weight is None:
            return None
        taken: Dim = None
        if groups is not None and isinstance(weight.dims[1], int):
            taken = weight.dims[1] * groups if groups > 1 else weight.dims[1]
        kernel = [dim for dim in weight.dims[2:] if isinstance(dim, int)]
        options = [argument(call, at, name) for name, at in (("stride", 2), ("padding", 3), ("dilation", 4))]
        channels = taken, weight.dims[0]
        known = kernel if len(kernel) == count else None
        return convolved(machine, call, subject_shape(call), count, channels, known, options)

    return entry


def _transposed_convolution(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        weight, groups = _channels(call, count, 5)
        if weight is None or groups is None:
            return None
        channels = weight.dims[0], weight.dims[1] * groups if isinstance(weight.dims[1], int) else None
        kernel = [dim for dim in weight.dims[2:] if isinstance(dim, int)]
        places = (("stride", 2), ("padding", 3), ("output_padding", 4), ("dilation", 6))
        options = [argument(call, at, name) for name, at in places]
        known = kernel if len(kernel) == count else None
        return convolved_back(machine, call, subject_shape(call), count, channels, known, options)

    return entry


def _pool(count: int, *, dilated: bool) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        names = ("kernel_size", "stride", "padding")
        options = [argument(call, at, name) for at, name in enumerate(names)]
        options.append(argument(call, 3, "dilation") if dilated else None)
        options.append(argument(call, 4 if dilated else 3, "ceil_mode"))
        return pooled(machine, call, subject_shape(call), count, options)

    return entry


def _adaptive_pool(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return adapted(machine, call, subject_shape(call), argument(call, 0, "output_size"), count)

    return entry


def _interpolate(machine: "Interpreter", call: "Call") -> Shape | None:
    return resample(machine, subject_shape(call), argument(call, 0, "size"), argument(call, 1, "scale_factor"))


def _pad(machine: "Interpreter", call: "Call") -> Shape | None:
    widths = argument(call, 0, "pad")
    return padded(subject_shape(call), dims_of(machine, widths) if widths is not None else None)


def _pixel_shuffle(machine: "Interpreter", call: "Call") -> Shape | None:
    return shuffled(subject_shape(call), int_of(argument(call, 0, "upscale_factor")))


def _pixel_unshuffle(machine: "Interpreter", call: "Call") -> Shape | None:
    return unshuffled(subject_shape(call), int_of(argument(call, 0, "downscale_factor")))


def _gated(machine: "Interpreter", call: "Call") -> Shape | None:
    return halved(subject_shape(call), number_of(argument(call, 0, "dim"), -1))


def _normalize(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), number_of(argument(call, 1, "dim"), 1)
    if subject is not None and dim is not None:
        reshaping.reduced(subject, (dim,), True)
    return subject


def _cosine_similarity(machine: "Interpreter", call: "Call") -> Shape | None:
    dim = number_of(argument(call, 1, "dim"), 1)
    both = shapes.broadcast(subject_shape(call), operand_shape(argument(call, 0, "x2")))
    return reshaping.reduced(both, (dim,), False) if dim is not None else None


def _attention(machine: "Interpreter", call: "Call") -> Shape | None:
    query, value = operand_shape(call.argument(0, "query")), operand_shape(call.argument(2, "value"))
    if query is not None and not query.open and len(query.dims) < 2:
        raise Mismatch(f"takes at least 2 dimensions, but is given {len(query.dims)}: {query}", query.last)
    key = operand_shape(call.argument(1, "key"))
    if query is not None and key is not None and query.dims and key.dims:
        expect(key.last, query.last, "features")
    return reshaping.last_replaced(query, shapes.size(value, -1))


FUNCTIONAL: dict[str, Entry] = {
    **{name: SHARED[name] for name in (*UNARY, "softmax", "log_softmax")},
    **dict.fromkeys(("softmin",), SHARED["softmax"]),
    "gumbel_softmax": SHARED["relu"],
    "linear": _linear,
    "embedding": _embedding,
    "one_hot": one_hot,
    **{f"conv{n}d": _convolution(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed_convolution(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": _pool(n, dilated=True) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _pool(n, dilated=False) for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive_pool(n) for n in (1, 2, 3) for kind in ("max", "avg")},
    **dict.fromkeys(("interpolate", "upsample"), _interpolate),
    "pad": _pad,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "glu": _gated,
    "normalize": _normalize,
    "cosine_similarity": _cosine_similarity,
    "scaled_dot_product_attention": _attention,
}
