"""What modules hold in plain lists, tuples and dicts, of which torch does not know, and what torch knows of."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.instances import MODULE_CLASSES, is_module, is_module_class
from torchlint.semantic.modes import mode_layers
from torchlint.semantic.module_attributes import Setting
from torchlint.semantic.parametrised import has_own_parameters, is_parametrised
from torchlint.semantic.values import (
    CONTENT,
    FALSE,
    TRAINING,
    UNKNOWN,
    Arguments,
    Cell,
    ClassInfo,
    Const,
    DictRef,
    Entries,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    OneOf,
    Scalar,
    Starred,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
# Different objects that are looked at for one assignment.
MAX_CONTEXTS = 12
# What is in lists and dicts by calls of these, and the argument that is put in.
_FILLING = {
    "builtins.list.append": (0, "object"),
    "builtins.list.extend": (0, "iterable"),
    "builtins.list.insert": (1, "object"),
    "builtins.dict.update": (0, "m"),
    "builtins.dict.setdefault": (1, "default"),
}
# What is given to these is not registered by them.
_HARMLESS = (
    "builtins.", "torch.Tensor.", "torch.nn.init.", "torch.nn.utils.", "torch.nn.functional.", "numpy.", "itertools.",
    "copy.", "collections.", "math.", "logging.",
)  # fmt: skip
# Asking a layer for these by hand says that its author knows that the module does not.
_BY_HAND = ("parameters", "named_parameters", "state_dict", "load_state_dict", "register_module", "requires_grad_")
# A class with methods of these names sees to its lists itself.
_SEEN_TO = frozenset({
    "parameters", "named_parameters", "named_modules", "modules", "children", "named_children", "__setattr__",
    "__getattr__", "_apply", "state_dict", "__getattribute__",
})  # fmt: skip
_BASES = ("torch.nn.", "builtins.object", "abc.", "typing.", "torch.jit.")


class Unregistered(NamedTuple):
    """Layers or parameters that a module holds in a plain container only.

    `elements` are those that torch does not know of; `kind` says what they are: `layers`, `parameters` or, where they
    have none, `modes` (layers that `eval()` does not reach). `alone`: the container holds nothing else.
    """

    setting: Setting
    elements: tuple[Value, ...]
    kind: str
    alone: bool


def is_plain_module(info: ClassInfo) -> bool:
    """Whether a class is an nn.Module, and nothing of it stands in files that are not known."""
    return is_module_class(info) is Tri.YES and all(
        isinstance(base, ClassInfo) or (getattr(base, "name", "").startswith(_BASES))
        or getattr(base, "name", "") in MODULE_CLASSES
        for base in info.mro
    )  # fmt: skip


def unregistered(model: "Model") -> Iterator[Unregistered]:
    """What this file's modules hold in plain containers only, whatever led to it."""
    kept: dict[ClassInfo, bool] = {}
    owners = []
    for setting in model.facts.settings:
        info = setting.owner.info if isinstance(setting.owner, Instance) else None
        if info is None or not _may_hold(model, setting):
            continue
        if info not in kept:
            kept[info] = _leaves_to_torch(info)
        if kept[info]:
            owners.append(setting)
    if not owners:
        return
    holders = _Holders(model)
    by_target: dict[int, list[Setting]] = {}
    for setting in owners:
        by_target.setdefault(id(setting.target), []).append(setting)
    seen: set[int] = set()
    for group in by_target.values():
        values = {id(setting.value) for setting in group}
        # `+=` assigns the same list again.
        if seen.isdisjoint(values):
            found = _judged(holders, group)
            if found is not None:
                yield found
        seen |= values


def _judged(holders: "_Holders", group: list[Setting]) -> Unregistered | None:
    """What is wrong with one assignment, by all contexts in which it ran."""
    bad: Unregistered | None = None
    asked: set[tuple[int, int]] = set()
    for setting in group:
        key = id(setting.owner), id(setting.value)
        if key not in asked and len(asked) < MAX_CONTEXTS:
            asked.add(key)
            verdict = holders.judged(setting)
            if verdict is False:
                # In this context they are registered, or left to their author.
                return None
            if isinstance(verdict, Unregistered):
                bad = bad or verdict
    return bad


def _may_hold(model: "Model", setting: Setting) -> bool:
    """Whether what is assigned is a container that may hold modules or parameters, by what it holds right then."""
    value, content = setting.value, setting.content
    made = value.origin.node if value.origin is not None else None
    if isinstance(made, cst.Subscript) and any(isinstance(whole, Instance) for whole in model.values(made.value)):
        # A slice of a container of torch is one, too.
        return False
    if isinstance(value, TupleOf):
        held: Iterable[Value] = value.items
    elif not isinstance(value, (ListRef, DictRef)):
        return False
    elif isinstance(content, Items) and content.items:
        held = content.items
    elif isinstance(content, Entries) and content.entries:
        held = content.entries.values()
    else:
        # It may be filled later.
        return True
    return any(isinstance(item, _HOLDING) or item == _NONE for item in held)


