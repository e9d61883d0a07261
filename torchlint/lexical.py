"""Strings, comments and logical lines, told apart by characters alone.

For what has to be known before a text is parsed, or of a text that does not parse.
"""

import re
from collections.abc import Iterator

# Escapes count in raw strings too: there a backslash also keeps a quote from ending the string.
_STRING_OR_COMMENT = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\r\n]*(?:\\(?:\r\n|.)[^"\\\r\n]*)*"'
    r"|'[^'\\\r\n]*(?:\\(?:\r\n|.)[^'\\\r\n]*)*'"
    r"|#[^\r\n]*"
    r"|\\(?:\r\n|\r|\n)",
    re.DOTALL,
)
# The fields of an f-string are code, which matters only where there is room for much of it.
_LONG_FSTRING = 40
_FSTRING_PREFIX = re.compile(r"[fFtT][rR]?\Z")
_BRACES = re.compile(r"(\{\{|\}\}|\{|\})")
_TOKEN = re.compile(_STRING_OR_COMMENT.pattern + r"|[()\[\]{}]|\r\n|\r|\n", re.DOTALL)
_BRACKET_OR_BREAK = re.compile(r"[()\[\]{}\n]")


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each comment."""
    for match in _STRING_OR_COMMENT.finditer(text):
        if text[match.start()] == "#":
            yield match.start(), match.group()


def unbroken(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each string and backslash that goes over a line break, before which no comment can stand."""
    for match in _STRING_OR_COMMENT.finditer(text):
        found = match.group()
        if found[0] != "#" and ("\n" in found or "\r" in found):
            yield match.start(), match.end()


def code_only(text: str, *, in_place: bool = False) -> str:
    """The code of a text: a string becomes `"`, comments and line continuations vanish, line breaks are LF.

    `in_place` puts blanks where something vanished, so that no offset moves.
    """

    def mask(match: re.Match[str]) -> str:
        found = match.group()
        if found[0] in "#\\":
            kept = ""
        else:
            kept = '"'
            start = match.start()
            if len(found) > _LONG_FSTRING and _FSTRING_PREFIX.search(text, max(start - 2, 0), start):
                kept = _fields(found)
        return kept[: len(found)].ljust(len(found)) if in_place else kept

    code = _STRING_OR_COMMENT.sub(mask, text)
    if "\r" in code:
        code = code.replace("\r\n", " \n" if in_place else "\n").replace("\r", "\n")
    return code


def logical_line_ends(text: str) -> list[int]:
    """Offsets of the line breaks that end a logical line, and of the end of the text."""
    ends = []
    level = 0
    for match in _BRACKET_OR_BREAK.finditer(code_only(text, in_place=True)):
        sign = match.group()
        if sign in "([{":
            level += 1
        elif sign == "\n":
            if level <= 0:
                ends.append(match.start())
                level = 0
        else:
            level -= 1
    return [*ends, len(text)]


def logical_line_end(text: str, start: int) -> int:
    """The offset of the line break that ends the logical line which starts at an offset, or the end of the text."""
    level = 0
    for match in _TOKEN.finditer(text, start):
        sign = match.group()
        if sign in "([{":
            level += 1
        elif sign in ")]}":
            level -= 1
        elif sign in ("\n", "\r", "\r\n") and level <= 0:
            return match.start()
    return len(text)


def _fields(string: str) -> str:
    """The replacement fields of an f-string, each in brackets, with a comma for the text between."""
    kept = ['"']
    level = 0
    for part in _BRACES.split(string):
        if (part == "{{" and not level) or (part == "}}" and not level):
            kept.append(",")
        elif part and part in "{{":
            level += len(part)
            kept.append("(" * len(part))
        elif part and part in "}}":
            closed = min(level, len(part))
            level -= closed
            kept.append(")" * closed)
        elif level:
            kept.append(_STRING_OR_COMMENT.sub('"', part).replace("\n", " ").replace("\r", " "))
        else:
            kept.append(",")
    return "".join(kept) + ")" * level
