"""Configuration files and overrides -> `Settings`.

A layer is what one file, or the command line, says. Layers are put on top of each other: a file over
the one that it extends, the command line over files. What a layer says about paths is relative to
the folder of its file.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

import msgspec
import tomli
from msgspec import UNSET, Meta, UnsetType

from torchlint import __version__
from torchlint.metadata import Metadata, Needs
from torchlint.pattern import Patterns
from torchlint.target import ANY, SpecifierError, Target, python_versions, torch_versions

OutputFormat = Literal[
    "full",
    "concise",
    "grouped",
    "json",
    "json-lines",
    "sarif",
    "github",
    "gitlab",
    "junit",
    "rdjson",
    "azure",
    "pylint",
    "lsp",
]
OUTPUT_FORMATS: tuple[str, ...] = get_args(OutputFormat)
# The values of `torchlint.diagnostic.Severity`, in words that the schema can show; the worst first.
Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = get_args(Level)
Platform = Literal["any", "linux", "windows", "macos"]
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
# How the versions are read that these keys give.
_SPECIFIERS = {"target-python": python_versions, "target-torch": torch_versions}

DEFAULT_EXCLUDE = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".torchlint_cache",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)

COMMAND_LINE = "command line"
DEFAULT = "default"


class ConfigError(Exception):
    """A configuration that cannot be used. The message is one line that names the file and the key."""


class Options(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What `[tool.torchlint]` in pyproject.toml, or a torchlint.toml, may say."""

    extend: Annotated[
        str | UnsetType,
        Meta(description="Another configuration file to start from; what this file says goes on top of it."),
    ] = UNSET
    select: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Rules to run: codes, code prefixes, names, categories or ALL. By default all but the nursery."
        ),
    ] = UNSET
    ignore: Annotated[
        list[str] | UnsetType,
        Meta(description="Rules not to run. Of a selected and an ignored selector the more specific one wins."),
    ] = UNSET
    extend_select: Annotated[list[str] | UnsetType, Meta(description="Rules to run besides those selected.")] = UNSET
    per_file_ignores: Annotated[
        dict[str, list[str]] | UnsetType,
        Meta(
            description="Rules not to run in the files that a pattern matches."
            " A pattern that starts with ! speaks of all files that it does not match."
        ),
    ] = UNSET
    extend_per_file_ignores: Annotated[
        dict[str, list[str]] | UnsetType,
        Meta(description="Like per-file-ignores, besides those already set."),
    ] = UNSET
    exclude: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Files and folders to leave out, as patterns in the language of .gitignore;"
            " replaces the built-in list."
        ),
    ] = UNSET
    extend_exclude: Annotated[
        list[str] | UnsetType,
        Meta(description="Files and folders to leave out besides those already excluded."),
    ] = UNSET
    src: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Folders in which imports of the project are looked up first;"
            " then come the file's own folder and those above it, up to the root of the project."
        ),
    ] = UNSET
    respect_gitignore: Annotated[bool | UnsetType, Meta(description="Whether files that git ignores are left out.")] = (
        UNSET
    )
    force_exclude: Annotated[
        bool | UnsetType,
        Meta(description="Whether exclusions hold for files that are named on the command line too."),
    ] = UNSET
    output_format: Annotated[OutputFormat | UnsetType, Meta(description="How findings are printed.")] = UNSET
    unsafe_fixes: Annotated[
        bool | UnsetType, Meta(description="Whether fixes that change results are offered and applied.")
    ] = UNSET
    severity: Annotated[
        dict[str, Level] | UnsetType,
        Meta(
            description="Selectors of rules to how bad their findings are. Of several that speak of a rule"
            " the more specific one counts; besides what an extended file says."
        ),
    ] = UNSET
    fail_on: Annotated[
        Level | UnsetType,
        Meta(description="How bad a finding must be for exit code 1; less bad ones are reported only."),
    ] = UNSET
    baseline: Annotated[
        str | UnsetType,
        Meta(
            description="A file of findings that are known and not reported; --write-baseline writes it."
            " An empty string means none."
        ),
    ] = UNSET
    target_python: Annotated[
        str | UnsetType,
        Meta(
            description="The versions of Python that the code runs on, such as 3.11, >=3.9,<3.14 or any."
            " By default what the project's own files say."
        ),
    ] = UNSET
    target_torch: Annotated[
        str | UnsetType,
        Meta(
            description="The versions of torch that the code runs on, such as 2.3, >=1.13,<2.5 or any."
            " By default what the project's own files say."
        ),
    ] = UNSET
    platform: Annotated[Platform | UnsetType, Meta(description="The operating system that the code runs on.")] = UNSET
    required_version: Annotated[
        str | UnsetType,
        Meta(description="The versions of torchlint that may read this configuration, such as >=0.1,<1."),
    ] = UNSET


