import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.promotion import is_whole
from torchlint.semantic.values import TRUE, Const, Tensor, Value

MAKERS = (
    "tensor", "arange", "range", "zeros", "ones", "empty", "full", "eye", "randint", "randperm", "rand", "randn",
    "linspace", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like",
    "Tensor.new_zeros", "Tensor.new_ones", "Tensor.new_empty", "Tensor.new_full", "Tensor.new_tensor",
    "scalar_tensor", "asarray",
)  # fmt: skip
PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
WRAPPERS = ("torch.autograd.Variable",)


class IntRequiresGrad(Rule):
    """Checks for gradients that are asked of tensors of whole numbers or of `bool`.

    By `requires_grad=True`, by `requires_grad_()`, or as an `nn.Parameter`.

    ## Why is this bad?
    Whole numbers have no gradient: `RuntimeError: Only Tensors of floating point and complex dtype can require
    gradients`. A tensor that is made of Python's whole numbers is of `int64`.

    ## Example
    ```python
    import torch

    weights = torch.tensor([1, 2, 3], requires_grad=True)
    ```

    ## Use instead
    ```python
    import torch

    weights = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad.html
    """

    code = "TL317"
    category = Category.CORRECTNESS
    words = ("requires_grad", "Parameter")

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*(f"torch.{name}" for name in MAKERS)):
            if call.arguments.keywords.get("requires_grad") == TRUE:
                self._check(call, call.result, "it is told `requires_grad=True`")
        for call in self.model.calls_of(*PARAMETERS, *WRAPPERS):
            told = call.argument(1, "requires_grad")
            if told == TRUE or (told is None and call.name in PARAMETERS and call.arguments.complete):
                what = "a parameter requires grad" if told is None else "it is told `requires_grad=True`"
                self._check(call, call.argument(0, "data"), what)
        for call in self.model.calls_of("torch.Tensor.requires_grad_"):
            told = call.argument(0, "requires_grad")
            if (told is None and call.arguments.complete) or (isinstance(told, Const) and told == TRUE):
                self._check(call, call.receiver, "`requires_grad_()` asks for its gradient")
        for node, tensor in self.model.facts.gradients_asked:
            if node not in self.seen and self._is_whole(tensor):
                self._report(node, tensor, "`requires_grad = True` asks for its gradient")

    @staticmethod
    def _is_whole(value: Value | None) -> bool:
        return isinstance(value, Tensor) and is_whole(value.dtype) and not value.batch

    def _check(self, call: Call, value: Value | None, why: str) -> None:
        if call.certain and not call.tried and call.node not in self.seen and self._is_whole(value):
            assert isinstance(value, Tensor)
            self._report(call.node, value, why)

    def _report(self, node: cst.CSTNode, tensor: Tensor, why: str) -> None:
        self.seen.add(node)
        self.report(
            node,
            f"a tensor of `{tensor.dtype}` cannot require grad; {why}",
            help="make it floats: `1.0` for `1`, `dtype=torch.float32` or `.float()`",
        )
