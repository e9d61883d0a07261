"""What Python's own operations do to values: items, iteration, operators, conditions, contexts."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from torchlint.semantic import devices, misfits, reshaping, shapes, stretches, tables, training
from torchlint.semantic.batch_values import batch
from torchlint.semantic.checkpoints import change, touch
from torchlint.semantic.datasets import is_dataset
from torchlint.semantic.instances import (
    CONTAINERS,
    MODULE_DICT,
    allocate,
    as_tensor,
    is_module_class,
    tri,
)
from torchlint.semantic.layouts import CONTIGUOUS, Layout
from torchlint.semantic.loaders import is_loader
from torchlint.semantic.overwritten import note_overwritten
from torchlint.semantic.promotion import arithmetic, array_arithmetic, default_float
from torchlint.semantic.tensor_numbers import combined
from torchlint.semantic.values import (
    CONTENT,
    MAX_ITEMS,
    NONE,
    UNKNOWN,
    WIDE_SEED,
    Arguments,
    Array,
    Cell,
    ClassInfo,
    Const,
    Device,
    DeviceValue,
    DictRef,
    Entries,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    Method,
    Numbers,
    OneOf,
    ParameterOf,
    Scalar,
    Starred,
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

GRAD_CONTEXTS = {
    "torch.no_grad": Tri.NO,
    "torch.inference_mode": Tri.NO,
    "torch.enable_grad": Tri.YES,
    "torch.set_grad_enabled": None,
}
# Contexts from packages that are known not to touch autograd's mode.
NEUTRAL_PACKAGES = ("torch.", "builtins.", "contextlib.", "tqdm.", "PIL.", "numpy.", "matplotlib.", "warnings.",
    "tempfile.", "open", "zipfile.", "gzip.", "h5py.", "os.", "pathlib.", "io.", "threading.", "multiprocessing.",
    "concurrent.", "time.", "mlflow.", "wandb.", "rich.", "pandas.", "tarfile.", "sqlite3.", "csv.", "json.", "pickle.",
)  # fmt: skip


# -- containers -------------------------------------------------------------------------------------


def content(machine: "Interpreter", value: Value) -> Items | None:
    """What a list or a container of modules holds."""
    if isinstance(value, (ListRef, Instance)):
        held = machine.read(value, CONTENT)
        return held if isinstance(held, Items) else None
    return None


def exact_items(machine: "Interpreter", value: Value) -> tuple[Value, ...] | None:
    """All items of a sequence, when they are known."""
    if isinstance(value, TupleOf):
        return value.items
    held = content(machine, value)
    if held is None:
        return None
    take_apart(machine, value)
    return held.items


def whole_numbers(machine: "Interpreter", value: Value) -> list[int] | None:
    """The numbers of a sequence, when all are known and none is but a default that may be overridden."""
    items = exact_items(machine, value)
    if not items:
        return None
    known = [item.value for item in items if type(item) is Const and type(item.value) is int and not item.assumed]
    return known if len(known) == len(items) else None


def take_apart(machine: "Interpreter", value: Value) -> None:
    """The layers of a container are looked at one by one: they need not fit each other."""
    if type(value) is Instance and value.symbol == "torch.nn.Sequential" and value.origin is not None:
        machine.taken_apart.add(value.origin.node)


def starred(machine: "Interpreter", value: Value) -> Starred:
    """`*value` where the items are not known one by one."""
    held = content(machine, value)
    if held is not None:
        take_apart(machine, value)
        return Starred(held.any, held.last)
    return Starred(iterate(machine, value, None))


def exact_entries(machine: "Interpreter", value: Value) -> dict[str, Value] | None:
    """All entries of a dict with string keys, when they are known."""
    if isinstance(value, OneOf):
        either = [exact_entries(machine, option) for option in value.values]
        known = [entries for entries in either if entries is not None]
        if len(known) < len(either) or any(entries.keys() != known[0].keys() for entries in known):
            return None
        return {key: join_all(entries[key] for entries in known) for key in known[0]}
    held = machine.read(value, CONTENT) if isinstance(value, DictRef) else None
    if isinstance(held, Entries) and held.exact:
        return {key: item for key, item in held.entries.items() if isinstance(key, str)}
    return None


def known_entries(machine: "Interpreter", value: Value) -> dict[str, Value]:
    """The entries of a dict that are known, though there may be others."""
    if isinstance(value, OneOf):
        # `{...} if use_cuda else {}`: those of either.
        return {key: item for option in value.values for key, item in known_entries(machine, option).items()}
    held = machine.read(value, CONTENT) if isinstance(value, DictRef) else None
    if isinstance(held, Entries):
        return {key: item for key, item in held.entries.items() if isinstance(key, str)}
    return {}


def keyed(machine: "Interpreter", owner: Instance, key: Value, value: Value) -> None:
    """A dict of modules has one more."""
    held = machine.read(owner, CONTENT)
    if isinstance(held, Entries) and isinstance(key, Const) and isinstance(key.value, str) and not key.assumed:
        machine.write(owner, CONTENT, Entries({**held.entries, key.value: value}, held.exact))
    else:
        machine.write(owner, CONTENT, Entries({}, False))


def slice_value(bounds: list[Value]) -> Value:
    """A slice as an index; its bounds when they are literals."""
    if all(isinstance(bound, Const) for bound in bounds):
        try:
            return Const(slice(*[bound.value for bound in bounds]))  # type: ignore[attr-defined]
        except TypeError:
            return Symbol("builtins.slice")
    return Symbol("builtins.slice")


def is_slice(value: Value) -> bool:
    """Whether an index is a slice."""
    return (isinstance(value, Const) and isinstance(value.value, slice)) or (
        isinstance(value, Symbol) and value.name == "builtins.slice"
    )


def certain(value: Value) -> Value:
    """A value, unless it is only a default that may be overridden: what it picks is not certain."""
    return UNKNOWN if isinstance(value, Const) and value.assumed else value


def item(machine: "Interpreter", value: Value, indexes: list[Value], node: cst.CSTNode) -> Value:
    """`value[index]`"""
    index = certain(indexes[0]) if len(indexes) == 1 else UNKNOWN
    if isinstance(value, OneOf):
        return join_all(
            [
                item(machine, option, indexes, node)
                for option in value.values
                if not (isinstance(option, Const) and option.value is None)
            ]
        )
    tensor = as_tensor(machine, value)
    if tensor is not None:
        if tensor.batch:
            return tensor
        # Which numbers are picked does not change what they are, unless it is one class of a distribution.
        picked = computed(machine, node, tensor, numbers=tensor.numbers, dtype=tensor.dtype)
        if tensor.shape is None:
            return picked
        try:
            return picked.of_shape(_indexed(tensor.shape, indexes))
        except shapes.Mismatch as mismatch:
            if tensor.shape != shapes.SCALAR:
                # An index of what has no dimensions is kept elsewhere.
                misfits.note_operator(machine, node, mismatch, tensor)
            return picked
    if isinstance(value, TupleOf) or content(machine, value) is not None:
        take_apart(machine, value)
        return _sequence_item(machine, value, index, node)
    if isinstance(value, DictRef):
        held = machine.read(value, CONTENT)
        if isinstance(held, Entries):
            if isinstance(index, Const):
                return held.entries.get(index.value, UNKNOWN) if _hashable(index.value) else UNKNOWN
            if held.exact and held.entries:
                return join_all(held.entries.values())
        return UNKNOWN
    if isinstance(value, Instance) and value.symbol == MODULE_DICT:
        held = machine.read(value, CONTENT)
        return (
            held.entries.get(index.value, UNKNOWN)
            if isinstance(held, Entries) and isinstance(index, Const)
            else UNKNOWN
        )
    if isinstance(value, Instance):
        touch(machine, value)
        if value.symbol == tables.BUNCH and isinstance(index, Const):
            return machine.read(value, str(index.value)) or UNKNOWN
        if value.symbol == _IMAGE and any(map(_is_reversing, indexes)):
            return Array(machine.here(node), backwards=all(map(_is_basic, indexes)))
        return tables.picked(machine, value, index, node) if value.symbol == tables.FRAME else UNKNOWN
    if isinstance(value, Array):
        if not any(is_slice(index) for index in indexes):
            return _picked(value, indexes)
        shape = _indexed(value.shape, indexes) if value.shape is not None else None
        return Array(value.origin, shape, value.dtype, _runs_backwards(value, indexes))
    if value is UNKNOWN and len(indexes) > 1 and any(map(_is_reversing, indexes)):
        # Of all that has several dimensions, only arrays take a negative step.
        return Array(machine.here(node), backwards=all(map(_is_basic, indexes)))
    if isinstance(value, Method) and value.name in tables.LOCATORS:
        return tables.located(machine, value, indexes, node)
    if isinstance(value, Iterated):
        return value if indexes and is_slice(indexes[0]) else value.element
    return UNKNOWN


def _indexed(shape: shapes.Shape, indexes: list[Value]) -> shapes.Shape | None:
    """The shape of what these indexes pick out of a tensor."""
    known: list[reshaping.Index] = []
    if len(indexes) == 1 and isinstance(indexes[0], TupleOf):
        indexes = list(indexes[0].items)
    for index in indexes:
        if is_slice(index):
            known.append(index.value if isinstance(index, Const) else slice(None, None, UNKNOWN))
        elif isinstance(index, Const) and (index.value is None or type(index.value) is int or index.value is ...):
            known.append(index.value)
        elif isinstance(index, Scalar) and index.kind in ("int", "cpus"):
            known.append(reshaping.UNSURE)
        elif isinstance(index, Tensor) and index.dtype == "int64" and index.shape is not None:
            known.append(index.shape)
        else:
            return None
    return reshaping.indexed(shape, known)


# What OpenCV reads, an array.
_IMAGE = "cv2.Image"


def _picked(array: Array, indexes: list[Value]) -> Value:
    """What indexes that are no slices pick out of an array: fewer dimensions, or one number."""
    try:
        shape = _indexed(array.shape, indexes) if array.shape is not None else None
    except shapes.Mismatch:
        return UNKNOWN
    if shape is None or shape.open:
        return UNKNOWN
    if shape.dims:
        return Array(array.origin, shape, array.dtype)
    return Scalar("float64") if array.dtype == "float64" else UNKNOWN


def _is_reversing(index: Value) -> bool:
    """Whether an index is a slice from the end to the start."""
    step = index.value.step if isinstance(index, Const) and isinstance(index.value, slice) else None
    return type(step) is int and step < 0


def _is_basic(index: Value) -> bool:
    """Whether an index gives a view: a number, a slice, `...`."""
    return is_slice(index) or isinstance(index, (Const, Scalar))


def _runs_backwards(array: Array, indexes: list[Value]) -> bool:
    """Whether what is picked out of an array certainly has a negative stride."""
    if not array.backwards:
        return any(map(_is_reversing, indexes)) and all(map(_is_basic, indexes))
    # One index may take the dimension away, another negative step turns it round.
    return all(is_slice(index) and not _is_reversing(index) for index in indexes)


def _hashable(value: Any) -> bool:
    return not isinstance(value, slice)


def _sequence_item(machine: "Interpreter", value: Value, index: Value, node: cst.CSTNode) -> Value:
    items = exact_items(machine, value)
    if is_slice(index):
        if items is not None and isinstance(index, Const):
            picked = items[index.value]
            if isinstance(value, TupleOf):
                return TupleOf(picked, value.origin)
            return machine.allocate_list(node, Items(picked))
        held = content(machine, value)
        element = join_all(items) if items is not None else held.any if held is not None else UNKNOWN
        if isinstance(element, ParameterOf):
            element = ParameterOf(element.module, True)
        return machine.allocate_list(node, Items(None, element))
    if items is not None and isinstance(index, Const) and isinstance(index.value, int):
        return items[index.value] if -len(items) <= index.value < len(items) else UNKNOWN
    held = content(machine, value)
    if held is not None and isinstance(index, Const) and index.value == -1 and held.last is not None:
        return held.last
    if items is not None:
        return join_all(items)
    return held.any if held is not None else UNKNOWN


# What may be, or hold, modules and parameters.
_HELD_BY_DICTS = (Instance, ListRef, DictRef, TupleOf, Tensor, OneOf)


def delete_item(machine: "Interpreter", target: cst.Subscript) -> None:
    """`del owner[index]`"""
    owner = machine.eval_quietly(target.value)
    held = machine.read(owner, CONTENT) if isinstance(owner, Cell) else None
    if isinstance(held, Entries):
        machine.write(owner, CONTENT, Entries({}, False))  # type: ignore[arg-type]
    if not isinstance(held, Items):
        return
    first = target.slice[0].slice
    index = certain(machine.eval_quietly(first.value)) if isinstance(first, cst.Index) else UNKNOWN
    items = held.items
    left: tuple[Value, ...] | None = None
    if items is not None and isinstance(index, Const) and type(index.value) is int:
        if -len(items) <= index.value < len(items):
            at = index.value % len(items)
            left = (*items[:at], *items[at + 1 :])
    machine.write(owner, CONTENT, Items(left) if left is not None else Items(None, held.any))  # type: ignore[arg-type]


def set_item(machine: "Interpreter", owner: Value, target: cst.Subscript, value: Value) -> None:
    """`owner[index] = value`"""
    first = target.slice[0].slice
    index: Value = UNKNOWN
    if isinstance(first, cst.Index) and len(target.slice) == 1:
        index = certain(machine.eval(first.value))
    if isinstance(owner, DictRef):
        held = machine.read(owner, CONTENT)
        if machine.facts is not None and isinstance(value, _HELD_BY_DICTS):
            machine.facts.entered.append((owner, value))
        if isinstance(held, Entries):
            if isinstance(index, Const) and _hashable(index.value):
                machine.write(owner, CONTENT, Entries({**held.entries, index.value: value}, held.exact))
            else:
                machine.write(owner, CONTENT, Entries({}, False))
    elif isinstance(owner, (ListRef, Instance)):
        if isinstance(owner, Instance) and isinstance(value, Instance) and machine.facts is not None:
            machine.facts.members.add((owner, value))
        change(machine, owner)
        if isinstance(owner, Instance) and owner.symbol == MODULE_DICT:
            keyed(machine, owner, index, value)
            return
        held = content(machine, owner)
        if held is not None:
            items = held.items
            if (
                items is not None
                and isinstance(index, Const)
                and isinstance(index.value, int)
                and -len(items) <= index.value < len(items)
            ):
                changed = list(items)
                if isinstance(owner, Instance):
                    training.replaced(machine, owner, changed[index.value], value, target)
                changed[index.value] = value
                machine.write(owner, CONTENT, Items(tuple(changed)))
            else:
                machine.write(owner, CONTENT, Items(None, join(held.any, value)))
    elif isinstance(owner, ParameterOf):
        training.written_to(machine, target, target.value, owner)
    elif isinstance(owner, Tensor) and isinstance(target.value, (cst.Name, cst.Attribute)):
        training.written_to(machine, target, target.value, owner)
        note_overwritten(machine, target, owner)
        written = as_tensor(machine, value)
        if owner.shape is not None and written is not None and written.shape is not None:
            misfits.note_written(machine, target, owner, _target_shape(machine, owner, target), written)
        grad = owner.grad
        if grad is Tri.NO and machine.grad_mode() is not Tri.NO and not isinstance(value, (Const, Scalar, Array)):
            # Writing part of a graph into a tensor makes it part of the graph.
            grad = written.grad if written is not None else Tri.MAYBE
            if grad is Tri.YES and machine.grad_mode() is Tri.MAYBE:
                grad = Tri.MAYBE
        machine.bind(
            target.value,
            owner.but(
                grad=grad,
                numbers=Numbers.UNKNOWN,
                numbers_origin=None,
                grad_origin=written.grad_origin if written is not None else None,
            ),
        )


def _target_shape(machine: "Interpreter", owner: Tensor, target: cst.Subscript) -> shapes.Shape | None:
    """The shape of what an assignment to indexes of a tensor writes to."""
    assert owner.shape is not None
    indexes = []
    for element in target.slice:
        piece = element.slice
        if isinstance(piece, cst.Index):
            indexes.append(machine.eval_quietly(piece.value))
        else:
            bounds = (piece.lower, piece.upper, piece.step)  # type: ignore[attr-defined]
            indexes.append(slice_value([machine.eval_quietly(b) if b is not None else NONE for b in bounds]))
    try:
        return _indexed(owner.shape, indexes)
    except shapes.Mismatch:
        return None


def unpacked(machine: "Interpreter", value: Value, count: int) -> Sequence[Value] | None:
    """The parts of a value that is unpacked into `count` targets, or None when they are not known."""
    if isinstance(value, OneOf):
        parts = [
            unpacked(machine, option, count)
            for option in value.values
            if not (isinstance(option, Const) and option.value is None)
        ]
        if any(part is None for part in parts) or not parts:
            return None
        return [join_all([part[i] for part in parts if part is not None]) for i in range(count)]
    items = exact_items(machine, value)
    if items is not None:
        return items if len(items) == count else None
    tensor = as_tensor(machine, value)
    if tensor is not None:
        return [tensor if tensor.batch else _row(machine, tensor)] * count
    held = content(machine, value)
    if held is not None:
        return [held.any] * count
    if isinstance(value, Iterated):
        return [value.element] * count
    return None


def _row(machine: "Interpreter", tensor: Tensor) -> Tensor:
    """What iterating over a tensor gives each time."""
    row = computed(machine, None, tensor, numbers=tensor.numbers, dtype=tensor.dtype)
    return row if tensor.shape is None else row.of_shape(reshaping.indexed(tensor.shape, (reshaping.UNSURE,)))


def iterate(machine: "Interpreter", value: Value, node: cst.BaseExpression | None) -> Value:
    """What iterating over a value gives each time."""
    if isinstance(value, OneOf):
        return join_all([iterate(machine, option, node) for option in value.values])
    if isinstance(value, TupleOf):
        return join_all(value.items)
    held = content(machine, value)
    if held is not None:
        take_apart(machine, value)
        return held.any
    if isinstance(value, Iterated):
        for over in value.over:
            if node is not None:
                machine.event("iterate", over, node)
        return value.element
    if isinstance(value, DictRef):
        entries = machine.read(value, CONTENT)
        if isinstance(entries, Entries) and entries.exact and entries.entries:
            return join_all(Const(key) for key in entries.entries)
        return UNKNOWN
    tensor = as_tensor(machine, value)
    if tensor is not None:
        return tensor if tensor.batch else _row(machine, tensor)
    if is_loader(value):
        if node is not None:
            machine.event("iterate", value, node)
        return batch(machine, value) if isinstance(value, Instance) else UNKNOWN
    if isinstance(value, Instance) and value.symbol == "builtins.range":
        return Scalar("int")
    if isinstance(value, Instance) and value.info is not None:
        return machine.iterate_instance(value, node)
    if isinstance(value, (Scalar, Const)) and (
        getattr(value, "kind", "") == "str" or isinstance(getattr(value, "value", None), str)
    ):
        return Scalar("str")
    return UNKNOWN


# -- operators --------------------------------------------------------------------------------------


def computed(
    machine: "Interpreter",
    node: cst.CSTNode | None,
    *operands: Value,
    numbers: Numbers = Numbers.UNKNOWN,
    differentiable: bool = True,
    parameters: Tri = Tri.NO,
    dtype: str | None = None,
) -> Tensor:
    """The tensor that a torch operation makes of its operands.

    `parameters`: whether trainable parameters take part as well.
    """
    grads: list[Tri] = [parameters] if parameters is not Tri.NO else []
    device = Device.UNKNOWN
    numbers_origin = grad_origin = device_origin = cut = moved = stray = None
    numbers_dim = None
    # Whether all that requires grad is rounded.
    steps = True
    for operand in operands:
        tensor = as_tensor(machine, operand)
        if tensor is not None:
            grads.append(tensor.grad)
            if tensor.device is Device.CPU:
                stray = stray or tensor
            elif tensor.device is not Device.UNKNOWN:
                moved = moved or tensor
            device = device.meet(tensor.device)
            device_origin = device_origin or tensor.device_origin
            if tensor.grad is Tri.NO:
                cut = cut or tensor.grad_origin
            else:
                grad_origin = grad_origin or tensor.grad_origin
                steps = steps and tensor.numbers is Numbers.STEPS
            if numbers is not Numbers.UNKNOWN:
                numbers_origin = numbers_origin or tensor.numbers_origin
                numbers_dim = tensor.numbers_dim
        elif not isinstance(operand, (Const, Scalar, Array, DeviceValue, Symbol)):
            grads.append(Tri.MAYBE)
            steps = False
    if moved is not None and stray is not None and node is not None:
        devices.note_mixed(machine, node, moved.device_origin, stray)
    grad = Tri.YES if Tri.YES in grads else Tri.MAYBE if Tri.MAYBE in grads else Tri.NO
    mode = machine.grad_mode()
    if not differentiable or mode is Tri.NO:
        if mode is not Tri.NO and grad is not Tri.NO and node is not None:
            cut = machine.here(node)
        grad = Tri.NO
    elif grad is Tri.YES and mode is Tri.MAYBE:
        grad = Tri.MAYBE
    origin = machine.here(node) if node is not None else None
    if grad is Tri.YES and grad_origin is None:
        grad_origin = origin
    made = Tensor(
        grad,
        device,
        dtype,
        numbers,
        origin,
        numbers_dim=numbers_dim,
        numbers_origin=numbers_origin,
        grad_origin=grad_origin if grad is not Tri.NO else cut,
        device_origin=device_origin,
    )
    if steps and grad is Tri.YES and numbers is Numbers.UNKNOWN and parameters is Tri.NO:
        _keep_steps(machine, made, operands)
    return made


def _keep_steps(machine: "Interpreter", made: Tensor, operands: tuple[Value, ...]) -> None:
    """What is computed from rounded numbers only has no gradient either."""
    for operand in operands:
        tensor = as_tensor(machine, operand)
        if tensor is not None and tensor.numbers is Numbers.STEPS:
            made.numbers, made.numbers_origin = Numbers.STEPS, tensor.numbers_origin


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "FloorDivide": lambda a, b: a // b,
    "Divide": lambda a, b: a / b,
    "Modulo": lambda a, b: a % b,
    "Power": lambda a, b: _power(a, b),
}
# Numbers with more bits say nothing about sizes.
_MAX_BITS = 256


def _power(a: float, b: float) -> float:
    """`a ** b`

    Raises:
        ArithmeticError: it is too large to be of use, or no real number.
    """
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() * abs(b) > _MAX_BITS:
        raise OverflowError
    made: object = a**b
    if not isinstance(made, (int, float)):
        raise ArithmeticError
    return made


def binary(machine: "Interpreter", left: Value, operator: str, right: Value, node: cst.CSTNode) -> Value:
    """`left <operator> right`"""
    left_tensor, right_tensor = as_tensor(machine, left), as_tensor(machine, right)
    known = isinstance(left, Const) and isinstance(right, Const)
    if operator == "Add" and not known and (_is_text(left) or _is_text(right)):
        # Text adds to nothing but text.
        return Scalar("str", machine.here(node))
    if left_tensor is not None or right_tensor is not None:
        if isinstance(left, OneOf) or isinstance(right, OneOf):
            return computed(machine, node, *alternatives(left), *alternatives(right))
        if left is UNKNOWN or right is UNKNOWN:
            other = left_tensor or right_tensor
            assert other is not None
            # An unknown operand may be a tensor on the same device, or anything that works with one.
            made = computed(machine, node, other, *(() if other.grad is Tri.YES else (UNKNOWN,)))
            made = made.of_shape(shapes.stretched(other.shape) if operator != "MatrixMultiply" else None)
            # The unknown operand may well have a gradient.
            return made.but(numbers=Numbers.UNKNOWN, numbers_origin=None) if other.numbers is Numbers.STEPS else made
        if type(right) is Array and machine.facts is not None and machine.unit is machine.target:
            if isinstance(node, cst.BinaryOperation):
                machine.facts.converted.append(node)
        dtype = arithmetic(left, operator, right, default_float(machine))
        made = computed(machine, node, left, right, numbers=combined(left, operator, right), dtype=dtype)
        try:
            shape = _operated(left, operator, right)
        except shapes.Mismatch as mismatch:
            misfits.note_operator(machine, node, mismatch, left, right)
            return made
        if shape is None:
            return made
        stretches.note(machine, node, left, right)
        made = made.of_shape(shape)
        made.layout = _layout(left, operator, right)
        return made
    if isinstance(left, (ListRef, TupleOf)) and operator == "Add":
        return _concatenated(machine, left, right, node)
    if type(left) is Array or type(right) is Array:
        return _of_arrays(left, operator, right)
    if any(isinstance(side, Scalar) and side.kind == WIDE_SEED for side in (left, right)):
        return Scalar(WIDE_SEED if operator == "Add" else "number", machine.here(node))
    if isinstance(left, Const) and isinstance(right, Const) and operator in _ARITHMETIC:
        return _folded(left, operator, right, machine, node)
    if isinstance(right, (ListRef, TupleOf)) and operator == "Multiply":
        left, right = right, left
    if isinstance(left, (ListRef, TupleOf)) and operator == "Multiply":
        items = exact_items(machine, left)
        times = right.value if isinstance(right, Const) and not right.assumed else None
        if items is not None and isinstance(times, int) and len(items) * times <= MAX_ITEMS:
            repeated = items * times
            if isinstance(left, TupleOf):
                return TupleOf(repeated, machine.here(node))
            return machine.allocate_list(node, Items(repeated))
        if isinstance(left, TupleOf):
            return UNKNOWN
        held = content(machine, left)
        return machine.allocate_list(
            node, Items(None, held.any if held is not None else UNKNOWN, held.last if held else None)
        )
    if isinstance(left, (Const, Scalar)) and isinstance(right, (Const, Scalar)):
        kinds = {k.kind if isinstance(k, Scalar) else type(k.value).__name__ for k in (left, right)}
        if "str" in kinds:
            return Scalar("str")
        if kinds == {"cpus", "int"} and operator in ("Add", "Multiply") and _is_positive(left) and _is_positive(right):
            return Scalar("cpus", machine.here(node))
        if any(isinstance(side, Scalar) and side.kind == "bool" for side in (left, right)):
            # What a comparison of something unknown gives may be a tensor as well.
            return UNKNOWN
        return Scalar("number", machine.here(node)) if kinds <= {"int", "float", "number", "bool", "cpus"} else UNKNOWN
    if operator == "Add" and is_dataset(left) and is_dataset(right):
        joined = Arguments((TupleOf((left, right)),))
        return allocate(machine, node, None, "torch.utils.data.ConcatDataset", joined)
    if (
        operator == "Modulo"
        and (isinstance(left, (Scalar, Const)))
        and (getattr(left, "kind", "") == "str" or isinstance(getattr(left, "value", None), str))
    ):
        return Scalar("str")
    return UNKNOWN


def _layout(left: Value, operator: str, right: Value) -> Layout | None:
    """How the result of an operation on two values lies in memory."""
    if operator == "MatrixMultiply":
        return CONTIGUOUS
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.layout if left.layout == right.layout and left.shape == right.shape else None
    tensor, other = (left, right) if isinstance(left, Tensor) else (right, left)
    return tensor.layout if isinstance(tensor, Tensor) and is_plain_number(other) else None


def _of_arrays(left: Value, operator: str, right: Value) -> Value:
    """An operation of NumPy's: an array where its operands are arrays and numbers."""
    sides = (left, right)
    if operator == "MatrixMultiply" or not all(isinstance(side, (Array, Const, Scalar)) for side in sides):
        return UNKNOWN
    dtype = array_arithmetic(left, operator, right)
    if dtype is None:
        return UNKNOWN
    sizes = [side.shape if isinstance(side, Array) else shapes.SCALAR for side in sides]
    if all(size == shapes.SCALAR for size in sizes):
        # Of arrays without dimensions NumPy makes numbers.
        return Scalar("float64") if dtype == "float64" else UNKNOWN
    try:
        return Array(left.origin, shapes.broadcast(*sizes), dtype)
    except shapes.Mismatch:
        return Array(left.origin, None, dtype)


