from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.checkpoints import entries, is_loaded, is_state, is_test
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import is_module
from torchlint.semantic.training import is_optimizer, is_scheduler
from torchlint.semantic.values import Const, DictRef, Instance, OneOf, Scalar, TupleOf, Value
from torchlint.semantic.written import is_plain, written_argument


class SaveWholeModel(Rule):
    """Checks for models, optimizers and schedulers that are saved as whole objects.

    Also where they are entries of a checkpoint: `torch.save({"model": model}, path)`. And for `torch.save` whose
    arguments are swapped.

    ## Why is this bad?
    The object is pickled: the file holds the names of your classes and modules, and breaks when these are moved,
    renamed or changed (`ModuleNotFoundError`, `AttributeError`). From torch 2.6 on `torch.load` refuses such a file
    unless it is told to run whatever code it holds: `UnpicklingError: Weights only load failed`. A state dict is
    tensors and names only.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    torch.save(model, "model.pt")
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    torch.save(model.state_dict(), "model.pt")
    ```

    ## Fix safety
    Unsafe: what loads the file must make the model, and call `load_state_dict`.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/serialization.html#saving-and-loading-torch-nn-modules
    """

    code = "TL507"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("torch.save", "pickle", "save(")

    def leave_Module(self, node: cst.Module) -> None:
        self.reported: set[int] = set()
        for name in ("torch.save", "pickle.dump", "pickle.dumps") if not is_test(self.model) else ():
            for call in self.model.calls_of(name):
                if call.certain and not call.tried:
                    self._check(call)

    def _check(self, call: Call) -> None:
        saved, arg = call.argument(0, "obj"), written_argument(call.node, 0, "obj")
        if saved is None or arg is None or id(call.node) in self.reported:
            return
        what = _whole(saved)
        if what is not None:
            self.reported.add(id(call.node))
            self._report(arg.value, what)
        elif isinstance(saved, DictRef):
            self._check_entries(call, arg.value, saved)
        elif call.name == "torch.save" and _is_path(saved):
            where = call.argument(1, "f")
            if where is not None and (_whole(where) or is_state(where) or isinstance(where, DictRef)):
                self.reported.add(id(call.node))
                self.report(
                    call.node,
                    "`torch.save` takes what is saved first, and the path after it",
                    help="swap the arguments",
                    severity=Severity.ERROR,
                )

    def _check_entries(self, call: Call, place: cst.BaseExpression, saved: DictRef) -> None:
        """A checkpoint with an entry that is a whole object; the place is that entry if it is written right here."""
        whole = {key: what for key, value in entries(self.model, saved) if (what := _whole(value)) is not None}
        if not whole:
            return
        self.reported.add(id(call.node))
        written = place if isinstance(place, cst.Dict) else None
        if written is None and saved.origin is not None and isinstance(saved.origin.node, cst.Dict):
            written = saved.origin.node if saved.origin.unit is self.model.unit else None
        found = False
        for key, node in self._written(written):
            what = whole.get(key)
            if what is not None and id(node) not in self.reported:
                found = True
                self.reported.add(id(node))
                self._report(node, what)
        if not found:
            key, what = next(iter(whole.items()))
            self.report(
                place,
                f"the entry `{key}` is {what} that is saved as a whole object",
                help="save its `state_dict()`",
            )

    def _written(self, node: cst.Dict | None) -> Iterator[tuple[object, cst.BaseExpression]]:
        for element in node.elements if node is not None else ():
            if isinstance(element, cst.DictElement):
                key = self.model.value(element.key)
                if isinstance(key, Const):
                    yield key.value, element.value

    def _report(self, node: cst.BaseExpression, what: str) -> None:
        text = self.text(node) if is_plain(node) else ""
        edit = self.insert_after(node, ".state_dict()")
        self.report(
            node,
            f"`{text}`, {what}, is saved as a whole object" if text else f"{what} is saved as a whole object",
            help="save its `state_dict()`",
            fix=self.fix("save its state dict", Applicability.UNSAFE, edit) if text else None,
        )


def _whole(value: Value) -> str | None:
    """What a value is, if it is an object that has a state dict; None where it is not certain to be one."""
    if isinstance(value, OneOf):
        # What was loaded in place of a new model is one, too.
        kinds = {_whole(option) for option in value.values if not is_loaded(option)}
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(value, TupleOf):
        return next((what for item in value.items if (what := _whole(item)) is not None), None)
    if not isinstance(value, Instance):
        return None
    if is_module(value):
        return "a module"
    return "a scheduler" if is_scheduler(value) else "an optimizer" if is_optimizer(value) else None


def _is_path(value: Value) -> bool:
    return (isinstance(value, Const) and isinstance(value.value, str)) or (
        isinstance(value, Scalar) and value.kind == "str"
    )
