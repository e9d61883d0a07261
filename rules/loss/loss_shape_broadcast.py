import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.losses import Loss, argument
from torchlint.semantic.shapes import MANY, Shape, broadcast, disagree, stretches
from torchlint.semantic.stretches import Stretch, asks_for_shape
from torchlint.semantic.values import Numbers, Tensor, Tri

ELEMENTWISE = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
# These refuse a target of another size.
STRICT = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
SAME = "give both the same shape: `.squeeze(1)` on the one of two dimensions, or `.unsqueeze(1)` on the other"


class LossShapeBroadcast(Rule):
    """Checks for a prediction of shape (N, 1) that meets a target of shape (N,), or the other way round.

    Shapes are followed through layers, models, loaders and variables. Losses that compare element by element are
    looked at, and differences and comparisons of a model's output with labels.

    ## Why is this bad?
    The two broadcast to N x N: each prediction is compared with the target of every sample. The loss is an average
    over wrong pairs, and the model learns to predict the mean; an accuracy that is counted so comes out at several
    hundred percent. `MSELoss` and its like only warn, an expression such as `(output - y) ** 2` is silent, and
    `BCELoss` and `BCEWithLogitsLoss` raise.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    features, target = torch.randn(32, 4), torch.randn(32)
    loss = nn.MSELoss()(model(features), target)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    features, target = torch.randn(32, 4), torch.randn(32)
    loss = nn.MSELoss()(model(features).squeeze(-1), target)
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    - https://docs.pytorch.org/docs/stable/notes/broadcasting.html
    """

    code = "TL209"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("torch",)

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for loss in self.model.losses:
            if loss.name in ELEMENTWISE or loss.name in STRICT:
                self._loss(loss)
        for stretch in self.model.stretches:
            if not stretch.asked and (_is_wrong(stretch.left, stretch.right) or _is_wrong(stretch.right, stretch.left)):
                self._operator(stretch)

    def _loss(self, loss: Loss) -> None:
        given, target = loss.given, loss.target
        if not isinstance(given, Tensor) or not isinstance(target, Tensor) or asks_for_shape(loss.call.tests):
            return
        a, b = given.shape, target.shape
        if a is None or b is None or loss.call.tried:
            return
        node = loss.call.node if loss.here else loss.place
        if node in self.seen:
            return
        if loss.name in STRICT and disagree(a, b):
            result = "it raises a `ValueError`"
        elif stretches(a, b):
            result = "it raises a `ValueError`" if loss.name in STRICT else f"they broadcast to {broadcast(a, b)}"
        else:
            return
        self.seen.add(node)
        self.report(
            node,
            f"`{loss.title}` is given an input of shape {a} and a target of shape {b}: {result}",
            help=SAME,
            fix=self._squeezed(loss, a, b),
            related=[(None if loss.here else loss.call.origin, "the loss is computed here")],
        )

    def _squeezed(self, loss: Loss, given: Shape, target: Shape) -> Repair | None:
        """`.squeeze(-1)` on the argument that has a dimension of 1 too much."""
        node = loss.call.node
        if not loss.here or not isinstance(node, cst.Call):
            return None
        for index, names, long, short in ((0, ("input",), given, target), (1, ("target",), target, given)):
            written = argument(node, index, *names)
            if long.last != 1 or short.rank != 1 or long.rank not in (2, None):
                continue
            if isinstance(written, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
                edit = self.replace(written, f"{self.text(written)}.squeeze(-1)")
                return self.fix("squeeze its last dimension", Applicability.UNSAFE, edit)
        return None

    def _operator(self, stretch: Stretch) -> None:
        node, a, b = stretch.node, stretch.left.shape, stretch.right.shape
        if node in self.seen or a is None or b is None:
            return
        self.seen.add(node)
        what = "compared" if isinstance(node, cst.Comparison) else "combined"
        self.report(
            node,
            f"a prediction and labels of shapes {a} and {b} are {what}: they broadcast to {broadcast(a, b)}",
            help=SAME,
        )


def _is_wrong(column: Tensor, row: Tensor) -> bool:
    """Whether these are a model's output for each sample, `(N, 1)`, and the samples' labels, `(N,)`.

    Other operations on a column and a row are meant: all pairs.
    """
    a, b = column.shape, row.shape
    if a is None or b is None or a.last != 1 or a.rank not in (2, None) or b.rank != 1 or row.grad is not Tri.NO:
        return False
    if column.grad is not Tri.YES and column.numbers is Numbers.UNKNOWN:
        return False
    if row.numbers is not Numbers.UNKNOWN:
        return False
    samples = b.dims[0]
    # What has as many elements as there are samples is one for each.
    return samples == MANY or (samples is not None and samples != 1 and a.rank == 2 and a.dims[0] == samples)
