from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import has_parameters
from torchlint.semantic.leaves import is_leaf
from torchlint.semantic.parts import line_of, parts
from torchlint.semantic.steps import assigned_in, flattened
from torchlint.semantic.training import mentions_gradient
from torchlint.semantic.values import UNKNOWN, Iterated, Method, ParameterOf, Symbol, Tensor, Tri, TupleOf, Value

# In-place methods that only change how autograd or Python sees the tensor.
HARMLESS = frozenset({"requires_grad_", "detach_", "share_memory_", "rename_", "retain_grad_", "__setitem__"})


class InplaceOnLeaf(Rule):
    """Checks for parameters, and other tensors made with `requires_grad=True`, that are changed in the wrong way.

    In place while autograd records; by an assignment that only binds a loop variable anew; by one that makes of the
    parameter a result with a graph.

    ## Why is this bad?
    In place, torch raises `a leaf Variable that requires grad is being used in an in-place operation`. A loop variable
    that is bound anew leaves the parameters as they are: nothing is learned, and nothing warns. And after
    `w = w - lr * w.grad` the new `w` has no gradient in the next step.

    ## Example
    ```python
    import torch

    w = torch.zeros(3, requires_grad=True)
    for _ in range(10):
        loss = (w - 1).square().sum()
        loss.backward()
        w -= 0.1 * w.grad
        w.grad = None
    ```

    ## Use instead
    ```python
    import torch

    w = torch.zeros(3, requires_grad=True)
    for _ in range(10):
        loss = (w - 1).square().sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    ```

    ## Fix safety
    Safe: without it the statement always raises.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
    """

    code = "TL306"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("requires_grad", "Parameter", "parameters", "weight", "bias")

    def visit_For(self, node: cst.For) -> None:
        """`for p in model.parameters(): p = p - lr * p.grad`"""
        names = [item.value for item in flattened(node.target) if isinstance(item, cst.Name)]
        if not names or not isinstance(node.body, cst.IndentedBlock):
            return
        # Also the second of `for name, p in model.named_parameters()`.
        name = names[-1]
        for index, statement in enumerate(node.body.body):
            small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
            if not isinstance(small, cst.Assign) or dotted(small.targets[0].target) != name:
                continue
            value = small.value
            if not isinstance(value, cst.BinaryOperation) or not isinstance(value.operator, (cst.Subtract, cst.Add)):
                continue
            if dotted(value.left) not in (name, f"{name}.data") or not mentions_gradient(value.right, name):
                continue
            known = [element for value in self.model.values(node.iter) for element in self._elements(value)]
            if known and all(map(self._is_leaf, known)) and not _reads(node.body.body[index + 1 :], name):
                self.report(
                    small,
                    f"this binds `{name}` anew; the parameter itself does not change",
                    help=f"change it in place: `{name} -= ...` under `torch.no_grad()`",
                )

    def _elements(self, value: Value) -> tuple[Value, ...]:
        """What iterating gives each time, the last part of tuples."""
        found = (value.element,) if isinstance(value, Iterated) else self.model.elements(value) or (UNKNOWN,)
        return tuple(each.items[-1] if isinstance(each, TupleOf) and each.items else each for each in found)

    def leave_Module(self, node: cst.Module) -> None:
        for events in self.model.training.places("write"):
            if events[0].origin.unit is self.model.unit and any(self._is_leaf(event.subject) for event in events):
                self._report(events[0].node, events[0].text)
        names = [name for name in self.model.called if name.startswith("torch.Tensor.") and name.endswith("_")]
        seen: dict[int, list[Call]] = {}
        for call in self.model.calls_of(*names):
            if (call.name or "").rpartition(".")[2] not in HARMLESS:
                seen.setdefault(id(call.node), []).append(call)
        for calls in seen.values():
            if any(
                call.certain and call.grad is Tri.YES and not call.tried and self._is_leaf_of(call) for call in calls
            ):
                first = calls[0].node
                func = first.func if isinstance(first, cst.Call) else None
                self._report(first, dotted(func.value) if isinstance(func, cst.Attribute) else "")
        self._check_rebound()

    def _is_leaf_of(self, call: Call) -> bool:
        return isinstance(call.callee, Method) and self._is_leaf(call.callee.receiver)

    def _is_leaf(self, value: Value) -> bool:
        if isinstance(value, ParameterOf):
            return has_parameters(value.module) is Tri.YES and not self.model.may_be_frozen(value.module)
        return is_leaf(self.model, value)

    def _report(self, place: cst.CSTNode, name: str) -> None:
        what = f"`{name}`" if name else "this tensor"
        self.report(
            place,
            f"{what} is a leaf that requires grad, and is changed in place while autograd records; this raises",
            help="change it under `torch.no_grad()`",
            fix=self._without_grad(place),
        )

    def _without_grad(self, place: cst.CSTNode) -> Repair | None:
        line = line_of(self.model.module, place)
        torch = self.model.global_value("torch")
        if line is None or not isinstance(torch, Symbol) or torch.name != "torch":
            return None
        return self.fix(
            "turn gradients off for it", Applicability.SAFE, self.insert_before(line, "with torch.no_grad(): ")
        )

    def _check_rebound(self) -> None:
        """`w = w - lr * w.grad` in a loop: `w` is a leaf in the first pass only."""
        for event in self.model.events:
            if event.kind != "rebound" or event.origin.unit is not self.model.unit or not event.loops:
                continue
            node = event.node
            assert isinstance(node, cst.Assign)
            if self._is_leaf(event.subject) and isinstance(event.subject, Tensor):
                loop = event.loops[-1]
                if not assigned_in(loop, event.text, but=node.targets[0].target):
                    self.report(
                        node,
                        f"`{event.text}` is no longer a leaf after this, and has no gradient in the next pass",
                        help=f"change it in place: `{event.text} -= ...` under `torch.no_grad()`",
                    )


def _reads(statements: Sequence[cst.CSTNode], name: str) -> bool:
    pending = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Name) and node.value == name:
            return True
        pending.extend(parts(node))
    return False
