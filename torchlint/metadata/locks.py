"""The version of torch that a lock file names."""

import json
import re

import tomli

from torchlint.metadata.said import Said, known
from torchlint.metadata.specifiers import versions
from torchlint.target import Versions

# Lock files are long, and their one entry is all that is wanted of them: the rest is not parsed.
_ENTRY = re.compile(rb"^\[\[packages?\]\][^\[\n]*\n(?:(?!\[\[).*\n?)*", re.MULTILINE)
_TORCH = re.compile(rb"""^name\s*=\s*["']torch["']""", re.MULTILINE)


def toml_lock(data: bytes) -> Said | None:
    """What uv.lock, poetry.lock, pdm.lock or pylock.toml says; of several entries, any may be what is installed."""
    data = data.replace(b"\r\n", b"\n")
    found: Versions | None = None
    for name in _TORCH.finditer(data):
        start = max(data.rfind(b"[[package]]", 0, name.start()), data.rfind(b"[[packages]]", 0, name.start()))
        entry = _ENTRY.match(data, start) if start >= 0 else None
        locked = _version(entry.group()) if entry is not None else None
        if locked is None:
            return Said()
        found = locked if found is None else found.either(locked)
    return Said((), known(found))


def pipfile_lock(data: bytes) -> Said | None:
    """What Pipfile.lock says, in its default packages."""
    if b'"torch"' not in data:
        return Said()
    try:
        locked = json.loads(data)["default"]["torch"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Said()
    return Said((), known(versions(locked) if isinstance(locked, str) else None))


def _version(entry: bytes) -> Versions | None:
    try:
        ((package, *_),) = tomli.loads(entry.decode()).values()
        version = package.get("version")
    except (ValueError, AttributeError, RecursionError):
        return None
    return versions(f"=={version}") if isinstance(version, str) else None
