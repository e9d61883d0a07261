"""IPython's own syntax in a cell (magics, shell escapes, help), put out of Python's way.

Nothing moves: every line keeps its place and its length, so that offsets into what Python can parse are offsets
into the cell. What IPython makes of each form is written down at
https://ipython.readthedocs.io/en/stable/config/inputtransforms.html and /en/stable/interactive/magics.html.
"""

import ast
import re
import warnings
from dataclasses import dataclass

from torchlint.lexical import logical_line_end

# Cell magics that run their cell as Python in the notebook's own process. The others run something else, or elsewhere.
_PYTHON_MAGICS = frozenset({
    "capture", "debug", "heat", "ipytest", "lprun", "memit", "mprun", "prun", "scalene", "snakeviz", "time", "timed",
    "timeit", "wandb",
})  # fmt: skip
# What a cell of one line may begin with though it is neither Python nor escaped: line magics and their aliases.
_AUTOMAGICS = frozenset({
    "alias", "autoreload", "bookmark", "cat", "cd", "conda", "config", "cp", "dirs", "edit", "env", "history", "less",
    "ll", "load", "load_ext", "logstart", "ls", "lsmagic", "mamba", "man", "matplotlib", "micromamba", "mkdir", "more",
    "mv", "pdoc", "pfile", "pinfo", "pip", "popd", "precision", "pushd", "pwd", "pycat", "pylab", "quickref",
    "reload_ext", "rm", "rmdir", "run", "save", "set_env", "tb", "time", "timeit", "uv", "who", "whos", "xmode",
})  # fmt: skip

_WORTH_A_LOOK = re.compile(r"^[ \t]*[%!?,;/]|\?[ \t]*\r?$|=[ \t]*[!%]", re.MULTILINE)
# The last three call what follows: `/f x`, `,f a b`, `;f a b`.
_ESCAPE = re.compile(r"[ \t]*(?P<sign>%%|%|!!|!|\?\??|/(?=[^\W\d])|[,;](?=[ \t]*[^\W\d]))")
_HELP = re.compile(r"[ \t]*(?:\w+[ \t]*=[ \t]*)?%{0,2}(?!\d)[\w*][\w.*]*(?:\[\d+\][\w.]*)*\?{1,2}[ \t]*(?:#.*)?$")
# The right-hand side of an assignment may be a line magic or a shell command.
_ASSIGNED = re.compile(
    r"[ \t]*[^\W\d][\w.]*(?:\[[^\]=]*\])*(?:[ \t]*,[ \t]*\*?\w+)*"
    r"(?:[ \t]*:[\w., \t\[\]]+)?[ \t]*=[ \t]*(?P<sign>[!%])(?!=)"
)
_TIME = re.compile(r"[ \t]*(?P<magic>%time[ \t]+)(?P<statement>[^ \t\r\n-].*)")
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.|In \[\d+\]:|[ \t]+\.\.\.+:)(?: |$)", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_WORD = re.compile(r"[ \t]*([^\W\d]\w*)(?:[ \t]|$)")
# Characters that Python's parsers choke on wherever they stand; in a string they mean nothing to a rule.
_UNREADABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Neutral:
    """A cell as Python reads it: as long as the cell, line by line.

    Attributes:
        text: the code.
        ranges: start and end of each stretch that was changed, in order.
        is_python: whether the cell is a program at all; `%%bash` and its like are not.
    """

    text: str
    ranges: tuple[tuple[int, int], ...] = ()
    is_python: bool = True


def neutral(code: str) -> Neutral:
    """A cell with everything that only IPython understands made harmless, at the same offsets."""
    return _Cell(code).neutral()


