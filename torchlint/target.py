"""What the linted code runs on: versions of Python and of torch, and a platform. Imports nothing of ours.

What is possible is kept, not what is likely: a question is answered with yes only if that is so on everything that
the code may run on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

# Numbers of a version, without zeros at the end. A last -1 means what came before: development versions, release
# candidates.
Release = tuple[int, ...]

# How a specifier says that nothing is known.
_ANY = "any"
_PYTHONS = "3.11 or >=3.9,<3.14"
_TORCHES = "2.3 or >=1.13,<2.5"


class SpecifierError(ValueError):
    """A text that names no versions. The message is what is wrong with it, to be put after a name."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that are possible, as the shortest stretch that holds them all.

    Attributes:
        lowest: no version that is older is possible.
        end: neither this version nor a later one is possible; None where later ones without end are.
    """

    lowest: Release = ()
    end: Release | None = None

    def all_below(self, *release: int) -> bool:
        """Whether every possible version is older than a release: `all_below(3, 14)`."""
        return self.end is not None and not _is_before(release, self.end)

    def all_from(self, *release: int) -> bool:
        """Whether every possible version is a release or came after it: `all_from(3, 14)`."""
        return not _is_before(self.lowest, release)

    @property
    def is_anything(self) -> bool:
        """Whether nothing is known: every version is possible."""
        return not self.lowest and self.end is None

    def both(self, other: "Versions") -> "Versions | None":
        """What is possible by both; None where they contradict each other."""
        lowest = other.lowest if _is_before(self.lowest, other.lowest) else self.lowest
        ends = [end for end in (self.end, other.end) if end is not None]
        end = ends[0] if ends else None
        if len(ends) == 2 and _is_before(ends[1], ends[0]):
            end = ends[1]
        return None if end is not None and not _is_before(lowest, end) else Versions(lowest, end)

    def either(self, other: "Versions") -> "Versions":
        """What is possible by one of them or the other, and all between."""
        lowest = self.lowest if _is_before(self.lowest, other.lowest) else other.lowest
        if self.end is None or other.end is None:
            return Versions(lowest, None)
        return Versions(lowest, other.end if _is_before(self.end, other.end) else self.end)

    def __str__(self) -> str:
        """As a specifier, such as `>=3.9,<3.14`; or `any`."""
        bounds = [f">={_text(self.lowest)}"] if self.lowest else []
        if self.end is not None:
            bounds.append(f"<{_text(self.end)}")
        return ",".join(bounds) or _ANY


# Nothing is known: every version is possible.
ANYTHING = Versions()


@dataclass(frozen=True, slots=True)
class Target:
    """What the code may run on. `platform` is `linux`, `windows` or `macos`; None means any of them."""

    python: Versions = ANYTHING
    torch: Versions = ANYTHING
    platform: str | None = None

    @property
    def forks(self) -> bool:
        """Whether new processes certainly are forked unless the code says otherwise.

        So they are on Linux before Python 3.14, and were on macOS before Python 3.8.
        """
        if self.platform == "macos":
            return self.python.all_below(3, 8)
        return self.platform == "linux" and self.python.all_below(3, 14)

    @property
    def never_forks(self) -> bool:
        """Whether new processes certainly are not forked unless the code says so.

        So it is on Windows, on macOS (but for Pythons before 3.8), and everywhere from Python 3.14 on.
        """
        if self.platform == "macos":
            return not self.python.all_below(3, 8)
        return self.platform == "windows" or self.python.all_from(3, 14)


ANY = Target()


def python_versions(text: str) -> Versions:
    """The Pythons that a specifier allows: `3.11` and `py311` that minor version, `>=3.9,<3.14` a range, `any`.

    Raises:
        SpecifierError: it is none, or allows no version.
    """
    match = re.fullmatch(r"py(\d)(\d+)?", text.strip())
    if match is not None:
        text = ".".join(filter(None, match.groups()))
    found = _versions(text, _PYTHONS)
    if found.all_from(4):  # 39 for 3.9
        raise SpecifierError(f"must be versions such as {_PYTHONS}, not {text!r}")
    return found


def torch_versions(text: str) -> Versions:
    """The versions of torch that a specifier allows: `2.3` that minor version, `2.3.1+cu118`, `>=1.13,<2.5`, `any`.

    Raises:
        SpecifierError: it is none, or allows no version.
    """
    return _versions(text, _TORCHES)


@lru_cache(maxsize=256)
def _versions(text: str, example: str) -> Versions:
    from packaging.specifiers import SpecifierSet

    text = text.strip()
    if text == _ANY:
        return ANYTHING
    try:
        if re.fullmatch(r"\d+(\.\d+)*", text):
            return prefix(text)
        clauses = [(one.operator, one.version) for one in SpecifierSet(text)] if text[:1] in "<>=!~" else [("==", text)]
        found = all_of(clause(operator, version) for operator, version in clauses)
    except ValueError:  # of packaging, and of numbers with thousands of digits
        clauses, found = [], None
    if not clauses:
        raise SpecifierError(f"must be versions such as {example}, not {text!r}")
    if found is None:
        raise SpecifierError(f"allows no version: {text!r}")
    return found


def clause(operator: str, text: str) -> Versions:
    """What one clause of PEP 440 allows, such as `>=` and `3.9`. What lies within is not taken out (`!=`).

    Raises:
        packaging.version.InvalidVersion: the text is not a version.
    """
    starred = text.endswith(".*")
    version = _version(text.removesuffix(".*"))
    release = version.release
    # Of a version before a release, such as 2.0.0rc1, it is not said that it is the release already.
    lowest = (*release, -1) if version.is_prerelease else release
    if operator in ("==", "==="):
        return prefix(text) if starred else Versions(_short(lowest), _after(release))
    if operator == "~=":
        return Versions(_short(lowest), _next(release[:-1]) if len(release) > 1 else None)
    if operator in (">=", ">"):
        return Versions(_short(lowest))
    if operator == "<=":
        return Versions((), _next(release) if starred else _after(release))
    if operator == "<":
        return Versions((), _after(release) if version.is_prerelease else _short(release))
    return ANYTHING


def prefix(text: str) -> Versions:
    """The versions that start with these numbers: those of 2.1 are 2.1.0, 2.1.1 ...

    Raises:
        packaging.version.InvalidVersion: the text is not a version.
    """
    version = _version(text.removesuffix(".*"))
    if version.is_prerelease:
        return clause("==", text)
    return Versions(_short(version.release), _next(version.release))


def caret(text: str) -> Versions:
    """What Poetry's `^` allows: all up to a change of the first number that is not 0.

    Raises:
        packaging.version.InvalidVersion: the text is not a version.
    """
    version = _version(text)
    release = version.release
    fixed = next((index for index, number in enumerate(release) if number), len(release) - 1)
    return Versions(clause(">=", text).lowest, _next(release[: fixed + 1]))


def tilde(text: str) -> Versions:
    """What Poetry's `~` allows: `~2.1` and `~2.1.3` all up to 2.2, `~2` all up to 3.

    Raises:
        packaging.version.InvalidVersion: the text is not a version.
    """
    return Versions(clause(">=", text).lowest, _next(_version(text).release[:2]))


def all_of(parts: Iterable[Versions]) -> Versions | None:
    """What is possible by all of them; None where they contradict each other."""
    found: Versions | None = ANYTHING
    for part in parts:
        found = None if found is None else found.both(part)
    return found


def _version(text: str) -> "Version":
    from packaging.version import InvalidVersion, Version

    version = Version(text)
    if version.epoch:
        raise InvalidVersion(f"{text} has an epoch")
    return version


def _short(release: Release) -> Release:
    while release and release[-1] == 0:
        release = release[:-1]
    return release


def _next(release: Release) -> Release:
    """The first release after all that start with these numbers."""
    return (*release[:-1], release[-1] + 1)


def _after(release: Release) -> Release:
    """The first release after one that is meant exactly."""
    return _next((*release, *[0] * (3 - len(release))))


def _is_before(one: Release, other: Release) -> bool:
    size = max(len(one), len(other))
    return _padded(one, size) < _padded(other, size)


def _padded(release: Release, size: int) -> Release:
    return (*release, *[0] * (size - len(release)))


def _text(release: Release) -> str:
    early = release[-1] == -1
    numbers = release[:-1] if early else release
    return ".".join(map(str, _padded(numbers, 2))) + ".dev0" * early
