"""The shapes and dtypes of numpy's arrays, pandas' columns and scikit-learn's data sets, as far as a call tells them.

A column of a table, `df["price"]`, has one dimension; several, `df[["price"]]`, have two.
"""

from typing import TYPE_CHECKING

from torchlint.semantic import objects, reshaping, shapes, tables
from torchlint.semantic.instances import allocate
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.knowledge.dtypes import kind_of
from torchlint.semantic.knowledge.shapes_operations import of_data
from torchlint.semantic.promotion import WIDE
from torchlint.semantic.shapes import MANY, Dim, Shape
from torchlint.semantic.tables import BUNCH, FRAME, SERIES
from torchlint.semantic.values import (
    NONE,
    UNKNOWN,
    Array,
    Const,
    Instance,
    ListRef,
    Scalar,
    Symbol,
    Tensor,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Methods that give a table or column like the one that they are called on.
SAME = ("astype", "copy", "dropna", "fillna", "head", "reset_index", "round", "sample", "sort_index", "tail")
SAME_FRAME = (*SAME, "drop", "drop_duplicates", "query", "rename", "replace", "set_index", "sort_values")
SAME_SERIES = (*SAME, "abs", "apply", "clip", "map", "replace", "shift")
READERS = ("read_csv", "read_excel", "read_parquet", "read_feather", "read_table")
_DTYPES = {
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "double": "float64",
    "single": "float32",
    "half": "float16",
    "long": "int64",
}
_OF_PYTHON = {"bool": "bool", "int": "int64", "float": "float64"}
MAX_DEPTH = 3
_GENERATOR = "numpy.random.Generator"
# Functions and methods that give a view of the same array in another order, and those that run through it from its end.
_VIEWING = frozenset({"transpose", "swapaxes", "moveaxis", "expand_dims", "squeeze"})
_FLIPPING = frozenset({"flip", "fliplr", "flipud"})
_KNOWN = frozenset({
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
})  # fmt: skip
# Generators of scikit-learn that give samples and one target for each, and the dtype of the targets.
GENERATED = {
    "make_blobs": "int64",
    "make_circles": "int64",
    "make_classification": "int64",
    "make_moons": "int64",
    "make_gaussian_quantiles": "int64",
}
LOADED = {
    "load_iris": "int64",
    "load_wine": "int64",
    "load_digits": "int64",
    "load_breast_cancer": "int64",
    "load_diabetes": "float64",
    "fetch_california_housing": "float64",
}
SCALERS = ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "Normalizer")


def dtype_of(value: Value | None) -> str | None:
    """The dtype that a value names to numpy: `np.float32`, `"float32"`, `float`."""
    if isinstance(value, Symbol):
        name = value.name.removeprefix("numpy.").removeprefix("builtins.")
    elif isinstance(value, Const) and isinstance(value.value, str):
        name = value.value
    else:
        return None
    return name if name in _KNOWN else _DTYPES.get(name)


def _told(call: "Call", index: int | None, default: str | None) -> str | None:
    """The dtype that a call is told, else the default."""
    told = call.argument(index, "dtype")
    return default if told is None or told == NONE else dtype_of(told)


def _int(value: Value | None) -> int | None:
    known = isinstance(value, Const) and type(value.value) is int and not value.assumed
    return value.value if known and isinstance(value, Const) else None


def _size(machine: "Interpreter", value: Value | None) -> Shape | None:
    """The shape that `size=` or a first argument says: `3`, `(3, 4)`; one number where it is not given."""
    if value is None or value == NONE:
        return shapes.SCALAR
    if isinstance(value, Scalar) or (isinstance(value, Const) and type(value.value) is int):
        return Shape((_int(value),))
    items = objects.exact_items(machine, value)
    return Shape(tuple(map(_int, items))) if items is not None else None


def _filled(machine: "Interpreter", call: "Call") -> Value:
    """`zeros`, `ones`, `empty`"""
    shape = _size(machine, call.argument(0, "shape"))
    return Array(machine.here(call.node), shape, _told(call, 1, "float64"))


