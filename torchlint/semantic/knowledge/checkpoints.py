"""What saving and loading gives: `torch.load`, and the state dicts of modules."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import training
from torchlint.semantic.checkpoints import LOADED, RESULT, STATE_DICT, UNKNOWN_STATE_DICT, owner, touch
from torchlint.semantic.instances import allocate, device_of, freeze_unknown, is_module
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.values import (
    UNKNOWN,
    Arguments,
    Device,
    Instance,
    Iterated,
    Scalar,
    Tensor,
    Tri,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Methods that give what they are called on, be it a module or an optimizer that a file held as a whole.
SAME = ("eval", "train", "to", "cuda", "cpu", "float", "double", "half", "bfloat16", "requires_grad_")
CHANGING = ("update", "pop", "popitem", "setdefault", "clear", "move_to_end", "get", "__setitem__", "__getitem__")


def _load(machine: "Interpreter", call: "Call") -> Value:
    return allocate(machine, call.node, None, LOADED, call.arguments)


def _loaded_itself(machine: "Interpreter", call: "Call") -> Value:
    """A method of something that was loaded, of which no more is known than of any other object."""
    assert call.name is not None
    name = call.name.rpartition(".")[2]
    if name in training.METHODS and isinstance(call.node, cst.Call) and isinstance(call.node.func, cst.Attribute):
        training.unknown(machine, call, call.node.func)
    elif name == "requires_grad_":
        freeze_unknown(machine)
    return call.receiver if call.receiver is not None else UNKNOWN


def _state_dict(machine: "Interpreter", call: "Call") -> Value:
    keeps = call.argument(None, "keep_vars") is not None or call.argument(None, "destination") is not None
    if keeps or call.arguments.positional or not call.arguments.complete:
        return UNKNOWN
    return _state_of(machine, call, call.receiver if call.receiver is not None else UNKNOWN)


def _state_of(machine: "Interpreter", call: "Call", module: Value) -> Value:
    return allocate(machine, call.node, None, STATE_DICT, Arguments((module,)))


def _load_state_dict(machine: "Interpreter", call: "Call") -> Value:
    module = call.receiver if call.receiver is not None else UNKNOWN
    return allocate(machine, call.node, None, RESULT, Arguments((module, *call.arguments.positional)))


def _copied(machine: "Interpreter", call: "Call") -> Value:
    """`state.copy()`: another dict of the same tensors."""
    return _state_of(machine, call, owner(call.receiver)) if call.receiver is not None else UNKNOWN


def _changed(machine: "Interpreter", call: "Call") -> Value:
    if call.receiver is not None:
        touch(machine, call.receiver)
    return UNKNOWN


def _tensor(machine: "Interpreter", call: "Call") -> Tensor:
    """Any tensor of a state dict: detached, and where the module is."""
    module = owner(call.receiver) if call.receiver is not None else UNKNOWN
    known = isinstance(module, Instance) and is_module(module)
    return Tensor(Tri.NO, device_of(machine, module) if known else Device.UNKNOWN)  # type: ignore[arg-type]


def _items(machine: "Interpreter", call: "Call") -> Value:
    _changed(machine, call)
    return Iterated(TupleOf((Scalar("str"), _tensor(machine, call))))


def _values(machine: "Interpreter", call: "Call") -> Value:
    _changed(machine, call)
    return Iterated(_tensor(machine, call))


def _keys(machine: "Interpreter", call: "Call") -> Value:
    return Iterated(Scalar("str"))


TRANSFERS: dict[str, Transfer] = {
    LOADED: _load,
    **{f"{LOADED}.{name}": _loaded_itself for name in SAME},
    STATE_DICT: _state_dict,
    UNKNOWN_STATE_DICT: _state_dict,
    RESULT: _load_state_dict,
    f"{STATE_DICT}.copy": _copied,
    **{f"{STATE_DICT}.{name}": _changed for name in CHANGING},
    f"{STATE_DICT}.items": _items,
    f"{STATE_DICT}.values": _values,
    f"{STATE_DICT}.keys": _keys,
}
