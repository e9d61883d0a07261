"""Paths on the command line -> the files to lint.

A file that is named is taken as it is; a folder is walked. What is excluded, or ignored by git, is
left out of a walk, and its folders are never entered.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from torchlint.config import Configuration, Settings, shown_path
from torchlint.pattern import Patterns, steps_below

SUFFIXES = (".py", ".pyi", ".pyw", ".ipynb")


@dataclass(frozen=True, slots=True)
class File:
    """A file to lint: its absolute path, its name as shown to the reader, and what holds for it."""

    path: str
    name: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Found:
    """Files in path order, and one line for each path that could not be followed."""

    files: tuple[File, ...]
    problems: tuple[str, ...]


def discover(paths: Iterable[str], configuration: Configuration) -> Found:
    """The files that paths (relative to the working directory, or absolute) lead to, each once.

    Raises:
        ConfigError: a configuration file on the way cannot be used.
    """
    search = _Search(configuration)
    for path in paths:
        search.follow(path)
    search.add_links()
    files = sorted(search.files.values(), key=lambda file: file.path.split(os.sep))
    return Found(tuple(files), tuple(search.problems))


@dataclass(slots=True)
class _Search:
    configuration: Configuration
    files: dict[str, File] = field(default_factory=dict)  # by real path
    links: list[str] = field(default_factory=list)  # to files
    problems: list[str] = field(default_factory=list)

    def follow(self, path: str) -> None:
        absolute = os.path.abspath(os.path.join(self.configuration.cwd, path))
        try:
            mode = os.stat(absolute).st_mode
        except OSError as error:
            self._problem(absolute, error)
            return
        is_folder = stat.S_ISDIR(mode)
        settings = self.configuration.settings(absolute if is_folder else os.path.dirname(absolute))
        if settings.force_exclude and is_excluded(absolute, settings, is_folder=is_folder):
            return
        if is_folder:
            self._walk(absolute)
        else:
            self._add(absolute, os.path.realpath(absolute), settings)

    def add_links(self) -> None:
        """Links to files come last, so that a file that was also found itself keeps its own name."""
        for path in self.links:
            self._add(path, os.path.realpath(path), self.configuration.settings(os.path.dirname(path)))

    def _add(self, path: str, real_path: str, settings: Settings) -> None:
        self.files.setdefault(real_path, File(path, shown_path(path, self.configuration.cwd), settings))

    def _problem(self, path: str, error: OSError) -> None:
        shown = shown_path(path, self.configuration.cwd)
        if isinstance(error, FileNotFoundError):
            reason = "broken symbolic link" if os.path.islink(path) else "no such file or folder"
        else:
            reason = error.strerror or type(error).__name__
        self.problems.append(f"{shown}: {reason}")

    def _walk(self, root: str) -> None:
        real_root = os.path.realpath(root)
        pending = [(root, _ignores_above(root, self.configuration.cwd))]
        while pending:
            folder, ignores = pending.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self._problem(folder, error)
                continue
            names = {entry.name for entry in entries}
            if folder != root and "pyvenv.cfg" in names:
                continue
            settings = self.configuration.settings(folder)
            if ".git" in names:
                ignores = _repository_ignores(folder)
            if ".gitignore" in names:
                ignores = (*ignores, *_read_patterns(os.path.join(folder, ".gitignore"), folder))
            for entry in entries:
                is_link = entry.is_symlink()
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and not entry.name.lower().endswith(SUFFIXES):
                    continue
                if settings.excludes(entry.path, is_folder=is_folder):
                    continue
                if settings.respect_gitignore and _ignored(ignores, entry.path, is_folder=is_folder):
                    continue
                if is_folder:
                    pending.append((entry.path, ignores))
                elif is_link:
                    # Links to folders are not followed, so that no walk can run in a ring.
                    if _leads_to_file(entry.path):
                        self.links.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    self._add(entry.path, real_root + entry.path[len(root) :], settings)


def is_excluded(path: str, settings: Settings, *, is_folder: bool) -> bool:
    """Whether a path, or a folder of the project that it lies in, is excluded."""
    # Only folders below the project's root count: it may well stand in a folder called `build`.
    steps = steps_below(settings.root, path)
    return any(settings.excludes(step, is_folder=is_folder or step != path) for step in steps)


def _leads_to_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _ignored(ignores: Sequence[Patterns], path: str, *, is_folder: bool) -> bool:
    for patterns in reversed(ignores):
        verdict = patterns.verdict(path, is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _ignores_above(folder: str, cwd: str) -> tuple[Patterns, ...]:
    """What the folders above one tell git to ignore: up to the root of its repository, else up to `cwd`."""
    above = list(_parents(folder))
    repository = next((index for index, parent in enumerate(above) if _is_repository(parent)), None)
    if _is_repository(folder):
        return ()
    if repository is not None:
        ignores = _repository_ignores(above[repository])
        above = above[: repository + 1]
    else:
        ignores = ()
        above = above[: above.index(cwd) + 1] if cwd in above else []
    for parent in reversed(above):
        ignores += _read_patterns(os.path.join(parent, ".gitignore"), parent)
    return ignores


def _parents(folder: str) -> Iterator[str]:
    while (parent := os.path.dirname(folder)) != folder:
        yield parent
        folder = parent


def _is_repository(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))


def _repository_ignores(folder: str) -> tuple[Patterns, ...]:
    """What `info/exclude` of the repository with this work tree says."""
    git = os.path.join(folder, ".git")
    if os.path.isfile(git):  # a submodule or a linked work tree: the file says where the repository is
        target = _first_line(git).removeprefix("gitdir:").strip()
        git = os.path.join(folder, target)
        common = _first_line(os.path.join(git, "commondir"))
        git = os.path.join(git, common) if common else git
    return _read_patterns(os.path.join(git, "info", "exclude"), folder)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.readline().strip()
    except OSError:
        return ""


def _read_patterns(path: str, folder: str) -> tuple[Patterns, ...]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as stream:
            return (Patterns(folder, stream),)
    except OSError:
        return ()
