"""The one façade that rules ask: what expressions are, what calls were given, what happens in loops."""

from collections.abc import Sequence
from functools import cached_property

import libcst as cst

from torchlint.locate import extents
from torchlint.semantic.facts import Call, Event, Facts
from torchlint.semantic.interpret import interpret
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.values import UNKNOWN, Instance, Origin, TupleOf, Value, join_all


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