@dataclass(frozen=True, slots=True)
class Glob:
    """A path pattern and the folder that it is relative to."""

    folder: str
    pattern: str


@dataclass(frozen=True, slots=True)
class FileIgnore:
    """Selectors that are off in the files that a pattern matches (or, negated, does not match)."""

    glob: Glob
    selectors: tuple[str, ...]

    def applies(self, path: str) -> bool:
        """Whether it speaks of the file with this absolute path."""
        negated = self.glob.pattern.startswith("!")
        return _patterns(self.glob.folder, (self.glob.pattern.removeprefix("!"),)).covers(path) != negated


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for a file, after all layers.

    `root` is the project's folder: that of the configuration file, or the working directory where
    there is none. `select` is None where nothing was selected, which means the default set. `src`
    are absolute paths, and so is `baseline`. `severity` has each selector once, in the order in which
    they were said. `origins` says of each key that was set which file, or the command line, set it last; of
    `target-python` and `target-torch` also which files of the project say it where no configuration does.
    """

    root: str
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    per_file_ignores: tuple[FileIgnore, ...] = ()
    exclude: tuple[Glob, ...] = ()
    src: tuple[str, ...] = ()
    respect_gitignore: bool = True
    force_exclude: bool = False
    output_format: OutputFormat = "full"
    unsafe_fixes: bool = False
    severity: tuple[tuple[str, Level], ...] = ()
    fail_on: Level = "info"
    baseline: str | None = None
    target: Target = ANY
    origins: tuple[tuple[str, str], ...] = ()

    def origin(self, key: str) -> str:
        """Who set a key: a file, `command line` or `default`."""
        return dict(self.origins).get(key, DEFAULT)

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Whether an absolute path is itself excluded; the folders that it lies in are not looked at."""
        return _excluded(self.exclude, path, is_folder)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says: options, the folder that their paths are relative to, and the place's name."""

    options: Options
    folder: str
    origin: str


