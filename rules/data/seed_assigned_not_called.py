import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.values import Const, Symbol

SEEDS = frozenset({
    "random.seed", "numpy.random.seed", "torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all",
    "torch.mps.manual_seed", "torch.xpu.manual_seed", "torch.xpu.manual_seed_all",
    "torch.use_deterministic_algorithms",
})  # fmt: skip
# How the number is called that someone meant to seed with, where its value is not known.
NUMBERS = frozenset({"seed", "random_seed", "rand_seed", "manual_seed", "manualseed", "rng_seed"})
SWITCHES = frozenset({
    "torch.backends.cudnn.benchmark", "torch.backends.cudnn.deterministic", "torch.backends.cudnn.enabled",
    "torch.backends.cudnn.allow_tf32", "torch.backends.cuda.matmul.allow_tf32",
})  # fmt: skip


class SeedAssignedNotCalled(Rule):
    """Checks for a seed that is assigned to the function that would set it, and for a switch that is called.

    Reported are assignments of a number to `random.seed`, `np.random.seed`, `torch.manual_seed` and their like, and
    calls of `torch.backends.cudnn.benchmark` and other settings that are plain values.

    ## Why is this bad?
    The assignment replaces the function and seeds nothing: each run draws other numbers. A later, real call raises
    `TypeError: 'int' object is not callable`. Calling a switch raises `TypeError: 'bool' object is not callable`.

    ## Example
    ```python
    import numpy as np
    import torch

    np.random.seed = 42
    x = torch.from_numpy(np.random.rand(3))
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch

    np.random.seed(42)
    x = torch.from_numpy(np.random.rand(3))
    ```

    ## Fix safety
    Safe for a switch, since the call raised. Safe for a literal number: the function is called with it, as it was
    meant; whatever ran before ran with random seeds. There is no fix for other values.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/randomness.html
    """

    code = "TL427"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("seed", "cudnn", "deterministic", "tf32")

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            place = target.target
            if isinstance(place, cst.Attribute) and f".{place.attr.value}".endswith(_ENDS):
                owner = self.model.value(place.value)
                name = f"{owner.name}.{place.attr.value}" if isinstance(owner, Symbol) else ""
                if name in SEEDS and self._is_number(node.value):
                    self.report(
                        node,
                        f"`{name}` is a function; assigning to it replaces it and sets nothing",
                        help=f"call it: `{self.text(place)}({self.text(node.value)})`",
                        fix=self._call(node, place),
                    )

    def visit_Expr(self, node: cst.Expr) -> None:
        call = node.value
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            return
        if call.func.attr.value in _SWITCH_ENDS and any(fact.name in SWITCHES for fact in self.model.calls(call)):
            argument = self.text(call.args[0].value) if call.args else "True"
            self.report(
                call,
                f"`{self.text(call.func)}` is a value, not a function",
                help=f"assign to it: `{self.text(call.func)} = {argument}`",
                fix=self._assign(call, argument),
            )

    def _is_number(self, node: cst.BaseExpression) -> bool:
        value = self.model.value(node)
        if isinstance(value, Const):
            return isinstance(value.value, int)
        last = node.attr if isinstance(node, cst.Attribute) else node
        return isinstance(last, cst.Name) and last.value.lower() in NUMBERS and not isinstance(value, Symbol)

    def _call(self, node: cst.Assign, place: cst.Attribute) -> Repair | None:
        if len(node.targets) > 1 or not isinstance(node.value, (cst.Integer, cst.Name)):
            return None
        if not isinstance(self.model.value(node.value), Const):
            return None
        return self.fix(
            "call the function",
            Applicability.SAFE,
            self.replace(node, f"{self.text(place)}({self.text(node.value)})"),
        )

    def _assign(self, call: cst.Call, argument: str) -> Repair | None:
        if len(call.args) != 1 or call.args[0].star:
            return None
        content = f"{self.text(call.func)} = {argument}"
        return self.fix("assign the value", Applicability.SAFE, self.replace(call, content))


_ENDS = tuple({"." + name.rpartition(".")[2] for name in SEEDS})
_SWITCH_ENDS = frozenset(name.rpartition(".")[2] for name in SWITCHES)