class _Cell:
    def __init__(self, code: str) -> None:
        self.code = code
        self.text = _UNREADABLE.sub("_", code)
        self.ranges: list[tuple[int, int]] = []

    def neutral(self) -> Neutral:
        self._prompts()
        start = self._after_cell_magics()
        if start is None:
            return Neutral(blank(self.code), ((0, len(self.code)),), is_python=False)
        if _WORTH_A_LOOK.search(self.text, start):
            self._lines(start)
        elif not self.ranges:
            self._automagic()
        return Neutral(self.text, tuple(self.ranges))

    def _prompts(self) -> None:
        """Take pasted prompts away. What is left is indented, as a cell may be."""
        if self.text.lstrip().startswith((">>>", "In [")):
            for match in _PROMPT.finditer(self.text):
                self._put(match.start(), " " * len(match.group()))
                self.ranges.append(match.span())

    def _after_cell_magics(self) -> int | None:
        """Where the Python of the cell starts; None if there is none."""
        position = 0
        margin = _margin(self.text)
        while True:
            line = _line(self.text, position)
            if not line.strip():
                if not line:
                    return position
                position += len(line)
            elif line.startswith(f"{margin}%%"):
                magic = re.match(r"[ \t]*%%([\w.]+)", line)
                if magic is None or magic.group(1) not in _PYTHON_MAGICS:
                    return None
                self._silence(position + len(margin), position + len(line.rstrip("\r\n")))
                position += len(line)
            else:
                return position

    def _lines(self, position: int) -> None:
        while position < len(self.text):
            line = _line(self.text, position)
            body = line.rstrip("\r\n")
            escape = _ESCAPE.match(body)
            assigned = _ASSIGNED.match(body)
            if escape is not None and not self._time(position, body):
                position = self._silence_all(position, position + escape.start("sign"))
            elif assigned is not None:
                position = self._silence_all(position, position + assigned.start("sign"))
            elif escape is None and _HELP.match(body):
                self._silence(position + len(body) - len(body.lstrip()), position + len(body))
                position += len(line)
            else:
                position = logical_line_end(self.text, position)
                position += len(_line_break(self.text, position))

    def _time(self, position: int, body: str) -> bool:
        """Let the statement after `%time` be: it runs in the notebook."""
        time = _TIME.match(body)
        if time is None or not _is_statement(time["statement"]):
            return False
        start, end = position + time.start("magic"), position + time.end("magic")
        self._put(start, "_;".ljust(end - start))
        self.ranges.append((start, end))
        return True

    def _silence_all(self, position: int, start: int) -> int:
        """Silence a line from `start` on, and the lines that it goes on over; where the next one starts."""
        while True:
            line = _line(self.text, position)
            body = line.rstrip("\r\n")
            goes_on = body.endswith("\\")
            if start >= position:
                self._silence(start, position + len(body))
            else:
                self._put(position, " " * len(body))
                self.ranges.append((position, position + len(body)))
            position += len(line)
            if not goes_on or not line or position >= len(self.text):
                return position

    def _silence(self, start: int, end: int) -> None:
        """Make a stretch of a line a name of which nothing is known, and a comment: it may be all that a block has."""
        self._put(start, ("_#" + self.text[start + 2 : end])[: end - start])
        self.ranges.append((start, end))

    def _automagic(self) -> None:
        """In a cell of a single line a magic needs no sign, unless the line is Python."""
        body = self.text.strip()
        word = _WORD.match(body)
        if word is not None and word.group(1) in _AUTOMAGICS and "\n" not in body and not _is_statement(body):
            start = self.text.index(body)
            self._silence(start, start + len(body))

    def _put(self, start: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[start + len(text) :]


def _line(text: str, position: int) -> str:
    match = _LINE.match(text, position)
    return match.group() if match is not None else ""


def _margin(text: str) -> str:
    """The indentation that the whole cell has, which IPython takes away."""
    lines = [line for line in re.split("[\r\n]+", text) if line.strip()]
    first = lines[0] if lines else ""
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    return margin if all(line.startswith(margin) for line in lines) else ""


def _line_break(text: str, position: int) -> str:
    return "\r\n" if text.startswith("\r\n", position) else text[position : position + 1]


def blank(text: str) -> str:
    """A text of as many characters and lines that says nothing."""
    return re.sub(r"[^\r\n]", " ", text)


def _is_statement(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (statement,) = ast.parse(text).body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
    # A compound statement cannot follow a semicolon.
    return not hasattr(statement, "body")
