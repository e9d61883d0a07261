"""The dtypes that torch's functions, the methods of tensors and the layers of torch.nn give, by qualified name.

One entry says what one call gives, as far as its operands and arguments are known. What torch refuses may get any.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic import layer_dtypes, objects
from torchlint.semantic.knowledge.dtypes import named
from torchlint.semantic.knowledge.shapes_arguments import argument
from torchlint.semantic.promotion import (
    BOOL,
    COMPLEX,
    default_float,
    is_float,
    is_whole,
    promoted,
    quotient,
    result_type,
)
from torchlint.semantic.values import NONE, Const, Instance, Iterated, Symbol, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# The dtype that one call gives; None where it is not certain.
Entry = Callable[["Interpreter", "Call"], str | None]


def with_dtype(machine: "Interpreter", call: "Call", entry: Entry, result: Value) -> Value:
    """The result of a call with the dtype that the table's entry says; tensors of indices keep theirs."""
    if type(result) is Tensor:
        dtype = entry(machine, call)
        return result if dtype == result.dtype else result.but(dtype=dtype)
    if type(result) is TupleOf or type(result) is Iterated:
        return _each_with(result, entry(machine, call))
    return result


def _each_with(value: Value, dtype: str | None) -> Value:
    if isinstance(value, Tensor):
        return value if value.dtype is not None else value.but(dtype=dtype)
    if isinstance(value, TupleOf):
        items = [_each_with(item, dtype) for item in value.items]
        return TupleOf(items, value.origin, made_by=value.made_by, names=value.names)
    if isinstance(value, Iterated):
        return Iterated(_each_with(value.element, dtype), value.over, value.origin)
    return value


def _subject(call: "Call") -> Value | None:
    if call.receiver is not None and not isinstance(call.receiver, Instance):
        return call.receiver
    return call.argument(0, "input", "self", "x", "tensor")


def _dtype(value: Value | None) -> str | None:
    return value.dtype if type(value) is Tensor and not value.batch else None


def _same(machine: "Interpreter", call: "Call") -> str | None:
    return _dtype(_subject(call))


def _floating(machine: "Interpreter", call: "Call") -> str | None:
    """Whole numbers become floats."""
    return quotient(_dtype(_subject(call)), default_float(machine))


def _magnitude(machine: "Interpreter", call: "Call") -> str | None:
    """The same, but for complex numbers."""
    dtype = _dtype(_subject(call))
    return None if dtype in COMPLEX else dtype


def _asked(at: int, entry: Entry) -> Entry:
    """What `dtype=` says, else what an entry does."""

    def asked(machine: "Interpreter", call: "Call") -> str | None:
        told = argument(call, at, "dtype") if at >= 0 else call.argument(None, "dtype")
        if at >= 0 and told is not None and not isinstance(told, Symbol) and told != NONE:
            told = call.argument(None, "dtype")
        if not call.arguments.complete:
            return None
        return entry(machine, call) if told is None or told == NONE else named(told)

    return asked


def _total(machine: "Interpreter", call: "Call") -> str | None:
    """Sums of whole numbers are wide."""
    dtype = _dtype(_subject(call))
    return "int64" if is_whole(dtype) else dtype


def _whole(machine: "Interpreter", call: "Call") -> str | None:
    return "int64"


def _bool(machine: "Interpreter", call: "Call") -> str | None:
    return BOOL


def _all_or_any(machine: "Interpreter", call: "Call") -> str | None:
    """`all`, `any`: bytes stay bytes."""
    dtype = _dtype(_subject(call))
    return None if dtype is None else "uint8" if dtype == "uint8" else BOOL


def _operands(call: "Call", *names: str) -> list[Value]:
    """The two operands of an elementwise function or method."""
    first = _subject(call)
    second = argument(call, 0, *names)
    return [value for value in (first, second) if value is not None]


def _promoted(machine: "Interpreter", call: "Call") -> str | None:
    operands = _operands(call, "other", "exponent")
    return result_type(operands, default_float(machine)) if len(operands) == 2 else None


def _floating_both(machine: "Interpreter", call: "Call") -> str | None:
    return quotient(_promoted(machine, call), default_float(machine))


def _divided(machine: "Interpreter", call: "Call") -> str | None:
    mode = call.argument(None, "rounding_mode")
    if mode is None or mode == NONE:
        return _floating_both(machine, call)
    return _promoted(machine, call) if isinstance(mode, Const) else None


def _limited(machine: "Interpreter", call: "Call") -> str | None:
    """`clamp(min, max)`, which promotes with its bounds."""
    bounds = [argument(call, 0, "min"), argument(call, 1, "max")]
    subject = _subject(call)
    operands = [value for value in (subject, *bounds) if value is not None and value != NONE]
    return result_type(operands, default_float(machine)) if subject is not None else None


