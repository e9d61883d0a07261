"""The shapes that torch's functions and the methods of tensors give."""

from typing import TYPE_CHECKING

from torchlint.semantic import objects, shapes
from torchlint.semantic.knowledge.shapes_arguments import (
    Entry,
    argument,
    dims_of,
    flag_of,
    int_of,
    is_plain,
    is_sequence,
    number_of,
    operand_shape,
    sizes_of,
    subject_shape,
)
from torchlint.semantic.shapes import SCALAR, Dim, Shape
from torchlint.semantic.values import Array, Const, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def _same(machine: "Interpreter", call: "Call") -> Shape | None:
    return subject_shape(call)


def _scalar(machine: "Interpreter", call: "Call") -> Shape | None:
    return SCALAR


def _elementwise(machine: "Interpreter", call: "Call") -> Shape | None:
    """Operands are whatever is a tensor or a number by position."""
    left = subject_shape(call)
    right = argument(call, 0, "other", "exponent", "mask")
    return shapes.broadcast(left, operand_shape(right)) if left is not None else None


def _where(machine: "Interpreter", call: "Call") -> Shape | None:
    values = call.arguments.positional
    if call.receiver is not None:
        values = (values[0], call.receiver, *values[1:]) if values else ()
    if len(values) != 3:
        return None
    return shapes.broadcast(
        shapes.broadcast(operand_shape(values[0]), operand_shape(values[1])), operand_shape(values[2])
    )


