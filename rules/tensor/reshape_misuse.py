import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.shapes_arguments import int_of
from torchlint.semantic.layouts import refuses
from torchlint.semantic.named_sizes import exchanged
from torchlint.semantic.shapes import Dim, Shape
from torchlint.semantic.values import Const, Extent, Items, Scalar, Tensor, TupleOf, Value

RESHAPES = frozenset({"view", "reshape"})
TRANSPOSES = ("torch.Tensor.transpose", "torch.Tensor.swapaxes")


class ReshapeMisuse(Rule):
    """Checks for `view` of what does not lie in order in memory, for views that are taken for a transpose, and for
    sizes that are no whole numbers.

    ## Why is this bad?
    After `permute` or `transpose` the numbers lie in another order in memory than in the tensor, which `view` cannot
    express: `RuntimeError: view size is not compatible with input tensor's size and stride`. And `view` never moves
    numbers: `x.view(b, t, c)` of a tensor of `(b, c, t)` has the shape of the transpose, and mixes up what belongs to
    different channels. Nothing raises then.

    ## Example
    ```python
    import torch

    x = torch.randn(2, 3, 4)
    rows = x.permute(0, 2, 1).view(2, 12)
    ```

    ## Use instead
    ```python
    import torch

    x = torch.randn(2, 3, 4)
    rows = x.permute(0, 2, 1).reshape(2, 12)
    ```

    ## Fix safety
    Safe: `reshape` gives the view where there is one, and copies otherwise.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
    - https://docs.pytorch.org/docs/stable/generated/torch.permute.html
    """

    code = "TL312"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("view", "reshape", "transpose", ".t()")

    def leave_Module(self, original_node: cst.Module) -> None:
        self.seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of("torch.Tensor.view", "torch.Tensor.reshape"):
            if self._is_certain(call):
                self._reshape(call)
        for call in self.model.calls_of(*TRANSPOSES):
            if self._is_certain(call):
                self._transpose(call)
        for call in self.model.calls_of("torch.Tensor.t", "torch.t"):
            if self._is_certain(call):
                self._turn(call)
        self._exchanges()

    def _is_certain(self, call: Call) -> bool:
        return call.certain and not call.tried and isinstance(call.node, cst.Call) and call.node not in self.seen

    def _reshape(self, call: Call) -> None:
        subject, node = call.receiver, call.node
        if not isinstance(subject, Tensor) or subject.batch or not isinstance(node, cst.Call):
            return
        sizes = self._sizes(call)
        is_view = (call.name or "").endswith(".view")
        fraction = next((arg.value for arg in node.args if self._is_fraction(arg.value)), None)
        if fraction is not None:
            self._report(
                fraction,
                "a size is the result of `/`, which is never a whole number",
                "divide whole numbers with `//`",
                self._whole(fraction),
            )
        elif sizes is None or subject.shape is None:
            return
        elif is_view and subject.layout and refuses(subject.layout, subject.shape, self._asked(sizes)):
            self._report(
                node,
                f"`view` of a tensor of {subject.shape} that does not lie in order in memory",
                "use `reshape`, which copies where it must",
                self._reshaped(node),
            )
        elif self._is_exchange(subject.shape, sizes):
            self._mixed(node, is_view)

    def _report(
        self, node: cst.CSTNode, message: str, help_: str, fix: Repair | None, severity: Severity | None = None
    ) -> None:
        if node not in self.seen:
            self.seen.add(node)
            self.report(node, message, help=help_, fix=fix, severity=severity)

    @staticmethod
    def _sizes(call: Call) -> tuple[Value, ...] | None:
        """The sizes one by one, `x.view(2, 3)` or `x.view((2, 3))`; None where their number is not known."""
        given = call.arguments.positional
        if not given or not call.arguments.complete:
            return None
        if len(given) == 1 and isinstance(given[0], TupleOf):
            return given[0].items
        held = call.lists.get(given[0]) if len(given) == 1 else None
        if isinstance(held, Items):
            return held.items
        return given if len(given) > 1 or isinstance(given[0], (Const, Scalar)) else None

    @staticmethod
    def _asked(sizes: tuple[Value, ...]) -> list[Dim]:
        return [size.symbol if isinstance(size, Extent) else int_of(size) for size in sizes]

    def _is_exchange(self, shape: Shape, sizes: tuple[Value, ...]) -> bool:
        """Whether these are the sizes of the tensor in another order, asked of it or of one like it."""
        own, asked = list(shape.dims), self._asked(sizes)
        if shape.open or len(own) != len(asked) or None in own or own == asked:
            return False
        moved = [dim for before, dim in zip(own, asked, strict=True) if before != dim]
        if sorted(map(str, own)) != sorted(map(str, asked)) or len(set(map(str, moved))) < 2:
            return False
        return any(isinstance(dim, str) for dim in moved) and 1 not in moved

    def _mixed(self, node: cst.Call, is_view: bool) -> None:
        name = "view" if is_view else "reshape"
        self._report(
            node,
            f"`{name}` to the same sizes in another order does not transpose: it mixes up the dimensions",
            "use `permute` or `transpose`",
            None,
            Severity.WARNING,
        )

    def _exchanges(self) -> None:
        """Views of what nothing is known of, whose sizes are read off it by name."""
        for calls in self.model.facts.calls.values():
            call = calls[0]
            node = call.node
            func = node.func if isinstance(node, cst.Call) else None
            if not isinstance(func, cst.Attribute) or func.attr.value not in RESHAPES or not isinstance(node, cst.Call):
                continue
            if node in self.seen or not isinstance(func.value, cst.Name):
                continue
            scope = call.active[-1].node if call.active else self.model.module
            if exchanged(scope, node) is not None:
                self._mixed(node, func.attr.value == "view")

    @staticmethod
    def _is_fraction(node: cst.BaseExpression) -> bool:
        """Whether an expression is a quotient, which is no whole number in Python 3."""
        return isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide)

    def _whole(self, node: cst.BaseExpression) -> Repair | None:
        if not isinstance(node, cst.BinaryOperation):
            return None
        left, right = self.text(node.left), self.text(node.right)
        return self.fix("divide whole numbers", Applicability.SAFE, self.replace(node, f"{left} // {right}"))

    def _reshaped(self, node: cst.Call) -> Repair | None:
        if not isinstance(node.func, cst.Attribute):
            return None
        return self.fix("use `reshape`", Applicability.SAFE, self.replace(node.func.attr, "reshape"))

    def _transpose(self, call: Call) -> None:
        given = call.arguments.positional
        if len(given) < 3 or not isinstance(call.node, cst.Call) or not all(isinstance(each, Const) for each in given):
            return
        node = call.node
        fix = None
        if isinstance(node.func, cst.Attribute) and not call.arguments.keywords:
            fix = self.fix("use `permute`", Applicability.SAFE, self.replace(node.func.attr, "permute"))
        self._report(node, f"`transpose` takes two dimensions, and is given {len(given)}", "use `permute`", fix)

    def _turn(self, call: Call) -> None:
        subject = call.receiver if call.receiver is not None else call.argument(0, "input")
        if isinstance(subject, Tensor) and not subject.batch and subject.shape is not None:
            rank = subject.shape.rank
            if rank is not None and rank > 2:
                self._report(
                    call.node,
                    f"`t()` of a tensor of {rank} dimensions, and takes two at most",
                    "say which dimensions: `transpose(1, 2)`",
                    None,
                )
