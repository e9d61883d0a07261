"""The shapes that torch's functions and the methods of tensors give."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import objects, reshaping, shapes
from torchlint.semantic.knowledge.shapes_arguments import (
    Entry,
    Given,
    argument,
    dim_of,
    dims_of,
    flag_of,
    int_of,
    is_plain,
    is_sequence,
    listed,
    number_of,
    operand_shape,
    sizes_of,
    subject_shape,
)
from torchlint.semantic.shapes import SCALAR, Dim, Mismatch, Shape
from torchlint.semantic.values import Array, Const, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def _same(machine: "Interpreter", call: "Call") -> Shape | None:
    return subject_shape(call)


def _along(machine: "Interpreter", call: "Call") -> Shape | None:
    """What works along one dimension, and keeps all sizes: `softmax(x, dim)`."""
    subject, dim = subject_shape(call), int_of(argument(call, 0, "dim", "axis"))
    if subject is None or dim is None or subject == SCALAR:
        return subject
    return reshaping.with_size(subject, dim, shapes.size(subject, dim)) and subject


def _scalar(machine: "Interpreter", call: "Call") -> Shape | None:
    return SCALAR


def _elementwise(machine: "Interpreter", call: "Call") -> Shape | None:
    """Operands are whatever is a tensor or a number by position."""
    return shapes.broadcast(subject_shape(call), operand_shape(argument(call, 0, "other", "exponent", "mask")))


def _triangle(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = subject_shape(call)
    if subject is not None and not subject.open and len(subject.dims) < 2:
        raise Mismatch(f"takes at least 2 dimensions, but is given {len(subject.dims)}: {subject}", subject.last)
    return subject


def _where(machine: "Interpreter", call: "Call") -> Shape | None:
    values = call.arguments.positional
    if call.receiver is not None:
        values = (values[0], call.receiver, *values[1:]) if values else ()
    if len(values) != 3:
        return None
    return shapes.broadcast(
        shapes.broadcast(operand_shape(values[0]), operand_shape(values[1])), operand_shape(values[2])
    )


def _reduction(at: int, keep_at: int, *, default: bool = True) -> Entry:
    """A reduction whose dimensions and `keepdim` stand at these positions; `default`: over all without dimensions."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        where = argument(call, at, "dim", "axis")
        keep = flag_of(argument(call, keep_at, "keepdim", "keepdims"))
        if keep is None:
            return None
        subject = subject_shape(call)
        if where is None or (isinstance(where, Const) and where.value is None):
            return reshaping.reduced(subject, None, keep) if default else None
        dims = dims_of(machine, where)
        return reshaping.reduced(subject, dims or None, keep) if dims is not None else None

    return entry


def _extreme(machine: "Interpreter", call: "Call") -> Given:
    """`max`, `min`: of all, along a dimension, or of two tensors."""
    second = argument(call, 0, "dim", "axis", "other")
    if isinstance(second, Tensor):
        return shapes.broadcast(subject_shape(call), second.shape)
    return _REDUCED(machine, call)


def _spread(machine: "Interpreter", call: "Call") -> Given:
    """`std`, `var`, which take `dim, unbiased, keepdim`, or `unbiased` alone."""
    first = argument(call, 0, "dim", "axis")
    if isinstance(first, Const) and isinstance(first.value, bool):
        return SCALAR
    return _SPREAD(machine, call)


_REDUCED = _reduction(0, 1)
_SPREAD = _reduction(0, 2)


def _reshape(machine: "Interpreter", call: "Call") -> Shape | None:
    given = listed(call, "shape", "size")
    sizes = sizes_of(machine, given) if given else None
    return reshaping.reshaped(subject_shape(call), sizes, _maker(call)) if sizes is not None else None


def _maker(call: "Call") -> str:
    """The operation by its own name."""
    return (call.name or "").rpartition(".")[2]


def _as_other(machine: "Interpreter", call: "Call") -> Shape | None:
    """`view_as`, `reshape_as`"""
    other = operand_shape(argument(call, 0, "other"))
    if other is not None and not other.open:
        reshaping.reshaped(subject_shape(call), other.dims)
    return other


