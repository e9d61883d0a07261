"""The one façade that rules ask: what expressions are, what calls were given, what happens in loops."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import libcst as cst

from torchlint.locate import extents
from torchlint.semantic import datasets
from torchlint.semantic.datasets import Sources
from torchlint.semantic.facts import Call, Event, Facts
from torchlint.semantic.interpret import interpret
from torchlint.semantic.loaders import Loader
from torchlint.semantic.pipelines import Pipelines, pipelines
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.samples import calls_of_sample
from torchlint.semantic.values import (
    UNKNOWN,
    Cell,
    ClassInfo,
    FunctionInfo,
    Instance,
    Origin,
    TupleOf,
    Value,
    join_all,
)
from torchlint.target import ANY, Target


class Model:
    """What is known about one file. The file is interpreted when the first question is asked."""

    def __init__(self, unit: Unit, project: Project | None = None, *, target: Target = ANY) -> None:
        self.unit = unit
        self.target = target
        self.module = unit.module
        self._project = project
        self._samples: dict[Instance, tuple[Call, ...]] = {}

    @cached_property
    def facts(self) -> Facts:
        """All facts of the file."""
        return interpret(self.unit, self._project)

    def close(self) -> None:
        """Let go of what was known. Functions, classes and frames refer to each other in circles; this opens them."""
        facts = self.__dict__.pop("facts", None)
        self.__dict__.pop("pipelines", None)
        self._samples.clear()
        if isinstance(facts, Facts):
            facts.close(self.unit)
        self.unit.frame.close()

    def value(self, node: cst.CSTNode) -> Value:
        """What an expression is, in every context in which it runs; `UNKNOWN` where nothing is certain."""
        return join_all(self.facts.values.get(id(node), (UNKNOWN,)))

    def values(self, node: cst.CSTNode) -> Sequence[Value]:
        """What an expression is in each context in which it runs (first or later iteration, each caller)."""
        return self.facts.values.get(id(node), ())

    def calls(self, node: cst.CSTNode) -> Sequence[Call]:
        """Each evaluation of a call, in each context in which it runs."""
        return self.facts.calls.get(id(node), ())

    def losses_elsewhere(self, node: cst.CSTNode) -> Sequence[Call]:
        """The losses that a call of this file leads to in functions of other files."""
        return self.facts.losses_elsewhere.get(id(node), ())

    def calls_of(self, *names: str) -> Iterator[Call]:
        """Each evaluation of a call of this file to something outside the project, by its qualified name."""
        for name in names:
            yield from self.facts.calls_by_name.get(name, ())

    def assigned_to(self, call: cst.CSTNode) -> cst.BaseExpression | None:
        """What the result of a call is assigned to; None where it is used otherwise."""
        return self.facts.assigned.get(id(call))

    @property
    def called(self) -> Iterable[str]:
        """The qualified names of all that is called outside the project."""
        return self.facts.calls_by_name.keys()

    @property
    def loaders(self) -> Sequence[Loader]:
        """Each DataLoader that is made, also by calls in other files that were led to from here."""
        return self.facts.loaders

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """The classes of this file."""
        return self.facts.classes

    def sources(self, loader: Loader) -> Sources:
        """The datasets that a loader reads in the end, behind subsets and concatenations."""
        return datasets.sources(loader.value("dataset"), self.facts.end)

    def held(self, cell: Cell, name: str) -> Value:
        """What an object holds in an attribute when all has run; `UNKNOWN` where nothing is certain."""
        return self.facts.end.get(cell, name) or UNKNOWN

    def global_value(self, name: str) -> Value:
        """What a name of the module means when all has run; `UNKNOWN` where it is not bound or not certain."""
        return self.held(self.unit.frame, name)

    def held_objects(self, value: Value) -> Iterator[Instance]:
        """An object and all that it holds in attributes, constructor arguments and containers, nearest first."""
        return datasets.held_objects(value, self.facts.end)

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        """The elements of a list or tuple when all has run, one for all where they are not known one by one."""
        return datasets.elements(value, self.facts.end)

    def worker_functions(self, loader: Loader) -> frozenset[FunctionInfo]:
        """The functions of the project in which a loader's workers start: of its dataset, the transforms and other
        objects that it holds, `collate_fn` and `worker_init_fn`. What they call runs in the workers too."""
        known = self._worker_functions.get(id(loader))
        if known is None:
            known = frozenset(info for info, _ in datasets.worker_methods(loader, self.facts.end))
            self._worker_functions[id(loader)] = known
        return known

    @cached_property
    def _worker_functions(self) -> dict[int, frozenset[FunctionInfo]]:
        return {}

    @property
    def called_by_samples(self) -> Iterable[str]:
        """The qualified names of all that methods of datasets and transforms in other files call."""
        return self.facts.calls_elsewhere.keys()

    def sample_calls(self, *names: str) -> Iterator[Call]:
        """Like `calls_of`, and also the calls in methods of datasets and transforms of other files."""
        yield from self.calls_of(*names)
        for name in names:
            yield from self.facts.calls_elsewhere.get(name, ())

    def calls_of_sample(self, dataset: Instance) -> tuple[Call, ...]:
        """The calls that getting one sample of a dataset of the project takes, with what this very object holds."""
        known = self._samples.get(dataset)
        if known is None:
            known = self._samples[dataset] = calls_of_sample(dataset, self._project, self.facts.end)
        return known

    @cached_property
    def pipelines(self) -> Pipelines:
        """The transform pipelines of torchvision, and what goes through them."""
        return pipelines(self)

    def place(self, call: Call) -> cst.CSTNode | None:
        """Where a call stands in this file, or what in this file led to it; None where nothing here did."""
        if call.origin.unit is self.unit:
            return call.node
        return call.stack[-1] if call.stack else None

    @property
    def events(self) -> Sequence[Event]:
        """What training consists of (backward, step, iteration over a loader ...), in the order in which it happens."""
        return self.facts.events

    @property
    def chains(self) -> Sequence[tuple[Instance, Value, TupleOf]]:
        """Layers in a Sequential that give a tuple to the layer after them: the layer, the next one, the tuple."""
        return self.facts.chains

    def is_shown(self, statement: cst.Expr) -> bool:
        """Whether a bare expression is the last of a notebook's cell, whose value is shown and not discarded."""
        return id(statement) in self._shown

    @cached_property
    def _shown(self) -> frozenset[int]:
        source, body = self.unit.source, self.module.body
        places = extents(self.module, body if source.cells else ())
        last = {}
        for statement in body if source.cells else ():
            last[source.cell_at(places[id(statement)].start)] = statement
        ends = [statement.body[-1] for statement in last.values() if isinstance(statement, cst.SimpleStatementLine)]
        return frozenset(id(end) for end in ends if isinstance(end, cst.Expr))

    def origin(self, node: cst.CSTNode) -> Origin:
        """A node of this file as a place to point at."""
        return Origin(node, self.unit)
