"""The protocol's rules about messages that come at the wrong time or are not as they should be.

pygls keeps texts of its own, whose lines are not those of the protocol (a form feed ends one), so that opening,
changing and closing documents goes straight to the server here.
"""

from collections.abc import Callable
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

NOT_INITIALIZED = -32002
INVALID_REQUEST = -32600


class Protocol(LanguageServerProtocol):
    """Answers every request, and lets the server see what is opened, changed and closed.

    `documents` is told of each notification about documents: the method's name and its parameters.
    """

    documents: Callable[[str, Any], None]
    _is_initialized = False

    @property
    def was_shut_down(self) -> bool:
        """Whether the client asked for the end."""
        return self._shutdown

    def handle_message(self, message: Any) -> None:
        """Handle a message, or say why it cannot be handled now."""
        method = getattr(message, "method", None)
        if method == types.INITIALIZE:
            self._is_initialized = True
        elif method is not None and method != types.EXIT:
            if not self._is_initialized:
                self._refuse(message, NOT_INITIALIZED, f"{method} came before initialize")
                return
            if self._shutdown:
                self._refuse(message, INVALID_REQUEST, f"{method} came after shutdown")
                return
        super().handle_message(message)

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message from its JSON.

        Raises:
            JsonRpcException: its parameters are not those of the method. A request is answered.
        """
        identity, method = data.get("id"), data.get("method")
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if identity is not None and method is not None:
                self._send_response(identity, error=error.to_response_error())
            raise

    def _refuse(self, message: Any, code: int, reason: str) -> None:
        identity = getattr(message, "id", None)
        if identity is not None:
            self._send_response(identity, error=types.ResponseError(code, reason))

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """A text was opened."""
        self.documents(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A text was changed."""
        self.documents(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """A text was closed."""
        self.documents(types.TEXT_DOCUMENT_DID_CLOSE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """A notebook was opened."""
        self.documents(types.NOTEBOOK_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: types.DidChangeNotebookDocumentParams) -> None:
        """A notebook was changed."""
        self.documents(types.NOTEBOOK_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: types.DidCloseNotebookDocumentParams) -> None:
        """A notebook was closed."""
        self.documents(types.NOTEBOOK_DOCUMENT_DID_CLOSE, params)
