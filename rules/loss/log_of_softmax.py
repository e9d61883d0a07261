import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import activation, argument
from torchlint.semantic.values import Numbers, Tensor, Tri

LOGARITHMS = ("torch.log", "torch.Tensor.log", "torch.log2", "torch.log10", "torch.Tensor.log2", "torch.Tensor.log10")
LOG1P = ("torch.log1p", "torch.Tensor.log1p")
WHAT = {
    Numbers.SOFTMAX: "softmax",
    Numbers.SIGMOID: "sigmoid",
    Numbers.ONE_MINUS_SIGMOID: "1 - sigmoid",
    Numbers.SUM_OF_EXP: "a sum of exponentials",
    Numbers.ONE_PLUS_EXP: "1 + exp",
}
INSTEAD = {
    Numbers.SOFTMAX: "use `log_softmax` of the scores",
    Numbers.SIGMOID: "use `logsigmoid` of the scores",
    Numbers.ONE_MINUS_SIGMOID: "use `logsigmoid` of minus the scores",
    Numbers.SUM_OF_EXP: "use `logsumexp` of the scores",
    Numbers.ONE_PLUS_EXP: "use `softplus` of the scores",
}


class LogOfSoftmax(Rule):
    """Checks for logarithms of softmax, of sigmoid, and of sums of exponentials.

    What the logarithm is taken of is followed through variables, models and helper functions. A logarithm of clamped
    probabilities, or of `p + eps`, is not reported.

    ## Why is this bad?
    A probability too small for a float is 0, and its logarithm `-inf`, with gradients of NaN:
    `log(softmax([0, 200]))` is `-inf` where `log_softmax` gives -200. So are exponentials of more than 88 infinite.
    The functions that compute both steps at once do not go through the number that is lost.

    ## Example
    ```python
    import torch

    scores = torch.randn(8, 10)
    likelihoods = torch.log(torch.softmax(scores, dim=1))
    ```

    ## Use instead
    ```python
    import torch

    scores = torch.randn(8, 10)
    likelihoods = torch.log_softmax(scores, dim=1)
    ```

    ## Fix safety
    Unsafe: values are equal up to rounding, and differ where the first ones overflow, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html
    """

    code = "TL204"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("log",)

    def leave_Module(self, node: cst.Module) -> None:
        for call in self.model.calls_of(*LOGARITHMS):
            value = self._subject(call)
            if isinstance(value, Tensor) and value.numbers in WHAT:
                self._report(call, value, value.numbers)
        for call in self.model.calls_of(*LOG1P):
            value = self._subject(call)
            if isinstance(value, Tensor) and value.numbers is Numbers.EXP:
                self._report(call, value, Numbers.ONE_PLUS_EXP)

    @staticmethod
    def _subject(call: Call) -> object:
        if not call.certain:
            return None
        return call.receiver if call.receiver is not None else call.argument(0, "input")

    def _report(self, call: Call, value: Tensor, numbers: Numbers) -> None:
        origin = value.numbers_origin
        self.report(
            call.node,
            f"the logarithm of {WHAT[numbers]} overflows: it is infinite, with a gradient of NaN, for large scores",
            help=INSTEAD[numbers],
            fix=self._at_once(call),
            related=[(origin, "this is what it is taken of")] if origin is not None else (),
            # Without a gradient there is no NaN to spread.
            severity=Severity.INFO if call.grad is Tri.NO else None,
        )

    def _at_once(self, call: Call) -> Repair | None:
        """`log_softmax` or `logsigmoid` where the softmax or sigmoid is written right there."""
        node = call.node
        if not isinstance(node, cst.Call) or call.name not in ("torch.log", "torch.Tensor.log"):
            return None
        if call.name == "torch.log":
            inner: cst.BaseExpression | None = argument(node, 0, "input")
        else:
            inner = node.func.value if isinstance(node.func, cst.Attribute) else None
        written = activation(self.model, inner) if inner is not None else None
        func = written[0].func if written is not None else None
        # Only softmax has its logarithm beside it under every name.
        if written is None or not isinstance(func, cst.Attribute) or func.attr.value != "softmax":
            return None
        text = f"{self.text(func.value)}.log_softmax"
        arguments = ", ".join(self.text(arg.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for arg in written[0].args)
        return self.fix("use `log_softmax`", Applicability.UNSAFE, self.replace(node, f"{text}({arguments})"))