def is_plain_number(value: Value) -> bool:
    """Whether a value is a Python number. A bool may be what a comparison of something unknown is taken for."""
    if isinstance(value, Const):
        return isinstance(value.value, (int, float))
    return isinstance(value, Scalar) and value.kind in ("int", "float", "number", "cpus")


def _operated(left: Value, operator: str, right: Value) -> shapes.Shape | None:
    """The shape of an operation on two values, of which one at least is a tensor.

    Raises:
        Mismatch: they do not go together.
    """
    sides: list[shapes.Shape | None] = []
    for side in (left, right):
        if isinstance(side, Tensor):
            shape = side.shape
        elif is_plain_number(side):
            shape = shapes.SCALAR
        else:
            shape = None
        sides.append(shape)
    return reshaping.multiplied(*sides) if operator == "MatrixMultiply" else shapes.broadcast(*sides)


def _is_text(value: Value) -> bool:
    if isinstance(value, Const):
        return isinstance(value.value, str)
    return isinstance(value, Scalar) and value.kind == "str"


def _folded(left: Const, operator: str, right: Const, machine: "Interpreter", node: cst.CSTNode) -> Value:
    a, b = left.value, right.value
    numeric = isinstance(a, (int, float)) and isinstance(b, (int, float))
    textual = isinstance(a, str) and isinstance(b, str) and operator == "Add" and len(a) + len(b) < 10_000
    if not numeric and not textual:
        return Scalar("str") if isinstance(a, str) else UNKNOWN
    try:
        return Const(_ARITHMETIC[operator](a, b), machine.here(node), left.assumed or right.assumed)
    except (ArithmeticError, ValueError):
        return Scalar("number")