_HOLDING = (Instance, ListRef, DictRef, TupleOf, Tensor, OneOf)
# `[None] * 4` is filled later.
_NONE = Const(None)


def _leaves_to_torch(info: ClassInfo) -> bool:
    if not is_plain_module(info):
        return False
    return not any(isinstance(entry, ClassInfo) and _SEEN_TO & entry.base.keys() for entry in info.mro)


class _Holders:
    """Who holds what when all has run; made once something may be wrong."""

    def __init__(self, model: "Model") -> None:
        self.model = model
        self.put: dict[Cell, list[Value]] = {}
        for name, (index, keyword) in _FILLING.items():
            for call in model.calls_of(name):
                given = call.argument(index, keyword)
                if isinstance(call.receiver, (ListRef, DictRef)) and given is not None:
                    self.put.setdefault(call.receiver, []).append(given)
        for cell, value in model.facts.entered:
            self.put.setdefault(cell, []).append(value)
        self.parameters = {id(call.node) for name in PARAMETERS for call in model.calls_of(name)}
        self._known: set[Cell] | None = None
        self._origins: set[int] = set()
        # Modules that register something of which nothing is known.
        self._unsure: set[Value] = set()

    # -- what a container holds -----------------------------------------------------------------------

    def leaves(self, value: Value, seen: set[int] | None = None) -> list[Value]:
        """The modules, tensors and whatever else a container, and the containers in it, ever held."""
        seen = set() if seen is None else seen
        if id(value) in seen:
            return []
        seen.add(id(value))
        inner: Iterable[Value]
        if isinstance(value, (ListRef, DictRef)):
            made = self._converted(value)
            inner = (value.base[CONTENT], self.model.held(value, CONTENT), *self.put.get(value, ()), *made)
        elif isinstance(value, Items):
            inner = value.items if value.items is not None else (value.element, *([value.last] if value.last else []))
        elif isinstance(value, Entries):
            inner = value.entries.values()
        elif isinstance(value, TupleOf):
            inner = value.items
        elif isinstance(value, (Iterated, Starred)):
            inner = (value.element,)
        else:
            options = alternatives(value)
            if options == (value,):
                return [value]
            inner = options
        return [leaf for part in inner for leaf in self.leaves(part, seen)]

    def _converted(self, value: Value) -> Iterator[Value]:
        """What a list or dict was made from by a conversion, such as `OrderedDict(pairs)`."""
        if value.origin is not None and value.origin.unit is self.model.unit:
            for call in self.model.calls(value.origin.node):
                if call.name is not None and call.name.startswith(("builtins.", "collections.")):
                    yield from call.arguments.positional

    def _is_nested(self, value: Value) -> bool:
        """Whether a container holds other containers."""
        if isinstance(value, (ListRef, DictRef)):
            inner = [value.base[CONTENT], self.model.held(value, CONTENT)]
            added = self.put.get(value, ())
            return any(map(_is_container, added)) or any(_is_container(item) for held in inner for item in _items(held))
        return any(map(_is_container, value.items)) if isinstance(value, TupleOf) else False

    # -- verdicts -------------------------------------------------------------------------------------

    def judged(self, setting: Setting) -> "Unregistered | bool | None":
        """What is wrong; False where nothing is, None where it is not known."""
        owner = setting.owner
        assert isinstance(owner, Instance)
        if setting.value not in alternatives(self.model.held(owner, setting.name)):
            # Another object took its place.
            return False
        leaves = self.leaves(setting.value)
        if setting.content is not None:
            leaves.extend(leaf for leaf in self.leaves(setting.content) if leaf not in leaves)
        layers = [leaf for leaf in leaves if isinstance(leaf, Instance) and is_module(leaf)]
        tensors = [leaf for leaf in leaves if self._is_parameter(leaf)]
        if not layers and not tensors:
            return None
        outside = {value for value in self._given(owner.arguments) if isinstance(value, Cell)}
        if setting.value in outside or not outside.isdisjoint(layers):
            return False
        trained = [layer for layer in layers if is_parametrised(self.model, layer)]
        modes = [] if trained else [layer for layer in layers if mode_layers(self.model, layer) is Tri.YES]
        if not trained and not tensors and not modes:
            return None
        known = self.known
        if owner in self._unsure:
            return False
        reached = self._reached(owner)
        for leaf in (*trained, *modes):
            if leaf in known or leaf in reached or self._is_on_purpose(leaf, setting):
                return False
            if any(
                part in reached
                for part in self.model.held_objects(leaf)
                if part is not leaf and has_own_parameters(self.model, part)
            ):
                return False
        if (
            any(id(tensor.origin.node) in self._origins for tensor in tensors if tensor.origin)
            or setting.value in known
        ):
            return False
        if self._is_single(setting, leaves):
            return False
        kind = "layers" if trained else "parameters" if tensors else "modes"
        alone = len(tensors if kind == "parameters" else layers) == len(leaves) and not self._is_nested(setting.value)
        return Unregistered(setting, tuple(trained or tensors or modes), kind, alone)

    def _is_parameter(self, value: Value) -> bool:
        if not isinstance(value, Tensor) or value.grad is not Tri.YES or value.origin is None:
            return False
        node = value.origin.node
        # One that has a name may be registered under it.
        target = self.model.assigned_to(node)
        return id(node) in self.parameters and (target is None or isinstance(target, cst.Subscript))

    def _is_single(self, setting: Setting, leaves: list[Value]) -> bool:
        """Whether a module is put into `[module]` alone, which hides it on purpose, unless it is a new layer."""
        value = setting.value
        content = value.base[CONTENT] if isinstance(value, ListRef) else None
        items = value.items if isinstance(value, TupleOf) else content.items if isinstance(content, Items) else None
        if items is None or len(items) != 1 or (isinstance(value, Cell) and value in self.put) or len(leaves) != 1:
            return False
        leaf = leaves[0]
        literal = value.origin.node if value.origin is not None else None
        if isinstance(literal, cst.ListComp):
            return False
        written = [element.value for element in literal.elements] if isinstance(literal, (cst.List, cst.Tuple)) else []
        fresh = leaf.origin is not None and leaf.origin.node in written
        return not fresh or (isinstance(leaf, Instance) and not (leaf.symbol or "").startswith("torch.nn."))

    def _is_on_purpose(self, leaf: Instance, setting: Setting) -> bool:
        """Frozen, in eval mode, or made by other code than that of the class."""
        if self.model.may_be_frozen(leaf) or self.model.held(leaf, TRAINING) == FALSE:
            return True
        owner = setting.owner
        assert isinstance(owner, Instance)
        assert owner.info is not None
        if leaf.origin is None or leaf.origin.unit is not self.model.unit:
            return False
        made = self.model.calls(leaf.origin.node)
        return not any(function.owner in owner.info.mro for call in made for function in call.active if function.owner)

    # -- what is registered ---------------------------------------------------------------------------

    @property
    def known(self) -> set[Cell]:
        """All that became an attribute of a module, went into a container of torch, or to code that is not known."""
        if self._known is None:
            self._known = {held for owner, held in self.model.facts.members if is_module(owner)}
            for name in self.model.called:
                if name.rpartition(".")[2] in _BY_HAND:
                    receivers = (call.receiver for call in self.model.calls_of(name))
                    self._known.update(receiver for receiver in receivers if isinstance(receiver, Cell))
                if _may_register(name):
                    for call in self.model.calls_of(name):
                        self._hand_over(call)
                        if name.endswith(_REGISTERING) and UNKNOWN in call.arguments.positional[-1:]:
                            owner = call.receiver or call.arguments.positional[0]
                            self._unsure.add(owner)
            for call in self.model.all_calls:
                if call.name is None and not isinstance(call.callee, _FOLLOWED):
                    self._hand_over(call)
        return self._known

    def _hand_over(self, call: "Call") -> None:
        """What a call was given may be registered by it."""
        assert self._known is not None
        for value in self._given(call.arguments):
            if isinstance(value, Cell):
                self._known.add(value)
            elif type(value) is Tensor and value.origin is not None:
                self._origins.add(id(value.origin.node))

    def _given(self, arguments: Arguments) -> list[Value]:
        """The arguments of a call, and what the lists among them hold."""
        given: list[Value] = []
        for value in (*arguments.positional, *arguments.tail, *arguments.keywords.values()):
            kind = type(value)
            if kind is not Const and kind is not Scalar and value is not UNKNOWN:
                given.append(value)
                if kind is not Instance and kind is not Tensor:
                    given.extend(self.leaves(value))
        return given

    def _reached(self, owner: Instance) -> set[Instance]:
        """The modules that torch finds in a module."""
        reached: set[Instance] = set()
        pending: list[Value] = [owner]
        while pending:
            value = pending.pop()
            for option in alternatives(value):
                if isinstance(option, Instance) and option not in reached and is_module(option):
                    reached.add(option)
                    pending.extend(self.model.held(option, name) for name in option.base.keys() | option.written)
                    if option.symbol is not None:
                        pending.extend(self._given(option.arguments))
                elif isinstance(option, (Items, Entries)):
                    pending.extend(self.leaves(option))
        reached.discard(owner)
        return reached


_REGISTERING = (".setattr", ".add_module", ".register_module", ".register_parameter")
# Calls of these are followed.
_FOLLOWED = (FunctionRef, ClassInfo, Instance)


def _may_register(name: str) -> bool:
    """Whether what is given to something outside the project may be registered by it."""
    return not name.endswith(".forward") and (not name.startswith(_HARMLESS) or name == "builtins.setattr")


def _is_container(value: Value) -> bool:
    return any(isinstance(option, (ListRef, DictRef, TupleOf)) for option in alternatives(value))


def _items(content: Value) -> Iterable[Value]:
    if isinstance(content, Entries):
        return content.entries.values()
    return (content.items or (content.element,)) if isinstance(content, Items) else ()
