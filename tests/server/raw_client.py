"""A client that writes and reads JSON-RPC by hand, so that it can do what no library would."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A server that says nothing for so long has failed. Nothing waits this long otherwise.
LIMIT = 60.0

Message = dict[str, Any]


class RawClient:
    """A server process, and what it says."""

    def __init__(self, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ | {"PYTHONPATH": str(ROOT), **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "torchlint", "server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or ROOT,
            env=variables,
        )
        self._messages: queue.Queue[Message | None] = queue.Queue()
        self._kept: list[Message] = []
        self._next_id = 0
        self._errors: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    # -- writing -----------------------------------------------------------------

    def send_bytes(self, data: bytes) -> None:
        """Write just this."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: Any) -> None:
        """Write a message."""
        body = json.dumps(message).encode()
        self.send_bytes(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})})

    def begin(self, method: str, params: Any = None) -> int:
        """Send a request without waiting for its answer. Its id."""
        self._next_id += 1
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        self.send({**message, **({} if params is None else {"params": params})})
        return self._next_id

    def ask(self, method: str, params: Any = None) -> Any:
        """Send a request, and give its result.

        Raises:
            RuntimeError: the answer is an error.
        """
        answer = self.answer(self.begin(method, params))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    # -- reading -----------------------------------------------------------------

    def answer(self, identity: int) -> Message:
        """The answer to a request."""
        return self.wait(lambda message: message.get("id") == identity and "method" not in message)

    def notification(self, method: str, **params: Any) -> Message:
        """The parameters of the next notification of a method that has these among them."""
        message = self.wait(
            lambda message: (
                message.get("method") == method
                and all(message["params"].get(name) == value for name, value in params.items())
            )
        )
        result: Message = message["params"]
        return result

    def wait(self, wanted: Callable[[Message], bool]) -> Message:
        """The next message that is wanted; others are kept for later.

        Raises:
            TimeoutError: it does not come.
            EOFError: the server ended.
        """
        for index, message in enumerate(self._kept):
            if wanted(message):
                return self._kept.pop(index)
        end = time.monotonic() + LIMIT
        while True:
            try:
                received = self._messages.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                raise TimeoutError(f"no such message; there are {self._kept}\n{self.errors()}") from None
            if received is None:
                raise EOFError(f"the server ended with {self.process.wait(LIMIT)}\n{self.errors()}")
            if wanted(received):
                return received
            self._kept.append(received)

    def received(self, method: str) -> list[Message]:
        """What came of a method so far and was not waited for."""
        while not self._messages.empty():
            message = self._messages.get()
            if message is not None:
                self._kept.append(message)
        return [message for message in self._kept if message.get("method") == method]

    def errors(self) -> str:
        """What the server wrote to standard error."""
        return b"".join(self._errors).decode(errors="replace")

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while True:
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = stream.read(length)
            if not length or len(body) < length:
                self._messages.put(None)
                return
            self._messages.put(json.loads(body))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)

    # -- what every session does ---------------------------------------------------

    def initialize(
        self, *folders: Path, capabilities: Any = None, options: Any = None, process: int | None = None
    ) -> Message:
        """Begin a session. What the server can do."""
        params = {
            "processId": os.getpid() if process is None else process,
            "rootUri": None,
            "capabilities": capabilities or {},
            "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name} for folder in folders],
            **({} if options is None else {"initializationOptions": options}),
        }
        result: Message = self.ask("initialize", params)
        self.notify("initialized", {})
        return result["capabilities"]  # type: ignore[no-any-return]

    def open(self, uri: str, text: str, *, version: int = 1, language: str = "python") -> None:
        """Open a text."""
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: Any) -> None:
        """Change a text: by whole texts, or by changes with a range."""
        events = [{"text": change} if isinstance(change, str) else change for change in changes]
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": events})

    def diagnostics(self, uri: str, version: int | None = None) -> list[Message]:
        """The next diagnostics that are pushed for a text, or for a version of it."""
        wanted = {"uri": uri} if version is None else {"uri": uri, "version": version}
        found: list[Message] = self.notification("textDocument/publishDiagnostics", **wanted)["diagnostics"]
        return found

    def finish(self) -> int:
        """End the session as the protocol says. The server's exit code."""
        self.ask("shutdown")
        self.notify("exit")
        return self.process.wait(LIMIT)
