import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.flow import completes, is_placeholder
from torchlint.semantic.initializers import (
    Initializer,
    is_usual,
    may_complete,
    own_initializer,
    passed_over,
    starts_at_module,
    super_call,
    too_early,
)
from torchlint.semantic.instances import MODULE, MODULE_CLASSES, is_module_class
from torchlint.semantic.registration import is_plain_module
from torchlint.semantic.values import ClassInfo, Symbol, Tri

# A class with these may make its objects complete in its own way.
REPLACING = frozenset({"__new__", "__setattr__"})
BARE = MODULE_CLASSES | {MODULE}


class MissingSuperInit(Rule):
    """Checks for an `__init__` of an `nn.Module` that does not run that of `nn.Module`, or runs it too late.

    Reported are an `__init__` without `super().__init__()` or with `super()._init_()`, layers and parameters that are
    assigned before it, `super().__init__` without parentheses, `super().__init__(self)`, `super.__init__()`,
    `super(Net).__init__()` and `nn.Module.__init__()`, which are not given the object, and
    `super(Other, self).__init__()` with a class that is none of its own, or with `nn.Module` itself, whose `__init__`
    is skipped then.

    ## Why is this bad?
    `nn.Module.__init__` makes what layers and parameters are registered in. Without it, assigning one raises
    `AttributeError: cannot assign module before Module.__init__() call`, and a module that has only plain attributes
    fails when it is called.

    ## Example
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(8, 2)
    ```

    ## Use instead
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 2)
    ```

    ## Fix safety
    Safe where the class could not be made before. Unsafe where only using it failed.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    code = "TL516"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("__init__",)

    def leave_Module(self, node: cst.Module) -> None:
        for info in self.model.classes:
            if is_usual(info) or info.node.keywords or is_module_class(info) is not Tri.YES:
                continue
            initializer = own_initializer(info)
            if initializer is None or not is_plain_module(info):
                continue
            if not any(isinstance(entry, ClassInfo) and REPLACING & entry.base.keys() for entry in info.mro):
                self._check(info, initializer)

    def _check(self, info: ClassInfo, initializer: Initializer) -> None:
        function = initializer.function.node
        assert isinstance(function, cst.FunctionDef)
        if not initializer.calls:
            if is_placeholder(function) or not completes(function):
                return
            if not may_complete(info, initializer.function, initializer.named):
                self._report_missing(info, initializer, function)
            return
        for call in initializer.calls:
            if self._check_call(info, initializer, call):
                return
        early = too_early(self.model, info, initializer)
        if early is not None:
            self.report(
                early,
                f"`{self.text(early)}` needs `nn.Module.__init__`, which has not run yet",
                help="call `super().__init__()` first",
                related=[(self.model.origin(initializer.calls[0]), "it runs here")],
            )

    def _report_missing(self, info: ClassInfo, initializer: Initializer, function: cst.FunctionDef) -> None:
        layer = too_early(self.model, info, initializer, always=True)
        safety = Applicability.SAFE if layer is not None else Applicability.UNSAFE
        if initializer.misspelled:
            wrong = initializer.misspelled[0].attr
            self.report(
                wrong,
                f"`{wrong.value}` is not `__init__`, which `{info.name}.__init__` never calls",
                help="call `super().__init__()`",
                fix=self.fix("write `__init__`", Applicability.SAFE, self.replace(wrong, "__init__")),
            )
            return
        if initializer.named:
            self.report(
                initializer.named[0],
                "`super().__init__` without parentheses calls nothing",
                help="call it: `super().__init__()`",
                fix=self.fix("call it", safety, self.insert_after(initializer.named[0], "()")),
            )
            return
        if layer is None and not any(isinstance(entry, ClassInfo) and "forward" in entry.base for entry in info.mro):
            return
        text = f"assigning `{self.text(layer)}` raises" if layer is not None else "calling the module raises"
        self.report(
            function.name,
            f"`{info.name}.__init__` never calls `super().__init__()`; {text}",
            help="call `super().__init__()` first",
            fix=self._insert(info, initializer, safety),
        )

    def _insert(self, info: ClassInfo, initializer: Initializer, safety: Applicability) -> Repair | None:
        """A first line that calls it, where all that is above the class takes no arguments."""
        following = [entry for entry in info.mro if entry is not info]
        plain = isinstance(following[0], Symbol) and following[0].name in BARE if following else False
        if not plain or not initializer.body or not isinstance(initializer.body[0], cst.BaseStatement):
            return None
        line = self.insert_line(initializer.body[0], "super().__init__()")
        return self.fix("call `super().__init__()`", safety, line)

    def _check_call(self, info: ClassInfo, initializer: Initializer, call: cst.Call) -> bool:
        assert isinstance(call.func, cst.Attribute)
        owner = super_call(call.func)
        if self._check_unbound(call, owner):
            return True
        if owner is None:
            if not call.args and [*self.model.values(call.func.value)] == [Symbol(MODULE)]:
                text = self.text(call.func)
                whole = f"{text}({initializer.receiver})"
                self.report(
                    call,
                    f"`{text}` is not given the object; it raises",
                    help=f"`{whole}`",
                    fix=self.fix("give it the object", Applicability.SAFE, self.replace(call, whole)),
                )
                return True
            return False
        after = passed_over(self.model, info, owner)
        if after is not None and len(initializer.calls) == 1:
            name = self.text(owner.args[0].value)
            text = (
                f"`super({name}, ...)` skips `{name}.__init__`"
                if isinstance(after, Symbol)
                else f"`{info.name}` does not derive from `{name}`: `super({name}, ...)` raises"
            )
            bare = self.replace(owner, "super()")
            self.report(
                owner,
                text,
                help="write `super()`",
                fix=self.fix("write `super()`", Applicability.SAFE, bare) if isinstance(after, ClassInfo) else None,
            )
            return True
        first = call.args[0] if call.args else None
        if first is None or first.star or first.keyword is not None or not starts_at_module(info):
            return False
        if isinstance(first.value, cst.Name) and first.value.value == initializer.receiver:
            alone = self.fix("leave it out", Applicability.SAFE, self.replace(call, f"{self.text(call.func)}()"))
            self.report(
                call,
                "`super()` passes the object itself; here it is given twice",
                help="`super().__init__()`",
                fix=alone if len(call.args) == 1 else None,
            )
            return True
        return False

    def _check_unbound(self, call: cst.Call, owner: cst.Call | None) -> bool:
        """`super.__init__()` and `super(Net).__init__()`, which know of no object"""
        assert isinstance(call.func, cst.Attribute)
        wrong: cst.BaseExpression = call.func.value if owner is None else owner
        if owner is not None and (len(owner.args) != 1 or owner.args[0].star or owner.args[0].keyword is not None):
            return False
        if owner is None and (not isinstance(wrong, cst.Name) or wrong.value != "super"):
            return False
        bare = self.fix("write `super()`", Applicability.SAFE, self.replace(wrong, "super()"))
        self.report(wrong, f"`{self.text(wrong)}` has no object to initialize", help="write `super()`", fix=bare)
        return True
