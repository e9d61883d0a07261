"""Where control can go in one function: how it returns, whether it can fall off its end, what always runs.

Only syntax is looked at, and only that of the one function that is asked about. Any condition may hold or not, any
statement may raise unless it plainly cannot, and a loop may end after any turn; what is said to be impossible is
impossible.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from torchlint.semantic.parts import parts

# Calls after which nothing runs, as they are mostly written.
_EXITS = frozenset({"sys.exit", "os._exit", "os.abort", "exit", "quit"})
# Ways through a function that are told apart. There are more than that only where nobody can read it.
MAX_PATHS = 48


class Gate(NamedTuple):
    """A place where control went one of several ways, where the others leave the function or the loop.

    `kind`: `if` (`node` is the test, `holds` how it came out), `except` (`node` is the handler that was entered, or
    the item of a `with` that swallowed the exception), `loop` (`node` is the loop, which came to its end), `case`
    (`node` is the case of a `match`) and `no case` (`node` is the `match`, none of whose cases did).
    """

    kind: str
    node: cst.CSTNode
    holds: bool = True


Path = tuple[Gate, ...]


class Exits(NamedTuple):
    """How a function is left, other than by an exception.

    Attributes:
        returns: the `return` statements that can be reached, each with one way to it.
        ends: the ways to the end of the body, where Python returns None; empty when it cannot be reached.
    """

    returns: tuple[tuple[cst.Return, Path], ...]
    ends: tuple[Path, ...]


def exits(function: cst.FunctionDef, never_returns: Callable[[cst.Call], bool] | None = None) -> Exits:
    """How a function is left. `never_returns` says of which calls more is known than that they may return."""
    found = _Reader(never_returns).block(function.body)
    return Exits(tuple(found.returns), tuple(found.falls))


def completes(function: cst.FunctionDef) -> bool:
    """Whether a function can be left other than by an exception or the end of the program."""
    found = exits(function)
    return bool(found.returns or found.ends) or is_generator(function)


def is_generator(function: cst.FunctionDef) -> bool:
    """Whether calling a function makes a generator."""
    return any(isinstance(node, cst.Yield) for node in own_nodes(function))


def is_placeholder(function: cst.FunctionDef) -> bool:
    """Whether a function's body only stands for what others will write: a docstring, `pass`, `...`, a `raise`."""
    if not isinstance(function.body, cst.IndentedBlock):
        return all(_says_nothing(small) for small in function.body.body)
    return all(
        isinstance(line, cst.SimpleStatementLine) and all(_says_nothing(small) for small in line.body)
        for line in function.body.body
    )


def runs_always(function: cst.FunctionDef, node: cst.CSTNode) -> bool:
    """Whether an expression is a statement of its own, or all of what is assigned, under no condition.

    What stands in a loop or `with` of the function's body counts as such.
    """
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        statement = pending.pop()
        if isinstance(statement, (cst.IndentedBlock, cst.SimpleStatementLine)):
            pending.extend(statement.body)
        elif isinstance(statement, (cst.For, cst.While, cst.With)):
            pending.append(statement.body)
        elif isinstance(statement, (cst.Expr, cst.Assign)) and statement.value is node:
            return True
    return False


_SCOPES = frozenset({cst.FunctionDef, cst.Lambda, cst.ClassDef})


