import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.losses import Loss, activation
from torchlint.semantic.values import Const, Instance, Numbers, Symbol, Tensor, Value

PROBABILITIES = {
    Numbers.SOFTMAX: "softmax",
    Numbers.CLAMPED_SOFTMAX: "softmax",
    Numbers.SIGMOID: "sigmoid",
    Numbers.CLAMPED_SIGMOID: "sigmoid",
}
RAW = frozenset({Numbers.LOGITS, Numbers.ACTIVATION})
LOGARITHMS = frozenset({Numbers.LOG_SOFTMAX, Numbers.LOG_SIGMOID})
# Positions of arguments that choose how the loss is computed, of the function and of the class.
FUNCTION = {"size_average": 2, "reduce": 3, "reduction": 4, "log_target": 5}
CLASS = {"size_average": 0, "reduce": 1, "reduction": 2, "log_target": 3}


class KlDivArguments(Rule):
    """Checks for `kl_div` and `nn.KLDivLoss` with probabilities where log-probabilities belong, or the other way round.

    The first argument is the logarithm of the model's distribution, the second one the target's probabilities, or their
    logarithm with `log_target=True`. The default reduction is reported as information.

    ## Why is this bad?
    With probabilities in first place the divergence of a distribution from itself is -1.275, not 0, and gradients lead
    elsewhere. With swapped arguments, or a target that is a logarithm, it is NaN or meaningless. Nothing raises. The
    default reduction divides by the number of elements instead of the number of samples, which is no divergence.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    scores, target = torch.randn(8, 10), torch.randn(8, 10)
    loss = F.kl_div(F.softmax(scores, dim=1), F.softmax(target, dim=1), reduction="batchmean")
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    scores, target = torch.randn(8, 10), torch.randn(8, 10)
    loss = F.kl_div(F.log_softmax(scores, dim=1), F.softmax(target, dim=1), reduction="batchmean")
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
    """

    code = "TL208"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("kl_div", "KLDiv", "criterion", "loss")

    def leave_Module(self, node: cst.Module) -> None:
        for loss in self.model.losses:
            if loss.name == "kl_div":
                self._check_kinds(loss)
                self._check_reduction(loss)

    def _check_kinds(self, loss: Loss) -> None:
        given, target = self._numbers(loss.given), self._numbers(loss.target)
        log_target = self._option(loss, "log_target")
        is_log = isinstance(log_target, Const) and log_target.value is True
        may_be_log = log_target is not None and not isinstance(log_target, Const)
        if given in PROBABILITIES and target in LOGARITHMS and not is_log and not may_be_log:
            self._report(loss, "the arguments of `kl_div` are swapped: the log-probabilities come first", "swap them")
        elif given in PROBABILITIES:
            self._report(
                loss,
                f"{PROBABILITIES[given]} output is passed to `{loss.title}`, which expects log-probabilities",
                "use `log_softmax` instead" if given is Numbers.SOFTMAX else "pass the logarithm of it",
                self._logarithm(loss.place),
            )
        elif given in RAW:
            self._report(
                loss,
                f"scores of a layer are passed to `{loss.title}`, which expects log-probabilities",
                "apply `log_softmax` first",
            )
        elif target in LOGARITHMS and not is_log and not may_be_log:
            self._report(
                loss,
                f"the target of `{loss.title}` is a logarithm, where probabilities are expected",
                "pass `log_target=True`, or the probabilities",
            )
        elif target in PROBABILITIES and is_log:
            self._report(
                loss,
                f"the target of `{loss.title}` is no logarithm, as `log_target=True` says",
                "leave out `log_target`, or pass log-probabilities",
            )

    @staticmethod
    def _numbers(value: Value | None) -> Numbers:
        return value.numbers if isinstance(value, Tensor) else Numbers.UNKNOWN

    @staticmethod
    def _option(loss: Loss, name: str) -> Value | None:
        positions = CLASS if isinstance(loss.call.receiver, Instance) else FUNCTION
        return loss.options.get(positions[name], name)

    def _report(self, loss: Loss, message: str, help_text: str, fix: Repair | None = None) -> None:
        given = loss.given
        origin = given.numbers_origin if isinstance(given, Tensor) else None
        self.report(
            loss.place,
            message,
            help=help_text,
            fix=fix,
            related=[
                (origin if origin is not None and origin.node is not loss.place else None, "its input is made here"),
                (None if loss.here else loss.call.origin, "the loss is computed here"),
            ],
        )

    def _logarithm(self, place: cst.CSTNode) -> Repair | None:
        """`log_softmax` in place of a softmax that is written right there in the loss's argument."""
        written = activation(self.model, place)
        func = written[0].func if written is not None else None
        if not isinstance(func, cst.Attribute) or func.attr.value != "softmax":
            return None
        return self.fix("use `log_softmax`", Applicability.UNSAFE, self.replace(func.attr, "log_softmax"))

    def _check_reduction(self, loss: Loss) -> None:
        """The default reduction, reported where it is left: at the constructor, or at the call of the function."""
        options = loss.options
        if not options.complete or options.tail:
            return
        if any(self._option(loss, name) is not None for name in ("reduction", "reduce", "size_average")):
            return
        receiver = loss.call.receiver
        origin = receiver.origin if isinstance(receiver, Instance) else loss.call.origin
        if origin is None or origin.unit is not self.model.unit or not isinstance(origin.node, cst.Call):
            return
        node = origin.node
        callee = self.model.value(node.func)
        if not isinstance(callee, Symbol) or any(arg.star for arg in node.args):
            return
        text = 'reduction="batchmean"'
        edit = (
            self.insert_after(node.args[-1].value, f", {text}")
            if node.args
            else self.replace(node, f"{self.text(node.func)}({text})")
        )
        self.report(
            node.func,
            f"`{loss.title}` divides by the number of elements by default, which gives no divergence",
            help='say `reduction="batchmean"`',
            fix=self.fix(f"add `{text}`", Applicability.UNSAFE, edit),
            severity=Severity.INFO,
        )