def _limited_on_one_side(machine: "Interpreter", call: "Call") -> str | None:
    operands = _operands(call, "min", "max")
    return result_type(operands, default_float(machine))


def _extreme(machine: "Interpreter", call: "Call") -> str | None:
    """`max`, `min`: of all, along a dimension, or of two tensors."""
    second = argument(call, 0, "dim", "axis", "other")
    if isinstance(second, Tensor):
        return result_type(_operands(call, "other"), default_float(machine))
    return _same(machine, call)


def _where(machine: "Interpreter", call: "Call") -> str | None:
    """`torch.where(condition, a, b)`, `a.where(condition, b)`"""
    given = call.arguments.positional
    if call.receiver is not None:
        given = (given[0], call.receiver, *given[1:]) if given else ()
    return result_type(given[1:], default_float(machine)) if len(given) == 3 else None


def _of_either(machine: "Interpreter", call: "Call") -> str | None:
    """Products of matrices, of which both are of one dtype."""
    if _is_mixed(machine):
        return None
    return _dtype(_subject(call)) or _dtype(argument(call, 0, "other", "mat2", "vec", "tensor"))


def _joined(machine: "Interpreter", call: "Call") -> str | None:
    """`cat`, `stack`, which promote by dtype alone."""
    given = call.argument(0, "tensors")
    items = objects.exact_items(machine, given) if given is not None else None
    if items is None:
        held = objects.content(machine, given) if given is not None else None
        return _dtype(held.any) if held is not None else None
    result: str | None = None
    for index, item in enumerate(items):
        dtype = _dtype(item)
        result = dtype if index == 0 else promoted(result, dtype) if result is not None and dtype is not None else None
        if result is None:
            return None
    return result


def _like_other(machine: "Interpreter", call: "Call") -> str | None:
    """`type_as`"""
    return _dtype(argument(call, 0, "other", "tensor"))


def _viewed(machine: "Interpreter", call: "Call") -> str | None:
    """`view`, which also takes a dtype."""
    first = argument(call, 0, "dtype")
    if isinstance(first, Symbol):
        return named(first)
    return _same(machine, call)


def _reduced(machine: "Interpreter", call: "Call") -> str | None:
    """Losses that take numbers and targets of any dtype of floats."""
    given, target = call.argument(0, "input"), call.argument(1, "target")
    a, b = _dtype(given), _dtype(target)
    if not is_float(a) or not is_float(b) or call.argument(2, "weight", "size_average") is not None:
        return None
    # They are stretched to one shape first, so that ranks do not count.
    return promoted(str(a), str(b))


def _of_scores(machine: "Interpreter", call: "Call") -> str | None:
    """Losses of classes."""
    if _is_mixed(machine):
        return None
    dtype, target = _dtype(call.argument(0, "input")), _dtype(call.argument(1, "target"))
    # Of classes, or of probabilities.
    return dtype if is_float(dtype) and (is_whole(target) or target == dtype) else None


def _is_mixed(machine: "Interpreter") -> bool:
    """Whether a program may run under autocast, where some results are of half precision."""
    return "autocast" in machine.unit.source.text or "autocast" in machine.target.source.text


# -- layers ------------------------------------------------------------------------------------------------------------


def _layer(machine: "Interpreter", call: "Call") -> str | None:
    """A layer that multiplies by its parameters, which must be of the dtype of what it is given."""
    layer = call.receiver
    if not isinstance(layer, Instance):
        return None
    dtype = layer_dtypes.dtype_of(machine, layer)
    layer_dtypes.note(machine, call, layer, call.argument(0, "input", "query", "src", "input1"), dtype)
    return None if _is_mixed(machine) else dtype


def _looked_up(machine: "Interpreter", call: "Call") -> str | None:
    """A layer that picks its parameters by index."""
    layer = call.receiver
    if not isinstance(layer, Instance):
        return None
    layer_dtypes.note_index(machine, call, layer, call.argument(0, "input"))
    return layer_dtypes.dtype_of(machine, layer)


# -- the table ---------------------------------------------------------------------------------------------------------

