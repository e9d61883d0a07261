import re
from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.checkpoints import (
    LOADED,
    RESULT,
    RESULT_ATTRIBUTES,
    entries,
    is_loaded,
    is_state,
    is_test,
    is_touched,
    kind_of,
    loaded_part,
    saved_in,
)
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import is_module
from torchlint.semantic.values import UNKNOWN, Const, DictRef, Instance, Origin, Scalar, Symbol, Value
from torchlint.semantic.written import is_plain, written_argument

# Names under which the keys that did not fit are kept.
ABOUT_KEYS = re.compile(r"res|ret|msg|mess|key|info|incomp|miss|unexp|status|load|log|report|out|_$", re.IGNORECASE)
IS_DICT = frozenset({"__call__", "eval", "train", "parameters", "named_parameters", "cuda", "cpu", "state_dict"})


class LoadStateDictMisuse(Rule):
    """Checks for `load_state_dict` whose result or argument is mistaken for something else.

    Reported are: its result used as the model, a path, a model or a whole checkpoint given to it in place of a state
    dict, the content of a file of weights used as the model, and `strict=False` while nobody looks at the keys that
    did not fit.

    ## Why is this bad?
    `load_state_dict` fills the module and returns which keys were missing or unexpected. That result is no module:
    `TypeError: '_IncompatibleKeys' object is not callable`. An optimizer's returns None. A path or a model in place of
    a state dict raises `TypeError: Expected state_dict to be dict-like`. With `strict=False` weights whose names
    differ, such as by a `module.` in front of all of them, are left out: nothing is loaded, and nothing says so.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    model = model.load_state_dict(torch.load("model.pt", map_location="cpu"))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    model.load_state_dict(torch.load("model.pt", map_location="cpu"))
    ```

    ## Fix safety
    Safe where the model's name is assigned the result: whatever used the name as the model raised. Unsafe where a path
    is put into `torch.load`.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
    """

    code = "TL509"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("load_state_dict", "torch.load")

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        # The statements that calls stand in: `call` and `... = call`, by the call.
        self.dropped: set[int] = set()
        self.assignments: dict[int, cst.Assign] = {}
        self.reported: set[int] = set()

    def visit_Expr(self, node: cst.Expr) -> None:
        if type(node.value) is cst.Call:
            self.dropped.add(id(node.value))

    def visit_Assign(self, node: cst.Assign) -> None:
        if type(node.value) is cst.Call:
            self.assignments[id(node.value)] = node

    def leave_Module(self, node: cst.Module) -> None:
        for name in sorted(self.model.called):
            owner, _, method = name.rpartition(".")
            if owner == RESULT and method not in RESULT_ATTRIBUTES:
                for call in self.model.calls_of(name):
                    self._check_use(call)
            elif owner == LOADED and method in IS_DICT:
                for call in self.model.calls_of(name):
                    self._check_loaded(call)
            elif method == "load_state_dict" and name.startswith("torch.optim."):
                for call in self.model.calls_of(name):
                    self._check_optimizer(call)
        for call in self.model.calls_of(RESULT):
            if call.tried or not isinstance(call.node, cst.Call):
                continue
            if all(other.name == RESULT for other in self.model.calls(call.node)):
                # Of whichever module it is.
                self._check_assigned(call, call.node)
            if call.certain:
                self._check_argument(call, call.node)
                self._check_strict(call, call.node)

    def _is_new(self, node: cst.CSTNode) -> bool:
        new = id(node) not in self.reported
        self.reported.add(id(node))
        return new

    # -- the result ---------------------------------------------------------------------------------------

    def _check_use(self, call: Call) -> None:
        """Something is asked of the result that only a module has."""
        made = call.receiver.origin if call.receiver is not None else None
        if not call.certain or call.tried or made is None:
            return
        here = made.unit is self.model.unit
        place = made.node if here else call.node
        if self._is_new(place):
            self._report_result(place, [(self.model.origin(call.node) if here else made, "it is used here")])

    def _report_result(self, place: cst.CSTNode, related: list[tuple[Origin, str]]) -> None:
        self.report(
            place,
            "`load_state_dict` returns the keys that did not fit, which are used as the model here",
            help="call it as a statement, and go on with the module itself",
            fix=self._without_assignment(place),
            related=related,
        )

    def _check_assigned(self, call: Call, node: cst.Call) -> None:
        """The result replaces the module: under its name, or because nothing else ever held the module."""
        target = self.model.assigned_to(node)
        if not isinstance(target, (cst.Name, cst.Attribute)) or not isinstance(node.func, cst.Attribute):
            return
        receiver = node.func.value
        name = target.value if isinstance(target, cst.Name) else target.attr.value
        lost = isinstance(receiver, cst.Call) and is_module(call.receiver or UNKNOWN) and self._makes(receiver)
        if (lost and not ABOUT_KEYS.search(name)) or (dotted(target) and dotted(target) == dotted(receiver)):
            if self._is_new(node):
                self._report_result(node, [])

    def _makes(self, node: cst.Call) -> bool:
        return any(value.origin is not None and value.origin.node is node for value in self.model.values(node))

    def _without_assignment(self, place: cst.CSTNode) -> Repair | None:
        target = self.model.assigned_to(place)
        if not isinstance(place, cst.Call) or not isinstance(place.func, cst.Attribute) or target is None:
            return None
        if not dotted(target) or dotted(target) != dotted(place.func.value):
            return None
        statement = self.assignments.get(id(place))
        if statement is None or len(statement.targets) != 1:
            return None
        edit = self.replace(statement, self.text(place))
        return self.fix("do not assign the result", Applicability.SAFE, edit)

    def _check_optimizer(self, call: Call) -> None:
        node = call.node
        target = self.model.assigned_to(node)
        if not call.certain or call.tried or not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            return
        if target is not None and dotted(target) and dotted(target) == dotted(node.func.value) and self._is_new(node):
            self.report(
                node,
                "`load_state_dict` of an optimizer returns None, which takes the optimizer's place here",
                help="call it as a statement",
                fix=self._without_assignment(node),
            )
        given, arg = call.argument(0, "state_dict"), written_argument(node, 0, "state_dict")
        if given is not None and arg is not None and _is_path(given) and self._is_new(arg):
            self._report_path(arg.value)

    # -- the argument -------------------------------------------------------------------------------------

    def _check_argument(self, call: Call, node: cst.Call) -> None:
        given = call.argument(0, "state_dict")
        arg = written_argument(node, 0, "state_dict")
        if given is None or arg is None or id(arg) in self.reported:
            return
        place = arg.value
        if _is_path(given):
            self.reported.add(id(arg))
            self._report_path(place)
        elif is_module(given):
            self.reported.add(id(arg))
            repair = self.fix("pass its state dict", Applicability.UNSAFE, self.insert_after(place, ".state_dict()"))
            self.report(
                place,
                f"`{self._short(place)}` is a module, and `load_state_dict` takes a state dict",
                help="pass its `state_dict()`",
                fix=repair if is_plain(place) else None,
            )
        else:
            for whole, saved, kind in self._files(given):
                if kind != "state":
                    self.reported.add(id(arg))
                    self.report(
                        place,
                        "the file holds a whole checkpoint, of which the state dict is one entry"
                        if kind == "nested"
                        else "the file holds a module, and `load_state_dict` takes a state dict",
                        help=f"pass its entry `{self._entry(saved)}`"
                        if kind == "nested"
                        else "save its `state_dict()`",
                        related=[(whole.origin, "it is saved here")],
                    )
                    break

    def _files(self, value: Value) -> Iterator[tuple[Call, Value, str]]:
        if isinstance(value, Instance) and is_loaded(value):
            found = saved_in(self.model, value)
            kind = kind_of(self.model, found[1]) if found is not None else None
            if found is not None and kind is not None:
                yield found[0], found[1], kind

    def _entry(self, saved: Value) -> object:
        assert isinstance(saved, DictRef)
        return next(key for key, value in entries(self.model, saved) if is_state(value))

    def _report_path(self, place: cst.BaseExpression) -> None:
        name = next((name for name, value in self.model.unit.frame.base.items() if _is_torch(value)), None)
        edits = (self.insert_before(place, f"{name}.load("), self.insert_after(place, ")"))
        self.report(
            place,
            "a path is given to `load_state_dict`, which takes a state dict",
            help="read the file first: `torch.load(path)`",
            fix=self.fix("read the file", Applicability.UNSAFE, *edits) if name is not None else None,
        )

    def _check_loaded(self, call: Call) -> None:
        """What is in a file of weights is used as the model."""
        if not call.certain or call.tried or call.receiver is None or call.receiver.origin is None:
            return
        for whole, _, kind in self._files(call.receiver):
            origin = call.receiver.origin
            if kind != "module" and self._is_new(call.node) and self._is_new(origin.node):
                self.report(
                    call.node,
                    "the file holds a state dict, which is used as the model here",
                    help="make the module, and give it the state dict by `load_state_dict`",
                    related=[(whole.origin, "it is saved here"), (origin, "it is loaded here")],
                )

    # -- strict=False -------------------------------------------------------------------------------------

    def _check_strict(self, call: Call, node: cst.Call) -> None:
        strict = call.argument(1, "strict")
        if not isinstance(strict, Const) or strict.assumed or strict.value is not False or id(node) not in self.dropped:
            return
        arg = written_argument(node, 0, "state_dict")
        loaded = loaded_part(self.model, arg.value) if arg is not None else None
        if loaded is None or is_touched(self.model, loaded) or is_test(self.model):
            # Whoever picks or renames weights before knows which ones are left.
            return
        if all(call.argument(1, "strict") == strict for call in self.model.calls(node)) and self._is_new(node):
            self.report(
                node,
                "`strict=False` leaves out weights whose names differ, and nobody looks at which",
                help="check what it returns: `missing, unexpected = ...`",
                severity=Severity.INFO,
            )

    def _short(self, node: cst.BaseExpression) -> str:
        text = self.text(node)
        return text if len(text) <= 40 else "..."


def _is_path(value: Value) -> bool:
    """Whether a value certainly is a path, as text or as a `pathlib.Path`."""
    if isinstance(value, Const):
        return isinstance(value.value, str)
    if isinstance(value, Instance):
        return value.symbol == "pathlib.Path"
    return isinstance(value, Scalar) and value.kind == "str"


def _is_torch(value: Value) -> bool:
    return isinstance(value, Symbol) and value.name == "torch"
