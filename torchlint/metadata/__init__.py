"""What a project says of the versions that it runs on, in the files in which projects say such things.

It is read, never run. What cannot be understood counts as not said.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from torchlint.metadata import declarations, locks
from torchlint.metadata.environment import environment
from torchlint.metadata.requirements import torch_in_file
from torchlint.metadata.said import Said
from torchlint.target import ANYTHING, Versions, all_of

_LOCKS = {
    "uv.lock": locks.toml_lock,
    "poetry.lock": locks.toml_lock,
    "pdm.lock": locks.toml_lock,
    "pylock.toml": locks.toml_lock,
    "Pipfile.lock": locks.pipfile_lock,
}
_DECLARATIONS = {
    "pyproject.toml": declarations.pyproject,
    "setup.cfg": declarations.setup_cfg,
    "setup.py": declarations.setup_py,
    "Pipfile": declarations.pipfile,
    ".python-version": declarations.python_version,
    "runtime.txt": declarations.runtime_txt,
}
_ENVIRONMENTS = ("environment.yml", "environment.yaml")
_REQUIREMENTS = re.compile(r"requirements[\w.-]*\.txt")
_MAIN_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, slots=True)
class Found:
    """Versions that are possible, and the files (absolute paths) that say so; none where nothing is known."""

    versions: Versions = ANYTHING
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """The versions that a project needs, as far as it says so."""

    python: Found = Found()
    torch: Found = Found()


NOTHING_SAID = Needs()


@dataclass(slots=True)
class Metadata:
    """Finds what the project says that a folder belongs to; asks the disk once a folder.

    That is the nearest folder, from the folder itself up to the root of the repository, in which anything says what the
    project needs.
    """

    _known: dict[str, tuple[Needs, tuple[str, ...]]] = field(default_factory=dict, init=False)

    def needs(self, folder: str) -> Needs:
        """What holds for the files right in a folder (an absolute path)."""
        return self._of(folder)[0]

    def looked_at(self, folder: str) -> Sequence[str]:
        """The files and folders on whose contents it depends what a folder needs."""
        return self._of(folder)[1]

    def _of(self, folder: str) -> tuple[Needs, tuple[str, ...]]:
        known = self._known.get(folder)
        if known is None:
            known = self._known[folder] = self._find(folder)
        return known

    def _find(self, folder: str) -> tuple[Needs, tuple[str, ...]]:
        names, is_repository = _listing(folder)
        parent = os.path.dirname(folder)
        if not is_repository and folder in (parent, os.path.expanduser("~")):
            return NOTHING_SAID, (folder,)  # what lies about there is of no project
        reader = _Reader()
        said = _read(folder, names, reader)
        looked_at = (folder, *reader.seen)
        if said is not None or is_repository or parent == folder:
            return said or NOTHING_SAID, looked_at
        needs, above = self._of(parent)
        return needs, (*looked_at, *above)


class _Reader:
    """Reads files, and notes which."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, path: str) -> bytes | None:
        self.seen.append(path)
        try:
            if not os.path.isfile(path):  # nor a pipe, which would have us wait
                return None
            with open(path, "rb") as stream:
                return stream.read()
        except (OSError, ValueError):
            return None


def _listing(folder: str) -> tuple[list[str], bool]:
    """The names of files in a folder that may say something, and whether it is the root of a repository."""
    try:
        names = os.listdir(folder)
    except OSError:
        return [], False
    wanted = [name for name in names if name in _WANTED or _REQUIREMENTS.fullmatch(name)]
    return sorted(wanted), ".git" in names


_WANTED = frozenset({*_LOCKS, *_DECLARATIONS, *_ENVIRONMENTS})


def _read(folder: str, names: Iterable[str], read: _Reader) -> Needs | None:
    """What the files of a folder say together; None where none of them says that there is a project."""
    said: dict[str, Said] = {}
    for name in names:
        path = os.path.join(folder, name)
        data = read(path)
        one = None if data is None else _said(path, name, data, read)
        if one is not None:
            said[path] = one
    if not said:
        return None
    return Needs(_together([(path, one.python) for path, one in said.items()]), _torch(said))


def _said(path: str, name: str, data: bytes, read: _Reader) -> Said | None:
    if name in _ENVIRONMENTS:
        return environment(path, data, read)
    if name in _LOCKS:
        return _LOCKS[name](data)
    if name in _DECLARATIONS:
        return _DECLARATIONS[name](data)
    return Said((), torch_in_file(path, data, read))


def _torch(said: dict[str, Said]) -> Found:
    """Of torch, what is locked; or else what is declared and required."""
    stated = {path: one.torch for path, one in said.items() if one.torch}
    locked = [item for item in stated.items() if os.path.basename(item[0]) in _LOCKS]
    if locked:
        return _together(locked)
    required = {path: one for path, one in stated.items() if _REQUIREMENTS.fullmatch(os.path.basename(path))}
    if any(os.path.basename(path) in _DECLARATIONS for path in stated):
        # Files such as requirements-oldest.txt are for some of the environments only.
        others = [item for item in stated.items() if item[0] not in required or _is_main(item[0])]
        return _together(others)
    others = [item for item in stated.items() if item[0] not in required]
    alternatives = {path: all_of(one) for path, one in required.items()}
    understood = [one for one in alternatives.values() if one is not None]
    if len(understood) == len(alternatives) > 0:
        hull = reduce(Versions.either, understood)
        return _together([*others, *((path, (hull,)) for path in required)])
    return _together(others)


def _is_main(path: str) -> bool:
    return os.path.basename(path) == _MAIN_REQUIREMENTS


def _together(stated: Iterable[tuple[str, tuple[Versions, ...]]]) -> Found:
    """What is possible by all statements; nothing is known where they contradict each other."""
    telling = [(path, one) for path, versions in stated for one in versions if not one.is_anything]
    versions = all_of(one for _, one in telling)
    if versions is None or not telling:
        return Found()
    return Found(versions, tuple(dict.fromkeys(path for path, _ in telling)))
