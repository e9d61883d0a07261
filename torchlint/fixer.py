"""Fixes to text, and text to disk.

The one loop round the linter: lint, apply the fixes that do not touch each other, lint again. What a fix
says is checked: a text that parsed still parses, or the fix is withdrawn.
"""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path

from torchlint.diagnostic import Applicability, Diagnostic, Edit, Severity
from torchlint.parse import ParseProblem, broken_cells, parse
from torchlint.source import Source, SourceError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MOST_ROUNDS = 10
INTERNAL = ("TL001", "internal-error")


class FixError(Exception):
    """A file that fixes could not be written to; it is as it was. The message is one line for the reader."""


@dataclass(frozen=True, slots=True)
class FixResult:
    """The source after fixing, the findings that were fixed, and those that are left."""

    source: Source
    applied: tuple[Diagnostic, ...]
    remaining: tuple[Diagnostic, ...]


def fix(source: Source, lint: Callable[[Source], Sequence[Diagnostic]], *, unsafe: bool) -> FixResult:
    """Apply fixes until there are none, in at most `MOST_ROUNDS` rounds.

    Of fixes that touch each other the one that starts first is applied, at a tie the one with the lower
    code; the others get their turn in the next round. Edits that several fixes share are made once.

    Args:
        lint: what finds out the findings of a source.
        unsafe: whether to apply unsafe fixes too.
    """
    return _Fixing(source, lint, unsafe).run()


