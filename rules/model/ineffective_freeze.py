import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.flow import dotted
from torchlint.semantic.freezing import FLAG, METHOD, compared, is_like_flag, is_read, kind_of
from torchlint.semantic.module_attributes import Setting
from torchlint.semantic.parts import line_of
from torchlint.semantic.values import (
    FALSE,
    Const,
    ParameterOf,
    Scalar,
    Tensor,
    Tri,
    Value,
)

BY_METHOD = "call `requires_grad_()` of the module"


class IneffectiveFreeze(Rule):
    """Checks for assignments that are meant to freeze or unfreeze parameters, and do not.

    Reported are `requires_grad` set of a module, of all `parameters()` at once or of the entries of a state dict,
    misspelled flags such as `param.require_grad`, `requires_grad_ = False`, which takes the place of the method, and
    the comparison `param.requires_grad == False` as a statement.

    ## Why is this bad?
    Modules and tensors take any attribute. Nothing is frozen, and nothing says so: all parameters are still trained.
    `model.parameters().requires_grad = False` raises `AttributeError`.

    ## Example
    ```python
    from torch import nn

    backbone = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    backbone.requires_grad = False
    ```

    ## Use instead
    ```python
    from torch import nn

    backbone = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    backbone.requires_grad_(False)
    ```

    ## Fix safety
    Unsafe: other parameters are trained than before. Safe for `model.parameters().requires_grad = ...`, which always
    raised.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.requires_grad_
    - https://docs.pytorch.org/docs/stable/notes/autograd.html#setting-requires-grad
    """

    code = "TL514"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("requ",)

    def leave_Module(self, node: cst.Module) -> None:
        by_target: dict[int, list[Setting]] = {}
        for setting in self.model.facts.settings:
            if setting.name == METHOD or setting.name == FLAG or is_like_flag(setting.name):
                by_target.setdefault(id(setting.target), []).append(setting)
        for group in by_target.values():
            self._check(group)
        self._check_comparisons()

    def _check_comparisons(self) -> None:
        for statement, left, flag in compared(self.model.module, self.source.text):
            if self.model.is_shown(statement):
                continue
            owners = self.model.values(left.value)
            known = bool(owners) and all(isinstance(owner, (ParameterOf, Tensor)) for owner in owners)
            text = f"{self.text(left)} = {flag}"
            self.report(
                statement.value,
                f"this compares `{FLAG}`, and does not set it",
                help=f"`{text}`",
                fix=self.fix("set it", Applicability.UNSAFE, self.replace(statement.value, text)) if known else None,
            )

    def _check(self, group: list[Setting]) -> None:
        setting = group[0]
        flags = [each.value for each in group]
        owners = [each.owner for each in group]
        kinds = {kind_of(self.model, self.source.text, setting.target, owner) for owner in owners}
        if len(kinds) != 1:
            return
        kind = kinds.pop()
        text, name = self.text(setting.target.value), setting.name
        if kind is None or (name != FLAG and not all(map(_is_flag, flags))):
            return
        if kind in ("parameters", "pair") and name == FLAG:
            self._report_collection(setting, kind, text)
        elif kind == "entry" and name == FLAG and all(flag == FALSE for flag in flags):
            self.report(
                setting.target,
                f"`{text}` is detached: `state_dict()` gives no parameters, which stay as they are",
                help="go through `named_parameters()`",
            )
        elif kind == "module" and name != METHOD:
            what = "an attribute" if name == FLAG else f"the attribute `{name}`"
            self.report(
                setting.target,
                f"this gives the module `{text}` {what}; its parameters stay as they are",
                help=BY_METHOD,
                fix=self._call(setting, text),
            )
        elif name == METHOD and kind in ("module", "parameter", "unknown"):
            self.report(
                setting.target,
                f"this takes the place of the method `{METHOD}`, and freezes nothing",
                help="call it" if kind != "parameter" else f"set `{FLAG}`, or call `{METHOD}()`",
                fix=self._call(setting, text),
            )
        elif name != FLAG and (kind == "parameter" or (kind == "unknown" and self._is_typo(setting))):
            trained = any(isinstance(owner, ParameterOf) for owner in owners) or kind == "parameter"
            self.report(
                setting.target,
                f"`{name}` is not `{FLAG}`; `{text}` stays as it is",
                help=f"set `{FLAG}`",
                fix=self.fix(f"set `{FLAG}`", Applicability.UNSAFE, self.replace(setting.target.attr, FLAG)),
                severity=None if trained and not self._is_without(owners, flags) else Severity.WARNING,
            )

    def _is_typo(self, setting: Setting) -> bool:
        """Whether nothing reads what is assigned to an object of which nothing is known."""
        own = dotted(setting.target.value) in ("self", "cls", "")
        return not own and setting.name[:7] == "require" and not is_read(self.model.module, setting.name)

    @staticmethod
    def _is_without(owners: list[Value], flags: list[Value]) -> bool:
        """Whether a tensor is told not to require grad, which it does not do."""
        without = all(isinstance(owner, Tensor) and owner.grad is Tri.NO for owner in owners)
        return without and all(flag == FALSE for flag in flags)

    def _report_collection(self, setting: Setting, kind: str, text: str) -> None:
        what = "is a pair of a name and a parameter" if kind == "pair" else "is an iterator over parameters"
        owner = setting.target.value
        fixable = isinstance(owner, cst.Call) and isinstance(owner.func, cst.Attribute) and not owner.args
        whole = self.text(owner.func.value) if fixable else ""  # type: ignore[attr-defined]
        self.report(
            setting.target,
            f"`{text}` {what}, which has no `{FLAG}`",
            help=BY_METHOD if kind == "parameters" else "unpack it: `for name, parameter in ...`",
            fix=self._call(setting, whole, Applicability.SAFE) if whole else None,
        )

    def _call(self, setting: Setting, text: str, safety: Applicability = Applicability.UNSAFE) -> Repair | None:
        """`module.requires_grad_(...)` in place of the assignment."""
        line = line_of(self.model.module, setting.target)
        statement = line.body[0] if line is not None else None
        if not isinstance(statement, cst.Assign) or len(statement.targets) > 1:
            return None
        content = f"{text}.{METHOD}({self.text(statement.value)})"
        return self.fix(f"call `{METHOD}`", safety, self.replace(statement, content))


def _is_flag(value: Value) -> bool:
    return (isinstance(value, Const) and isinstance(value.value, bool)) or (
        isinstance(value, Scalar) and value.kind == "bool"
    )
