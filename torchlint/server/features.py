"""The language server: what the client says, and what it is answered."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from torchlint import __version__
from torchlint.config import ConfigError
from torchlint.report.lsp import range_in
from torchlint.server import actions
from torchlint.server.delivery import Delivery
from torchlint.server.documents import Documents, UnknownDocument, key_of, path_of
from torchlint.server.lint import Linter, Result
from torchlint.server.positions import offset
from torchlint.server.protocol import Protocol
from torchlint.server.schedule import Schedule
from torchlint.server.settings import (
    CONFIGURATION_FILES,
    SECTION,
    ClientSettings,
    Workspace,
    client_settings,
    is_for_us,
)
from torchlint.server.snapshot import Part

log = logging.getLogger("torchlint")
_T = TypeVar("_T")
WATCHED = (*CONFIGURATION_FILES, ".gitignore", "*.py")
_OF_TEXTS = (types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE, types.TEXT_DOCUMENT_DID_CLOSE)
NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [types.NotebookDocumentFilterWithCells([types.NotebookCellLanguage("python")])]
)


class Server(LanguageServer):
    """One session with one client."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__("torchlint", __version__, notebook_document_sync=NOTEBOOKS, protocol_cls=Protocol)
        self.protocol.documents = self._document_event
        self.documents = Documents()
        self.linter = Linter()
        # One thread, so that nothing that is kept between lints needs a lock.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="torchlint")
        self.schedule = Schedule(self._lint, self._tidy)
        self.delivery = Delivery(self)
        self._client = ClientSettings()
        self._complaints: list[str] = []
        handlers: dict[str, Callable[..., Any]] = {
            types.INITIALIZE: self._initialize,
            types.INITIALIZED: self._initialized,
            types.TEXT_DOCUMENT_HOVER: self._hover,
            types.WORKSPACE_DID_CHANGE_CONFIGURATION: self._change_configuration,
            types.WORKSPACE_DID_CHANGE_WATCHED_FILES: self._change_files,
            types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self._change_folders,
        }
        for name, handler in handlers.items():
            self._on(name, handler)

    # -- beginning -----------------------------------------------------------

    def _initialize(self, params: types.InitializeParams) -> None:
        capabilities = params.capabilities
        encoding = self.protocol.workspace.position_encoding
        for known in ("utf-8", "utf-16", "utf-32"):
            if encoding == known:
                self.documents.encoding = self.linter.encoding = known
        try:
            self._client = client_settings(params.initialization_options)
        except ConfigError as error:
            self._complaints.append(str(error))
        self._set_workspace()
        text = capabilities.text_document
        self.delivery.pulls = text is not None and text.diagnostic is not None
        if self.delivery.pulls:
            options = types.DiagnosticOptions(
                inter_file_dependencies=True, workspace_diagnostics=False, identifier="torchlint"
            )
            self._on(types.TEXT_DOCUMENT_DIAGNOSTIC, self._diagnostic, options)
        kinds = [*actions.KINDS, actions.NOTEBOOK_FIX_ALL]
        self._on(types.TEXT_DOCUMENT_CODE_ACTION, self._code_action, types.CodeActionOptions(code_action_kinds=kinds))

    def _on(self, method: str, handler: Callable[..., Any], options: Any = None) -> None:
        # pygls sets attributes on what it is given, which a bound method does not allow.
        self.feature(method, options)(partial(handler))

    async def _initialized(self, params: types.InitializedParams) -> None:
        for complaint in self._complaints:
            self.delivery.show(complaint)
        workspace = self.client_capabilities.workspace
        registrations = []
        if workspace is not None and _is_dynamic(workspace.did_change_watched_files):
            watchers = [types.FileSystemWatcher(f"**/{pattern}") for pattern in WATCHED]
            registrations.append(
                types.Registration(
                    "torchlint-files",
                    types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                    types.DidChangeWatchedFilesRegistrationOptions(watchers),
                )
            )
        if workspace is not None and _is_dynamic(workspace.did_change_configuration):
            registrations.append(
                types.Registration(
                    "torchlint-settings",
                    types.WORKSPACE_DID_CHANGE_CONFIGURATION,
                    types.DidChangeConfigurationRegistrationOptions(SECTION),
                )
            )
        if registrations:
            self.client_register_capability(types.RegistrationParams(registrations))
        await self._ask_for_settings()

    def _set_workspace(self) -> None:
        """What the client opened and asked for holds from the next lint on."""
        opened = self.protocol.workspace
        uris = [folder.uri for folder in opened.folders.values()]
        if not uris and opened.root_uri is not None:
            uris = [opened.root_uri]
        folders = [path for path in map(path_of, uris) if path is not None]
        self.linter.workspace = Workspace(folders, self._client)

    # -- settings ------------------------------------------------------------

    async def _ask_for_settings(self) -> None:
        workspace = self.client_capabilities.workspace
        if workspace is None or not workspace.configuration:
            return
        item = types.ConfigurationItem(section=SECTION)
        try:
            answer = await self.workspace_configuration_async(types.ConfigurationParams([item]))
        except Exception as error:
            log.warning("the client did not answer workspace/configuration: %s", error)
            return
        if answer and isinstance(answer[0], dict):
            self._take_settings(answer[0])

    async def _change_configuration(self, params: types.DidChangeConfigurationParams) -> None:
        if is_for_us(params.settings):
            self._take_settings(params.settings)
        else:
            await self._ask_for_settings()

    def _take_settings(self, value: object) -> None:
        try:
            client = client_settings(value)
        except ConfigError as error:
            self.delivery.show(str(error))
            return
        if client != self._client:
            self._client = client
            self._set_workspace()
            self.lint_all()

    def _change_folders(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        self._set_workspace()
        self.lint_all()

    def _change_files(self, params: types.DidChangeWatchedFilesParams) -> None:
        self.lint_all()

    # -- documents -----------------------------------------------------------

    def _document_event(self, method: str, params: Any) -> None:
        try:
            self._take_in(method, params)
        except UnknownDocument as error:
            log.warning("%s: %s", method, error)

    def _take_in(self, method: str, params: Any) -> None:
        documents = self.documents
        gone: list[str] = []
        if method == types.TEXT_DOCUMENT_DID_OPEN:
            key = documents.open(params.text_document)
        elif method == types.TEXT_DOCUMENT_DID_CHANGE:
            key = documents.change(params.text_document.uri, params.text_document.version, params.content_changes)
        elif method == types.TEXT_DOCUMENT_DID_CLOSE:
            key, gone = documents.close(params.text_document.uri), [params.text_document.uri]
        elif method == types.NOTEBOOK_DOCUMENT_DID_OPEN:
            key = documents.open_notebook(params)
        elif method == types.NOTEBOOK_DOCUMENT_DID_CHANGE:
            key, gone = documents.change_notebook(params)
        else:
            key, gone = documents.close_notebook(params.notebook_document.uri)
        for uri in gone:
            self.delivery.clear(uri)
        if documents.serial(key) is None:
            self.schedule.forget(key)
            self.delivery.forget(key)
            self._worker.submit(self.linter.forget, key)
        elif not self.delivery.pulls:
            self.schedule.edited(key)
        # Others see this text, or from now on the file on disk. Nothing imports a notebook.
        path = path_of(params.text_document.uri) if method in _OF_TEXTS else None
        if path is not None:
            self._lint_dependents(key, path)

    def _lint_dependents(self, key: str, path: str) -> None:
        dependents = [other for other in self.delivery.looking_at(path) if other != key]
        if self.delivery.pulls and dependents:
            self.delivery.refresh()
        for other in dependents if not self.delivery.pulls else ():
            self.schedule.wanted(other, soon=False)

    # -- linting -------------------------------------------------------------

    def lint_all(self) -> None:
        """Settings or files changed: see what that means for all that is open."""
        if self.delivery.pulls:
            self.delivery.refresh()
            return
        for key in self.documents:
            self.schedule.wanted(key)

    async def in_worker(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do work that belongs to the linting thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    async def _lint(self, key: str) -> None:
        try:
            snapshot = self.documents.snapshot(key)
            if snapshot is None:
                self.delivery.withdraw(key)
                return
            result = await self.in_worker(self.linter.lint, snapshot, self.documents.buffers())
            # Of an older text nobody wants to know; the newer one has its turn already.
            if self.documents.serial(key) == snapshot.serial:
                self.delivery.take(key, result)
            if self.linter.is_untidy:
                await self.in_worker(self.linter.tidy)
        except Exception:
            log.exception("%s could not be linted", key)

    async def _tidy(self) -> None:
        await self.in_worker(self.linter.tidy)

    async def _current(self, uri: str) -> tuple[Result, Part] | None:
        """What a lint of a document as it is now says, and the text in question."""
        key = self.documents.target(uri)
        if key is None:
            log.warning("%s is not open", uri)
            return None
        while True:
            before = self.documents.serial(key)
            await self.schedule.done(key)
            now = self.documents.serial(key)
            result = self.delivery.result(key)
            if now is None:
                return None
            if result is not None and result.snapshot.serial == now:
                break
            if now == before:  # it could not be linted, or is nothing for the linter
                return None
            # It was changed meanwhile. "Nothing found" would be a wrong answer.
        part = next((part for part in result.snapshot.parts if key_of(part.uri) == key_of(uri)), None)
        return None if part is None else (result, part)

    # -- requests ------------------------------------------------------------

    async def _diagnostic(self, params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
        current = await self._current(params.text_document.uri)
        if current is None:
            return types.RelatedFullDocumentDiagnosticReport(items=[])
        result, part = current
        identity = result.result_id(part.uri)
        if identity == params.previous_result_id:
            return types.RelatedUnchangedDocumentDiagnosticReport(result_id=identity)
        items = self.delivery.structured(result.items[part.uri], list[types.Diagnostic])
        return types.RelatedFullDocumentDiagnosticReport(items=items, result_id=identity)

    async def _code_action(self, params: types.CodeActionParams) -> list[types.CodeAction] | None:
        current = await self._current(params.text_document.uri)
        if current is None:
            return None
        result, part = current
        context = params.context
        asked = actions.Asked(part, params.range, context.diagnostics, context.only, self.delivery.takes_versions)
        offered = list(actions.for_findings(asked, result, self.linter.encoding))
        for kind in (actions.FIX_ALL, actions.NOTEBOOK_FIX_ALL):
            if asked.names(kind) or (kind == actions.FIX_ALL and asked.wants(kind) and actions.has_safe(result)):
                buffers = self.documents.buffers()
                edits = await self.in_worker(self.linter.fix_all, result.snapshot, buffers)
                if edits:
                    offered.append(actions.fix_all(result.snapshot, edits, kind=kind, versions=asked.versions))
        made: list[types.CodeAction] = self.delivery.structured(offered, list[types.CodeAction])
        return made

    async def _hover(self, params: types.HoverParams) -> types.Hover | None:
        try:
            source = self.documents.text(params.text_document.uri).source
        except UnknownDocument as error:
            log.warning("%s", error)
            return None
        place = offset(source, params.position.line, params.position.character, self.documents.encoding)
        registry = await self.in_worker(self.linter.registry)
        rules = registry.descriptions()
        pages = {rule.code: f"**{rule.name}** ({rule.code})\n\n{rule.documentation}" for rule in rules}
        found = actions.hover(source, place, registry.known, pages.get)
        if found is None:
            return None
        start, end, text = found
        there = range_in(source, source.span(start, end), self.documents.encoding)
        return types.Hover(
            types.MarkupContent(types.MarkupKind.Markdown, text), self.delivery.structured(there, types.Range)
        )

    def report_server_error(self, error: Exception, source: Any) -> None:
        """What pygls could not handle is for the log, and does not interrupt the author."""
        log.error("%s", " ".join(f"{type(error).__name__}: {error}".split()))


def _is_dynamic(capability: Any) -> bool:
    return capability is not None and bool(capability.dynamic_registration)
