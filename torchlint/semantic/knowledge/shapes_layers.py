"""The shapes that the layers and losses of torch.nn give."""

from typing import TYPE_CHECKING

from torchlint.semantic import shapes
from torchlint.semantic.knowledge.shapes_arguments import (
    Entry,
    argument,
    dims_of,
    flag_of,
    int_of,
    is_plain,
    number_of,
    operand_shape,
    subject_shape,
)
from torchlint.semantic.shapes import SCALAR, Dim, Shape
from torchlint.semantic.single_batches import note as note_single_batch
from torchlint.semantic.values import Const, Instance, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


# -- losses ------------------------------------------------------------------------------------------------------------


def _loss(call: "Call") -> tuple[str | None, Value | None, Value | None]:
    """How a loss puts its values together (None: not known), its input and its target."""
    instance = call.receiver
    arguments = instance.arguments if isinstance(instance, Instance) else call.arguments
    target = call.argument(1, "target")
    given = call.argument(0, "input")
    if not arguments.complete or arguments.get(None, "size_average", "reduce") is not None:
        return None, given, target
    how = arguments.get(None, "reduction")
    if how is None:
        # By position it comes last, after what only the signature of each loss tells.
        options = arguments.positional if isinstance(instance, Instance) else arguments.positional[2:]
        positional = [option for option in options if isinstance(option, Const) and isinstance(option.value, str)]
        return (positional[-1].value if positional else "mean"), given, target
    return (how.value if isinstance(how, Const) and not how.assumed else None), given, target


def _elementwise_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, given, target = _loss(call)
    if how in ("mean", "sum", "batchmean"):
        return SCALAR
    return shapes.broadcast(operand_shape(given), operand_shape(target)) if how == "none" else None


def _class_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, given, target = _loss(call)
    if how in ("mean", "sum"):
        return SCALAR
    labels, scores = operand_shape(target), operand_shape(given)
    if how != "none" or labels is None or scores is None or labels.open or scores.open:
        return None
    return labels if len(labels.dims) < len(scores.dims) else None


def _other_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, _, _ = _loss(call)
    return SCALAR if how in ("mean", "sum") else None


# -- layers ------------------------------------------------------------------------------------------------------------


def _given(call: "Call") -> Shape | None:
    """The shape of what a layer is given."""
    return operand_shape(call.argument(0, "input", "x"))


def _option(call: "Call", index: int | None, name: str) -> Value | None:
    """An argument of a layer's constructor."""
    assert isinstance(call.receiver, Instance)
    return call.receiver.arguments.get(index, name)


def _kept(machine: "Interpreter", call: "Call") -> Shape | None:
    return _given(call)


