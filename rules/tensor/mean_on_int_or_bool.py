import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import argument
from torchlint.semantic.promotion import is_whole
from torchlint.semantic.values import NONE, Instance, Tensor, Value

REDUCTIONS = ("mean", "nanmean", "std", "var", "std_mean", "var_mean")
CALLS = tuple(f"torch.{place}{name}" for place in ("", "Tensor.") for name in REDUCTIONS)


class MeanOnIntOrBool(Rule):
    """Checks for means, and standard deviations, of tensors of whole numbers or of `bool`.

    ## Why is this bad?
    The result would have to be whole as well, which torch refuses:
    `RuntimeError: mean(): could not infer output dtype`. Comparisons give `bool`, labels and indices `int64`.

    ## Example
    ```python
    import torch

    scores, labels = torch.randn(8, 3), torch.randint(3, (8,))
    accuracy = (scores.argmax(dim=1) == labels).mean()
    ```

    ## Use instead
    ```python
    import torch

    scores, labels = torch.randn(8, 3), torch.randint(3, (8,))
    accuracy = (scores.argmax(dim=1) == labels).float().mean()
    ```

    ## Fix safety
    Safe: it raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.mean.html
    """

    code = "TL316"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("mean", "std", "var")

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*CALLS):
            subject = self._subject(call)
            if not isinstance(subject, Tensor) or not is_whole(subject.dtype) or subject.batch:
                continue
            if not call.certain or call.tried or not call.arguments.complete or call.node in seen:
                continue
            if call.argument(None, "dtype") in (None, NONE):
                seen.add(call.node)
                self._report(call, subject)

    @staticmethod
    def _subject(call: Call) -> Value | None:
        if call.receiver is not None:
            return None if isinstance(call.receiver, Instance) else call.receiver
        return call.argument(0, "input")

    def _report(self, call: Call, subject: Tensor) -> None:
        name = (call.name or "").rpartition(".")[2]
        self.report(
            call.node,
            f"`{name}` of a tensor of `{subject.dtype}`, for which it is not defined",
            help="make the numbers floats first: `.float()`",
            fix=self._float(call.node, is_method=call.receiver is not None),
        )

    def _float(self, node: cst.CSTNode, *, is_method: bool) -> Repair | None:
        if not isinstance(node, cst.Call):
            return None
        if is_method:
            if not isinstance(node.func, cst.Attribute):
                return None
            edit = self.insert_before(node.func.attr, "float().")
        else:
            written = argument(node, 0, "input")
            if written is None:
                return None
            text = self.text(written)
            simple = isinstance(written, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) or written.lpar
            edit = self.replace(written, f"{text}.float()" if simple else f"({text}).float()")
        return self.fix("make the numbers floats", Applicability.SAFE, edit)
