from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import is_module, is_module_class
from torchlint.semantic.values import ClassInfo, Instance, Symbol, Tri, Value

REPLICATED = frozenset({"torch.nn.parallel.DistributedDataParallel"})
# Whoever writes these sees to the gradients of all processes otherwise.
BY_HAND = ("no_sync", "all_reduce", "average_gradients", "reduce_gradients")
# In these a call of the object itself would lead back to where it stands.
OWN_CALLS = frozenset({"forward", "__call__"})


class DirectForwardCall(Rule):
    """Checks for modules whose `forward` is called instead of the module, and for training `ddp.module(x)`.

    ## Why is this bad?
    Calling a module runs its hooks, and then `forward`. Called directly, `forward` runs alone: forward hooks see
    nothing, and what works by hooks, such as the old `spectral_norm`, does not happen. What `DistributedDataParallel`
    wraps knows nothing of other processes: with `ddp.module(x)` each process trains on its own gradients, and nothing
    raises.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    print(model.forward(torch.randn(1, 4)))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    print(model(torch.randn(1, 4)))
    ```

    ## Fix safety
    Unsafe: hooks run then, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.forward
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
    """

    code = "TL519"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = (".forward(", ".module(")

    def leave_Module(self, node: cst.Module) -> None:
        found: dict[int, list[Call]] = {}
        for call in self.model.all_calls:
            func = call.node.func if isinstance(call.node, cst.Call) else None
            if type(func) is cst.Attribute and func.attr.value in ("forward", "module"):
                found.setdefault(id(call.node), []).append(call)
        for calls in found.values():
            func = calls[0].node.func  # type: ignore[attr-defined]
            if all(map(self._trains_alone, calls)):
                self._report_alone(func)
            elif func.attr.value == "forward" and all(map(self._skips_hooks, calls)):
                self._report_skipped(func)

    # -- hooks --------------------------------------------------------------------------------------------

    def _skips_hooks(self, call: Call) -> bool:
        func = call.node.func  # type: ignore[attr-defined]
        modules = self.model.values(func.value)
        if not call.certain or not modules or not all(map(is_module, modules)):
            # `super().forward(x)` and `Base.forward(self, x)` are none.
            return False
        if ".forward =" in self.source.text:
            # It may be another function by now.
            return False
        return not any(isinstance(module, Instance) and self._is_inside(call, module) for module in modules)

    @staticmethod
    def _is_inside(call: Call, module: Instance) -> bool:
        """Whether a call is part of what calling the module does, or of what replaces that."""
        info = module.info
        if info is None:
            return False
        if any(isinstance(entry, ClassInfo) and "__call__" in entry.base for entry in info.mro):
            return True
        if any(function.name in OWN_CALLS and function.owner in info.mro for function in call.active):
            return True
        if any(
            each.name == "__init__" and each.owner and is_module_class(each.owner) is Tri.YES for each in call.active
        ):
            # A module finds out what comes out of its parts. Nobody can have given them hooks yet.
            return True
        decorators: Sequence[Value] = call.active[-1].decorators if call.active else ()
        return any(isinstance(each, Symbol) and each.name.startswith("torch.jit.") for each in decorators)

    def _report_skipped(self, func: cst.Attribute) -> None:
        text = self._short(func.value)
        self.report(
            func,
            f"`{text}.forward(...)` leaves out the hooks that calling `{text}` runs",
            help=f"call it: `{text}(...)`",
            fix=self.fix("call the module", Applicability.UNSAFE, self.replace(func, self.text(func.value))),
            severity=Severity.INFO,
        )

    # -- gradients of other processes ---------------------------------------------------------------------

    def _trains_alone(self, call: Call) -> bool:
        """Whether the model in a `DistributedDataParallel` is called, and a backward pass of the same loop follows."""
        wrapper = _wrapper(call.node.func)  # type: ignore[attr-defined]
        wrappers = self.model.values(wrapper) if wrapper is not None else ()
        if not wrappers or call.grad is not Tri.YES or not call.loops:
            return False
        if not all(isinstance(value, Instance) and value.symbol in REPLICATED for value in wrappers):
            return False
        if any(word in self.source.text for word in BY_HAND):
            return False
        events = self.model.events
        if any(event.kind == "forward" and event.subject in wrappers for event in events):
            # It synchronizes the gradients, as long as one of its forward passes is part of each backward pass.
            return False
        return any(event.kind == "backward" and call.loops[-1] in event.loops for event in events)

    def _report_alone(self, func: cst.Attribute) -> None:
        wrapper = _wrapper(func)
        assert wrapper is not None
        text = self._short(wrapper)
        self.report(
            func,
            f"the model in `{text}` is trained without it; gradients of other processes do not take part",
            help=f"call the wrapper: `{text}(...)`",
            fix=self.fix("call the wrapper", Applicability.UNSAFE, self.replace(func, self.text(wrapper))),
            severity=Severity.ERROR,
        )

    def _short(self, node: cst.CSTNode) -> str:
        text = self.text(node)
        return text if len(text) <= 30 and "\n" not in text else "model"


def _wrapper(func: cst.Attribute) -> cst.BaseExpression | None:
    """`ddp` of `ddp.module(x)` and of `ddp.module.forward(x)`."""
    if func.attr.value == "forward":
        inner = func.value
        return inner.value if isinstance(inner, cst.Attribute) and inner.attr.value == "module" else None
    return func.value
