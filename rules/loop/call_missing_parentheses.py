import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.checkpoints import RESULT, UNKNOWN_LOAD, entries
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import is_module
from torchlint.semantic.registration import is_plain_module
from torchlint.semantic.training import CLIPS
from torchlint.semantic.uncalled import Uncalled, is_question, method, uncalled, uncalled_by_name
from torchlint.semantic.values import Const, DictRef, Instance
from torchlint.semantic.written import written_argument

# Statements that do something, of which a notebook showing them is no use.
EFFECTS = frozenset({
    "backward", "step", "zero_grad", "eval", "train", "cuda", "cpu", "to", "half", "update", "unscale_", "detach_",
    "zero_", "requires_grad_",
})  # fmt: skip
# Functions that take no function, and what they do with one.
SIZES = ("view", "reshape", "expand", "repeat", "new_zeros", "new_ones")
PLAIN = (
    *(f"torch.Tensor.{name}" for name in SIZES),
    *(f"torch.{name}" for name in ("zeros", "ones", "rand", "randn", "empty", "full", "eye", "arange", "tensor")),
    *(f"builtins.{name}" for name in ("float", "int", "range", "print", "list.append", "round", "str")),
    "numpy.array", "numpy.mean", "numpy.zeros",
)  # fmt: skip
# Methods without arguments that give another tensor, or a number.
CONVERSIONS = frozenset({
    "float", "double", "half", "long", "int", "bool", "detach", "cpu", "cuda", "numpy", "item", "tolist", "clone",
    "contiguous", "mean", "sum", "flatten", "sigmoid", "relu", "tanh", "t",
})  # fmt: skip