def _reduction(at: int, keep_at: int, *, default: bool = True) -> Entry:
    """A reduction whose dimensions and `keepdim` stand at these positions; `default`: over all without dimensions."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        where = argument(call, at, "dim", "axis")
        keep = flag_of(argument(call, keep_at, "keepdim", "keepdims"))
        if keep is None:
            return None
        subject = subject_shape(call)
        if where is None or (isinstance(where, Const) and where.value is None):
            return shapes.reduced(subject, None, keep) if default else None
        dims = dims_of(machine, where)
        return shapes.reduced(subject, dims or None, keep) if dims is not None else None

    return entry


def _extreme(machine: "Interpreter", call: "Call") -> Shape | None:
    """`max`, `min`: of all, along a dimension, or of two tensors."""
    second = argument(call, 0, "dim", "axis", "other")
    if isinstance(second, Tensor):
        return shapes.broadcast(subject_shape(call), second.shape)
    return _REDUCED(machine, call)


def _spread(machine: "Interpreter", call: "Call") -> Shape | None:
    """`std`, `var`, which take `dim, unbiased, keepdim`, or `unbiased` alone."""
    first = argument(call, 0, "dim", "axis")
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
    sizes = sizes_of(machine, given) if given else None
    return shapes.reshaped(subject_shape(call), sizes) if sizes is not None else None


def _as_other(machine: "Interpreter", call: "Call") -> Shape | None:
    """`view_as`, `reshape_as`, `expand_as`"""
    return operand_shape(argument(call, 0, "other"))


def _expand(machine: "Interpreter", call: "Call") -> Shape | None:
    sizes = sizes_of(machine, call.arguments.positional)
    subject = subject_shape(call)
    if sizes is None:
        return None
    dims: list[Dim] = list(sizes)
    for index in range(-1, -len(dims) - 1, -1):
        if dims[index] == -1:
            dims[index] = shapes.size(subject, index)
    return Shape(tuple(dims))


def _repeat(machine: "Interpreter", call: "Call") -> Shape | None:
    times = sizes_of(machine, call.arguments.positional)
    subject = subject_shape(call)
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
    start, end = number_of(argument(call, 0, "start_dim"), 0), number_of(argument(call, 1, "end_dim"), -1)
    return shapes.flattened(subject_shape(call), start, end) if start is not None and end is not None else None


def _squeeze(machine: "Interpreter", call: "Call") -> Shape | None:
    where = argument(call, 0, "dim", "axis")
    dims = dims_of(machine, where) if where is not None else None
    return None if where is not None and dims is None else shapes.squeezed(subject_shape(call), dims)


def _unsqueeze(machine: "Interpreter", call: "Call") -> Shape | None:
    dim = int_of(argument(call, 0, "dim", "axis"))
    return shapes.unsqueezed(subject_shape(call), dim) if dim is not None else None


def _transpose(machine: "Interpreter", call: "Call") -> Shape | None:
    a, b = int_of(argument(call, 0, "dim0", "axis0")), int_of(argument(call, 1, "dim1", "axis1"))
    return shapes.transposed(subject_shape(call), a, b) if a is not None and b is not None else None


def _t(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.turned(subject_shape(call))


def _permute(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional[call.receiver is None :]
    if not given:
        named = call.argument(None, "dims")
        given = (named,) if named is not None else ()
    order = sizes_of(machine, given) if given else None
    if order is None:
        return None
    known = tuple(dim for dim in order if type(dim) is int)
    return shapes.permuted(subject_shape(call), known) if len(known) == len(order) else Shape((None,) * len(order))


def _parts(machine: "Interpreter", call: "Call") -> list[Shape | None] | None:
    given = call.argument(0, "tensors")
    items = objects.exact_items(machine, given) if given is not None else None
    return [operand_shape(item) if isinstance(item, Tensor) else None for item in items] if items else None


def _cat(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), number_of(call.argument(1, "dim", "axis"), 0)
    return shapes.concatenated(parts, dim) if parts and dim is not None else None


def _stack(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), number_of(call.argument(1, "dim", "axis"), 0)
    return shapes.stacked(parts, dim) if parts and dim is not None else None


def _matmul(machine: "Interpreter", call: "Call") -> Shape | None:
    return shapes.multiplied(subject_shape(call), operand_shape(argument(call, 0, "other", "mat2", "vec")))


def _topk(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), number_of(argument(call, 1, "dim"), -1)
    if subject is None or dim is None:
        return None
    return shapes.with_size(subject, dim, int_of(argument(call, 0, "k")))


def one_hot(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = subject_shape(call)
    classes = number_of(argument(call, 0, "num_classes"), -1)
    new = None if classes == -1 else classes
    if subject is None:
        return shapes.trailing((new,))
    dims = (*subject.dims, new)
    return shapes.trailing(dims) if subject.open else Shape(dims)


def _gathered(machine: "Interpreter", call: "Call") -> Shape | None:
    """`gather(dim, index)`, which has the size of the index."""
    return operand_shape(argument(call, 1, "index"))


def _nonzero(machine: "Interpreter", call: "Call") -> Shape | None:
    return Shape((None,))


# -- tensors from nothing ----------------------------------------------------------------------------------------------


def _made(machine: "Interpreter", call: "Call") -> Shape | None:
    """`zeros(2, 3)`, `zeros((2, 3))`, `zeros(size=(2, 3))`, `zeros(*sizes, 3)`"""
    arguments = call.arguments
    given = arguments.positional
    if arguments.tail:
        last = [int_of(value) for value in arguments.tail[1:]]
        return shapes.trailing(last)
    if not given:
        named = call.argument(None, "size")
        given = (named,) if named is not None else ()
    if not given:
        return SCALAR if arguments.complete and not call.argument(None, "names") else None
    sizes = sizes_of(machine, given)
    return Shape(sizes) if sizes is not None else None


def _full(machine: "Interpreter", call: "Call") -> Shape | None:
    size = argument(call, -1, "size") if call.receiver is None else call.argument(0, "size")
    sizes = sizes_of(machine, (size,)) if size is not None and is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _new(machine: "Interpreter", call: "Call") -> Shape | None:
    return _made(machine, call)


def _randint(machine: "Interpreter", call: "Call") -> Shape | None:
    """`randint(high, size)`, `randint(low, high, size)`"""
    size = call.argument(None, "size")
    if size is None:
        given = call.arguments.positional
        size = next((value for value in given[1:3] if is_sequence(machine, value)), None)
    sizes = sizes_of(machine, (size,)) if size is not None and is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _arange(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional
    bounds = [int_of(value) for value in given]
    if call.argument(None, "end", "start", "step") is not None or not 1 <= len(given) <= 3 or None in bounds:
        return Shape((None,))
    known = [bound for bound in bounds if bound is not None]
    return Shape((len(range(*known)),)) if len(known) < 3 or known[2] else None


def _counted(at: int, name: str) -> Entry:
    """One dimension, as long as an argument says."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return Shape((int_of(call.argument(at, name)),))

    return entry


def _eye(machine: "Interpreter", call: "Call") -> Shape | None:
    rows = int_of(call.argument(0, "n"))
    second = call.argument(1, "m")
    return Shape((rows, rows if second is None else int_of(second)))


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
    if len(given) == 1 and not is_plain(given[0]):
        return of_data(machine, given[0])
    return Shape(tuple(map(int_of, given))) if given and all(map(is_plain, given)) else None


def _like(machine: "Interpreter", call: "Call") -> Shape | None:
    return subject_shape(call)


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
    "ravel": _flatten,
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
    "gather": _gathered,
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
