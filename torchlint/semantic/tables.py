"""Tables of pandas: what picking columns out of one gives."""

import re
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.instances import allocate
from torchlint.semantic.promotion import WIDE
from torchlint.semantic.shapes import MANY, Shape
from torchlint.semantic.values import (
    UNKNOWN,
    Arguments,
    Array,
    Const,
    Instance,
    ListRef,
    Method,
    Origin,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

FRAME = "pandas.DataFrame"
SERIES = "pandas.Series"
# What the data sets of scikit-learn come in.
BUNCH = "sklearn.utils.Bunch"
# What may make numbers of a table narrower than those that are read from a file.
_CONVERTS = re.compile(r"""(np|numpy)\.float(32|16)|['"]float(32|16)|astype|downcast|\bread_\w+\([^)]*dtype""")
LOCATORS = frozenset({f"{FRAME}.iloc", f"{FRAME}.loc"})


def picked(machine: "Interpreter", table: Instance, index: Value, node: cst.CSTNode) -> Value:
    """`df["price"]`, a column, or `df[["price"]]`, a table."""
    if isinstance(index, Const) and isinstance(index.value, str):
        return allocate(machine, node, None, SERIES, Arguments())
    return table if isinstance(index, ListRef) else UNKNOWN


def located(machine: "Interpreter", locator: Method, indexes: list[Value], node: cst.CSTNode) -> Value:
    """`df.iloc[:, -1]`, a column, or `df.iloc[:, :-1]`, a table."""
    if len(indexes) == 1 and isinstance(indexes[0], TupleOf):
        indexes = list(indexes[0].items)
    if len(indexes) != 2 or not (isinstance(indexes[0], Const) and isinstance(indexes[0].value, slice)):
        return UNKNOWN
    columns = indexes[1]
    if isinstance(columns, Const):
        if isinstance(columns.value, (int, str)):
            return allocate(machine, node, None, SERIES, Arguments())
        return locator.receiver if isinstance(columns.value, slice) else UNKNOWN
    return locator.receiver if isinstance(columns, ListRef) else UNKNOWN


def values(machine: "Interpreter", table: Instance, origin: Origin | None) -> Array:
    """`df.values`: rows and columns; those of a column are one dimension."""
    return Array(origin, Shape((MANY,)) if table.symbol == SERIES else Shape((MANY, None)), dtype_in(machine))


def dtype_in(machine: "Interpreter") -> str | None:
    """What the numbers of a table are unless something converts it: read from a file, they are of 64 bits."""
    return None if _CONVERTS.search(machine.unit.source.text) else WIDE
