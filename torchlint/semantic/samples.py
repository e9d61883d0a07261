"""What getting one sample of a dataset does: its method is run on the very object that a loader reads.

A class in one file gets its transforms in another. Running its method with what the object holds in the end shows
which of them gets what, wherever the class stands.
"""

from typing import TYPE_CHECKING

from torchlint.semantic import calls, datasets
from torchlint.semantic.facts import Call, Facts
from torchlint.semantic.interpret import Interpreter
from torchlint.semantic.state import State
from torchlint.semantic.values import Arguments, FunctionRef, Instance, Scalar

if TYPE_CHECKING:
    from torchlint.semantic.project import Project

# Statements that getting a sample may run.
FUEL = 400


def calls_of_sample(dataset: Instance, project: "Project | None", end: State) -> tuple[Call, ...]:
    """The calls that one sample of a dataset takes, those in the file of its class first.

    Empty for what is no object of a class of the project, or has no method of its own that gives samples.
    """
    info = dataset.info
    if info is None:
        return ()
    for name in datasets.SAMPLE_METHODS:
        function = datasets.method(info, name)
        if function is not None:
            break
    else:
        return ()
    facts = Facts()
    machine = Interpreter(function.unit, project, facts)
    machine.importing = False
    machine.fuel = FUEL
    machine.state = State(end)
    arguments = Arguments((Scalar("int"),) if name == "__getitem__" else ())
    calls.function(machine, FunctionRef(function, dataset), arguments)
    return tuple(call for made in (*facts.calls.values(), *facts.calls_elsewhere.values()) for call in made)
