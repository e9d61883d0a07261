import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.dropped_batches import drops_batch, follows, may_be_single, squeezed
from torchlint.semantic.losses import Loss, argument
from torchlint.semantic.shapes import MANY
from torchlint.semantic.values import Tensor

# Losses that refuse an output of another shape than the target; the others stretch a single number.
STRICT = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"})


class SqueezeWithoutDim(Rule):
    """Checks for `squeeze()` without a dimension on the output of a model that is compared with targets by a loss.

    ## Why is this bad?
    It takes away every dimension of size 1. The last batch of an epoch may have one sample, and then its batch
    dimension goes too: `ValueError: Target size (torch.Size([1])) must be the same as input size (torch.Size([]))`,
    after an epoch of training.

    ## Example
    ```python
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    model, criterion = nn.Linear(4, 1), nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(torch.randn(9, 4), torch.ones(9)), batch_size=4)
    for x, y in loader:
        loss = criterion(model(x).squeeze(), y)
        loss.backward()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    model, criterion = nn.Linear(4, 1), nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(torch.randn(9, 4), torch.ones(9)), batch_size=4)
    for x, y in loader:
        loss = criterion(model(x).squeeze(-1), y)
        loss.backward()
    ```

    ## Fix safety
    Unsafe: `squeeze(-1)` leaves other dimensions of size 1 as they are.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html
    """

    code = "TL313"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("squeeze()", "torch.squeeze", "oss", "ntropy")

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for loss in self.model.losses:
            if loss.name not in STRICT or loss.call.tried or not isinstance(loss.given, Tensor):
                continue
            found = squeezed(self.model, loss.given)
            if found is None or follows(self.model, loss.call, loss.target, self._target(loss)):
                continue
            here = found.origin.unit is self.model.unit
            certain = (
                drops_batch(found.shape) if here else loss.given.shape is not None and loss.given.shape.dims == (MANY,)
            )
            place = found.origin.node if here else loss.place
            if certain and place not in seen and may_be_single(self.model, loss.call):
                seen.add(place)
                self._report(loss, place, here)

    @staticmethod
    def _target(loss: Loss) -> cst.BaseExpression | None:
        return argument(loss.call.node, 1, "target") if loss.here and isinstance(loss.call.node, cst.Call) else None

    def _report(self, loss: Loss, place: cst.CSTNode, here: bool) -> None:
        self.report(
            place,
            "`squeeze()` also takes away the batch dimension of a batch of one sample, such as the last one",
            help="say which dimension: `squeeze(-1)`",
            fix=self._last(place) if here else None,
            related=[(loss.call.origin if loss.call.node is not place else None, "the loss is computed here")],
        )

    def _last(self, node: cst.CSTNode) -> Repair | None:
        if not isinstance(node, cst.Call):
            return None
        edit = self.insert_after(node.args[0].value, ", -1") if node.args else None
        if edit is None:
            if not isinstance(node.func, cst.Attribute) or node.lpar:
                return None
            edit = self.replace(node, f"{self.text(node.func)}(-1)")
        return self.fix("say which dimension", Applicability.UNSAFE, edit)
