import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.severed import severed


class NondifferentiableLoss(Rule):
    """Checks for losses computed through `argmax`, comparisons, rounding or integers, on which `backward()` is called.

    ## Why is this bad?
    These operations have no gradient, so none reaches the model. After `argmax`, a comparison or a conversion to
    integers, `backward()` raises `RuntimeError: element 0 of tensors does not require grad`. After `torch.round` or
    `torch.sign`, gradients are exactly zero, and training does nothing. An accuracy is a metric, not a loss.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    x, y = torch.randn(8, 4), torch.ones(8, 1)
    prediction = (torch.sigmoid(model(x)) > 0.5).float()
    loss = nn.functional.mse_loss(prediction, y)
    loss.backward()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    x, y = torch.randn(8, 4), torch.ones(8, 1)
    prediction = torch.sigmoid(model(x))
    loss = nn.functional.mse_loss(prediction, y)
    loss.backward()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html
    """

    code = "TL211"
    category = Category.CORRECTNESS
    words = ("backward", "optim", "criterion", "loss", "train")

    def leave_Module(self, node: cst.Module) -> None:
        for found in severed(self.model):
            if found.kind in ("stepped", "rounded"):
                shown = self._short(found.ended.node)
                result = "gradients are zero" if found.kind == "rounded" else "`backward()` raises"
                self.report(
                    found.place,
                    f"{shown} has no gradient, and the loss is computed from it: {result}",
                    help="compute the loss from the scores or probabilities, and round only for metrics",
                    related=[(found.ended, "nothing before this gets a gradient")],
                )

    def _short(self, node: cst.CSTNode) -> str:
        text = self.text(node)
        return f"`{text}`" if len(text) <= 40 and "\n" not in text else "a step on the way"
