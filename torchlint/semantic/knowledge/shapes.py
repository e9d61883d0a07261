"""The shapes that torch's functions, the methods of tensors and the layers of torch.nn give, by qualified name.

One entry says what one call gives, as far as its operands and arguments are known. A name without an entry gives a
tensor of unknown shape, or keeps that of its operand where `tensors.py` says that it is the same tensor.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic import objects, shapes
from torchlint.semantic.shapes import SCALAR, Dim, Shape
from torchlint.semantic.single_batches import note as note_single_batch
from torchlint.semantic.values import Array, Const, Instance, Iterated, Scalar, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

Entry = Callable[["Interpreter", "Call"], Shape | None]


# -- what a call was given ---------------------------------------------------------------------------------------------


def _argument(call: "Call", index: int, *names: str) -> Value | None:
    """An argument by its position after the tensor that the call is about."""
    return call.argument(index + (call.receiver is None), *names)


def _subject(call: "Call") -> Shape | None:
    """The shape of the tensor that a function or method is about."""
    value = call.receiver if call.receiver is not None else call.argument(0, "input", "self", "x", "tensor")
    return value.shape if type(value) is Tensor else None


def _operand(value: Value | None) -> Shape | None:
    """The shape of an operand; a Python number has none."""
    if type(value) is Tensor:
        return value.shape
    return SCALAR if value is not None and objects.is_plain_number(value) else None


def _int(value: Value | None) -> int | None:
    """A literal int; None for what a caller or a command line may set."""
    if type(value) is Const and type(value.value) is int and not value.assumed:
        return value.value
    return None


def _number(value: Value | None, default: int) -> int | None:
    """A literal int, or the default where nothing is given; None where it is not known."""
    return default if value is None else _int(value)


def _flag(value: Value | None) -> bool | None:
    """A literal bool, False where nothing is given; None where it is not known."""
    if value is None:
        return False
    return value.value if type(value) is Const and type(value.value) is bool and not value.assumed else None


def _is_sequence(machine: "Interpreter", value: Value | None) -> bool:
    return value is not None and (isinstance(value, (TupleOf, Iterated)) or objects.content(machine, value) is not None)


def _sizes(machine: "Interpreter", values: tuple[Value, ...]) -> tuple[Dim, ...] | None:
    """Sizes as `view` and `zeros` take them: `2, 3` or `(2, 3)`; None where their number is not known."""
    if len(values) == 1 and not _is_scalar(values[0]):
        items = objects.exact_items(machine, values[0])
        if items is None:
            return None
        values = items
    return tuple(map(_int, values)) if all(map(_is_scalar, values)) or len(values) > 1 else None


def _is_scalar(value: Value) -> bool:
    return isinstance(value, (Const, Scalar))


# -- functions and methods ---------------------------------------------------------------------------------------------


def _same(machine: "Interpreter", call: "Call") -> Shape | None:
    return _subject(call)


def _scalar(machine: "Interpreter", call: "Call") -> Shape | None:
    return SCALAR


def _elementwise(machine: "Interpreter", call: "Call") -> Shape | None:
    """Operands are whatever is a tensor or a number by position."""
    left = _subject(call)
    right = _argument(call, 0, "other", "exponent", "mask")
    return shapes.broadcast(left, _operand(right)) if left is not None else None


def _where(machine: "Interpreter", call: "Call") -> Shape | None:
    values = call.arguments.positional
    if call.receiver is not None:
        values = (values[0], call.receiver, *values[1:]) if values else ()
    if len(values) != 3:
        return None
    return shapes.broadcast(shapes.broadcast(_operand(values[0]), _operand(values[1])), _operand(values[2]))


def _reduction(at: int, keep_at: int, *, default: bool = True) -> Entry:
    """A reduction whose dimensions and `keepdim` stand at these positions; `default`: over all without dimensions."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        where = _argument(call, at, "dim", "axis")
        keep = _flag(_argument(call, keep_at, "keepdim", "keepdims"))
        if keep is None:
            return None
        subject = _subject(call)
        if where is None or (isinstance(where, Const) and where.value is None):
            return shapes.reduced(subject, None, keep) if default else None
        dims = _dims(machine, where)
        return shapes.reduced(subject, dims or None, keep) if dims is not None else None

    return entry


def _dims(machine: "Interpreter", value: Value) -> tuple[int, ...] | None:
    one = _int(value)
    if one is not None:
        return (one,)
    items = objects.exact_items(machine, value)
    if items is None:
        return None
    found = [_int(item) for item in items]
    known = tuple(dim for dim in found if dim is not None)
    return known if len(known) == len(found) else None