def _linear(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.last_replaced(_given(call), int_of(_option(call, 1, "out_features")))


def _lazy_linear(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.last_replaced(_given(call), int_of(_option(call, 0, "out_features")))


def _embedding(machine: "Interpreter", call: "Call") -> Shape | None:
    width = int_of(_option(call, 1, "embedding_dim"))
    given = _given(call)
    if given is None or given.open:
        return shapes.trailing((*(given.dims if given is not None else ()), width))
    return Shape((*given.dims, width))


def _flatten_layer(machine: "Interpreter", call: "Call") -> Shape | None:
    start, end = number_of(_option(call, 0, "start_dim"), 1), number_of(_option(call, 1, "end_dim"), -1)
    return shapes.flattened(_given(call), start, end) if start is not None and end is not None else None


def _layer_norm(machine: "Interpreter", call: "Call") -> Shape | None:
    given = _given(call)
    if given is not None:
        return given
    size = _option(call, 0, "normalized_shape")
    return shapes.trailing((int_of(size),)) if size is not None and is_plain(size) else None


def _batch_norm(ranks: tuple[int, ...]) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        if given is not None and not given.open:
            note_single_batch(machine, call, given)
            return given
        if len(ranks) > 1:
            return given
        rank = ranks[0]
        channels = int_of(_option(call, 0, "num_features"))
        dims: list[Dim] = [None, channels, *[None] * (rank - 2)]
        for index in range(-1, -min(len(given.dims) if given is not None else 0, rank) - 1, -1):
            assert given is not None
            dims[index] = given.dims[index] if given.dims[index] is not None else dims[index]
        return Shape(tuple(dims))

    return entry


def _each(machine: "Interpreter", value: Value | None, count: int, default: int) -> list[int] | None:
    """An option of a convolution for each of its dimensions; None where it is not known."""
    if value is None:
        return [default] * count
    one = int_of(value)
    if one is not None:
        return [one] * count
    dims = dims_of(machine, value)
    return list(dims) if dims is not None and len(dims) == count else None


def _spatial(given: Shape | None, count: int, channels: Dim, sizes: list[Dim]) -> Shape | None:
    """What a layer over `count` spatial dimensions gives: all before the channels stays."""
    if given is None or given.open:
        return shapes.trailing((channels, *sizes))
    if len(given.dims) not in (count + 1, count + 2):
        return None
    return Shape((*given.dims[: -count - 1], channels, *sizes))


def _last(given: Shape | None, count: int) -> list[Dim]:
    """The sizes of the last dimensions; None each where they are not known."""
    return [shapes.size(given, index) for index in range(-count, 0)]


def _convolution(count: int, *, lazy: bool = False) -> Entry:
    first = 0 if lazy else 1

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        channels = int_of(_option(call, first, "out_channels"))
        if given is None:
            return shapes.trailing((channels, *[None] * count))
        padding = _option(call, first + 3, "padding")
        kernel = _each(machine, _option(call, first + 1, "kernel_size"), count, 1)
        stride = _each(machine, _option(call, first + 2, "stride"), count, 1)
        around = _each(machine, padding, count, 0)
        dilation = _each(machine, _option(call, first + 4, "dilation"), count, 1)
        sizes: list[Dim] = [None] * count
        if isinstance(padding, Const) and padding.value == "same":
            sizes = _last(given, count)
        elif kernel and stride and around and dilation:
            sizes = [
                shapes.window(*each) for each in zip(_last(given, count), kernel, stride, around, dilation, strict=True)
            ]
        return _spatial(given, count, channels, sizes)

    return entry


def _transposed_convolution(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        kernel = _each(machine, _option(call, 2, "kernel_size"), count, 1)
        stride = _each(machine, _option(call, 3, "stride"), count, 1)
        padding = _each(machine, _option(call, 4, "padding"), count, 0)
        more = _each(machine, _option(call, 5, "output_padding"), count, 0)
        dilation = _each(machine, _option(call, 8, "dilation"), count, 1)
        sizes: list[Dim] = [None] * count
        if kernel and stride and padding and more and dilation and call.argument(1, "output_size") is None:
            sizes = [
                (size - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + more[i] + 1
                if type(size) is int
                else None
                for i, size in enumerate(_last(given, count))
            ]
        return _spatial(given, count, int_of(_option(call, 1, "out_channels")), sizes)

    return entry


def _pool(count: int, *, dilated: bool) -> Entry:
    """`MaxPool(kernel_size, stride, padding, dilation, ..., ceil_mode)`, `AvgPool(kernel_size, stride, padding)`"""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        kernel = _each(machine, _option(call, 0, "kernel_size"), count, 1)
        stride_given = _option(call, 1, "stride")
        if isinstance(stride_given, Const) and stride_given.value is None:
            stride_given = None
        stride = kernel if stride_given is None else _each(machine, stride_given, count, 1)
        padding = _each(machine, _option(call, 2, "padding"), count, 0)
        dilation = _each(machine, _option(call, 3, "dilation") if dilated else None, count, 1)
        ceil = flag_of(_option(call, 5 if dilated else 3, "ceil_mode"))
        sizes: list[Dim] = [None] * count
        if kernel and stride and padding and dilation and ceil is not None:
            sizes = [
                shapes.window(*each, ceil=ceil)
                for each in zip(_last(given, count), kernel, stride, padding, dilation, strict=True)
            ]
        return _spatial(given, count, shapes.size(given, -count - 1), sizes)

    return entry


def _adaptive_pool(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        wanted = _option(call, 0, "output_size")
        return _adapted(machine, given, wanted, count)

    return entry


def _adapted(machine: "Interpreter", given: Shape | None, wanted: Value | None, count: int) -> Shape | None:
    sizes = _each(machine, wanted, count, 1) if wanted is not None else None
    return _spatial(given, count, shapes.size(given, -count - 1), [*sizes] if sizes else [None] * count)


def _adaptive_function(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return _adapted(machine, subject_shape(call), argument(call, 0, "output_size"), count)

    return entry


def _pool_function(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = subject_shape(call)
        kernel = _each(machine, argument(call, 0, "kernel_size"), count, 1)
        stride_given = argument(call, 1, "stride")
        stride = kernel if stride_given is None else _each(machine, stride_given, count, 1)
        sizes: list[Dim] = [None] * count
        others = len(call.arguments.positional) - (call.receiver is None) <= 2
        if kernel and stride and others and not call.arguments.keywords.keys() - {"kernel_size", "stride"}:
            sizes = [shapes.window(size, kernel[i], stride[i], 0) for i, size in enumerate(_last(given, count))]
        return _spatial(given, count, shapes.size(given, -count - 1), sizes)

    return entry


def recurrent(call: "Call", instance: Instance) -> tuple[Shape | None, Shape | None]:
    """The shapes of what an LSTM, GRU or RNN gives for each step, and of its last states."""
    given, options = _given(call), instance.arguments
    if given is None or not call.arguments.complete or not options.complete or len(options.positional) > 3:
        return None, None
    both, first = flag_of(options.get(None, "bidirectional")), flag_of(options.get(None, "batch_first"))
    layers = number_of(options.get(2, "num_layers"), 1)
    if given.open or both is None or first is None or options.get(None, "proj_size") is not None:
        return None, None
    if not 2 <= len(given.dims) <= 3:
        return None, None
    width = int_of(options.get(1, "hidden_size"))
    out = None if width is None else width * (2 if both else 1)
    states = None if layers is None else layers * (2 if both else 1)
    batch = given.dims[:-2] if first else given.dims[1:-1]
    return Shape((*given.dims[:-1], out)), Shape((states, *batch, width))


# -- the table ---------------------------------------------------------------------------------------------------------

_ELEMENTWISE_LOSSES = (
    "MSELoss mse_loss", "L1Loss l1_loss", "SmoothL1Loss smooth_l1_loss", "HuberLoss huber_loss",
    "BCELoss binary_cross_entropy", "BCEWithLogitsLoss binary_cross_entropy_with_logits", "KLDivLoss kl_div",
    "SoftMarginLoss soft_margin_loss", "PoissonNLLLoss poisson_nll_loss",
)  # fmt: skip
_CLASS_LOSSES = ("CrossEntropyLoss cross_entropy", "NLLLoss nll_loss")
_OTHER_LOSSES = (
    "CTCLoss ctc_loss", "TripletMarginLoss triplet_margin_loss", "MarginRankingLoss margin_ranking_loss",
    "HingeEmbeddingLoss hinge_embedding_loss", "CosineEmbeddingLoss cosine_embedding_loss",
    "MultiMarginLoss multi_margin_loss", "MultiLabelMarginLoss multilabel_margin_loss",
    "MultiLabelSoftMarginLoss multilabel_soft_margin_loss", "GaussianNLLLoss gaussian_nll_loss",
)  # fmt: skip
# Layers that give what they are given the size of.
KEEPING_LAYERS = (
    "ReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "LeakyReLU", "PReLU", "RReLU", "Sigmoid",
    "LogSigmoid", "Hardsigmoid", "Hardswish", "Hardtanh", "Hardshrink", "Softshrink", "Softplus", "Softsign", "Tanh",
    "Tanhshrink", "Threshold", "Softmax", "Softmax2d", "LogSoftmax", "Softmin", "Dropout", "Dropout1d", "Dropout2d",
    "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LocalResponseNorm",
)  # fmt: skip
LAYERS: dict[str, Entry] = {
    **dict.fromkeys(KEEPING_LAYERS, _kept),
    "Linear": _linear,
    "LazyLinear": _lazy_linear,
    "Embedding": _embedding,
    "Flatten": _flatten_layer,
    "LayerNorm": _layer_norm,
    "RMSNorm": _layer_norm,
    "BatchNorm1d": _batch_norm((2, 3)),
    "BatchNorm2d": _batch_norm((4,)),
    "BatchNorm3d": _batch_norm((5,)),
    "SyncBatchNorm": _kept,
    **{f"Conv{n}d": _convolution(n) for n in (1, 2, 3)},
    **{f"LazyConv{n}d": _convolution(n, lazy=True) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _transposed_convolution(n) for n in (1, 2, 3)},
    **{f"MaxPool{n}d": _pool(n, dilated=True) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": _pool(n, dilated=False) for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pool{n}d": _adaptive_pool(n) for n in (1, 2, 3) for kind in ("Avg", "Max")},
}
# Pooling as functions.
POOLS: dict[str, Entry] = {
    **{f"{kind}_pool{n}d": _pool_function(n) for n in (1, 2, 3) for kind in ("max", "avg")},
    **{f"adaptive_{kind}_pool{n}d": _adaptive_function(n) for n in (1, 2, 3) for kind in ("max", "avg")},
}
# Losses as functions and as classes, by the names in torch.nn.
LOSSES: dict[str, Entry] = {
    qualified: entry
    for losses, entry in (
        (_ELEMENTWISE_LOSSES, _elementwise_loss),
        (_CLASS_LOSSES, _class_loss),
        (_OTHER_LOSSES, _other_loss),
    )
    for pair in losses
    for qualified in (f"{pair.split()[0]}.forward", f"functional.{pair.split()[1]}")
}
