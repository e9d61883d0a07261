import re
from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import has_parameters, is_module, is_module_class
from torchlint.semantic.overwritten import Overwritten, overwritten
from torchlint.semantic.parts import has_attribute
from torchlint.semantic.values import CONTENT, Instance, Items, Tensor, Tri

# Operations of which the backward pass reads the result.
KEEPING = frozenset({
    "exp", "exp2", "expm1", "sigmoid", "tanh", "softmax", "log_softmax", "softmin", "sqrt", "rsqrt", "reciprocal",
    "relu", "tan", "gumbel_softmax", "Sigmoid", "Tanh", "Softmax", "Softmax2d", "LogSoftmax", "Softmin", "ReLU",
})  # fmt: skip
SEQUENTIAL = "torch.nn.Sequential"
# Conditions under which nothing is trained.
NOT_TRAINING = re.compile(r"train|eval|infer|export|grad|trac|script", re.IGNORECASE)


class InplaceBreaksBackward(Rule):
    """Checks for writing in place into results that a backward pass reads: those of `exp`, `sigmoid`, `tanh`, `sqrt`,
    `softmax`, `relu` and the like.

    ## Why is this bad?
    The gradient of these operations is computed from their result. `backward()` raises `one of the variables needed
    for gradient computation has been modified by an inplace operation`, far from the line that did it.

    ## Example
    ```python
    import torch

    x = torch.randn(3, requires_grad=True)
    y = torch.sigmoid(x)
    y += 1
    y.sum().backward()
    ```

    ## Use instead
    ```python
    import torch

    x = torch.randn(3, requires_grad=True)
    y = torch.sigmoid(x)
    y = y + 1
    y.sum().backward()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
    """

    code = "TL319"
    category = Category.CORRECTNESS
    words = (
        "exp", "igmoid", "anh", "oftm", "sqrt", "reciprocal", "elu", "ReLU", "tan",
    )  # fmt: skip

    def leave_Module(self, node: cst.Module) -> None:
        self.trains = any(event.kind == "backward" for event in self.model.events)
        found: dict[int, list[Overwritten]] = {}
        for each in overwritten(self.model):
            found.setdefault(id(each.node), []).append(each)
        for all_written in found.values():
            made = [self._made_by(each) for each in all_written]
            first = made[0]
            if first is not None and all(call is not None for call in made):
                self._report(all_written[0], first)

    def _made_by(self, written: Overwritten) -> Call | None:
        """The operation whose result is overwritten, if its gradient certainly is computed later."""
        origin = written.value.origin
        if origin is None or origin.unit is not self.model.unit or origin.node is written.node or written.tried:
            return None
        calls = self.model.calls(origin.node)
        if not calls or not all(call.certain and self._keeps(call) for call in calls):
            return None
        function = written.active[-1] if written.active else None
        if function is not None and has_attribute(function.node, "training"):
            return None
        in_forward = self._is_forward(written)
        if any(NOT_TRAINING.search(self.text(test)) for test in written.tests):
            return None
        if written.value.grad is Tri.YES and written.grad is Tri.YES:
            return calls[0] if in_forward or (self.trains and self._is_followed(written, calls)) else None
        return calls[0] if in_forward and self._is_trained(calls) else None

    def _is_followed(self, written: Overwritten, calls: Sequence[Call]) -> bool:
        """Whether a backward pass goes through the result: it is made where it is changed, and nothing is cut off."""
        if not all(call.active == written.active for call in calls):
            # The output of a model, such as that of a target network.
            return False
        return not has_attribute(written.active[-1].node if written.active else self.model.module, "detach")

    def _keeps(self, call: Call) -> bool:
        name = (call.name or "").removesuffix(".forward")
        if name == SEQUENTIAL and isinstance(call.callee, Instance):
            held = self.model.held(call.callee, CONTENT)
            last = held.last if isinstance(held, Items) else None
            name = (last.symbol or "") if isinstance(last, Instance) else ""
        return name.startswith("torch.") and name.rpartition(".")[2].rstrip("_") in KEEPING

    def _is_forward(self, written: Overwritten) -> bool:
        """Whether this is part of calling a module, which does the same while it is trained."""
        info = written.active[-1] if written.active else None
        if info is None or info.name != "forward" or info.owner is None:
            return False
        return is_module_class(info.owner) is Tri.YES

    def _is_trained(self, calls: Sequence[Call]) -> bool:
        """Whether what an operation was given is the output of a layer with parameters, which are trained as a rule."""
        for call in calls:
            name = (call.name or "").removesuffix(".forward")
            if name == SEQUENTIAL:
                layers: list[Instance] = [call.callee] if isinstance(call.callee, Instance) else []
            else:
                given = call.receiver if name.startswith("torch.Tensor.") else call.argument(0, "input")
                origin = given.origin if isinstance(given, Tensor) else None
                if origin is None or origin.unit is not self.model.unit:
                    return False
                layers = [each.callee for each in self.model.calls(origin.node) if isinstance(each.callee, Instance)]
            if not layers or not all(self._learns(layer) for layer in layers):
                return False
        return True

    def _learns(self, layer: Instance) -> bool:
        return is_module(layer) and has_parameters(layer) is Tri.YES and not self.model.may_be_frozen(layer)

    def _report(self, written: Overwritten, made: Call) -> None:
        name = (made.name or "").removesuffix(".forward").rpartition(".")[2]
        what = f"result of `{name}`" if name != "Sequential" else "result of an activation"
        self.report(
            written.node,
            f"this changes the {what} in place, which `backward()` reads; it raises there",
            help="make a new tensor: `y = y + 1` instead of `y += 1`, or change a `.clone()`",
            related=[(made.origin, "its gradient is computed from this result")],
        )
