"""Modules of torch.nn and torchvision: what calling them gives, and what their methods do."""

from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from torchlint.semantic import devices, layer_dtypes, objects, shapes
from torchlint.semantic.instances import (
    MODULE_DICT,
    WRAPPERS,
    as_tensor,
    device_of,
    escape,
    freeze,
    frozen,
    is_module,
    move,
    set_training,
    tri,
)
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.knowledge.dtypes import FLOATS, looks_like_device, named
from torchlint.semantic.objects import computed
from torchlint.semantic.shapes import SCALAR, Shape, Size
from torchlint.semantic.tensor_numbers import kept
from torchlint.semantic.values import (
    CONTENT,
    NONE,
    TRUE,
    UNKNOWN,
    Arguments,
    Const,
    Device,
    DeviceValue,
    DictRef,
    Entries,
    Instance,
    Items,
    Iterated,
    Numbers,
    ParameterOf,
    Scalar,
    Starred,
    Symbol,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
    join_all,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

NUMBERS = {
    "torch.nn.Softmax": Numbers.SOFTMAX,
    "torch.nn.Softmax2d": Numbers.SOFTMAX,
    "torch.nn.LogSoftmax": Numbers.LOG_SOFTMAX,
    "torch.nn.Sigmoid": Numbers.SIGMOID,
    "torch.nn.LogSigmoid": Numbers.LOG_SIGMOID,
    "torch.nn.Tanh": Numbers.TANH,
    **{
        f"torch.nn.{name}": Numbers.ACTIVATION
        for name in ("ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus")
    },
    **{
        f"torch.nn.{kind}{rank}d": Numbers.LOGITS
        for kind in ("Conv", "LazyConv", "ConvTranspose", "LazyConvTranspose", "BatchNorm", "LazyBatchNorm")
        for rank in (1, 2, 3)
    },
    **dict.fromkeys(("torch.nn.Linear", "torch.nn.LazyLinear", "torch.nn.Bilinear"), Numbers.LOGITS),
}
# Layers that only reorder what they are given.
RESHAPING = frozenset({"torch.nn.Identity", "torch.nn.Flatten", "torch.nn.Unflatten"})
# Layers after which numbers still are what they were, and the operations that they do.
ALTERING = {
    **{
        f"torch.nn.{kind}Pool{rank}d": f"{operation}_pool{rank}d"
        for kind, operation in {
            "Avg": "avg", "Max": "max", "AdaptiveAvg": "adaptive_avg", "AdaptiveMax": "adaptive_max",
        }.items()
        for rank in (1, 2, 3)
    },
    **{f"torch.nn.Dropout{rank}": "dropout" for rank in ("", "1d", "2d", "3d")},
    **dict.fromkeys(("torch.nn.Upsample", "torch.nn.UpsamplingBilinear2d", "torch.nn.UpsamplingNearest2d"), "upsample"),
}  # fmt: skip
RECURRENT = {"torch.nn.LSTM": 2, "torch.nn.GRU": 1, "torch.nn.RNN": 1}
# What made the `(h_n, c_n)` pair of an LSTM.
STATE = "torch.nn.LSTM.state"
PACKED = "torch.nn.utils.rnn.PackedSequence"
# The attribute that holds the last layer of a torchvision classifier, by the start of its constructor's name.
HEADS = {
    "fc": ("resnet", "resnext", "wide_resnet", "shufflenet", "regnet", "inception", "googlenet"),
    "classifier": (
        "vgg",
        "alexnet",
        "densenet",
        "mobilenet",
        "efficientnet",
        "squeezenet",
        "convnext",
        "mnasnet",
    ),
    "heads": ("vit",),
    "head": ("swin",),
}
# The numbers that the head of a torchvision classifier is given for each image.
HEAD_FEATURES = {
    **dict.fromkeys(("resnet18", "resnet34"), 512),
    **dict.fromkeys(("resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d",
        "wide_resnet50_2", "wide_resnet101_2"), 2048),
    **dict.fromkeys((f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")), 25088),
    "alexnet": 9216, "densenet121": 1024, "densenet161": 2208, "densenet169": 1664, "densenet201": 1920,
    "mobilenet_v2": 1280, "mobilenet_v3_small": 576, "mobilenet_v3_large": 960, "efficientnet_b0": 1280,
    "efficientnet_b1": 1280, "efficientnet_b2": 1408, "efficientnet_b3": 1536, "efficientnet_b4": 1792,
    "efficientnet_b5": 2048, "efficientnet_b6": 2304, "efficientnet_b7": 2560, "shufflenet_v2_x1_0": 1024,
    "mnasnet1_0": 1280, "vit_b_16": 768, "vit_b_32": 768, "vit_l_16": 1024, "vit_l_32": 1024, "swin_t": 768,
    "swin_s": 768, "swin_b": 1024,
}  # fmt: skip
# These give a named tuple of several outputs while training.
SEVERAL_OUTPUTS = ("inception", "googlenet", "detection", "segmentation", "fcn", "deeplab", "lraspp", "video",
    "optical_flow",
    "quantization", "raft", "fasterrcnn", "maskrcnn", "retinanet", "ssd", "keypointrcnn", "get_model")  # fmt: skip


def module_forward(machine: "Interpreter", call: "Call", instance: Instance, symbol: str) -> Value:
    """What calling a module from outside the project gives; `symbol` is the class whose `forward` runs."""
    given = call.arguments.positional[0] if call.arguments.positional else call.argument(None, "input", "x", "query")
    if symbol in WRAPPERS:
        wrapped = instance.arguments.get(0, "module")
        result = machine.follow(wrapped, call.arguments, call.node) if wrapped is not None else UNKNOWN
        # Several devices give several numbers for one.
        return result.of_shape(None) if isinstance(result, Tensor) and result.shape == SCALAR else result
    if symbol == "torch.nn.Sequential":
        return _chain(machine, call, instance)
    if symbol.startswith("torchvision."):
        return _classifier(machine, call, instance, symbol)
    if symbol == "timm.create_model":
        return computed(machine, call.node, parameters=_trainable(machine, instance))
    known = module_class(symbol)
    if known is None:
        escape(machine, call.arguments)
        return UNKNOWN
    values = [*call.arguments.positional, *call.arguments.tail, *call.arguments.keywords.values()]
    parameters = _trainable(machine, instance) if _has_parameters(instance, symbol) else Tri.NO
    origin = machine.here(call.node)
    if symbol in RECURRENT:
        output = _output(machine, call, instance, values, parameters)
        state: Value = output if RECURRENT[symbol] == 1 else TupleOf((output, output), origin, made_by=STATE)
        first: Value = output
        if isinstance(given, Instance) and given.symbol == PACKED:
            first = Instance(None, PACKED, Arguments((output,), {}, False), origin)
        elif given is not None and as_tensor(machine, given) is None and given is not UNKNOWN:
            first = UNKNOWN
        elif given is UNKNOWN or given is None:
            # A packed sequence gives a packed sequence.
            first = output.but(batch=False)
        return TupleOf((first, state), origin, made_by=symbol)
    if symbol == "torch.nn.LSTMCell":
        output = _output(machine, call, instance, values, parameters)
        return TupleOf((output, output), origin, made_by=symbol)
    if symbol == "torch.nn.MultiheadAttention":
        output = _output(machine, call, instance, values, parameters)
        weights = call.argument(4, "need_weights")
        second: Value = NONE if isinstance(weights, Const) and weights.value is False else output
        return TupleOf((output, second), origin, made_by=symbol)
    if symbol.startswith(("torch.nn.MaxPool", "torch.nn.AdaptiveMaxPool", "torch.nn.FractionalMaxPool")):
        output = _output(machine, call, instance, values, parameters)
        wanted = instance.arguments.get(None, "return_indices")
        if wanted is not None and tri(wanted) is not Tri.NO:
            indices = output.but(grad=Tri.NO, dtype="int64")
            return TupleOf((output, indices), origin, made_by=symbol) if tri(wanted) is Tri.YES else UNKNOWN
        return output
    if known.returns not in ("tensor", None) or (known.returns is None and not known.is_loss and not _plain(symbol)):
        return UNKNOWN
    result = _output(machine, call, instance, values, parameters)
    if symbol in NUMBERS:
        dim = instance.arguments.get(0, "dim") if symbol.endswith("Softmax") else None
        return result.but(
            numbers=NUMBERS[symbol],
            numbers_origin=instance.origin or origin,
            numbers_dim=dim.value if isinstance(dim, Const) and isinstance(dim.value, int) else None,
        )
    if symbol in RESHAPING and given is not None:
        tensor = as_tensor(machine, given)
        if tensor is not None:
            return result.but(
                numbers=tensor.numbers, numbers_origin=tensor.numbers_origin, numbers_dim=tensor.numbers_dim
            )
        return result if symbol != "torch.nn.Identity" else given
    if symbol in ALTERING and isinstance(given, Tensor):
        numbers = kept(ALTERING[symbol], given.numbers)
        if numbers is not Numbers.UNKNOWN:
            return result.but(numbers=numbers, numbers_origin=given.numbers_origin, numbers_dim=given.numbers_dim)
    return result


def _plain(symbol: str) -> bool:
    """Classes that could not be sampled, and that are known to give one tensor."""
    return symbol in RESHAPING or symbol.startswith(("torch.nn.Transformer", "torch.nn.Lazy", "torch.nn.Embedding"))


def _output(machine: "Interpreter", call: "Call", instance: Instance, values: list[Value], parameters: Tri) -> Tensor:
    result = computed(machine, call.node, *values, parameters=parameters)
    device = device_of(machine, instance)
    if device in devices.ELSEWHERE and parameters is not Tri.NO and values and isinstance(values[0], Tensor):
        moved = machine.read(instance, "#device")
        origin = moved.origin if moved is not None else None
        devices.note_mixed(machine, call.node, origin, values[0], is_layer=True)
    if result.device is Device.UNKNOWN and device is not Device.UNKNOWN:
        held = machine.read(instance, "#device")
        result = result.but(device=device, device_origin=held.origin if held is not None else None)
    if parameters is not Tri.NO and result.grad is Tri.YES and instance.origin is not None:
        result = result.but(grad_origin=instance.origin)
    return result


def _has_parameters(instance: Instance, symbol: str) -> bool:
    known = module_class(symbol)
    if known is None or not known.has_parameters:
        # Instance norms have parameters only when asked.
        affine = instance.arguments.get(None, "affine")
        return affine is not None and tri(affine) is Tri.YES
    for name in ("affine", "elementwise_affine"):
        wanted = instance.arguments.get(None, name)
        if wanted is not None and tri(wanted) is not Tri.YES:
            return False
    return True


def _trainable(machine: "Interpreter", instance: Instance) -> Tri:
    held = frozen(machine, instance)
    return Tri.YES if held is Tri.NO else Tri.NO if held is Tri.YES else Tri.MAYBE


def _chain(machine: "Interpreter", call: "Call", instance: Instance) -> Value:
    """An nn.Sequential: each layer is given what the one before gave."""
    held = machine.read(instance, CONTENT)
    if not isinstance(held, Items):
        return UNKNOWN
    value: Value = call.arguments.positional[0] if call.arguments.positional else UNKNOWN
    machine.uncalled_chains.pop(instance, None)
    if held.items is not None:
        for layer, following in zip_longest(held.items, held.items[1:]):
            value = machine.follow(layer, Arguments((value,)), call.node)
            if isinstance(value, TupleOf) and following is not None and isinstance(layer, Instance):
                _note_chain(machine, layer, following, value)
                # What the next layer would have made of a tensor is not known.
                value = UNKNOWN
        return value
    for option in alternatives(held.element):
        if option is not held.last:
            machine.follow(option, Arguments((UNKNOWN,)), call.node)
    if held.last is None:
        return UNKNOWN
    return machine.follow(held.last, Arguments((UNKNOWN,)), call.node)


def run_uncalled_chains(machine: "Interpreter") -> None:
    """Run each `nn.Sequential` that nothing has called: what its layers give each other is known."""
    for instance, made in tuple(machine.uncalled_chains.items()):
        apart = instance.origin is not None and instance.origin.node in machine.taken_apart
        if machine.fuel > 0 and not apart:
            _chain(machine, type(made)(made.node, instance, Arguments((UNKNOWN,)), machine), instance)


def _note_chain(machine: "Interpreter", layer: Instance, following: Value, value: TupleOf) -> None:
    if machine.facts is not None and not any(layer is known for known, _, _ in machine.facts.chains):
        machine.facts.chains.append((layer, following, value))


def _note_recurrent(machine: "Interpreter", layers: tuple[Value, ...]) -> None:
    """Recurrent layers before another layer: no call is needed to know what they will give it."""
    for layer, following in pairwise(layers):
        if isinstance(layer, Instance) and layer.symbol in RECURRENT:
            _note_chain(machine, layer, following, TupleOf((UNKNOWN, UNKNOWN), made_by=layer.symbol))


def _classifier(machine: "Interpreter", call: "Call", instance: Instance, symbol: str) -> Value:
    name = symbol.rpartition(".")[2].lower()
    if any(part in symbol.lower() for part in SEVERAL_OUTPUTS):
        return UNKNOWN
    head = next((attr for attr, starts in HEADS.items() if name.startswith(starts)), None)
    if head is None:
        return UNKNOWN
    given = call.argument(0, "x")
    features = _output(machine, call, instance, list(call.arguments.positional), _trainable(machine, instance))
    replaced = machine.read(instance, head)
    if not name.startswith(("squeezenet", "convnext")):
        # The others flatten what comes to the head.
        width = HEAD_FEATURES.get(name)
        batch = shapes.size(given.shape, 0) if type(given) is Tensor else None
        features = features.of_shape(Shape((batch, Size(width, instance.origin, (), name) if width else None)))
    if replaced is None:
        return features
    return machine.follow(replaced, Arguments((features,)), call.node)


def fill(machine: "Interpreter", call: "Call") -> Value:
    """A container of modules is given its content."""
    instance = call.receiver
    assert isinstance(instance, Instance)
    arguments = call.arguments
    first = arguments.positional[0] if arguments.positional else None
    symbol = instance.symbol or next(iter(instance.info.external_bases), "") if instance.info else instance.symbol
    if symbol == MODULE_DICT:
        entries = objects.known_entries(machine, first) if first is not None else {}
        exact = first is None or objects.exact_entries(machine, first) is not None
        machine.state.set(instance, CONTENT, Entries(entries, exact and arguments.complete))
        return NONE
    content = Items(())
    if symbol == "torch.nn.ModuleList":
        content = _as_items(machine, first) if first is not None else Items(())
    elif isinstance(first, DictRef):
        layers = objects.exact_entries(machine, first)
        content = Items(tuple(layers.values())) if layers is not None else Items(None)
    elif arguments.tail:
        content = Items(arguments.positional)
        for value in arguments.tail:
            if isinstance(value, Starred):
                content = Items(
                    None,
                    join_all([*([content.any] if content.items != () else []), value.element]),
                    value.last,
                )
            else:
                content = Items(None, join_all([content.any, value]), value)
    elif not arguments.complete or (
        first is not None
        and not isinstance(first, Instance)
        and len(arguments.positional) == 1
        and objects.content(machine, first)
    ):
        content = Items(None)
    else:
        content = Items(arguments.positional)
    machine.state.set(instance, CONTENT, content)
    if instance.symbol == "torch.nn.Sequential" and content.items is not None:
        _note_recurrent(machine, content.items)
        if machine.recording and machine.unit is machine.target:
            machine.uncalled_chains[instance] = call
    return NONE


def _as_items(machine: "Interpreter", value: Value) -> Items:
    items = objects.exact_items(machine, value)
    if items is not None:
        return Items(items)
    held = objects.content(machine, value)
    if held is not None:
        return held
    element = objects.iterate(machine, value, None)
    return Items(None, element, element if isinstance(value, Iterated) else None)


def _container(machine: "Interpreter", call: "Call") -> Value:
    from torchlint.semantic.instances import allocate

    assert call.name is not None
    instance = allocate(machine, call.node, None, call.name, call.arguments)
    call.receiver = instance
    fill(machine, call)
    call.receiver = None
    return instance


def _append(machine: "Interpreter", call: "Call") -> Value:
    instance = call.receiver
    assert isinstance(instance, Instance)
    value = call.argument(0, "module", "modules")
    held = machine.read(instance, CONTENT)
    if isinstance(held, Items):
        _grow(machine, instance, held, value if value is not None else UNKNOWN)
    return instance


def _grow(machine: "Interpreter", instance: Instance, held: Items, value: Value) -> None:
    machine.write(instance, CONTENT, held.plus(value))
    if held.last is not None and (instance.symbol == "torch.nn.Sequential"):
        _note_recurrent(machine, (held.last, value))


def _extend(machine: "Interpreter", call: "Call") -> Value:
    instance = call.receiver
    assert isinstance(instance, Instance)
    value = call.argument(0, "modules", "sequential")
    held = machine.read(instance, CONTENT)
    more = _as_items(machine, value) if value is not None else None
    if isinstance(held, Items) and more is not None and held.items is not None and more.items is not None:
        machine.write(instance, CONTENT, Items((*held.items, *more.items)))
    elif isinstance(held, Items):
        machine.write(instance, CONTENT, Items(None, UNKNOWN, more.last if more is not None else None))
    return instance


def _insert(machine: "Interpreter", call: "Call") -> Value:
    instance = call.receiver
    assert isinstance(instance, Instance)
    machine.write(instance, CONTENT, Items(None))
    return instance


def _add_module(machine: "Interpreter", call: "Call") -> Value:
    instance = call.receiver
    name, value = call.argument(0, "name"), call.argument(1, "module")
    if isinstance(instance, Instance) and value is not None:
        held = machine.read(instance, CONTENT)
        if isinstance(held, Items):
            _grow(machine, instance, held, value)
        elif instance.symbol == MODULE_DICT:
            objects.keyed(machine, instance, name or UNKNOWN, value)
        if isinstance(name, Const) and isinstance(name.value, str):
            machine.write(instance, name.value, value)
    return NONE


def _shrink(machine: "Interpreter", call: "Call") -> Value:
    """`modules.pop(...)`, `modules.clear()`, `modules.update(...)`: what is in it then is not known any more."""
    instance = call.receiver
    assert isinstance(instance, Instance)
    held = machine.read(instance, CONTENT)
    if isinstance(held, Items):
        machine.write(instance, CONTENT, Items(None, held.any, None))
    elif isinstance(held, Entries):
        machine.write(instance, CONTENT, Entries({}, False))
    return UNKNOWN


def _entries_of(machine: "Interpreter", call: "Call") -> Value:
    """`items()`, `values()` of a dict of modules"""
    held = machine.read(call.receiver, CONTENT) if isinstance(call.receiver, Instance) else None
    element: Value = UNKNOWN
    if isinstance(held, Entries) and held.exact and held.entries:
        element = join_all(held.entries.values())
    return Iterated(element if (call.name or "").endswith("values") else TupleOf((Scalar("str"), element)))


def _register_tensor(machine: "Interpreter", call: "Call") -> Value:
    name, value = call.argument(0, "name"), call.argument(1, "tensor", "param")
    if (
        isinstance(call.receiver, Instance)
        and isinstance(name, Const)
        and isinstance(name.value, str)
        and value is not None
    ):
        # It moves with the module from now on.
        held = value.but(device=Device.UNKNOWN) if isinstance(value, Tensor) else value
        machine.write(call.receiver, name.value, held)
    return NONE


def _parameters(machine: "Interpreter", call: "Call") -> Value:
    if not isinstance(call.receiver, Instance):
        return UNKNOWN
    return Iterated(ParameterOf(call.receiver), (), machine.here(call.node))


def _named_parameters(machine: "Interpreter", call: "Call") -> Value:
    if not isinstance(call.receiver, Instance):
        return UNKNOWN
    return Iterated(TupleOf((Scalar("str"), ParameterOf(call.receiver))))


def _submodules(machine: "Interpreter", call: "Call") -> Value:
    if call.receiver is not None:
        objects.take_apart(machine, call.receiver)
    return Iterated(UNKNOWN)


def _train(machine: "Interpreter", call: "Call") -> Value:
    assert call.name is not None
    module = call.receiver
    if isinstance(module, Instance):
        mode = call.argument(0, "mode")
        if call.name.endswith(".eval"):
            set_training(machine, module, False, call.node)
        elif mode is None or (isinstance(mode, Const) and not mode.assumed):
            set_training(machine, module, mode is None or bool(mode.value), call.node)
        else:
            machine.write(module, "#training", Scalar("bool"))
            machine.event("mode", module, call.node)
    return module if module is not None else UNKNOWN


def _move_module(machine: "Interpreter", call: "Call") -> Value:
    assert call.name is not None
    module = call.receiver
    if not isinstance(module, Instance):
        return UNKNOWN
    name = call.name.rpartition(".")[2]
    if name == "cpu":
        move(machine, module, DeviceValue(Device.CPU, machine.here(call.node)))
    elif name in ("cuda", "xpu"):
        move(machine, module, DeviceValue(Device.ACCELERATOR, machine.here(call.node)))
    elif name == "to":
        for value in [
            *call.arguments.positional[:1],
            *([call.arguments.keywords["device"]] if "device" in call.arguments.keywords else []),
        ]:
            device = objects.as_device(value)
            if device is not None:
                move(machine, module, DeviceValue(device.device, machine.here(call.node)))
            elif not (isinstance(value, Symbol) and value.name.startswith("torch.")):
                move(machine, module, DeviceValue(Device.UNKNOWN, machine.here(call.node)))
        _convert(machine, call, module)
    return module


def _convert(machine: "Interpreter", call: "Call", module: Instance) -> None:
    """The dtype of what `module.to(...)` is given, if any is among it."""
    for index, value in enumerate((*call.arguments.positional[:2], *call.arguments.keywords.values())):
        dtype = named(value)
        if dtype is not None:
            layer_dtypes.convert(machine, module, dtype)
        elif isinstance(value, Tensor) or (value is UNKNOWN and (index or not looks_like_device(call))):
            layer_dtypes.convert(machine, module, value.dtype if isinstance(value, Tensor) else None)
    if not call.arguments.complete:
        layer_dtypes.convert(machine, module, None)


def _cast(machine: "Interpreter", call: "Call") -> Value:
    """`module.double()`, `module.type(torch.float64)`"""
    assert call.name is not None
    module = call.receiver
    if not isinstance(module, Instance):
        return UNKNOWN
    dtype = FLOATS.get(call.name.rpartition(".")[2])
    layer_dtypes.convert(machine, module, dtype if dtype is not None else named(call.argument(0, "dst_type")))
    return module


def _requires_grad(machine: "Interpreter", call: "Call") -> Value:
    module = call.receiver
    if isinstance(module, Instance):
        wanted = call.argument(0, "requires_grad")
        freeze(machine, module, wanted if wanted is not None else TRUE)
    return module if module is not None else UNKNOWN


def _zero_grad(machine: "Interpreter", call: "Call") -> Value:
    machine.event("zero_grad", call.receiver if call.receiver is not None else UNKNOWN, call.node)
    return NONE


def _itself(machine: "Interpreter", call: "Call") -> Value:
    """Gives the module that it is given, or that it is called on."""
    if call.receiver is not None:
        return call.receiver
    given = call.argument(0, "model", "obj", "func", "fn", "module")
    return given if given is not None else UNKNOWN


def _nothing(machine: "Interpreter", call: "Call") -> Value:
    return UNKNOWN


def _packed(machine: "Interpreter", call: "Call") -> Value:
    return Instance(None, PACKED, call.arguments, machine.here(call.node))


def _padded(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "sequence")
    inner: Value = UNKNOWN
    if isinstance(given, Instance) and given.symbol == PACKED and given.arguments.positional:
        inner = given.arguments.positional[0]
    tensor = as_tensor(machine, inner)
    output = computed(machine, call.node, tensor if tensor is not None else UNKNOWN)
    return TupleOf((output, Tensor(Tri.NO, Device.CPU, "int64")), machine.here(call.node), made_by=call.name)


def _functional_loss(machine: "Interpreter", call: "Call") -> Value:
    return computed(machine, call.node, *call.arguments.positional, *call.arguments.keywords.values())


_MODULE = "torch.nn.Module."

TRANSFERS: dict[str, Transfer] = {
    "#fill": fill,
    "#container": lambda machine, call: (
        fill(machine, call)
        if call.name in ("torch.nn.Sequential.__init__", "torch.nn.ModuleList.__init__", "torch.nn.ModuleDict.__init__")
        else NONE
    ),
    "torch.nn.Sequential": _container,
    "torch.nn.ModuleList": _container,
    MODULE_DICT: _container,
    **{f"torch.nn.{c}.append": _append for c in ("Sequential", "ModuleList")},
    **{f"torch.nn.{c}.extend": _extend for c in ("Sequential", "ModuleList")},
    **{f"torch.nn.{c}.insert": _insert for c in ("Sequential", "ModuleList")},
    **{f"torch.nn.{c}.pop": _shrink for c in ("Sequential", "ModuleList", "ModuleDict")},
    **{f"{MODULE_DICT}.{name}": _shrink for name in ("clear", "update")},
    **{f"{MODULE_DICT}.{name}": _entries_of for name in ("values", "items")},
    _MODULE + "append": _append,
    _MODULE + "extend": _extend,
    _MODULE + "insert": _insert,
    _MODULE + "add_module": _add_module,
    _MODULE + "register_module": _add_module,
    _MODULE + "register_buffer": _register_tensor,
    _MODULE + "register_parameter": _register_tensor,
    _MODULE + "parameters": _parameters,
    _MODULE + "named_parameters": _named_parameters,
    _MODULE + "modules": _submodules,
    _MODULE + "children": _submodules,
    _MODULE + "named_modules": _submodules,
    _MODULE + "named_children": _submodules,
    _MODULE + "train": _train,
    _MODULE + "eval": _train,
    **{_MODULE + name: _move_module for name in ("to", "cuda", "cpu", "xpu")},
    **{_MODULE + name: _itself for name in ("share_memory", "to_empty", "compile")},
    **{_MODULE + name: _cast for name in (*FLOATS, "type")},
    _MODULE + "apply": _itself,
    _MODULE + "requires_grad_": _requires_grad,
    _MODULE + "zero_grad": _zero_grad,
    **{
        _MODULE + name: _nothing
        for name in (
            "register_forward_hook",
            "register_forward_pre_hook",
            "extra_repr",
            "register_full_backward_hook",
            "register_backward_hook",
            "get_parameter",
            "get_submodule",
            "buffers",
            "named_buffers",
        )
    },
    "torch.compile": _itself,
    "torch.jit.script": _itself,
    "torch.jit.trace": _itself,
    **dict.fromkeys(
        (
            f"torch.nn.utils.{name}"
            for name in (
                "weight_norm",
                "spectral_norm",
                "remove_weight_norm",
                "remove_spectral_norm",
                "parametrizations.weight_norm",
                "parametrizations.spectral_norm",
                "parametrizations.orthogonal",
            )
        ),
        _itself,
    ),
    "torch.nn.utils.rnn.pack_padded_sequence": _packed,
    "torch.nn.utils.rnn.pack_sequence": _packed,
    "torch.nn.utils.rnn.pad_packed_sequence": _padded,
}

__all__ = ["TRANSFERS", "is_module", "module_forward", "run_uncalled_chains"]
