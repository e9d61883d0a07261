import re
from functools import partial

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import is_module_class
from torchlint.semantic.mode_conditions import asks_mode, is_computed, switches_itself
from torchlint.semantic.values import UNKNOWN, ClassInfo, Const, FunctionInfo, Scalar, Tri, Value
from torchlint.semantic.written import written_argument

_F = "torch.nn.functional."
ACTIVE = tuple(f"{_F}{name}" for name in ("dropout", "dropout1d", "dropout2d", "dropout3d"))
INACTIVE = (f"{_F}alpha_dropout", f"{_F}feature_alpha_dropout")
PLAIN = ("torch.dropout", "torch.alpha_dropout", "torch.feature_dropout", "torch.feature_alpha_dropout")
ATTENTION = f"{_F}scaled_dot_product_attention"
# Who drops while evaluating on purpose says so, mostly.
ON_PURPOSE = re.compile(
    r"mc|monte|carlo|bayes|uncertain|sampl|always|prenet|perturb|augment|corrupt|noise", re.IGNORECASE
)


class FunctionalDropoutIgnoresMode(Rule):
    """Checks for functional dropout in a module that does not follow the module's mode.

    Reported are `F.dropout` and its like without `training=`, `self.training` given as `p`, `training=True`,
    `F.alpha_dropout` without `training=`, which never drops anything, and
    `F.scaled_dot_product_attention(..., dropout_p=0.1)`, which has no such argument.

    ## Why is this bad?
    `model.eval()` switches layers such as `nn.Dropout` off. A function knows nothing of it: `F.dropout` goes on
    zeroing, so that predictions are random and worse than they need to be. `F.dropout(x, self.training)` takes the mode
    for the probability: while training it zeroes everything, `p=True`.

    ## Example
    ```python
    import torch.nn.functional as F
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(F.dropout(x, 0.5))
    ```

    ## Use instead
    ```python
    import torch.nn.functional as F
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(F.dropout(x, 0.5, training=self.training))
    ```

    ## Fix safety
    Unsafe: predictions of the evaluated model change, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
    """

    code = "TL504"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("dropout",)

    def leave_Module(self, node: cst.Module) -> None:
        for names, check in (
            ((*ACTIVE, *INACTIVE), self._check_functional),
            (PLAIN, self._check_plain),
            ((ATTENTION,), self._check_attention),
        ):
            by_node: dict[int, list[Call]] = {}
            for call in self.model.calls_of(*names):
                by_node.setdefault(id(call.node), []).append(call)
            for calls in by_node.values():
                methods = {call.active[-1] for call in calls if call.active}
                if len(methods) == 1 and all(call.certain and call.arguments.complete for call in calls):
                    method = methods.pop()
                    if self._is_in_module(method):
                        # Whether a call is made in one mode only is asked last: it takes reading the whole class.
                        self.asks_mode = partial(asks_mode, [test for call in calls for test in call.tests], method)
                        check(calls[0], method)

    def _is_in_module(self, method: FunctionInfo) -> bool:
        owner = method.owner
        if owner is None or is_module_class(owner) is not Tri.YES or not isinstance(method.node, cst.FunctionDef):
            return False
        return bool(_receiver(method)) and not any(ON_PURPOSE.search(name) for name in (method.name, owner.name))

    # -- torch.nn.functional ------------------------------------------------------------------------------

    def _check_functional(self, call: Call, method: FunctionInfo) -> None:
        p, training = call.argument(1, "p"), call.argument(2, "training")
        name = (call.name or "").rpartition(".")[2]
        if _is_zero(p):
            return
        if p is not None and _is_mode(p, written_argument(call.node, 1, "p")):
            self._report(
                call,
                f"the mode is given to `{name}` as `p`: while training it zeroes everything",
                self._name_argument(call, method),
            )
        elif training is None and call.name in INACTIVE:
            self._report(call, f"`{name}` without `training=` never drops anything", self._append(call, method))
        elif training is None:
            self._report(call, f"`{name}` without `training=` drops after `eval()`, too", self._append(call, method))
        elif isinstance(training, Const) and training.value is True and not training.assumed:
            arg = written_argument(call.node, 2, "training")
            self._report_always(call, name, arg, method)

    def _report(self, call: Call, message: str, fix: Repair | None) -> None:
        if not self.asks_mode():
            self.report(call.node, message, help="pass `training=self.training`", fix=fix)

    def _report_always(self, call: Call, name: str, arg: cst.Arg | None, method: FunctionInfo) -> None:
        if arg is None or not isinstance(arg.value, cst.Name) or arg.value.value != "True" or self.asks_mode():
            return
        self.report(
            call.node,
            f"`{name}` with `{self.text(arg.value)}` for the mode drops after `eval()`, too",
            help="pass `self.training`",
            severity=Severity.WARNING,
            fix=self.fix(
                "follow the mode", Applicability.UNSAFE, self.replace(arg.value, f"{_receiver(method)}.training")
            ),
        )

    def _append(self, call: Call, method: FunctionInfo) -> Repair | None:
        node = call.node
        if not isinstance(node, cst.Call) or not node.args or any(arg.star for arg in node.args):
            return None
        edit = self.insert_after(node.args[-1], f", training={_receiver(method)}.training")
        return self.fix("follow the mode", Applicability.UNSAFE, edit)

    def _name_argument(self, call: Call, method: FunctionInfo) -> Repair | None:
        arg = written_argument(call.node, 1, "p")
        if arg is None or call.argument(2, "training") is not None:
            return None
        edit = self.replace(arg, f"training={self.text(arg.value)}")
        return self.fix("name the argument", Applicability.UNSAFE, edit)

    # -- torch.dropout, attention -------------------------------------------------------------------------

    def _check_plain(self, call: Call, method: FunctionInfo) -> None:
        train = call.argument(2, "train")
        if (
            isinstance(train, Const)
            and train.value is True
            and not train.assumed
            and not _is_zero(call.argument(1, "p"))
        ):
            self._report_always(
                call, (call.name or "").rpartition(".")[2], written_argument(call.node, 2, "train"), method
            )

    def _check_attention(self, call: Call, method: FunctionInfo) -> None:
        p, arg = call.argument(4, "dropout_p"), written_argument(call.node, 4, "dropout_p")
        owner = method.owner
        if p is None or arg is None or owner is None or _is_zero(p) or switches_itself(owner):
            return
        value = arg.value
        held = isinstance(value, cst.Attribute) and isinstance(value.value, cst.Name)
        if held:
            held = value.value.value == _receiver(method) and not is_computed(owner, value.attr.value)  # type: ignore[attr-defined]
            held = held and self._is_kept(owner, p)
        if not held and not isinstance(value, (cst.Float, cst.Integer)):
            return
        if self.asks_mode():
            return
        text = f"{self.text(value)} if {_receiver(method)}.training else 0.0"
        self.report(
            value,
            "`scaled_dot_product_attention` does not know the mode: it drops after `eval()`, too",
            help="pass 0.0 while evaluating",
            fix=self.fix("drop while training only", Applicability.UNSAFE, self.replace(value, text)),
        )

    def _is_kept(self, owner: ClassInfo, p: Value) -> bool:
        """Whether what is in an attribute is a number, or may be one: nothing that a method has switched."""
        return p is UNKNOWN or (isinstance(p, Const) and isinstance(p.value, (int, float))) or isinstance(p, Scalar)


def _receiver(method: FunctionInfo) -> str:
    """The name of a method's first parameter."""
    parameters = (*method.node.params.posonly_params, *method.node.params.params)
    static = any(getattr(decorator, "name", "") == "builtins.staticmethod" for decorator in method.decorators)
    return parameters[0].name.value if parameters and not static else ""


def _is_zero(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value == 0 and value.value is not False and not value.assumed


def _is_mode(p: Value, arg: cst.Arg | None) -> bool:
    """Whether what is given as a probability is the mode, by its name and by what it is."""
    node = arg.value if arg is not None else None
    name = node.attr.value if isinstance(node, cst.Attribute) else node.value if isinstance(node, cst.Name) else ""
    if isinstance(p, Const):
        return isinstance(p.value, bool)
    return isinstance(p, Scalar) and p.kind == "bool" and "train" in name
