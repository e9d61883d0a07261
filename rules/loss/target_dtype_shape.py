import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import Loss, argument
from torchlint.semantic.shapes import MANY, Shape
from torchlint.semantic.stretches import asks_for_shape
from torchlint.semantic.values import Array, Const, ListRef, Numbers, Scalar, Tensor, Tri, TupleOf, Value

CLASSES = frozenset({"cross_entropy", "nll_loss"})
BINARY = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
INTEGERS = frozenset({"bool", "uint8", "int8", "int16", "int32", "int64"})
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
CASTS = {"long": INTEGERS, "int": INTEGERS, "float": FLOATS, "double": FLOATS, "half": FLOATS}
# Constructors that keep weights of classes or samples, and the parameters that hold them, with their positions.
WEIGHTED: dict[str, tuple[tuple[str, int | None], ...]] = {
    "torch.nn.CrossEntropyLoss": (("weight", 0),),
    "torch.nn.NLLLoss": (("weight", 0),),
    "torch.nn.BCELoss": (("weight", 0),),
    "torch.nn.BCEWithLogitsLoss": (("weight", 0), ("pos_weight", None)),
    "torch.nn.functional.cross_entropy": (("weight", 2),),
    "torch.nn.functional.nll_loss": (("weight", 2),),
    "torch.nn.functional.binary_cross_entropy": (("weight", 2),),
    "torch.nn.functional.binary_cross_entropy_with_logits": (("weight", 2), ("pos_weight", 5)),
}
PREDICTIONS = frozenset({Numbers.SIGMOID, Numbers.CLAMPED_SIGMOID, Numbers.SOFTMAX, Numbers.LOGITS})


