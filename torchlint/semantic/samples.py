"""What getting one sample of a dataset does: its method is run on the very object that a loader reads.

A class in one file gets its transforms in another. Running its method with what the object holds in the end shows
which of them gets what, wherever the class stands.
"""

from typing import TYPE_CHECKING, NamedTuple

from torchlint.semantic import calls, datasets
from torchlint.semantic.facts import Call, Facts
from torchlint.semantic.interpret import Interpreter
from torchlint.semantic.state import State
from torchlint.semantic.values import (
    CONTENT,
    UNKNOWN,
    Arguments,
    DictRef,
    Entries,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    Scalar,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.project import Project

# Statements that getting a sample may run.
FUEL = 400
# Containers in containers that a sample may be.
MAX_DEPTH = 4


class Sample(NamedTuple):
    """What getting one sample takes, and what it gives.

    Attributes:
        calls: the calls, those in the file of the dataset's class first.
        value: the sample, an `Items` or `Entries` where it is a list or dict; UNKNOWN where it is not certain.
    """

    calls: tuple[Call, ...]
    value: Value


NOTHING = Sample((), UNKNOWN)


def sample(dataset: Instance, project: "Project | None", end: State) -> Sample:
    """One sample of a dataset of the project, with what this very object holds.

    `NOTHING` for what is no object of a class of the project, or has no method of its own that gives samples.
    """
    info = dataset.info
    if info is None:
        return NOTHING
    for name in datasets.SAMPLE_METHODS:
        function = datasets.method(info, name)
        if function is not None:
            break
    else:
        return NOTHING
    facts = Facts()
    machine = Interpreter(function.unit, project, facts)
    machine.importing = False
    machine.fuel = FUEL
    machine.state = State(end)
    arguments = Arguments((Scalar("int"),) if name == "__getitem__" else ())
    given = calls.function(machine, FunctionRef(function, dataset), arguments)
    if name == "__getitems__":
        given = UNKNOWN
    elif name != "__getitem__":
        given = given.element if isinstance(given, Iterated) else UNKNOWN
    made = (*facts.calls.values(), *facts.calls_elsewhere.values())
    return Sample(
        tuple(call for group in made for call in group), _settled(machine, given) if machine.fuel > 0 else UNKNOWN
    )


def _settled(machine: Interpreter, value: Value, depth: int = 0) -> Value:
    """A value that no state is needed for to know what it holds."""
    if depth > MAX_DEPTH:
        return UNKNOWN
    if isinstance(value, (ListRef, DictRef)):
        return _settled(machine, machine.read(value, CONTENT) or UNKNOWN, depth)
    if isinstance(value, TupleOf):
        items = (_settled(machine, item, depth + 1) for item in value.items)
        return TupleOf(items, value.origin, made_by=value.made_by, names=value.names)
    if isinstance(value, Items) and value.items is not None:
        return Items(tuple(_settled(machine, item, depth + 1) for item in value.items))
    if isinstance(value, Entries):
        return Entries({key: _settled(machine, item, depth + 1) for key, item in value.entries.items()}, value.exact)
    return value
