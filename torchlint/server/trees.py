"""Syntax trees of the texts that an editor shows. After an edit, only the statements around it are parsed anew.

Parsing is the half of a lint. The statements of a module stand one after the other, and what one says does not depend
on the others, so those that an edit did not touch are taken over: their nodes, their comments and their blank lines are
what parsing the whole text would give. Where that is not certain, the whole text is parsed.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import libcst as cst

from torchlint.locate import Extent, extents_in
from torchlint.parse import ParseProblem, parse
from torchlint.semantic.project import Trees
from torchlint.source import Source

_Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
# Trees are kept until their texts together exceed so many characters.
KEPT_CHARACTERS = 2_000_000
# What `torchlint.parse` has to work around, so that parts of the text are no measure for the whole.
_UNUSUAL = re.compile(r"\f|^[ \t]*\\[\r\n]", re.MULTILINE)


@dataclass
class _Tree:
    """A text and its tree.

    `ends`: the offset in the text at which each statement ends, once that was asked for; empty where the tree does not
    say just what the text says. `nodes`: of statements that were asked about, by their `id`, the `id` of each node.
    """

    text: str
    module: cst.Module
    ends: list[int] | None = None
    nodes: dict[int, frozenset[int]] = field(default_factory=dict)


class KeptTrees(Trees):
    """Parses, and keeps the last tree of each file."""

    def __init__(self) -> None:
        self._kept: dict[str, _Tree] = {}

    def parse(self, source: Source) -> cst.Module:
        """The tree of a source.

        Raises:
            ParseProblem: it does not parse.
        """
        before = self._kept.pop(source.filename, None)
        tree = before
        try:
            if before is None or before.text != source.text:
                tree = (before and _after_edit(before, source)) or _Tree(source.text, parse(source))
        finally:
            # Of a text that does not parse, what it was before is what the next edit is compared with.
            if tree is not None:
                self._kept[source.filename] = tree
                self._trim()
        assert tree is not None
        return tree.module

    def extents(self, module: cst.Module, text: str, nodes: Iterable[cst.CSTNode]) -> dict[int, Extent]:
        """The extent of each node of a tree, by `id(node)`. Only statements that hold any are gone through."""
        wanted = {id(node): node for node in nodes}
        tree = next((tree for tree in self._kept.values() if tree.module is module), None)
        if tree is None or not tree.ends or not wanted:
            return super().extents(module, text, wanted.values())
        found: dict[int, Extent] = {}
        left = set(wanted)
        start = _header_length(module)
        for statement, end in zip(module.body, tree.ends, strict=True):
            here = left & _nodes(tree, statement)
            if here:
                found |= extents_in(module, statement, start, [wanted[identity] for identity in here])
                left -= here
            start = end
            if not left:
                return found
        return super().extents(module, text, wanted.values())

    def prepare(self, name: str) -> None:
        """Do now what the next edit of a file would have to wait for."""
        tree = self._kept.get(name)
        if tree is not None:
            if tree.ends is None:
                tree.ends = _ends(tree.module, tree.text)
            for statement in tree.module.body:
                _nodes(tree, statement)

    def forget(self, name: str) -> None:
        """A file is not looked at any more."""
        self._kept.pop(name, None)

    def _trim(self) -> None:
        size = sum(len(tree.text) for tree in self._kept.values())
        while size > KEPT_CHARACTERS and len(self._kept) > 1:
            size -= len(self._kept.pop(next(iter(self._kept))).text)


def _after_edit(before: _Tree, source: Source) -> _Tree | None:
    """The tree after an edit, made of the one before; None where the whole text has to be parsed."""
    old, new = before.text, source.text
    if _UNUSUAL.search(old) or _UNUSUAL.search(new):
        return None
    if before.ends is None:
        before.ends = _ends(before.module, old)
    ends = before.ends
    if not ends:
        return None
    same = _common_prefix(old, new)
    tail = _common_prefix(old[same:][::-1], new[same:][::-1])
    # A statement's neighbours decide whose the comments between them are, so one more on each side is parsed.
    first = _count_up_to(ends, same) - 1
    last = _count_up_to(ends, len(old) - tail) + 2
    first, last = max(first, 0), min(last, len(ends))
    start = ends[first - 1] if first else 0
    stop = ends[last - 1] if last < len(ends) else len(old)
    middle = new[start : stop + len(new) - len(old)]
    if first == 0 and last == len(ends):
        return None
    part = _parsed(before.module, source.filename, middle, is_first=first == 0, is_last=last == len(ends))
    if part is None:
        return None
    body = [*before.module.body[:first], *part.body, *before.module.body[last:]]
    module = before.module.with_changes(
        body=body,
        header=part.header if first == 0 else before.module.header,
        footer=part.footer if last == len(ends) else before.module.footer,
        has_trailing_newline=part.has_trailing_newline if last == len(ends) else before.module.has_trailing_newline,
    )
    moved = len(new) - len(old)
    lengths = _lengths(module, part.body)
    between = []
    end = start if first else _header_length(module)
    for length in lengths:
        end += length
        between.append(end)
    expected = stop + moved if last < len(ends) else end
    if end != expected:
        return None
    kept = [*before.module.body[:first], *before.module.body[last:]]
    nodes = {id(statement): before.nodes[id(statement)] for statement in kept if id(statement) in before.nodes}
    return _Tree(new, module, [*ends[:first], *between, *(place + moved for place in ends[last:])], nodes)


def _parsed(whole: cst.Module, name: str, text: str, *, is_first: bool, is_last: bool) -> cst.Module | None:
    """Statements from the middle of a module, parsed as they would be there."""
    if text.rstrip("\r\n").endswith("\\"):
        return None
    sentinel = f"pass{whole.default_newline}"
    text = ("" if is_first else sentinel) + text + ("" if is_last else sentinel)
    try:
        part = parse(Source(name, text))
    except ParseProblem:
        return None
    if (part.default_newline, part.default_indent) != (whole.default_newline, whole.default_indent):
        return None
    body: Sequence[_Statement] = part.body
    if not is_last:
        after = body[-1]
        if not isinstance(after, cst.SimpleStatementLine) or after.leading_lines:
            return None
        body = body[:-1]
    if not is_first:
        body = body[1:]
    return part.with_changes(body=body)


def _ends(module: cst.Module, text: str) -> list[int]:
    """The offset at which each statement ends; nothing where the tree does not say what the text says."""
    end = _header_length(module)
    ends = []
    for length in _lengths(module, module.body):
        end += length
        ends.append(end)
    whole = end + sum(len(module.code_for_node(line)) for line in module.footer)
    # The last line break of a module may be missing in the text.
    is_whole = whole == len(text) + (0 if module.has_trailing_newline else len(module.default_newline))
    return ends if is_whole else []


def _nodes(tree: _Tree, statement: cst.CSTNode) -> frozenset[int]:
    """The `id` of each node in a statement."""
    nodes = tree.nodes.get(id(statement))
    if nodes is None:
        nodes = tree.nodes[id(statement)] = frozenset(_walk(statement))
    return nodes


def _walk(node: cst.CSTNode) -> Iterator[int]:
    pending: list[object] = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, cst.CSTNode):
            yield id(one)
            pending += [getattr(one, name) for name in _fields(type(one))]
        elif isinstance(one, (list, tuple)):
            pending += one


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a node that may hold others that a rule speaks of."""
    fields = kind.__dataclass_fields__
    return tuple(name for name in fields if not name.startswith("whitespace"))


def _header_length(module: cst.Module) -> int:
    return sum(len(module.code_for_node(line)) for line in module.header)


def _lengths(module: cst.Module, statements: Sequence[_Statement]) -> list[int]:
    return [len(module.code_for_node(statement)) for statement in statements]


def _count_up_to(ends: Sequence[int], offset: int) -> int:
    """How many statements end at an offset or before it."""
    return bisect_right(ends, offset)


def _common_prefix(old: str, new: str) -> int:
    same, most = 0, min(len(old), len(new))
    while same < most:
        middle = (same + most + 1) // 2
        if old[same:middle] == new[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same
