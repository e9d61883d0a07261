"""How the results of torch's functions, the methods of tensors and the layers of torch.nn lie in memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic import objects
from torchlint.semantic.knowledge.shapes_arguments import argument, int_of
from torchlint.semantic.layouts import CONTIGUOUS, Layout, permuted, turned
from torchlint.semantic.values import Const, Instance, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# The layout that one call gives; None where it is not certain.
Entry = Callable[["Interpreter", "Call", Tensor], Layout | None]


def with_layout(machine: "Interpreter", call: "Call", entry: Entry, result: Value) -> Value:
    """The result of a call with the layout that the table's entry says."""
    if type(result) is Tensor:
        layout = entry(machine, call, result)
        return result if layout == result.layout else result.but(layout=layout)
    if type(result) is TupleOf and result.items and type(result.items[0]) is Tensor:
        first = result.items[0].but(layout=entry(machine, call, result.items[0]))
        return TupleOf((first, *result.items[1:]), result.origin, made_by=result.made_by, names=result.names)
    return result


def _subject(call: "Call") -> Tensor | None:
    value = call.receiver
    if value is None or isinstance(value, Instance):
        value = call.argument(0, "input", "self", "x")
    return value if type(value) is Tensor and not value.batch else None


def _contiguous(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    keywords = call.arguments.keywords
    return None if "memory_format" in keywords or "out" in keywords or not call.arguments.complete else CONTIGUOUS


def _same(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    """Element by element, which keeps the order in memory."""
    subject = _subject(call)
    return subject.layout if subject is not None and "memory_format" not in call.arguments.keywords else None


def _kept(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    """What is made of numbers that lie in order lies in order."""
    return CONTIGUOUS if _same(machine, call, result) == CONTIGUOUS else None


def _joined(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    given = call.argument(0, "tensors")
    items = objects.exact_items(machine, given) if given is not None else None
    known = items and all(type(item) is Tensor and item.layout == CONTIGUOUS for item in items)
    return CONTIGUOUS if known else None


def _transposed(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    subject, rank = _subject(call), _rank(result)
    a, b = int_of(argument(call, 0, "dim0", "axis0")), int_of(argument(call, 1, "dim1", "axis1"))
    if subject is None or rank is None or a is None or b is None or not (-rank <= a < rank and -rank <= b < rank):
        return None
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return permuted(subject.layout, order)


def _turned(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    """`t()`"""
    subject = _subject(call)
    return turned(subject.layout, subject.shape) if subject is not None else None


def _rank(tensor: Tensor) -> int | None:
    return tensor.shape.settled.rank if tensor.shape is not None else None


def _permuted(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    subject = _subject(call)
    given = call.arguments.positional[call.receiver is None :]
    if len(given) == 1 and not isinstance(given[0], Const):
        given = objects.exact_items(machine, given[0]) or ()
    order = [int_of(value) for value in given]
    known = [dim % len(order) for dim in order if dim is not None and -len(order) <= dim < len(order)]
    return permuted(subject.layout, known) if subject is not None and known and len(known) == len(order) else None


def _recurrent(machine: "Interpreter", call: "Call", result: Tensor) -> Layout | None:
    """The output of a recurrent layer, which works along time whatever comes first."""
    layer, given = call.receiver, call.argument(0, "input")
    if not isinstance(layer, Instance) or not isinstance(given, Tensor) or given.shape is None or given.shape.rank != 3:
        return None
    first = layer.arguments.get(4, "batch_first")
    if not isinstance(first, Const) or first.assumed or not layer.arguments.complete:
        return None
    return (1, 0, 2) if first.value is True else None


_FACTORIES = (
    "zeros", "ones", "rand", "randn", "empty", "full", "arange", "linspace", "eye", "randint", "randperm",
)  # fmt: skip
_ELEMENTWISE = (
    "relu", "gelu", "elu", "silu", "leaky_relu", "sigmoid", "tanh", "exp", "log", "sqrt", "abs", "neg", "square",
    "dropout", "clone", "clamp", "detach",
)  # fmt: skip
_PRODUCTS = ("matmul", "bmm", "mm")
_TRANSPOSES = ("transpose", "swapaxes", "swapdims")
_VIEWS = ("view", "reshape", "flatten", "unsqueeze", "squeeze", "ravel")

LAYOUTS: dict[str, Entry] = {
    **{f"torch.{name}": _contiguous for name in (*_FACTORIES, *_PRODUCTS, "softmax", "log_softmax")},
    **{f"torch.Tensor.{name}": _contiguous for name in (*_PRODUCTS, "softmax", "log_softmax", "contiguous", "repeat")},
    **{
        f"torch.nn.functional.{name}": _contiguous
        for name in ("linear", "softmax", "log_softmax", "one_hot", "embedding", "layer_norm")
    },
    **{
        f"torch.nn.{name}.forward": _contiguous
        for name in ("Linear", "Embedding", "LayerNorm", "Softmax", "LogSoftmax")
    },
    **{f"torch.{place}{name}": _same for place in ("", "Tensor.", "nn.functional.") for name in _ELEMENTWISE},
    **{
        f"torch.nn.{name}.forward": _same
        for name in ("ReLU", "GELU", "ELU", "SiLU", "LeakyReLU", "Sigmoid", "Tanh", "Dropout", "Identity")
    },
    **{
        f"torch.nn.{name}.forward": _kept
        for name in ("Conv1d", "Conv2d", "MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool2d",
            "BatchNorm1d", "BatchNorm2d", "Flatten", "Dropout2d", "ConvTranspose2d")
    },
    **{f"torch.{name}": _joined for name in ("cat", "concat", "stack")},
    **{f"torch.{place}{name}": _kept for place in ("", "Tensor.") for name in _VIEWS},
    **{f"torch.{place}{name}": _transposed for place in ("", "Tensor.") for name in _TRANSPOSES},
    **{f"torch.{place}permute": _permuted for place in ("", "Tensor.")},
    **{f"torch.{place}t": _turned for place in ("", "Tensor.")},
    **{f"torch.nn.{name}.forward": _recurrent for name in ("LSTM", "GRU", "RNN")},
}  # fmt: skip
