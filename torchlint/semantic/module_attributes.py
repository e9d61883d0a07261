"""Assignments to attributes that rules look at: what modules keep in plain containers, what takes the place of a method
of theirs, and flags that look like `requires_grad`."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.values import CONTENT, DictRef, Instance, ListRef, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

# Public methods of every nn.Module.
METHODS = frozenset({
    "add_module", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda", "double", "eval", "extra_repr",
    "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "load_state_dict",
    "modules", "named_buffers", "named_children", "named_modules", "named_parameters", "parameters", "register_buffer",
    "register_module", "register_parameter", "requires_grad_", "set_extra_state", "set_submodule", "share_memory",
    "state_dict", "to", "to_empty", "train", "type", "zero_grad",
})  # fmt: skip


class Setting(NamedTuple):
    """One evaluation of an assignment to an attribute.

    `content` is what a list or dict held then; `tests` are the conditions around it that are not known.
    """

    target: cst.Attribute
    owner: Value
    value: Value
    content: Value | None
    tests: tuple[cst.BaseExpression, ...]

    @property
    def name(self) -> str:
        """The attribute."""
        return self.target.attr.value


def note(machine: "Interpreter", owner: Value, target: cst.Attribute, value: Value) -> None:
    """Keep an assignment of the linted file, if a rule may ask for it."""
    name, kind = target.attr.value, type(value)
    is_container = kind is ListRef or kind is DictRef or kind is TupleOf
    is_held = is_container and type(owner) is Instance and owner.info is not None
    if is_held or name in METHODS or name[:2] == "re":
        if machine.facts is not None and machine.recording and machine.unit is machine.target:
            content = machine.read(value, CONTENT) if isinstance(value, (ListRef, DictRef)) else None
            machine.facts.settings.append(Setting(target, owner, value, content, machine.tests))
