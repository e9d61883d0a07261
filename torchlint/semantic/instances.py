"""Objects made by torch and by the project's classes: modules above all, and what is known of their state."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.checkpoints import touch
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.values import (
    CONTENT,
    DEVICE,
    DTYPE,
    FALSE,
    FROZEN,
    TRAINING,
    TRUE,
    UNKNOWN,
    Arguments,
    ClassInfo,
    Const,
    Device,
    DeviceValue,
    DictRef,
    Entries,
    Instance,
    Items,
    ListRef,
    ParameterOf,
    Symbol,
    Tensor,
    Tri,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

MODULE = "torch.nn.Module"
NOT_FROZEN = Const(Tri.NO)
ON_CPU = DeviceValue(Device.CPU)
# Classes from outside torch that are nn.Modules, by the last part of their names or in full.
MODULE_CLASSES = frozenset({
    "pytorch_lightning.LightningModule", "lightning.LightningModule", "lightning.pytorch.LightningModule",
    "pytorch_lightning.core.LightningModule", "pl.LightningModule", "transformers.PreTrainedModel",
})  # fmt: skip
# Modules that hold another module and behave as it does.
WRAPPERS = frozenset({
    "torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "torch.nn.parallel.DataParallel",
})  # fmt: skip
MODULE_DICT = "torch.nn.ModuleDict"
CONTAINERS = frozenset({"torch.nn.Sequential", "torch.nn.ModuleList", MODULE_DICT})


def is_module_class(value: Value) -> Tri:
    """Whether a class is an nn.Module."""
    if isinstance(value, Symbol):
        if value.name == MODULE or module_class(value.name) is not None or value.name in MODULE_CLASSES:
            return Tri.YES
        if value.name.startswith("torchvision.models.") or value.name == "timm.create_model":
            # Only what these functions make ever stands under their names.
            return Tri.YES
        return Tri.NO if value.name.startswith(("torch.", "builtins.")) else Tri.MAYBE
    if isinstance(value, ClassInfo):
        known = [is_module_class(base) for base in value.mro[1:] if not isinstance(base, ClassInfo)]
        if Tri.YES in known:
            return Tri.YES
        return Tri.MAYBE if Tri.MAYBE in known else Tri.NO
    return Tri.MAYBE


def is_module(value: Value) -> bool:
    """Whether a value certainly is an instance of nn.Module."""
    if not isinstance(value, Instance):
        return False
    if value.info is not None:
        return is_module_class(value.info) is Tri.YES
    return value.symbol is not None and is_module_class(Symbol(value.symbol)) is Tri.YES


def has_parameters(module: Instance) -> Tri:
    """Whether a module has parameters, by its class and by what it was made of."""
    if module.info is not None:
        held = [value for value in module.base.values() if isinstance(value, Instance) and is_module(value)]
        return Tri.YES if any(has_parameters(each) is Tri.YES for each in held) else Tri.MAYBE
    known = module_class(module.symbol or "")
    if known is None:
        return Tri.YES if is_module(module) else Tri.MAYBE
    if known.has_parameters is not None:
        return Tri.YES if known.has_parameters else Tri.NO
    given = [value for value in module.arguments.positional if isinstance(value, Instance) and is_module(value)]
    return Tri.YES if any(has_parameters(each) is Tri.YES for each in given) else Tri.MAYBE


def submodules(machine: "Interpreter", module: Instance, seen: set[Instance] | None = None) -> set[Instance]:
    """A module and all that it holds in attributes and containers."""
    seen = set() if seen is None else seen
    if module in seen:
        return seen
    seen.add(module)
    names = module.base.keys() | module.written
    for name in sorted(names):
        held = machine.read(module, name)
        for value in alternatives(held) if held is not None else ():
            _collect(machine, value, seen)
    for value in (*module.arguments.positional, *module.arguments.keywords.values()):
        if module.symbol in CONTAINERS or module.symbol in WRAPPERS:
            _collect(machine, value, seen)
    return seen


def _collect(machine: "Interpreter", value: Value, seen: set[Instance]) -> None:
    if isinstance(value, Instance):
        if is_module(value):
            submodules(machine, value, seen)
    elif isinstance(value, Items):
        for item in value.items if value.items is not None else (value.element,):
            for option in alternatives(item):
                _collect(machine, option, seen)
    elif isinstance(value, ListRef):
        content = machine.read(value, CONTENT)
        if content is not None:
            _collect(machine, content, seen)


def frozen(machine: "Interpreter", module: Instance) -> Tri:
    """Whether a module's own parameters are frozen."""
    value = machine.read(module, FROZEN)
    state = value.value if isinstance(value, Const) and isinstance(value.value, Tri) else Tri.MAYBE
    if state is Tri.NO and machine.read(machine.ambient, FROZEN) is not None:
        return Tri.MAYBE
    return state