def _array(machine: "Interpreter", call: "Call") -> Value:
    """`array`, `asarray`: of numbers in lists, or of another array."""
    given = call.argument(0, "object", "a")
    shape = of_data(machine, given) if given is not None and not isinstance(given, Tensor) else None
    dtype = given.dtype if isinstance(given, Array) else _dtype_of_data(machine, given, 0)
    backwards = isinstance(given, Array) and given.backwards and (call.name or "").endswith("asarray")
    return Array(machine.here(call.node), shape, _told(call, 1, dtype), backwards)


def _dtype_of_data(machine: "Interpreter", value: Value | None, depth: int) -> str | None:
    """The dtype of an array that is made of numbers in lists, or of a list of arrays."""
    if value is None or depth > MAX_DEPTH:
        return None
    kind = kind_of(machine, value, 0)
    if kind is not None:
        return _OF_PYTHON.get(kind)
    if isinstance(value, Array):
        return value.dtype
    if isinstance(value, Scalar):
        return value.kind if value.kind in _KNOWN else None
    items = objects.exact_items(machine, value)
    held = objects.content(machine, value)
    if items is None and held is not None:
        items = (held.any,)
    dtypes = {_dtype_of_data(machine, item, depth + 1) for item in items} if items else {None}
    return dtypes.pop() if len(dtypes) == 1 else None


def _like(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "a")
    if not isinstance(given, Array):
        return Array(machine.here(call.node))
    return Array(machine.here(call.node), given.shape, _told(call, 1, given.dtype))


def _counted(machine: "Interpreter", call: "Call") -> Value:
    """`arange`, `linspace`: one dimension."""
    integers = all(_int(value) is not None for value in call.arguments.positional)
    is_range = (call.name or "").endswith("arange")
    known = bool(call.arguments.positional) and not call.arguments.keywords
    default = "int64" if is_range and integers and known else "float64" if not is_range else None
    return Array(machine.here(call.node), Shape((None,)), _told(call, None, default))


def _drawn_by_dims(machine: "Interpreter", call: "Call") -> Value:
    """`random.rand(3, 4)`"""
    dims = call.arguments.positional
    if not dims or not call.arguments.complete:
        return UNKNOWN
    return Array(machine.here(call.node), Shape(tuple(map(_int, dims))), "float64")


def _drawn_by_size(at: int, dtype: str) -> Transfer:
    """`random.normal(0, 1, size=(3, 4))`"""

    def transfer(machine: "Interpreter", call: "Call") -> Value:
        size = call.argument(at, "size")
        if size is None or size == NONE or not call.arguments.complete:
            return UNKNOWN
        return Array(machine.here(call.node), _size(machine, size), _told(call, at + 1, dtype))

    return transfer


def _drawn(machine: "Interpreter", call: "Call") -> Value:
    """`random.random((3, 4))`, `rng.standard_normal((3, 4))`"""
    size = call.argument(0, "size")
    if size is None or size == NONE or not call.arguments.complete:
        return UNKNOWN
    dtype = _told(call, 1, "float64") if "Generator" in (call.name or "") else "float64"
    return Array(machine.here(call.node), _size(machine, size), dtype)


def _generator(machine: "Interpreter", call: "Call") -> Value:
    return allocate(machine, call.node, None, _GENERATOR, call.arguments)


def _read(machine: "Interpreter", call: "Call") -> Value:
    """`loadtxt`, `genfromtxt`: floats unless told otherwise."""
    if not call.arguments.complete or call.arguments.keywords.keys() & {"unpack", "names", "converters"}:
        return UNKNOWN
    told = call.argument(1, "dtype")
    dtype = "float64" if told is None else dtype_of(told)
    return Array(machine.here(call.node), None, dtype) if dtype is not None else UNKNOWN


def _full(machine: "Interpreter", call: "Call") -> Value:
    filled = call.argument(1, "fill_value")
    dtype = _told(call, 2, _dtype_of_data(machine, filled, 0))
    return Array(machine.here(call.node), _size(machine, call.argument(0, "shape")), dtype)


