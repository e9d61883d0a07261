"""Torch's functions and the methods of tensors: hand-written where a schema cannot say what they do."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import extents, objects, training
from torchlint.semantic.instances import as_tensor, freeze, tri
from torchlint.semantic.knowledge import Overload, dtypes, is_tensor_method, operators
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.knowledge.dtypes import FLOATS, looks_like_device
from torchlint.semantic.objects import computed
from torchlint.semantic.tensor_numbers import CLAMPING, RESAMPLING, kept
from torchlint.semantic.values import (
    NONE,
    UNKNOWN,
    Array,
    Const,
    Device,
    DeviceValue,
    Iterated,
    ListRef,
    Numbers,
    OneOf,
    ParameterOf,
    Scalar,
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

# The values in the tensor stay the same ones, in another shape, place or order.
PRESERVING = frozenset({
    "reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute",
    "transpose", "t", "swapaxes", "swapdims", "movedim", "moveaxis", "contiguous", "clone", "cpu", "cuda", "to",
    "type", "type_as", "float", "double", "half", "bfloat16", "detach", "requires_grad_", "expand", "expand_as",
    "repeat", "narrow", "select", "index_select", "masked_select", "gather", "cat", "concat", "concatenate", "stack",
    "vstack", "hstack", "chunk", "split", "unbind", "flip", "roll", "squeeze_", "unsqueeze_", "take",
    "unfold", "tile", "repeat_interleave", "adjoint", "refine_names", "rename", "pin_memory", "take_along_dim",
})  # fmt: skip
# Methods that give their own tensor another shape.
RESHAPING_IN_PLACE = frozenset({
    "squeeze_", "unsqueeze_", "t_", "transpose_", "swapaxes_", "swapdims_", "resize_", "resize_as_", "set_",
    "as_strided_", "sparse_resize_", "sparse_resize_and_clear_",
})  # fmt: skip
INTEGERS = {
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
}
FACTORIES = (
    "zeros", "ones", "rand", "randn", "randint", "randperm", "empty", "full", "arange", "linspace", "logspace", "eye",
    "tensor", "from_numpy", "normal", "tril_indices", "triu_indices", "hann_window", "hamming_window", "range",
    "frombuffer", "Tensor", "FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "ShortTensor",
    "ByteTensor", "BoolTensor", "scalar_tensor", "empty_strided", "complex", "polar",
)  # fmt: skip
LIKE = ("zeros_like", "ones_like", "rand_like", "randn_like", "randint_like", "empty_like", "full_like")
NEW = ("new", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")
INTEGER_RESULTS = frozenset(
    {"argmax", "argmin", "argsort", "bincount", "nonzero", "count_nonzero", "searchsorted", "bucketize", "one_hot"}
)


def _name(call: "Call") -> str:
    assert call.name is not None
    return call.name.rpartition(".")[2]


def operands(call: "Call") -> list[Value]:
    """Everything that takes part in an operation: receiver, positional and keyword arguments."""
    values = [] if call.receiver is None else [call.receiver]
    values.extend(call.arguments.positional)
    values.extend(call.arguments.tail)
    values.extend(call.arguments.keywords.values())
    return values


def _subject(call: "Call") -> Value:
    """The tensor that an operation is mainly about: the receiver of a method, else the first argument."""
    if call.receiver is not None:
        return call.receiver
    value = call.argument(0, "input", "self", "tensors", "tensor")
    return value if value is not None else UNKNOWN


def _flattened(machine: "Interpreter", values: list[Value]) -> list[Value]:
    """Operands with the items of lists and tuples among them taken out."""
    flat: list[Value] = []
    for value in values:
        items = objects.exact_items(machine, value)
        held = objects.content(machine, value)
        if items is not None:
            flat.extend(items)
        elif held is not None:
            flat.append(held.any)
        elif isinstance(value, OneOf):
            # Operands of which only one takes part: what holds for all holds.
            flat.append(join_all([as_tensor(machine, option) or option for option in value.values]))
        else:
            flat.append(value)
    return flat


def operation(machine: "Interpreter", call: "Call") -> Value:
    """Any operator that torch's own schemas describe."""
    assert call.name is not None
    overloads = operators(call.name)
    if not overloads:
        return UNKNOWN
    values = operands(call)
    fitting = [overload for overload in overloads if _fits(machine, overload, call)]
    if not fitting:
        return UNKNOWN
    flat = _flattened(machine, values)
    return join_all([_returned(machine, call, overload, flat) for overload in fitting])