@dataclass(slots=True)
class Configuration:
    """Finds the settings of each folder; asks the disk once a folder.

    Args:
        cwd: the working directory, an absolute path; file names in messages are relative to it.
        file: a configuration file to use for every folder, in place of the nearest one.
        isolated: whether to read no configuration file at all, nor what projects say of their versions.
        overrides: layers on top of any file, the last one strongest.
    """

    cwd: str
    file: str | None = None
    isolated: bool = False
    overrides: Sequence[Layer] = ()
    _settings: dict[str, Settings] = field(default_factory=dict, init=False)
    _configured: dict[str, Settings] = field(default_factory=dict, init=False)
    _of_file: dict[str | None, Settings] = field(default_factory=dict, init=False)
    _metadata: Metadata = field(default_factory=Metadata, init=False)
    _with_target: dict[tuple[int, Needs], Settings] = field(default_factory=dict, init=False)

    def settings(self, folder: str) -> Settings:
        """The settings that hold for the files right in a folder (an absolute path).

        Raises:
            ConfigError: a configuration file cannot be read or says something that it must not.
        """
        known = self._settings.get(folder)
        if known is None:
            known = self._settings[folder] = self._completed(self._configured_for(folder), folder)
        return known

    def _configured_for(self, folder: str) -> Settings:
        """What configuration files and the command line say."""
        known = self._configured.get(folder)
        if known is None:
            known = self._configured[folder] = self._find(folder)
        return known

    def _completed(self, settings: Settings, folder: str) -> Settings:
        """The settings with what the project itself says of the versions that the code runs on."""
        asked = [key for key in _SPECIFIERS if settings.origin(key) == DEFAULT]
        if self.isolated or not asked:
            return settings
        needs = self._metadata.needs(folder)
        # Folders of which the same is true share their settings.
        known = self._with_target.get((id(settings), needs))
        if known is None:
            stated = {"target-python": needs.python, "target-torch": needs.torch}
            said = {key: stated[key] for key in asked if stated[key].files}
            target = Target(
                said["target-python"].versions if "target-python" in said else settings.target.python,
                said["target-torch"].versions if "target-torch" in said else settings.target.torch,
                settings.target.platform,
            )
            origins = [(key, ", ".join(shown_path(file, self.cwd) for file in one.files)) for key, one in said.items()]
            known = replace(settings, target=target, origins=(*settings.origins, *origins)) if said else settings
            self._with_target[id(settings), needs] = known
        return known

    def _find(self, folder: str) -> Settings:
        if self.isolated:
            return self._from(None, self.cwd)
        if self.file is not None:
            return self._from(os.path.join(self.cwd, self.file), self.cwd)
        for name in ("torchlint.toml", "pyproject.toml"):
            file = os.path.join(folder, name)
            if os.path.isfile(file) and _table(file, self.cwd) is not None:
                return self._from(file, folder)
        parent = os.path.dirname(folder)
        return self._from(None, self.cwd) if parent == folder else self._configured_for(parent)

    def _from(self, file: str | None, root: str) -> Settings:
        if file not in self._of_file:
            layers = [] if file is None else read(file, self.cwd)
            self._of_file[file] = resolve([*layers, *self.overrides], root)
        return self._of_file[file]


def read(file: str, cwd: str) -> list[Layer]:
    """The layers of a configuration file (an absolute path) and of those it extends, weakest first.

    Raises:
        ConfigError: one of the files cannot be read, is not valid, or they extend each other in a ring.
    """
    layers: list[Layer] = []
    seen: list[str] = []
    while True:
        real = os.path.realpath(file)
        shown = shown_path(file, cwd)
        if real in seen:
            raise ConfigError(f"{shown}: `extend` leads back to this file")
        seen.append(real)
        table = _table(file, cwd)
        if table is None:
            raise ConfigError(f"{shown}: there is no [tool.torchlint] table in this file")
        options = parse(table, shown)
        folder = os.path.dirname(file)
        layers.insert(0, Layer(options, folder, shown))
        if options.extend is UNSET:
            return layers
        file = _path(folder, options.extend)
        if not os.path.isfile(file):
            raise ConfigError(f"{shown}: `extend`: there is no file {options.extend}")


def parse(table: Mapping[str, Any], origin: str) -> Options:
    """A table of options, checked.

    Raises:
        ConfigError: a key is unknown or of the wrong type, or another version of torchlint is required.
    """
    required = table.get("required-version")
    if isinstance(required, str):  # first, for a newer version may know the keys that this one would refuse
        _require_version(required, origin)
    keys = {known.encode_name: known for known in msgspec.structs.fields(Options)}
    for key in table:
        if key not in keys:
            close = get_close_matches(key, keys, n=1)
            hint = f"did you mean `{close[0]}`? " if close else ""
            raise ConfigError(f"{origin}: unknown key `{key}`; {hint}Allowed: {', '.join(keys)}")
    try:
        options = msgspec.convert(dict(table), Options)
    except msgspec.ValidationError as error:
        match = re.search(r"`\$\.([\w-]+)", str(error))
        key = match.group(1) if match else "?"
        schema = msgspec.json.schema(keys[key].type)
        allowed = schema.get("additionalProperties", {}).get("enum", ())
        value = _value_in_words(table[key], allowed)
        raise ConfigError(f"{origin}: `{key}` must be {_in_words(schema)}, not {value}") from None
    for key, versions in _SPECIFIERS.items():
        if key in table:
            try:
                versions(table[key])
            except SpecifierError as error:
                raise ConfigError(f"{origin}: `{key}` {error}") from None
    return options


