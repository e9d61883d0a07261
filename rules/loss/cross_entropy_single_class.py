import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import Loss
from torchlint.semantic.shapes import MANY, Shape, size
from torchlint.semantic.stretches import asks_for_shape
from torchlint.semantic.values import CONTENT, Const, Instance, Items, Numbers, Tensor

CLASSES = frozenset({"cross_entropy", "nll_loss"})
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
SOFTMAX = ("softmax", "log_softmax")
ACTIVATIONS = tuple(
    f"{package}.{name}" for package in ("torch", "torch.Tensor", "torch.nn.functional") for name in SOFTMAX
)
LAYERS = ("torch.nn.Softmax", "torch.nn.LogSoftmax")


class CrossEntropySingleClass(Rule):
    """Checks for cross entropy or softmax over one class.

    Shapes are followed from the last layer to the loss: `nn.Linear(64, 1)` before `nn.CrossEntropyLoss` or before a
    softmax along its output, a convolution with one output channel, and an output that was squeezed to (N,).

    ## Why is this bad?
    The probability of the only class is 1, whatever the model says. The loss is 0 and has no gradient, so nothing is
    learned, and nothing warns; a label of 1 raises `IndexError: Target 1 is out of bounds`. With an output of shape
    (N,) and float targets, the samples of the batch are taken for classes.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    criterion = nn.CrossEntropyLoss()
    loss = criterion(model(torch.randn(16, 64)), torch.zeros(16, dtype=torch.long))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    criterion = nn.BCEWithLogitsLoss()
    loss = criterion(model(torch.randn(16, 64)), torch.zeros(16, 1))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    code = "TL205"
    category = Category.CORRECTNESS
    words = ("oftmax", "Loss", "loss", "ntropy")

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for loss in self.model.losses:
            if loss.name in CLASSES and not loss.call.tried and not asks_for_shape(loss.call.tests):
                self._loss(loss)
        for call in self.model.calls_of(*ACTIVATIONS, *(f"{layer}.forward" for layer in LAYERS)):
            self._softmax(call)
        for call in self.model.calls_of("torch.nn.Sequential"):
            self._layers(call)

    def _loss(self, loss: Loss) -> None:
        scores, target = loss.given, loss.target
        if not isinstance(scores, Tensor) or scores.shape is None or loss.place in self.seen:
            return
        labels = target if isinstance(target, Tensor) else None
        shape = scores.shape
        related = [
            (scores.numbers_origin if scores.numbers is Numbers.LOGITS else None, "the output is made here"),
            (None if loss.here else loss.call.origin, "the loss is computed here"),
        ]
        if _has_one_class(shape, labels.shape if labels is not None else None, scores.numbers):
            self.seen.add(loss.place)
            self.report(
                loss.place,
                f"`{loss.title}` is given scores of one class only, shape {shape}",
                help="use `BCEWithLogitsLoss` for yes or no, `MSELoss` for a number, or one output for each class",
                related=related,
            )
        elif labels is not None and shape.dims == (MANY,) and not shape.open and labels.dtype in FLOATS:
            if labels.shape == shape:
                self.seen.add(loss.place)
                self.report(
                    loss.place,
                    f"`{loss.title}` is given one score for each sample, shape {shape}: it takes the batch for classes",
                    help="use `BCEWithLogitsLoss` for yes or no, or `MSELoss` for a number",
                    related=related,
                )

    def _softmax(self, call: Call) -> None:
        """The softmax of what a layer gave, along a dimension of size 1."""
        given = call.receiver if isinstance(call.receiver, Tensor) else call.argument(0, "input")
        result = call.result
        if not call.certain or call.tried or call.node in self.seen or asks_for_shape(call.tests):
            return
        if not isinstance(given, Tensor) or given.numbers is not Numbers.LOGITS or not isinstance(result, Tensor):
            return
        dim = result.numbers_dim
        # Dimension 0 is the batch.
        if dim is None or dim == 0 or size(given.shape, dim) != 1 or not _is_last(given.shape, dim):
            return
        self.seen.add(call.node)
        self._report_softmax(call.node, given)

    def _report_softmax(self, node: cst.CSTNode, given: Tensor | None) -> None:
        self.report(
            node,
            "softmax over one class is 1 whatever the model says",
            help="use a sigmoid for yes or no, or one output for each class",
            related=[(given.numbers_origin if given is not None else None, "the output is made here")],
        )

    def _layers(self, call: Call) -> None:
        """`nn.Linear(64, 1)` and then a softmax along the last dimension, called or not."""
        made = call.result
        held = self.model.held(made, CONTENT) if isinstance(made, Instance) else None
        if not isinstance(held, Items) or held.items is None or len(held.items) < 2:
            return
        layer, last = held.items[-2:]
        if not isinstance(layer, Instance) or not isinstance(last, Instance) or last.symbol not in LAYERS:
            return
        width, dim = layer.arguments.get(1, "out_features"), last.arguments.get(0, "dim")
        flat = any(isinstance(item, Instance) and item.symbol == "torch.nn.Flatten" for item in held.items)
        along = (Const(-1), Const(1)) if flat else (Const(-1),)
        if layer.symbol == "torch.nn.Linear" and width == Const(1) and dim in along and last.origin is not None:
            node = last.origin.node
            if last.origin.unit is self.model.unit and node not in self.seen:
                self.seen.add(node)
                self._report_softmax(node, None)


def _is_last(shape: Shape | None, dim: int) -> bool:
    """Whether a dimension is the last one, where a layer puts its outputs, or the channels of an image."""
    if shape is None:
        return False
    count = len(shape.dims)
    return dim in (-1, count - 1) or (dim == 1 and count >= 4 and not shape.open)


def _has_one_class(scores: Shape, target: Shape | None, numbers: Numbers) -> bool:
    """Whether cross entropy finds one class: along dimension 1, or 0 where there is no batch."""
    if not scores.open:
        return len(scores.dims) > 1 and scores.dims[1] == 1
    if scores.dims in ((1, None), (1, None, None), (1, None, None, None)):
        # A convolution with one channel.
        return numbers is Numbers.LOGITS
    return scores.dims == (1,) and target is not None and target.rank == 1 and numbers is Numbers.LOGITS
