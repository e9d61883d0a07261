"""Losses on which `backward()` is called, and from which no gradient gets to what they were computed from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.knowledge import is_loss
from torchlint.semantic.label_names import LABELS, PREDICTIONS, base_name
from torchlint.semantic.losses import argument
from torchlint.semantic.tensor_names import scope_nodes
from torchlint.semantic.values import UNKNOWN, ListRef, Numbers, Origin, Tensor, Tri, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Event
    from torchlint.semantic.model import Model

VARIABLE = "torch.autograd.Variable"
# Results of these are written down, and computed from nothing.
_WRITTEN = frozenset({
    "zeros", "ones", "rand", "randn", "randint", "empty", "full", "arange", "linspace", "eye", "tensor", "Tensor",
    "FloatTensor", "from_numpy", "zeros_like", "ones_like", "rand_like", "randn_like", "empty_like", "Parameter",
    "as_tensor",
})  # fmt: skip


class Severed(NamedTuple):
    """A loss with no way back.

    Attributes:
        place: where `backward()` is called, or what of the linted file leads there.
        here: whether it is called in the linted file.
        ended: what ended the graph; for a rounded loss, what rounds.
        kind: `cut` by what keeps no graph (`detach`, `.data`, `torch.tensor`); `stepped`: by what has no gradient
            (`argmax`, a comparison, a conversion to integers); `off`: computed while autograd does not record;
            `rounded`: the gradient is zero; `forced`: the loss is made a leaf of its own; `doubtful`: it is made to
            require grad, as it does already, or something cut it; `number`: it is what `item()` gave.
    """

    place: cst.CSTNode
    here: bool
    ended: Origin
    kind: str


def severed(model: "Model") -> Iterator[Severed]:
    """Each loss with no way back, once for each way in which its `backward()` is reached."""
    for event in model.events:
        loss = event.subject
        if event.kind != "backward":
            continue
        here = event.origin.unit is model.unit
        if any(call.tried for call in model.calls(event.node)) if here else not event.stack:
            continue
        found = _ending(model, loss) if isinstance(loss, Tensor) and not loss.batch else None
        if here and not isinstance(loss, Tensor):
            found = _doubtful(model, event)
        elif here and found is None and isinstance(loss, Tensor):
            found = _of_prediction(model, loss)
        if found is not None:
            yield Severed(event.node if here else event.stack[-1], here, *found)


def _doubtful(model: "Model", event: "Event") -> tuple[Origin, str] | None:
    """Where the function around sets `requires_grad` of the very name that `backward()` is called on, or where it
    binds that to the number that `item()` gives, and to nothing else."""
    func = event.node.func if isinstance(event.node, cst.Call) else None
    name = dotted(func.value) if isinstance(func, cst.Attribute) else ""
    text = model.unit.source.text
    forced = f"{name}.requires_grad" in text
    if not name or (not forced and ".item()" not in text):
        return None
    numbers: list[cst.CSTNode] = []
    bound = 0
    for node in scope_nodes(event.active[-1].node if event.active else model.module):
        sets = False
        if isinstance(node, cst.Assign):
            target: cst.BaseExpression = node.targets[0].target
            sets = dotted(target) == f"{name}.requires_grad" and dotted(node.value) == "True"
            if _binds(target, name):
                bound += 1
                if dotted(target) == name and isinstance(node.value, cst.Call) and not node.value.args:
                    method = node.value.func
                    if isinstance(method, cst.Attribute) and method.attr.value == "item":
                        numbers.append(node.value)
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.For, cst.AsName, cst.NamedExpr)):
            bound += _binds(node.name if isinstance(node, cst.AsName) else node.target, name)
        else:
            sets = isinstance(node, cst.Call) and dotted(node.func) == f"{name}.requires_grad_" and not node.args
        if sets:
            return Origin(node, model.unit), "doubtful"
    if numbers and bound == len(numbers) and "." not in name:
        return Origin(numbers[0], model.unit), "number"
    return None


def _binds(target: cst.CSTNode, name: str) -> bool:
    if isinstance(target, (cst.Tuple, cst.List)):
        return any(_binds(element.value, name) for element in target.elements)
    return dotted(target) == name


def _of_prediction(model: "Model", loss: Tensor) -> tuple[Origin, str] | None:
    """What ends the graph of a loss of torch between a prediction and labels of which nothing is known but the name.

    Labels never require grad. Under other names it may well be the prediction that is given as the target.
    """
    origin = loss.origin
    if loss.grad is not Tri.MAYBE or origin is None or origin.unit is not model.unit:
        return None
    if not isinstance(origin.node, cst.Call):
        return None
    for call in model.calls(origin.node):
        target = argument(origin.node, 1, "target")
        written = argument(origin.node, 0, "input")
        if not call.certain or not is_loss(call.name) or target is None or written is None:
            return None
        given = call.argument(0, "input")
        if call.argument(1, "target") is not UNKNOWN or base_name(target) not in LABELS:
            return None
        if isinstance(given, Tensor) and given.grad is Tri.NO and given.grad_origin is not None:
            return given.grad_origin, _kind(given.grad_origin.node)
        cut = written.func if isinstance(written, cst.Call) else written
        if given is UNKNOWN and isinstance(cut, cst.Attribute) and base_name(cut) in PREDICTIONS:
            if cut.attr.value == ("detach" if isinstance(written, cst.Call) else "data"):
                return Origin(written, model.unit), "cut"
    return None


def _ending(model: "Model", loss: Tensor) -> tuple[Origin, str] | None:
    origin = loss.grad_origin
    if loss.grad is Tri.NO:
        return (origin, _kind(origin.node)) if origin is not None else _unrecorded(model, loss)
    if loss.grad is Tri.YES and loss.numbers is Numbers.STEPS and loss.numbers_origin is not None:
        return loss.numbers_origin, "rounded"
    if loss.grad is Tri.YES and origin is not None and _is_forced(model, origin, loss):
        return origin, "forced"
    return None


def _unrecorded(model: "Model", loss: Tensor) -> tuple[Origin, str] | None:
    """The operation that gave the loss, where autograd certainly does not record it."""
    made = loss.origin
    if made is None or made.unit is not model.unit:
        return None
    calls = model.calls(made.node)
    off = bool(calls) and all(call.certain and call.grad is Tri.NO for call in calls)
    return (made, "off") if off else None


def _kind(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return "cut"
    if isinstance(node, cst.Call):
        name = node.func.attr.value if isinstance(node.func, cst.Attribute) else dotted(node.func)
        return "cut" if name in ("detach", "detach_", "Variable") or name in _WRITTEN else "stepped"
    return "stepped"


def _is_forced(model: "Model", origin: Origin, loss: Tensor) -> bool:
    """Whether a loss, computed from something else, was made to require grad by itself."""
    node = origin.node
    if origin.unit is not model.unit:
        return False
    if isinstance(node, cst.Attribute):
        # `loss.requires_grad = True`
        before: tuple[Value, ...] = tuple(model.values(node.value))
    else:
        before = tuple(
            given
            for call in model.calls(node)
            if call.certain and (call.name or "") in (VARIABLE, "torch.tensor", "torch.Tensor.requires_grad_")
            for given in (call.receiver if call.receiver is not None else call.argument(0, "data", "input"),)
            if given is not None
        )
    if isinstance(node, cst.Call) and dotted(node.func).endswith("tensor"):
        if loss.origin is not None and loss.origin.node is node and node.args:
            # Of numbers that are not written there, so that they may well be those of a loss.
            data = node.args[0].value
            return isinstance(data, (cst.Name, cst.Attribute, cst.BinaryOperation, cst.Subscript)) or (
                isinstance(data, cst.Call) and dotted(data.func) not in ("float", "int")
            )
        return any(isinstance(given, Tensor) and _is_computed(model, given) for given in before) or any(
            any(isinstance(item, Tensor) and item.grad is Tri.YES for item in model.elements(given) or ())
            for given in before
            if isinstance(given, ListRef)
        )
    is_new = isinstance(node, cst.Call) and any(call.name == VARIABLE for call in model.calls(node))
    for given in before:
        if given is UNKNOWN and is_new:
            # Whatever it is: the loss is a leaf, and nothing else gets a gradient.
            return loss.origin is None
        if isinstance(given, Tensor) and given.origin is loss.origin and _is_computed(model, given):
            return is_new or given.grad is Tri.NO
    return False


def _is_computed(model: "Model", value: Tensor) -> bool:
    """Whether a tensor was computed from others, as far as the linted file shows."""
    origin = value.origin
    if origin is None or origin.unit is not model.unit:
        return False
    names = [(call.name or "").rpartition(".")[2] for call in model.calls(origin.node)]
    if isinstance(origin.node, cst.Call):
        return bool(names) and not any(name in _WRITTEN for name in names)
    return isinstance(origin.node, cst.BinaryOperation)
