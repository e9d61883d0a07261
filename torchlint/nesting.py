"""How deep a text nests, before anything recursive touches it.

libcst's native parser ends the process when its stack runs out, takes time exponential in the
brackets of a `case` pattern, and everything after it (its code generation, our interpreter)
recurses in Python. So the nesting of a text is bounded from its characters first: one pass at the
speed of regular expressions over everything, and an exact look at the few logical lines that are long.

The figure errs upwards, by a small factor at most; what no real program reaches is refused.
"""

import re
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from torchlint.lexical import code_only

_T = TypeVar("_T")

# Up to here the parser and a few Python frames a level fit every platform's stack and recursion limit.
SHALLOW = 50
# Python's own compiler gives up between one and three thousand levels, depending on the version.
LEVELS = 1000
# Python's tokenizer refuses more brackets inside each other than this.
BRACKETS = 200
# The parser tries several readings of each bracket in a pattern, so its time doubles with each.
PATTERN_BRACKETS = 14

# Measured: 8 KiB of native stack a bracket, the costliest kind of level. The rest is for the frames of
# Python 3.10, which still live on the native stack.
_STACK = 128 * 1024 * 1024
_FRAMES_PER_LEVEL = 25

# A line without what cannot nest: brackets become `(` and `)`, other signs `+`.
_SIGNS: dict[int, str | None] = {
    code: None if chr(code).isalnum() or chr(code) in "_ \t\f\v\r,=:;" else "+" for code in range(128)
}
_SIGNS |= {ord("\n"): "\n", **dict.fromkeys(map(ord, "([{"), "("), **dict.fromkeys(map(ord, ")]}"), ")")}
_TOKEN = re.compile(
    r"(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comma>[,;])|(?P<colon>:(?!=))"
    r"|(?P<loose>[-+|&^]|<<|>>|\b(?:not|and|or|if|await|(?P<lambda>lambda))\b)"
    r"|(?P<for>\bfor\b)"
    r"|(?P<tight>\*\*|//|[*/%@~])"
    r'|(?P<postfix>\.(?!\d)|")'
)
_CASE = re.compile(r"[ \t\f]*case\b")
_BLANKS = " " * SHALLOW, "\t" * SHALLOW


