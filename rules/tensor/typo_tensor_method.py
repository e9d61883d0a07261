import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.spelling import OF_ARRAYS, meant
from torchlint.semantic.tensor_names import asks_kind
from torchlint.semantic.values import ParameterOf, Tensor

METHOD = "torch.Tensor."


class TypoTensorMethod(Rule):
    """Checks for calls of methods that tensors do not have, where one that they have is near.

    `loss.detech()`, `x.unsqeeze(0)`, and NumPy's `x.copy()` and `x.astype(...)`.

    ## Why is this bad?
    It raises `AttributeError: 'Tensor' object has no attribute 'detech'` when it runs, which for an evaluation may be
    after hours.

    ## Example
    ```python
    import torch

    x = torch.randn(8, 4)
    print(x.unsqeeze(0))
    ```

    ## Use instead
    ```python
    import torch

    x = torch.randn(8, 4)
    print(x.unsqueeze(0))
    ```

    ## Fix safety
    Safe: the code could not run before.

    ## References
    - https://docs.pytorch.org/docs/stable/tensors.html
    """

    code = "TL309"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("torch",)

    def leave_Module(self, node: cst.Module) -> None:
        for name in self.model.called:
            if not name.startswith(METHOD):
                continue
            written = name.removeprefix(METHOD)
            right = meant(written)
            if right is None:
                continue
            for call in self.model.calls_of(name):
                receiver = call.receiver
                if not call.certain or call.tried or not isinstance(receiver, (Tensor, ParameterOf)):
                    continue
                # An annotation is no proof: what has methods of arrays is one as well.
                if not asks_kind(self.model, call) and (receiver.origin is not None or written not in OF_ARRAYS):
                    self.report(
                        call.node,
                        f"tensors have no method `{written}`",
                        help=f"`{right}` is meant" if written not in OF_ARRAYS else f"use `{right}`",
                        fix=self._rename(call.node, written, right),
                    )

    def _rename(self, node: cst.CSTNode, written: str, right: str) -> Repair | None:
        func = node.func if isinstance(node, cst.Call) else None
        if not isinstance(func, cst.Attribute) or func.attr.value != written or written == "astype":
            return None
        return self.fix(f"write `{right}`", Applicability.SAFE, self.replace(func.attr, right))