def own_nodes(function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """All nodes of a function's body, in no order, without those of functions and classes that it defines."""
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        node = pending.pop()
        yield node
        if type(node) not in _SCOPES:
            pending.extend(parts(node))


def dotted(node: cst.CSTNode) -> str:
    """`a.b.c` as text; empty for any other expression."""
    # `type(...) is`: this is asked often, and `isinstance` is slow for libcst's abstract classes.
    if type(node) is cst.Name:
        return node.value
    if type(node) is cst.Attribute:
        front = dotted(node.value)
        return f"{front}.{node.attr.value}" if front else ""
    return ""


def constant_truth(test: cst.BaseExpression) -> bool | None:
    """Whether a literal is true as a condition; None for what is no literal."""
    if isinstance(test, cst.Name):
        return {"True": True, "False": False, "None": False}.get(test.value)
    if isinstance(test, cst.Integer):
        return test.evaluated_value != 0
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        inner = constant_truth(test.expression)
        return None if inner is None else not inner
    return None


def _says_nothing(small: cst.CSTNode) -> bool:
    if isinstance(small, cst.Expr):
        return isinstance(small.value, (cst.SimpleString, cst.ConcatenatedString, cst.Ellipsis))
    return isinstance(small, (cst.Pass, cst.Raise))


class _Flow:
    """The ways out of a statement or block: on to the next one, out of the function, out of a turn or a loop."""

    __slots__ = ("breaks", "continues", "falls", "returns")

    def __init__(self, falls: Iterable[Path] = ()) -> None:
        self.falls: list[Path] = list(falls)
        self.returns: list[tuple[cst.Return, Path]] = []
        self.breaks: list[Path] = []
        self.continues: list[Path] = []

    @property
    def leaves(self) -> bool:
        """Whether it has a way out other than to the next statement."""
        return bool(self.returns or self.breaks or self.continues)

    def take_leaves(self, other: "_Flow", before: Sequence[Path] = ((),)) -> None:
        """Take over all ways out of another but those to its next statement, after any of the ways before it."""
        known = {id(node) for node, _ in self.returns}
        # One way to each `return` is enough; the shortest says most.
        self.returns.extend(
            (node, (*min(before, key=len), *path)) for node, path in other.returns if id(node) not in known
        )
        self.breaks = _either(self.breaks, _both(before, other.breaks))
        self.continues = _either(self.continues, _both(before, other.continues))


def _both(first: Sequence[Path], second: Sequence[Path]) -> list[Path]:
    return [(*a, *b) for a in first for b in second][:MAX_PATHS]


def _either(first: Sequence[Path], second: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys((*first, *second)))[:MAX_PATHS]


class _Reader:
    def __init__(self, never_returns: Callable[[cst.Call], bool] | None) -> None:
        self.never_returns = never_returns

    def block(self, node: cst.BaseSuite) -> _Flow:
        return self._sequence(node.body)

    def _sequence(self, statements: Sequence[cst.CSTNode]) -> _Flow:
        flow = _Flow([()])
        for statement in statements:
            if not flow.falls:
                break
            inner = self._statement(statement)
            flow.take_leaves(inner, flow.falls)
            flow.falls = _both(flow.falls, inner.falls)
        return flow

    def _statement(self, node: cst.CSTNode) -> _Flow:
        if isinstance(node, cst.SimpleStatementLine):
            return self._sequence(node.body)
        if isinstance(node, cst.If):
            return self._if(node)
        if isinstance(node, (cst.For, cst.While)):
            return self._loop(node)
        if isinstance(node, (cst.Try, cst.TryStar)):
            return self._try(node)
        if isinstance(node, cst.With):
            return self._with(node)
        if isinstance(node, cst.Match):
            return self._match(node)
        return self._simple(node)

    def _simple(self, node: cst.CSTNode) -> _Flow:
        flow = _Flow()
        if isinstance(node, cst.Return):
            flow.returns.append((node, ()))
        elif isinstance(node, cst.Break):
            flow.breaks.append(())
        elif isinstance(node, cst.Continue):
            flow.continues.append(())
        elif not (
            isinstance(node, cst.Raise)
            or (isinstance(node, cst.Assert) and constant_truth(node.test) is False)
            or (isinstance(node, cst.Expr) and isinstance(node.value, cst.Call) and self._exits(node.value))
        ):
            flow.falls.append(())
        return flow

    def _exits(self, call: cst.Call) -> bool:
        return dotted(call.func) in _EXITS or (self.never_returns is not None and self.never_returns(call))

    def _if(self, node: cst.If) -> _Flow:
        truth = constant_truth(node.test)
        yes = self.block(node.body) if truth is not False else _Flow()
        no = _Flow([()])
        if truth is True:
            no = _Flow()
        elif isinstance(node.orelse, cst.If):
            no = self._if(node.orelse)
        elif node.orelse is not None:
            no = self.block(node.orelse.body)
        if truth is None:
            return _joined([(Gate("if", node.test, True), yes), (Gate("if", node.test, False), no)])
        return yes if truth else no

    def _loop(self, node: cst.For | cst.While) -> _Flow:
        truth = constant_truth(node.test) if isinstance(node, cst.While) else None
        body = self.block(node.body) if truth is not False else _Flow([()])
        flow = _Flow()
        flow.returns = body.returns
        if truth is not True:
            turns = _either(((),), _either(body.falls, body.continues))
            ended: Sequence[Path] = ((),)
            if body.leaves:
                ended = _both(turns, [(Gate("loop", node),)])
            if node.orelse is not None:
                after = self.block(node.orelse.body)
                flow.take_leaves(after, ended)
                ended = _both(ended, after.falls)
            flow.falls = list(ended)
        flow.falls = _either(flow.falls, body.breaks)
        return flow

    def _with(self, node: cst.With) -> _Flow:
        flow = self.block(node.body)
        for item in node.items:
            if isinstance(item.item, cst.Call) and dotted(item.item.func).rpartition(".")[2] == "suppress":
                if _may_raise(node.body):
                    flow.falls = _either(flow.falls, [(Gate("except", item),)])
        return flow

    def _match(self, node: cst.Match) -> _Flow:
        ways: list[tuple[Gate, _Flow]] = [(Gate("case", case), self.block(case.body)) for case in node.cases]
        if not any(_is_irrefutable(case) for case in node.cases):
            ways.append((Gate("no case", node), _Flow([()])))
        return _joined(ways)

    def _try(self, node: cst.Try | cst.TryStar) -> _Flow:
        body = self.block(node.body)
        flow = _Flow(body.falls)
        flow.take_leaves(body)
        if node.orelse is not None and body.falls:
            after = self.block(node.orelse.body)
            flow.take_leaves(after, body.falls)
            flow.falls = _both(body.falls, after.falls)
        if _may_raise(node.body):
            for handler in node.handlers:
                caught = self.block(handler.body)
                entered = [(Gate("except", handler),)]
                flow.take_leaves(caught, entered)
                flow.falls = _either(flow.falls, _both(entered, caught.falls))
        if node.finalbody is not None:
            last = self.block(node.finalbody.body)
            if not last.falls:
                # Whatever came before is dropped, exceptions too.
                return last
            flow.falls = _both(flow.falls, last.falls)
            flow.take_leaves(last)
        return flow


def _joined(ways: Sequence[tuple[Gate, _Flow]]) -> _Flow:
    """One of several ways. Where none of them leaves, which one it was makes no difference."""
    flow = _Flow()
    gated = any(way.leaves or any(way.falls) for _, way in ways)
    for gate, way in ways:
        entered: Sequence[Path] = ((gate,),) if gated else ((),)
        flow.take_leaves(way, entered)
        flow.falls = _either(flow.falls, _both(entered, way.falls))
    return flow


def _is_irrefutable(case: cst.MatchCase) -> bool:
    return case.guard is None and isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None


def _may_raise(block: cst.BaseSuite) -> bool:
    """Whether anything in a block may raise: all but what plainly cannot."""
    for statement in block.body:
        smalls = statement.body if isinstance(statement, cst.SimpleStatementLine) else (statement,)
        for small in smalls:
            if isinstance(small, (cst.Pass, cst.Break, cst.Continue, cst.Global, cst.Nonlocal)):
                continue
            if isinstance(small, cst.Return) and (small.value is None or _is_plain(small.value)):
                continue
            if isinstance(small, cst.Expr) and _is_plain(small.value):
                continue
            return True
    return False


def _is_plain(value: cst.BaseExpression) -> bool:
    return isinstance(value, (cst.Integer, cst.Float, cst.SimpleString, cst.Ellipsis)) or (
        isinstance(value, cst.Name) and value.value in ("True", "False", "None")
    )