class TooDeep(Exception):
    """A text that nests deeper than can be worked on. The message is one line for the reader."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def with_room(text: str, work: Callable[[], _T]) -> _T:
    """Do `work`, which recurses over `text`, where neither the stack nor the recursion limit can run out.

    A shallow text, as nearly all are, is worked on right here.

    Raises:
        TooDeep: the text nests too deeply. `work` was not begun.
    """
    levels = depth(text)
    if levels <= SHALLOW or getattr(_here, "roomy", False):
        return work()
    return _in_deep_thread(work)


@lru_cache(maxsize=1)  # parsing asks, and whoever works on the tree asks again
def depth(text: str) -> int:
    """An upper bound for how many levels the syntax tree of a text has.

    Raises:
        TooDeep: more than `LEVELS`, or than `BRACKETS` brackets inside each other.
    """
    try:
        return _measure(code_only(text))
    except _Overflow as overflow:
        # Only now is it worth keeping every offset in place.
        raise _located(overflow, code_only(text, in_place=True)) from None


# --- the measure --------------------------------------------------------------


class _Overflow(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class _Balances(dict[str, tuple[int, int]]):
    """Signs of a row -> how many brackets stay open, and how deep they go. Rows repeat; each counts once."""

    def __missing__(self, signs: str) -> tuple[int, int]:
        level = deepest = 0
        for sign in signs:
            if sign == "(":
                level += 1
                deepest = max(deepest, level)
            elif sign == ")":
                level -= 1
        if len(self) < 10_000:
            self[signs] = level, deepest
        return level, deepest


def _logical_lines(code: str, rows: list[str]) -> list[tuple[int, int, int]]:
    """First row, row after the last, and deepest bracket, of each logical line that could nest much."""
    found = []
    balances = _Balances()
    level = deepest = length = size = first = 0
    for index, signs in enumerate(code.translate(_SIGNS).split("\n")):
        length += len(rows[index])
        if signs:
            size += len(signs)
            change, height = balances[signs]
            if level + height > deepest:
                deepest = level + height
            level += change
        if level <= 0:
            # Each level takes a sign of its own, or a keyword and something beside it.
            if size > SHALLOW or deepest > PATTERN_BRACKETS or length > 3 * SHALLOW:
                line = "\n".join(rows[first : index + 1])
                if size + len(line.split()) > SHALLOW or deepest > PATTERN_BRACKETS:
                    found.append((first, index + 1, deepest))
            level = deepest = length = size = 0
            first = index + 1
    if level > 0:
        found.append((first, len(rows), deepest))
    return found


def _measure(code: str) -> int:
    rows = code.split("\n")
    deepest = 0
    for first, end, brackets in _logical_lines(code, rows):
        deepest = max(deepest, _line_depth("\n".join(rows[first:end]), brackets))
    deepest += _statement_depth(rows) if _may_nest_statements(code) else 0
    if deepest > LEVELS:
        raise _Overflow(f"nested too deeply: more than {LEVELS} levels inside each other")
    return deepest


def _located(overflow: _Overflow, code: str) -> TooDeep:
    """The same where it begins: at the first logical line too deep, or else at the first `elif`."""
    unclosed = _unclosed_bracket(code)
    rows = code.split("\n")
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row) + 1)
    for first, end, brackets in _logical_lines(code, rows):
        line = "\n".join(rows[first:end])
        try:
            too_deep = _line_depth(line, brackets) > LEVELS
        except _Overflow:
            too_deep = True
        if too_deep and end == len(rows) and unclosed is not None:
            # Not deep: the rest of the file was swallowed by a bracket that someone forgot to close.
            return TooDeep(f"'{code[unclosed]}' was never closed", unclosed)
        if too_deep:
            return TooDeep(overflow.message, starts[first] + len(line) - len(line.lstrip()))
    chain = re.search(r"^[ \t\f]*(elif\b)", code, re.MULTILINE)
    return TooDeep(overflow.message, chain.start(1) if chain else 0)


def _unclosed_bracket(code: str) -> int | None:
    opened = []
    for match in re.finditer(r"[()\[\]{}]", code):
        if match.group() in "([{":
            opened.append(match.start())
        elif opened:
            opened.pop()
    return opened[-1] if opened else None


def _line_depth(line: str, brackets: int) -> int:
    if brackets > BRACKETS:
        raise _Overflow(f"too many nested brackets: more than {BRACKETS}")
    if brackets > PATTERN_BRACKETS and _CASE.match(line):
        raise _Overflow(f"too many nested brackets in a pattern: more than {PATTERN_BRACKETS}")
    return _expression_depth(line)


def _expression_depth(line: str) -> int:
    """Levels of the deepest expression of a logical line.

    Operators of one strength nest in each other; a stronger one nests only in its own operand.
    What commas part does not nest, except that a lambda's parameters do not end the lambda.
    """
    level = _Level()
    outer: list[_Level] = []
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup
        if kind == "postfix":
            level.postfix += 1
        elif kind == "comma":
            if level.loose or level.postfix or level.tight or level.inner or level.operand:
                level.end_of_item()
        elif kind == "open":
            outer.append(level)
            level = _Level()
        elif kind == "close":
            if outer:
                levels = level.total() + 1
                level = outer.pop()
                level.postfix += 1
                level.inner = max(level.inner, levels)
        elif kind == "tight":
            level.end_of_factor()
            level.tight += 1
        elif kind == "for":
            level.clauses += 1
        elif kind == "colon":
            if level.lambdas:
                level.lambdas -= 1
            else:
                level.end_of_item()
        else:
            level.end_of_operand()
            level.loose += 1
            if match.group("lambda"):
                level.lambdas += 1
    levels = level.total()
    while outer:
        levels += 1
        level = outer.pop()
        level.inner = max(level.inner, levels)
        levels = level.total()
    return levels


class _Level:
    """What has been read between one pair of brackets."""

    __slots__ = ("clauses", "factor", "inner", "item", "lambdas", "loose", "operand", "postfix", "tight")

    def __init__(self) -> None:
        # `.a`, calls and subscripts of one operand, and the deepest bracket among them.
        self.postfix = self.inner = 0
        # Strong operators, and the deepest of their operands; then the weak ones.
        self.tight = self.factor = 0
        self.loose = self.operand = 0
        self.item = 0  # the deepest item so far
        self.clauses = 0  # `for` clauses of a comprehension, whose targets may hold commas
        self.lambdas = 0  # lambdas whose parameters are being read

    def end_of_factor(self) -> None:
        self.factor = max(self.factor, self.postfix + self.inner)
        self.postfix = self.inner = 0

    def end_of_operand(self) -> None:
        self.end_of_factor()
        self.operand = max(self.operand, self.tight + self.factor)
        self.tight = self.factor = 0

    def end_of_item(self) -> None:
        self.end_of_operand()
        self.item = max(self.item, self.loose + self.operand)
        if not self.lambdas:
            self.loose = self.operand = 0

    def total(self) -> int:
        self.lambdas = 0
        self.end_of_item()
        return self.item + self.clauses


def _may_nest_statements(code: str) -> bool:
    return code.count("elif") > SHALLOW // 2 or any("\n" + blanks in code for blanks in _BLANKS)


def _statement_depth(rows: list[str]) -> int:
    """Levels of blocks in blocks and of `elif` after `elif`, which is an `if` in an `else`."""
    deepest = 0
    indents: list[int] = []
    chains: list[int] = []
    level = 0
    for row in rows:
        line = row.lstrip(" \t\f")
        if not line.strip():
            continue
        if level <= 0:
            level = 0
            indent = len(row) - len(line)
            while indents and indents[-1] > indent:
                indents.pop()
                chains.pop()
            if not indents or indents[-1] < indent:
                indents.append(indent)
                chains.append(0)
            if line.startswith("elif"):
                chains[-1] += 1
            elif not line.startswith("else"):
                chains[-1] = 0
            deepest = max(deepest, len(indents) + sum(chains))
        level += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
    return deepest


# --- the room -----------------------------------------------------------------

_here = threading.local()
# The stack size of new threads and the recursion limit are settings of the whole process.
_one_at_a_time = threading.Lock()


def _in_deep_thread(work: Callable[[], _T]) -> _T:
    results: list[_T] = []
    failures: list[BaseException] = []

    def run() -> None:
        _here.roomy = True
        try:
            results.append(work())
        except BaseException as failure:  # carried over to the caller's thread, whatever it is
            failures.append(failure)

    with _one_at_a_time:
        limit = sys.getrecursionlimit()
        stack = threading.stack_size(_STACK)
        thread = threading.Thread(target=run, name="torchlint-deep", daemon=True)
        try:
            sys.setrecursionlimit(max(limit, LEVELS * _FRAMES_PER_LEVEL))
            thread.start()
            thread.join()
        except RuntimeError:  # no memory for the stack
            raise TooDeep("nested too deeply for the memory at hand", 0) from None
        finally:
            threading.stack_size(stack)
            sys.setrecursionlimit(limit)
    if failures:
        raise failures[0]
    return results[0]