def _expand_as(machine: "Interpreter", call: "Call") -> Shape | None:
    return operand_shape(argument(call, 0, "other"))


def _expand(machine: "Interpreter", call: "Call") -> Shape | None:
    given = listed(call, "size", "sizes")
    sizes = sizes_of(machine, given) if given else None
    subject = subject_shape(call)
    if sizes is None:
        return None
    if subject is not None and not subject.open and len(subject.dims) > len(sizes):
        raise Mismatch(f"names {len(sizes)} sizes for {len(subject.dims)} dimensions, {subject}")
    dims: list[Dim] = list(sizes)
    for index in range(-1, -len(dims) - 1, -1):
        own = shapes.size(subject, index)
        if dims[index] == -1:
            if subject is not None and not subject.open and -index > len(subject.dims):
                raise Mismatch(f"has no size for dimension {len(dims) + index}, which {subject} lacks")
            dims[index] = own
        elif own != 1:
            wanted = dims[index]
            if isinstance(own, int) and isinstance(wanted, int) and own != wanted:
                raise Mismatch(f"cannot make {shapes.spelled(own)} of {subject} into {wanted}", own, wanted)
    return Shape(tuple(dims))


def _repeat(machine: "Interpreter", call: "Call") -> Shape | None:
    given = listed(call, "repeats")
    times = sizes_of(machine, given) if given else None
    subject = subject_shape(call)
    if times is None:
        return None
    if subject is not None and subject.lead is not None and len(times) == len(subject.dims) + 1:
        subject = subject.settled
    if subject is None or subject.open:
        return Shape((None,) * len(times))
    if len(times) < len(subject.dims):
        raise Mismatch(f"is told {len(times)} numbers for {len(subject.dims)} dimensions, {subject}")
    own = (*[1] * (len(times) - len(subject.dims)), *subject.dims)
    return Shape(tuple(map(_times, own, times)))


def _times(dim: Dim, count: Dim) -> Dim:
    if dim == 1 or count == 1:
        return count if dim == 1 else dim
    return shapes.product((dim, count))


def _flatten(machine: "Interpreter", call: "Call") -> Shape | None:
    start, end = number_of(argument(call, 0, "start_dim"), 0), number_of(argument(call, 1, "end_dim"), -1)
    if start is None or end is None:
        return None
    return reshaping.flattened(subject_shape(call), start, end, _maker(call))


def _squeeze(machine: "Interpreter", call: "Call") -> Shape | None:
    where = argument(call, 0, "dim", "axis")
    dims = dims_of(machine, where) if where is not None else None
    return None if where is not None and dims is None else reshaping.squeezed(subject_shape(call), dims)


def _unsqueeze(machine: "Interpreter", call: "Call") -> Shape | None:
    dim = int_of(argument(call, 0, "dim", "axis"))
    return reshaping.unsqueezed(subject_shape(call), dim) if dim is not None else None


def _transpose(machine: "Interpreter", call: "Call") -> Shape | None:
    a, b = int_of(argument(call, 0, "dim0", "axis0")), int_of(argument(call, 1, "dim1", "axis1"))
    return reshaping.transposed(subject_shape(call), a, b) if a is not None and b is not None else None