def _concatenated(machine: "Interpreter", left: Value, right: Value, node: cst.CSTNode) -> Value:
    a, b = exact_items(machine, left), exact_items(machine, right)
    if isinstance(left, TupleOf):
        return (
            TupleOf((*a, *b), left.origin)
            if a is not None and b is not None and isinstance(right, TupleOf)
            else UNKNOWN
        )
    if a is not None and b is not None and len(a) + len(b) <= MAX_ITEMS:
        return machine.allocate_list(node, Items((*a, *b)))
    held, more = content(machine, left), content(machine, right)
    if held is not None and more is not None:
        element = more.any if held.items == () else held.any if more.items == () else join(held.any, more.any)
        return machine.allocate_list(node, Items(None, element, more.last))
    return machine.allocate_list(node, Items(None, UNKNOWN))


def augmented(machine: "Interpreter", left: Value, operator: str, right: Value, node: cst.AugAssign) -> Value:
    """`left <operator>= right`"""
    if type(left) is Tensor and operator != "MatrixMultiplyAssign":
        note_overwritten(machine, node, left)
    operator = operator.removesuffix("Assign")
    if isinstance(left, ListRef) and operator == "Add":
        result = _concatenated(machine, left, right, node)
        held = content(machine, result)
        if machine.facts is not None:
            machine.facts.entered.append((left, right))
        machine.write(left, CONTENT, held if held is not None else Items(None, UNKNOWN))
        return left
    if isinstance(left, Instance) and left.symbol in CONTAINERS:
        machine.write(left, CONTENT, Items(None, UNKNOWN))
        return left
    if isinstance(left, OneOf):
        return join_all([binary(machine, option, operator, right, node) for option in left.values])
    made = binary(machine, left, operator, right, node)
    if isinstance(left, Tensor) and isinstance(made, Tensor):
        # In place: the tensor stays of its dtype.
        return made if made.dtype == left.dtype else made.but(dtype=left.dtype)
    return made


