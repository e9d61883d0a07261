"""The shapes that the layers of torch.nn give, and what their constructors refuse."""

from typing import TYPE_CHECKING

from torchlint.semantic import reshaping, shapes
from torchlint.semantic.knowledge.shapes_arguments import (
    Entry,
    Given,
    dim_of,
    dims_of,
    each_of,
    flag_of,
    int_of,
    number_of,
    operand_shape,
    option,
    sizes_of,
)
from torchlint.semantic.knowledge.shapes_operations import unflattened
from torchlint.semantic.knowledge.shapes_windows import (
    adapted,
    convolved,
    convolved_back,
    halved,
    padded,
    pooled,
    resampled,
    shuffled,
    spatial,
    unshuffled,
)
from torchlint.semantic.shapes import Dim, Mismatch, Shape, Size, batched, expect
from torchlint.semantic.single_batches import note as note_single_batch
from torchlint.semantic.values import Const, Instance, Scalar, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def _given(call: "Call") -> Shape | None:
    """The shape of what a layer is given."""
    return operand_shape(call.argument(0, "input", "x"))


def _kept(machine: "Interpreter", call: "Call") -> Shape | None:
    return _given(call)


def _along(default: int | None, at: int = 0) -> Entry:
    """A layer that works along one dimension, and keeps all sizes."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given, where = _given(call), option(call, at, "dim")
        dim = default if where is None else int_of(where)
        if given is None or dim is None or given == shapes.SCALAR:
            return given
        # For the dimension that there may not be.
        reshaping.with_size(given, dim, None)
        return given

    return entry


# -- features and classes ----------------------------------------------------------------------------------------------


def _linear(machine: "Interpreter", call: "Call") -> Shape | None:
    given = _given(call)
    wanted = dim_of(option(call, 0, "in_features"))
    if given is not None and given.dims and not _is_replaced(call):
        expect(given.last, wanted, "features")
    return reshaping.last_replaced(given, dim_of(option(call, 1, "out_features")))


def _is_replaced(call: "Call") -> bool:
    """Whether a layer was given another weight, which has a size of its own."""
    return isinstance(call.receiver, Instance) and "weight" in call.receiver.written


def _lazy_linear(machine: "Interpreter", call: "Call") -> Shape | None:
    return reshaping.last_replaced(_given(call), dim_of(option(call, 0, "out_features")))


def _embedding(machine: "Interpreter", call: "Call") -> Shape | None:
    width = dim_of(option(call, 1, "embedding_dim"))
    given = _given(call)
    if given is None:
        return shapes.trailing((width,))
    return Shape((*given.dims, width), given.open, given.lead)


def _embedding_bag(machine: "Interpreter", call: "Call") -> Shape | None:
    return Shape((None, dim_of(option(call, 1, "embedding_dim"))))


def _bilinear(machine: "Interpreter", call: "Call") -> Shape | None:
    left, right = _given(call), operand_shape(call.argument(1, "input2"))
    for side, at, name in ((left, 0, "in1_features"), (right, 1, "in2_features")):
        if side is not None and side.dims:
            expect(side.last, dim_of(option(call, at, name)), "features")
    return reshaping.last_replaced(left, dim_of(option(call, 2, "out_features")))


def _flatten(machine: "Interpreter", call: "Call") -> Shape | None:
    start, end = number_of(option(call, 0, "start_dim"), 1), number_of(option(call, 1, "end_dim"), -1)
    if start is None or end is None:
        return None
    return reshaping.flattened(_given(call), start, end, "nn.Flatten")


def _unflatten(machine: "Interpreter", call: "Call") -> Shape | None:
    return unflattened(machine, _given(call), option(call, 0, "dim"), option(call, 1, "unflattened_size"))


# -- normalization -----------------------------------------------------------------------------------------------------


def _layer_norm(machine: "Interpreter", call: "Call") -> Shape | None:
    given, size = _given(call), option(call, 0, "normalized_shape")
    wanted: tuple[Dim, ...] | None = None
    if size is not None:
        one = dim_of(size)
        wanted = (one,) if one is not None or isinstance(size, (Const, Scalar)) else sizes_of(machine, (size,))
    if wanted is None:
        return given
    if given is None:
        return shapes.trailing(wanted)
    if not given.open and len(given.dims) < len(wanted):
        raise Mismatch(f"takes at least {len(wanted)} dimensions, but is given {len(given.dims)}: {given}", given.last)
    for own, other in zip(reversed(given.dims), reversed(wanted), strict=False):
        expect(own, other, "features")
    return given


def _batch_norm(ranks: tuple[int, ...]) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        channels = dim_of(option(call, 0, "num_features"))
        if given is not None and not given.open and len(given.dims) in ranks:
            note_single_batch(machine, call, given)
        return _channelled(given, ranks, channels, machine.symbol(call.node))

    return entry


def _channelled(given: Shape | None, ranks: tuple[int, ...], channels: Dim, batch: str) -> Shape | None:
    """What a layer that takes these numbers of dimensions, with channels in the second one, keeps."""
    if given is None:
        return Shape((batch, channels, *[None] * (ranks[0] - 2))) if len(ranks) == 1 else None
    if given.lead is not None and len(given.dims) + 1 in ranks:
        given = given.settled
    count = len(given.dims)
    if given.open:
        if count > max(ranks):
            raise Mismatch(_other_rank(given, ranks), given.last)
        if len(ranks) > 1:
            return given
        given = Shape((*[None] * (ranks[0] - count), *given.dims))
    elif count not in ranks:
        raise Mismatch(_other_rank(given, ranks), given.last)
    expect(given.dims[1], channels, "channels" if max(ranks) > 3 else "features")
    return given if given.dims[1] is not None else Shape((given.dims[0], channels, *given.dims[2:]))


def _other_rank(given: Shape, ranks: tuple[int, ...]) -> str:
    wanted = " or ".join(map(str, ranks))
    return f"takes {wanted} dimensions, but is given {len(given.settled.dims)}: {given}"


def _instance_norm(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        return spatial(machine, call, given, count) if given is not None else None

    return entry


def _group_norm(machine: "Interpreter", call: "Call") -> Shape | None:
    given, channels = _given(call), dim_of(option(call, 1, "num_channels"))
    if given is None:
        return None
    settled = given.settled
    if not settled.open:
        if len(settled.dims) < 2:
            raise Mismatch(f"takes at least 2 dimensions, but is given {len(settled.dims)}: {settled}", settled.last)
        expect(settled.dims[1], channels, "channels")
    return given


# -- convolutions, pooling, resampling ---------------------------------------------------------------------------------


def _convolution(count: int, *, lazy: bool = False) -> Entry:
    first = 0 if lazy else 1

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        wanted = None if lazy or _is_replaced(call) else dim_of(option(call, 0, "in_channels"))
        channels = wanted, dim_of(option(call, first, "out_channels"))
        kernel = each_of(machine, option(call, first + 1, "kernel_size"), count, 1)
        options = [option(call, first + 2 + at, name) for at, name in enumerate(("stride", "padding", "dilation"))]
        return convolved(machine, call, _given(call), count, channels, kernel, options)

    return entry


def _transposed_convolution(count: int, *, lazy: bool = False) -> Entry:
    first = 0 if lazy else 1

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        wanted = None if lazy or _is_replaced(call) else dim_of(option(call, 0, "in_channels"))
        channels = wanted, dim_of(option(call, first, "out_channels"))
        kernel = each_of(machine, option(call, first + 1, "kernel_size"), count, 1)
        places = (("stride", 2), ("padding", 3), ("output_padding", 4), ("dilation", 7))
        options = [option(call, first + at, name) for name, at in places]
        made = convolved_back(machine, call, _given(call), count, channels, kernel, options)
        if call.argument(1, "output_size") is None:
            return made
        return Shape((*made.dims[:-count], *[None] * count), made.open, made.lead)

    return entry


def _pool(count: int, *, dilated: bool) -> Entry:
    """`MaxPool(kernel_size, stride, padding, dilation, ..., ceil_mode)`, `AvgPool(kernel_size, stride, padding)`"""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        names = ("kernel_size", "stride", "padding")
        options = [option(call, at, name) for at, name in enumerate(names)]
        options.append(option(call, 3, "dilation") if dilated else None)
        options.append(option(call, 5 if dilated else 3, "ceil_mode"))
        return pooled(machine, call, _given(call), count, options)

    return entry


def _lp_pool(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        options = [option(call, 1, "kernel_size"), option(call, 2, "stride"), None, None, option(call, 3, "ceil_mode")]
        return pooled(machine, call, _given(call), count, options)

    return entry


def _adaptive_pool(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return adapted(machine, call, _given(call), option(call, 0, "output_size"), count)

    return entry


def _upsample(machine: "Interpreter", call: "Call") -> Shape | None:
    return resample(machine, _given(call), option(call, 0, "size"), option(call, 1, "scale_factor"))


def resample(machine: "Interpreter", given: Shape | None, wanted: Value | None, factor: Value | None) -> Shape | None:
    """What upsampling gives, by the values of its `size` and `scale_factor`."""
    sizes = sizes_of(machine, (wanted,)) if wanted is not None and wanted != Const(None) else None
    factors: list[float] | None = None
    if sizes is None and factor is not None:
        if isinstance(factor, Const) and isinstance(factor.value, (int, float)) and not factor.assumed:
            factors = [factor.value]
        else:
            known = dims_of(machine, factor)
            factors = [*known] if known is not None else None
    return resampled(given, sizes, factors)


def _pixel_shuffle(machine: "Interpreter", call: "Call") -> Shape | None:
    return shuffled(_given(call), int_of(option(call, 0, "upscale_factor")))


def _pixel_unshuffle(machine: "Interpreter", call: "Call") -> Shape | None:
    return unshuffled(_given(call), int_of(option(call, 0, "downscale_factor")))


def _pad(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        return padded(given, each_of(machine, option(call, 0, "padding"), 2 * count, 0))

    return entry


def _pad_by_content(count: int) -> Entry:
    """Padding with what is there, which takes images with or without a batch only."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given, widths = _given(call), each_of(machine, option(call, 0, "padding"), 2 * count, 0)
        if given is None:
            return None
        shape = spatial(machine, call, given, count)
        if "Reflection" in (call.name or "") and widths is not None:
            for index, width in enumerate(widths):
                own = shape.dims[-1 - index // 2]
                if isinstance(own, int) and width >= own:
                    raise Mismatch(f"takes a padding smaller than the size {own}, but is given {width}", own, width)
        return padded(shape, widths)

    return entry


def _gated(machine: "Interpreter", call: "Call") -> Shape | None:
    return halved(_given(call), number_of(option(call, 0, "dim"), -1))


# -- sequences ---------------------------------------------------------------------------------------------------------


def _recurrent(states: int) -> Entry:
    """LSTM, GRU, RNN: `states` is the number of parts of their last state."""

    def entry(machine: "Interpreter", call: "Call") -> Given:
        given = _given(call)
        both, first = flag_of(option(call, None, "bidirectional")), flag_of(option(call, None, "batch_first"))
        layer = call.receiver
        assert isinstance(layer, Instance)
        if len(layer.arguments.positional) > 3:
            # Where the others stand differs.
            both = first = None
        layers, width = number_of(option(call, 2, "num_layers"), 1), dim_of(option(call, 1, "hidden_size"))
        projected = option(call, None, "proj_size")
        if given is not None:
            if not given.open and not 2 <= len(given.dims) <= 3:
                raise Mismatch(f"takes 2 or 3 dimensions, but is given {len(given.dims)}: {given}", given.last)
            expect(given.last, dim_of(option(call, 0, "input_size")), "features")
        if projected is not None:
            return None
        out: Dim = None
        if isinstance(width, int):
            out = Size(2 * width, None, (2, width), _kind(call)) if both else width if both is False else None
            if not both and isinstance(width, Size):
                out = width if both is False else None
        count = None if layers is None or both is None else layers * (2 if both else 1)
        steps, last = _unrolled(machine, call, given, first, out, count, width)
        _check_state(call, given, first, count, width, states)
        return (steps, last if states == 1 else (last, last))

    return entry


def _kind(call: "Call") -> str:
    """The layer as code names it: `nn.LSTM`."""
    return (call.name or "").removeprefix("torch.").removesuffix(".forward")


def _unrolled(
    machine: "Interpreter",
    call: "Call",
    given: Shape | None,
    first: bool | None,
    out: Dim,
    count: Dim,
    width: Dim,
) -> tuple[Shape, Shape]:
    """The shapes of the output of each step and of the last states."""
    if given is None or (given.open and given.lead is None and len(given.dims) < 3):
        before = given.dims[:-1] if given is not None else ()
        lead = machine.symbol(call.node)
        return batched((before[-1] if before else None, out), lead), Shape((count, None, width))
    settled = given.settled if given.open else given
    if settled.open:
        settled = Shape(settled.dims)
    if len(settled.dims) == 2:
        return Shape((settled.dims[0], out)), Shape((count, width))
    batch = None if first is None else settled.dims[0] if first else settled.dims[1]
    return Shape((*settled.dims[:-1], out)), Shape((count, batch, width))


def _check_state(call: "Call", given: Shape | None, first: bool | None, count: Dim, width: Dim, states: int) -> None:
    """Raise where the first state has another size than the layer and its input say."""
    state = call.argument(1, "hx")
    if states == 2:
        state = state.items[0] if isinstance(state, TupleOf) and len(state.items) == 2 else None
    shape = operand_shape(state)
    if shape is None or shape.open or first is None:
        return
    if given is not None and not given.open and len(shape.dims) != len(given.dims):
        text = f"takes a state of {len(given.dims)} dimensions for {given}, but is given {len(shape.dims)}: {shape}"
        raise Mismatch(text, shape.last)
    if len(shape.dims) != 3:
        return
    batch: Dim = None
    if given is not None and not given.open and len(given.dims) == 3:
        batch = given.dims[0] if first else given.dims[1]
    wanted = Shape((count, batch, width))
    for own, other in zip(shape.dims, wanted.dims, strict=True):
        if own != other and isinstance(own, int) and isinstance(other, int):
            raise Mismatch(f"takes a state of {wanted}, but is given {shape}", own, other)


def _cell(states: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Given:
        given, width = _given(call), dim_of(option(call, 1, "hidden_size"))
        if given is not None:
            if not given.open and not 1 <= len(given.dims) <= 2:
                raise Mismatch(f"takes 1 or 2 dimensions, but is given {len(given.dims)}: {given}", given.last)
            expect(given.last, dim_of(option(call, 0, "input_size")), "features")
        made = reshaping.last_replaced(given, width)
        return made if states == 1 else (made, made)

    return entry


def _attention(machine: "Interpreter", call: "Call") -> Given:
    query = operand_shape(call.argument(0, "query"))
    width = dim_of(option(call, 0, "embed_dim"))
    if query is not None:
        if not query.open and not 2 <= len(query.dims) <= 3:
            raise Mismatch(f"takes 2 or 3 dimensions, but is given {len(query.dims)}: {query}", query.last)
        expect(query.last, width, "features")
    for at, name, own in ((1, "key", "kdim"), (2, "value", "vdim")):
        shape = operand_shape(call.argument(at, name))
        if shape is not None and option(call, None, own) is None:
            expect(shape.last, width, "features")
    return (reshaping.last_replaced(query, width), None)


def _transformer_layer(machine: "Interpreter", call: "Call") -> Shape | None:
    given = operand_shape(call.argument(0, "src", "tgt"))
    width = dim_of(option(call, 0, "d_model"))
    if given is None:
        return shapes.trailing((width,))
    if not given.open and not 2 <= len(given.dims) <= 3:
        raise Mismatch(f"takes 2 or 3 dimensions, but is given {len(given.dims)}: {given}", given.last)
    expect(given.last, width, "features")
    return given


def _transformer_stack(machine: "Interpreter", call: "Call") -> Shape | None:
    given = operand_shape(call.argument(0, "src", "tgt"))
    layer = option(call, 0, "encoder_layer" if "Encoder" in (call.name or "") else "decoder_layer")
    width = dim_of(layer.arguments.get(0, "d_model")) if isinstance(layer, Instance) else None
    if given is None:
        return shapes.trailing((width,))
    expect(given.last, width, "features")
    return given


def _transformer(machine: "Interpreter", call: "Call") -> Shape | None:
    width = dim_of(option(call, 0, "d_model")) or (512 if option(call, 0, "d_model") is None else None)
    source, target = operand_shape(call.argument(0, "src")), operand_shape(call.argument(1, "tgt"))
    for shape in (source, target):
        if shape is not None:
            expect(shape.last, width, "features")
    return target if target is not None else shapes.trailing((width,))


# -- constructors ------------------------------------------------------------------------------------------------------


def _whole(call: "Call", *places: tuple[int, str]) -> None:
    """Raise where a size is a float: `8/2`."""
    for at, name in places:
        value = call.argument(at, name)
        if isinstance(value, Const) and type(value.value) is float and not value.assumed:
            raise Mismatch(f"takes a whole number for `{name}`, but is given {value.value!r}")


def _makes_linear(machine: "Interpreter", call: "Call") -> None:
    _whole(call, (0, "in_features"), (1, "out_features"))


def _makes_embedding(machine: "Interpreter", call: "Call") -> None:
    _whole(call, (0, "num_embeddings"), (1, "embedding_dim"))


def _makes_recurrent(machine: "Interpreter", call: "Call") -> None:
    _whole(call, (1, "hidden_size"))


def _makes_convolution(groups_at: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> None:
        _whole(call, (0, "in_channels"), (1, "out_channels"))
        groups = int_of(call.argument(groups_at, "groups"))
        if groups is not None and groups > 0:
            for at, name in ((0, "in_channels"), (1, "out_channels")):
                _divisible(call, at, name, groups, "groups")

    return entry


def _divisible(call: "Call", at: int, name: str, parts: int, what: str) -> None:
    count = int_of(call.argument(at, name))
    if count is not None and count % parts:
        raise Mismatch(f"takes `{name}` that `{what}` divides, but is given {count} and {parts}", count, parts)


def _makes_attention(machine: "Interpreter", call: "Call") -> None:
    heads = int_of(call.argument(1, "num_heads", "nhead"))
    if heads is not None and heads > 0:
        width, many = ("embed_dim", "num_heads") if (call.name or "").endswith("Attention") else ("d_model", "nhead")
        _divisible(call, 0, width, heads, many)


def _makes_group_norm(machine: "Interpreter", call: "Call") -> None:
    groups = int_of(call.argument(0, "num_groups"))
    if groups is not None and groups > 0:
        _divisible(call, 1, "num_channels", groups, "num_groups")


# -- the tables --------------------------------------------------------------------------------------------------------

# Layers that give what they are given the size of.
KEEPING_LAYERS = (
    "ReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "LeakyReLU", "RReLU", "Sigmoid", "PReLU",
    "LogSigmoid", "Hardsigmoid", "Hardswish", "Hardtanh", "Hardshrink", "Softshrink", "Softplus", "Softsign", "Tanh",
    "Tanhshrink", "Threshold", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
    "LocalResponseNorm", "ChannelShuffle", "Identity", "SyncBatchNorm",
)  # fmt: skip
_RANKS = (1, 2, 3)
LAYERS: dict[str, Entry] = {
    **dict.fromkeys(KEEPING_LAYERS, _kept),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin"), _along(None)),
    "Linear": _linear,
    "LazyLinear": _lazy_linear,
    "Bilinear": _bilinear,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding_bag,
    "Flatten": _flatten,
    "Unflatten": _unflatten,
    "LayerNorm": _layer_norm,
    "RMSNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "BatchNorm1d": _batch_norm((2, 3)),
    "BatchNorm2d": _batch_norm((4,)),
    "BatchNorm3d": _batch_norm((5,)),
    **{f"InstanceNorm{n}d": _instance_norm(n) for n in _RANKS},
    **{f"Conv{n}d": _convolution(n) for n in _RANKS},
    **{f"LazyConv{n}d": _convolution(n, lazy=True) for n in _RANKS},
    **{f"ConvTranspose{n}d": _transposed_convolution(n) for n in _RANKS},
    **{f"LazyConvTranspose{n}d": _transposed_convolution(n, lazy=True) for n in _RANKS},
    **{f"MaxPool{n}d": _pool(n, dilated=True) for n in _RANKS},
    **{f"AvgPool{n}d": _pool(n, dilated=False) for n in _RANKS},
    **{f"LPPool{n}d": _lp_pool(n) for n in _RANKS},
    **{f"Adaptive{kind}Pool{n}d": _adaptive_pool(n) for n in _RANKS for kind in ("Avg", "Max")},
    **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _upsample),
    "PixelShuffle": _pixel_shuffle,
    "PixelUnshuffle": _pixel_unshuffle,
    **{f"{kind}Pad{n}d": _pad(n) for n in _RANKS for kind in ("Zero", "Constant")},
    **{f"{kind}Pad{n}d": _pad_by_content(n) for n in _RANKS for kind in ("Reflection", "Replication")},
    "GLU": _gated,
    "LSTM": _recurrent(2),
    "GRU": _recurrent(1),
    "RNN": _recurrent(1),
    "LSTMCell": _cell(2),
    "GRUCell": _cell(1),
    "RNNCell": _cell(1),
    "MultiheadAttention": _attention,
    "TransformerEncoderLayer": _transformer_layer,
    "TransformerDecoderLayer": _transformer_layer,
    "TransformerEncoder": _transformer_stack,
    "TransformerDecoder": _transformer_stack,
    "Transformer": _transformer,
}
# Those that refuse numbers when they are made.
CONSTRUCTORS: dict[str, Entry] = {
    "Linear": _makes_linear,
    "Embedding": _makes_embedding,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _makes_recurrent),
    **{f"Conv{n}d": _makes_convolution(6) for n in _RANKS},
    **{f"ConvTranspose{n}d": _makes_convolution(6) for n in _RANKS},
    **dict.fromkeys(("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"), _makes_attention),
    "GroupNorm": _makes_group_norm,
}
