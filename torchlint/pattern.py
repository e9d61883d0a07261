"""Path patterns in the language of `.gitignore`, which the settings use too.

A pattern without a slash speaks of names at any depth; one with a slash, of the path below its
folder. A trailing slash restricts it to folders. The last pattern that matches a path decides, and
`!` in front turns its verdict round. What lies in a matched folder is matched with it, so
a caller asks for each folder on the way down.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_POSIX_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r"\ \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True, slots=True)
class _Line:
    regex: re.Pattern[str]
    negated: bool
    folders_only: bool
    by_name: bool


class Patterns:
    """The patterns of one file or setting, relative to a folder (an absolute path)."""

    def __init__(self, folder: str, lines: Iterable[str]) -> None:
        self.folder = folder
        self._prefix = folder if folder.endswith(os.sep) else folder + os.sep
        parsed = [line for line in map(_parse, lines) if line is not None]
        self._reversed = parsed[::-1]
        # Most paths match nothing; two merged expressions say so without asking line by line.
        self._any_name = _merged(line for line in parsed if line.by_name)
        self._any_path = _merged(line for line in parsed if not line.by_name)

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether an absolute path is matched (True), matched by a `!` pattern (False), or neither.

        Only the path itself is looked at, not the folders that it lies in. Patterns with a slash
        say nothing about a path that is not below the folder.
        """
        name = os.path.basename(path)
        below = path[len(self._prefix) :] if path.startswith(self._prefix) else None
        if below is not None and os.sep != "/":
            below = below.replace(os.sep, "/")
        name_may_match = self._any_name is not None and self._any_name.fullmatch(name)
        path_may_match = below is not None and self._any_path is not None and self._any_path.fullmatch(below)
        if not name_may_match and not path_may_match:
            return None
        for line in self._reversed:
            if line.folders_only and not is_folder:
                continue
            subject = name if line.by_name else below
            if subject is not None and line.regex.fullmatch(subject):
                return not line.negated
        return None

    def covers(self, path: str) -> bool:
        """Whether a file is matched, by itself or through a folder below `self.folder` that it lies in."""
        return any(self.verdict(step, is_folder=step != path) is True for step in steps_below(self.folder, path))


def steps_below(folder: str, path: str) -> Iterator[str]:
    """The folders between `folder` and `path`, outermost first, then `path` itself."""
    prefix = folder if folder.endswith(os.sep) else folder + os.sep
    if path.startswith(prefix):
        end = path.find(os.sep, len(prefix))
        while end >= 0:
            yield path[:end]
            end = path.find(os.sep, end + 1)
    yield path


def _merged(lines: Iterable[_Line]) -> re.Pattern[str] | None:
    sources = [line.regex.pattern for line in lines]
    return re.compile("|".join(f"(?:{source})" for source in sources), re.DOTALL) if sources else None


def _parse(text: str) -> _Line | None:
    text = _without_trailing_blanks(text.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    if negated:
        text = text[1:]
    folders_only = text.endswith("/")
    if folders_only:
        text = text[:-1]
    by_name = "/" not in text
    source = _regex(text.removeprefix("/"))
    if source is None:
        return None
    return _Line(re.compile(source, re.DOTALL), negated, folders_only, by_name)


def _without_trailing_blanks(text: str) -> str:
    end = len(text)
    while end and text[end - 1] == " ":
        backslashes = len(text[: end - 1]) - len(text[: end - 1].rstrip("\\"))
        if backslashes % 2:
            break
        end -= 1
    return text[:end]


def _regex(text: str) -> str | None:
    """The pattern as a regular expression, or None where it can match nothing."""
    out: list[str] = []
    index = 0
    while index < len(text):
        char = text[index]
        if char == "*":
            end = index
            while end < len(text) and text[end] == "*":
                end += 1
            opens = index == 0 or text[index - 1] == "/"
            if end - index > 1 and opens and text[end : end + 1] == "/":
                out.append("(?:.*/)?")
                end += 1
            elif end - index > 1 and opens and end == len(text):
                out.append(".*")
            else:
                out.append("[^/]*")
            index = end
        elif char == "?":
            out.append("[^/]")
            index += 1
        elif char == "[":
            bracket = _bracket(text, index)
            if bracket is None:
                return None
            source, index = bracket
            out.append(source)
        elif char == "\\":
            if index + 1 == len(text):
                return None
            out.append(re.escape(text[index + 1]))
            index += 2
        else:
            out.append(re.escape(char))
            index += 1
    return "".join(out)


def _bracket(text: str, index: int) -> tuple[str, int] | None:
    """The bracket expression that opens at `index`, and the index after it; None if it is malformed."""
    index += 1
    negated = text[index : index + 1] in ("!", "^")
    if negated:
        index += 1
    first = index
    members: list[str] = []
    while True:
        if index >= len(text):
            return None
        if text[index] == "]" and index > first:
            break
        if text.startswith("[:", index):
            end = text.find(":]", index + 2)
            if end >= 0:
                members_of_class = _POSIX_CLASSES.get(text[index + 2 : end])
                if members_of_class is None:
                    return None
                members.append(members_of_class)
                index = end + 2
                continue
        low, index = _member(text, index)
        if low is None:
            return None
        if text[index : index + 1] == "-" and text[index + 1 : index + 2] not in ("", "]"):
            high, index = _member(text, index + 1)
            if high is None:
                return None
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            members.append(re.escape(low))
    inside = "".join(members)
    if negated:
        return f"[^/{inside}]", index + 1
    return f"(?!/)[{inside}]" if inside else "(?!)", index + 1


def _member(text: str, index: int) -> tuple[str | None, int]:
    if text[index] != "\\":
        return text[index], index + 1
    return (text[index + 1], index + 2) if index + 1 < len(text) else (None, index)