def compared(left: Value, operator: cst.BaseCompOp, right: Value) -> Value:
    """The result of one comparison, known when both sides are literals."""
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        if isinstance(operator, (cst.Is, cst.IsNot)):
            return Const(isinstance(operator, cst.IsNot)) if isinstance(right, Const) else Scalar("bool")
        if isinstance(operator, (cst.In, cst.NotIn)):
            return Scalar("bool")
        tensor = left if isinstance(left, Tensor) else right
        assert isinstance(tensor, Tensor)
        if isinstance(left, TupleOf) or isinstance(right, TupleOf) or tensor.batch:
            return UNKNOWN
        cut = tensor.grad_origin if tensor.grad is Tri.NO else None
        try:
            shape = _operated(left, "Compare", right)
        except shapes.Mismatch:
            shape = None
        # Whatever it is compared with, what comes of it is no better than rounded.
        steps = any(isinstance(side, Tensor) and side.numbers is not Numbers.UNKNOWN for side in (left, right))
        numbers = Numbers.STEPS if steps else Numbers.UNKNOWN
        return Tensor(Tri.NO, tensor.device, "bool", numbers, grad_origin=cut, shape=shape)
    if isinstance(left, Scalar) and left.kind == "module name" and right == MAIN and isinstance(operator, cst.Equal):
        return Scalar("main guard")
    if isinstance(left, Const) and isinstance(right, Const):
        assumed = left.assumed or right.assumed
        a, b = left.value, right.value
        if isinstance(operator, (cst.Is, cst.Equal)):
            return Const(type(a) is type(b) and a == b if isinstance(operator, cst.Is) else a == b, None, assumed)
        if isinstance(operator, (cst.IsNot, cst.NotEqual)):
            return Const(
                not (type(a) is type(b) and a == b) if isinstance(operator, cst.IsNot) else a != b, None, assumed
            )
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            for kind_of, result in (
                (cst.LessThan, a < b),
                (cst.GreaterThan, a > b),
                (cst.LessThanEqual, a <= b),
                (cst.GreaterThanEqual, a >= b),
            ):
                if isinstance(operator, kind_of):
                    return Const(result, None, assumed)
        if isinstance(operator, cst.In) and isinstance(a, str) and isinstance(b, str):
            return Const(a in b, None, assumed)
    if isinstance(operator, (cst.Is, cst.IsNot)) and right == NONE and isinstance(left, _OBJECTS):
        return Const(isinstance(operator, cst.IsNot))
    if isinstance(left, TupleOf) and isinstance(right, TupleOf) and isinstance(operator, (cst.Equal, cst.NotEqual)):
        if all(type(item) is Const and not item.assumed for item in (*left.items, *right.items)):
            return Const((left.items == right.items) is isinstance(operator, cst.Equal))
    if isinstance(operator, (cst.In, cst.NotIn)) and isinstance(left, Const):
        if isinstance(right, TupleOf) and all(isinstance(option, Const) for option in right.items):
            found = any(option == left for option in right.items)
            return Const(found is isinstance(operator, cst.In), None, left.assumed)
    return Scalar("bool")