def _fits(machine: "Interpreter", overload: Overload, call: "Call") -> bool:
    arguments = call.arguments
    positional = [parameter for parameter in overload.parameters if not parameter.keyword_only]
    by_name = {parameter.name: parameter for parameter in overload.parameters}
    given = arguments.positional
    variadic = bool(positional) and positional[0].variadic
    if len(given) > len(positional) and not variadic:
        return False
    for index, value in enumerate(given):
        expected = positional[min(index, len(positional) - 1)] if positional else None
        if expected is None or not (
            _is_a(value, expected.type) or (expected.variadic and _is_a(value, expected.type.partition("[")[0]))
        ):
            return False
    for name, value in arguments.keywords.items():
        if name in ("axis", "keepdims", "out", "x", "other"):
            continue
        if name not in by_name or not _is_a(value, by_name[name].type):
            return False
    if arguments.complete and not variadic:
        for parameter in positional[len(given) :]:
            if parameter.default is None and parameter.name not in arguments.keywords:
                aliases = {"dim": "axis", "input": "x", "self": "x", "keepdim": "keepdims"}
                if aliases.get(parameter.name) not in arguments.keywords and not parameter.type.endswith("?"):
                    return False
    return True


def _is_a(value: Value, type_: str) -> bool:
    """Whether a value may be of a schema's type."""
    optional = type_.endswith("?")
    base = type_.rstrip("?")
    for option in alternatives(value):
        if base in ("True", "False"):
            fits = not isinstance(option, Const) or option.value is (base == "True")
        elif isinstance(option, Const):
            fits = _literal_is_a(option.value, base, optional)
        elif base == "ScalarType":
            # Where a dtype would change what the call means (`x.view(dtype)`), it is written as one.
            fits = optional or isinstance(option, Symbol)
        elif isinstance(option, (Tensor, ParameterOf)):
            fits = base.startswith("Tensor")
        elif isinstance(option, (ListRef, TupleOf, Iterated)):
            fits = "[" in base
        elif isinstance(option, Scalar):
            fits = not base.startswith("Tensor") and (base != "str" or option.kind == "str")
        elif isinstance(option, Array):
            fits = base.startswith("Tensor")
        else:
            fits = True
        if fits:
            return True
    return False


def _literal_is_a(literal: object, base: str, optional: bool) -> bool:
    if literal is None:
        return optional
    if isinstance(literal, str):
        return base in ("str", "Device") or base.startswith("Dimname")
    if isinstance(literal, bool):
        return base in ("bool", "Scalar")
    if isinstance(literal, int):
        return base in ("int", "float", "Scalar", "Device") or base.startswith("int[")
    if isinstance(literal, float):
        return base in ("float", "Scalar") or base.startswith("float[")
    return base == "Scalar" if isinstance(literal, complex) else False


def _returned(machine: "Interpreter", call: "Call", overload: Overload, flat: list[Value]) -> Value:
    parts: list[Value] = []
    for result in overload.returns:
        if result.type == "Tensor":
            dtype = "int64" if result.name == "indices" or _name(call) in INTEGER_RESULTS else None
            numbers = Numbers.UNKNOWN
            subject = _subject(call)
            given = as_tensor(machine, subject)
            if given is not None:
                if _name(call) in PRESERVING or _name(call) in CLAMPING:
                    dtype = given.dtype
                numbers = kept(_name(call), given.numbers)
            if _name(call) in PRESERVING or (result.name == "values" and _name(call) in ("max", "sort", "topk")):
                numbers = _common_numbers(machine, subject)
            parts.append(
                computed(
                    machine,
                    call.node,
                    *flat,
                    numbers=numbers,
                    differentiable=result.differentiable,
                    dtype=dtype,
                )
            )
        elif result.type == "Tensor[]":
            numbers = _common_numbers(machine, _subject(call)) if _name(call) in PRESERVING else Numbers.UNKNOWN
            parts.append(
                Iterated(computed(machine, call.node, *flat, numbers=numbers, differentiable=result.differentiable))
            )
        elif result.type in ("int", "float", "bool", "Scalar", "SymInt"):
            parts.append(Scalar(result.type if result.type in ("int", "float", "bool") else "number"))
        else:
            parts.append(UNKNOWN)
    if len(parts) == 1:
        return parts[0]
    names = tuple(result.name for result in overload.returns)
    return TupleOf(parts, machine.here(call.node), made_by=call.name, names=names if all(names) else ())


