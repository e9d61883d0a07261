"""Attributes: what `value.name` gives, and what assigning it does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import extents, layouts, module_attributes, names, tables, training
from torchlint.semantic.checkpoints import LOADED, RESULT, RESULT_ATTRIBUTES
from torchlint.semantic.datasets import JOINED, SUBSET
from torchlint.semantic.instances import (
    CONTAINERS,
    MODULE,
    MODULE_CLASSES,
    MODULE_DICT,
    WRAPPERS,
    freeze,
    freeze_unknown,
    is_module,
    is_module_class,
    parameter_tensor,
    tri,
)
from torchlint.semantic.knowledge import (
    canonical,
    is_tensor_method,
    is_tensor_property,
    kind,
    module_class,
)
from torchlint.semantic.loaders import DATA_LOADER, PARAMETERS
from torchlint.semantic.parts import parts
from torchlint.semantic.project import Imported
from torchlint.semantic.promotion import is_whole
from torchlint.semantic.reshaping import turned
from torchlint.semantic.spelling import meant
from torchlint.semantic.unregistered import note_gradient, note_kept
from torchlint.semantic.values import (
    CONTENT,
    NONE,
    TRAINING,
    TRUE,
    UNKNOWN,
    Array,
    ClassInfo,
    Const,
    Device,
    DeviceValue,
    DictRef,
    Entries,
    Frame,
    FunctionRef,
    Instance,
    Iterated,
    ListRef,
    Method,
    Numbers,
    OneOf,
    ParameterOf,
    Scalar,
    SuperRef,
    Symbol,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
    join,
    join_all,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


def attribute(machine: "Interpreter", value: Value, name: str, node: cst.CSTNode | None = None) -> Value:
    """`value.name`"""
    kind_of = type(value)
    if kind_of is Symbol:
        return Symbol(canonical(f"{value.name}.{name}"))  # type: ignore[attr-defined]
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, Instance):
        if value.symbol in WRAPPERS and node is not None:
            _note_wrapped(machine, value, node)
        return _instance_attribute(machine, value, name)
    if isinstance(value, Tensor):
        return _tensor_attribute(machine, value, name, node)
    if isinstance(value, ParameterOf):
        if is_tensor_method(name):
            return Method(value, f"torch.Tensor.{name}")
        return _tensor_attribute(machine, parameter_tensor(machine, value), name, node)
    if isinstance(value, Frame):
        found = machine.read(value, name)
        if found is not None:
            return names.load(machine, found) if isinstance(found, Imported) else found
        unit = value.unit
        found = names.star_imported(machine, unit, name)
        if found is not None:
            return found
        path = (
            machine.project.resolve(unit.path, name, 1)
            if machine.project and unit.path.endswith("__init__.py")
            else None
        )
        return names.load(machine, Imported(path, None)) if path is not None else UNKNOWN
    if isinstance(value, SuperRef):
        return _super_attribute(machine, value, name)
    if isinstance(value, ClassInfo):
        return _class_attribute(machine, value, name)
    if isinstance(value, OneOf):
        options = [
            attribute(machine, option, name)
            for option in value.values
            if not (isinstance(option, Const) and option.value is None)
        ]
        return join_all(options)
    if isinstance(value, (ListRef, DictRef)):
        return Method(value, f"builtins.{'list' if isinstance(value, ListRef) else 'dict'}.{name}")
    if isinstance(value, TupleOf):
        if name in value.names:
            return value.items[value.names.index(name)]
        return Method(value, f"{value.made_by}.{name}" if value.made_by else f"builtins.tuple.{name}")
    if isinstance(value, Array):
        if name == "T":
            return Array(value.origin, turned(value.shape), value.dtype, value.backwards)
        return value if name == "real" else UNKNOWN if name in _ARRAY_PLAIN else Method(value, f"numpy.ndarray.{name}")
    if isinstance(value, Const):
        return Method(value, f"builtins.{type(value.value).__name__}.{name}") if value.value is not None else UNKNOWN
    if isinstance(value, Scalar):
        return Method(value, f"builtins.{value.kind}.{name}")
    if isinstance(value, DeviceValue):
        return Scalar("str") if name == "type" else UNKNOWN
    if isinstance(value, Iterated):
        return Method(value, f"builtins.iterator.{name}")
    if isinstance(value, Method) and name == "__self__":
        return value.receiver
    return UNKNOWN


_ARRAY_PLAIN = frozenset({"shape", "dtype", "size", "ndim", "nbytes", "strides", "itemsize"})


def _note_wrapped(machine: "Interpreter", wrapper: Instance, node: cst.CSTNode) -> None:
    """An attribute of a `DataParallel` is looked up, under no condition: it has none of the module in it."""
    if isinstance(node, cst.Attribute) and machine.facts is not None and machine.recording:
        if machine.unit is machine.target and not machine.tests and not machine.tried:
            machine.facts.wrapped.append((node, wrapper))


def _tensor_attribute(machine: "Interpreter", tensor: Tensor, name: str, node: cst.CSTNode | None) -> Value:
    if is_tensor_method(name):
        return Method(tensor, f"torch.Tensor.{name}")
    if name in ("T", "mT", "H", "mH"):
        turned_over = tensor.of_shape(turned(tensor.shape) if name in ("T", "H") else None)
        layout = layouts.turned(tensor.layout, tensor.shape) if name == "T" else None
        return turned_over if turned_over.layout == layout else turned_over.but(layout=layout)
    if name == "real":
        return tensor
    if name == "data":
        cut = tensor.grad_origin if tensor.grad is Tri.NO else machine.here(node) if node is not None else None
        return tensor.but(grad=Tri.NO, grad_origin=cut)
    if name == "grad":
        if tensor.grad is Tri.YES and node is not None:
            note_gradient(machine, tensor, node)
        return Tensor(Tri.NO, tensor.device, shape=tensor.shape)
    if name == "device":
        return DeviceValue(tensor.device, tensor.device_origin)
    if name == "requires_grad":
        return Scalar("bool") if tensor.grad is Tri.MAYBE else Const(tensor.grad is Tri.YES)
    if name == "grad_fn":
        # A parameter requires grad and has none; anything computed from one has.
        return NONE if tensor.grad is Tri.NO else UNKNOWN if tensor.grad is Tri.MAYBE else Scalar("node")
    if name == "is_cuda":
        known = {Device.CPU: False, Device.ACCELERATOR: True}
        return Const(known[tensor.device]) if tensor.device in known else Scalar("bool")
    if name in ("is_leaf", "is_sparse", "is_quantized"):
        return Scalar("bool")
    if name == "shape":
        return extents.of_tensor(machine, tensor, node)
    if name == "ndim":
        return extents.of_rank(tensor)
    if name in ("itemsize", "nbytes"):
        return Scalar("int")
    if not is_tensor_property(name) and not tensor.batch and meant(name) is not None:
        return Method(tensor, f"torch.Tensor.{name}")
    return UNKNOWN


def _instance_attribute(machine: "Interpreter", instance: Instance, name: str) -> Value:
    held = machine.read(instance, name)
    info = instance.info
    if name == "__call__" and is_module(instance):
        return instance
    if held is not None and not (isinstance(held, Const) and held.value is None):
        return held
    if info is None:
        if held is not None:
            return held
        return _external_attribute(machine, instance, name)
    if held is None:
        found = from_class(machine, info.mro, name, instance)
        if found is not None:
            return found
    later = _set_elsewhere(machine, instance, info, name)
    if later is not None:
        return later if held is None else join(held, later)
    if held is not None:
        return held
    for base in info.external_bases:
        if base == "builtins.object":
            continue
        if base.startswith(("torch.", "builtins.")):
            return _external_attribute(machine, instance, name, base)
    return UNKNOWN


def from_class(machine: "Interpreter", mro: Sequence[Value], name: str, receiver: Instance | None) -> Value | None:
    """A class attribute by the order of the classes, methods bound to the receiver; None when it is in none of ours."""
    for entry in mro:
        if isinstance(entry, ClassInfo):
            value = machine.read(entry, name)
            if value is None:
                continue
            if isinstance(value, Imported):
                value = names.load(machine, value)
            if isinstance(value, FunctionRef) and receiver is not None:
                return machine.bind_method(value, receiver, entry)
            return value
        if not isinstance(entry, Symbol):
            # An unresolved base may define the name.
            return UNKNOWN
        if (
            entry.name not in ("builtins.object",)
            and not entry.name.startswith("torch.")
            and entry.name not in MODULE_CLASSES
        ):
            return UNKNOWN
        if is_module_class(entry) is Tri.YES and receiver is not None and name == "forward" and entry.name != MODULE:
            return Method(receiver, f"{entry.name}.{name}")
    return None


def _set_elsewhere(machine: "Interpreter", instance: Instance, info: ClassInfo, name: str) -> Value | None:
    """The value that another method than `__init__` gives to an attribute: that method is run for it."""
    for entry in info.mro:
        if isinstance(entry, ClassInfo):
            for method in setters(entry).get(name, ()):
                value = machine.attribute_set_by(instance, entry, method, name)
                if value is not None:
                    return value
    return None


def setters(info: ClassInfo) -> dict[str, list[str]]:
    """Attribute name -> methods of the class, other than `__init__`, that assign it on `self`."""
    if info.setters is None:
        info.setters = {}
        for statement in info.node.body.body:
            if isinstance(statement, cst.FunctionDef) and statement.name.value != "__init__":
                for name in _assigned_on_self(statement):
                    info.setters.setdefault(name, []).append(statement.name.value)
    return info.setters


def _assigned_on_self(function: cst.FunctionDef) -> list[str]:
    parameters = function.params.posonly_params or function.params.params
    if not parameters:
        return []
    receiver = parameters[0].name.value
    names: list[str] = []
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind is cst.Assign or kind is cst.AnnAssign:
            targets = [t.target for t in node.targets] if kind is cst.Assign else [node.target]  # type: ignore[attr-defined]
            for target in targets:
                flat = [e.value for e in target.elements] if type(target) in (cst.Tuple, cst.List) else [target]
                names.extend(
                    item.attr.value
                    for item in flat
                    if type(item) is cst.Attribute and type(item.value) is cst.Name and item.value.value == receiver
                )
        elif kind in _BLOCKS:
            pending.extend(parts(node))
    return names


# What statements stand in, functions and classes left out.
_BLOCKS = frozenset({
    cst.IndentedBlock, cst.SimpleStatementSuite, cst.SimpleStatementLine, cst.If, cst.Else, cst.For, cst.While,
    cst.With, cst.Try, cst.TryStar, cst.ExceptHandler, cst.ExceptStarHandler, cst.Finally, cst.Match, cst.MatchCase,
})  # fmt: skip


def _external_attribute(machine: "Interpreter", instance: Instance, name: str, symbol: str | None = None) -> Value:
    symbol = symbol or instance.symbol or ""
    if symbol in WRAPPERS and name == "module":
        wrapped = instance.arguments.get(0, "module")
        return wrapped if wrapped is not None else UNKNOWN
    if symbol == "argparse.Namespace":
        return UNKNOWN
    if name == "values" and symbol in (tables.FRAME, tables.SERIES):
        return tables.values(machine, instance, instance.origin)
    if symbol == LOADED:
        return Method(instance, f"{symbol}.{name}") if kind(f"{MODULE}.{name}") == "function" else UNKNOWN
    if symbol == RESULT and name in RESULT_ATTRIBUTES:
        return UNKNOWN
    if name in _KEPT_ARGUMENTS.get(symbol, ()):
        return _kept_argument(instance, symbol, name)
    if (
        symbol.startswith(("torch.", "torchvision.models."))
        or symbol in MODULE_CLASSES
        or symbol == "timm.create_model"
    ):
        known = module_class(symbol)
        if (
            (known is not None or symbol == MODULE)
            and name in ("weight", "bias")
            and (known is None or known.has_parameters)
        ):
            return ParameterOf(instance)
        if symbol in CONTAINERS and name in _OF_CONTAINERS:
            return Method(instance, f"{symbol}.{name}")
        if name == "training":
            value = machine.read(instance, TRAINING)
            return value if value is not None else Scalar("bool")
        if symbol == MODULE_DICT:
            held = machine.read(instance, CONTENT)
            if isinstance(held, Entries) and name in held.entries:
                entry: Value = held.entries[name]
                return entry
        found = kind(f"{symbol}.{name}")
        if found == "function":
            return Method(instance, f"{symbol}.{name}")
        if is_module_class(Symbol(symbol)) is Tri.YES and kind(f"{MODULE}.{name}") == "function":
            return Method(instance, f"{MODULE}.{name}")
        if name in _OF_LOSSES and known is not None and known.is_loss:
            return Method(instance, f"{symbol}.{name}")
        return UNKNOWN if found is not None or known is not None else Method(instance, f"{symbol}.{name}")
    return Method(instance, f"{symbol}.{name}") if symbol else UNKNOWN


_OF_CONTAINERS = frozenset({"append", "extend", "insert", "pop", "clear", "update", "items", "values"})
# What is asked of a computed loss, and by mistake of the object that computes it.
_OF_LOSSES = frozenset({"backward", "item"})
# Attributes under which an object of torch keeps what its constructor was given, in the order of its parameters.
_KEPT_ARGUMENTS: dict[str, tuple[str, ...]] = {
    DATA_LOADER: PARAMETERS,
    SUBSET: ("dataset", "indices"),
    **dict.fromkeys(JOINED, ("datasets",)),
    **{f"torchvision.transforms.{version}Compose": ("transforms",) for version in ("", "v2.", "transforms.")},
}


def _kept_argument(instance: Instance, symbol: str, name: str) -> Value:
    value = instance.arguments.get(_KEPT_ARGUMENTS[symbol].index(name), name)
    return value if value is not None else UNKNOWN


_CONVOLUTION = ("in_channels", "out_channels")
_RECURRENT = ("input_size", "hidden_size")
_KEPT_ARGUMENTS.update({
    "torch.nn.Linear": ("in_features", "out_features"),
    "torch.nn.Embedding": ("num_embeddings", "embedding_dim"),
    **{f"torch.nn.{kind}{rank}d": _CONVOLUTION for kind in ("Conv", "ConvTranspose") for rank in (1, 2, 3)},
    **{f"torch.nn.BatchNorm{rank}d": ("num_features",) for rank in (1, 2, 3)},
    **{f"torch.nn.{kind}": _RECURRENT for kind in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")},
    "torch.nn.MultiheadAttention": ("embed_dim", "num_heads"),
})  # fmt: skip


def _class_attribute(machine: "Interpreter", info: ClassInfo, name: str) -> Value:
    found = from_class(machine, info.mro, name, None)
    if found is not None:
        return found
    for base in info.external_bases:
        if base.startswith("torch."):
            return Symbol(canonical(f"{base}.{name}"))
    return UNKNOWN


def _super_attribute(machine: "Interpreter", value: SuperRef, name: str) -> Value:
    receiver = value.receiver
    if not isinstance(receiver, Instance) or receiver.info is None:
        return UNKNOWN
    mro = receiver.info.mro
    rest = mro[mro.index(value.after) + 1 :] if value.after in mro else value.after.mro[1:]
    if name == "__init__" and rest and isinstance(rest[0], Symbol) and rest[0].name.startswith("torchvision.datasets."):
        # What a dataset of torchvision is given is what it is, as for torch's own classes.
        return Method(receiver, f"{rest[0].name}.{name}")
    found = from_class(machine, rest, name, receiver)
    if found is not None:
        return found
    for base in rest:
        if isinstance(base, Symbol):
            return Method(receiver, canonical(f"{base.name}.{name}"))
    return Method(receiver, f"builtins.object.{name}")


def set_attribute(machine: "Interpreter", owner: Value, target: cst.Attribute, value: Value) -> None:
    """`owner.name = value`"""
    name = target.attr.value
    if name == "grad":
        training.gradient_set(machine, owner, target, value)
    module_attributes.note(machine, owner, target, value)
    if isinstance(owner, (Instance, ClassInfo)):
        if isinstance(owner, Instance) and isinstance(value, Const) and name == "requires_grad":
            return
        if isinstance(value, (Instance, OneOf)) and isinstance(owner, Instance) and machine.facts is not None:
            machine.facts.members.update((owner, held) for held in alternatives(value) if isinstance(held, Instance))
        if isinstance(value, Instance) and isinstance(owner, Instance):
            training.replaced(machine, owner, machine.read(owner, name), value, target)
        elif type(value) is Tensor and type(owner) is Instance:
            note_kept(machine, owner, target, value)
        machine.write(owner, name, value)
    elif isinstance(owner, ParameterOf) and name == "requires_grad":
        freeze(machine, owner.module, value, partial=owner.partial)
    elif isinstance(owner, Tensor):
        if name == "requires_grad" and isinstance(target.value, (cst.Name, cst.Attribute)):
            if owner.grad is Tri.YES and tri(value) is Tri.YES:
                return
            if is_whole(owner.dtype) and value == TRUE and machine.facts is not None and machine.unit is machine.target:
                machine.facts.gradients_asked.append((target, owner))
            machine.bind(target.value, owner.but(grad=tri(value), grad_origin=machine.here(target)))
        elif name == "data" and isinstance(target.value, (cst.Name, cst.Attribute)):
            machine.bind(target.value, owner.but(numbers=Numbers.UNKNOWN, numbers_origin=None, dtype=None))
    elif isinstance(owner, OneOf):
        for option in owner.values:
            if isinstance(option, ParameterOf) and name == "requires_grad":
                freeze(machine, option.module, value, partial=True)
            elif name == "requires_grad" and not isinstance(option, (Instance, Tensor)):
                freeze_unknown(machine)
            elif isinstance(option, Instance):
                held = machine.read(option, name)
                machine.write(option, name, value if held is None else join(held, value))
    elif isinstance(owner, Frame):
        machine.state.set(owner, name, value)
    elif name == "requires_grad":
        freeze_unknown(machine)