def ends_graph(machine: "Interpreter", *operands: Value) -> bool:
    """Whether autograd records, and an operand requires grad, so that an operation without a gradient ends that."""
    if machine.grad_mode() is Tri.NO:
        return False
    tensors = [as_tensor(machine, operand) for operand in operands]
    return any(tensor is not None and tensor.grad is not Tri.NO for tensor in tensors)


MAIN = Const("__main__")
# Values that certainly are not None.
_OBJECTS = (Instance, ListRef, DictRef, FunctionRef, ClassInfo, TupleOf, Array, Scalar, DeviceValue)


_SCHEDULERS = "torch.optim.lr_scheduler."


def may_be_instance(value: Value, classes: Value) -> bool:
    """Whether `isinstance(value, classes)` may hold."""
    options = classes.items if isinstance(classes, TupleOf) else (classes,)
    names = {option.name for option in options if isinstance(option, Symbol)}
    if len(names) < len(options):
        return True
    if isinstance(value, Tensor):
        return value.batch or any(not n.startswith(("builtins.", "numpy.")) for n in names)
    if isinstance(value, Array):
        return any(not n.startswith(("builtins.", "torch.")) for n in names)
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        # Python's numbers are no tensors and no arrays.
        return any(n not in ("torch.Tensor", "numpy.ndarray") for n in names)
    if isinstance(value, TupleOf):
        return "builtins.tuple" in names or any(not n.startswith(("builtins.", "torch.Tensor")) for n in names)
    if isinstance(value, Instance) and is_module_class(value.info or Symbol(value.symbol or "")) is Tri.YES:
        return any(not name.startswith("builtins.") for name in names)
    if isinstance(value, ListRef):
        return "builtins.list" in names or any(not n.startswith(("builtins.", "torch.Tensor")) for n in names)
    if isinstance(value, Instance) and value.symbol is not None and value.symbol.startswith(_SCHEDULERS):
        return value.symbol in names or any(not n.startswith(_SCHEDULERS) or n.endswith("LRScheduler") for n in names)
    return True


