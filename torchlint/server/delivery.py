"""How findings reach the client: pushed, or pulled by it, and never both, since it would show them twice."""

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from torchlint.server.lint import Result
from torchlint.server.schedule import AFTERWARDS

if TYPE_CHECKING:
    from torchlint.server.features import Server

log = logging.getLogger("torchlint")


class Delivery:
    """What the last lint of each document said, and how the client is told.

    `pulls`: the client asks for diagnostics, so none are pushed.
    """

    def __init__(self, server: "Server") -> None:
        self.pulls = False
        self._server = server
        self._results: dict[str, Result] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self._refreshing: asyncio.TimerHandle | None = None

    @property
    def takes_versions(self) -> bool:
        """Whether the client takes edits that say for which version they are."""
        workspace = self._server.client_capabilities.workspace
        edit = None if workspace is None else workspace.workspace_edit
        return edit is not None and bool(edit.document_changes)

    def result(self, key: str) -> Result | None:
        """What the last lint of a document said."""
        return self._results.get(key)

    def looking_at(self, path: str) -> Iterator[str]:
        """The documents whose findings rest on a file."""
        for key, result in list(self._results.items()):
            if path in result.looked_at:
                yield key

    def take(self, key: str, result: Result) -> None:
        """A lint is done: remember what it says, and push it to a client that does not pull."""
        before = self._results.get(key)
        if before is result:
            return
        self._results[key] = result
        shown = {problem for problems in self._problems.values() for problem in problems}
        self._problems[key] = result.problems
        for problem in result.problems:
            if problem not in shown:
                self.show(problem)
        for failure in result.failures:
            log.error("%s", failure)
        if self.pulls:
            return
        for uri in () if before is None else before.items.keys() - result.items.keys():
            self._publish(uri, None, [])  # a cell that is no Python any more
        said = (
            {}
            if before is None
            else {part.uri: (part.version, before.items[part.uri]) for part in before.snapshot.parts}
        )
        for part in result.snapshot.parts:
            if said.get(part.uri) != (part.version, result.items[part.uri]):
                self._publish(part.uri, part.version, result.items[part.uri])

    def clear(self, uri: str) -> None:
        """A text was closed: nothing is wrong with it any more."""
        if not self.pulls:
            self._publish(uri, None, [])

    def forget(self, key: str) -> None:
        """A document was closed, or is none that is linted."""
        self._results.pop(key, None)
        self._problems.pop(key, None)

    def withdraw(self, key: str) -> None:
        """A document that is open is nothing for the linter any more."""
        result = self._results.get(key)
        self.forget(key)
        for part in () if result is None else result.snapshot.parts:
            self.clear(part.uri)

    def refresh(self) -> None:
        """Let a client that pulls ask again, once for several changes in a row."""
        workspace = self._server.client_capabilities.workspace
        diagnostics = None if workspace is None else workspace.diagnostics
        if diagnostics is None or not diagnostics.refresh_support:
            return
        if self._refreshing is not None:
            self._refreshing.cancel()
        loop = asyncio.get_running_loop()
        self._refreshing = loop.call_later(AFTERWARDS, self._server.workspace_diagnostic_refresh, None)

    def show(self, problem: str) -> None:
        """Tell the user what is wrong with what they set."""
        log.error("%s", problem)
        self._server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"torchlint: {problem}"))

    def structured(self, value: Any, kind: Any) -> Any:
        """The protocol's own types, made of JSON."""
        return self._server.protocol._converter.structure(value, kind)

    def _publish(self, uri: str, version: int | None, items: list[dict[str, Any]]) -> None:
        diagnostics = self.structured(items, list[types.Diagnostic])
        self._server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=diagnostics, version=version)
        )