class _Fixing:
    def __init__(self, source: Source, lint: Callable[[Source], Sequence[Diagnostic]], unsafe: bool) -> None:
        self.source = source
        self.lint = lint
        self.applicable = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
        self.applied: list[Diagnostic] = []
        self.withdrawn: dict[tuple[object, ...], Diagnostic] = {}

    def run(self) -> FixResult:
        found = self.lint(self.source)
        for _ in range(MOST_ROUNDS):
            chosen = self._choose(found)
            if not chosen:
                return self._result(found)
            before = self.source
            self.source = self._apply(before, chosen)
            if self.source is not before:
                found = self.lint(self.source)
        restless = self._choose(found)
        if not restless:
            return self._result(found)
        last = restless[0]
        message = f"the fix of {last.code} {last.name} still changes the file after {MOST_ROUNDS} rounds"
        return self._result([*found, _failure(last, message)])

    def _result(self, found: Sequence[Diagnostic]) -> FixResult:
        remaining = [
            replace(diagnostic, fix=None) if self._key(diagnostic) in self.withdrawn else diagnostic
            for diagnostic in found
        ]
        return FixResult(self.source, tuple(self.applied), (*remaining, *self.withdrawn.values()))

    def _choose(self, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """The findings whose fixes can be applied together, in order."""
        candidates = [diagnostic for diagnostic in found if self._is_applicable(diagnostic)]
        candidates.sort(key=lambda diagnostic: (_start(diagnostic), diagnostic.code, diagnostic.span))
        chosen: list[Diagnostic] = []
        taken: list[Edit] = []
        for diagnostic in candidates:
            new = [edit for edit in _edits(diagnostic) if edit not in taken]
            if not any(_touch(edit, other) for edit in new for other in taken):
                taken += new
                chosen.append(diagnostic)
        return chosen

    def _is_applicable(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.fix is None or diagnostic.fix.applicability not in self.applicable:
            return False
        edits = _edits(diagnostic)
        changes = any(self.source.text[edit.span.start : edit.span.end] != edit.content for edit in edits)
        return changes and self._is_encodable(edits) and self._key(diagnostic) not in self.withdrawn

    def _is_encodable(self, edits: Sequence[Edit]) -> bool:
        try:
            self.source.encode("".join(edit.content for edit in edits))
        except SourceError:
            return False
        return True

    def _apply(self, source: Source, chosen: Sequence[Diagnostic]) -> Source:
        """The source with the fixes applied, less those that would keep it from parsing."""
        after = _edited(source, chosen)
        if _breakage(after) <= _breakage(source):
            self.applied += chosen
            return after
        kept: list[Diagnostic] = []
        for diagnostic in chosen:
            if _breakage(_edited(source, [*kept, diagnostic])) <= _breakage(source):
                kept.append(diagnostic)
            else:
                message = (
                    f"the fix of {diagnostic.code} {diagnostic.name} was withdrawn: the file would not parse any more"
                )
                self.withdrawn[self._key(diagnostic)] = _failure(diagnostic, message)
        self.applied += kept
        return _edited(source, kept) if kept else source

    def _key(self, diagnostic: Diagnostic) -> tuple[object, ...]:
        """What stays of a finding when code above it changes."""
        line = self.source.line(diagnostic.span.row)
        return (diagnostic.code, diagnostic.message, line, diagnostic.span.column)


def _edits(diagnostic: Diagnostic) -> Sequence[Edit]:
    return diagnostic.fix.edits if diagnostic.fix is not None else ()


def _start(diagnostic: Diagnostic) -> int:
    return min(edit.span.start for edit in _edits(diagnostic))


def _touch(one: Edit, other: Edit) -> bool:
    """Whether two edits speak about the same characters, or about the same place between two."""
    a, b = one.span, other.span
    if a.start == a.end or b.start == b.end:
        return a.start <= b.end and b.start <= a.end
    return a.start < b.end and b.start < a.end


def _edited(source: Source, diagnostics: Sequence[Diagnostic]) -> Source:
    return source.edited(edit for diagnostic in diagnostics for edit in _edits(diagnostic))


def _breakage(source: Source) -> int:
    """How much of a source does not parse: the cells of a notebook count one by one."""
    try:
        parse(source)
    except ParseProblem:
        return len(broken_cells(source)) or 1
    return 0


def _failure(diagnostic: Diagnostic, message: str) -> Diagnostic:
    return Diagnostic(*INTERNAL, message, Severity.ERROR, diagnostic.filename, diagnostic.span, internal=True)


# -- to disk -------------------------------------------------------------------


def write(path: Path, old: bytes, new: bytes) -> None:
    """Replace a file's bytes, at once and wholly, if they are still `old`.

    A link is followed. The mode is kept, and so is the owner where the system allows it. Of several
    processes that write the same file one succeeds and the others find it changed.

    Raises:
        FixError: the file changed, is gone or read-only, or cannot be written. It is as it was.
    """
    target = Path(os.path.realpath(path))
    try:
        with _locked(target) as present:
            if present == new:
                return
            if present != old:
                raise FixError("it changed while it was being fixed; left alone")
            if not os.access(target, os.W_OK):
                raise FixError("it is read-only")
            _replace(target, old, new)
    except FileNotFoundError:
        raise FixError("it disappeared while it was being fixed") from None
    except OSError as error:
        raise FixError(f"{error.strerror or type(error).__name__}; left as it was") from None


def put(path: Path, data: bytes) -> None:
    """Write a file at once and wholly, whatever stood there before. A link is followed; a device or pipe is written to.

    Raises:
        FixError: it cannot be written. What was there is there still.
    """
    try:
        if path.exists() and not path.is_file():
            # Not where a link to it leads: `/dev/stdout` leads to a name that only the system understands.
            path.write_bytes(data)
            return
        target = Path(os.path.realpath(path))
        if target.exists() and not os.access(target, os.W_OK):
            raise FixError("it is read-only")
        _replace(target, None, data)
    except OSError as error:
        raise FixError(error.strerror or type(error).__name__) from None


def _replace(target: Path, old: bytes | None, new: bytes) -> None:
    """Put `new` in a file's place, keeping mode and owner; `old` is what it must hold until then, if anything."""
    status = target.stat() if old is not None or target.exists() else None
    descriptor, temporary = tempfile.mkstemp(prefix=".torchlint-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
        if status is None:
            os.chmod(temporary, 0o666 & ~_umask())
        else:
            if hasattr(os, "chown"):
                with suppress(OSError):
                    os.chown(temporary, status.st_uid, status.st_gid)
            os.chmod(temporary, stat.S_IMODE(status.st_mode))
        # Editors know nothing of the lock: look once more, as late as can be.
        if old is not None and target.read_bytes() != old:
            raise FixError("it changed while it was being fixed; left alone")
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


if sys.platform == "win32":

    @contextmanager
    def _locked(target: Path) -> Iterator[bytes]:
        """The file's bytes, under a lock that no other writer of ours holds.

        An open file cannot be replaced on Windows, so the lock is a file of its own.
        """
        name = f"torchlint-{md5(str(target).lower().encode(), usedforsecurity=False).hexdigest()}.lock"
        with open(os.path.join(tempfile.gettempdir(), name), "a+b") as lock:
            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield target.read_bytes()
            finally:
                lock.seek(0)
                msvcrt.locking(lock.fileno(), msvcrt.LK_UNLCK, 1)

else:

    @contextmanager
    def _locked(target: Path) -> Iterator[bytes]:
        """The file's bytes, under a lock that no other writer of ours holds."""
        while True:
            with open(target, "rb") as file:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                # Whoever held the lock before may have put another file in this one's place.
                if os.path.samestat(os.fstat(file.fileno()), target.stat()):
                    yield file.read()
                    return
