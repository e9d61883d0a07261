import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.values import Tensor, Tri

# Operations of which the backward pass reads the result.
KEEPING = frozenset({
    "exp", "sigmoid", "tanh", "softmax", "log_softmax", "sqrt", "rsqrt", "reciprocal", "relu", "exp2", "tan",
    "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "ReLU",
})  # fmt: skip


class TensorDataAttribute(Rule):
    """Checks for writing through `.data` into a tensor that a backward pass still reads.

    Reported are results of `exp`, `sigmoid`, `tanh`, `softmax`, `sqrt`, `relu` and the like that require grad, in files
    that call `backward()`. Parameters that are updated through `.data` are not.

    ## Why is this bad?
    The gradient of these operations is computed from their result. Autograd notices when that was changed, and raises;
    through `.data`, it does not: `y = x.exp(); y.data.zero_()` silently gives a gradient of zero.

    ## Example
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.data.zero_()
    y.sum().backward()
    ```

    ## Use instead
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    shown = y.detach().clone().zero_()
    y.sum().backward()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html
    """

    code = "TL307"
    category = Category.CORRECTNESS
    words = (".data",)

    def leave_Module(self, node: cst.Module) -> None:
        if not any(event.kind == "backward" for event in self.model.events):
            return
        for name in [*self.model.called]:
            method = name.removeprefix("torch.Tensor.")
            if name == method or not method.endswith("_") or method.startswith("_"):
                continue
            for call in self.model.calls_of(name):
                func = call.node.func if isinstance(call.node, cst.Call) else None
                if call.certain and isinstance(func, cst.Attribute):
                    self._check(func.value, call.node)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._check(node.target, node.target)

    def _check(self, written: cst.BaseExpression, place: cst.CSTNode) -> None:
        """`written` is what changes in place."""
        if not isinstance(written, cst.Attribute) or written.attr.value != "data":
            return
        values = self.model.values(written.value)
        if not values or not all(self._is_read_again(value) for value in values):
            return
        if not any(event.kind == "backward" for event in self.model.events):
            return
        origin = values[0].origin
        self.report(
            place,
            "this changes what a backward pass still reads, and `.data` hides it from autograd",
            help="change a copy, or write `.detach()`, which lets autograd notice",
            related=[(origin, "its gradient is computed from this result")],
            severity=Severity.INFO,
        )

    def _is_read_again(self, value: object) -> bool:
        if not isinstance(value, Tensor) or value.grad is not Tri.YES or value.origin is None:
            return False
        calls = self.model.calls(value.origin.node) if value.origin.unit is self.model.unit else ()
        names = [(call.name or "").removesuffix(".forward") for call in calls]
        return bool(names) and all(name.startswith("torch.") and name.rpartition(".")[2] in KEEPING for name in names)