def _common_numbers(machine: "Interpreter", subject: Value) -> Numbers:
    tensor = as_tensor(machine, subject)
    if tensor is not None:
        return tensor.numbers
    items = objects.exact_items(machine, subject)
    held = objects.content(machine, subject)
    merged = join_all(items) if items else held.any if held is not None else UNKNOWN
    return merged.numbers if isinstance(merged, Tensor) else Numbers.UNKNOWN


def _of_kind(numbers: Numbers, dim_index: int | None) -> Transfer:
    def transfer(machine: "Interpreter", call: "Call") -> Value:
        subject = _subject(call)
        tensor = as_tensor(machine, subject)
        index = None if dim_index is None else dim_index - (call.receiver is not None)
        dim = call.argument(index, "dim", "axis") if dim_index is not None else None
        result = computed(machine, call.node, tensor if tensor is not None else subject)
        made = numbers
        if numbers is Numbers.LOG_SOFTMAX and tensor is not None and tensor.numbers is Numbers.LOG_SOFTMAX:
            made = Numbers.LOG_SOFTMAX
        return result.but(
            numbers=made,
            numbers_origin=machine.here(call.node),
            numbers_dim=dim.value if isinstance(dim, Const) and isinstance(dim.value, int) else None,
        )

    return transfer


# What the logarithm makes of numbers.
_LOGARITHMS = {
    Numbers.SOFTMAX: Numbers.LOG_SOFTMAX,
    Numbers.CLAMPED_SOFTMAX: Numbers.LOG_SOFTMAX,
    Numbers.SIGMOID: Numbers.LOG_SIGMOID,
    Numbers.CLAMPED_SIGMOID: Numbers.LOG_SIGMOID,
    Numbers.ONE_MINUS_SIGMOID: Numbers.LOG_SIGMOID,
}


def _log(machine: "Interpreter", call: "Call") -> Value:
    tensor = as_tensor(machine, _subject(call))
    result = computed(machine, call.node, _subject(call))
    if tensor is not None and tensor.numbers in _LOGARITHMS:
        return result.but(
            numbers=_LOGARITHMS[tensor.numbers],
            numbers_origin=machine.here(call.node),
            numbers_dim=tensor.numbers_dim,
        )
    return result


def _resampled(machine: "Interpreter", call: "Call") -> Value:
    """`interpolate`, of which the sizes may be numbers and lists of them."""
    tensor = as_tensor(machine, _subject(call))
    numbers = kept(_name(call), tensor.numbers) if tensor is not None else Numbers.UNKNOWN
    return computed(machine, call.node, _subject(call), numbers=numbers)


def _exp(machine: "Interpreter", call: "Call") -> Value:
    tensor = as_tensor(machine, _subject(call))
    result = computed(machine, call.node, _subject(call))
    if tensor is None or tensor.numbers is not Numbers.LOGITS:
        return result
    return result.but(numbers=Numbers.EXP, numbers_origin=machine.here(call.node))


def _copied(machine: "Interpreter", call: "Call") -> Value:
    """A tensor of the numbers in what is given, which keeps no graph."""
    made = _factory(machine, call)
    assert isinstance(made, Tensor)
    if made.grad is Tri.NO and objects.ends_graph(machine, *_flattened(machine, [_subject(call)])):
        made = made.but(grad_origin=machine.here(call.node))
    return made


