"""Linting for the editor: one document at a time, in one thread, with what was learnt of other files kept.

Each document has a project of its own, which lives as long as all files that it looked at are as they were. So
a document that is typed in finds its imports understood, and is never linted by what they said before.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from torchlint import baseline
from torchlint.config import ConfigError, Settings
from torchlint.diagnostic import Diagnostic, Related
from torchlint.discover import File
from torchlint.registry import Registry, load
from torchlint.report.lsp import Encoding, diagnostic, range_in, range_without_text, uri_of
from torchlint.runner import Checker, Request
from torchlint.semantic.project import Project
from torchlint.server.buffers import Open, Reader
from torchlint.server.settings import Workspace
from torchlint.server.snapshot import Snapshot
from torchlint.server.trees import KeptTrees
from torchlint.source import Source, SourceError

# Garbage is collected after so many characters of source if there is no rest before. That is worth 100 MB at most.
CHARACTERS_PER_COLLECTION = 2_000_000


@dataclass(frozen=True)
class Result:
    """What came of a lint.

    Attributes:
        snapshot: what was linted.
        found: the findings.
        items: for each text of the document, by its URI, the findings as the protocol's diagnostics.
        looked_at: the paths of other files that the findings rest on.
        problems: what is to be told to the user, a line each.
        failures: what is for the log, a line each.
    """

    snapshot: Snapshot
    found: tuple[Diagnostic, ...] = ()
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    looked_at: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    def result_id(self, uri: str) -> str:
        """The same for the same diagnostics of a text."""
        return blake2b(msgspec.json.encode(self.items.get(uri, [])), digest_size=12).hexdigest()


@dataclass
class _Memory:
    """What is kept of a document from one lint to the next."""

    reader: Reader
    project: Project
    roots: tuple[str, ...]
    result: Result | None = None
    settings: Settings | None = None
    problem: str | None = None


class Linter:
    """Lints documents. All methods are for one thread; only `workspace` and `encoding` are set from outside."""

    def __init__(self) -> None:
        self.workspace = Workspace()
        self.encoding: Encoding = "utf-16"
        self._checker: Checker | None = None
        self._plugins: bool | None = None
        self._asked: Workspace | None = None
        self._memories: dict[str, _Memory] = {}
        self._trees = KeptTrees()
        self._uncollected = 0

    @property
    def is_untidy(self) -> bool:
        """Whether it is time to tidy up, though there is more to do."""
        return self._uncollected > CHARACTERS_PER_COLLECTION

    def lint(self, snapshot: Snapshot, buffers: Open) -> Result:
        """Lint a document, or give what came of it last if nothing has changed since."""
        checker, problems = self._prepared(self.workspace)
        settings, problem = self._settings(self.workspace, checker, snapshot)
        memory = self._memory(snapshot, settings, buffers)
        last = memory.result
        if (
            last is not None
            and last.snapshot.serial == snapshot.serial
            and (memory.settings, memory.problem) == (settings, problem)
        ):
            return last
        notes = [*problems, *([problem] if problem else [])]
        found: list[Diagnostic] = []
        failures: list[str] = []
        if snapshot.path is None or not self.workspace.excludes(snapshot.path, settings):
            try:
                found = self._found(checker, snapshot, settings, memory)
            except baseline.BaselineError as error:
                notes.append(str(error))
            except Exception as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                failures.append(f"{snapshot.name} could not be linted: {text}")
        failures += [f"{one.filename}: {one.message}" for one in found if one.internal]
        seen = frozenset(memory.reader.seen) - {snapshot.path}
        items = self._items(snapshot, found, memory.reader)
        result = Result(snapshot, tuple(found), items, seen, tuple(notes), tuple(failures))
        memory.result, memory.settings, memory.problem = result, settings, problem
        return result

    def fix_all(self, snapshot: Snapshot, buffers: Open) -> list[dict[str, Any]]:
        """The edits (`uri`, `range` and `newText`) that all safe fixes make together."""
        from torchlint.fixer import fix

        checker, _ = self._prepared(self.workspace)
        settings, _ = self._settings(self.workspace, checker, snapshot)
        if snapshot.path is not None and self.workspace.excludes(snapshot.path, settings):
            return []
        memory = self._memory(snapshot, settings, buffers)
        file = self._file(snapshot, settings)
        try:
            source = snapshot.source
        except SourceError:
            return []
        result = fix(source, lambda text: checker.lint(file, text, memory.project), unsafe=False)
        return snapshot.changes(result.source, self.encoding)

    def forget(self, key: str) -> None:
        """A document was closed."""
        memory = self._memories.pop(key, None)
        if memory is not None and memory.result is not None:
            self._trees.forget(memory.result.snapshot.name)

    def tidy(self) -> None:
        """Prepare for the next edit, and collect garbage; for when there is nothing else to do."""
        for memory in self._memories.values():
            if memory.result is not None:
                self._trees.prepare(memory.result.snapshot.name)
        self._uncollected = 0
        gc.collect()

    def registry(self) -> Registry:
        """The rules."""
        return self._prepared(self.workspace)[0].registry

    # -- settings --------------------------------------------------------------

    def _prepared(self, workspace: Workspace) -> tuple[Checker, Sequence[str]]:
        if self._asked is not workspace or self._checker is None:
            self._asked = workspace
            plugins = workspace.plugins
            if self._checker is None or plugins != self._plugins:
                self._plugins = plugins
                self._checker = Checker(Request("", plugins=plugins), load(plugins=plugins))
            for memory in self._memories.values():
                memory.result = None
        return self._checker, self._checker.registry.problems

    def _settings(self, workspace: Workspace, checker: Checker, snapshot: Snapshot) -> tuple[Settings, str | None]:
        settings, problem = workspace.settings(snapshot.path)
        try:
            checker.validate(settings)
        except ConfigError as error:
            problem = str(error)
            settings = workspace.reject(snapshot.path, problem)
        return settings, problem

    def _file(self, snapshot: Snapshot, settings: Settings) -> File:
        path = snapshot.path or f"{self.workspace.root(None)}/{snapshot.key.replace('/', '_').replace(':', '_')}"
        return File(path, snapshot.name, settings)

    # -- linting ---------------------------------------------------------------

    def _memory(self, snapshot: Snapshot, settings: Settings, buffers: Open) -> _Memory:
        memory = self._memories.get(snapshot.key)
        roots = tuple(root.replace("\\", "/") for root in settings.src)
        if memory is None or memory.roots != roots or not memory.reader.is_current(buffers):
            reader = Reader(buffers)
            memory = _Memory(reader, Project(reader, roots, self._trees), roots)
            self._memories[snapshot.key] = memory
        return memory

    def _found(self, checker: Checker, snapshot: Snapshot, settings: Settings, memory: _Memory) -> list[Diagnostic]:
        file = self._file(snapshot, settings)
        try:
            source = snapshot.source
        except SourceError:
            return []  # the JSON of a notebook that is being written
        self._uncollected += len(source.text)
        if not checker.may_apply(file, source.text.encode("utf-8", "surrogatepass")):
            return []
        found = checker.lint(file, source, memory.project)
        if settings.baseline is None:
            return found
        memory.reader(settings.baseline)  # when it changes, so do the findings
        known = baseline.load(settings.baseline, settings.baseline)
        return known.split(file.path, source, found)[0]

    # -- to the protocol ---------------------------------------------------------

    def _items(
        self, snapshot: Snapshot, found: Sequence[Diagnostic], reader: Callable[[str], bytes | None]
    ) -> dict[str, list[dict[str, Any]]]:
        items: dict[str, list[dict[str, Any]]] = {part.uri: [] for part in snapshot.parts}
        others: dict[str, Source | None] = {}

        def related(place: Related) -> tuple[str, dict[str, Any]]:
            if place.filename == snapshot.name:
                return snapshot.locate(place.span, self.encoding)
            if place.filename not in others:
                others[place.filename] = _source(place.filename, reader(place.filename))
            other = others[place.filename]
            if other is None:
                return uri_of(place.filename), range_without_text(place.span)
            return uri_of(place.filename), range_in(other, place.span, self.encoding)

        for one in found if snapshot.parts else ():
            part, _ = snapshot.place(one.span)
            made = diagnostic(
                one,
                lambda span: snapshot.locate(span, self.encoding),
                related,
                lambda edits: snapshot.edits(edits, self.encoding),
            )
            made["data"]["version"] = part.version
            items[part.uri].append(made)
        return items


def _source(path: str, data: bytes | None) -> Source | None:
    try:
        return None if data is None else Source.from_bytes(path, data)
    except SourceError:
        return None