class TargetDtypeShape(Rule):
    """Checks for targets and class weights whose type or shape does not suit the loss.

    Cross entropy takes class indices (`int64`, one dimension less than the scores) or probabilities (floats, the shape
    of the scores); binary cross entropy takes floats; weights are tensors of floats. Types and shapes are followed from
    where they are known: casts, `one_hot`, loaders and datasets, literals. Scores and target that have changed places
    are found as well.

    ## Why is this bad?
    The loss raises, at the first batch: `expected target dtype to be Long or Byte, but got Float`, `Expected floating
    point type for target with class probabilities`, `0D or 1D target tensor expected, multi-target not supported`,
    `result type Float can't be cast to the desired output type Long`. With scores and target exchanged,
    binary cross entropy raises nothing and is wrong.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    scores, labels = torch.randn(8, 10), torch.randint(10, (8,))
    loss = F.cross_entropy(scores, labels.float())
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    scores, labels = torch.randn(8, 10), torch.randint(10, (8,))
    loss = F.cross_entropy(scores, labels)
    ```

    ## Fix safety
    Safe: the loss raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    code = "TL210"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("Loss", "loss", "ntropy")

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for loss in self.model.losses:
            scores, target = loss.given, loss.target
            if loss.call.tried or not isinstance(target, Tensor) or asks_for_shape(loss.call.tests):
                continue
            if isinstance(scores, Tensor) and _are_exchanged(loss.name, scores, target):
                self._report(loss, f"`{loss.title}` is given the labels first and the prediction as its target",
                             "give it the prediction, then the labels", None)  # fmt: skip
            elif loss.name in CLASSES:
                self._classes(loss, scores.shape if isinstance(scores, Tensor) else None, target)
            elif loss.name in BINARY and target.dtype in INTEGERS:
                self._report(loss, f"`{loss.title}` is given a target of type `{target.dtype}`, and takes floats only",
                             "make the target floats: `.float()`", "float")  # fmt: skip
        for name, parameters in WEIGHTED.items():
            for call in self.model.calls_of(name):
                for parameter, position in parameters:
                    self._weight(call, parameter, call.argument(position, parameter))

    def _classes(self, loss: Loss, scores: Shape | None, target: Tensor) -> None:
        dtype, shape = target.dtype, target.shape
        title = loss.title
        if dtype in INTEGERS and dtype not in ("int64", "uint8"):
            self._report(loss, f"`{title}` is given class indices of type `{dtype}`, and takes `int64` only",
                         "make the target `int64`: `.long()`", "long")  # fmt: skip
        elif scores is None or shape is None:
            return
        elif _is_column(scores, shape):
            self._report(loss, f"`{title}` is given class indices of shape {shape}, which must have no dimension of 1",
                         "drop the last dimension of the target: `.squeeze(1)`", None)  # fmt: skip
        elif dtype in INTEGERS and _is_one_hot(scores, shape):
            help_ = "pass the class indices, or make them floats: `.float()`"
            if loss.name == "nll_loss":
                help_ = "pass the class indices"
            self._report(loss, f"`{title}` is given integers of the shape of its input, {shape}: neither classes nor "
                         "probabilities", help_, "float" if loss.name == "cross_entropy" else None)  # fmt: skip
        elif dtype in FLOATS and _is_indices(scores, shape):
            self._report(loss, f"`{title}` is given class indices of type `{dtype}`, and takes `int64`",
                         "make the target `int64`: `.long()`", "long")  # fmt: skip
        elif _is_misplaced(scores, shape):
            self._report(loss, f"`{title}` takes classes along dimension 1: shape {scores} does not fit a target of "
                         f"{shape}", "move the classes: `.transpose(1, 2)` on the input", None)  # fmt: skip

    def _report(self, loss: Loss, message: str, help_: str, cast: str | None) -> None:
        node = loss.call.node
        if not isinstance(node, cst.Call):
            return
        written = argument(node, 1, "target") if loss.here else None
        place = loss.place if not loss.here else written if written is not None else node
        if place in self.seen:
            return
        self.seen.add(place)
        self.report(
            place,
            message,
            help=help_,
            fix=self._cast(written, cast) if written is not None and cast is not None else None,
            related=[(None if loss.here else loss.call.origin, "the loss is computed here")],
        )

    def _cast(self, written: cst.BaseExpression, cast: str) -> Repair | None:
        """The target with a cast after it, or in the place of the cast that it ends in."""
        kept = written
        if isinstance(written, cst.Call) and isinstance(written.func, cst.Attribute) and not written.args:
            if written.func.attr.value in CASTS:
                kept = written.func.value
        if not isinstance(kept, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
            return None
        edit = self.replace(written, f"{self.text(kept)}.{cast}()")
        return self.fix(f"make the target {'floats' if cast == 'float' else 'int64'}", Applicability.SAFE, edit)

    def _weight(self, call: Call, parameter: str, value: Value | None) -> None:
        node = call.node
        if value is None or not call.certain or call.tried or not isinstance(node, cst.Call):
            return
        constructed = call.name is not None and call.name.split(".")[-2] == "nn"
        if isinstance(value, (ListRef, TupleOf, Array)) or _is_number(value):
            what = {ListRef: "a list", TupleOf: "a tuple", Array: "an array"}.get(type(value), "a number")
        elif isinstance(value, Tensor) and value.dtype in INTEGERS and _counts_classes(call.name or ""):
            what = f"a tensor of `{value.dtype}`"
        else:
            return
        place = argument(node, 10**6, parameter) or (node.args[0].value if constructed and node.args else node)
        if place in self.seen:
            return
        self.seen.add(place)
        name = (call.name or "").removeprefix("torch.").removeprefix("nn.functional.")
        self.report(
            place,
            f"`{parameter}` of `{name}` is {what}, and must be a tensor of floats",
            help="make it a tensor: `torch.tensor(..., dtype=torch.float32)`",
        )


def _is_number(value: Value) -> bool:
    return isinstance(value, Scalar) or (isinstance(value, Const) and isinstance(value.value, (int, float)))


def _counts_classes(name: str) -> bool:
    """Whether a loss multiplies by weights of its classes, which must be of the type of the scores."""
    return name.rpartition(".")[2] in ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss")


def _is_several(dim: int | str | None) -> bool:
    return dim is not None and dim != 1


def _is_column(scores: Shape, target: Shape) -> bool:
    """Class indices of shape (N, 1) for scores of several classes."""
    return scores.rank == 2 and target.rank == 2 and target.last == 1 and _is_several(scores.last)


def _is_one_hot(scores: Shape, target: Shape) -> bool:
    """As many dimensions as the scores, which class indices never have."""
    if scores.rank is not None and target.rank is not None:
        return scores.rank == target.rank and scores.rank > 1
    classes = scores.last
    return isinstance(classes, int) and classes > 1 and target.last == classes and (target.open or target.rank == 2)


def _is_indices(scores: Shape, target: Shape) -> bool:
    """One dimension less than the scores, which probabilities never have."""
    if scores.rank is not None and target.rank is not None:
        return scores.rank == target.rank + 1 > 1
    return scores.open and target.dims == (MANY,) and not target.open and isinstance(scores.last, int)


def _is_misplaced(scores: Shape, target: Shape) -> bool:
    """Scores (N, T, C) for targets (N, T)."""
    if scores.rank != 3 or target.rank != 2:
        return False
    wanted, given = scores.dims[2], target.dims[1]
    return isinstance(wanted, int) and isinstance(given, int) and wanted != given


def _are_exchanged(name: str, scores: Tensor, target: Tensor) -> bool:
    """Whether what comes first are labels, and what comes second is what a model predicts."""
    if name not in CLASSES and name not in BINARY:
        return False
    if target.grad is not Tri.YES or scores.grad is not Tri.NO or scores.grad_origin is not None:
        return False
    if name in CLASSES:
        return scores.dtype in INTEGERS
    return target.numbers in PREDICTIONS and scores.numbers is Numbers.UNKNOWN and scores.dtype is not None