def _factory(machine: "Interpreter", call: "Call") -> Value:
    wanted = call.arguments.keywords.get("requires_grad")
    where = call.arguments.keywords.get("device")
    grad = tri(wanted) if wanted is not None else Tri.NO if call.arguments.complete else Tri.MAYBE
    told = call.arguments.keywords.get("dtype")
    device: DeviceValue | None = DeviceValue(Device.CPU)
    if where is not None:
        device = objects.as_device(where)
    elif not call.arguments.complete:
        device = None
    return Tensor(
        grad,
        device.device if device is not None else Device.UNKNOWN,
        dtypes.made(machine, call) if told is None or told == NONE else _dtype(told),
        origin=machine.here(call.node),
        grad_origin=machine.here(call.node) if grad is not Tri.NO else None,
        device_origin=machine.here(call.node),
    )


def _like(machine: "Interpreter", call: "Call") -> Value:
    made = _factory(machine, call)
    assert isinstance(made, Tensor)
    model = as_tensor(machine, _subject(call))
    if "dtype" not in call.arguments.keywords:
        made = made.but(dtype=model.dtype if model is not None else None)
    if "device" in call.arguments.keywords:
        return made
    return made.but(device=model.device if model is not None else Device.UNKNOWN)


def _as_tensor(machine: "Interpreter", call: "Call") -> Value:
    given = as_tensor(machine, _subject(call))
    if given is None:
        return _factory(machine, call)
    where = call.arguments.keywords.get("device")
    device = objects.as_device(where) if where is not None else None
    return given if where is None else given.but(device=device.device if device else Device.UNKNOWN)


def _dtype(value: Value | None) -> str | None:
    return dtypes.named(value)


def _is_integer(dtype: str | None) -> bool:
    return dtype is not None and (dtype == "bool" or dtype.lstrip("u").startswith("int"))


def _moved(machine: "Interpreter", call: "Call", tensor: Tensor, device: Device) -> Tensor:
    return tensor.but(device=device, device_origin=machine.here(call.node), origin=machine.here(call.node))


def _to(machine: "Interpreter", call: "Call", tensor: Tensor) -> Value:
    result = tensor.but(origin=machine.here(call.node))
    given = [*call.arguments.positional[:2]]
    given.extend(
        call.arguments.keywords[name] for name in ("device", "dtype", "other") if name in call.arguments.keywords
    )
    for index, value in enumerate(given):
        device = objects.as_device(value)
        dtype = _dtype(value)
        other = as_tensor(machine, value)
        if device is not None:
            result = _moved(machine, call, result, device.device)
        elif dtype is not None:
            result = result.but(dtype=dtype)
            if _is_integer(dtype):
                result = _without_grad(machine, call, result)
        elif other is not None:
            result = _moved(machine, call, result, other.device).but(dtype=other.dtype)
        elif not (isinstance(value, Const) and isinstance(value.value, bool)):
            kept = result.dtype if index == 0 and value is UNKNOWN and looks_like_device(call) else None
            result = _moved(machine, call, result, Device.UNKNOWN).but(dtype=kept)
            if result.grad is Tri.YES:
                # An unknown dtype may be an integer one, which ends the graph.
                result = result.but(grad=Tri.YES if value is UNKNOWN and looks_like_device(call) else Tri.MAYBE)
    if not call.arguments.complete:
        result = result.but(device=Device.UNKNOWN, dtype=None)
    return result.but(layout=None) if "memory_format" in call.arguments.keywords else result


def _without_grad(machine: "Interpreter", call: "Call", tensor: Tensor) -> Tensor:
    """A tensor after what ends its graph, if it has one."""
    origin = machine.here(call.node)
    if tensor.grad is Tri.NO:
        return tensor.but(origin=origin)
    cut = origin if machine.grad_mode() is not Tri.NO else None
    return tensor.but(grad=Tri.NO, grad_origin=cut, origin=origin)


def _rebind(machine: "Interpreter", call: "Call", value: Tensor) -> Value:
    """A method that changes its receiver in place: the variable now holds the changed tensor."""
    node = call.node
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and isinstance(node.func.value, (cst.Name, cst.Attribute))
    ):
        machine.bind(node.func.value, value)
    return value


