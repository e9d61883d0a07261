import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import Loss
from torchlint.semantic.shapes import Shape
from torchlint.semantic.values import NONE, Const, Numbers, Tensor, Value

# Functions and classes that choose a dimension where none is given, with the position of `dim`.
IMPLICIT = {
    **{f"torch.nn.functional.{name}": 1 for name in ("softmax", "log_softmax", "softmin")},
    **{f"torch.nn.{name}": 0 for name in ("Softmax", "LogSoftmax", "Softmin")},
}
# Functions that need one.
REQUIRED = {
    **{f"torch.{name}": 1 for name in ("softmax", "log_softmax")},
    **{f"torch.Tensor.{name}": 0 for name in ("softmax", "log_softmax")},
    **{f"torch.special.{name}": 1 for name in ("softmax", "log_softmax")},
}
# Losses of which the input has a row for each example, and in it a score for each class.
CLASSIFYING = frozenset({"nll_loss", "cross_entropy"})
# After these the first dimension may be another one.
RESHAPING = frozenset({
    "unsqueeze", "squeeze", "view", "reshape", "transpose", "t", "permute", "flatten", "expand", "repeat", "stack",
})  # fmt: skip
NORMALIZED = frozenset({Numbers.SOFTMAX, Numbers.CLAMPED_SOFTMAX, Numbers.LOG_SOFTMAX})


class SoftmaxWithoutDim(Rule):
    """Checks for softmax, log_softmax and softmin without `dim`, or along the batch.

    The latter is reported where the result is what a loss of classes is computed from.

    ## Why is this bad?
    `torch.softmax` raises `TypeError`. `torch.nn.functional.softmax` and `nn.Softmax` warn when they run, and choose a
    dimension by the number of dimensions: 0 for one or three, 1 for two or four. Sequences of shape (batch, time,
    classes) are normalized over the batch, and the probabilities of an example do not add up to 1.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    weights = F.softmax(torch.randn(8, 5, 10))
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    weights = F.softmax(torch.randn(8, 5, 10), dim=-1)
    ```

    ## Fix safety
    Unsafe: `dim=-1` is what is mostly meant, and gives other numbers where there are three or four dimensions. For one
    or two, it gives the same, and the fix is safe.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
    """

    code = "TL206"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("oftmax", "oftmin")

    def leave_Module(self, node: cst.Module) -> None:
        for name, index in IMPLICIT.items():
            for call in self.model.calls_of(name):
                if self._lacks_dim(call, index):
                    self._report_implicit(call, name)
        for name, index in REQUIRED.items():
            for call in self.model.calls_of(name):
                if self._lacks_dim(call, index) and not call.tried:
                    self.report(
                        call.node,
                        f"`{self._short(name)}` without `dim` raises `TypeError`",
                        help="say along which dimension: `dim=-1` for the last one",
                        fix=self._add_dim(call),
                        severity=Severity.ERROR,
                    )

        for loss in self.model.losses:
            if loss.name in CLASSIFYING and self._is_over_batch(loss):
                self._report_batch(loss)

    @staticmethod
    def _is_over_batch(loss: Loss) -> bool:
        """Whether scores of several examples, each with a label, were normalized along their first dimension."""
        scores, labels = loss.given, loss.target
        if not isinstance(scores, Tensor) or scores.numbers_dim != 0 or scores.numbers not in NORMALIZED:
            return False
        made = scores.origin.node if scores.origin is not None else None
        func = made.func if isinstance(made, cst.Call) else None
        if isinstance(func, cst.Attribute) and func.attr.value in RESHAPING:
            return False
        if isinstance(scores.shape, Shape) and scores.shape.rank is not None:
            return scores.shape.rank > 1
        if not isinstance(labels, Tensor):
            return False
        return labels.batch or (labels.shape is not None and labels.shape.rank == 1 and loss.name == "nll_loss")

    def _report_batch(self, loss: Loss) -> None:
        made = loss.given.numbers_origin if isinstance(loss.given, Tensor) else None
        here = made is not None and made.unit is self.model.unit
        self.report(
            made.node if made is not None and here else loss.place,
            "dimension 0 is the batch here: the probabilities of an example do not add up to 1",
            help="normalize along the classes: `dim=1`",
            related=[(loss.call.origin, "the loss of the classes is computed here")],
        )

    @staticmethod
    def _lacks_dim(call: Call, index: int) -> bool:
        """Whether a call certainly gives no dimension, or None, which is the same."""
        arguments = call.arguments
        if not call.certain or not arguments.complete or arguments.tail:
            return False
        given: Value | None = call.argument(index, "dim", "axis")
        return given is None or (given == NONE and isinstance(given, Const) and not given.assumed)

    @staticmethod
    def _short(name: str) -> str:
        return name.rpartition(".")[2]

    def _report_implicit(self, call: Call, name: str) -> None:
        short = self._short(name)
        self.report(
            call.node,
            f"`{short}` without `dim` chooses a dimension, the batch's where there are three",
            help="say along which dimension: `dim=-1` for the last one, `dim=1` for channels",
            fix=self._add_dim(call),
        )

    def _add_dim(self, call: Call) -> Repair | None:
        node = call.node
        written = len(call.arguments.positional) + len(call.arguments.keywords)
        if not isinstance(node, cst.Call) or len(node.args) != written or any(arg.star for arg in node.args):
            return None
        if call.argument(None, "dim", "axis") is not None:
            return None
        edit = (
            self.insert_after(node.args[-1].value, ", dim=-1")
            if node.args
            else self.replace(node, f"{self.text(node.func)}(dim=-1)")
        )
        same = all(self._has_one_choice(other) for other in self.model.calls(node))
        return self.fix("add `dim=-1`", Applicability.SAFE if same else Applicability.UNSAFE, edit)

    @staticmethod
    def _has_one_choice(call: Call) -> bool:
        """Whether the last dimension is the one that is chosen: for one dimension, and for two."""
        given = call.argument(0, "input")
        shape = given.shape if isinstance(given, Tensor) else None
        return shape is not None and shape.rank in (1, 2) and (call.name or "") in IMPLICIT
