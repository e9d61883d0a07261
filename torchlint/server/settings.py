"""What the client asks for, and what holds for each file of its folders.

A client gives settings as `initializationOptions` and with `workspace/didChangeConfiguration`, below a key `torchlint`
or by themselves:

    select, ignore, extendSelect    selectors, as on the command line; on top of what files say
    configuration                   a configuration file to use in place of those found (relative to the folder)
    plugins                         whether to load rule packs

Rule packs are code. They come from the environment that the server is installed in, never from an opened folder; yet an
environment may itself lie in such a folder, and whoever wrote the folder then wrote the packs. So by default packs are
loaded if the environment lies outside of all opened folders, and otherwise only where `plugins` is true.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tomli

from torchlint import config
from torchlint.config import ConfigError, Configuration, Layer, Settings
from torchlint.discover import is_excluded
from torchlint.metadata import Metadata

ORIGIN = "editor settings"
SECTION = "torchlint"
CONFIGURATION_FILES = ("torchlint.toml", "pyproject.toml")
_LIBRARIES = {"site-packages", "dist-packages"}
# Modification time, size and inode; None where there is no such file.
Signature = tuple[int, int, int] | None


class ClientSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The settings of the client."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] | None = None
    configuration: str | None = None
    plugins: bool | None = None


def client_settings(value: object) -> ClientSettings:
    """The settings in what a client sent; None and what speaks of other tools are no settings.

    Raises:
        ConfigError: a setting is unknown or of the wrong type.
    """
    if isinstance(value, dict):
        value = value.get(SECTION, value)
    if isinstance(value, dict):
        value = value.get("settings", value)
    try:
        return msgspec.convert({} if value is None else value, ClientSettings)
    except msgspec.ValidationError as error:
        text = str(error)
        raise ConfigError(f"{ORIGIN}: {text[:1].lower()}{text[1:]}") from None


def is_for_us(value: object) -> bool:
    """Whether settings that a client sent unasked are ours: some clients send those of all their servers at once."""
    keys = {field.encode_name for field in msgspec.structs.fields(ClientSettings)} | {SECTION, "settings"}
    return isinstance(value, dict) and not keys.isdisjoint(value)


def signature(path: str) -> Signature:
    """What tells one state of a file on disk from another."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class _Known:
    """What holds for a folder, the files that may say so, what is wrong with them, and what held before."""

    settings: Settings
    files: tuple[tuple[str, Signature], ...]
    problem: str | None
    before: Settings


@dataclass
class Workspace:
    """The opened folders (absolute paths) and the client's settings: what holds for a file.

    Configuration files are looked at again each time, so that a change counts from the next lint on.
    """

    folders: Sequence[str] = ()
    client: ClientSettings = field(default_factory=ClientSettings)
    _known: dict[tuple[str, str], _Known] = field(default_factory=dict, init=False)

    @property
    def plugins(self) -> bool:
        """Whether rule packs may be loaded."""
        if self.client.plugins is not None:
            return self.client.plugins
        places = [sys.prefix, *(path for path in sys.path if path)]
        return not any(_is_below(place, folder) for place in places for folder in self.folders)

    def root(self, path: str | None) -> str:
        """The opened folder that a file lies in, or its own folder; without a path, the first opened one."""
        if path is None:
            return self.folders[0] if self.folders else os.getcwd()
        holding = [folder for folder in self.folders if _is_below(path, folder)]
        return max(holding, key=len) if holding else os.path.dirname(path)

    def settings(self, path: str | None) -> tuple[Settings, str | None]:
        """What holds for a file, and what is wrong with its configuration.

        Where the configuration cannot be used, that is what held before, or else the defaults.
        """
        root = self.root(path)
        folder = root if path is None else os.path.dirname(path)
        known = self._known.get((root, folder))
        if known is None or any(signature(file) != then for file, then in known.files):
            known = self._known[root, folder] = self._read(root, folder, known)
        return known.settings, known.problem

    def reject(self, path: str | None, problem: str) -> Settings:
        """Settings that were read turned out to be of no use: say so from now on, and give what held before."""
        root = self.root(path)
        folder = root if path is None else os.path.dirname(path)
        known = self._known[root, folder]
        self._known[root, folder] = _Known(known.before, known.files, problem, known.before)
        return known.before

    def excludes(self, path: str, settings: Settings) -> bool:
        """Whether a file is left out by the configuration, or is one of an installed library."""
        if not any(_is_below(path, folder) for folder in self.folders) and _LIBRARIES & set(path.split("/")):
            return True
        return is_excluded(path.replace("/", os.sep), settings, is_folder=False)

    def _read(self, root: str, folder: str, before: _Known | None) -> _Known:
        files = list(self._files(root, folder))
        # Before they are read: what changes meanwhile is then read again.
        states = [(file, signature(file)) for file in files]
        held = Configuration(root, isolated=True).settings(folder) if before is None else before.settings
        try:
            settings = Configuration(root, self._file(root), overrides=self._layers(root)).settings(folder)
        except ConfigError as error:
            return _Known(held, tuple(states), str(error), held)
        return _Known(settings, tuple(states), None, held)

    def _layers(self, root: str) -> list[Layer]:
        asked = {
            "select": self.client.select,
            "ignore": self.client.ignore,
            "extend-select": self.client.extend_select,
        }
        table = {key: list(value) for key, value in asked.items() if value is not None}
        return [Layer(config.parse(table, ORIGIN), root, ORIGIN)] if table else []

    def _file(self, root: str) -> str | None:
        name = self.client.configuration
        return None if name is None else os.path.join(root, os.path.expanduser(name))

    def _files(self, root: str, folder: str) -> Iterator[str]:
        """The files that may say something about a folder, those that are extended and the project's own among them."""
        named = self._file(root)
        for file in _above(folder) if named is None else [named]:
            yield file
            yield from _extended(file)
        yield from Metadata().looked_at(folder)


def _above(folder: str) -> Iterator[str]:
    while True:
        yield from (os.path.join(folder, name) for name in CONFIGURATION_FILES)
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _extended(file: str) -> Iterator[str]:
    """The files that a configuration file extends, also where they are missing or of no use: they may be mended."""
    seen: set[str] = set()
    while file not in seen:
        seen.add(file)
        try:
            with open(file, "rb") as stream:
                table: Any = tomli.load(stream)
        except (OSError, ValueError):
            return
        for name in ("tool", "torchlint") if os.path.basename(file) == "pyproject.toml" else ():
            table = table.get(name) if isinstance(table, dict) else None
        extended = table.get("extend") if isinstance(table, dict) else None
        if not isinstance(extended, str):
            return
        file = os.path.normpath(os.path.join(os.path.dirname(file), os.path.expanduser(extended)))
        yield file


def _is_below(path: str, folder: str) -> bool:
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(os.path.join(folder, ""))