def _square(machine: "Interpreter", call: "Call") -> Value:
    """`eye`, `identity`"""
    return Array(machine.here(call.node), Shape((None, None)), _told(call, None, "float64"))


# -- functions of arrays -----------------------------------------------------------------------------------------------


def _elementwise(machine: "Interpreter", call: "Call") -> Value:
    """`sin`, `sqrt`: whole numbers become floats."""
    given = call.argument(0, "x")
    if not isinstance(given, Array):
        return UNKNOWN
    dtype = {"float64": "float64", "float32": "float32", "int64": "float64"}.get(given.dtype or "")
    return Array(machine.here(call.node), given.shape, dtype)


def _same(machine: "Interpreter", call: "Call") -> Value:
    """Functions that give other numbers of the same dtype, or the same in another order."""
    given = call.argument(0, "a", "x", "m", "arr", "A")
    if not isinstance(given, Array):
        return UNKNOWN
    name = (call.name or "").rpartition(".")[2]
    backwards = name in _FLIPPING or (given.backwards and name in _VIEWING)
    if given.backwards and name in _FLIPPING:
        backwards = False
    return Array(machine.here(call.node), None, given.dtype, backwards)


def _flipped(machine: "Interpreter", call: "Call") -> Value:
    """`flip`, `fliplr`, `flipud`: views from the end, also of what is not known."""
    given = call.argument(0, "m")
    if isinstance(given, (Array, Tensor, ListRef, TupleOf)):
        return _same(machine, call)
    return Array(machine.here(call.node), None, None, True)


def _joined(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "arrays", "tup")
    dtype = _dtype_of_data(machine, given, 0)
    return Array(machine.here(call.node), None, dtype)


def _average(machine: "Interpreter", call: "Call") -> Value:
    """`mean(a)`, `a.std(axis=0)`: of all it is one number."""
    given = call.receiver if call.receiver is not None else call.argument(0, "a")
    axis = call.argument(0 if call.receiver is not None else 1, "axis")
    if not isinstance(given, Array) or given.dtype not in ("float64", "int64") or "dtype" in call.arguments.keywords:
        return UNKNOWN
    name = (call.name or "").rpartition(".")[2]
    if given.dtype == "int64" and name in ("sum", "max", "min"):
        return UNKNOWN
    if axis is not None and axis != NONE:
        return Array(machine.here(call.node), None, "float64")
    plain = call.arguments.complete and "keepdims" not in call.arguments.keywords
    return Scalar("float64", machine.here(call.node)) if plain else UNKNOWN


# -- methods of arrays -------------------------------------------------------------------------------------------------


def _astype(machine: "Interpreter", call: "Call") -> Value:
    given = call.receiver
    shape = given.shape if isinstance(given, Array) else None
    return Array(machine.here(call.node), shape, dtype_of(call.argument(0, "dtype")))


def _method(machine: "Interpreter", call: "Call") -> Value:
    """Methods that only reorder what an array holds."""
    given, name = call.receiver, (call.name or "").rpartition(".")[2]
    before = given.shape if isinstance(given, Array) else None
    dtype = given.dtype if isinstance(given, Array) else None
    shape: Shape | None = None
    if name == "copy":
        shape = before
    elif name in ("flatten", "ravel"):
        shape = reshaping.flattened(before, 0, -1)
    elif name == "reshape":
        sizes = call.arguments.positional
        if len(sizes) == 1:
            items = objects.exact_items(machine, sizes[0])
            sizes = items if items is not None else sizes
        if sizes and all(isinstance(size, (Const, Scalar)) for size in sizes):
            shape = reshaping.reshaped(before, tuple(map(_int, sizes)))
    elif name == "squeeze":
        where = call.argument(0, "axis")
        axis = _int(where)
        if where is None or axis is not None:
            shape = reshaping.squeezed(before, None if axis is None else (axis,))
    backwards = isinstance(given, Array) and given.backwards and name in _VIEWING
    return Array(machine.here(call.node), shape, dtype, backwards)