def freeze_unknown(machine: "Interpreter") -> None:
    """`requires_grad` of something unknown is set: from here on it may have been that of any module."""
    if machine.read(machine.ambient, FROZEN) is None:
        machine.version += 1
        machine.state.set(machine.ambient, FROZEN, TRUE)


def device_of(machine: "Interpreter", module: Instance) -> Device:
    """Where a module's own parameters live."""
    value = machine.read(module, DEVICE)
    return value.device if isinstance(value, DeviceValue) else Device.UNKNOWN


def parameter_tensor(machine: "Interpreter", parameter: ParameterOf) -> Tensor:
    """A parameter as a tensor."""
    held = frozen(machine, parameter.module)
    grad = Tri.YES if held is Tri.NO else Tri.NO if held is Tri.YES else Tri.MAYBE
    return Tensor(grad, device_of(machine, parameter.module), grad_origin=parameter.module.origin)


def as_tensor(machine: "Interpreter", value: Value) -> Tensor | None:
    """A value as the tensor that it is; None when it is not certainly one."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, ParameterOf):
        return parameter_tensor(machine, value)
    return None


def tri(value: Value) -> Tri:
    if isinstance(value, Const) and not value.assumed:
        return Tri.YES if value.value else Tri.NO
    return Tri.MAYBE


def freeze(machine: "Interpreter", module: Instance, requires_grad: Value, *, partial: bool = False) -> None:
    """`requires_grad` of a module's parameters is set, here and in all that it holds."""
    wanted = tri(requires_grad)
    for part in submodules(machine, module):
        state = Tri.MAYBE if partial or wanted is Tri.MAYBE else Tri.NO if wanted is Tri.YES else Tri.YES
        machine.write(part, FROZEN, Const(state))


def move(machine: "Interpreter", module: Instance, device: DeviceValue) -> None:
    """A module and all that it holds is moved to a device."""
    for part in submodules(machine, module):
        machine.write(part, DEVICE, device)


def allocate(
    machine: "Interpreter", node: cst.CSTNode, info: ClassInfo | None, symbol: str | None, arguments: Arguments
) -> Instance:
    """The object that a place makes: one for each activation of the function around it."""
    place = machine.made_at(node)
    known = machine.frame.allocations.get(place)
    if isinstance(known, Instance) and known.info is info and known.symbol == symbol:
        known.arguments = arguments
        return known
    instance = Instance(info, symbol, arguments, machine.here(node))
    instance.base[FROZEN] = NOT_FROZEN
    if not machine.unmade:
        instance.base[DEVICE] = ON_CPU
    machine.frame.allocations[place] = instance
    return instance


def escape(machine: "Interpreter", arguments: Arguments) -> None:
    """Something unknown got hold of the arguments: it may freeze modules and fill lists."""
    for value in (*arguments.positional, *arguments.keywords.values()):
        for option in alternatives(value):
            if isinstance(option, Instance):
                if machine.stack:
                    machine.event("escape", option, machine.stack[-1])
                touch(machine, option)
                if is_module(option) and frozen(machine, option) is Tri.NO:
                    for part in submodules(machine, option):
                        machine.write(part, FROZEN, Const(Tri.MAYBE))
                        machine.write(part, DTYPE, UNKNOWN)
            elif isinstance(option, ListRef):
                machine.write(option, CONTENT, Items(None, UNKNOWN))
            elif isinstance(option, DictRef):
                machine.write(option, CONTENT, Entries({}, False))


def set_training(machine: "Interpreter", module: Instance, training: bool, node: cst.CSTNode) -> None:
    """`module.train()` / `module.eval()`"""
    machine.write(module, TRAINING, TRUE if training else FALSE)
    machine.event("train" if training else "eval", module, node)