def must_be_instance(value: Value, classes: Value) -> bool:
    """Whether `isinstance(value, classes)` certainly holds."""
    options = classes.items if isinstance(classes, TupleOf) else (classes,)
    names = {option.name for option in options if isinstance(option, Symbol)}
    if isinstance(value, (Tensor, ParameterOf)):
        return "torch.Tensor" in names and not (isinstance(value, Tensor) and value.batch)
    if isinstance(value, Instance):
        return value.symbol in names
    kinds = {ListRef: "builtins.list", TupleOf: "builtins.tuple", DictRef: "builtins.dict", Array: "numpy.ndarray"}
    return kinds.get(type(value)) in names


# -- literals, contexts and choices -----------------------------------------------------------------


def string_value(node: cst.SimpleString) -> str | bytes:
    """The value of a string literal; its raw text where CPython refuses to decode it."""
    value = node.value
    if "\\" not in value:
        quote = 3 if value.endswith(('"""', "'''")) and len(value.lstrip("rRbBuUfF")) >= 6 else 1
        prefix = len(value) - len(value.lstrip("rRbBuUfFtT"))
        text = value[prefix + quote : -quote]
        return text.encode("utf-8", "replace") if "b" in value[:prefix].lower() else text
    try:
        with warnings.catch_warnings():
            # Of invalid escapes a rule speaks; from Python 3.12 on CPython would, on standard error.
            warnings.simplefilter("ignore")
            return node.evaluated_value
    except (SyntaxError, ValueError):
        return node.raw_value