# -- tables ------------------------------------------------------------------------------------------------------------


def _table(machine: "Interpreter", call: "Call") -> Value:
    if call.arguments.keywords.keys() & {"chunksize", "iterator", "squeeze"}:
        return UNKNOWN
    return allocate(machine, call.node, None, FRAME, call.arguments)


def _itself(machine: "Interpreter", call: "Call") -> Value:
    inplace = call.argument(None, "inplace")
    return call.receiver if call.receiver is not None and inplace is None else UNKNOWN


def _column(machine: "Interpreter", call: "Call") -> Value:
    """`df.pop("price")`"""
    return allocate(machine, call.node, None, SERIES, call.arguments)


def _to_numpy(machine: "Interpreter", call: "Call") -> Value:
    columns = isinstance(call.receiver, Instance) and call.receiver.symbol == FRAME
    return Array(
        machine.here(call.node), Shape((MANY, None) if columns else (MANY,)), _told(call, 0, tables.dtype_in(machine))
    )


# -- scikit-learn ------------------------------------------------------------------------------------------------------


def _samples(machine: "Interpreter", call: "Call") -> Value:
    """`X, y = make_circles(...)`"""
    name = (call.name or "").rpartition(".")[2]
    if call.argument(None, "return_X_y", "return_distributions", "return_centers", "as_frame") is not None:
        return UNKNOWN
    origin = machine.here(call.node)
    given = call.argument(0, "n_samples")
    count: Dim = _int(given)
    count = MANY if count is None and not isinstance(given, (TupleOf, ListRef)) else count
    features = Array(origin, Shape((count, None)), "float64")
    if name == "make_regression":
        if call.argument(None, "n_targets", "coef") is not None or len(call.arguments.positional) > 3:
            return UNKNOWN
        return TupleOf((features, Array(origin, Shape((count,)), "float64")), origin)
    return TupleOf((features, Array(origin, Shape((count,)), GENERATED[name])), origin)


def _bundle(machine: "Interpreter", call: "Call") -> Value:
    """`load_iris()`, an object with `data` and `target`, or both as a tuple."""
    name = (call.name or "").rpartition(".")[2]
    if call.argument(None, "as_frame") is not None or not call.arguments.complete:
        return UNKNOWN
    origin = machine.here(call.node)
    data, target = Array(origin, Shape((MANY, None)), "float64"), Array(origin, Shape((MANY,)), LOADED[name])
    both = call.argument(None, "return_X_y")
    if both == Const(True):
        return TupleOf((data, target), origin)
    if both is not None or call.arguments.positional:
        return UNKNOWN
    bundle = allocate(machine, call.node, None, BUNCH, call.arguments)
    bundle.base["data"], bundle.base["target"] = data, target
    return bundle


def _split(machine: "Interpreter", call: "Call") -> Value:
    """`train_test_split(X, y)`: of each two parts of it."""
    if not call.arguments.complete or call.arguments.tail:
        return UNKNOWN
    parts = [part for value in call.arguments.positional for part in (_part(value),) * 2]
    return TupleOf(parts, machine.here(call.node))


def _part(value: Value) -> Value:
    """Some rows of an array, a tensor or a table."""
    if isinstance(value, Instance):
        return value if value.symbol in (FRAME, SERIES) else UNKNOWN
    if not isinstance(value, (Array, Tensor)):
        return UNKNOWN
    shape = value.shape
    rows = Shape((MANY, *shape.dims[1:])) if shape is not None and shape.dims and not shape.open else None
    return value.of_shape(rows) if isinstance(value, Tensor) else Array(value.origin, rows, value.dtype)


def _scaled_dtype(machine: "Interpreter", given: Value | None) -> str | None:
    """Scalers make floats of whole numbers, and leave floats as they are."""
    is_table = isinstance(given, Instance) and given.symbol == FRAME
    dtype = tables.dtype_in(machine) if is_table else given.dtype if isinstance(given, Array) else None
    return "float64" if dtype in ("int64", "float64", WIDE) else None


