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
from torchlint.semantic.project import Project, Unit
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


class Model:
    """What is known about one file. The file is interpreted when the first question is asked."""

    def __init__(self, unit: Unit, project: Project | None = None) -> None:
        self.unit = unit
        self.module = unit.module
        self._project = project

    @cached_property
    def facts(self) -> Facts:
        """All facts of the file."""
        return interpret(self.unit, self._project)

    def close(self) -> None:
        """Let go of what was known. Functions, classes and frames refer to each other in circles; this opens them."""
        facts = self.__dict__.pop("facts", None)
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

    def held_objects(self, value: Value) -> Iterator[Instance]:
        """An object and all that it holds in attributes, constructor arguments and containers, nearest first."""
        return datasets.held_objects(value, self.facts.end)

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        """The elements of a list or tuple when all has run, one for all where they are not known one by one."""
        return datasets.elements(value, self.facts.end)

    def worker_functions(self, loader: Loader) -> frozenset[FunctionInfo]:
        """The functions of the project in which a loader's workers start."""
        return datasets.worker_functions(loader, self.facts.end)

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
