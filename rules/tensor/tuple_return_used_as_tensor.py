import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.uses import Use, tensor_uses
from torchlint.semantic.values import Tensor, TupleOf

PARTS = {
    "torch.nn.MultiheadAttention": "`nn.MultiheadAttention` returns `(output, weights)`",
    "torch.nn.utils.rnn.pad_packed_sequence": "`pad_packed_sequence` returns `(padded, lengths)`",
}
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "bool")
VALUES = frozenset({"torch.max", "torch.min", "torch.Tensor.max", "torch.Tensor.min"})


class TupleReturnUsedAsTensor(Rule):
    """Checks for the tuple that a torch function or layer returns, used as if it were one tensor.

    `torch.max`, `min`, `sort`, `topk`, `median`, `mode`, `kthvalue` and `cummax` along a dimension return
    values and indices, `nn.MultiheadAttention` output and weights, `pad_packed_sequence` the padded tensor and
    the lengths. Also reported: the values of `torch.max(scores, dim)` compared with labels, where the indices
    are meant.

    ## Why is this bad?
    Using the tuple as a tensor raises `AttributeError` or `TypeError`, but comparing it, `torch.max(x, 1) == y`,
    is silently `False`, and comparing the values with labels gives an accuracy of about 0.

    ## Example
    ```python
    import torch

    scores = torch.randn(8, 10)
    prediction = torch.max(scores, 1)
    print(prediction.cpu())
    ```

    ## Use instead
    ```python
    import torch

    scores = torch.randn(8, 10)
    prediction = torch.max(scores, 1).indices
    print(prediction.cpu())
    ```

    ## Fix safety
    Taking `.indices` at the use is safe where the use raised, and unsafe in a comparison, whose result changes.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.max.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    """

    code = "TL302"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("torch",)

    def may_find(self) -> bool:
        return self.model.facts.tuples

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self._check(node)

    def visit_Subscript(self, node: cst.Subscript) -> None:
        self._check(node)

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> None:
        self._check(node)

    def visit_Call(self, node: cst.Call) -> None:
        self._check(node)
        if len(node.args) == 1 and isinstance(node.func, cst.Attribute) and node.func.attr.value in ("eq", "ne"):
            self._check_values(node.func.value, node.args[0].value)

    def visit_Comparison(self, node: cst.Comparison) -> None:
        self._check(node)
        if len(node.comparisons) == 1 and isinstance(node.comparisons[0].operator, (cst.Equal, cst.NotEqual)):
            right = node.comparisons[0].comparator
            self._check_values(node.left, right)
            self._check_values(right, node.left)

    def _check(self, node: cst.CSTNode) -> None:
        for use in tensor_uses(self.model, node):
            made_by = use.value.made_by
            if made_by is None or not made_by.startswith("torch.") or self._is_recurrent(made_by):
                continue
            name = made_by.rpartition(".")[2]
            returns = PARTS.get(made_by) or f"`{name}` along a dimension returns `({', '.join(use.value.names)})`"
            if made_by not in PARTS and not use.value.names:
                returns = f"`{name}` returns a tuple"
            self.report(
                use.node,
                f"{returns}; {use.how}",
                help="take the part that is meant",
                fix=self._indices(use),
                related=[(use.value.origin, "it is returned here")] if use.node is not self._node(use) else (),
            )

    @staticmethod
    def _is_recurrent(made_by: str) -> bool:
        return made_by.startswith(("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"))

    @staticmethod
    def _node(use: Use) -> cst.CSTNode | None:
        return use.value.origin.node if use.value.origin is not None else None

    def _indices(self, use: Use) -> Repair | None:
        if use.value.names != ("values", "indices") or use.value.made_by not in VALUES:
            return None
        applicability = Applicability.SAFE if use.raises else Applicability.UNSAFE
        return self.fix("take `.indices`", applicability, self.insert_after(use.node, ".indices"))

    def _check_values(self, side: cst.BaseExpression, other: cst.BaseExpression) -> None:
        """`values == labels`, where values come from `max` along a dimension."""
        labels = [v for v in self.model.values(other) if isinstance(v, Tensor) and (v.batch or v.dtype in INTEGERS)]
        if not labels:
            return
        for value in self.model.values(side):
            if not isinstance(value, Tensor) or value.dtype in INTEGERS or value.origin is None:
                continue
            for call in self.model.calls(value.origin.node):
                if call.certain and call.name in VALUES and isinstance(call.result, TupleOf):
                    scores = call.receiver if call.receiver is not None else call.argument(0, "input")
                    if isinstance(scores, Tensor) and not scores.batch and scores.dtype not in INTEGERS:
                        self.report(
                            side,
                            "the values of `max` are compared with labels; the indices are the predicted classes",
                            help="use `argmax`, or the second part of what `max` returns",
                            related=[(value.origin, "`max` is called here")],
                        )
                        return
