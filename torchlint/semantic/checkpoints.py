"""State dicts and what files of them hold: `module.state_dict()`, `torch.save`, `torch.load`, `load_state_dict`.

A state dict is an `Instance` of `STATE_DICT` that was given the module whose state it is: its tensors are those of the
module. One of `STATE_COPY` holds copies. What a file holds is an `Instance` of `LOADED`, and what
`Module.load_state_dict` returns is one of `RESULT`.
"""

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.values import TRUE, UNKNOWN, Const, DictRef, Entries, Instance, Value, alternatives
from torchlint.semantic.written import written_argument

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter
    from torchlint.semantic.model import Model

STATE_DICT = "torch.nn.Module.state_dict"
STATE_COPY = "copy.deepcopy.state_dict"
LOADED = "torch.load"
RESULT = "torch.nn.Module.load_state_dict"
# What the pair that `load_state_dict` returns has.
RESULT_ATTRIBUTES = frozenset({"missing_keys", "unexpected_keys", "_fields", "_asdict", "_replace", "count", "index"})
# The methods of the same name of something unknown.
UNKNOWN_STATE_DICT, UNKNOWN_LOAD = "#unknown.state_dict", "#unknown.load_state_dict"
TOUCHED = "#touched"


def is_live_state(value: Value) -> bool:
    """Whether a value is a state dict whose tensors are the module's own."""
    return isinstance(value, Instance) and value.symbol == STATE_DICT


def is_state(value: Value) -> bool:
    """Whether a value is a state dict of a module, live or copied."""
    return isinstance(value, Instance) and value.symbol in (STATE_DICT, STATE_COPY)


def is_loaded(value: Value) -> bool:
    """Whether a value is what `torch.load` gave."""
    return isinstance(value, Instance) and value.symbol == LOADED


def owner(state: Value) -> Value:
    """The module whose state a state dict is; `UNKNOWN` where that is not known."""
    return state.arguments.positional[0] if isinstance(state, Instance) and is_state(state) else UNKNOWN


def touch(machine: "Interpreter", value: Value) -> None:
    """Something may change what a state dict holds, or looks into it."""
    if isinstance(value, Instance) and value.symbol == STATE_DICT:
        machine.write(value, TOUCHED, TRUE)


def change(machine: "Interpreter", value: Value) -> None:
    """An entry of a state dict, or of what was loaded, is set."""
    if isinstance(value, Instance) and value.symbol in (STATE_DICT, LOADED):
        machine.write(value, TOUCHED, TRUE)


def is_touched(model: "Model", state: Instance) -> bool:
    """Whether anything in the file looks into a state dict, or may change what it or a loaded one holds."""
    return model.held(state, TOUCHED) is not UNKNOWN


def loaded_part(model: "Model", node: cst.BaseExpression) -> Instance | None:
    """The file that an expression is the content of, or a part of: `checkpoint`, `checkpoint["model"]`,
    `checkpoint.get("model")`."""
    while True:
        if isinstance(node, cst.Subscript):
            node = node.value
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "get":
            node = node.func.value
        else:
            break
    values = [option for value in model.values(node) for option in alternatives(value)]
    for value in values:
        if isinstance(value, Instance) and is_loaded(value):
            return value
    return None


def saves(model: "Model") -> Iterator[tuple["Call", Value, Value]]:
    """Each `torch.save` of the file: the call, what is saved, and where."""
    for call in model.calls_of("torch.save"):
        saved, where = call.argument(0, "obj"), call.argument(1, "f")
        if saved is not None and where is not None and call.certain:
            yield call, saved, where


def is_written_here(model: "Model", load: "Call") -> bool:
    """Whether this very script writes the file that it loads: where it saves is where it loads."""
    where, arg = load.argument(0, "f"), written_argument(load.node, 0, "f")
    for saving, _, name in saves(model):
        other = written_argument(saving.node, 1, "f")
        if isinstance(where, Const) and where == name:
            return True
        if arg is not None and other is not None:
            if model.module.code_for_node(arg.value) == model.module.code_for_node(other.value):
                return True
    return False


def is_test(model: "Model") -> bool:
    """Whether a file is one of tests, which read back what they wrote themselves."""
    return posixpath.basename(model.unit.path).startswith(("test_", "conftest."))


def saved_in(model: "Model", loaded: Instance) -> tuple["Call", Value] | None:
    """What this file saved last under the very name that it loads; None where that is not certain."""
    where = loaded.arguments.get(0, "f")
    if not isinstance(where, Const) or where.assumed or not isinstance(where.value, str):
        return None
    found = [(call, saved) for call, saved, name in saves(model) if name == where]
    kinds = {kind_of(model, saved) for _, saved in found}
    return found[-1] if len(kinds) == 1 else None


def kind_of(model: "Model", saved: Value) -> str | None:
    """What is saved: `state`, `nested` (a dict that holds a state dict), `module`; None where that is not known."""
    from torchlint.semantic.instances import is_module

    if is_state(saved):
        return "state"
    if is_module(saved):
        return "module"
    if isinstance(saved, DictRef) and any(is_state(value) for _, value in entries(model, saved)):
        return "nested"
    return None


def entries(model: "Model", value: DictRef) -> Iterator[tuple[object, Value]]:
    """The entries of a dict that are known when all has run."""
    held = model.held(value, "#content")
    if isinstance(held, Entries):
        yield from held.entries.items()
