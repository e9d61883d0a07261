"""The files that a lint looks at: what is open comes from the editor, the rest from the disk.

What was looked at is noted, and in which state it was, files that were missing among them. As long as all of it is as
it was, what was learnt of it still holds.
"""

import io
import tokenize
from collections.abc import Mapping

from torchlint.server.settings import Signature, signature

# By path: the serial of an open document, and its text.
Open = Mapping[str, tuple[int, str]]


class Reader:
    """Reads files for one `Project`."""

    def __init__(self, buffers: Open) -> None:
        self.buffers = buffers
        self.seen: dict[str, int | Signature] = {}

    def __call__(self, path: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        # The state is noted first: if the file changes right now, it counts as changed.
        self.seen[path] = self._state(path)
        if path in self.buffers:
            return _encoded(self.buffers[path][1])
        try:
            with open(path, "rb") as stream:
                return stream.read()
        except (OSError, ValueError):
            return None

    def is_current(self, buffers: Open) -> bool:
        """Whether all that was looked at is still as it was; from now on `buffers` are what is open."""
        self.buffers = buffers
        return all(self._state(path) == state for path, state in self.seen.items())

    def _state(self, path: str) -> int | Signature:
        opened = self.buffers.get(path)
        return signature(path) if opened is None else opened[0]


def _encoded(text: str) -> bytes:
    """A text as the bytes that Python would read it from."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return text.encode(encoding)
    except (SyntaxError, UnicodeError):
        return data
