import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.losses import Loss, activation
from torchlint.semantic.values import Numbers, Tensor

WHAT = {
    Numbers.SIGMOID: "sigmoid",
    Numbers.CLAMPED_SIGMOID: "sigmoid",
    Numbers.ONE_MINUS_SIGMOID: "sigmoid",
    Numbers.SOFTMAX: "softmax",
    Numbers.CLAMPED_SOFTMAX: "softmax",
}


class DoubleSigmoidBce(Rule):
    """Checks for sigmoid or softmax output passed to binary cross entropy with logits.

    `nn.BCEWithLogitsLoss` and `binary_cross_entropy_with_logits` expect unnormalized scores (logits). The output is
    followed through variables, models (of other files too), containers and helper functions to the loss.

    ## Why is this bad?
    The loss applies the sigmoid itself. Applied to probabilities, it squeezes them into [0.5, 0.73]: even a perfect
    prediction still costs 0.503 on average, gradients are small, and training is slow and stops early. Nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    criterion = nn.BCEWithLogitsLoss()
    loss = criterion(model(torch.randn(8, 4)), torch.ones(8, 1))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    criterion = nn.BCEWithLogitsLoss()
    loss = criterion(model(torch.randn(8, 4)), torch.ones(8, 1))
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change, which is the point. Where the sigmoid is the end of a model, there is no
    fix: move it to where probabilities are needed, or use `nn.BCELoss`.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    code = "TL202"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("ith_logits", "WithLogits", "criterion", "loss")

    def leave_Module(self, node: cst.Module) -> None:
        for loss in self.model.losses:
            if loss.name == "binary_cross_entropy_with_logits":
                self._check(loss)

    def _check(self, loss: Loss) -> None:
        scores = loss.given
        if not isinstance(scores, Tensor) or scores.numbers not in WHAT:
            return
        what = WHAT[scores.numbers]
        origin = scores.numbers_origin
        self.report(
            loss.place,
            f"{what} output is passed to `{loss.title}`, which applies the sigmoid itself",
            help=f"pass the scores as they are before {what}, or use `{self._plain(loss)}`",
            fix=self._without_activation(loss.place, what) if "MINUS" not in scores.numbers.name else None,
            related=[
                (origin if origin is not None and origin.node is not loss.place else None, f"{what} is applied here"),
                (None if loss.here else loss.call.origin, "the loss is computed here"),
            ],
        )

    @staticmethod
    def _plain(loss: Loss) -> str:
        """The loss that takes probabilities."""
        return "nn.BCELoss" if loss.title.startswith("nn.") else "binary_cross_entropy"

    def _without_activation(self, place: cst.CSTNode, what: str) -> Repair | None:
        """Drop an activation that is written right there in the loss's argument."""
        written = activation(self.model, place)
        if written is None:
            return None
        edit = self.replace(place, self.text(written[1]))
        return self.fix(f"drop the {what}", Applicability.UNSAFE, edit)
