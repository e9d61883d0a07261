import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.values import Numbers, Tensor

LOSSES = frozenset({"torch.nn.functional.cross_entropy", "torch.nn.CrossEntropyLoss.forward"})
WHAT = {Numbers.SOFTMAX: "softmax", Numbers.SIGMOID: "sigmoid", Numbers.LOG_SOFTMAX: "log_softmax"}
ACTIVATIONS = frozenset({
    "torch.softmax", "torch.nn.functional.softmax", "torch.Tensor.softmax", "torch.special.softmax",
    "torch.log_softmax", "torch.nn.functional.log_softmax", "torch.Tensor.log_softmax", "torch.special.log_softmax",
    "torch.sigmoid", "torch.nn.functional.sigmoid", "torch.Tensor.sigmoid", "torch.special.expit",
})  # fmt: skip


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

    def visit_Call(self, node: cst.Call) -> None:
        for call in self.model.calls(node):
            if call.certain and call.name in LOSSES:
                self._check(node, call)
        for call in self.model.losses_elsewhere(node):
            if call.certain and call.name in LOSSES and self._is_of_this_file(call):
                self._check(node, call)

    def _is_of_this_file(self, call: Call) -> bool:
        """Whether a loss that another file computes is this file's doing: it chose the criterion, or the model."""
        if call.receiver is not None and call.receiver.origin is not None:
            return call.receiver.origin.unit is self.model.unit
        scores = call.argument(0, "input")
        made = scores.numbers_origin if isinstance(scores, Tensor) else None
        return made is not None and made.unit is not call.origin.unit

    def _check(self, node: cst.Call, call: Call) -> None:
        scores = call.argument(0, "input")
        # Along dim 0, the batch, the classes of an example do not add up to 1: something else is meant.
        if not isinstance(scores, Tensor) or scores.numbers not in WHAT or scores.numbers_dim == 0:
            return
        what = WHAT[scores.numbers]
        here = call.node is node
        place: cst.CSTNode = node
        if here:
            place = next((arg.value for arg in node.args if arg.keyword is None or arg.keyword.value == "input"), node)
        redundant = scores.numbers is Numbers.LOG_SOFTMAX
        origin = scores.numbers_origin
        self.report(
            place,
            "`cross_entropy` applies `log_softmax` again to its output"
            if redundant
            else f"{what} output is passed to `cross_entropy`, which expects logits",
            help=f"pass the scores as they are before {what}",
            fix=self._without_activation(place, what),
            related=[
                (origin if origin is not None and origin.node is not place else None, f"{what} is applied here"),
                (None if here else call.origin, "the loss is computed here"),
            ],
            severity=Severity.INFO if redundant else None,
        )

    def _without_activation(self, place: cst.CSTNode, what: str) -> Repair | None:
        """Drop an activation that is written right there in the loss's argument."""
        if not isinstance(place, cst.Call) or not any(call.name in ACTIVATIONS for call in self.model.calls(place)):
            return None
        call = self.model.calls(place)[0]
        if call.receiver is not None and isinstance(place.func, cst.Attribute):
            logits: cst.BaseExpression | None = place.func.value
        else:
            logits = next(
                (a.value for a in place.args if a.star == "" and (a.keyword is None or a.keyword.value == "input")),
                None,
            )
        if logits is None:
            return None
        return self.fix(f"drop the {what}", Applicability.UNSAFE, self.replace(place, self.text(logits)))
