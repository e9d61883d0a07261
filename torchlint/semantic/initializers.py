"""How the `__init__` of a module comes to call that of `nn.Module`, by the syntax of the one function."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.flow import dotted, own_nodes
from torchlint.semantic.instances import MODULE, is_module
from torchlint.semantic.members import is_member, receiver_name
from torchlint.semantic.parts import nodes_in, parts
from torchlint.semantic.registration import PARAMETERS
from torchlint.semantic.values import ClassInfo, FunctionInfo, FunctionRef, Instance, Symbol, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# What else may make an object complete.
_OTHER_WAYS = frozenset(
    {"__init__", "__post_init__", "__setstate__", "__dict__", "__new__", "__class__", "exec", "eval"}
)
_REGISTERING = frozenset({"register_buffer", "register_parameter", "register_module", "add_module"})
# `_init_`, `__int__`, `__init`, `init`, `__inti__` ...
_MISSPELLED = re.compile(r"(?!__init__$)_*(init|int|inti|ini|intit|nit)_*")


class Initializer(NamedTuple):
    """A module's own `__init__`.

    Attributes:
        function: the function.
        calls: the calls of an `__init__` in it, of whatever.
        named: `super().__init__` as statements, without parentheses.
        misspelled: attributes such as `super()._init_`.
        body: its statements, without a docstring.
    """

    function: FunctionInfo
    calls: tuple[cst.Call, ...]
    named: tuple[cst.Attribute, ...]
    misspelled: tuple[cst.Attribute, ...]
    body: tuple[cst.CSTNode, ...]

    @property
    def receiver(self) -> str:
        """The name of the object, mostly `self`."""
        node = self.function.node
        return receiver_name(node) if isinstance(node, cst.FunctionDef) else ""

    def before_call(self) -> Iterator[cst.CSTNode]:
        """The statements that run before the first one in which an `__init__` is called."""
        for statement in self.body:
            if any(node in self.calls for node in nodes_in(statement)):
                return
            yield statement


def is_usual(info: ClassInfo) -> bool:
    """Whether a class has no `__init__`, or one that starts with a call of that above it: a cheap question."""
    held = info.base.get("__init__")
    function = held.info.node if isinstance(held, FunctionRef) else None
    if not isinstance(function, cst.FunctionDef):
        return True
    body = function.body
    for line in body.body[:8] if isinstance(body, cst.IndentedBlock) else ():
        first = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        if isinstance(first, cst.Assign) and all(isinstance(each.target, cst.Name) for each in first.targets):
            continue
        call = first.value if isinstance(first, cst.Expr) else None
        if isinstance(call, (cst.SimpleString, cst.ConcatenatedString)) or isinstance(first, cst.Assert):
            continue
        if not isinstance(call, cst.Call):
            return False
        above = super_call(call.func) if isinstance(call.func, cst.Attribute) else None
        if above is None or call.func.attr.value != "__init__":  # type: ignore[attr-defined]
            return False
        named = not above.args or (len(above.args) == 2 and dotted(above.args[0].value) == info.name)
        return named and (not call.args or dotted(call.args[0].value) != receiver_name(function))
    return False


def own_initializer(info: ClassInfo) -> Initializer | None:
    """The `__init__` that a class defines, if it is a plain function that takes its object."""
    held = info.base.get("__init__")
    if not isinstance(held, FunctionRef) or held.info.owner is not info or held.info.decorators:
        return None
    function = held.info.node
    if not isinstance(function, cst.FunctionDef) or not isinstance(function.body, cst.IndentedBlock):
        return None
    if not receiver_name(function):
        return None
    calls = []
    named = []
    misspelled = []
    for node in own_nodes(function):
        if isinstance(node, cst.Attribute) and super_call(node) is not None and _MISSPELLED.fullmatch(node.attr.value):
            misspelled.append(node)
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "__init__":
            calls.append(node)
        elif isinstance(node, cst.Expr) and isinstance(node.value, cst.Attribute):
            if node.value.attr.value == "__init__" and super_call(node.value) is not None:
                named.append(node.value)
    body = list(function.body.body)
    if body and isinstance(body[0], cst.SimpleStatementLine) and _is_text(body[0]):
        del body[0]
    return Initializer(held.info, tuple(calls), tuple(named), tuple(misspelled), tuple(body))


def super_call(node: cst.Attribute) -> cst.Call | None:
    """The `super()` or `super(Class, self)` that an attribute is looked up on."""
    owner = node.value
    return owner if isinstance(owner, cst.Call) and dotted(owner.func) == "super" else None


def may_complete(info: ClassInfo, function: FunctionInfo, but: tuple[cst.CSTNode, ...] = ()) -> bool:
    """Whether anything in a class, the nodes `but` left out, may call `Module.__init__` or stand in for it."""
    for node in nodes_in(info.node):
        if isinstance(node, (cst.Attribute, cst.Name)) and node not in but:
            name = node.attr.value if isinstance(node, cst.Attribute) else node.value
            if name in _OTHER_WAYS and node is not getattr(function.node, "name", None):
                if not any(isinstance(each, cst.Attribute) and each.attr is node for each in but):
                    return True
    return False


def _set_before(initializer: Initializer, always: bool = False) -> Iterator[tuple[cst.Attribute, cst.BaseExpression]]:
    """What is done to the object, in order, before an `__init__` is called: the attribute that is assigned and what it
    is assigned, or the method that is called as a statement and that call. `always`: under no condition."""
    receiver = initializer.receiver
    for line in initializer.before_call():
        for small in _simple(line, always):
            if isinstance(small, cst.Assign) or (isinstance(small, cst.AnnAssign) and small.value is not None):
                targets = [each.target for each in small.targets] if isinstance(small, cst.Assign) else [small.target]
                for target in targets:
                    if is_member(target, receiver) and small.value is not None:
                        yield target, small.value
            elif isinstance(small, cst.Expr) and isinstance(small.value, cst.Call):
                if is_member(small.value.func, receiver):
                    yield small.value.func, small.value


def _simple(statement: cst.CSTNode, always: bool) -> Iterator[cst.CSTNode]:
    """The simple statements in a statement, also those that run under conditions and in loops."""
    if isinstance(statement, cst.SimpleStatementLine):
        yield from statement.body
    elif isinstance(statement, _BRANCHES) and not always:
        for part in parts(statement):
            yield from _simple(part, always)


_BRANCHES = (cst.If, cst.Else, cst.For, cst.With, cst.IndentedBlock)


def too_early(model: "Model", info: ClassInfo, initializer: Initializer, always: bool = False) -> cst.Attribute | None:
    """The first attribute of the object that is assigned, or method that is called, before an `__init__` is called,
    and raises without it; `always`: under no condition."""
    done = _set_before(initializer, always)
    return next((target for target, value in done if _is_registered(model, info, target, value)), None)


def _is_registered(model: "Model", info: ClassInfo, target: cst.Attribute, value: cst.BaseExpression) -> bool:
    """Whether an assignment, or a call of a method, needs what `nn.Module.__init__` makes."""
    name = target.attr.value
    if isinstance(value, cst.Call) and value.func is target:
        return name in _REGISTERING and not any(isinstance(e, ClassInfo) and name in e.base for e in info.mro)
    if any(isinstance(entry, ClassInfo) and isinstance(entry.base.get(name), FunctionRef) for entry in info.mro):
        return False
    values = model.values(value)
    if values and all(isinstance(each, Instance) and is_module(each) for each in values):
        return True
    return any(call.name in PARAMETERS for call in model.calls(value))


def starts_at_module(info: ClassInfo) -> bool:
    """Whether the `__init__` above that of a class is that of `nn.Module`."""
    for entry in info.mro[1:]:
        if isinstance(entry, ClassInfo):
            if "__init__" in entry.base:
                return False
        else:
            return isinstance(entry, Symbol) and entry.name == MODULE
    return False


def passed_over(model: "Model", info: ClassInfo, owner: cst.Call) -> Value | None:
    """The class of `super(Class, self)` that is not one of the object's own, or is `nn.Module` itself."""
    if len(owner.args) != 2 or any(arg.star or arg.keyword is not None for arg in owner.args):
        return None
    values = model.values(owner.args[0].value)
    if len(values) != 1:
        return None
    after = values[0]
    if isinstance(after, ClassInfo):
        names = {getattr(entry, "name", "") for entry in info.mro}
        if after in info.mro or after.name in names or info in after.mro or after.is_local:
            return None
        return after
    last = info.mro[-1]
    return after if isinstance(after, Symbol) and after.name == MODULE and last == after else None


def _is_text(line: cst.SimpleStatementLine) -> bool:
    first = line.body[0]
    return isinstance(first, cst.Expr) and isinstance(first.value, (cst.SimpleString, cst.ConcatenatedString))