def method(machine: "Interpreter", call: "Call") -> Value:
    """A method of a tensor."""
    name = _name(call)
    receiver = call.receiver
    if isinstance(receiver, ParameterOf) and name == "detach_":
        freeze(machine, receiver.module, Const(False), partial=receiver.partial)
        return receiver
    if isinstance(receiver, ParameterOf) and name == "requires_grad_":
        wanted = call.argument(0, "requires_grad")
        freeze(machine, receiver.module, wanted if wanted is not None else Const(True), partial=receiver.partial)
        return receiver
    tensor = as_tensor(machine, receiver) if receiver is not None else None
    if tensor is None:
        return UNKNOWN
    call.receiver = tensor
    origin = machine.here(call.node)
    if name in ("detach", "detach_"):
        result = _without_grad(machine, call, tensor)
        return _rebind(machine, call, result) if name == "detach_" else result
    if name == "requires_grad_":
        wanted = call.argument(0, "requires_grad")
        grad = tri(wanted) if wanted is not None else Tri.YES
        if grad is Tri.YES is tensor.grad:
            return tensor
        return _rebind(machine, call, tensor.but(grad=grad, grad_origin=origin if grad is not Tri.NO else None))
    if name == "cpu":
        return _moved(machine, call, tensor, Device.CPU)
    if name in ("cuda", "xpu", "npu", "hpu", "mtia"):
        return _moved(machine, call, tensor, Device.ACCELERATOR)
    if name == "to":
        return _to(machine, call, tensor)
    if name in FLOATS:
        return tensor.but(dtype=FLOATS[name], origin=origin)
    if name in INTEGERS:
        return _without_grad(machine, call, tensor).but(dtype=INTEGERS[name], numbers=Numbers.UNKNOWN)
    if name == "type":
        dtype = _dtype(call.argument(0, "dtype"))
        return tensor.but(
            dtype=dtype,
            grad=Tri.NO
            if _is_integer(dtype)
            else tensor.grad
            if dtype
            else Tri.MAYBE
            if tensor.grad is Tri.YES
            else tensor.grad,
        )
    if name == "numpy":
        return Array(origin, None, None if tensor.batch else tensor.dtype)
    if not is_tensor_method(name):
        # Misspelt.
        return UNKNOWN
    if name == "item":
        return Scalar("number")
    if name == "tolist":
        return UNKNOWN
    if name == "backward":
        training.backward(machine, call, tensor)
        return NONE
    if name in NEW:
        return _like(machine, call)
    if name == "size":
        return extents.of_size(machine, call, tensor)
    if name in ("dim", "ndimension"):
        return extents.of_rank(tensor)
    if name == "numel":
        return extents.of_count(tensor)
    if name == "stride" and not call.arguments.positional and not call.arguments.keywords:
        return Iterated(Scalar("int"))
    if name in ("register_hook", "retain_grad"):
        return UNKNOWN
    if name.endswith("_") and not name.startswith("_"):
        if name in ("zero_", "fill_"):
            training.written(machine, call)
        result = computed(machine, call.node, *_flattened(machine, operands(call)), dtype=tensor.dtype)
        if result.grad is Tri.NO and tensor.grad is not Tri.NO:
            result = result.but(grad=tensor.grad, grad_origin=tensor.grad_origin)
        if tensor.shape is not None and name not in RESHAPING_IN_PLACE:
            result = result.of_shape(tensor.shape)
        if name in ("clamp_", "clip_", "div_", "nan_to_num_") and training.is_of_gradient(call.node):
            # What is clipped is still the sum of all that `backward()` added.
            return result
        return _rebind(machine, call, result)
    special = TRANSFERS.get(f"torch.{name}") if name in SHARED else None
    return special(machine, call) if special is not None else operation(machine, call)


def of_unknown(machine: "Interpreter", call: "Call", name: str) -> Value:
    """A method that only tensors have, of something of which nothing else is known."""
    arguments = call.arguments
    if name == "float":
        # Arrays have `argmax`, and modules have `float`: only tensors have one after the other.
        func = call.node.func if isinstance(call.node, cst.Call) else None
        before = func.value if isinstance(func, cst.Attribute) else None
        given = before.func if isinstance(before, cst.Call) else None
        found = isinstance(given, cst.Attribute) and given.attr.value in ("argmax", "argmin", "eq", "ne")
        return _converted(machine, call, name) if found and not arguments.positional else UNKNOWN
    if name in ("softmax", "log_softmax"):
        dim = call.argument(0, "dim")
        if dim is None or not isinstance(dim, (Const, Scalar)) or len(arguments.positional) > 1:
            # Other libraries have objects with a function of this name.
            return UNKNOWN
    elif arguments.positional or arguments.keywords or not arguments.complete:
        return UNKNOWN
    call.receiver = Tensor()
    call.name = f"torch.Tensor.{name}"
    made = method(machine, call)
    return made.but(grad_origin=None) if isinstance(made, Tensor) else made