class CallMissingParentheses(Rule):
    """Checks for methods that are named and not called: `optimizer.step`, `loss.item`, `torch.cuda.is_available`.

    Reported are such statements, conditions, operands and arguments of functions that take no function, of tensors,
    modules, optimizers, schedulers and gradient scalers; and `model.train = False`.

    ## Why is this bad?
    A statement without `()` does nothing: weights stay as they are, gradients add up, dropout stays on. A function as a
    condition is always true: `"cuda" if torch.cuda.is_available else "cpu"` is "cuda" everywhere.
    `losses.append(loss.item)` keeps methods, and the whole graph with them. Elsewhere it raises, such as `TypeError:
    'method' object is not iterable`.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x in torch.randn(3, 8, 4):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x in torch.randn(3, 8, 4):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    ```

    ## Fix safety
    Safe for parameters that are given to an optimizer or to clipping, which could not run before. Unsafe elsewhere:
    what was left out happens then, and conditions come out otherwise.

    ## References
    - https://docs.pytorch.org/docs/stable/optim.html#taking-an-optimization-step
    - https://docs.python.org/3/reference/expressions.html#calls
    """

    code = "TL118"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("torch",)

    # -- statements ---------------------------------------------------------------------------------------

    def visit_Expr(self, node: cst.Expr) -> None:
        value = node.value
        if type(value) is not cst.Attribute:
            return
        found = uncalled(self.model, value) or uncalled_by_name(self.model, value)
        if found is not None and (found.name in EFFECTS or not self.model.is_shown(node)):
            self._say(value, f"`{self.text(value)}` without parentheses does nothing", "call it", found=found)

    def visit_Assign(self, node: cst.Assign) -> None:
        if type(node.value) is cst.Attribute:
            self._check_conversion(node, node.value)
        target = node.targets[0].target
        if type(target) is cst.Attribute and target.attr.value in ("train", "eval"):
            owners, value = self.model.values(target.value), self.model.value(node.value)
            switch = isinstance(value, Const) and isinstance(value.value, bool)
            if switch and owners and all(isinstance(o, Instance) and is_module(o) for o in owners):
                if dotted(target.value) == "self" and all(o.info and is_plain_module(o.info) for o in owners):  # type: ignore[attr-defined]
                    # A setting of its own: `module-attribute-shadowing` says so.
                    return
                wanted = "eval" if (target.attr.value == "train") is not value.value else "train"  # type: ignore[attr-defined]
                text = f"{self.text(target.value)}.{wanted}()"
                self.report(
                    target,
                    f"this takes the place of the method `{target.attr.value}`, and does not switch the mode",
                    help=f"call `{text}`",
                    fix=self.fix("switch the mode", Applicability.UNSAFE, self.replace(node, text)),
                )

    def _check_conversion(self, node: cst.Assign, value: cst.Attribute) -> None:
        """`x = x.float`, unless the name is called later."""
        if value.attr.value not in CONVERSIONS:
            return
        found = uncalled(self.model, value)
        target = dotted(node.targets[0].target)
        if found is None or found.of != "tensor" or not target:
            return
        for call in self.model.calls_of(f"torch.Tensor.{found.name}"):
            if isinstance(call.node, cst.Call) and not isinstance(call.node.func, cst.Attribute):
                return
            if isinstance(call.node, cst.Call) and dotted(call.node.func) == target:
                return
        self._say(value, f"`{self.text(value)}` is the method itself, not its result", "call it", found=found)

    # -- conditions ---------------------------------------------------------------------------------------

    def _check_condition(self, node: cst.BaseExpression) -> None:
        if type(node) is not cst.Attribute and type(node) is not cst.Name:
            return
        values = self.model.values(node)
        if values and all(map(is_question, values)):
            found = Uncalled(getattr(values[0], "name", "").rpartition(".")[2], "function")
        else:
            known = uncalled(self.model, node)
            if known is None or known.of != "tensor":
                return
            found = known
        fixable = type(node) is cst.Attribute
        self._say(
            node,
            f"`{self.text(node)}` without parentheses is a function, which is always true",
            "call it",
            found=found if fixable else None,
        )

    # -- operands -----------------------------------------------------------------------------------------

    def _check_operand(self, node: cst.BaseExpression) -> None:
        if type(node) is cst.Attribute:
            found = uncalled(self.model, node)
            if found is not None and found.of == "tensor":
                self._say(node, f"`{self.text(node)}` is the method itself, not its result", "call it", found=found)

    # -- arguments ----------------------------------------------------------------------------------------

    def leave_Module(self, node: cst.Module) -> None:
        self.reported: set[int] = set()
        for place, asked in self.model.facts.mentioned:
            if asked:
                self._check_condition(place)
            else:
                self._check_operand(place)
        for name in self.model.called:
            if name in CLIPS or (name.startswith("torch.optim.") and name.count(".") == 2):
                for call in self.model.calls_of(name):
                    self._check_argument(call, ("parameters", "named_parameters"), "params", "parameters")
            elif name in (RESULT, UNKNOWN_LOAD):
                for call in self.model.calls_of(name):
                    self._check_argument(call, ("state_dict",), "state_dict")
        for call in self.model.calls_of("torch.save"):
            self._check_argument(call, ("state_dict",), "obj")
            self._check_entries(call)
        for name in PLAIN:
            for call in self.model.calls_of(name):
                self._check_plain(call)

    def _check_argument(self, call: Call, names: tuple[str, ...], *keywords: str) -> None:
        value, arg = call.argument(0, *keywords), written_argument(call.node, 0, *keywords)
        found = method(value) if value is not None else None
        if found is None or arg is None or found.name not in names or not call.certain or call.tried:
            return
        raises = call.name in CLIPS or found.name != "state_dict"
        self._once(arg.value, found, Applicability.SAFE if raises else Applicability.UNSAFE)

    def _check_entries(self, call: Call) -> None:
        """`torch.save({"model": model.state_dict}, path)`"""
        saved = call.argument(0, "obj")
        if not isinstance(saved, DictRef) or saved.origin is None or saved.origin.unit is not self.model.unit:
            return
        wrong = {key for key, value in entries(self.model, saved) if method(value) is not None}
        written = saved.origin.node
        for element in written.elements if isinstance(written, cst.Dict) and wrong else ():
            found = uncalled(self.model, element.value)
            if found is not None:
                self._once(element.value, found, Applicability.UNSAFE)

    def _check_plain(self, call: Call) -> None:
        if not call.certain or call.tried or not any(method(value) for value in call.arguments.positional):
            return
        for arg in call.node.args if isinstance(call.node, cst.Call) else ():
            found = uncalled(self.model, arg.value) if not arg.star else None
            if found is not None and found.of == "tensor":
                self._once(arg.value, found, Applicability.UNSAFE)

    def _once(self, node: cst.BaseExpression, found: Uncalled, safety: Applicability) -> None:
        if id(node) not in self.reported:
            self.reported.add(id(node))
            message = f"`{self.text(node)}` is the method itself, not its result"
            self._say(node, message, "call it", found=found if type(node) is cst.Attribute else None, safety=safety)

    def _say(
        self,
        node: cst.BaseExpression,
        message: str,
        help: str,
        *,
        found: Uncalled | None,
        safety: Applicability = Applicability.UNSAFE,
    ) -> None:
        fix: Repair | None = None
        if found is not None:
            fix = self.fix("call it", safety, self.insert_after(node, "()"))
        self.report(node, message, help=help, fix=fix)
