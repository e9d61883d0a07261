"""Expressions that are meant to keep a model's weights as they are, and share them with the model instead."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.checkpoints import STATE_DICT, is_live_state, owner
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import is_module
from torchlint.semantic.parts import parts
from torchlint.semantic.values import DEVICE, Device, DeviceValue, Instance, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

_DICTS = frozenset({"builtins.dict", "collections.OrderedDict"})


class Shared(NamedTuple):
    """What shares its weights with a model.

    Attributes:
        node: the expression to be copied.
        what: `state` (a state dict), `values` (a dict of the tensors of one), or `module` (the model itself).
        model: how the code names the model; "" where it does not.
        state: the state dict, where there is one.
    """

    node: cst.BaseExpression
    what: str
    model: str
    state: Instance | None = None


def shared(model: "Model", node: cst.BaseExpression) -> Shared | None:
    """What an expression shares with a model, in each context in which it runs; None where that is not certain."""
    if isinstance(node, cst.DictComp):
        return _comprehension(model, node)
    if isinstance(node, cst.Dict):
        found = [shared(model, element.value) for element in node.elements]
        return next((one for one in found if one is not None and one.what == "state"), None)
    if isinstance(node, cst.Call):
        return _call(model, node)
    values = model.values(node)
    if not isinstance(node, (cst.Name, cst.Attribute)) or not values:
        return None
    if all(map(is_module, values)):
        return Shared(node, "module", dotted(node))
    if all(map(is_live_state, values)):
        return Shared(node, "state", "", _instance(values[0]))
    return None


def _call(model: "Model", node: cst.Call) -> Shared | None:
    values = model.values(node)
    if values and all(map(is_live_state, values)):
        return Shared(node, "state", _named(node), _instance(values[0]))
    if not values and isinstance(node.func, cst.Attribute) and node.func.attr.value == "state_dict" and not node.args:
        # It never ran, as far as is known, and its text leaves no doubt.
        return Shared(node, "state", _named(node))
    for call in model.calls(node):
        given = call.argument(0, "x")
        first = node.args[0].value if node.args else None
        if given is None or first is None or not call.certain:
            continue
        if call.name in _DICTS and is_live_state(given):
            return Shared(node, "state", _named(first), _instance(given))
        if call.name == "copy.copy" and is_live_state(given):
            return Shared(node, "state", _named(first), _instance(given))
        if call.name == "copy.copy" and is_module(given):
            return Shared(node, "module", dotted(first))
    return None


def _comprehension(model: "Model", node: cst.DictComp) -> Shared | None:
    """`{k: v.detach() for k, v in model.state_dict().items()}`, of whose tensors none is copied."""
    source, target, value = node.for_in.iter, node.for_in.target, node.value
    calls = model.calls(source)
    named = {f"{STATE_DICT}.items": None, "torch.nn.Module.named_parameters": None}
    if not calls or not all(call.certain and call.name in named for call in calls):
        return None
    copying = False
    while True:
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and not value.args:
            copying = copying or value.func.attr.value == "cpu"
            if value.func.attr.value not in ("detach", "cpu", "contiguous"):
                return None
            value = value.func.value
        elif isinstance(value, cst.Attribute) and value.attr.value == "data":
            value = value.value
        else:
            break
    if not isinstance(target, cst.Tuple) or len(target.elements) != 2:
        return None
    if not dotted(value) or dotted(value) != dotted(target.elements[1].value):
        return None
    state = calls[0].receiver
    module = owner(state) if state is not None and is_live_state(state) else state
    if copying and not _stays_on_cpu(model, module):
        return None
    inner = source.func.value if isinstance(source, cst.Call) and isinstance(source.func, cst.Attribute) else source
    name = _named(inner) if isinstance(inner, cst.Call) else dotted(inner)
    return Shared(node.value, "values", name, _instance(state) if state is not None else None)


def _stays_on_cpu(model: "Model", module: Value | None) -> bool:
    """Whether `.cpu()` of a module's tensors certainly gives these tensors themselves."""
    if not isinstance(module, Instance) or "cuda" in model.unit.source.text:
        return False
    device = model.held(module, DEVICE)
    return isinstance(device, DeviceValue) and device.device is Device.CPU


def _instance(value: Value) -> Instance | None:
    return value if isinstance(value, Instance) and is_live_state(value) else None


def _named(node: cst.BaseExpression) -> str:
    """`model` of `model.state_dict()` and `model.state_dict().copy()`."""
    while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        if node.func.attr.value == "state_dict":
            return dotted(node.func.value)
        node = node.func.value
    return ""


def binds(block: cst.CSTNode, name: str) -> int:
    """How many statements of a loop, function or module assign a name such as `self.model`, or the variable that it
    starts with; those of functions in it are left out."""
    roots = {name, name.partition(".")[0]}
    count = 0
    for node in _own(block):
        targets: list[cst.BaseExpression] = []
        if isinstance(node, cst.Assign):
            targets = [target.target for target in node.targets]
        elif isinstance(node, (cst.For, cst.NamedExpr, cst.AnnAssign)):
            targets = [node.target]
        for target in targets:
            flat = [e.value for e in target.elements] if isinstance(target, (cst.Tuple, cst.List)) else [target]
            count += any(dotted(item) in roots for item in flat)
    return count


def _own(block: cst.CSTNode) -> Iterator[cst.CSTNode]:
    pending = [block]
    while pending:
        node = pending.pop()
        yield node
        if node is block or not isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            pending.extend(parts(node))
