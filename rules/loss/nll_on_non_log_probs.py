import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.losses import Loss, activation
from torchlint.semantic.values import Numbers, Tensor

WHAT = {
    Numbers.SOFTMAX: "softmax output",
    Numbers.CLAMPED_SOFTMAX: "softmax output",
    Numbers.SIGMOID: "sigmoid output",
    Numbers.CLAMPED_SIGMOID: "sigmoid output",
    Numbers.LOGITS: "the output of a layer without an activation",
    Numbers.ACTIVATION: "the output of an activation without an upper bound",
    Numbers.TANH: "tanh output",
    Numbers.LOG_SOFTMAX: "log_softmax output",
    Numbers.LOG_SIGMOID: "logsigmoid output",
}
RAW = frozenset({Numbers.LOGITS, Numbers.ACTIVATION, Numbers.TANH})
PROBABILITIES = frozenset({Numbers.SOFTMAX, Numbers.CLAMPED_SOFTMAX, Numbers.SIGMOID, Numbers.CLAMPED_SIGMOID})
LOGARITHMS = frozenset({Numbers.LOG_SOFTMAX, Numbers.LOG_SIGMOID})
# What each loss cannot work with.
WRONG = {
    "nll_loss": RAW | PROBABILITIES,
    "ctc_loss": RAW | PROBABILITIES,
    "binary_cross_entropy": RAW | LOGARITHMS,
}


class NllOnNonLogProbs(Rule):
    """Checks for losses of probabilities that are given something else.

    `nn.NLLLoss` and `nn.CTCLoss` expect log-probabilities, the output of `log_softmax`; `nn.BCELoss` expects
    probabilities, the output of a sigmoid. The output is followed through variables, models (of other files too),
    containers and helper functions to the loss.

    ## Why is this bad?
    `nll_loss` is minus the score of the right class, whatever the score is. On softmax output the loss is negative, and
    gradients are not those of a likelihood. On raw scores it falls without an end, -73 after 100 steps. Nothing warns.
    `binary_cross_entropy` raises `RuntimeError: all elements of input should be between 0 and 1` as soon as a score is
    not, and is silently wrong before.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    scores = torch.randn(8, 10)
    labels = torch.randint(10, (8,))
    loss = F.nll_loss(F.softmax(scores, dim=1), labels)
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    scores = torch.randn(8, 10)
    labels = torch.randint(10, (8,))
    loss = F.nll_loss(F.log_softmax(scores, dim=1), labels)
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change, which is the point. Where the scores are the end of a model, there is no
    fix: either the model or the loss may be the one to change.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html
    """

    code = "TL203"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("nll_loss", "NLLLoss", "BCELoss", "binary_cross_entropy", "ctc_loss", "CTCLoss", "criterion", "loss")

    def leave_Module(self, node: cst.Module) -> None:
        for loss in self.model.losses:
            if loss.name in WRONG:
                self._check(loss)

    def _check(self, loss: Loss) -> None:
        scores = loss.given
        if not isinstance(scores, Tensor) or scores.numbers not in WRONG[loss.name]:
            return
        what = WHAT[scores.numbers]
        origin = scores.numbers_origin
        expected = "probabilities" if loss.name == "binary_cross_entropy" else "log-probabilities"
        self.report(
            loss.place,
            f"{what} is passed to `{loss.title}`, which expects {expected}",
            help=self._help(loss, scores.numbers),
            fix=self._logarithm(loss.place) if scores.numbers is Numbers.SOFTMAX else None,
            related=[
                (origin if origin is not None and origin.node is not loss.place else None, f"{what} is made here"),
                (None if loss.here else loss.call.origin, "the loss is computed here"),
            ],
        )

    @staticmethod
    def _help(loss: Loss, numbers: Numbers) -> str:
        is_class = loss.title.startswith("nn.")
        if loss.name == "binary_cross_entropy":
            if numbers in LOGARITHMS:
                return "pass probabilities: leave out the logarithm"
            other = "nn.BCEWithLogitsLoss" if is_class else "binary_cross_entropy_with_logits"
            return f"apply a sigmoid, or use `{other}`"
        if numbers in PROBABILITIES:
            return "use `log_softmax` instead" if numbers is Numbers.SOFTMAX else "pass the output of `log_softmax`"
        if loss.name == "ctc_loss":
            return "apply `log_softmax` first"
        return f"apply `log_softmax` first, or use `{'nn.CrossEntropyLoss' if is_class else 'cross_entropy'}`"

    def _logarithm(self, place: cst.CSTNode) -> Repair | None:
        """`log_softmax` in place of a softmax that is written right there in the loss's argument."""
        written = activation(self.model, place)
        func = written[0].func if written is not None else None
        if not isinstance(func, cst.Attribute) or func.attr.value != "softmax":
            return None
        return self.fix("use `log_softmax`", Applicability.UNSAFE, self.replace(func.attr, "log_softmax"))
