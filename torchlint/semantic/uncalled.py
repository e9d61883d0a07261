"""Methods of torch's objects that are mentioned, and not called."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.knowledge import is_tensor_method, kind
from torchlint.semantic.training import SCALERS, is_optimizer, is_scheduler
from torchlint.semantic.values import UNKNOWN, Instance, Method, OneOf, ParameterOf, Symbol, Tensor, Value, alternatives

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

_MODULE, _TENSOR, _OPTIMIZER = "torch.nn.Module.", "torch.Tensor.", "torch.optim.Optimizer."
_OF_SCHEDULERS = frozenset({"step", "state_dict", "load_state_dict", "get_last_lr"})
_OF_SCALERS = frozenset({"scale", "step", "update", "unscale_", "state_dict", "load_state_dict"})
# Methods of things of which nothing is known, and a part of the names that these have.
_BY_NAME = {
    "step": ("optim", "opt", "sched", "scaler"),
    "zero_grad": ("",),
    "backward": ("",),
    "eval": ("model", "net"),
    "train": ("model", "net"),
}


class Uncalled(NamedTuple):
    """A method that is mentioned: its name, and what has it: `tensor`, `module`, `optimizer` ..., or `unknown`."""

    name: str
    of: str


def uncalled(model: "Model", node: cst.BaseExpression) -> Uncalled | None:
    """The method that an expression certainly is, in each context in which it runs."""
    found: Uncalled | None = None
    options = [option for value in model.values(node) for option in alternatives(value)]
    for value in options:
        this = method(value)
        if this is None or (found is not None and found != this):
            return None
        found = this
    return found


def method(value: Value) -> Uncalled | None:
    """The method of a torch object that a value is; None for anything else."""
    if type(value) is OneOf:
        found = {method(option) for option in value.values}
        return found.pop() if len(found) == 1 else None
    if type(value) is not Method:
        return None
    owner, name = value.receiver, value.attribute
    if value.name.startswith(_TENSOR):
        whole = isinstance(owner, ParameterOf) or (isinstance(owner, Tensor) and not owner.batch)
        return Uncalled(name, "tensor") if whole and is_tensor_method(name) else None
    if value.name.startswith(_MODULE):
        return Uncalled(name, "module") if kind(value.name) == "function" else None
    if not isinstance(owner, Instance) or owner.info is not None:
        return None
    if is_scheduler(owner):
        return Uncalled(name, "scheduler") if name in _OF_SCHEDULERS else None
    if is_optimizer(owner):
        return Uncalled(name, "optimizer") if kind(_OPTIMIZER + name) == "function" else None
    return Uncalled(name, "scaler") if owner.symbol in SCALERS and name in _OF_SCALERS else None


def uncalled_by_name(model: "Model", node: cst.Attribute) -> Uncalled | None:
    """`optimizer.step` and its like, where nothing is known of the optimizer, as its name tells."""
    name = node.attr.value
    owner = dotted(node.value).lower()
    known = any(value is not UNKNOWN for value in model.values(node))
    if name not in _BY_NAME or known or not owner or not any(part in owner for part in _BY_NAME[name]):
        return None
    return Uncalled(name, "unknown")


def is_question(value: Value) -> bool:
    """Whether a value is a function of torch that answers yes or no, such as `torch.cuda.is_available`."""
    if not isinstance(value, Symbol) or not value.name.startswith("torch."):
        return False
    return value.name.rpartition(".")[2].startswith(("is_", "are_")) and kind(value.name) == "function"