def parse_inline(text: str) -> Options:
    """Options given as TOML on the command line, such as `select = ["TL1"]`.

    Raises:
        ConfigError: the text is not TOML, or a key is unknown or of the wrong type.
    """
    origin = f"--config {text!r}"
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: neither a file nor valid TOML: {error}") from None
    options = parse(table, origin)
    if options.extend is not UNSET:
        raise ConfigError(f"{origin}: `extend` can be set in a file only")
    return options


def resolve(layers: Iterable[Layer], root: str) -> Settings:
    """The settings that layers (weakest first) make together in the project at `root`."""
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    per_file_ignores: tuple[FileIgnore, ...] = ()
    exclude = tuple(Glob(root, pattern) for pattern in DEFAULT_EXCLUDE)
    src: tuple[str, ...] = ()
    severity: dict[str, Level] = {}
    baseline: str | None = None
    target = ANY
    flags: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        options = layer.options
        new_ignore, new_extend = tuple(options.ignore or ()), tuple(options.extend_select or ())
        if options.select is UNSET:
            # The stronger layer has the last word about a selector that both name.
            ignore = tuple(selector for selector in ignore if selector not in new_extend) + new_ignore
            extend_select = tuple(selector for selector in extend_select if selector not in new_ignore) + new_extend
        else:
            select, ignore, extend_select = tuple(options.select), new_ignore, new_extend
        if options.per_file_ignores is not UNSET:
            per_file_ignores = _file_ignores(layer.folder, options.per_file_ignores)
        if options.extend_per_file_ignores is not UNSET:
            per_file_ignores += _file_ignores(layer.folder, options.extend_per_file_ignores)
        if options.exclude is not UNSET:
            exclude = _globs(layer.folder, options.exclude)
        if options.extend_exclude is not UNSET:
            exclude += _globs(layer.folder, options.extend_exclude)
        if options.src is not UNSET:
            src = tuple(_path(layer.folder, path) for path in options.src)
        for selector, level in (options.severity or {}).items():
            severity.pop(selector, None)  # so that what is said last also comes last
            severity[selector] = level
        if options.baseline is not UNSET:
            baseline = _path(layer.folder, options.baseline) if options.baseline else None
        if options.target_python is not UNSET:
            target = replace(target, python=python_versions(options.target_python))
        if options.target_torch is not UNSET:
            target = replace(target, torch=torch_versions(options.target_torch))
        if options.platform is not UNSET:
            target = replace(target, platform=None if options.platform == "any" else options.platform)
        for name in ("respect_gitignore", "force_exclude", "output_format", "unsafe_fixes", "fail_on"):
            value = getattr(options, name)
            if value is not UNSET:
                flags[name] = value
        for known in msgspec.structs.fields(Options):
            if getattr(options, known.name) is not UNSET:
                origins[known.encode_name] = layer.origin
    return Settings(
        root=root,
        select=select,
        ignore=ignore,
        extend_select=extend_select,
        per_file_ignores=per_file_ignores,
        exclude=exclude,
        src=src,
        severity=tuple(severity.items()),
        baseline=baseline,
        target=target,
        origins=tuple(origins.items()),
        **flags,
    )


def json_schema() -> dict[str, Any]:
    """The JSON schema of a torchlint.toml, and of `[tool.torchlint]`."""
    _, components = msgspec.json.schema_components([Options])
    schema = components[Options.__name__]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "torchlint"}


def shown_path(path: str, cwd: str) -> str:
    """An absolute path as a reader wants it: printable, relative if it is below the working directory."""
    prefix = cwd if cwd.endswith(os.sep) else cwd + os.sep
    shown = path[len(prefix) :] if path.startswith(prefix) else path
    return shown.encode("utf-8", "replace").decode()


def _table(file: str, cwd: str) -> dict[str, Any] | None:
    """The options in a file, unchecked; None for a pyproject.toml that has no table for torchlint."""
    shown = shown_path(file, cwd)
    in_pyproject = os.path.basename(file) == "pyproject.toml"
    try:
        with open(file, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from None
    if in_pyproject and b"torchlint" not in data:  # not ours, so not ours to find fault with
        return None
    try:
        table = tomli.loads(data.decode())
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown}: not valid TOML: {error}") from None
    if in_pyproject:
        tools = table.get("tool", {})
        options = tools.get("torchlint") if isinstance(tools, dict) else None
    else:
        options = table
    if options is not None and not isinstance(options, dict):
        raise ConfigError(f"{shown}: `tool.torchlint` must be a table, not {_value_in_words(options)}")
    return options