def _scaled(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "X")
    rows: Dim = None
    columns: Dim = None
    if isinstance(given, Array) and given.shape is not None and given.shape.rank == 2:
        rows, columns = given.shape.dims
    elif isinstance(given, Instance) and given.symbol == FRAME:
        rows = MANY
    return Array(machine.here(call.node), Shape((rows, columns)), _scaled_dtype(machine, given))


_SK = "sklearn.datasets."
TRANSFERS: dict[str, Transfer] = {
    **dict.fromkeys(("numpy.zeros", "numpy.ones", "numpy.empty"), _filled),
    **dict.fromkeys(("numpy.array", "numpy.asarray"), _array),
    **dict.fromkeys(("numpy.zeros_like", "numpy.ones_like"), _like),
    **dict.fromkeys(("numpy.arange", "numpy.linspace"), _counted),
    **dict.fromkeys(("numpy.random.rand", "numpy.random.randn"), _drawn_by_dims),
    "numpy.random.randint": _drawn_by_size(2, "int64"),
    **{
        f"numpy.random.{place}{name}": _drawn_by_size(2, "float64")
        for place in ("", "RandomState.", "Generator.")
        for name in ("normal", "uniform", "beta", "gamma", "laplace", "gumbel", "logistic", "lognormal")
    },
    **{
        f"numpy.random.{place}{name}": _drawn
        for place in ("", "RandomState.", "Generator.")
        for name in ("random", "random_sample", "standard_normal")
    },
    **dict.fromkeys(("numpy.random.RandomState.rand", "numpy.random.RandomState.randn"), _drawn_by_dims),
    "numpy.random.RandomState.randint": _drawn_by_size(2, "int64"),
    "numpy.random.Generator.integers": _drawn_by_size(2, "int64"),
    "numpy.random.default_rng": _generator,
    **dict.fromkeys(("numpy.loadtxt", "numpy.genfromtxt"), _read),
    "numpy.full": _full,
    **dict.fromkeys(("numpy.eye", "numpy.identity"), _square),
    **{
        f"numpy.{name}": _elementwise
        for name in ("sin", "cos", "tan", "exp", "log", "log1p", "log10", "sqrt", "tanh", "arctan", "sinh", "cosh")
    },
    **{
        f"numpy.{name}": _same
        for name in (
            "abs",
            "absolute",
            "sort",
            "roll",
            "repeat",
            "tile",
            "ascontiguousarray",
            "ravel",
            "reshape",
            "transpose",
            "swapaxes",
            "moveaxis",
            "expand_dims",
            "squeeze",
            "copy",
            "atleast_2d",
            "diff",
        )
    },
    **{f"numpy.{name}": _flipped for name in _FLIPPING},
    **{f"numpy.{name}": _joined for name in ("concatenate", "stack", "vstack", "hstack", "column_stack", "dstack")},
    **{f"numpy.{name}": _average for name in ("mean", "std", "var", "sum", "max", "min")},
    **{f"numpy.ndarray.{name}": _average for name in ("mean", "std", "var", "sum", "max", "min")},
    "numpy.ndarray.astype": _astype,
    **{
        f"numpy.ndarray.{name}": _method
        for name in ("copy", "flatten", "ravel", "reshape", "squeeze", "transpose", "swapaxes")
    },
    **{f"pandas.{name}": _table for name in READERS},
    **{f"{FRAME}.{name}": _itself for name in SAME_FRAME},
    **{f"{SERIES}.{name}": _itself for name in SAME_SERIES},
    f"{FRAME}.pop": _column,
    **{f"{symbol}.to_numpy": _to_numpy for symbol in (FRAME, SERIES)},
    **{f"{_SK}{name}": _samples for name in (*GENERATED, "make_regression")},
    **{f"{_SK}{name}": _bundle for name in LOADED},
    "sklearn.model_selection.train_test_split": _split,
    **{
        f"sklearn.preprocessing.{name}.{method}": _scaled
        for name in SCALERS
        for method in ("fit_transform", "transform")
    },
}
