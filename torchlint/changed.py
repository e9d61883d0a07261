"""What changed since a revision of git: which rows of which files.

Rows are told as git counts them: a line feed ends one.
"""

import os
import re
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from torchlint.diagnostic import Diagnostic, Span
from torchlint.discover import SUFFIXES
from torchlint.source import Source

# A syntax error often shows far from the line that made it.
SYNTAX_ERROR = "TL000"
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
_DIFF = (
    # What a user's configuration may say otherwise is said here; only files with rows matter.
    "diff", "-U0", "--inter-hunk-context=0", "--no-color", "--no-ext-diff", "--no-textconv", "--text",
    "--find-renames", "--diff-filter=d", "--ignore-submodules=all",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


class GitError(Exception):
    """git could not say what changed. The message is one line for the reader."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The rows that changed in each file, as ranges; None for a file that git did not know. Paths are real ones."""

    rows: Mapping[str, tuple[range, ...] | None]

    def __contains__(self, path: str) -> bool:
        """Whether anything changed in a file (an absolute path)."""
        return os.path.realpath(path) in self.rows

    def touched(self, path: str, source: Source, original: Source, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """The findings in a file that stand on a row that changed, or rest on one of the same file.

        Args:
            original: the source as it is on disk; what fixes made other in `source` counts as changed too.

        Syntax errors and failures of torchlint are always among them.
        """
        ranges = self.rows.get(os.path.realpath(path), ())
        if ranges is None:
            return list(found)
        if source is not original:
            ranges = _carried(ranges, original.file_text, source.file_text)
        ends = [match.start() for match in re.finditer("\n", source.file_text)]

        def changed(span: Span) -> bool:
            place = source.in_file(span)
            first, last = bisect_right(ends, place.start - 1), bisect_right(ends, max(place.start, place.end - 1) - 1)
            return any(first + 1 < rows.stop and rows.start <= last + 1 for rows in ranges)

        return [
            one
            for one in found
            if one.internal
            or one.code == SYNTAX_ERROR
            or changed(one.span)
            or any(changed(place.span) for place in one.related if place.filename == one.filename)
        ]


def changes_since(revision: str, paths: Sequence[str], files: Iterable[str]) -> Changes:
    """What changed in files since a revision, as far as it is on disk: committed, staged or neither.

    Args:
        revision: whatever git takes for a commit; `main...` is where the branch left main.
        paths: the paths that were asked for (absolute), which lie in one repository.
        files: the files found there (absolute). Those of repositories within are left out.

    Raises:
        GitError: there is no git, no repository or no such revision, or the paths lie in several repositories.
    """
    root = _repository(paths)
    git = _Git(root)
    commit = git.commit(revision)
    here = [os.path.realpath(file) for file in files]
    roots: dict[str, str | None] = {}
    here = [file for file in here if _root_of(os.path.dirname(file), roots) == root]
    specs = [f":(icase)*{suffix}" for suffix in SUFFIXES]
    specs += [f":(literal){_below(root, file)}" for file in here if not file.lower().endswith(SUFFIXES)]
    changed = _rows(git(*_DIFF, commit, "--", *specs))
    tracked = set(git("ls-files", "-z", "--", *specs).split(b"\0"))
    rows: dict[str, tuple[range, ...] | None] = {}
    for file in here:
        name = os.fsencode(_below(root, file))
        if name not in tracked:
            rows[file] = None
        elif name in changed:
            rows[file] = tuple(changed[name])
    return Changes(rows)


class _Git:
    def __init__(self, root: str) -> None:
        program = shutil.which("git")
        if program is None:
            raise GitError("--since needs git, which is not installed")
        self.command = [program, "--no-pager", "-C", root, "-c", "core.quotePath=false"]
        # Those that git sets for its hooks may speak of another repository, or change how paths are read.
        self.environment = {name: value for name, value in os.environ.items() if not _is_about_repository(name)}
        self.environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}

    def __call__(self, *arguments: str) -> bytes:
        done = self._run(arguments)
        if done.returncode:
            raise GitError(f"git {arguments[0]}: {_first_line(done.stderr) or f'exit code {done.returncode}'}")
        return done.stdout

    def commit(self, revision: str) -> str:
        """The hash of a commit, which no one can take for an option."""
        base, dots, head = revision.partition("...")
        if dots:
            ends = [self._resolved(base or "HEAD", revision), self._resolved(head or "HEAD", revision)]
            done = self._run(("merge-base", *ends))
            if done.returncode:
                raise GitError(f"--since {revision}: the two have no commit in common")
            return done.stdout.decode("ascii").strip()
        return self._resolved(revision, revision)

    def _resolved(self, name: str, shown: str) -> str:
        if "\0" in name:
            raise GitError("--since: a revision holds no NUL")
        done = self._run(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"))
        commit = done.stdout.decode("ascii", "replace").strip()
        if done.returncode or not re.fullmatch("[0-9a-f]{40,64}", commit):
            reason = _first_line(done.stderr)
            raise GitError(f"--since {shown}: {reason or 'there is no such revision'}")
        return commit

    def _run(self, arguments: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(
                [*self.command, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise GitError(f"git cannot be run: {error.strerror or type(error).__name__}") from None


def _is_about_repository(name: str) -> bool:
    return name in {
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
        "GIT_NAMESPACE", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS",
    } or name.endswith("_PATHSPECS")  # fmt: skip


def _first_line(message: bytes) -> str:
    lines = message.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ").removeprefix("error: ") if lines else ""


def _repository(paths: Sequence[str]) -> str:
    """The root of the repository that all paths lie in, a real path."""
    known: dict[str, str | None] = {}
    roots = {}
    for path in paths:
        real = os.path.realpath(path)
        root = _root_of(real if os.path.isdir(real) else os.path.dirname(real), known)
        if root is None:
            raise GitError(f"--since: {path} is not in a git repository")
        roots[root] = path
    if len(roots) > 1:
        one, other, *_ = roots.values()
        raise GitError(f"--since: {one} and {other} lie in different git repositories")
    (root,) = roots
    return root


def _root_of(folder: str, known: dict[str, str | None]) -> str | None:
    """The folder with `.git` that a folder (a real path) lies in."""
    if folder not in known:
        parent = os.path.dirname(folder)
        if os.path.lexists(os.path.join(folder, ".git")):
            known[folder] = folder
        else:
            known[folder] = None if parent == folder else _root_of(parent, known)
    return known[folder]


def _below(root: str, file: str) -> str:
    return os.path.relpath(file, root).replace(os.sep, "/")


def _rows(patch: bytes) -> dict[bytes, list[range]]:
    """The rows that a patch without context adds, by file name. Goes by counts, for code may look like a patch."""
    changed: dict[bytes, list[range]] = {}
    rows: list[range] = []
    lines = iter(patch.split(b"\n"))
    for line in lines:
        hunk = _HUNK.match(line)
        if line.startswith(b"+++ "):
            rows = changed.setdefault(_name(line[4:]), [])
        elif hunk:
            removed, start, added = (1 if group is None else int(group) for group in hunk.groups())
            if added:
                rows.append(range(start, start + added))
            for _ in range(removed + added):
                line = next(lines, b"")
                if line.startswith(b"\\"):  # no newline at the end of the old file; does not count
                    next(lines, b"")
    return changed


def _name(text: bytes) -> bytes:
    """The name in a head of a patch: without quotes, escapes, the prefix, and the tab after a name with blanks."""
    if text.startswith(b'"'):
        text = re.sub(rb"\\([0-7]{3}|.)", _unescaped, text[1 : text.rindex(b'"')])
    else:
        text = text.removesuffix(b"\t")
    return text.removeprefix(b"b/")


def _unescaped(match: "re.Match[bytes]") -> bytes:
    sign = match.group(1)
    return bytes([int(sign, 8) if len(sign) == 3 else _ESCAPES.get(sign, sign[0])])


def _carried(ranges: Sequence[range], before: str, after: str) -> tuple[range, ...]:
    """Ranges of rows of a text as rows of what fixes made of it; rows that the fixes wrote are added."""
    old, new = before.split("\n"), after.split("\n")
    rows: list[range] = []
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            rows.append(range(new_start + 1, new_end + 1))
            continue
        shift = new_start - start
        for part in ranges:
            kept = range(max(part.start, start + 1) + shift, min(part.stop, end + 1) + shift)
            if kept:
                rows.append(kept)
    return tuple(rows)
