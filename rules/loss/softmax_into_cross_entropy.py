import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.losses import Loss, activation
from torchlint.semantic.values import Numbers, Tensor

WHAT = {
    Numbers.SOFTMAX: "softmax",
    Numbers.CLAMPED_SOFTMAX: "softmax",
    Numbers.SIGMOID: "sigmoid",
    Numbers.CLAMPED_SIGMOID: "sigmoid",
    Numbers.LOG_SOFTMAX: "log_softmax",
}


class SoftmaxIntoCrossEntropy(Rule):
    """Checks for softmax, sigmoid or log_softmax output passed to cross entropy.

    `torch.nn.functional.cross_entropy` and `torch.nn.CrossEntropyLoss` expect unnormalized scores (logits).
    The output is followed through variables, models (of other files too), containers and helper functions
    to the loss.

    ## Why is this bad?
    Cross entropy applies `log_softmax` itself. Scores that went through softmax before are squeezed into
    [0, 1]: even a perfect prediction of 10 classes still costs 1.461, gradients are small, and training is
    slow and ends at a worse accuracy. Nothing warns. After `log_softmax` the loss is right, and the
    second one is only wasted: that is reported as information.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    scores = torch.randn(8, 10)
    labels = torch.randint(10, (8,))
    loss = F.cross_entropy(F.softmax(scores, dim=1), labels)
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    scores = torch.randn(8, 10)
    labels = torch.randint(10, (8,))
    loss = F.cross_entropy(scores, labels)
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change, which is the point. Where the softmax is the end of a model,
    there is no fix: move it to where probabilities are needed.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    code = "TL201"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("ross_entropy", "CrossEntropy", "criterion", "loss")

    def leave_Module(self, node: cst.Module) -> None:
        for loss in self.model.losses:
            if loss.name == "cross_entropy":
                self._check(loss)

    def _check(self, loss: Loss) -> None:
        scores = loss.given
        # Along dim 0, the batch, the classes of an example do not add up to 1: something else is meant.
        if not isinstance(scores, Tensor) or scores.numbers not in WHAT or scores.numbers_dim == 0:
            return
        what = WHAT[scores.numbers]
        redundant = scores.numbers is Numbers.LOG_SOFTMAX
        origin = scores.numbers_origin
        self.report(
            loss.place,
            "`cross_entropy` applies `log_softmax` again to its output"
            if redundant
            else f"{what} output is passed to `cross_entropy`, which expects logits",
            help=f"pass the scores as they are before {what}",
            fix=self._without_activation(loss.place, what),
            related=[
                (origin if origin is not None and origin.node is not loss.place else None, f"{what} is applied here"),
                (None if loss.here else loss.call.origin, "the loss is computed here"),
            ],
            severity=Severity.INFO if redundant else None,
        )

    def _without_activation(self, place: cst.CSTNode, what: str) -> Repair | None:
        """Drop an activation that is written right there in the loss's argument."""
        written = activation(self.model, place)
        if written is None:
            return None
        edit = self.replace(place, self.text(written[1]))
        return self.fix(f"drop the {what}", Applicability.UNSAFE, edit)
