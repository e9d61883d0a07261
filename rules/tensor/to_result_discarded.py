import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.label_names import IMAGES, LABELS
from torchlint.semantic.steps import flattened
from torchlint.semantic.tensor_names import is_tensor_name
from torchlint.semantic.values import Instance, Symbol, Tensor

MOVES = frozenset({"to", "cuda", "cpu", "type", "type_as"})
CONVERSIONS = frozenset({
    "float", "double", "half", "bfloat16", "long", "int", "short", "char", "byte", "bool", "detach",
})  # fmt: skip
OTHERS = frozenset({
    "view", "view_as", "reshape", "reshape_as", "unsqueeze", "squeeze", "permute", "transpose", "t", "flatten",
    "expand", "expand_as", "repeat", "clamp", "clip", "masked_fill", "scatter", "index_fill", "contiguous", "add",
    "sub", "mul", "div", "swapaxes", "movedim", "unflatten", "flip", "roll", "abs", "sqrt",
})  # fmt: skip
METHODS = MOVES | CONVERSIONS | OTHERS
# A result may be thrown away where only the time is of interest.
TIMED = ("torch.cuda.synchronize", "torch.mps.synchronize", "torch.accelerator.synchronize")


class ToResultDiscarded(Rule):
    """Checks for methods of tensors that are called as if they changed the tensor.

    `x.to(device)`, `labels.cuda()`, `x.float()`, `loss.detach()`, `x.unsqueeze(0)` as statements of their own. Only
    what certainly is a tensor is reported: a model, a batch of graphs and encoded text do move in place.

    ## Why is this bad?
    These methods give another tensor and leave this one as it is. The statement does nothing: the tensor stays on its
    device, and the next operation raises because of the device or the dtype; or nothing raises, and `detach()` has not
    detached anything.

    ## Example
    ```python
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.randn(8, 4)
    x.to(device)
    print(x.device)
    ```

    ## Use instead
    ```python
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.randn(8, 4)
    x = x.to(device)
    print(x.device)
    ```

    ## Fix safety
    Unsafe: the statement starts to have an effect. In a loop over several tensors there is no fix, since binding the
    loop's variable would not change them either.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html
    """

    code = "TL303"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = tuple(f".{name}(" for name in sorted(METHODS))

    def visit_Expr(self, node: cst.Expr) -> None:
        call = node.value
        if type(call) is not cst.Call or type(call.func) is not cst.Attribute:
            return
        if call.func.attr.value in METHODS and not self.model.is_shown(node):
            self._check(call, call.func)

    def _check(self, node: cst.Call, func: cst.Attribute) -> None:
        calls = self.model.calls(node)
        if (
            not calls
            or not self._is_of_variable(func)
            or not all(self._is_of_tensor(func, call) for call in calls)
            or self._is_timed(calls[0])
        ):
            return
        subject = self.text(func.value)
        short = subject if len(subject) <= 30 and "\n" not in subject else "the tensor"
        shown = f"`{short}`" if short == subject else short
        self.report(
            node,
            f"the result of `.{func.attr.value}()` is discarded; {shown} stays as it is",
            help=f"assign it: `{short} = {short}.{func.attr.value}(...)`" if short == subject else "assign the result",
            fix=self._assign(node, func, calls[0]),
        )

    def _is_of_variable(self, func: cst.Attribute) -> bool:
        """Whether a variable is what should change: `torch.zeros(1).cuda()` only wakes up the device."""
        subject = func.value
        while isinstance(subject, cst.Call) and isinstance(subject.func, cst.Attribute):
            if subject.func.attr.value not in METHODS:
                # What comes before may be what the statement is for: `x.zero_().float()`.
                return False
            subject = subject.func.value
        if not isinstance(subject, (cst.Name, cst.Attribute, cst.Subscript)):
            return False
        return not isinstance(self.model.value(subject), (Symbol, Instance))

    @staticmethod
    def _has_out(call: Call) -> bool:
        return call.argument(None, "out") is not None

    def _is_of_tensor(self, func: cst.Attribute, call: Call) -> bool:
        """Whether the method of a tensor is called, in a context in which its failure is not what is looked for."""
        if not call.certain or call.tried or call.name is None or self._has_out(call):
            return False
        if call.name.startswith("#unknown."):
            return isinstance(func.value, cst.Name) and (
                is_tensor_name(self.model, func.value, call) or self._is_unpacked(func.value.value, call)
            )
        if call.name != f"torch.Tensor.{func.attr.value}" or not isinstance(call.receiver, Tensor):
            return False
        if call.receiver.batch:
            return isinstance(func.value, cst.Name) and is_tensor_name(self.model, func.value, call)
        return True

    @staticmethod
    def _is_unpacked(name: str, call: Call) -> bool:
        """Whether a loop takes samples apart, `for images, labels in loader`, and this is a part that is a tensor."""
        loop = call.loops[-1] if call.loops else None
        if not isinstance(loop, cst.For) or name.lower() not in LABELS | IMAGES:
            return False
        names = [item.value for item in flattened(loop.target) if isinstance(item, cst.Name)]
        return name in names and len(LABELS.intersection(names)) > 0 and len(names) > 1

    def _is_timed(self, call: Call) -> bool:
        return any(other.active == call.active for other in self.model.calls_of(*TIMED))

    def _assign(self, node: cst.Call, func: cst.Attribute, call: Call) -> Repair | None:
        subject = func.value
        if not isinstance(subject, (cst.Name, cst.Attribute)) or subject.lpar:
            return None
        if call.loops and isinstance(call.loops[-1], cst.For) and isinstance(subject, cst.Name):
            target = call.loops[-1].target
            if isinstance(target, cst.Name) and target.value == subject.value:
                return None
        text = self.text(subject)
        return self.fix(f"assign to `{text}`", Applicability.UNSAFE, self.insert_before(node, f"{text} = "))
