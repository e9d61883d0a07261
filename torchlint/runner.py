"""Many files: which rules hold for each, linting them in one process or several, and writing fixes.

Results come in the order of the files, whatever the number of processes. In a run that fixes, every
file is linted before any is written, so that no finding depends on which file came first.
"""

import gc
import importlib
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import diff_bytes, unified_diff
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from torchlint import notebook
from torchlint.baseline import Baseline, Entry
from torchlint.changed import Changes
from torchlint.config import ConfigError, Settings, shown_path
from torchlint.diagnostic import Diagnostic, Severity, Span
from torchlint.discover import File
from torchlint.registry import Registry, RegistryError, load
from torchlint.source import Source, SourceError

if TYPE_CHECKING:
    from torchlint.rule import Rule
    from torchlint.semantic.project import Project

FEWEST_FOR_POOL = 20
CHUNKS_PER_WORKER = 4
# Garbage is collected after so many bytes of source, not whenever so many objects were made: trees
# are large and free of cycles, and looking through them time and again costs a tenth of the run.
BYTES_PER_COLLECTION = 700_000
SYNTAX = ("TL000", "syntax-error")
INTERNAL = ("TL001", "internal-error")
UNREADABLE = ("TL003", "unreadable-file")

# Without these bytes there is no suppression comment that could be unused.
_SUPPRESSION = re.compile(rb"torchlint:|noqa[^\r\n]*TL", re.IGNORECASE)