def grad_mode_of_context(context: Value) -> Tri | None:
    """The autograd mode inside `with context:`; None when the context does not change it."""
    modes: set[Tri | None] = set()
    for option in alternatives(context):
        if isinstance(option, Instance) and option.symbol in GRAD_CONTEXTS:
            mode = GRAD_CONTEXTS[option.symbol]
            argument = option.arguments.get(0, "mode")
            if mode is None or (argument is not None and option.symbol == "torch.inference_mode"):
                wanted = tri(argument) if argument is not None else Tri.MAYBE
                if mode is not None:
                    wanted = Tri.NO if wanted is Tri.YES else None if wanted is Tri.NO else Tri.MAYBE  # type: ignore[assignment]
                mode = wanted
            modes.add(mode)
        elif isinstance(option, Symbol) and option.name in GRAD_CONTEXTS:
            modes.add(GRAD_CONTEXTS[option.name] or Tri.MAYBE)
        elif isinstance(option, Instance) and option.symbol is not None and option.symbol.startswith(NEUTRAL_PACKAGES):
            modes.add(None)
        else:
            modes.add(Tri.MAYBE)
    return modes.pop() if len(modes) == 1 else Tri.MAYBE


def entered(machine: "Interpreter", context: Value) -> Value:
    """What `with context as name` binds."""
    if isinstance(context, Instance) and context.info is None:
        return context
    if isinstance(context, (Iterated, ListRef)):
        return context
    return UNKNOWN


