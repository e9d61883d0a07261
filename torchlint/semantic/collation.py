"""What `torch.utils.data.default_collate` makes batches of, and what it does not.

https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
"""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from torchlint.semantic.flow import Path, exits
from torchlint.semantic.transforms import PIL_IMAGE
from torchlint.semantic.values import (
    NONE,
    ClassInfo,
    Entries,
    FunctionRef,
    Instance,
    Items,
    Origin,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
)

# Classes from outside the project whose objects are neither tensors, arrays, numbers and texts nor containers of them.
REFUSED = {
    PIL_IMAGE: "a PIL image",
    "pathlib.Path": "a `Path`",
    "pathlib.PosixPath": "a `Path`",
    "pathlib.PurePath": "a `Path`",
    "datetime.datetime": "a `datetime`",
    "datetime.date": "a `date`",
    "decimal.Decimal": "a `Decimal`",
    "fractions.Fraction": "a `Fraction`",
    "pandas.DataFrame": "a `DataFrame`",
    "pandas.Series": "a `Series`",
    "PIL.ImageDraw.ImageDraw": "an `ImageDraw`",
}
# Bases that make no container of a class.
_PLAIN_BASES = frozenset({"builtins.object", "typing.Generic", "abc.ABC"})


class Refused(NamedTuple):
    """A part of a sample of which there is no batch: in words, and where it was made."""

    what: str
    origin: Origin | None


def refused(sample: Value) -> Refused | None:
    """The first part of a sample that certainly cannot be put into a batch; None where there is none."""
    if isinstance(sample, TupleOf):
        return _first(sample.items)
    if isinstance(sample, Items):
        return _first(sample.items or ())
    if isinstance(sample, Entries):
        return _first(tuple(sample.entries.values()))
    found = [_whole(option) for option in alternatives(sample)]
    return found[0] if all(found) else None


def graph_part(sample: Value) -> Tensor | None:
    """The first tensor in a sample that certainly requires grad; None where there is none."""
    if isinstance(sample, (TupleOf, Items)):
        return next((found for item in sample.items or () if (found := graph_part(item)) is not None), None)
    if isinstance(sample, Entries):
        return next((found for item in sample.entries.values() if (found := graph_part(item)) is not None), None)
    return sample if isinstance(sample, Tensor) and sample.grad is Tri.YES else None


def refused_literals(function: cst.FunctionDef) -> Iterator[tuple[cst.BaseExpression, str]]:
    """Sets and generators that a function returns as a sample, or as a part of one, as they are written there."""
    for statement, path in exits(function).returns:
        if path or statement.value is None:
            continue
        value = statement.value
        parts = [value]
        if isinstance(value, (cst.Tuple, cst.List)):
            parts = [element.value for element in value.elements]
        elif isinstance(value, cst.Dict):
            parts = [element.value for element in value.elements if isinstance(element, cst.DictElement)]
        for part in parts:
            if isinstance(part, (cst.Set, cst.SetComp)) or _calls_set(part):
                yield part, "a set"
            elif isinstance(part, cst.GeneratorExp):
                yield part, "a generator"


def _calls_set(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in ("set", "frozenset")


def none_returns(node: cst.FunctionDef) -> Iterator[tuple[cst.Return, Path]]:
    """The `return` statements of a function that name None as the sample, or as a part of it."""
    for each, path in exits(node).returns:
        value = each.value
        parts: list[cst.BaseExpression] = []
        if isinstance(value, cst.Tuple):
            parts = [element.value for element in value.elements]
        elif isinstance(value, cst.Dict):
            parts = [element.value for element in value.elements if isinstance(element, cst.DictElement)]
        elif value is not None:
            parts = [value]
        if value is None or any(isinstance(part, cst.Name) and part.value == "None" for part in parts):
            yield each, path


def holds_none(sample: Value) -> bool:
    """Whether a sample certainly is None, or has it as a part."""
    if isinstance(sample, TupleOf):
        return any(map(holds_none, sample.items))
    if isinstance(sample, Items):
        return any(map(holds_none, sample.items or ()))
    if isinstance(sample, Entries):
        return any(map(holds_none, sample.entries.values()))
    return sample == NONE


def _first(items: tuple[Value, ...]) -> Refused | None:
    return next((found for item in items if (found := refused(item)) is not None), None)


def _whole(value: Value) -> Refused | None:
    if isinstance(value, Instance):
        if value.info is None:
            what = REFUSED.get(value.symbol or "")
            return Refused(what, value.origin) if what is not None else None
        if not value.info.has_unknown_base and _PLAIN_BASES.issuperset(value.info.external_bases):
            return Refused(f"a `{value.info.name}`", value.origin)
        return None
    if isinstance(value, FunctionRef):
        return Refused(f"the function `{value.info.name}`", value.origin)
    return Refused(f"the class `{value.name}`", value.origin) if isinstance(value, ClassInfo) else None