def _of_comparison(machine: "Interpreter", call: "Call") -> Value:
    """`(a == b).float()`: a comparison with a method of tensors is one of tensors."""
    return _converted(machine, call, _name(call))


def _converted(machine: "Interpreter", call: "Call", name: str) -> Value:
    """A tensor without a gradient, such as a comparison or indices, as numbers of another type."""
    call.receiver = Tensor(Tri.NO, grad_origin=machine.here(call.node))
    call.name = f"torch.Tensor.{name}"
    return method(machine, call)


def function(machine: "Interpreter", call: "Call") -> Value:
    """Any other function of torch."""
    name, node = call.name or "", call.node
    if name.endswith("_") and name.count(".") == 1 and isinstance(node, cst.Call) and node.args:
        # `torch.sigmoid_(x)`: the variable now holds other numbers.
        given, target = as_tensor(machine, _subject(call)), node.args[0].value
        if given is not None and isinstance(target, (cst.Name, cst.Attribute)):
            machine.bind(target, given.but(numbers=Numbers.UNKNOWN, numbers_origin=None))
    return operation(machine, call)


def _where(machine: "Interpreter", call: "Call") -> Value:
    given = operands(call)
    if len(given) == 1:
        # The indices along each dimension.
        return Iterated(
            Tensor(
                Tri.NO,
                given[0].device if isinstance(given[0], Tensor) else Device.UNKNOWN,
                "int64",
                origin=machine.here(call.node),
            )
        )
    made = computed(machine, call.node, *given[1:])
    if made.grad is Tri.NO and made.grad_origin is None and objects.ends_graph(machine, *given[:1]):
        return made.but(grad_origin=machine.here(call.node))
    if made.grad is Tri.NO and made.grad_origin is None and isinstance(given[0], Tensor):
        return made.but(grad_origin=given[0].grad_origin)
    return made


def _device(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "device", "type")
    device = objects.as_device(given) if given is not None else None
    if device is None:
        return DeviceValue(Device.UNKNOWN, machine.here(call.node))
    return DeviceValue(device.device, machine.here(call.node))


def _set_grad_enabled(machine: "Interpreter", call: "Call") -> Value:
    from torchlint.semantic.instances import allocate

    given = call.argument(0, "mode")
    context = allocate(machine, call.node, None, "torch.set_grad_enabled", call.arguments)
    machine.set_grad_mode(tri(given) if given is not None else Tri.MAYBE)
    return context


def _backward(machine: "Interpreter", call: "Call") -> Value:
    training.backward(machine, call, _subject(call))
    return NONE


def _clip(machine: "Interpreter", call: "Call") -> Value:
    training.clipped(machine, call)
    return computed(machine, call.node, differentiable=False)


def _boolean(machine: "Interpreter", call: "Call") -> Value:
    return Scalar("bool")


def _is_tensor(machine: "Interpreter", call: "Call") -> Value:
    value = call.argument(0, "obj")
    if value is None or value is UNKNOWN or isinstance(value, OneOf):
        return Scalar("bool")
    if objects.must_be_instance(value, Symbol("torch.Tensor")):
        return Const(True)
    return Scalar("bool") if objects.may_be_instance(value, Symbol("torch.Tensor")) else Const(False)


def _parameter(machine: "Interpreter", call: "Call") -> Value:
    wanted = call.argument(1, "requires_grad")
    grad = tri(wanted) if wanted is not None else Tri.YES
    data = as_tensor(machine, _subject(call))
    origin = machine.here(call.node)
    # It moves with the module that it will be part of.
    shape, dtype = (data.shape, data.dtype) if data is not None else (None, None)
    return Tensor(grad, Device.UNKNOWN, dtype, origin=origin, grad_origin=origin, shape=shape)


