import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import argument
from torchlint.semantic.scalars import is_scalar
from torchlint.semantic.values import Array, Const, Items, Scalar, Tensor, TupleOf, Value

CATS = ("cat", "concat", "concatenate")
NAMES = (*CATS, "stack", "vstack", "hstack", "dstack")
CALLS = tuple(f"torch.{name}" for name in NAMES)


class CatOfTensors(Rule):
    """Checks for `torch.cat` and `torch.stack` that are given something else than a sequence of tensors.

    Tensors one by one, one tensor alone, arrays or numbers; and for `torch.cat` of tensors without dimensions,
    such as collected losses.

    ## Why is this bad?
    It raises: `TypeError: cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor`, or
    `RuntimeError: zero-dimensional tensor (at position 0) cannot be concatenated`.

    ## Example
    ```python
    import torch

    a, b = torch.zeros(2, 3), torch.ones(2, 3)
    both = torch.cat(a, b)
    ```

    ## Use instead
    ```python
    import torch

    a, b = torch.zeros(2, 3), torch.ones(2, 3)
    both = torch.cat((a, b))
    ```

    ## Fix safety
    Safe: it raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.cat.html
    - https://docs.pytorch.org/docs/stable/generated/torch.stack.html
    """

    code = "TL315"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("cat", "stack")

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*CALLS):
            node = call.node
            if not call.certain or call.tried or not isinstance(node, cst.Call) or node in self.seen:
                continue
            given = call.argument(0, "tensors")
            name = (call.name or "").rpartition(".")[2]
            if isinstance(given, Tensor) and not given.batch and not given.is_vague:
                self._one_tensor(node, call, name)
            elif given is not None:
                self._elements(node, call, name, given)

    def _one_tensor(self, node: cst.Call, call: Call, name: str) -> None:
        rest = call.arguments.positional[1:]
        several = bool(rest) and all(isinstance(value, Tensor) for value in rest)
        self._report(
            node,
            f"`torch.{name}` takes one sequence of tensors, and is given {'several' if several else 'a tensor'}",
            f"put them into a tuple: `torch.{name}((a, b))`" if several else "give it a list or tuple of tensors",
            self._in_tuple(node) if several else None,
        )

    def _in_tuple(self, node: cst.Call) -> Repair | None:
        """`torch.cat(a, b, dim=1)` to `torch.cat((a, b), dim=1)`"""
        positional = [arg.value for arg in node.args if arg.keyword is None and not arg.star]
        if len(positional) < 2 or any(arg.star for arg in node.args) or node.args[0].keyword is not None:
            return None
        if any(self._is_alone(value) for value in (positional[0], positional[-1])):
            return None
        return self.fix(
            "put them into a tuple",
            Applicability.SAFE,
            self.insert_before(positional[0], "("),
            self.insert_after(positional[-1], ")"),
        )

    @staticmethod
    def _is_alone(value: cst.BaseExpression) -> bool:
        """Whether an expression stands in parentheses of its own, between which edits would land."""
        return bool(value.lpar) or isinstance(value, cst.GeneratorExp)

    def _elements(self, node: cst.Call, call: Call, name: str, given: Value) -> None:
        items = self._items(call, given)
        for item in items:
            if isinstance(item, Array):
                what, help_ = "an array", "make it a tensor: `torch.from_numpy(...)`"
            elif _is_number(item):
                what, help_ = "a number", "make a tensor of the numbers: `torch.tensor(...)`"
            elif name in CATS and is_scalar(item) and all(map(is_scalar, items)):
                self._report(
                    node,
                    f"`torch.{name}` of tensors that are one number each, and have no dimension to join along",
                    "put them side by side: `torch.stack`",
                    self._stack(node, call, name),
                )
                return
            elif name in CATS and is_scalar(item):
                what, help_ = "a tensor without dimensions", "give it one first: `.unsqueeze(0)`"
            else:
                continue
            self._report(node, f"`torch.{name}` of a sequence in which there is {what}", help_, None)
            return

    @staticmethod
    def _items(call: Call, given: Value) -> tuple[Value, ...]:
        """What certainly is among the elements of a sequence."""
        if isinstance(given, TupleOf):
            return given.items
        held = call.lists.get(given)
        if not isinstance(held, Items):
            return ()
        return held.items if held.items is not None else (held.element,)

    def _stack(self, node: cst.Call, call: Call, name: str) -> Repair | None:
        alone = len(node.args) == 1 or call.argument(1, "dim") in (Const(0), Const(-1))
        if not alone or argument(node, 0, "tensors") is None or not isinstance(node.func, cst.Attribute):
            return None
        return self.fix("use `torch.stack`", Applicability.SAFE, self.replace(node.func.attr, "stack"))

    def _report(self, node: cst.Call, message: str, help_: str, fix: Repair | None) -> None:
        self.seen.add(node)
        self.report(node, message, help=help_, fix=fix)


def _is_number(value: Value) -> bool:
    if isinstance(value, Const):
        return type(value.value) in (int, float, bool)
    return isinstance(value, Scalar) and value.kind in ("int", "float", "float64")
