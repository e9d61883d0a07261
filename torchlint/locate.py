"""Where nodes stand in the text: computed only for the nodes that a finding or a fix names."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import libcst as cst
from libcst._nodes.internal import CodegenState

from torchlint.semantic.parts import parts


class Extent(NamedTuple):
    """Where a node stands, in code points.

    `start` and `end` leave out an expression's own enclosing parentheses, and a statement's leading
    comments and trailing comment; `outer_start` and `outer_end` take an expression's parentheses in.
    """

    start: int
    end: int
    outer_start: int
    outer_end: int


class _Done(Exception):
    """All wanted nodes are located; the rest of the file need not be gone through."""


class _Recorder(CodegenState):
    """Code generation that counts characters and notes the extent of wanted nodes."""

    def __init__(self, module: cst.Module, wanted: set[int], *, keep: bool = False) -> None:
        super().__init__(default_indent=module.default_indent, default_newline=module.default_newline)
        self.wanted = wanted
        # Whether the code itself is wanted too, and all of it.
        self.keep = keep
        self.length = 0
        self.starts: list[int] = []
        self.missing = len(wanted)
        self.extents: dict[int, Extent] = {}

    def add_token(self, value: str) -> None:
        self.length += len(value)
        if self.keep:
            self.tokens.append(value)

    def add_indent_tokens(self) -> None:
        self.length += sum(map(len, self.indent_tokens))
        if self.keep:
            self.tokens.extend(self.indent_tokens)

    def before_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.starts.append(self.length)

    def after_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.missing -= 1
            start = self.starts.pop()
            inner = self.extents.get(id(node))
            if inner is None:
                self.extents[id(node)] = Extent(start, self.length, start, self.length)
            elif isinstance(node, cst.BaseExpression):
                self.extents[id(node)] = Extent(inner.start, inner.end, start, self.length)
            if not self.missing and not self.keep:
                raise _Done

    def pop_trailing_newline(self) -> None:
        """The recorder keeps no tokens, or those of a statement, which ends in its own line break."""

    @contextmanager
    def record_syntactic_position(
        self,
        node: cst.CSTNode,
        *,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> Iterator[None]:
        if id(node) not in self.wanted:
            yield
            return
        # A statement's own extent lacks its leading lines and trailing comment, an expression's its parentheses.
        start = self.length
        yield
        self.extents[id(node)] = Extent(start, self.length, start, self.length)


def extents(module: cst.Module, nodes: Iterable[cst.CSTNode]) -> dict[int, Extent]:
    """The extent of each node, by `id(node)`."""
    wanted = {id(node) for node in nodes}
    if not wanted:
        return {}
    recorder = _Recorder(module, wanted)
    with suppress(_Done):
        module._codegen(recorder)
    return recorder.extents


def extents_in_text(module: cst.Module, text: str, nodes: Sequence[cst.CSTNode]) -> dict[int, Extent]:
    """The same for nodes of a module whose text is known: only the code of the statements that hold them is generated.

    Such a statement is looked for in the text; where it does not occur just once, all code is generated.
    """
    missing = {id(node) for node in nodes}
    found: dict[int, Extent] = {}
    for statement in module.body if missing else ():
        inside = _within(statement, missing)
        if not inside:
            continue
        recorder = _Recorder(module, inside, keep=True)
        statement._codegen(recorder)
        code = "".join(recorder.tokens)
        start = text.find(code)
        if start < 0 or text.find(code, start + 1) >= 0:
            break
        for key, extent in recorder.extents.items():
            found[key] = Extent(*(start + offset for offset in extent))
        missing -= inside
        if not missing:
            return found
    return extents(module, nodes)


def _within(statement: cst.CSTNode, wanted: set[int]) -> set[int]:
    """Which of the wanted nodes stand in a statement."""
    inside: set[int] = set()
    pending = [statement]
    while pending:
        node = pending.pop()
        if id(node) in wanted:
            inside.add(id(node))
            if len(inside) == len(wanted):
                break
        pending.extend(parts(node))
    return inside


def extents_in(
    module: cst.Module, statement: cst.CSTNode, start: int, nodes: Iterable[cst.CSTNode]
) -> dict[int, Extent]:
    """The same for nodes in one statement of the module's body, whose code starts at an offset."""
    recorder = _Recorder(module, {id(node) for node in nodes})
    recorder.length = start
    with suppress(_Done):
        statement._codegen(recorder)
    return recorder.extents
