"""Losses on which `backward()` is called, and from which no gradient gets to what they were computed from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.tensor_names import scope_nodes
from torchlint.semantic.values import UNKNOWN, Numbers, Origin, Tensor, Tri, Value

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
            (`argmax`, a comparison, a conversion to integers); `rounded`: the gradient is zero; `forced`: the loss is
            made a leaf of its own; `doubtful`: it is made to require grad, as it does already, or something cut it.
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
        if found is not None:
            yield Severed(event.node if here else event.stack[-1], here, *found)


def _doubtful(model: "Model", event: "Event") -> tuple[Origin, str] | None:
    """Where the function around sets `requires_grad` of the very name that `backward()` is called on."""
    func = event.node.func if isinstance(event.node, cst.Call) else None
    name = dotted(func.value) if isinstance(func, cst.Attribute) else ""
    if not name or f"{name}.requires_grad" not in model.unit.source.text:
        return None
    for node in scope_nodes(event.active[-1].node if event.active else model.module):
        if isinstance(node, cst.Assign):
            target: cst.BaseExpression = node.targets[0].target
            sets = dotted(target) == f"{name}.requires_grad" and dotted(node.value) == "True"
        else:
            sets = isinstance(node, cst.Call) and dotted(node.func) == f"{name}.requires_grad_" and not node.args
        if sets:
            return Origin(node, model.unit), "doubtful"
    return None


def _ending(model: "Model", loss: Tensor) -> tuple[Origin, str] | None:
    origin = loss.grad_origin
    if loss.grad is Tri.NO:
        return (origin, _kind(origin.node)) if origin is not None else None
    if loss.grad is Tri.YES and loss.numbers is Numbers.STEPS and loss.numbers_origin is not None:
        return loss.numbers_origin, "rounded"
    if loss.grad is Tri.YES and origin is not None and _is_forced(model, origin, loss):
        return origin, "forced"
    return None


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
        return any(isinstance(given, Tensor) and _is_computed(model, given) for given in before)
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