_FLOATING = (
    "acos", "acosh", "arccos", "arcsin", "arctan", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg2rad",
    "digamma", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "lgamma", "log", "log10", "log1p", "log2", "logit",
    "rad2deg", "reciprocal", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "softsign", "sqrt", "tan", "tanh", "tanhshrink",
)  # fmt: skip
_SAME = (
    "alpha_dropout", "bernoulli", "bitwise_not", "ceil", "celu", "chunk", "clone", "contiguous", "cummax", "cummin",
    "detach", "diag", "diagonal", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu",
    "feature_alpha_dropout", "flip", "fliplr", "flipud", "floor", "frac", "gelu", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "interpolate", "kthvalue", "leaky_relu", "masked_fill", "median", "mish", "mode",
    "nan_to_num", "nanmedian", "neg", "negative", "normalize", "pad", "positive", "relu", "relu6", "roll", "round",
    "selu", "sgn", "sign", "silu", "softmin", "softplus", "softshrink", "sort", "split", "square",
    "threshold", "topk", "tril", "triu", "trunc", "unbind", "logsigmoid", "glu", "amax", "amin",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "diag_embed", "unfold", "cosine_similarity",
)  # fmt: skip
# In torch and among the methods of tensors.
SHARED: dict[str, Entry] = {
    **dict.fromkeys(_FLOATING, _floating),
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("abs", "absolute"), _magnitude),
    "logsumexp": _floating,
    **dict.fromkeys(("mean", "nanmean"), _asked(-1, _same)),
    **dict.fromkeys(("std", "var"), _magnitude),
    "norm": _asked(-1, _magnitude),
    **dict.fromkeys(("softmax", "log_softmax"), _asked(1, _same)),
    **dict.fromkeys(("sum", "nansum", "prod", "cumsum", "cumprod"), _asked(-1, _total)),
    **dict.fromkeys(("argmax", "argmin", "argsort", "nonzero", "count_nonzero", "multinomial"), _whole),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "greater", "greater_equal", "less", "less_equal", "not_equal",
        "isnan", "isinf", "isfinite", "logical_and", "logical_or", "logical_xor", "logical_not", "isclose"), _bool),
    **dict.fromkeys(("all", "any"), _all_or_any),
    **dict.fromkeys(("add", "sub", "subtract", "mul", "multiply", "maximum", "minimum", "fmax", "fmin", "fmod",
        "remainder", "pow", "floor_divide", "bitwise_and", "bitwise_or", "bitwise_xor"), _promoted),
    **dict.fromkeys(("div", "divide"), _divided),
    **dict.fromkeys(("true_divide", "atan2", "arctan2"), _floating_both),
    **dict.fromkeys(("clamp", "clip"), _limited),
    **dict.fromkeys(("clamp_min", "clamp_max"), _limited_on_one_side),
    **dict.fromkeys(("max", "min"), _extreme),
    "where": _where,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), _of_either),
}  # fmt: skip
METHODS: dict[str, Entry] = {"type_as": _like_other, "view": _viewed}
FUNCTIONS: dict[str, Entry] = dict.fromkeys(
    ("cat", "concat", "concatenate", "stack", "vstack", "hstack", "dstack"), _joined
)
FUNCTIONAL = (*_SAME, "relu", "sigmoid", "softsign", "tanhshrink", "tanh", "softmax", "log_softmax")
LOSSES: dict[str, Entry] = {
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), _reduced),
    **dict.fromkeys(("cross_entropy", "nll_loss"), _of_scores),
}
_PARAMETERS = (
    "Linear", "Bilinear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LSTM",
    "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "MultiheadAttention", "TransformerEncoderLayer",
)  # fmt: skip
_PLAIN = (
    "ReLU", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus", "Hardtanh", "ReLU6",
    "Hardswish", "Hardsigmoid", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "Flatten",
    "Unflatten", "Identity", "Softmax", "LogSoftmax", "Softmax2d", "LogSigmoid", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "Upsample", "ZeroPad2d", "ReflectionPad2d",
    "ReplicationPad2d", "PixelShuffle", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "GroupNorm",
    "InstanceNorm1d", "InstanceNorm2d", "GLU",
)  # fmt: skip

DTYPES: dict[str, Entry] = {
    **{f"torch.{name}": entry for name, entry in {**SHARED, **FUNCTIONS}.items()},
    **{f"torch.Tensor.{name}": entry for name, entry in {**SHARED, **METHODS}.items()},
    **{f"torch.nn.functional.{name}": SHARED[name] for name in FUNCTIONAL},
    **{f"torch.special.{name}": SHARED[name] for name in ("softmax", "log_softmax")},
    "torch.special.expit": _floating,
    "torch.nn.functional.one_hot": _whole,
    **{f"torch.nn.functional.{name}": entry for name, entry in LOSSES.items()},
    **{f"torch.nn.{name}.forward": _layer for name in _PARAMETERS},
    **{f"torch.nn.{name}.forward": _looked_up for name in ("Embedding", "EmbeddingBag")},
    **{f"torch.nn.{name}.forward": _same for name in _PLAIN},
    **{f"torch.nn.{name}.forward": _floating for name in ("Sigmoid", "Tanh", "Softsign")},
    **{f"torch.nn.{name}.forward": _reduced for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")},
    **{f"torch.nn.{name}.forward": _of_scores for name in ("CrossEntropyLoss", "NLLLoss")},
}
