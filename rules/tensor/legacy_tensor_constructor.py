import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.dtypes import LEGACY
from torchlint.semantic.losses import argument
from torchlint.semantic.parents import parents
from torchlint.semantic.values import Const, Scalar, Value

CONSTRUCTORS = {"Tensor": "float32", **LEGACY}
NAMES = tuple(f"torch.{name}" for name in CONSTRUCTORS)
REFUSED = ("dtype", "requires_grad", "pin_memory")
# Numbers up to this one are all there in 24 bits.
EXACT = 2**24
# What reads the numbers of a tensor, by the last part of the name.
READERS = frozenset({
    "item", "tolist", "numpy", "cat", "stack", "concat", "sum", "mean", "max", "min", "log", "exp", "sqrt", "abs",
    "add", "mul", "sub", "div", "pow", "maximum", "minimum", "where", "clamp", "sigmoid", "tanh", "softmax",
    "mse_loss", "l1_loss", "smooth_l1_loss", "cross_entropy", "nll_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "float", "long", "int", "eq", "ne", "gt", "lt",
})  # fmt: skip


class LegacyTensorConstructor(Rule):
    """Checks for `torch.Tensor(...)` and its relatives where they do not do what `torch.tensor(...)` does.

    ## Why is this bad?
    `torch.Tensor(3)` is not the number 3 but three numbers of whatever the memory held. `torch.Tensor(5.0)`, and the
    arguments `dtype=` and `requires_grad=`, raise `TypeError`. Whole numbers become `float32`, which cannot hold those
    from 16777217 on.

    ## Example
    ```python
    import torch

    weights = torch.Tensor([1.0, 2.0], requires_grad=True)
    ```

    ## Use instead
    ```python
    import torch

    weights = torch.tensor([1.0, 2.0], requires_grad=True)
    ```

    ## Fix safety
    Safe where it raised before. Unsafe where a size was taken for a number, since results change.

    ## References
    - https://docs.pytorch.org/docs/stable/tensors.html
    """

    code = "TL314"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("Tensor",)

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*NAMES):
            node = call.node
            if call.certain and not call.tried and isinstance(node, cst.Call) and node not in self.seen:
                self._check(node, call, (call.name or "").rpartition(".")[2])

    def _check(self, node: cst.Call, call: Call, name: str) -> None:
        refused = next((word for word in REFUSED if word in call.arguments.keywords), None)
        given = call.arguments.positional
        if refused is not None:
            self._report(node, f"`torch.{name}` takes no `{refused}`", self._tensor(node, name, refused))
        elif len(given) == 1 and call.arguments.complete and not call.arguments.keywords:
            if self._is_fraction(given[0]):
                self._report(node, f"`torch.{name}` of a number raises; it takes sizes or a sequence",
                             self._tensor(node, name, None))  # fmt: skip
            elif self._is_size(given[0]) and self._is_read(node):
                self.seen.add(node)
                self.report(
                    node,
                    f"`torch.{name}` of a whole number is that many numbers, of whatever the memory held",
                    help="for the number itself use `torch.tensor(...)`, for zeros `torch.zeros(...)`",
                    fix=self._number(node, name),
                )
            elif CONSTRUCTORS[name] == "float32" and (lost := self._lost(call, given[0])) is not None:
                self.seen.add(node)
                self.report(
                    node,
                    f"`torch.{name}` makes `float32` of whole numbers, which cannot hold {lost}",
                    help="use `torch.tensor(...)`, which keeps them whole",
                )

    def _report(self, node: cst.Call, message: str, fix: Repair | None) -> None:
        self.seen.add(node)
        self.report(node, message, help="use `torch.tensor(...)`", fix=fix, severity=Severity.ERROR)

    @staticmethod
    def _is_fraction(value: Value) -> bool:
        if isinstance(value, Const):
            return type(value.value) in (float, bool)
        return isinstance(value, Scalar) and value.kind in ("float", "float64")

    @staticmethod
    def _is_size(value: Value) -> bool:
        if isinstance(value, Const):
            return type(value.value) is int and value.value > 0
        return isinstance(value, Scalar) and value.kind == "int"

    def _is_read(self, node: cst.Call) -> bool:
        """Whether the numbers are read where the tensor is made: by an operator, or by a call that reads them."""
        for parent in parents(self.model.module, node):
            if isinstance(parent, (cst.BinaryOperation, cst.Comparison)):
                return True
            if isinstance(parent, cst.Call):
                names = {(each.name or "").rpartition(".")[2] for each in self.model.calls(parent)}
                return bool(names) and names <= READERS
            if not isinstance(parent, (cst.List, cst.Tuple, cst.Attribute, cst.UnaryOperation)):
                return False
        return False

    @staticmethod
    def _lost(call: Call, given: Value) -> int | None:
        """A whole number that a float of 32 bits cannot hold."""
        held = call.lists.get(given)
        items = getattr(held, "items", None) or getattr(given, "items", None) or ()
        for item in items:
            number = item.value if isinstance(item, Const) else None
            if type(number) is int and abs(number) > EXACT and number % (1 << (abs(number).bit_length() - 24)):
                return number
        return None

    def _tensor(self, node: cst.Call, name: str, keyword: str | None) -> Repair | None:
        """`torch.Tensor([1.0], requires_grad=True)` to `torch.tensor(...)`, of the same type."""
        if not isinstance(node.func, cst.Attribute) or argument(node, 0, "data") is None:
            return None
        edits = [self.replace(node.func.attr, "tensor")]
        if keyword != "dtype":
            if not self._keeps_floats(node, name):
                edits.append(self.insert_after(node.args[-1].value, f", dtype=torch.{CONSTRUCTORS[name]}"))
        return self.fix("use `torch.tensor`", Applicability.SAFE, *edits)

    def _keeps_floats(self, node: cst.Call, name: str) -> bool:
        """Whether `torch.tensor` gives the same type without being told it."""
        first = node.args[0].value
        elements = first.elements if isinstance(first, (cst.List, cst.Tuple)) else ()
        return CONSTRUCTORS[name] == "float32" and any(isinstance(element.value, cst.Float) for element in elements)

    def _number(self, node: cst.Call, name: str) -> Repair | None:
        if not isinstance(node.func, cst.Attribute) or len(node.args) != 1:
            return None
        return self.fix(
            "make a tensor of the number",
            Applicability.UNSAFE,
            self.replace(node.func.attr, "tensor"),
            self.insert_after(node.args[0].value, f", dtype=torch.{CONSTRUCTORS[name]}"),
        )
