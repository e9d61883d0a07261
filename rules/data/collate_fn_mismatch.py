import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import method
from torchlint.semantic.flow import exits, is_generator, is_placeholder
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import (
    NONE,
    ClassInfo,
    Const,
    DictRef,
    FunctionInfo,
    FunctionRef,
    Instance,
    ListRef,
    Symbol,
    Tensor,
    TupleOf,
    Value,
)

PADDING = "torch.nn.utils.rnn.pad_sequence"
STATIC, CLASS = "builtins.staticmethod", "builtins.classmethod"


class CollateFnMismatch(Rule):
    """Checks for a `collate_fn` that cannot take one list of samples, or gives no batch.

    Reported are functions, methods, lambdas, `partial`s and objects with `__call__` that need no argument or several,
    that return nothing, that are called where they should be passed, classes passed in place of an instance, and
    `pad_sequence` itself, which puts time before the batch.

    ## Why is this bad?
    The loader calls `collate_fn(samples)`. A wrong number of parameters raises `TypeError` at the first batch. A
    function without `return` gives batches that are None, and `collate_fn=collate(...)` that returned None silently
    leaves the default in place.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader


    def collate(samples, padding):
        return torch.nn.utils.rnn.pad_sequence(samples, batch_first=True, padding_value=padding)


    loader = DataLoader([torch.ones(2), torch.ones(3)], batch_size=2, collate_fn=collate)
    ```

    ## Use instead
    ```python
    from functools import partial

    import torch
    from torch.utils.data import DataLoader


    def collate(samples, padding):
        return torch.nn.utils.rnn.pad_sequence(samples, batch_first=True, padding_value=padding)


    loader = DataLoader([torch.ones(2), torch.ones(3)], batch_size=2, collate_fn=partial(collate, padding=0))
    ```

    ## Fix safety
    Unsafe: a function is passed in place of what it returned, so batches change.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#dataloader-collate-fn
    """

    code = "TL430"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("collate_fn", "DataLoader")

    def leave_Module(self, node: cst.Module) -> None:
        for loader in self.model.loaders:
            value = loader.value("collate_fn")
            if value is None or loader.of_graphs or not loader.call.certain or loader.call.tried:
                continue
            arg = loader.node("collate_fn") if loader.call.origin.unit is self.model.unit else None
            place = arg.value if arg is not None else self.model.place(loader.call)
            if place is not None:
                self._check(loader, value, arg, place)

    def _check(self, loader: Loader, value: Value, arg: cst.Arg | None, place: cst.CSTNode) -> None:
        if arg is not None and isinstance(arg.value, cst.Call) and (value == NONE or _is_no_callable(value)):
            gives = "None, so the default is used" if value == NONE else "what cannot be called"
            self.report(
                place,
                f"`collate_fn` is called here, and returns {gives}",
                help="pass the function itself",
                fix=self._uncalled(arg.value),
            )
        elif isinstance(value, Symbol) and value.name == PADDING:
            self.report(
                place,
                "`pad_sequence` as `collate_fn` gives batches of shape `[time, batch]`",
                help="pass `partial(pad_sequence, batch_first=True)`",
                severity=Severity.WARNING,
            )
        elif isinstance(value, ClassInfo) and method(value, "__call__") is not None:
            self.report(
                place,
                f"`collate_fn` is the class `{value.name}`; batches would be objects of it",
                help=f"make an instance: `{value.name}(...)`",
                related=[(value.origin, "the class is defined here")],
            )
        else:
            self._check_function(value, place)

    def _check_function(self, value: Value, place: cst.CSTNode) -> None:
        function, bound, names = value, 0, frozenset[str]()
        if isinstance(value, Instance) and value.symbol == "functools.partial" and value.arguments.complete:
            function, *given = value.arguments.positional
            bound, names = len(given), frozenset(value.arguments.keywords)
        elif isinstance(value, Instance) and value.info is not None and not value.info.has_unknown_base:
            caller = method(value.info, "__call__")
            if caller is None:
                return
            function = FunctionRef(caller, value)
        if not isinstance(function, FunctionRef):
            return
        info = function.info
        decorators = {getattr(decorator, "name", None) for decorator in info.decorators}
        if not decorators <= {STATIC, CLASS}:
            return
        if CLASS in decorators or (function.receiver is not None and STATIC not in decorators):
            bound += 1
        problem = _misfit(info, bound, names)
        if problem is None and _returns_nothing(info):
            problem = "returns nothing, so each batch is None"
        if problem is not None:
            self.report(
                place,
                f"`collate_fn` is called with the list of samples; `{info.name}` {problem}",
                help="let it take one list of samples and return the batch",
                related=[(function.origin, "the function is defined here")],
            )

    def _uncalled(self, call: cst.Call) -> Repair | None:
        """`collate_fn=collate` in place of `collate_fn=collate(data)`, where it takes one parameter."""
        function = self.model.value(call.func)
        if not isinstance(function, FunctionRef) or function.info.decorators:
            return None
        if _misfit(function.info, 1 if function.receiver is not None else 0, frozenset()) is not None:
            return None
        if _returns_nothing(function.info):
            return None
        return self.fix("pass the function", Applicability.UNSAFE, self.replace(call, self.text(call.func)))


def _misfit(info: FunctionInfo, bound: int, names: frozenset[str]) -> str | None:
    """Why a function cannot be called with one argument, beside `bound` arguments by position and some by name."""
    parameters = info.node.params
    positional = [*parameters.posonly_params, *parameters.params][bound:]
    needed = [parameter for parameter in positional if parameter.default is None and parameter.name.value not in names]
    if len(needed) > 1 and not (positional and positional[0].name.value in names):
        return f"needs {len(needed)} arguments"
    if not positional and not isinstance(parameters.star_arg, cst.Param):
        return "takes no argument"
    missing = [p.name.value for p in parameters.kwonly_params if p.default is None and p.name.value not in names]
    return f"needs `{missing[0]}` by name" if missing else None


def _returns_nothing(info: FunctionInfo) -> bool:
    node = info.node
    if not isinstance(node, cst.FunctionDef) or node.asynchronous is not None or is_generator(node):
        return False
    if is_placeholder(node):
        return False
    found = exits(node)
    values = [statement.value for statement, _ in found.returns]
    return bool(values or found.ends) and all(value is None for value in values)


def _is_no_callable(value: Value) -> bool:
    return isinstance(value, (Tensor, TupleOf, ListRef, DictRef)) or (
        isinstance(value, Const) and value.value is not None
    )