def _variable(machine: "Interpreter", call: "Call") -> Value:
    """A tensor of the same numbers, and a leaf: a graph ends here, also without `requires_grad`."""
    given = as_tensor(machine, _subject(call)) or Tensor(Tri.MAYBE)
    wanted = call.argument(1, "requires_grad")
    grad = tri(wanted) if wanted is not None else Tri.NO if call.arguments.complete else Tri.MAYBE
    cut = grad is not Tri.NO or (given.grad is Tri.YES and machine.grad_mode() is not Tri.NO)
    return given.but(grad=grad, grad_origin=machine.here(call.node) if cut else None, batch=False)


def _random_sample(machine: "Interpreter", call: "Call") -> Value:
    return computed(machine, call.node, *operands(call), differentiable=False)


def _load(machine: "Interpreter", call: "Call") -> Value:
    return UNKNOWN


# Methods that nothing but tensors has, also in the way in which they are called. A module has `float` as well, an array
# `argmax`, a stream `detach`.
ONLY_OF_TENSORS = frozenset({"float", "long", "sigmoid", "softmax", "log_softmax"})
# Functions of which the results have no gradient but zero.
ROUNDING = ("round", "floor", "ceil", "trunc", "fix", "sign", "sgn")
SHARED = frozenset({
    "softmax", "log_softmax", "sigmoid", "log", "where", "is_tensor", "multinomial", "bernoulli", "exp", "relu", "tanh",
    *ROUNDING,
})  # fmt: skip
_SOFTMAX = _of_kind(Numbers.SOFTMAX, 1)
_LOG_SOFTMAX = _of_kind(Numbers.LOG_SOFTMAX, 1)
_SIGMOID = _of_kind(Numbers.SIGMOID, None)
_TANH = _of_kind(Numbers.TANH, None)
_ACTIVATION = _of_kind(Numbers.ACTIVATION, None)

TRANSFERS: dict[str, Transfer] = {
    "torch.Tensor.*": method,
    **{f"builtins.bool.{name}": _of_comparison for name in ("float", "long", "double", "half")},
    "torch.*": function,
    "torch.softmax": _SOFTMAX,
    "torch.nn.functional.softmax": _SOFTMAX,
    "torch.special.softmax": _SOFTMAX,
    "torch.log_softmax": _LOG_SOFTMAX,
    "torch.nn.functional.log_softmax": _LOG_SOFTMAX,
    "torch.special.log_softmax": _LOG_SOFTMAX,
    "torch.sigmoid": _SIGMOID,
    "torch.nn.functional.sigmoid": _SIGMOID,
    "torch.special.expit": _SIGMOID,
    "torch.log": _log,
    "torch.exp": _exp,
    **{f"torch.nn.functional.{name}": _resampled for name in RESAMPLING},
    "torch.nn.functional.logsigmoid": _of_kind(Numbers.LOG_SIGMOID, None),
    "torch.tanh": _TANH,
    "torch.nn.functional.tanh": _TANH,
    "torch.relu": _ACTIVATION,
    **{
        f"torch.nn.functional.{name}": _ACTIVATION
        for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "selu", "celu")
    },
    **{f"torch.{name}": _of_kind(Numbers.STEPS, None) for name in ROUNDING},
    "torch.where": _where,
    "torch.norm": _resampled,
    "torch.device": _device,
    "torch.set_grad_enabled": _set_grad_enabled,
    "torch.autograd.backward": _backward,
    **dict.fromkeys(sorted(training.CLIPS), _clip),
    "torch.is_tensor": _is_tensor,
    "torch.is_grad_enabled": _boolean,
    "torch.cuda.is_available": _boolean,
    "torch.multinomial": _random_sample,
    "torch.bernoulli": _random_sample,
    "torch.nn.Parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.autograd.Variable": _variable,
    "torch.as_tensor": _as_tensor,
    "torch.asarray": _as_tensor,
    "torch.load": _load,
    **{f"torch.{name}": _factory for name in FACTORIES},
    **{f"torch.{name}": _copied for name in ("tensor", "Tensor", "FloatTensor", "DoubleTensor", "HalfTensor")},
    **{f"torch.{name}": _like for name in LIKE},
    **{f"torch.cuda.{name}": _load for name in ("FloatTensor", "LongTensor", "ByteTensor", "DoubleTensor")},
}