def _extreme(machine: "Interpreter", call: "Call") -> Shape | None:
    """`max`, `min`: of all, along a dimension, or of two tensors."""
    second = _argument(call, 0, "dim", "axis", "other")
    if isinstance(second, Tensor):
        return shapes.broadcast(_subject(call), second.shape)
    return _REDUCED(machine, call)


def _spread(machine: "Interpreter", call: "Call") -> Shape | None:
    """`std`, `var`, which take `dim, unbiased, keepdim`, or `unbiased` alone."""
    first = _argument(call, 0, "dim", "axis")
    if isinstance(first, Const) and isinstance(first.value, bool):
        return SCALAR
    return _SPREAD(machine, call)


_REDUCED = _reduction(0, 1)
_SPREAD = _reduction(0, 2)


def _reshape(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional[call.receiver is None :]
    if not given:
        named = call.argument(None, "shape", "size")
        given = (named,) if named is not None else ()
    sizes = _sizes(machine, given) if given else None
    return shapes.reshaped(_subject(call), sizes) if sizes is not None else None


def _as_other(machine: "Interpreter", call: "Call") -> Shape | None:
    """`view_as`, `reshape_as`, `expand_as`"""
    return _operand(_argument(call, 0, "other"))


def _expand(machine: "Interpreter", call: "Call") -> Shape | None:
    sizes = _sizes(machine, call.arguments.positional)
    subject = _subject(call)
    if sizes is None:
        return None
    dims: list[Dim] = list(sizes)
    for index in range(-1, -len(dims) - 1, -1):
        if dims[index] == -1:
            dims[index] = shapes.size(subject, index)
    return Shape(tuple(dims))


def _repeat(machine: "Interpreter", call: "Call") -> Shape | None:
    times = _sizes(machine, call.arguments.positional)
    subject = _subject(call)
    if times is None:
        return None
    if subject is None or subject.open or len(times) < len(subject.dims):
        return Shape((None,) * len(times))
    own = (*[1] * (len(times) - len(subject.dims)), *subject.dims)
    return Shape(tuple(map(_times, own, times)))


def _times(dim: Dim, count: Dim) -> Dim:
    if dim == 1 or count == 1:
        return count if dim == 1 else dim
    return shapes.product((dim, count))


def _flatten(machine: "Interpreter", call: "Call") -> Shape | None:
    start, end = _number(_argument(call, 0, "start_dim"), 0), _number(_argument(call, 1, "end_dim"), -1)
    return shapes.flattened(_subject(call), start, end) if start is not None and end is not None else None


def _squeeze(machine: "Interpreter", call: "Call") -> Shape | None:
    where = _argument(call, 0, "dim", "axis")
    dims = _dims(machine, where) if where is not None else None
    return None if where is not None and dims is None else shapes.squeezed(_subject(call), dims)


def _unsqueeze(machine: "Interpreter", call: "Call") -> Shape | None:
    dim = _int(_argument(call, 0, "dim", "axis"))
    return shapes.unsqueezed(_subject(call), dim) if dim is not None else None


def _transpose(machine: "Interpreter", call: "Call") -> Shape | None:
    a, b = _int(_argument(call, 0, "dim0", "axis0")), _int(_argument(call, 1, "dim1", "axis1"))
    return shapes.transposed(_subject(call), a, b) if a is not None and b is not None else None


def _t(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.turned(_subject(call))


def _permute(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional[call.receiver is None :]
    if not given:
        named = call.argument(None, "dims")
        given = (named,) if named is not None else ()
    order = _sizes(machine, given) if given else None
    if order is None:
        return None
    known = tuple(dim for dim in order if type(dim) is int)
    return shapes.permuted(_subject(call), known) if len(known) == len(order) else Shape((None,) * len(order))


def _parts(machine: "Interpreter", call: "Call") -> list[Shape | None] | None:
    given = call.argument(0, "tensors")
    items = objects.exact_items(machine, given) if given is not None else None
    return [_operand(item) if isinstance(item, Tensor) else None for item in items] if items else None


def _cat(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), _number(call.argument(1, "dim", "axis"), 0)
    return shapes.concatenated(parts, dim) if parts and dim is not None else None


def _stack(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), _number(call.argument(1, "dim", "axis"), 0)
    return shapes.stacked(parts, dim) if parts and dim is not None else None


def _matmul(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.multiplied(_subject(call), _operand(_argument(call, 0, "other", "mat2", "vec")))


def _topk(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = _subject(call), _number(_argument(call, 1, "dim"), -1)
    if subject is None or dim is None:
        return None
    return shapes.with_size(subject, dim, _int(_argument(call, 0, "k")))


def _one_hot(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = _subject(call)
    classes = _number(_argument(call, 0, "num_classes"), -1)
    new = None if classes == -1 else classes
    if subject is None:
        return shapes.trailing((new,))
    dims = (*subject.dims, new)
    return shapes.trailing(dims) if subject.open else Shape(dims)


def _nonzero(machine: "Interpreter", call: "Call") -> Shape | None:
    return Shape((None,))


# -- tensors from nothing ----------------------------------------------------------------------------------------------


def _made(machine: "Interpreter", call: "Call") -> Shape | None:
    """`zeros(2, 3)`, `zeros((2, 3))`, `zeros(size=(2, 3))`, `zeros(*sizes, 3)`"""
    arguments = call.arguments
    given = arguments.positional
    if arguments.tail:
        last = [_int(value) for value in arguments.tail[1:]]
        return shapes.trailing(last)
    if not given:
        named = call.argument(None, "size")
        given = (named,) if named is not None else ()
    if not given:
        return SCALAR if arguments.complete and not call.argument(None, "names") else None
    sizes = _sizes(machine, given)
    return Shape(sizes) if sizes is not None else None


def _full(machine: "Interpreter", call: "Call") -> Shape | None:
    size = _argument(call, -1, "size") if call.receiver is None else call.argument(0, "size")
    sizes = _sizes(machine, (size,)) if size is not None and _is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _new(machine: "Interpreter", call: "Call") -> Shape | None:
    return _made(machine, call)


def _randint(machine: "Interpreter", call: "Call") -> Shape | None:
    """`randint(high, size)`, `randint(low, high, size)`"""
    size = call.argument(None, "size")
    if size is None:
        given = call.arguments.positional
        size = next((value for value in given[1:3] if _is_sequence(machine, value)), None)
    sizes = _sizes(machine, (size,)) if size is not None and _is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _arange(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional
    bounds = [_int(value) for value in given]
    if call.argument(None, "end", "start", "step") is not None or not 1 <= len(given) <= 3 or None in bounds:
        return Shape((None,))
    known = [bound for bound in bounds if bound is not None]
    return Shape((len(range(*known)),)) if len(known) < 3 or known[2] else None


def _counted(at: int, name: str) -> Entry:
    """One dimension, as long as an argument says."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return Shape((_int(call.argument(at, name)),))

    return entry


def _eye(machine: "Interpreter", call: "Call") -> Shape | None:
    rows = _int(call.argument(0, "n"))
    second = call.argument(1, "m")
    return Shape((rows, rows if second is None else _int(second)))


def _data(machine: "Interpreter", call: "Call") -> Shape | None:
    """`tensor([[1, 2], [3, 4]])`"""
    given = call.argument(0, "data", "input", "object", "obj")
    return of_data(machine, given) if given is not None else None


def of_data(machine: "Interpreter", value: Value) -> Shape | None:
    """The shape of the tensor that is made of numbers in lists and tuples, of an array, or of a tensor."""
    if isinstance(value, (Tensor, Array)):
        return value.shape
    if objects.is_plain_number(value):
        return SCALAR
    held = objects.content(machine, value) if not isinstance(value, TupleOf) else None
    items = value.items if isinstance(value, TupleOf) else held.items if held is not None else None
    if items is not None:
        return shapes.stacked([of_data(machine, item) for item in items], 0) if items else Shape((0,))
    if held is None:
        return None
    # A list of unknown length.
    inner = of_data(machine, held.any)
    return Shape((None, *inner.dims)) if inner is not None and not inner.open else None


def _legacy(machine: "Interpreter", call: "Call") -> Shape | None:
    """`torch.Tensor(2, 3)` gives that size, `torch.Tensor([2, 3])` holds these numbers."""
    given = call.arguments.positional
    if len(given) == 1 and not _is_scalar(given[0]):
        return of_data(machine, given[0])
    return Shape(tuple(map(_int, given))) if given and all(map(_is_scalar, given)) else None


def _like(machine: "Interpreter", call: "Call") -> Shape | None:
    return _subject(call)


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
    return shapes.broadcast(_operand(given), _operand(target)) if how == "none" else None


def _class_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, given, target = _loss(call)
    if how in ("mean", "sum"):
        return SCALAR
    labels, scores = _operand(target), _operand(given)
    if how != "none" or labels is None or scores is None or labels.open or scores.open:
        return None
    return labels if len(labels.dims) < len(scores.dims) else None


def _other_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, _, _ = _loss(call)
    return SCALAR if how in ("mean", "sum") else None


# -- layers ------------------------------------------------------------------------------------------------------------


def _given(call: "Call") -> Shape | None:
    """The shape of what a layer is given."""
    return _operand(call.argument(0, "input", "x"))


def _option(call: "Call", index: int | None, name: str) -> Value | None:
    """An argument of a layer's constructor."""
    assert isinstance(call.receiver, Instance)
    return call.receiver.arguments.get(index, name)


def _kept(machine: "Interpreter", call: "Call") -> Shape | None:
    return _given(call)


def _linear(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.last_replaced(_given(call), _int(_option(call, 1, "out_features")))


def _lazy_linear(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.last_replaced(_given(call), _int(_option(call, 0, "out_features")))


def _embedding(machine: "Interpreter", call: "Call") -> Shape | None:
    width = _int(_option(call, 1, "embedding_dim"))
    given = _given(call)
    if given is None or given.open:
        return shapes.trailing((*(given.dims if given is not None else ()), width))
    return Shape((*given.dims, width))


def _flatten_layer(machine: "Interpreter", call: "Call") -> Shape | None:
    start, end = _number(_option(call, 0, "start_dim"), 1), _number(_option(call, 1, "end_dim"), -1)
    return shapes.flattened(_given(call), start, end) if start is not None and end is not None else None


def _layer_norm(machine: "Interpreter", call: "Call") -> Shape | None:
    given = _given(call)
    if given is not None:
        return given
    size = _option(call, 0, "normalized_shape")
    return shapes.trailing((_int(size),)) if size is not None and _is_scalar(size) else None


def _batch_norm(ranks: tuple[int, ...]) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _given(call)
        if given is not None and not given.open:
            note_single_batch(machine, call, given)
            return given
        if len(ranks) > 1:
            return given
        rank = ranks[0]
        channels = _int(_option(call, 0, "num_features"))
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
    one = _int(value)
    if one is not None:
        return [one] * count
    dims = _dims(machine, value)
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
        channels = _int(_option(call, first, "out_channels"))
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
        return _spatial(given, count, _int(_option(call, 1, "out_channels")), sizes)

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
        ceil = _flag(_option(call, 5 if dilated else 3, "ceil_mode"))
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
        return _adapted(machine, _subject(call), _argument(call, 0, "output_size"), count)

    return entry


def _pool_function(count: int) -> Entry:
    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        given = _subject(call)
        kernel = _each(machine, _argument(call, 0, "kernel_size"), count, 1)
        stride_given = _argument(call, 1, "stride")
        stride = kernel if stride_given is None else _each(machine, stride_given, count, 1)
        sizes: list[Dim] = [None] * count
        others = len(call.arguments.positional) - (call.receiver is None) <= 2
        if kernel and stride and others and not call.arguments.keywords.keys() - {"kernel_size", "stride"}:
            sizes = [shapes.window(size, kernel[i], stride[i], 0) for i, size in enumerate(_last(given, count))]
        return _spatial(given, count, shapes.size(given, -count - 1), sizes)

    return entry


# -- the table ---------------------------------------------------------------------------------------------------------

# The same size as the tensor that they are about.
UNARY = (
    "abs", "absolute", "acos", "alpha_dropout", "argsort", "asin", "atan", "bernoulli", "bitwise_not", "ceil", "celu",
    "clamp", "clamp_max", "clamp_min", "clip", "clone", "contiguous", "cos", "cosh", "cummax", "cummin", "cumprod",
    "cumsum", "deg2rad", "digamma", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "erf", "erfc", "erfinv",
    "exp", "exp2", "expm1", "feature_alpha_dropout", "flip", "fliplr", "flipud", "floor", "frac", "gelu",
    "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "instance_norm", "isfinite", "isinf",
    "isnan", "layer_norm", "leaky_relu", "lgamma", "local_response_norm", "log", "log10", "log1p", "log2",
    "log_softmax", "logical_not", "logit", "logsigmoid", "mish", "nan_to_num", "neg", "negative", "normalize",
    "pin_memory", "positive", "rad2deg", "reciprocal", "relu", "relu6", "roll", "round", "rrelu", "rsqrt", "selu",
    "sgn", "sigmoid", "sign", "silu", "sin", "sinh", "softmax", "softmin", "softplus", "softshrink", "softsign",
    "sort", "sqrt", "square", "tan", "tanh", "tanhshrink", "threshold", "tril", "triu", "trunc", "batch_norm",
    "group_norm",
)  # fmt: skip
BINARY = (
    "add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor", "div", "divide", "eq", "floor_divide", "fmax", "fmin",
    "fmod", "ge", "greater", "greater_equal", "gt", "hypot", "isclose", "le", "less", "less_equal", "logaddexp",
    "logical_and", "logical_or", "logical_xor", "lt", "masked_fill", "maximum", "minimum", "mul", "multiply", "ne",
    "not_equal", "pow", "remainder", "sub", "subtract", "true_divide", "xlogy",
)  # fmt: skip
# In torch and among the methods of tensors.
SHARED: dict[str, Entry] = {
    **dict.fromkeys(UNARY, _same),
    **dict.fromkeys(BINARY, _elementwise),
    **dict.fromkeys(("sum", "mean", "prod", "nansum", "nanmean", "all", "any", "amax", "amin", "argmax", "argmin",
        "median", "nanmedian", "count_nonzero"), _reduction(0, 1)),
    **dict.fromkeys(("mode", "logsumexp"), _reduction(0, 1, default=False)),
    **dict.fromkeys(("max", "min"), _extreme),
    **dict.fromkeys(("std", "var"), _spread),
    "norm": _reduction(1, 2),
    "where": _where,
    "reshape": _reshape,
    "flatten": _flatten,
    "ravel": lambda machine, call: shapes.flattened(_subject(call), 0, -1),
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    "t": _t,
    "permute": _permute,
    "matmul": _matmul,
    "mm": _matmul,
    "bmm": _matmul,
    "mv": _matmul,
    "dot": _scalar,
    "topk": _topk,
    "masked_select": _nonzero,
}  # fmt: skip
METHODS: dict[str, Entry] = {
    "view": _reshape,
    "view_as": _as_other,
    "reshape_as": _as_other,
    "expand_as": _as_other,
    "expand": _expand,
    "repeat": _repeat,
    "new_zeros": _new,
    "new_ones": _new,
    "new_empty": _new,
    "new_full": _full,
    "new_tensor": _data,
}
FUNCTIONS: dict[str, Entry] = {
    **dict.fromkeys(("zeros", "ones", "rand", "randn", "empty"), _made),
    **dict.fromkeys(("tensor", "as_tensor", "asarray", "from_numpy", "scalar_tensor"), _data),
    **dict.fromkeys(("Tensor", "FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "ShortTensor",
        "ByteTensor", "BoolTensor"), _legacy),
    **dict.fromkeys(
        ("zeros_like", "ones_like", "rand_like", "randn_like", "randint_like", "empty_like", "full_like"), _like),
    "full": _full,
    "randint": _randint,
    "randperm": _counted(0, "n"),
    "arange": _arange,
    "linspace": _counted(2, "steps"),
    "logspace": _counted(2, "steps"),
    "eye": _eye,
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
}  # fmt: skip
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

SHAPES: dict[str, Entry] = {
    **{f"torch.{name}": entry for name, entry in {**SHARED, **FUNCTIONS}.items()},
    **{f"torch.Tensor.{name}": entry for name, entry in {**SHARED, **METHODS}.items()},
    **{f"torch.nn.functional.{name}": _same for name in UNARY},
    **{
        f"torch.nn.functional.{kind}_pool{n}d": _pool_function(n) for n in (1, 2, 3) for kind in ("max", "avg")
    },
    **{
        f"torch.nn.functional.adaptive_{kind}_pool{n}d": _adaptive_function(n)
        for n in (1, 2, 3)
        for kind in ("max", "avg")
    },
    "torch.nn.functional.one_hot": _one_hot,
    "torch.special.softmax": _same,
    "torch.special.log_softmax": _same,
    "torch.special.expit": _same,
    **{f"torch.nn.{name}.forward": entry for name, entry in LAYERS.items()},
    **{
        qualified: entry
        for losses, entry in (
            (_ELEMENTWISE_LOSSES, _elementwise_loss),
            (_CLASS_LOSSES, _class_loss),
            (_OTHER_LOSSES, _other_loss),
        )
        for pair in losses
        for qualified in (f"torch.nn.{pair.split()[0]}.forward", f"torch.nn.functional.{pair.split()[1]}")
    },
}  # fmt: skip


def shaped(machine: "Interpreter", call: "Call", entry: Entry, result: Value) -> Value:
    """The result of a call with the shape that the table's entry says; each tensor of a tuple has it."""
    if not call.arguments.complete and not call.arguments.tail:
        return result
    shape = entry(machine, call)
    if shape is None:
        return result
    if type(result) is Tensor:
        return result.of_shape(shape)
    if type(result) is TupleOf:
        items = [item.of_shape(shape) if type(item) is Tensor else item for item in result.items]
        return TupleOf(items, result.origin, made_by=result.made_by, names=result.names)
    return result
