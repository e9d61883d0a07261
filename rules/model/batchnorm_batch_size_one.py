import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.single_batches import SingleBatch
from torchlint.semantic.values import Instance


class BatchnormBatchSizeOne(Rule):
    """Checks for a batch of one sample that reaches a batch norm in training mode.

    Shapes are followed from literals and loaders through the model to the layer: `nn.BatchNorm1d` on (1, C), and the
    other batch norms where one sample has one place for each channel, as after `nn.AdaptiveAvgPool2d(1)`.

    ## Why is this bad?
    The layer normalizes over the batch. Of one value for each channel there is no variance, and it raises `ValueError:
    Expected more than 1 value per channel when training`. `track_running_stats=False` is no cure: the layer then raises
    in evaluation mode, too.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    scores = model(torch.randn(1, 4))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    model.eval()
    scores = model(torch.randn(1, 4))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    code = "TL505"
    category = Category.SUSPICIOUS
    words = ("torch",)

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for single in self.model.single_batches:
            place = self._entrance(single)
            if place in seen:
                continue
            seen.add(place)
            layer = (single.layer.symbol or "torch.nn.BatchNorm").removeprefix("torch.")
            self.report(
                place,
                f"a batch of one sample reaches `{layer}`, which cannot train on shape {single.shape}",
                help="use a larger batch, `model.eval()` for inference, or `nn.GroupNorm`",
                related=[
                    (single.layer.origin, "the layer is made here"),
                    (single.called if single.called.node is not place else None, "it is called here"),
                ],
            )

    def _entrance(self, single: SingleBatch) -> cst.CSTNode:
        """Where the batch goes into a model: the outermost call of a module."""
        for node in single.stack:
            if any(isinstance(call.callee, Instance) for call in self.model.calls(node)):
                return node
        return single.stack[-1]
