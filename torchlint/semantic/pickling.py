"""What of a dataset, or of a function given to a loader, cannot be pickled: workers that do not fork are sent it all.

https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.attributes import setters
from torchlint.semantic.datasets import method
from torchlint.semantic.values import (
    CONTENT,
    FACTORY,
    NONE,
    UNKNOWN,
    DictRef,
    Entries,
    Frame,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    OneOf,
    Origin,
    Symbol,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.state import State

# Methods by which a class says itself how it is pickled.
OWN_WAYS = ("__getstate__", "__reduce__", "__reduce_ex__")
# Classes whose objects pickle refuses. A `torch.Generator` is pickled, but sent to a worker it kills it.
REFUSED = {
    "threading.Lock": "a lock",
    "threading.RLock": "a lock",
    "threading.Condition": "a lock",
    "threading.Semaphore": "a semaphore",
    "threading.Thread": "a thread",
    "threading.local": "`threading.local()`",
    "queue.Queue": "a queue",
    "cv2.VideoCapture": "`cv2.VideoCapture`",
    "concurrent.futures.ThreadPoolExecutor": "a pool of threads",
    "torch.Generator": "a `torch.Generator`",
}
# Objects of these packages keep what they are given.
KEEPING = ("torchvision.", "torch.utils.data.", "functools.partial")


class Unpicklable(NamedTuple):
    """Something that cannot be pickled: in words, and where it was made (None where nothing says so)."""

    what: str
    origin: Origin | None


def unpicklable(root: Value, end: "State") -> Iterator[Unpicklable]:
    """What certainly cannot be pickled of all that an object holds."""
    pending = [root]
    seen: set[int] = set()
    while pending:
        value = pending.pop(0)
        if isinstance(value, OneOf):
            rest = [option for option in value.values if option != NONE]
            value = rest[0] if len(rest) == 1 else UNKNOWN
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Instance):
            found = _instance(value)
            if found is not None:
                yield found
            else:
                pending.extend(_held(value, end))
        elif isinstance(value, FunctionRef):
            if isinstance(value.info.node, cst.Lambda):
                yield Unpicklable("this lambda", value.origin)
            elif value.info.is_local and value.info.owner is None:
                yield Unpicklable(f"`{value.info.name}`, a function in a function,", value.origin)
            elif value.receiver is not None:
                pending.append(value.receiver)
        elif isinstance(value, Iterated):
            if value.origin is not None and isinstance(value.origin.node, cst.GeneratorExp):
                yield Unpicklable("this generator", value.origin)
        elif isinstance(value, Frame) or (isinstance(value, Symbol) and "." not in value.name):
            yield Unpicklable("a module", None)
        else:
            pending.extend(_content(value, end))


def _instance(value: Instance) -> Unpicklable | None:
    if value.info is not None:
        if value.info.is_local:
            return Unpicklable(f"`{value.info.name}`, a class in a function,", value.info.origin)
        return None
    what = REFUSED.get(value.symbol or "")
    return Unpicklable(what, value.origin) if what is not None else None


def _held(value: Instance, end: "State") -> Iterator[Value]:
    """What is pickled along with an object."""
    if value.info is None:
        if value.symbol is not None and value.symbol.startswith(KEEPING):
            yield from (*value.arguments.positional, *value.arguments.keywords.values())
        return
    if any(method(value.info, name) is not None for name in OWN_WAYS):
        return
    # What other methods assign may not be there yet when the workers start.
    later = setters(value.info)
    for name in sorted(value.base.keys() | value.written):
        if not name.startswith("#") and name not in later:
            yield end.get(value, name) or UNKNOWN


def _content(value: Value, end: "State") -> Iterator[Value]:
    if isinstance(value, TupleOf):
        yield from value.items
    elif isinstance(value, (ListRef, DictRef)):
        held = end.get(value, CONTENT)
        if isinstance(held, Items):
            yield from held.items if held.items is not None else (held.element,)
        elif isinstance(held, Entries):
            yield from held.entries.values()
            yield end.get(value, FACTORY) or UNKNOWN