def device_choice(machine: "Interpreter", node: cst.IfExp, yes: Value, no: Value) -> Value | None:
    """`"cuda" if torch.cuda.is_available() else "cpu"`: the accelerator where there is one."""
    devices = [as_device(value) for value in (yes, no)]
    if any(device is None for device in devices) or all(_is_number(value) for value in (yes, no)):
        return None
    kinds = {device.device for device in devices if device is not None}
    if kinds <= {Device.ACCELERATOR, Device.WHEN_AVAILABLE}:
        return DeviceValue(Device.WHEN_AVAILABLE if len(kinds) > 1 else kinds.pop(), machine.here(node))
    if Device.CPU in kinds and Device.UNKNOWN not in kinds and len(kinds) == 2 and _asks_availability(node.test):
        return DeviceValue(Device.WHEN_AVAILABLE, machine.here(node))
    return None


def _is_positive(value: Value) -> bool:
    return not isinstance(value, Const) or value.value > 0


def is_number(value: Value) -> bool:
    """Whether a value is a literal number, and not the default of a command line."""
    return isinstance(value, Const) and isinstance(value.value, (int, float)) and not value.assumed


def _is_number(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, int)


def _asks_availability(test: cst.BaseExpression) -> bool:
    """Whether a condition is an availability check and nothing else (a user's wish may come on top of it)."""
    return (
        isinstance(test, cst.Call) and isinstance(test.func, cst.Attribute) and test.func.attr.value == "is_available"
    )


ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "npu", "mtia", "xla")


def as_device(value: Value) -> DeviceValue | None:
    """A value as a device; None when it does not denote one."""
    if isinstance(value, DeviceValue):
        return value
    if isinstance(value, Const):
        if isinstance(value.value, str):
            name = value.value.partition(":")[0]
            if value.assumed:
                return DeviceValue(Device.UNKNOWN, value.origin)
            if name in ACCELERATORS:
                return DeviceValue(Device.ACCELERATOR, value.origin)
            if name == "cpu":
                return DeviceValue(Device.CPU, value.origin)
        elif isinstance(value.value, int) and not isinstance(value.value, bool):
            return DeviceValue(Device.ACCELERATOR, value.origin)
    if isinstance(value, OneOf):
        found = [as_device(option) for option in value.values]
        if all(device is not None for device in found):
            return DeviceValue(Device.UNKNOWN, value.origin)
    return None
