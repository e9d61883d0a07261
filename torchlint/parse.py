"""Source to syntax tree, or to one clear problem. Never a crash, whatever the text."""

import ast
import gc
import re
import warnings

import libcst as cst

from torchlint.lexical import logical_line_ends
from torchlint.nesting import TooDeep, with_room
from torchlint.rule import Syntax
from torchlint.source import Cell, Source

# Where libcst loses characters: a form feed before code, a statement that begins with a line continuation.
_LOST_CONTINUATION = re.compile(r"^([ \t\f]*)\\(?=\r|\n)", re.MULTILINE)
_LOST_FORM_FEED = re.compile(r"(\r\n|\r|\n)(\f)")
_POSITION = re.compile(r"^error at (\d+):(\d+): ")


class ParseProblem(Exception):
    """A source that does not parse; `syntax` says why and where."""

    def __init__(self, syntax: Syntax) -> None:
        super().__init__(syntax.message)
        self.syntax = syntax


def parse(source: Source) -> cst.Module:
    """The syntax tree of a source. Its code is the source's text, so that offsets agree.

    Work that recurses over the tree belongs into `torchlint.nesting.with_room`.

    Raises:
        ParseProblem: the text is not Python as libcst reads it, or nests too deeply.
    """
    try:
        module = with_room(source.text, lambda: _parse(source))
    except TooDeep as problem:
        raise ParseProblem(Syntax(str(problem), problem.offset)) from None
    if len(source.cells) > 1:
        ends = set(logical_line_ends(source.text))
        for cell in source.cells:
            if cell.end not in ends:
                raise ParseProblem(Syntax("the last statement of this cell has no end", cell.end))
    return module


def broken_cells(source: Source) -> dict[Cell, Syntax]:
    """The cells of a notebook that do not parse, and why; for a source that as a whole does not."""
    broken: dict[Cell, Syntax] = {}
    for cell in source.cells:
        start = source.opening(cell)
        try:
            parse(Source(source.filename, source.text[start : cell.end]))
        except ParseProblem as problem:
            offset = min(max(start + problem.syntax.offset, cell.start), cell.end)
            broken[cell] = Syntax(problem.syntax.message, offset)
    whole = source.masked([cell for cell in source.cells if cell not in broken])
    while len(broken) < len(source.cells):
        try:
            parse(whole)
        except ParseProblem as problem:
            # Alone it parses, and not after the others: it ends in a backslash, say.
            blamed = source.cell_at(problem.syntax.offset)
            if blamed is None or blamed in broken:
                blamed = next(cell for cell in source.cells if cell not in broken)
            broken[blamed] = problem.syntax
            whole = source.masked([cell for cell in source.cells if cell not in broken])
        else:
            break
    return broken


def _parse(source: Source) -> cst.Module:
    text = source.text
    module = _parse_text(source, text)
    if _is_whole(module, text):
        return module
    # The same characters in an order, or as a comment, that libcst keeps. No offset moves.
    code = text.lstrip("\f")
    code = _LOST_CONTINUATION.sub(r"\1#", _LOST_FORM_FEED.sub(r"\2\1", code))
    feeds = cst.SimpleWhitespace("\f" * (len(text) - len(code)))
    module = _parse_text(source, code)
    line = cst.EmptyLine(indent=False, whitespace=feeds, newline=cst.Newline(""))
    module = module.with_changes(header=(line, *module.header))
    if _is_whole(module, feeds.value + code):
        return module
    where = re.search(r"\f|^[ \t]*\\$", text, re.MULTILINE)
    message = "a form feed or a line continuation stands where it cannot be kept"
    raise ParseProblem(Syntax(message, where.start() if where else 0))


def _parse_text(source: Source, text: str) -> cst.Module:
    # The tree is built at once and nothing of it is garbage yet: collections during the parse
    # cost 10 to 25 % of it and free nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return cst.parse_module(text)
    except (cst.ParserSyntaxError, cst.CSTValidationError) as error:
        raise ParseProblem(_as_python_says(source) or _as_libcst_says(source, error)) from None
    finally:
        if collecting:
            gc.enable()


def _is_whole(module: cst.Module, text: str) -> bool:
    """Whether the tree gives back the text as far as code reaches; blank lines at the very end may differ."""
    if "\f" not in text and "\\\n" not in text and "\\\r" not in text:
        return True
    if "\f" not in text and not _LOST_CONTINUATION.search(text):
        return True
    return text.startswith(module.with_changes(footer=()).code.rstrip())


def _as_python_says(source: Source) -> Syntax | None:
    """The running Python's own complaint, which reads better than a grammar's list of tokens."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source.text, source.filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except SyntaxError as error:
            offset = source.offset(max(error.lineno or 1, 1), max(error.offset or 1, 1))
            return Syntax(_lower(error.msg), offset)
        except (ValueError, MemoryError, RecursionError, OverflowError):
            pass
    return None


def _as_libcst_says(source: Source, error: cst.ParserSyntaxError | cst.CSTValidationError) -> Syntax:
    """Python accepts the text, libcst does not: syntax newer than it, or a corner that it lacks."""
    if isinstance(error, cst.CSTValidationError):
        return Syntax(_lower(str(error).splitlines()[0].rstrip(".")), 0)
    message = error.message.split(": ", 1)[-1]
    position = _POSITION.match(message)
    if position is None:
        return Syntax(message, source.offset(error.raw_line, error.raw_column + 1))
    row, column = int(position.group(1)), int(position.group(2))
    return Syntax("syntax that torchlint's parser does not know", source.offset(row, max(column, 1)))


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
