"""Requirements as pip reads them: single ones, and files of them."""

import codecs
import os
import re

from torchlint.metadata.said import Read
from torchlint.metadata.specifiers import versions
from torchlint.target import Versions

_TORCH = re.compile(r"torch(?![\w.-])\s*(?:\[[^\]]*\])?", re.IGNORECASE)
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))\s*(\S.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DEEPEST = 20


def torch_in(requirement: str) -> Versions | None:
    """The versions of torch that a requirement allows, such as `torch>=1.7,<2`.

    None where it is about something else, or where it does not always count (`torch<2; sys_platform == "win32"`), or
    comes from an address.
    """
    what, _, when = requirement.strip().partition(";")
    match = _TORCH.match(what)
    if match is None or when.strip():
        return None
    allowed = what[match.end() :].strip()
    if allowed.startswith("(") and allowed.endswith(")"):
        allowed = allowed[1:-1].strip()
    if allowed and allowed[0] not in "<>=!~":
        return None
    return versions(allowed)


def torch_in_file(path: str, data: bytes, read: Read) -> tuple[Versions, ...]:
    """The versions of torch that a file of requirements states, and those files that it includes with `-r` or `-c`."""
    found: list[Versions] = []
    seen = {os.path.normpath(path)}
    pending = [(path, data, 0)]
    while pending:
        path, data, depth = pending.pop()
        for line in _lines(data):
            include = _INCLUDE.fullmatch(line)
            if include is not None:
                other = os.path.normpath(os.path.join(os.path.dirname(path), include.group(1).strip("\"' ")))
                if other not in seen and depth < DEEPEST:
                    seen.add(other)
                    included = read(other)
                    if included is not None:
                        pending.append((other, included, depth + 1))
            elif not line.startswith("-"):
                torch = torch_in(re.split(r"\s--", line, maxsplit=1)[0])
                if torch is not None:
                    found.append(torch)
    return tuple(found)


def _lines(data: bytes) -> list[str]:
    """The lines without comments, those put together that a backslash continues."""
    encoding = "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
    text = re.sub(r"\\\r?\n", " ", data.decode(encoding, "replace"))
    return [_COMMENT.sub("", line).strip() for line in text.splitlines()]
