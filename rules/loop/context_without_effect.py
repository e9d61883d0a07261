import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Rule
from torchlint.semantic.values import Const, Instance, Symbol, Tri, Value

# Contexts that need no argument, and others.
BARE = frozenset({
    "torch.no_grad", "torch.enable_grad", "torch.inference_mode", "torch.cuda.amp.autocast",
    "torch.autograd.detect_anomaly", "torch.autograd.profiler.profile", "torch.profiler.profile",
    "torch.random.fork_rng", "torch.autograd.graph.save_on_cpu",
})  # fmt: skip
GIVEN = frozenset({
    "torch.autocast", "torch.amp.autocast", "torch.cpu.amp.autocast", "torch.set_grad_enabled", "torch.device",
    "torch.autograd.set_detect_anomaly", "torch.autograd.profiler.record_function", "torch.profiler.record_function",
})  # fmt: skip
# These take effect when they are made.
EFFECTIVE = frozenset({"torch.set_grad_enabled", "torch.autograd.set_detect_anomaly", "torch.device"})
# Modes of autograd, which decorate functions.
MODES = frozenset({"torch.no_grad", "torch.enable_grad", "torch.inference_mode", "torch.set_grad_enabled"})


class ContextWithoutEffect(Rule):
    """Checks for contexts such as `torch.no_grad()` where they have no effect.

    Reported are statements such as `torch.no_grad()` and `torch.autocast("cuda")` without `with`,
    `with torch.no_grad:`, `@torch.no_grad()` on a class, and `torch.set_grad_enabled(False)` that is still in force
    when `backward` is called.

    ## Why is this bad?
    Making a context does nothing, only entering it does: after the statement `torch.no_grad()` autograd records as
    before, and the memory of each validation batch's graph is taken all the same. `with torch.no_grad:` raises
    `TypeError: 'type' object does not support the context manager protocol`. On a class it covers `__init__` alone.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    torch.no_grad()
    prediction = model(torch.randn(8, 4))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    with torch.no_grad():
        prediction = model(torch.randn(8, 4))
    ```

    ## Fix safety
    Safe: `with torch.no_grad:` could not run before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
    - https://docs.pytorch.org/docs/stable/generated/torch.set_grad_enabled.html
    """

    code = "TL115"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("grad", "autocast", "inference_mode", "anomaly", "profile", "fork_rng", "save_on_cpu")

    def visit_Expr(self, node: cst.Expr) -> None:
        value = node.value
        if type(value) is cst.Call:
            names = {call.name for call in self.model.calls(value) if call.certain}
            if len(names) != 1 or len(self.model.calls(value)) == 0:
                return
            name = names.pop()
        elif type(value) is cst.Attribute:
            symbol = self.model.value(value)
            name = symbol.name if isinstance(symbol, Symbol) else None
            if name in EFFECTIVE:
                return
        else:
            return
        if name in BARE or (name in GIVEN and name not in EFFECTIVE):
            self.report(
                value,
                f"`{self._short(value)}` as a statement has no effect",
                help=f"write `with {self._short(value)}{'' if type(value) is cst.Call else '()'}:` around the code",
            )

    def visit_With(self, node: cst.With) -> None:
        for item in node.items:
            value = item.item
            if type(value) is not cst.Attribute and type(value) is not cst.Name:
                continue
            symbol = self.model.value(value)
            if isinstance(symbol, Symbol) and (symbol.name in BARE or symbol.name in GIVEN):
                fix = self.fix("call it", Applicability.SAFE, self.insert_after(value, "()"))
                self.report(
                    value,
                    f"`with {self._short(value)}:` enters the class itself, which is no context",
                    help=f"call it: `with {self._short(value)}({'' if symbol.name in BARE else '...'}):`",
                    fix=fix if symbol.name in BARE else None,
                )

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        for decorator in node.decorators:
            name = _mode(self.model.value(decorator.decorator))
            if name is not None:
                self.report(
                    decorator.decorator,
                    f"`{name}` on a class covers its `__init__` alone",
                    help="decorate the methods that need it",
                )

    def leave_Module(self, node: cst.Module) -> None:
        """`set_grad_enabled(False)` as a statement lasts until it is set again."""
        for call in self.model.calls_of("torch.set_grad_enabled"):
            mode = call.argument(0, "mode")
            if call.certain and isinstance(mode, Const) and mode.value is False and not mode.assumed:
                break
        else:
            return
        backwards = [backward for backward in self.model.calls_of("torch.Tensor.backward") if backward.certain]
        by_node: dict[int, list[Tri]] = {}
        for backward in backwards:
            by_node.setdefault(id(backward.node), []).append(backward.grad)
        reported: set[int] = set()
        for backward in backwards:
            if id(backward.node) in reported or backward.tried:
                continue
            if all(grad is Tri.NO for grad in by_node[id(backward.node)]) and not self._is_in_context():
                reported.add(id(backward.node))
                self.report(
                    backward.node,
                    "`set_grad_enabled(False)` is still in force here, where `backward` needs the graph",
                    help="enter it as a context, `with torch.set_grad_enabled(False):`, or set it to True again",
                    related=[(call.origin, "it is set here")],
                )

    def _is_in_context(self) -> bool:
        """Whether anything else in the file may have switched autograd off at that place."""
        return any(name in self.model.called for name in ("torch.no_grad", "torch.inference_mode"))

    def _short(self, node: cst.BaseExpression) -> str:
        text = self.text(node)
        return text if len(text) <= 50 and "\n" not in text else f"{self.text(node.func)}(...)"  # type: ignore[attr-defined]


def _mode(value: Value) -> str | None:
    name = value.symbol if isinstance(value, Instance) else value.name if isinstance(value, Symbol) else None
    return name if name in MODES else None
