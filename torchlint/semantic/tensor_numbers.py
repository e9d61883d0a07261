"""What the numbers of tensors are after an operation: raw scores stay raw scores when they are reshaped or scaled,
the sum of exponentials is that, `1 - sigmoid(x)` is its complement."""

from torchlint.semantic.values import Const, Numbers, Scalar, Tensor, Value

# Of any size: averaging, scaling and picking some of them keeps them so.
UNBOUNDED = frozenset({Numbers.LOGITS, Numbers.ACTIVATION})
_RESAMPLED = UNBOUNDED | {Numbers.SOFTMAX, Numbers.SIGMOID}
_CLAMPED = {
    Numbers.SOFTMAX: Numbers.CLAMPED_SOFTMAX,
    Numbers.SIGMOID: Numbers.CLAMPED_SIGMOID,
    **{
        kind: kind
        for kind in (
            Numbers.CLAMPED_SOFTMAX,
            Numbers.CLAMPED_SIGMOID,
            Numbers.LOG_SOFTMAX,
            Numbers.LOG_SIGMOID,
            Numbers.STEPS,
        )
    },
}
# Operations after which numbers that are averaged, or of which some are dropped, still are what they were.
POOLING = (
    *(f"{kind}_pool{rank}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for rank in (1, 2, 3)),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "mean"),
)
RESAMPLING = ("interpolate", "upsample")
CLAMPING = ("clamp", "clip", "clamp_min", "clamp_max", "nan_to_num")


def kept(operation: str, numbers: Numbers) -> Numbers:
    """What numbers are after an operation that picks, averages or limits them; UNKNOWN for any other."""
    if numbers is Numbers.UNKNOWN:
        return numbers
    if operation in CLAMPING:
        return _CLAMPED.get(numbers, Numbers.UNKNOWN)
    if operation in POOLING:
        return numbers if numbers in UNBOUNDED else Numbers.UNKNOWN
    if operation in RESAMPLING:
        return numbers if numbers in _RESAMPLED else Numbers.UNKNOWN
    if operation in ("sum", "cumsum"):
        return Numbers.SUM_OF_EXP if numbers is Numbers.EXP else Numbers.UNKNOWN
    return Numbers.UNKNOWN


def combined(left: Value, operator: str, right: Value) -> Numbers:
    """What the numbers of `left <operator> right` are; one of them is a tensor."""
    a = left.numbers if isinstance(left, Tensor) else None
    b = right.numbers if isinstance(right, Tensor) else None
    if a is not None and b is not None:
        # A difference may well be that to the largest one, which has an upper bound.
        return Numbers.LOGITS if a is b is Numbers.LOGITS and operator == "Add" else Numbers.UNKNOWN
    number, numbers = (left, b) if a is None else (right, a)
    if numbers is None or not isinstance(number, (Const, Scalar)):
        return Numbers.UNKNOWN
    if numbers in (Numbers.SIGMOID, Numbers.CLAMPED_SIGMOID) and number is left and operator == "Subtract":
        one = isinstance(number, Const) and number.value == 1 and numbers is Numbers.SIGMOID
        return Numbers.ONE_MINUS_SIGMOID if one else Numbers.UNKNOWN
    if numbers is Numbers.EXP and operator == "Add" and isinstance(number, Const) and number.value == 1:
        return Numbers.ONE_PLUS_EXP
    if numbers is Numbers.LOGITS and operator in ("Add", "Subtract", "Multiply"):
        return numbers
    return numbers if numbers is Numbers.LOGITS and operator == "Divide" and number is right else Numbers.UNKNOWN
