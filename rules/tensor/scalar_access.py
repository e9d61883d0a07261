import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.scalars import ScalarUse, has_many, is_scalar
from torchlint.semantic.values import Tensor

CONVERSIONS = ("torch.Tensor.item", "builtins.float", "builtins.int", "builtins.bool")
AMBIGUOUS = ("builtins.max", "builtins.min")


class ScalarAccess(Rule):
    """Checks for indexing a tensor that is one number, and for taking a tensor of several numbers for one.

    A loss that is a mean or sum, or what `sum()` gives, has no dimension to index. A tensor of several elements has
    no truth value, and is no number for `item()`, `float()` and `int()`.

    ## Why is this bad?
    `loss.data[0]` was the way to a number before torch 0.4; now it raises `IndexError: invalid index of a 0-dim
    tensor`. `if prediction == label:` raises `Boolean value of Tensor with more than one value is ambiguous`, as
    `not`, `and`, `or`, and the `max` and `min` of Python do; `item()` raises `a Tensor with 8 elements cannot be
    converted to Scalar`.

    ## Example
    ```python
    import torch
    import torch.nn.functional as F

    loss = F.cross_entropy(torch.randn(8, 10), torch.randint(10, (8,)))
    print(loss.data[0])
    ```

    ## Use instead
    ```python
    import torch
    import torch.nn.functional as F

    loss = F.cross_entropy(torch.randn(8, 10), torch.randint(10, (8,)))
    print(loss.item())
    ```

    ## Fix safety
    Safe: the index raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.item.html
    """

    code = "TL308"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("torch",)

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for use in self.model.scalar_uses:
            if use.node not in self.seen:
                self.seen.add(use.node)
                self._use(use)
        for call in self.model.calls_of(*CONVERSIONS):
            self._conversion(call)
        for call in self.model.calls_of(*AMBIGUOUS):
            given = call.arguments.positional
            if call.certain and not call.tried and len(given) > 1 and any(map(has_many, given)):
                if all(isinstance(value, Tensor) for value in given):
                    name = (call.name or "").rpartition(".")[2]
                    self._report(call, f"Python's `{name}` compares whole tensors, which is neither true nor false",
                                 f"use `torch.{name}imum` for element by element")  # fmt: skip
        for call in self.model.calls_of("builtins.len"):
            if call.certain and not call.tried and is_scalar(call.argument(0)):
                self._report(call, "`len()` of a tensor that is one number", "it has no length: use `.numel()`")

    def _use(self, use: ScalarUse) -> None:
        if use.how == "indexed":
            self.report(
                use.node,
                "a tensor that is one number is indexed",
                help="take the number with `.item()`",
                fix=self._item(use.node),
            )
        else:
            self.report(
                use.node,
                f"a tensor of shape {use.tensor.shape} is asked whether it is true",
                help="say which elements must be: `.all()` or `.any()`",
            )

    def _item(self, node: cst.BaseExpression) -> Repair | None:
        """`loss.data[0]` and `loss[0]` to `loss.item()`."""
        if not isinstance(node, cst.Subscript):
            return None
        owner = node.value
        index = node.slice[0].slice if len(node.slice) == 1 else None
        if not (isinstance(index, cst.Index) and isinstance(index.value, cst.Integer)):
            return None
        if isinstance(owner, cst.Attribute) and owner.attr.value == "data":
            owner = owner.value
        if not isinstance(owner, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
            return None
        edit = self.replace(node, f"{self.text(owner)}.item()")
        return self.fix("take the number with `.item()`", Applicability.SAFE, edit)

    def _conversion(self, call: Call) -> None:
        value = call.receiver if call.receiver is not None else call.argument(0)
        if not has_many(value) or not isinstance(value, Tensor) or not call.certain or call.tried:
            return
        name = (call.name or "").rpartition(".")[2]
        self._report(
            call,
            f"`{'.item()' if name == 'item' else name + '()'}` of a tensor of shape {value.shape}",
            "reduce it to one number first, or use `.tolist()`",
        )

    def _report(self, call: Call, message: str, help_: str) -> None:
        if call.node not in self.seen:
            self.seen.add(call.node)
            self.report(call.node, message, help=help_)
