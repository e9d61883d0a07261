"""conda's environment.yml: the dependencies that it lists, and those that pip is to install."""

import os
import re

from torchlint.metadata.requirements import torch_in, torch_in_file
from torchlint.metadata.said import Read, Said, known
from torchlint.metadata.specifiers import versions
from torchlint.target import Versions

_ITEM = re.compile(r"(\s*)-\s+(.*)")
_PACKAGE = re.compile(r"(?:[^\s:]+::)?(python|pytorch|pytorch-gpu|pytorch-cpu)(?![\w.-])\s*(.*)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[\s*version\s*=\s*(['\"]?)([^'\"\]]*)\1\s*\]")


def environment(path: str, data: bytes, read: Read) -> Said | None:
    """What the file says; None for one without dependencies, which is something else."""
    lines = data.decode("utf-8-sig", "replace").splitlines()
    start = next((index for index, line in enumerate(lines) if re.match(r"dependencies\s*:", line)), None)
    if start is None:
        return None
    python: list[Versions | None] = []
    torch: list[Versions | None] = []
    pip: int | None = None  # how far the item `pip:` is indented that we are in
    for line in lines[start + 1 :]:
        if re.match(r"\s*(#|$)", line):
            continue
        item = _ITEM.fullmatch(line)
        if item is None:
            break  # another key of the file, or what we do not understand
        indent, text = len(item.group(1)), item.group(2)
        if re.search(r"\s#\s*\[", text):  # counts on some platforms only
            continue
        text = re.sub(r"\s#.*$", "", text).strip().strip("\"'").strip()
        if pip is not None and indent <= pip:
            pip = None
        if pip is not None:
            torch += _of_pip(path, text, read)
        elif text == "pip:":
            pip = indent
        else:
            package = _PACKAGE.fullmatch(text)
            if package is not None:
                (python if package.group(1).lower() == "python" else torch).append(_of_conda(package.group(2)))
    return Said(known(*python), known(*torch))


def _of_conda(text: str) -> Versions | None:
    match = _IN_BRACKETS.fullmatch(text)
    return versions(match.group(2) if match is not None else text)


def _of_pip(path: str, text: str, read: Read) -> list[Versions | None]:
    if text.startswith("-"):
        # A file of requirements with this one line.
        return [*torch_in_file(os.path.join(os.path.dirname(path), "pip"), text.encode(), read)]
    return [torch_in(text)]
