import re
from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.assignments import statement_of
from torchlint.semantic.derived import is_only_in, is_parameter, leaf_before
from torchlint.semantic.facts import Event
from torchlint.semantic.flow import dotted
from torchlint.semantic.leaves import is_leaf
from torchlint.semantic.stray_uses import read_in
from torchlint.semantic.training import Optimized
from torchlint.semantic.unregistered import Kept
from torchlint.semantic.values import ClassInfo, Tensor, Tri

# Words beside an attribute: it is handed to an optimizer or to `autograd.grad`, or becomes a parameter.
HANDED = re.compile(r"[Pp]aram|optim|Adam|SGD|register|\bgrad\(")
# A leaf that only makes autograd follow what goes through a checkpoint.
DUMMY = re.compile(r"dummy|anchor|hook", re.IGNORECASE)


class ParameterExpressionUnregistered(Rule):
    """Checks for operations on a fresh `nn.Parameter`, or a fresh tensor with `requires_grad=True`, of which only the
    result is kept.

    Reported are attributes of modules, also plain tensors with `requires_grad=True`; what optimizers are given; and
    `.grad` of such a result.

    ## Why is this bad?
    The result is no parameter and no leaf: `parameters()` does not have it, so it is never trained, nor saved, and
    nothing warns. An optimizer that is given one raises `can't optimize a non-leaf Tensor`, and its `.grad` is None.

    ## Example
    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(size)) * 0.02

        def forward(self, x):
            return x * self.weight
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(size) * 0.02)

        def forward(self, x):
            return x * self.weight
    ```

    ## Fix safety
    Unsafe: the parameter is trained then, and is part of the state dict, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html
    """

    code = "TL517"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("Parameter(", "requires_grad")

    def leave_Module(self, node: cst.Module) -> None:
        found: dict[int, list[Kept]] = {}
        for kept in self.model.kept:
            if kept.value.grad is not Tri.NO:
                found.setdefault(id(kept.target), []).append(kept)
        for all_kept in found.values():
            self._check_kept(all_kept)
        self._check_optimizers()
        self._check_gradients()

    # -- attributes of modules ----------------------------------------------------------------------------

    def _check_kept(self, all_kept: Sequence[Kept]) -> None:
        if not all(kept.is_made for kept in all_kept):
            return
        first = all_kept[0]
        function = first.active[-1].node
        statement = statement_of(function, first.target) if isinstance(function, cst.FunctionDef) else None
        if statement is None or not isinstance(function, cst.FunctionDef):
            return
        made = [leaf_before(self.model, kept.value) for kept in all_kept]
        name = first.target.attr.value
        if made[0] is not None and all(each is made[0] for each in made):
            if is_only_in(self.model, statement, made[0], function):
                what = "`nn.Parameter`" if is_parameter(self.model, made[0]) else "tensor"
                self.report(
                    first.target,
                    f"`{name}` is the result of an operation on a new {what}, and no parameter; it is never trained",
                    help="do it to the data: `nn.Parameter(... * 0.1)`, and move the module instead of the parameter",
                    fix=self._moved_inside(statement, made[0]),
                )
        elif all(is_leaf(self.model, kept.value) for kept in all_kept) and not self._is_parameter(first):
            owner = first.active[-1].owner
            if owner is not None and not DUMMY.search(name) and self._is_only_used(owner, name):
                self.report(
                    first.target,
                    f"`{name}` requires grad and is no `nn.Parameter`; `parameters()` does not have it",
                    help="wrap it: `nn.Parameter(...)`",
                    fix=self._wrapped(statement),
                )

    def _is_parameter(self, kept: Kept) -> bool:
        origin = kept.value.origin
        return origin is None or not isinstance(origin.node, cst.Call) or is_parameter(self.model, origin.node)

    def _is_only_used(self, owner: ClassInfo, name: str) -> bool:
        """Whether the module reads a tensor when it is called, and nothing hands it to an optimizer."""
        inside, outside = read_in(owner, name)
        if not inside or outside:
            return False
        mention = re.compile(rf"\.{name}\b")
        return not any(mention.search(line) and HANDED.search(line) for line in self.source.text.splitlines())

    def _moved_inside(self, statement: cst.Assign, made: cst.Call) -> Repair | None:
        """`nn.Parameter(x) * 0.02` becomes `nn.Parameter(x * 0.02)`, and likewise for `.to(device)`."""
        value = statement.value
        if not is_parameter(self.model, made) or len(made.args) != 1 or made.args[0].keyword or made.args[0].star:
            return None
        data = made.args[0].value
        inner, text = self.text(made.func), self.text(data)
        if isinstance(data, (cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.IfExp, cst.Lambda)):
            text = text if data.lpar else f"({text})"
        if isinstance(value, cst.BinaryOperation) and not value.lpar and made in (value.left, value.right):
            other = value.right if made is value.left else value.left
            if not isinstance(other, (cst.Integer, cst.Float)):
                return None
            parts = (text, self.text(other)) if made is value.left else (self.text(other), text)
            operator = self.model.module.code_for_node(value.operator)
            return self._replaced(value, f"{inner}({parts[0]}{operator}{parts[1]})")
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.value is made:
            if value.func.attr.value in ("to", "cuda", "double", "half"):
                arguments = self.text(value)[len(self.text(value.func)) :]
                return self._replaced(value, f"{inner}({text}.{value.func.attr.value}{arguments})")
        return None

    def _replaced(self, value: cst.BaseExpression, text: str) -> Repair:
        return self.fix("do it to the data of the parameter", Applicability.UNSAFE, self.replace(value, text))

    def _wrapped(self, statement: cst.Assign) -> Repair | None:
        name = next((name for name in self.model.called if name == "torch.nn.Parameter"), None)
        for call in self.model.calls_of(name) if name is not None else ():
            if isinstance(call.node, cst.Call):
                func = self.text(call.node.func)
                text = f"{func}({self.text(statement.value)})"
                return self.fix("make it a parameter", Applicability.UNSAFE, self.replace(statement.value, text))
        return None

    # -- optimizers and gradients -------------------------------------------------------------------------

    def _check_optimizers(self) -> None:
        seen: dict[int, list[Event]] = {}
        for event in self.model.events:
            if event.kind == "optimizer" and event.origin.unit is self.model.unit:
                seen.setdefault(id(event.node), []).append(event)
        for events in seen.values():
            given = [event.detail.tensors for event in events if isinstance(event.detail, Optimized)]
            for tensor in given[0] if given else ():
                made = leaf_before(self.model, tensor)
                if isinstance(tensor, Tensor) and made is not None and all(tensor in each for each in given):
                    self._report_given(events[0].node, tensor)
                    break

    def _report_given(self, place: cst.CSTNode, tensor: Tensor) -> None:
        self.report(
            place,
            "this optimizer is given the result of an operation, which is no leaf; it raises",
            help="make the leaf last: `torch.randn(n, device=device, requires_grad=True)`",
            related=[(tensor.origin, "this computes it"), (tensor.grad_origin, "this is the leaf")],
        )

    def _check_gradients(self) -> None:
        asked = self.model.gradients_read
        if not asked or "retain_grad" in self.source.text:
            return
        backwards = {event.active for event in self.model.events if event.kind == "backward"}
        for node, tensor, active in asked:
            owner = dotted(node.value)
            if active not in backwards or not owner or leaf_before(self.model, tensor) is None:
                continue
            if re.search(rf"\b{re.escape(owner)}\.grad\s+is\b", self.source.text):
                continue
            if all(leaf_before(self.model, value) is not None for value in self.model.values(node.value)):
                self.report(
                    node,
                    f"`{owner}` is the result of an operation, and no leaf; its `.grad` is None",
                    help="make the leaf last, or call `retain_grad()` on it before `backward()`",
                    related=[(tensor.origin, "this computes it")],
                )