def _t(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = subject_shape(call)
    if subject is not None and len(subject.dims) > 2:
        raise Mismatch(f"takes at most 2 dimensions, but is given {len(subject.settled.dims)}: {subject}")
    return reshaping.turned(subject)


def _permute(machine: "Interpreter", call: "Call") -> Shape | None:
    given = listed(call, "dims")
    order = sizes_of(machine, given) if given else None
    if order is None:
        return None
    known = tuple(dim for dim in order if isinstance(dim, int))
    return reshaping.permuted(subject_shape(call), known) if len(known) == len(order) else Shape((None,) * len(order))


def _parts(machine: "Interpreter", call: "Call") -> list[Shape | None] | None:
    given = call.argument(0, "tensors")
    items = objects.exact_items(machine, given) if given is not None else None
    return [operand_shape(item) if isinstance(item, Tensor) else None for item in items] if items else None


def _cat(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), number_of(call.argument(1, "dim", "axis"), 0)
    return reshaping.concatenated(parts, dim, _maker(call)) if parts and dim is not None else None


def _stack(machine: "Interpreter", call: "Call") -> Shape | None:
    parts, dim = _parts(machine, call), number_of(call.argument(1, "dim", "axis"), 0)
    return reshaping.stacked(parts, dim) if parts and dim is not None else None


def _matmul(machine: "Interpreter", call: "Call") -> Shape | None:
    return reshaping.multiplied(subject_shape(call), operand_shape(argument(call, 0, "other", "mat2", "vec")))


def _product(*ranks: int) -> Entry:
    """A matrix product that takes these numbers of dimensions only, and stretches none."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        sides = subject_shape(call), operand_shape(argument(call, 0, "other", "mat2", "vec", "tensor"))
        fitted = [_of_rank(side, rank) for side, rank in zip(sides, ranks, strict=True)]
        left, right = fitted
        if ranks == (3, 3) and left is not None and right is not None:
            shapes.expect(right.dims[0], left.dims[0], "matrices")
            left, right = (Shape((None, *side.dims[1:])) if side.dims[0] == 1 else side for side in (left, right))
        made = reshaping.multiplied(left, right)
        return made if made is not None else Shape((None,) * (sum(ranks) - 2 - (ranks[0] == 3)))

    return entry


def _of_rank(shape: Shape | None, rank: int) -> Shape | None:
    """The shape of an operand that must have so many dimensions; None where nothing is known of it."""
    if shape is None:
        return None
    if shape.lead is not None and len(shape.dims) == rank - 1:
        shape = shape.settled
    if shape.open:
        if len(shape.dims) <= rank:
            return Shape((*[None] * (rank - len(shape.dims)), *shape.dims))
    elif len(shape.dims) == rank:
        return shape
    raise Mismatch(f"takes {rank} dimensions, but is given {len(shape.settled.dims)}: {shape}")


def _outer(machine: "Interpreter", call: "Call") -> Shape | None:
    sides = (_of_rank(subject_shape(call), 1), _of_rank(operand_shape(argument(call, 0, "vec2")), 1))
    return Shape(tuple(side.dims[0] if side is not None else None for side in sides))


def _some(subject: Shape, dim: int) -> None:
    """Raise where there is no such dimension to cut."""
    if subject == SCALAR:
        raise Mismatch("takes at least 1 dimension, but is given 0: ()")
    reshaping.with_size(subject, dim, None)


def _chunk(machine: "Interpreter", call: "Call") -> Given:
    subject, count = subject_shape(call), int_of(argument(call, 0, "chunks"))
    dim = number_of(argument(call, 1, "dim"), 0)
    if subject is None or dim is None or count is None or count < 1:
        return None
    _some(subject, dim)
    total = shapes.size(subject, dim)
    if not isinstance(total, int):
        return None
    return reshaping.divided(subject, dim, _parts_of(total, -(-total // count)))


def _split(machine: "Interpreter", call: "Call") -> Given:
    subject, dim = subject_shape(call), number_of(argument(call, 1, "dim"), 0)
    wanted = argument(call, 0, "split_size", "split_size_or_sections", "split_sizes")
    if subject is None or dim is None or wanted is None:
        return None
    _some(subject, dim)
    total, each = shapes.size(subject, dim), int_of(wanted)
    if each is not None:
        return reshaping.divided(subject, dim, _parts_of(total, each)) if isinstance(total, int) and each > 0 else None
    items = objects.exact_items(machine, wanted)
    if items is None:
        return None
    sizes = [dim_of(item) for item in items]
    asked = sum(one for one in sizes if isinstance(one, int))
    if isinstance(total, int) and all(isinstance(one, int) for one in sizes) and asked != total:
        raise Mismatch(f"splits {asked} where dimension {dim} of {subject} has {shapes.spelled(total)}", total, asked)
    return reshaping.divided(subject, dim, sizes)


def _parts_of(total: int, each: int) -> list[Dim]:
    """The sizes of the parts of a dimension, of which the last may be smaller."""
    return [min(each, total - start) for start in range(0, max(total, 1), each)] if each > 0 else [total]


def _unbind(machine: "Interpreter", call: "Call") -> Given:
    subject, dim = subject_shape(call), number_of(argument(call, 0, "dim"), 0)
    if subject is not None and dim is not None:
        _some(subject, dim)
    count = shapes.size(subject, dim) if dim is not None else None
    if subject is None or dim is None or not isinstance(count, int) or count > 16:
        return None
    return (reshaping.reduced(subject, (dim,), False),) * count


def _select(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), int_of(argument(call, 0, "dim"))
    if subject is not None and dim is not None:
        _some(subject, dim)
    return reshaping.reduced(subject, (dim,), False) if dim is not None else None


def _narrow(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), int_of(argument(call, 0, "dim"))
    if subject is None or dim is None:
        return None
    return reshaping.with_size(subject, dim, dim_of(argument(call, 2, "length")))


def _index_select(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), int_of(argument(call, 0, "dim"))
    index = operand_shape(argument(call, 1, "index"))
    if subject is None or dim is None:
        return None
    count = index.dims[0] if index is not None and not index.open and index.dims else None
    return reshaping.with_size(subject, dim, count)


def _repeat_interleave(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, times = subject_shape(call), int_of(argument(call, 0, "repeats"))
    where = argument(call, 1, "dim")
    if where is None or (isinstance(where, Const) and where.value is None):
        return Shape((None,))
    dim = int_of(where)
    if subject is None or dim is None:
        return None
    return reshaping.with_size(subject, dim, _times(shapes.size(subject, dim), times))


def _unflatten(machine: "Interpreter", call: "Call") -> Shape | None:
    return unflattened(machine, subject_shape(call), argument(call, 0, "dim"), argument(call, 1, "sizes"))


def unflattened(
    machine: "Interpreter", subject: Shape | None, where: Value | None, wanted: Value | None
) -> Shape | None:
    """The shape with one dimension in the place of several."""
    dim = int_of(where)
    sizes = sizes_of(machine, (wanted,)) if wanted is not None else None
    if subject is None or dim is None or sizes is None:
        return None
    if dim >= 0:
        subject = subject.settled
    count = len(subject.dims)
    at = dim if dim >= 0 else count + dim
    if subject.open and (dim >= 0 or at < 0):
        return None
    if not 0 <= at < count:
        raise Mismatch(f"has no dimension {dim}: there are {count}, {subject}")
    middle = reshaping.reshaped(Shape((subject.dims[at],)), sizes, "unflatten")
    assert middle is not None
    dims = (*subject.dims[:at], *middle.dims, *subject.dims[at + 1 :])
    return Shape(dims, subject.open, subject.lead)


def _movedim(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = subject_shape(call)
    source, target = int_of(argument(call, 0, "source")), int_of(argument(call, 1, "destination"))
    if subject is None or source is None or target is None:
        return None
    subject = subject.settled
    count = len(subject.dims)
    if subject.open or not count:
        return subject if not subject.open and source in (0, -1) and target in (0, -1) else None
    if not (-count <= source < count and -count <= target < count):
        raise Mismatch(f"has no such dimension: there are {count}, {subject}")
    order = [index for index in range(count) if index != source % count]
    order.insert(target % count, source % count)
    return reshaping.permuted(subject, order)


def _einsum(machine: "Interpreter", call: "Call") -> Shape | None:
    """`einsum("bij,bjk->bik", a, b)`, without `...`"""
    equation = call.argument(0, "equation")
    text = equation.value if isinstance(equation, Const) and isinstance(equation.value, str) else ""
    left, arrow, right = text.replace(" ", "").partition("->")
    given: tuple[Value, ...] = call.arguments.positional[1:]
    if len(given) == 1 and not isinstance(given[0], Tensor):
        given = objects.exact_items(machine, given[0]) or ()
    terms = left.split(",")
    if "..." in text or not arrow or len(terms) != len(given):
        return None
    sizes: dict[str, Dim] = {}
    for term, value in zip(terms, given, strict=True):
        shape = operand_shape(value)
        shape = shape.settled if shape is not None else None
        if shape is None or shape.open:
            continue
        if len(shape.dims) != len(term):
            raise Mismatch(f"`{term}` names {len(term)} dimensions, but is given {len(shape.dims)}: {shape}")
        for letter, dim in zip(term, shape.dims, strict=True):
            known = sizes.get(letter)
            if known is None or known == 1:
                sizes[letter] = dim
            elif dim != known and isinstance(dim, int) and isinstance(known, int) and dim != 1:
                text = f"has `{letter}` stand for {shapes.spelled(known)} and for {shapes.spelled(dim)}"
                raise Mismatch(text, dim, known)
    return Shape(tuple(sizes.get(letter) for letter in right))


def _distances(machine: "Interpreter", call: "Call") -> Shape | None:
    """`cdist(x1, x2)`"""
    left, right = subject_shape(call), operand_shape(argument(call, 0, "x2"))
    if left is None or right is None:
        return None
    shapes.expect(right.last, left.last, "features")
    a, b = left.settled, right.settled
    for side in (a, b):
        if not side.open and len(side.dims) < 2:
            raise Mismatch(f"takes at least 2 dimensions, but is given {len(side.dims)}: {side}", side.last)
    if a.open or b.open or len(a.dims) < 2 or len(b.dims) < 2:
        return None
    batch = shapes.broadcast(Shape(a.dims[:-2]), Shape(b.dims[:-2]))
    return Shape((*batch.dims, a.dims[-2], b.dims[-2])) if batch is not None else None


def _topk(machine: "Interpreter", call: "Call") -> Shape | None:
    subject, dim = subject_shape(call), number_of(argument(call, 1, "dim"), -1)
    if subject is None or dim is None:
        return None
    count = int_of(argument(call, 0, "k"))
    own = shapes.size(subject, dim) if subject != SCALAR else 1
    if count is not None and isinstance(own, int) and count > own:
        raise Mismatch(f"takes the top {count} of {shapes.spelled(own)}, in dimension {dim} of {subject}", own, count)
    return reshaping.with_size(subject, dim, count) if subject != SCALAR else subject


def one_hot(machine: "Interpreter", call: "Call") -> Shape | None:
    subject = subject_shape(call)
    classes = number_of(argument(call, 0, "num_classes"), -1)
    new = None if classes == -1 else classes
    if subject is None:
        return shapes.trailing((new,))
    dims = (*subject.dims, new)
    return shapes.trailing(dims) if subject.open else Shape(dims)


def _gathered(machine: "Interpreter", call: "Call") -> Shape | None:
    """`gather(dim, index)`, which has the size of the index."""
    return operand_shape(argument(call, 1, "index"))


def _nonzero(machine: "Interpreter", call: "Call") -> Shape | None:
    return Shape((None,))


# -- tensors from nothing ----------------------------------------------------------------------------------------------


def _made(machine: "Interpreter", call: "Call") -> Shape | None:
    """`zeros(2, 3)`, `zeros((2, 3))`, `zeros(size=(2, 3))`, `zeros(*sizes, 3)`"""
    arguments = call.arguments
    given = arguments.positional
    if arguments.tail:
        last = [int_of(value) for value in arguments.tail[1:]]
        return shapes.trailing(last)
    if not given:
        named = call.argument(None, "size")
        given = (named,) if named is not None else ()
    if not given:
        return SCALAR if arguments.complete and not call.argument(None, "names") else None
    sizes = sizes_of(machine, given)
    return of_sizes(machine, call, sizes) if sizes is not None else None


def of_sizes(machine: "Interpreter", call: "Call", sizes: tuple[Dim, ...]) -> Shape:
    """The shape of a new tensor: a size that is not known gets a symbol, since it may be asked for."""
    if None not in sizes:
        return Shape(sizes)
    symbol = machine.symbol(call.node)
    return Shape(tuple(f"{symbol}.{at}" if dim is None else dim for at, dim in enumerate(sizes)))


def _full(machine: "Interpreter", call: "Call") -> Shape | None:
    size = argument(call, -1, "size") if call.receiver is None else call.argument(0, "size")
    sizes = sizes_of(machine, (size,)) if size is not None and is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _new(machine: "Interpreter", call: "Call") -> Shape | None:
    return _made(machine, call)


def _randint(machine: "Interpreter", call: "Call") -> Shape | None:
    """`randint(high, size)`, `randint(low, high, size)`"""
    size = call.argument(None, "size")
    if size is None:
        given = call.arguments.positional
        size = next((value for value in given[1:3] if is_sequence(machine, value)), None)
    sizes = sizes_of(machine, (size,)) if size is not None and is_sequence(machine, size) else None
    return Shape(sizes) if sizes is not None else None


def _arange(machine: "Interpreter", call: "Call") -> Shape | None:
    given = call.arguments.positional
    bounds = [int_of(value) for value in given]
    if call.argument(None, "end", "start", "step") is not None or not 1 <= len(given) <= 3 or None in bounds:
        return Shape((None,))
    known = [bound for bound in bounds if bound is not None]
    return Shape((len(range(*known)),)) if len(known) < 3 or known[2] else None


def _counted(at: int, name: str) -> Entry:
    """One dimension, as long as an argument says."""

    def entry(machine: "Interpreter", call: "Call") -> Shape | None:
        return Shape((int_of(call.argument(at, name)),))

    return entry


def _eye(machine: "Interpreter", call: "Call") -> Shape | None:
    rows = int_of(call.argument(0, "n"))
    second = call.argument(1, "m")
    return Shape((rows, rows if second is None else int_of(second)))


def _data(machine: "Interpreter", call: "Call") -> Shape | None:
    """`tensor([[1, 2], [3, 4]])`"""
    given = call.argument(0, "data", "input", "object", "obj")
    return of_data(machine, given) if given is not None else None


def of_data(machine: "Interpreter", value: Value) -> Shape | None:
    """The shape of the tensor that is made of numbers in lists and tuples, of an array, or of a tensor."""
    if isinstance(value, (Tensor, Array)):
        return value.shape
    if objects.is_plain_number(value):
        return SCALAR
    held = objects.content(machine, value) if not isinstance(value, TupleOf) else None
    items = value.items if isinstance(value, TupleOf) else held.items if held is not None else None
    if items is not None:
        try:
            return reshaping.stacked([of_data(machine, item) for item in items], 0) if items else Shape((0,))
        except Mismatch:
            # An array of objects may hold anything.
            return None
    if held is None:
        return None
    # A list of unknown length.
    inner = of_data(machine, held.any)
    return Shape((None, *inner.dims)) if inner is not None and not inner.open else None


def _legacy(machine: "Interpreter", call: "Call") -> Shape | None:
    """`torch.Tensor(2, 3)` gives that size, `torch.Tensor([2, 3])` holds these numbers."""
    given = call.arguments.positional
    if len(given) == 1 and not is_plain(given[0]):
        # `torch.Tensor(x.shape)` has that size, `torch.Tensor((2, 3))` holds these numbers.
        return of_data(machine, given[0]) if type(given[0]) is not TupleOf or _is_written(call) else None
    return Shape(tuple(map(int_of, given))) if given and all(map(is_plain, given)) else None


def _is_written(call: "Call") -> bool:
    """Whether the argument is a tuple as such, and not a name or attribute for one, which may be a `torch.Size`."""
    return isinstance(call.node, cst.Call) and isinstance(call.node.args[0].value, cst.Tuple)


def _like(machine: "Interpreter", call: "Call") -> Shape | None:
    return subject_shape(call)


# -- the table ---------------------------------------------------------------------------------------------------------

# The same size as the tensor that they are about.
UNARY = (
    "abs", "absolute", "acos", "alpha_dropout", "argsort", "asin", "atan", "bernoulli", "bitwise_not", "ceil", "celu",
    "clamp", "clamp_max", "clamp_min", "clip", "clone", "contiguous", "cos", "cosh", "cummax", "cummin",
    "deg2rad", "digamma", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "erf", "erfc", "erfinv",
    "exp", "exp2", "expm1", "feature_alpha_dropout", "flip", "fliplr", "flipud", "floor", "frac", "gelu",
    "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "instance_norm", "isfinite", "isinf",
    "isnan", "layer_norm", "leaky_relu", "lgamma", "local_response_norm", "log", "log10", "log1p", "log2",
    "logical_not", "logit", "logsigmoid", "mish", "nan_to_num", "neg", "negative",
    "pin_memory", "positive", "rad2deg", "reciprocal", "relu", "relu6", "roll", "round", "rrelu", "rsqrt", "selu",
    "sgn", "sigmoid", "sign", "silu", "sin", "sinh", "softplus", "softshrink", "softsign",
    "sort", "sqrt", "square", "tan", "tanh", "tanhshrink", "threshold", "trunc", "batch_norm",
    "group_norm",
)  # fmt: skip
BINARY = (
    "add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor", "div", "divide", "eq", "floor_divide", "fmax", "fmin",
    "fmod", "ge", "greater", "greater_equal", "gt", "hypot", "isclose", "le", "less", "less_equal", "logaddexp",
    "logical_and", "logical_or", "logical_xor", "lt", "masked_fill", "maximum", "minimum", "mul", "multiply", "ne",
    "not_equal", "pow", "remainder", "sub", "subtract", "true_divide", "xlogy",
)  # fmt: skip
# In torch and among the methods of tensors.
SHARED: dict[str, Entry] = {
    **dict.fromkeys(UNARY, _same),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum", "cumprod"), _along),
    **dict.fromkeys(("tril", "triu"), _triangle),
    **dict.fromkeys(BINARY, _elementwise),
    **dict.fromkeys(("sum", "mean", "prod", "nansum", "nanmean", "all", "any", "amax", "amin", "argmax", "argmin",
        "median", "nanmedian", "count_nonzero"), _reduction(0, 1)),
    **dict.fromkeys(("mode", "logsumexp"), _reduction(0, 1, default=False)),
    **dict.fromkeys(("max", "min"), _extreme),
    **dict.fromkeys(("std", "var"), _spread),
    "norm": _reduction(1, 2),
    "where": _where,
    "reshape": _reshape,
    "flatten": _flatten,
    "ravel": _flatten,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    "t": _t,
    "permute": _permute,
    "matmul": _matmul,
    "mm": _product(2, 2),
    "bmm": _product(3, 3),
    "mv": _product(2, 1),
    "dot": _product(1, 1),
    "outer": _outer,
    "chunk": _chunk,
    "split": _split,
    "unbind": _unbind,
    "select": _select,
    "narrow": _narrow,
    "index_select": _index_select,
    "repeat_interleave": _repeat_interleave,
    "unflatten": _unflatten,
    "movedim": _movedim,
    "topk": _topk,
    "gather": _gathered,
    "masked_select": _nonzero,
}  # fmt: skip
METHODS: dict[str, Entry] = {
    "view": _reshape,
    "view_as": _as_other,
    "reshape_as": _as_other,
    "expand_as": _expand_as,
    "expand": _expand,
    "repeat": _repeat,
    "new": _legacy,
    "new_zeros": _new,
    "new_ones": _new,
    "new_empty": _new,
    "new_full": _full,
    "new_tensor": _data,
}
FUNCTIONS: dict[str, Entry] = {
    **dict.fromkeys(("zeros", "ones", "rand", "randn", "empty"), _made),
    **dict.fromkeys(("tensor", "as_tensor", "asarray", "from_numpy", "scalar_tensor"), _data),
    **dict.fromkeys(("Tensor", "FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "ShortTensor",
        "ByteTensor", "BoolTensor"), _legacy),
    **dict.fromkeys(
        ("zeros_like", "ones_like", "rand_like", "randn_like", "randint_like", "empty_like", "full_like"), _like),
    "full": _full,
    "randint": _randint,
    "randperm": _counted(0, "n"),
    "arange": _arange,
    "linspace": _counted(2, "steps"),
    "logspace": _counted(2, "steps"),
    "eye": _eye,
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
    "einsum": _einsum,
    "cdist": _distances,
}  # fmt: skip
