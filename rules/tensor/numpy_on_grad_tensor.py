import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge import numpy_conversion
from torchlint.semantic.values import Device, Items, ParameterOf, Tensor, Tri, TupleOf, Value

CONVERSION_FAILS = "Can't call numpy()"
ABOUT_DEVICES = re.compile(r"cuda|gpu|cpu|dev|mps|avail", re.IGNORECASE)
ON_ACCELERATOR = {
    Device.ACCELERATOR: "on the accelerator",
    Device.WHEN_AVAILABLE: "on the accelerator wherever there is one",
}


class NumpyOnGradTensor(Rule):
    """Checks for conversion to NumPy of a tensor that requires grad, or that is on an accelerator.

    Besides `.numpy()`, these convert: NumPy functions, Matplotlib's plotting calls, metrics of scikit-learn,
    arithmetic with an array; also when they are given a list of such tensors, such as collected losses.

    ## Why is this bad?
    It raises `RuntimeError: Can't call numpy() on Tensor that requires grad`, or, on an accelerator,
    `TypeError: can't convert cuda:0 device type tensor to numpy`. A NumPy array has no place for the graph,
    and lies in the main memory.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    prediction = model(torch.randn(8, 4)).numpy()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    prediction = model(torch.randn(8, 4)).detach().numpy()
    ```

    ## Fix safety
    Safe: the code could not run before. `.detach()` shares the memory of the tensor, as `.numpy()` does.
    Where the tensor is on the accelerator only when there is one, `.cpu()` gives the tensor itself when not.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html
    """

    code = "TL301"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("numpy", "np.", "plt", "matplotlib", "sklearn")

    def leave_Module(self, node: cst.Module) -> None:
        for call in self.model.all_calls:
            if call.certain and call.name is not None and not call.tried and isinstance(call.node, cst.Call):
                self._check_call(call.node, call)
        for operation in self.model.facts.converted:
            self._check_operation(operation)

    def _check_call(self, node: cst.Call, call: Call) -> None:
        if call.name == "torch.Tensor.numpy":
            if call.argument(0, "force") is None:
                self._check_method(node, call)
        elif call.receiver is None or (call.name or "").startswith("matplotlib."):
            self._check_arguments(node, call)

    def _check_operation(self, node: cst.BinaryOperation) -> None:
        """An array to the right of a tensor: Python asks the tensor first."""
        for value in self.model.values(node.left):
            if self._requires_grad(value) and not (isinstance(value, Tensor) and value.batch):
                self._report(node, node.left, value, f"arithmetic with an array converts `{self._short(node.left)}`")

    def _check_method(self, node: cst.Call, call: Call) -> None:
        receiver = call.receiver
        if receiver is None or not isinstance(node.func, cst.Attribute):
            return
        fails = self._requires_grad(receiver) and call.grad is Tri.YES
        if fails or (self._elsewhere(receiver) and not self._asked(call)):
            self._report(node, node.func.value, receiver, "`.numpy()`", grad=fails)

    def _check_arguments(self, node: cst.Call, call: Call) -> None:
        assert call.name is not None
        direct, listed = numpy_conversion(call.name)
        if (direct is None and listed is None) or call.grad is not Tri.YES:
            return
        name = call.name.rpartition(".")[2]
        for arg in node.args:
            if arg.star:
                return
            value = call.argument(None, arg.keyword.value) if arg.keyword else self._positional(node, arg, call)
            if value is None:
                continue
            if direct is not None and CONVERSION_FAILS in direct and self._requires_grad(value):
                self._report(node, arg.value, value, f"`{name}` converts `{self._short(arg.value)}`")
            elif listed is not None and CONVERSION_FAILS in listed:
                element = self._element(value, call)
                if element is not None and self._requires_grad(element):
                    message = f"`{name}` converts a list of tensors that require grad"
                    self._report(node, arg.value, element, message, fixable=False)

    @staticmethod
    def _positional(node: cst.Call, arg: cst.Arg, call: Call) -> Value | None:
        return call.argument(node.args.index(arg))

    @staticmethod
    def _element(value: Value, call: Call) -> Value | None:
        held = call.lists.get(value)
        if isinstance(held, Items):
            return held.any
        if isinstance(value, TupleOf) and value.items and value.made_by is None:
            return Items(value.items).any
        return None

    @staticmethod
    def _requires_grad(value: Value) -> bool:
        return isinstance(value, Tensor) and value.grad is Tri.YES

    @staticmethod
    def _elsewhere(value: Value) -> bool:
        return isinstance(value, Tensor) and value.device in ON_ACCELERATOR

    def _asked(self, call: Call) -> bool:
        """Whether a condition around the call asks where things are: it may well know that they are on the CPU."""
        return any(ABOUT_DEVICES.search(self.text(test)) for test in call.tests)

    # What stands for code that is too long for a message.
    _LONG = "a tensor"

    def _short(self, node: cst.CSTNode) -> str:
        text = self.text(node)
        return text if len(text) <= 30 and "\n" not in text else self._LONG

    def _report(
        self,
        node: cst.CSTNode,
        subject: cst.BaseExpression,
        value: Value,
        what: str,
        *,
        grad: bool = True,
        fixable: bool = True,
    ) -> None:
        assert isinstance(value, (Tensor, ParameterOf))
        where = ON_ACCELERATOR.get(value.device) if isinstance(value, Tensor) else None
        needed = (".detach()" if grad else "") + (".cpu()" if where else "")
        if what == "`.numpy()`":
            message = f"{what} on a tensor that requires grad" if grad else f"{what} on a tensor that is {where}"
        elif "that require grad" in what:
            message = f"{what} to NumPy"
        else:
            message = f"{what}, which requires grad, to NumPy"
        short = self._short(subject)
        help_text = "collect `.item()` or `.detach()` of each"
        if fixable:
            help_text = f"call `{needed}` first" if short == self._LONG else f"convert `{short}{needed}`"
        related = []
        if isinstance(value, Tensor):
            if grad and value.grad_origin is not None:
                related.append((value.grad_origin, "this makes it require grad"))
            elif not grad and value.device_origin is not None:
                related.append((value.device_origin, "it is moved here"))
        self.report(
            node, message, help=help_text, fix=self._repair(subject, needed) if fixable else None, related=related
        )

    def _repair(self, subject: cst.BaseExpression, needed: str) -> Repair:
        if isinstance(subject, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) or subject.lpar:
            edits = [self.insert_after(subject, needed)]
        else:
            edits = [self.insert_before(subject, "("), self.insert_after(subject, ")" + needed)]
        return self.fix(f"insert `{needed}`", Applicability.SAFE, *edits)