def _path(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _globs(folder: str, patterns: Iterable[str]) -> tuple[Glob, ...]:
    return tuple(Glob(folder, pattern) for pattern in patterns)


def _file_ignores(folder: str, table: Mapping[str, Sequence[str]]) -> tuple[FileIgnore, ...]:
    return tuple(FileIgnore(Glob(folder, pattern), tuple(selectors)) for pattern, selectors in table.items())


@lru_cache(maxsize=256)
def _patterns(folder: str, lines: tuple[str, ...]) -> Patterns:
    # `./x` means what `/x` means to git: that path, not any of that name.
    return Patterns(folder, (line[1:] if line.startswith("./") else line for line in lines))


@lru_cache(maxsize=64)
def _by_folder(globs: tuple[Glob, ...]) -> tuple[Patterns, ...]:
    """Globs as one `Patterns` for each run of the same folder, strongest first."""
    runs: list[tuple[str, list[str]]] = []
    for glob in globs:
        if not runs or runs[-1][0] != glob.folder:
            runs.append((glob.folder, []))
        runs[-1][1].append(glob.pattern)
    return tuple(_patterns(folder, tuple(lines)) for folder, lines in reversed(runs))


def _excluded(globs: tuple[Glob, ...], path: str, is_folder: bool) -> bool:
    for patterns in _by_folder(globs):
        verdict = patterns.verdict(path, is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _require_version(required: str, origin: str) -> None:
    version = _numbers(__version__)
    for clause in required.split(","):
        match = re.fullmatch(r"\s*(==|!=|>=|<=|>|<|~=)?\s*(\d+(?:\.\d+)*)\s*", clause)
        if match is None:
            raise ConfigError(
                f"{origin}: `required-version` must be versions such as 0.1.0 or >=0.1,<1, not {required!r}"
            )
        operator, text = match.group(1) or "==", match.group(2)
        wanted = _numbers(text)
        size = max(len(version), len(wanted))
        here, there = (numbers + (0,) * (size - len(numbers)) for numbers in (version, wanted))
        fits = {
            "==": here == there,
            "!=": here != there,
            ">=": here >= there,
            "<=": here <= there,
            ">": here > there,
            "<": here < there,
            "~=": here >= there and version[: len(wanted) - 1] == wanted[:-1],
        }[operator]
        if not fits:
            raise ConfigError(f"{origin}: this configuration requires torchlint {required}; this is {__version__}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0]))


def _in_words(schema: Mapping[str, Any]) -> str:
    """A type, given as its JSON schema, for a reader."""
    if "enum" in schema:
        return "one of " + ", ".join(f'"{value}"' for value in schema["enum"])
    kind = schema["type"]
    if kind == "array":
        return "a list of strings"
    if kind == "object":
        values = schema["additionalProperties"]
        return f"a table {f'with {_in_words(values)} as values' if 'enum' in values else 'of lists of strings'}"
    return {"string": "a string", "boolean": "true or false"}[kind]


def _value_in_words(value: object, allowed: Sequence[object] = ()) -> str:
    """What was found instead, for a reader; `allowed` are the values that a table may have, if they are numbered."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the string "{value}"'
    if isinstance(value, list):
        odd = [item for item in value if not isinstance(item, str)]
        return f"a list with {_value_in_words(odd[0])}" if odd else "a list"
    if isinstance(value, dict) and allowed:
        return f"a table with {_value_in_words(next(item for item in value.values() if item not in allowed))}"
    if isinstance(value, dict):
        odd_values = [item for item in value.values() if not isinstance(item, list)]
        odd_items = [item for items in value.values() if isinstance(items, list) for item in items]
        odd = odd_values + [item for item in odd_items if not isinstance(item, str)]
        return f"a table with {_value_in_words(odd[0])}" if odd else "a table"
    return f"the number {value}" if isinstance(value, int | float) else str(value)