START = Span(0, 0, 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Request:
    """What a run asks for of every file.

    `fix`: find out what fixes make of each file; writing them is for `write`. Findings that the
    `baseline` covers, or that do not lie on `changes`, are left out, and not fixed either. `run` tells
    one run from another in workers that outlive it.
    """

    cwd: str
    fix: bool = False
    plugins: bool = True
    debug: bool = False
    baseline: Baseline | None = None
    changes: Changes | None = None
    run: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Change:
    """What fixes made of a file, and the findings, and entries of the baseline, that it had before."""

    before: bytes
    after: bytes
    found: tuple[Diagnostic, ...]
    known: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of a file.

    `source` is the text that the findings are about, kept only where there are any. `fixed` are the
    findings that fixes repaired; `change` is None where nothing changes. `known` are the entries of the
    baseline that covered findings, which `diagnostics` is without.
    """

    file: File
    diagnostics: tuple[Diagnostic, ...] = ()
    source: Source | None = None
    fixed: tuple[Diagnostic, ...] = ()
    change: Change | None = None
    known: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Left:
    diagnostics: list[Diagnostic]
    known: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Selection:
    """`all_files`: whether files without anything of torch are parsed too: syntax errors were asked for by name."""

    rules: tuple[type["Rule"], ...]
    codes: frozenset[str]
    severities: Mapping[str, Severity]
    all_files: bool


class Checker:
    """Lints files one at a time; keeps what it learnt of imported files from one to the next."""

    def __init__(self, request: Request, registry: Registry) -> None:
        self.request = request
        self.registry = registry
        self._selections: dict[tuple[Settings, tuple[str, ...]], _Selection] = {}
        self._projects: dict[tuple[str, ...], Project] = {}
        self._uncollected = 0

    def validate(self, settings: Settings) -> None:
        """See that all selectors are known.

        Raises:
            ConfigError: one is not; says which file and key it stands in.
        """
        lists: list[tuple[str, Sequence[str]]] = [
            ("select", settings.select or ()),
            ("ignore", settings.ignore),
            ("extend-select", settings.extend_select),
        ]
        lists += [("per-file-ignores", ignores.selectors) for ignores in settings.per_file_ignores]
        for key, selectors in lists:
            for selector in selectors:
                try:
                    self.registry.select([selector], [])
                except RegistryError as error:
                    origin = settings.origin(key)
                    if origin == "default":
                        origin = settings.origin(f"extend-{key}")
                    raise ConfigError(f"{origin}: `{key}`: {error}") from None
        for pair in settings.severity:
            try:
                self.registry.severities([pair])
            except RegistryError as error:
                raise ConfigError(f"{settings.origin('severity')}: `severity`: {error}") from None

    def codes(self, file: File) -> frozenset[str]:
        """The codes of what is looked for in a file."""
        return self._selection(file).codes

    def may_apply(self, file: File, data: bytes) -> bool:
        """Whether linting these bytes can find anything; asked without decoding them."""
        selection = self._selection(file)
        if selection.all_files:
            return True
        return any(rule.may_apply(data) for rule in selection.rules) or bool(_SUPPRESSION.search(data))

    def check(self, file: File, data: bytes) -> FileResult:
        """Lint a file's bytes, and see what fixes make of them where the run asks for that."""
        try:
            return self._check(file, data)
        except Exception as error:
            # One file must not stop the others.
            if self.request.debug:
                raise
            text = f"{type(error).__name__}: {error}".strip(": ").splitlines()[0]
            return FileResult(file, (problem(file, *INTERNAL, text, internal=True),))

    def _check(self, file: File, data: bytes) -> FileResult:
        try:
            source = notebook.load(file.name, data)
        except notebook.NotebookError as error:
            return FileResult(file, (problem(file, *UNREADABLE, str(error), internal=True),))
        except SourceError as error:
            found = problem(file, *SYNTAX, str(error))
            return FileResult(file, (found,) if found.code in self._selection(file).codes else ())
        if not self.may_apply(file, source.text.encode("utf-8", "surrogatepass") if source.cells else data):
            return FileResult(file)
        self._uncollected += len(data)
        if self._uncollected > BYTES_PER_COLLECTION:
            self._uncollected = 0
            gc.collect()
        return self._fix(file, data, source) if self.request.fix else self._lint_only(file, source)

    def _lint_only(self, file: File, source: Source) -> FileResult:
        left = self._left(file, source, source)
        diagnostics = tuple(left.diagnostics)
        return FileResult(file, diagnostics, source if diagnostics else None, known=left.known)

    def _fix(self, file: File, data: bytes, source: Source) -> FileResult:
        from torchlint.fixer import fix

        rounds: list[_Left] = []

        def lint(text: Source) -> list[Diagnostic]:
            rounds.append(self._left(file, text, source))
            return rounds[-1].diagnostics

        result = fix(source, lint, unsafe=file.settings.unsafe_fixes)
        remaining, known = result.remaining, rounds[-1].known
        after = result.source.data
        if after == data:
            return FileResult(file, remaining, source if remaining else None, known=known)
        change = Change(data, after, tuple(rounds[0].diagnostics), rounds[0].known)
        return FileResult(file, remaining, result.source if remaining else None, result.applied, change, known)

    def _left(self, file: File, source: Source, original: Source) -> "_Left":
        """The findings of a source that neither the baseline nor what did not change takes away.

        `original` is the source as it was before any fix.
        """
        baseline, changes = self.request.baseline, self.request.changes
        found = [self._shown(one) for one in self.lint(file, source)]
        touched = found if changes is None else changes.touched(file.path, source, original, found)
        if baseline is None:
            return _Left(touched, ())
        # Of findings that look alike, the baseline means those on lines that did not change.
        here = set(touched)
        unknown, known = baseline.split(file.path, source, sorted(found, key=lambda one: one in here))
        news = set(unknown)
        return _Left([one for one in touched if one in news], known)

    def lint(self, file: File, source: Source, project: "Project | None" = None) -> list[Diagnostic]:
        """The findings in a source that stands for a file; related files are called by their absolute paths.

        `project` is where its imports come from; without one, from the files on disk.
        """
        from torchlint.linter import lint
        from torchlint.semantic.project import Project

        if project is None:
            roots = file.settings.src
            if roots not in self._projects:
                self._projects[roots] = Project(_read_or_none, [_with_slashes(root) for root in roots])
            project = self._projects[roots]
        path, selection = _with_slashes(file.path), self._selection(file)
        return [
            _with_severity(found, selection.severities)
            for found in lint(
                source,
                selection.rules,
                path=path,
                project=project,
                known=self.registry.known,
                target=file.settings.target,
            )
            # The engine's own findings come whatever was selected.
            if found.internal or found.code in selection.codes
        ]

    def _selection(self, file: File) -> "_Selection":
        """What holds for a file: the selection of its settings without what is ignored in it."""
        settings = file.settings
        ignored = tuple(
            selector
            for ignores in settings.per_file_ignores
            if ignores.applies(file.path)
            for selector in ignores.selectors
        )
        selection = self._selections.get((settings, ignored))
        if selection is None:
            # An empty `select` selects nothing, while the registry takes it for the default.
            nothing = ("ALL",) if settings.select == () else ()
            codes = self.registry.selected_codes(
                settings.select or (), (*nothing, *settings.ignore), settings.extend_select
            )
            codes -= {code for code in codes if any(self.registry.matches(selector, code) for selector in ignored)}
            rules = tuple(rule for rule in self.registry.rules if rule.code in codes)
            severities = self.registry.severities(settings.severity)
            all_files = any(map(self._means_syntax, (*(settings.select or ()), *settings.extend_select)))
            selection = _Selection(rules, codes, severities, all_files and SYNTAX[0] in codes)
            self._selections[settings, ignored] = selection
        return selection

    def _means_syntax(self, selector: str) -> bool:
        """Whether a selector speaks of syntax errors and of no rule."""
        matches = self.registry.matches
        return matches(selector, SYNTAX[0]) and not any(matches(selector, rule) for rule in self.registry.rules)

    def _shown(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with the names of related files as a reader wants them."""
        if not any(os.path.isabs(place.filename) for place in diagnostic.related):
            return diagnostic
        related = tuple(
            replace(place, filename=shown_path(place.filename, self.request.cwd)) for place in diagnostic.related
        )
        return replace(diagnostic, related=related)


def _with_severity(diagnostic: Diagnostic, severities: Mapping[str, Severity]) -> Diagnostic:
    """The diagnostic with the severity that the settings give it."""
    severity = severities.get(diagnostic.code, diagnostic.severity)
    is_as_set = severity is diagnostic.severity or diagnostic.internal
    return diagnostic if is_as_set else replace(diagnostic, severity=severity)


def run(
    files: Sequence[File],
    request: Request,
    registry: Registry,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[FileResult]:
    """Lint files; one result each, in their order. Writes nothing.

    `jobs` processes share the work where there is enough of it, or an `executor` that was given does.
    `progress` is told how many of how many files are done.
    """
    checker = Checker(request, registry)
    results: dict[int, FileResult] = {}
    pending: list[tuple[int, int]] = []  # index and size
    contents: dict[int, bytes] = {}
    for index, file in enumerate(files):
        data = _read(file)
        if isinstance(data, FileResult):
            results[index] = data
        elif not notebook.is_notebook(file.name) and not checker.may_apply(file, data):
            results[index] = checker.check(file, data)
        else:
            pending.append((index, len(data)))
            if len(pending) < FEWEST_FOR_POOL:  # with more, only memory would be spent on keeping them
                contents[index] = data

    def note(index: int, result: FileResult) -> None:
        results[index] = result
        progress(len(results), len(files))

    if executor is not None:
        for index, result in _spread(files, pending, request, executor, jobs):
            note(index, result)
    elif jobs > 1 and len(pending) >= FEWEST_FOR_POOL:
        # Forked workers find everything imported and built already.
        importlib.import_module("torchlint.linter")
        _worker.run, _worker.checker = request.run, checker
        with _pool(jobs) as pool:
            for index, result in _spread(files, pending, request, pool, jobs):
                note(index, result)
    else:
        with _no_collector():
            for index, _ in pending:
                data = contents.pop(index, None) or _read(files[index])
                note(index, data if isinstance(data, FileResult) else checker.check(files[index], data))
    return [results[index] for index in range(len(files))]


def check_files(request: Request, files: Sequence[File]) -> list[FileResult]:
    """What a worker does: read and lint files. Builds its own registry, for rules do not travel."""
    if _worker.run != request.run or _worker.checker is None:
        _worker.run, _worker.checker = request.run, Checker(request, load(plugins=request.plugins))
    results: list[FileResult] = []
    with _no_collector():
        for file in files:
            data = _read(file)
            results.append(data if isinstance(data, FileResult) else _worker.checker.check(file, data))
    return results


def write(results: Sequence[FileResult]) -> list[FileResult]:
    """Write what fixes made of each file. A file that cannot be written keeps its findings, and says so."""
    from torchlint.fixer import FixError
    from torchlint.fixer import write as write_file

    written: list[FileResult] = []
    for result in results:
        change = result.change
        if change is not None:
            try:
                write_file(Path(result.file.path), change.before, change.after)
            except FixError as error:
                failure = problem(result.file, *UNREADABLE, f"the fixes were not written: {error}", internal=True)
                source = notebook.load(result.file.name, change.before)
                result = FileResult(result.file, (failure, *change.found), source, known=change.known)
        written.append(result)
    return written


def diff(result: FileResult) -> bytes:
    """The change of a file as a patch that `git apply` and `patch -p1` accept; empty without a change."""
    if result.change is None:
        return b""
    lines = diff_bytes(
        unified_diff,
        _lines(result.change.before),
        _lines(result.change.after),
        _patch_name("a/", result.file.name),
        _patch_name("b/", result.file.name),
    )
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


def problem(file: File, code: str, name: str, message: str, *, internal: bool = False) -> Diagnostic:
    """A diagnostic about a file as a whole."""
    return Diagnostic(code, name, message, Severity.ERROR, file.name, START, internal=internal)


@contextmanager
def _no_collector() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Worker(threading.local):
    run: str = ""
    checker: Checker | None = None


_worker = _Worker()


def _start_worker() -> None:
    # The parent answers for Ctrl-C; a worker just ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context()
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["torchlint.linter"])
    strangers = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - strangers:
            worker.terminate()
        raise
    pool.shutdown()


def _spread(
    files: Sequence[File],
    pending: Sequence[tuple[int, int]],
    request: Request,
    executor: Executor,
    jobs: int,
) -> Iterator[tuple[int, FileResult]]:
    """Results as they come in, with the index of their file."""
    lost: list[list[int]] = []
    futures: dict[Future[list[FileResult]], list[int]] = {}
    for chunk in _chunks(pending, jobs * CHUNKS_PER_WORKER):
        try:
            futures[executor.submit(check_files, request, [files[index] for index in chunk])] = chunk
        except BrokenExecutor:
            lost.append(chunk)
    for future in as_completed(futures):
        try:
            yield from zip(futures[future], future.result(), strict=True)
        except BrokenExecutor:
            lost.append(futures[future])
    for chunk in sorted(lost):
        yield from zip(chunk, _survive([files[index] for index in chunk], request), strict=True)


def _chunks(pending: Sequence[tuple[int, int]], parts: int) -> Iterator[list[int]]:
    """Runs of neighbouring files, about equal in bytes: what neighbours import is parsed once a worker."""
    share = sum(size for _, size in pending) / parts
    chunk: list[int] = []
    filled = 0
    for index, size in pending:
        chunk.append(index)
        filled += size
        if filled >= share:
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk


def _survive(files: Sequence[File], request: Request) -> list[FileResult]:
    """Results of files of which one may kill its worker: that one is found by halving, and named."""
    try:
        with _pool(1) as pool:
            return pool.submit(check_files, request, files).result()
    except BrokenExecutor:
        if len(files) == 1:
            message = "the process that linted this file died; was it out of memory, or the code nested very deep?"
            return [FileResult(files[0], (problem(files[0], *INTERNAL, message, internal=True),))]
    half = len(files) // 2
    return [*_survive(files[:half], request), *_survive(files[half:], request)]


def _read(file: File) -> bytes | FileResult:
    """A file's bytes, or what to report in their place."""
    try:
        return Path(file.path).read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or type(error).__name__}"
        return FileResult(file, (problem(file, *UNREADABLE, message, internal=True),))


def _read_or_none(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _with_slashes(path: str) -> str:
    return path.replace(os.sep, "/")


def _lines(data: bytes) -> list[bytes]:
    """Lines as git sees them: a line feed ends one, a carriage return does not."""
    return [line for line in re.split(rb"(?<=\n)", data) if line]


def _patch_name(prefix: str, name: str) -> bytes:
    """A file's name for the head of a patch, quoted as git does where it must be."""
    path = os.fsencode(prefix + _with_slashes(name))
    if re.search(rb'[\x00-\x1f\x7f"\\]', path):
        quoted = re.sub(rb'[\x00-\x1f\x7f"\\]', lambda match: b"\\%03o" % match.group()[0], path)
        return b'"' + quoted + b'"'
    return path + b"\t" if b" " in path else path  # the tab says where a name with blanks ends
