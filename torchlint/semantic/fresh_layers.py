"""Layers and parameters that `forward` makes anew at each call."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.enclosing import is_tried
from torchlint.semantic.flow import dotted, own_nodes
from torchlint.semantic.instances import CONTAINERS, WRAPPERS, is_module, is_module_class
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.members import is_member, receiver_name
from torchlint.semantic.modes import mode_layers
from torchlint.semantic.parametrised import is_parametrised
from torchlint.semantic.parts import nodes_in, stands_in
from torchlint.semantic.values import ClassInfo, Const, FunctionInfo, Instance, Tri

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

PARAMETER = "torch.nn.Parameter"
# Functions that make what is kept, on the way from `forward`.
_MAKING = re.compile(
    r"(^|_)(init|initiali[sz]e|build|reset|setup|lazy|create|make|get|set|update|load|clone|copy)(_|$)"
)
# Methods of a module that each pass goes through.
_PASS = re.compile(r"forward|__call__|encode|decode|(training|validation|test)_step|forward_\w+|\w+_forward")
_SAMPLING = re.compile(r"mc_|monte|mcdrop|uncertain|stochastic|bayes", re.IGNORECASE)
# What is done to a layer that keeps its new weights.
_PLAIN_USES = frozenset({"to", "cuda", "cpu", "float", "half", "double", "type", "forward"})


class Fresh(NamedTuple):
    """A construction in `forward`: what is made is a `layer`, a `mode` (a layer without parameters that depends on
    the mode) or a `parameter`."""

    call: "Call"
    kind: str
    forward: FunctionInfo


def fresh_layers(model: "Model") -> Iterator[Fresh]:
    """What this file makes anew in `forward` and uses there, or keeps in place of what it was."""
    seen: dict[int, Fresh | None] = {}
    used: set[Instance] | None = None
    # Those that train what they make.
    training = {function for event in model.events if event.kind == "backward" for function in event.active}
    for call in _constructions(model):
        if call.active and call.active[-1].name == "__init__":
            seen[id(call.node)] = None
            continue
        forward = _forward(call)
        if forward is None:
            if len(call.stack) > len(call.active):
                # Made elsewhere too, where it may well be right; nothing in this file calls the others.
                seen[id(call.node)] = None
            continue
        if id(call.node) in seen:
            continue
        if used is None:
            used = {each.callee for each in model.all_calls if isinstance(each.callee, Instance)}
        kind = _kind(model, call) if forward not in training else None
        if kind is None or not _is_used(model, call, used) or not _is_always(model, call, kind):
            seen[id(call.node)] = None
            continue
        seen[id(call.node)] = Fresh(call, kind, forward)
    made = [found for found in seen.values() if found is not None]
    inner = {id(value) for found in made for value in (*found.call.arguments.positional, *found.call.arguments.tail)}
    yield from (found for found in made if id(found.call.result) not in inner)


def _constructions(model: "Model") -> Iterator["Call"]:
    names = [name for name in model.called if name == PARAMETER or name in CONTAINERS or _is_layer(name)]
    yield from model.calls_of(*names)
    if any(is_module_class(info) is Tri.YES for info in model.classes):
        for calls in model.facts.calls.values():
            if type(calls[0].callee) is ClassInfo and isinstance(calls[0].result, Instance):
                if is_module(calls[0].result):
                    yield from (call for call in calls if call.callee is calls[0].callee)


def _is_layer(name: str) -> bool:
    known = module_class(name) if name.startswith("torch.nn.") else None
    return known is not None and not known.is_loss and name not in WRAPPERS


def _forward(call: "Call") -> FunctionInfo | None:
    """The `forward` of a module that leads to a call; None where something else that makes modules stands between."""
    for index, function in enumerate(call.active):
        owner = function.owner
        if owner is not None and _PASS.fullmatch(function.name) and is_module_class(owner) is Tri.YES:
            between = call.active[index + 1 :]
            if any(inner.name == "__init__" or _MAKING.search(inner.name) for inner in between):
                return None
            return function
    return None


def _kind(model: "Model", call: "Call") -> str | None:
    if call.name == PARAMETER:
        wanted = call.argument(1, "requires_grad")
        if (wanted is None or wanted == Const(True)) and call.grad is not Tri.NO:
            return "parameter"
        return None
    made = call.result
    if not isinstance(made, Instance):
        return None
    if is_parametrised(model, made):
        return "layer"
    if mode_layers(model, made) is Tri.YES and made.arguments.get(None, "track_running_stats") != Const(False):
        return "mode"
    return None


def _is_used(model: "Model", call: "Call", used: set[Instance]) -> bool:
    """Whether a layer is called, or takes the place of what an attribute held; how its weights come about is its own
    affair where anything else is done to it."""
    function = call.active[-1].node
    target = model.assigned_to(call.node)
    if call.name == PARAMETER:
        return isinstance(target, cst.Name) and not _is_trained(function)
    if isinstance(target, cst.Attribute):
        return True
    if call.result not in used:
        return False
    if isinstance(target, cst.Name) and isinstance(function, cst.FunctionDef):
        for node in own_nodes(function):
            if isinstance(node, cst.Attribute) and dotted(node.value) == target.value:
                if node.attr.value not in _PLAIN_USES:
                    return False
            elif isinstance(node, cst.Return) and node.value is not None and dotted(node.value) == target.value:
                return False
    return True


def _is_trained(function: cst.FunctionDef | cst.Lambda) -> bool:
    """Whether a function computes gradients itself, as one that searches for an input does."""
    if not isinstance(function, cst.FunctionDef):
        return True
    return any(isinstance(node, cst.Attribute) and node.attr.value in _SEARCHING for node in own_nodes(function))


_SEARCHING = frozenset({"backward", "grad", "step", "data", "requires_grad", "copy_"})


def _is_always(model: "Model", call: "Call", kind: str) -> bool:
    """Whether each call of `forward` makes it anew: nothing asks whether it is there, or for the mode."""
    tests = [model.module.code_for_node(test) for test in call.tests] if call.tests else []
    if kind == "mode" and any("training" in test for test in tests):
        return False
    names = (f"{function.name} {function.owner.name if function.owner else ''}" for function in call.active)
    if any(map(_SAMPLING.search, names)):
        return False
    functions = [function.node for function in call.active]
    inner = functions[-1]
    target = _kept_as(inner, call.node)
    if target is not None and (tests or is_tried(model.module, call.node)):
        return False
    places = [call.node, *functions[:0:-1]]
    return not any(
        _is_guarded(function, place, target) for function, place in zip(reversed(functions), places, strict=True)
    )


def _kept_as(function: cst.FunctionDef | cst.Lambda, made: cst.CSTNode) -> cst.Attribute | None:
    """The attribute that a layer becomes, or something with it in it."""
    for node in own_nodes(function) if isinstance(function, cst.FunctionDef) else ():
        if isinstance(node, cst.Assign) and isinstance(node.targets[0].target, cst.Attribute):
            if stands_in(made, node.value):
                return node.targets[0].target
    return None


def _is_guarded(function: cst.FunctionDef | cst.Lambda, place: cst.CSTNode, target: cst.Attribute | None) -> bool:
    """Whether a condition asks what the object has already: around a node or, for a function, a call of it; or, of the
    attribute that is assigned, anywhere: `if self.fc is not None: return ...`."""
    if not isinstance(function, cst.FunctionDef):
        return False
    own = receiver_name(function)
    for node in own_nodes(function):
        if isinstance(node, cst.If):
            if target is not None and _asks(node.test, target):
                return True
            if (target is not None and _members(node.test, own)) or _asks_for_nothing(node.test, own):
                if any(inner is place or _calls(inner, place) for inner in nodes_in(node)):
                    return True
    return False


def _calls(node: cst.CSTNode, place: cst.CSTNode) -> bool:
    if not isinstance(place, cst.FunctionDef) or not isinstance(node, cst.Call):
        return False
    return dotted(node.func).rpartition(".")[2] == place.name.value


def _members(test: cst.BaseExpression, own: str) -> list[cst.CSTNode]:
    return [node for node in nodes_in(test) if is_member(node, own)]


def _asks_for_nothing(test: cst.BaseExpression, own: str) -> bool:
    """`not self.built`, `self.fc is None`, `not hasattr(self, "fc")`"""
    if isinstance(test, cst.Comparison):
        return dotted(test.comparisons[0].comparator) == "None" and is_member(test.left, own)
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        asked = test.expression
        return is_member(asked, own) or (isinstance(asked, cst.Call) and dotted(asked.func) == "hasattr")
    return False


def _asks(test: cst.BaseExpression, target: cst.Attribute) -> bool:
    name = dotted(target)
    return any(
        dotted(node) == name or (isinstance(node, cst.SimpleString) and target.attr.value in node.value)
        for node in nodes_in(test)
    )
