import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.instances import is_module
from torchlint.semantic.members import is_member, receiver_name
from torchlint.semantic.module_attributes import METHODS, Setting
from torchlint.semantic.parts import nodes_in
from torchlint.semantic.registration import PARAMETERS, is_plain_module
from torchlint.semantic.values import (
    Array,
    ClassInfo,
    Const,
    DeviceValue,
    DictRef,
    FunctionRef,
    Instance,
    ListRef,
    Scalar,
    Tensor,
    TupleOf,
    Value,
    alternatives,
)

# Methods that torch itself calls, or that every training calls.
CALLED = frozenset({
    "parameters", "named_parameters", "named_modules", "children", "named_children", "train", "eval", "state_dict",
    "load_state_dict", "to", "zero_grad", "forward",
})  # fmt: skip
PLAIN = (Const, Scalar, ListRef, DictRef, TupleOf, Tensor, Array, DeviceValue)


class ModuleAttributeShadowing(Rule):
    """Checks for attributes of an `nn.Module` with the name of one of its methods: `self.parameters = []`.

    A plain value takes the place of the method. Reported are names that torch or any training calls, such as
    `parameters`, `train` and `children`, and others (`modules`, `buffers`) where the method is called in this file.
    A layer or parameter does not take the place: reported is what reads it and gets the method instead.

    ## Why is this bad?
    `TypeError: 'list' object is not callable`, as soon as somebody calls the method: an optimizer is made, the model
    is put into eval mode or moved to a device, in this class or in one that holds it. Reading a layer under such a
    name raises `TypeError: 'method' object is not iterable`.

    ## Example
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 2)
            self.parameters = {"in": 8, "out": 2}
    ```

    ## Use instead
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 2)
            self.sizes = {"in": 8, "out": 2}
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    code = "TL522"
    category = Category.CORRECTNESS
    words = ("Module", "super")

    def leave_Module(self, node: cst.Module) -> None:
        by_target: dict[int, list[Setting]] = {}
        for setting in self.model.facts.settings:
            if setting.name in METHODS and isinstance(setting.owner, Instance):
                by_target.setdefault(id(setting.target), []).append(setting)
        reported: set[tuple[int, str]] = set()
        for group in by_target.values():
            setting = group[0]
            assert isinstance(setting.owner, Instance)
            info, name = setting.owner.info, setting.name
            written = setting.target.value
            if info is None or (id(info), name) in reported or not is_plain_module(info):
                continue
            if not isinstance(written, cst.Name) or self._has_property(info, name):
                continue
            if name in ("train", "eval") and written.value != "self":
                # `model.train = False` is meant to switch the mode, which `call-missing-parentheses` says.
                continue
            text = self._judged(info, group)
            if text is not None:
                reported.add((id(info), name))
                self.report(setting.target, text, help="give the attribute another name")

    def _judged(self, info: ClassInfo, group: list[Setting]) -> str | None:
        setting = group[0]
        name, text = setting.name, self.text(setting.target)
        if all(self._is_layer(each.value) for each in group):
            return self._judged_layer(info, text, name)
        if not all(_is_plain(each.value) for each in group):
            return None
        held = self.model.held(setting.owner, name)  # type: ignore[arg-type]
        if not all(map(_is_plain, alternatives(held))):
            return None
        if name in CALLED:
            return f"`{text}` takes the place of the method `{name}`, which can no longer be called"
        values = {id(each.value) for each in group}
        if any(id(call.callee) in values for call in self.model.all_calls):
            return f"`{text}` takes the place of the method `{name}`, which is called in this file"
        return None

    def _judged_layer(self, info: ClassInfo, text: str, name: str) -> str | None:
        if name == "forward":
            if any(isinstance(entry, ClassInfo) and "forward" in entry.base for entry in info.mro):
                return None
            return f"`{text}` is registered, and does not become the `forward` of the module"
        if self._is_read(info, name):
            return f"`{text}` is registered, but reading it gives the method `{name}`"
        return None

    def _is_layer(self, value: Value) -> bool:
        if isinstance(value, Tensor) and value.origin is not None:
            return any(call.name in PARAMETERS for call in self.model.calls(value.origin.node))
        return isinstance(value, Instance) and is_module(value)

    @staticmethod
    def _has_property(info: ClassInfo, name: str) -> bool:
        for entry in info.mro:
            held = entry.base.get(name) if isinstance(entry, ClassInfo) else None
            if held is not None and (not isinstance(held, FunctionRef) or held.info.decorators):
                return True
        return False

    @staticmethod
    def _is_read(info: ClassInfo, name: str) -> bool:
        """Whether a method of the class uses the attribute as an object: anything but a call without arguments."""
        for method in info.node.body.body:
            if isinstance(method, cst.FunctionDef):
                receiver = receiver_name(method)
                found: set[cst.CSTNode] = set()
                fine: set[cst.CSTNode] = set()
                for node in nodes_in(method):
                    if isinstance(node, cst.Call) and not node.args:
                        fine.add(node.func)
                    elif isinstance(node, (cst.AssignTarget, cst.AnnAssign)):
                        fine.add(node.target)
                    elif is_member(node, receiver) and node.attr.value == name:
                        found.add(node)
                if found - fine:
                    return True
        return False


def _is_plain(value: Value) -> bool:
    return isinstance(value, PLAIN) and not (isinstance(value, Const) and value.value is None)
