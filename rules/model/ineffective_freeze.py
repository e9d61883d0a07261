import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.flow import dotted
from torchlint.semantic.freezing import (
    FLAG,
    METHOD,
    has_own,
    is_like_flag,
    is_named_as_module,
    is_read,
    is_used_as_module,
    loop_element,
)
from torchlint.semantic.instances import is_module
from torchlint.semantic.module_attributes import Setting
from torchlint.semantic.parts import line_of
from torchlint.semantic.values import (
    FALSE,
    Const,
    Instance,
    Iterated,
    Method,
    ParameterOf,
    Scalar,
    Tensor,
    Tri,
    TupleOf,
    Value,
)

# Layers of torchvision's models, by their attributes.
LAYERS = frozenset({
    "fc", "classifier", "features", "layer1", "layer2", "layer3", "layer4", "conv1", "bn1", "avgpool", "backbone",
    "heads", "head", "encoder", "AuxLogits",
})  # fmt: skip
OWN_FLAG = re.compile(r"\bself\.requires_grad\b")
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

    def visit_Expr(self, node: cst.Expr) -> None:
        test = node.value
        if type(test) is not cst.Comparison or type(test.left) is not cst.Attribute or test.left.attr.value != FLAG:
            return
        first = test.comparisons[0]
        if len(test.comparisons) > 1 or not isinstance(first.operator, cst.Equal) or self.model.is_shown(node):
            return
        if not isinstance(first.comparator, cst.Name) or first.comparator.value not in ("True", "False"):
            return
        owners = self.model.values(test.left.value)
        known = bool(owners) and all(isinstance(owner, (ParameterOf, Tensor)) for owner in owners)
        text = f"{self.text(test.left)} = {first.comparator.value}"
        self.report(
            test,
            f"this compares `{FLAG}`, and does not set it",
            help=f"`{text}`",
            fix=self.fix("set it", Applicability.UNSAFE, self.replace(test, text)) if known else None,
        )

    def _check(self, group: list[Setting]) -> None:
        setting = group[0]
        flags = [each.value for each in group]
        owners = [each.owner for each in group]
        kinds = {self._kind(setting.target, owner) for owner in owners}
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

    def _kind(self, target: cst.Attribute, owner: Value) -> str | None:
        """What an attribute is assigned of: `module`, `parameter`, `parameters`, `pair`, `entry`; `unknown` where
        nothing is known, and None where all is well."""
        written = target.value
        if isinstance(owner, Instance):
            return "module" if self._is_module(owner, target) else None
        if isinstance(owner, Method):
            receiver = owner.receiver
            known = isinstance(receiver, Instance) and (receiver.symbol or "").startswith("torchvision.models.")
            return "module" if known and owner.attribute in LAYERS else None
        if isinstance(owner, Iterated):
            first = owner.element.items[-1] if isinstance(owner.element, TupleOf) else owner.element
            return "parameters" if isinstance(first, ParameterOf) else None
        if isinstance(owner, TupleOf):
            return "pair" if isinstance(owner.items[-1], ParameterOf) and len(owner.items) == 2 else None
        if isinstance(owner, (ParameterOf, Tensor)):
            element = loop_element(self.model.module, written) if isinstance(written, cst.Name) else None
            return "entry" if element is not None and element.kind == "entry" else "parameter"
        if OWN_FLAG.search(self.source.text):
            # It may be an object that has such a flag.
            return None
        if isinstance(written, cst.Call):
            return "parameters" if self._gives_parameters(written) else None
        if isinstance(written, cst.Name):
            element = loop_element(self.model.module, written)
            if element is not None:
                return "pair" if element.pair else element.kind
        known = is_named_as_module(written) or is_used_as_module(self.model.module, written)
        return "module" if known else "unknown"

    def _is_module(self, owner: Instance, target: cst.Attribute) -> bool:
        if not is_module(owner):
            return False
        if owner.info is None:
            return True
        own = isinstance(target.value, cst.Name) and target.value.value == "self"
        return not own and not has_own(owner.info, target.attr.value)

    @staticmethod
    def _gives_parameters(written: cst.Call) -> bool:
        func = written.func
        return isinstance(func, cst.Attribute) and func.attr.value in ("parameters", "named_parameters")

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
