"""String literals as written, and what each backslash in them means to Python.

Read from the characters of the literal: evaluating a literal that Python refuses to read would fail.
"""

import re
import unicodedata
from collections.abc import Collection
from enum import Enum
from functools import cached_property
from typing import NamedTuple

import libcst as cst

# Stands in `Literal.body` for each `{expression}` of an f-string.
HOLE = "\ue000"
_START = re.compile(r"([A-Za-z]*)('''|\"\"\"|'|\")")
_TEXT_ESCAPE = re.compile(
    r"\\(?:[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^{}]*\}|\r\n|.|\Z)", re.DOTALL
)
_BYTES_ESCAPE = re.compile(r"\\(?:[0-7]{1,3}|x[0-9a-fA-F]{2}|\r\n|.|\Z)", re.DOTALL)
_NEWER_NAME = re.compile(r"[A-Z0-9 -]+")


class Meaning(Enum):
    """What Python makes of a backslash and the characters after it.

    CHARACTER: one other character. KEPT: not an escape, both characters stay (with a warning).
    BROKEN: the literal does not compile. BACKSLASH, QUOTE: the escaped character itself.
    JOINED: a line continuation, nothing.
    """

    CHARACTER = 0
    KEPT = 1
    BROKEN = 2
    BACKSLASH = 3
    QUOTE = 4
    JOINED = 5


class Escape(NamedTuple):
    """A backslash with what belongs to it: where it stands in the body, its text, what it means."""

    start: int
    text: str
    meaning: Meaning

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.start + len(self.text)


class Literal:
    """One string literal that is not raw: a plain one, bytes, or an f-string.

    Attributes:
        node: the literal.
        prefix: the letters before the quotes.
        quote: the quotes at each end.
        body: the text between them, a `HOLE` for each expression.
    """

    def __init__(self, node: cst.SimpleString | cst.FormattedString, prefix: str, quote: str, body: str) -> None:
        self.node = node
        self.prefix = prefix
        self.quote = quote
        self.body = body

    @cached_property
    def escapes(self) -> tuple[Escape, ...]:
        """The backslashes of the body, in order."""
        binary = "b" in self.prefix.lower()
        pattern = _BYTES_ESCAPE if binary else _TEXT_ESCAPE
        return tuple(
            Escape(match.start(), match.group(), _meaning(match.group(), binary))
            for match in pattern.finditer(self.body)
        )

    def raw(self) -> str:
        """The literal with an `r`; a `u`, which cannot stand beside it, goes."""
        return self._written("r" + self.prefix.replace("u", "").replace("U", ""), ())

    def doubled(self, escapes: Collection[Escape]) -> str:
        """The literal with the backslashes of these escapes doubled, the expressions as they are."""
        return self._written(self.prefix, {escape.start for escape in escapes})

    def _written(self, prefix: str, doubled: Collection[int]) -> str:
        if isinstance(self.node, cst.SimpleString):
            return f"{prefix}{self.quote}{_doubled(self.body, 0, doubled)}{self.quote}"
        parts: list[cst.BaseFormattedStringContent] = []
        offset = 0
        for part in self.node.parts:
            if isinstance(part, cst.FormattedStringText):
                parts.append(part.with_changes(value=_doubled(part.value, offset, doubled)))
                offset += len(part.value)
            else:
                parts.append(part)
                offset += 1
        node = self.node.with_changes(start=prefix + self.quote, parts=parts, lpar=(), rpar=())
        return cst.Module(()).code_for_node(node)


def literal(node: cst.SimpleString | cst.FormattedString) -> Literal | None:
    """A literal with a backslash that may be an escape; None for one without, and for a raw one."""
    if isinstance(node, cst.SimpleString):
        if "\\" not in node.value:
            return None
        start = _START.match(node.value)
        assert start is not None
        body = node.value[start.end() : -len(start.group(2))]
    else:
        start = _START.match(node.start)
        assert start is not None
        body = "".join(part.value if isinstance(part, cst.FormattedStringText) else HOLE for part in node.parts)
        if "\\" not in body:
            return None
    prefix, quote = start.groups()
    return None if "r" in prefix.lower() else Literal(node, prefix, quote, body)


def pieces(node: cst.CSTNode) -> list[cst.SimpleString | cst.FormattedString]:
    """The literals that the value of an expression is put together from, in order.

    Through implicit and explicit concatenation, `%` and `.format`, choices, and the elements of a list or tuple.
    """
    if isinstance(node, (cst.SimpleString, cst.FormattedString)):
        return [node]
    parts: list[cst.BaseExpression] = []
    if isinstance(node, (cst.ConcatenatedString, cst.BooleanOperation)):
        parts = [node.left, node.right]
    elif isinstance(node, cst.BinaryOperation):
        if isinstance(node.operator, cst.Add):
            parts = [node.left, node.right]
        elif isinstance(node.operator, cst.Modulo):
            parts = [node.left]
    elif isinstance(node, cst.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, (cst.List, cst.Tuple)):
        parts = [element.value for element in node.elements]
    elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "format":
        parts = [node.func.value]
    return [found for part in parts for found in pieces(part)]


def _doubled(text: str, offset: int, backslashes: Collection[int]) -> str:
    """`text`, which begins at `offset` of the body, with those of its backslashes doubled."""
    return "".join(
        character * 2 if offset + index in backslashes else character for index, character in enumerate(text)
    )


def _meaning(text: str, binary: bool) -> Meaning:
    letter = text[1:2]
    if letter == "\\":
        return Meaning.BACKSLASH
    if letter in ("'", '"'):
        return Meaning.QUOTE
    if letter in ("\n", "\r"):
        return Meaning.JOINED
    if letter == "" or (binary and letter in "uUN"):
        return Meaning.KEPT
    if letter in "abfnrtv01234567":
        return Meaning.CHARACTER
    if letter in "xuU":
        whole = len(text) > 2 and (letter != "U" or int(text[2:], 16) <= 0x10FFFF)
        return Meaning.CHARACTER if whole else Meaning.BROKEN
    if letter == "N":
        return Meaning.CHARACTER if _is_named(text[3:-1]) else Meaning.BROKEN
    return Meaning.KEPT


def _is_named(name: str) -> bool:
    """Whether a character has this name. One in capitals that is unknown here may be known to a newer Python."""
    try:
        return len(unicodedata.lookup(name)) == 1
    except KeyError:
        return _NEWER_NAME.fullmatch(name) is not None
