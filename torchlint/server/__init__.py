"""The language server, `torchlint server`: speaks the language server protocol on standard input and output."""

import asyncio
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from torchlint.server.features import Server

PARENT_IS_LOOKED_AFTER = 5.0  # seconds
# Parsing recurses on the native stack, of which threads have too little on some systems. It is reserved, not used.
STACK = 16 * 1024 * 1024


def start() -> int:
    """Serve one client until it ends the session, or is gone.

    Returns:
        The exit code: 0 if the client asked for the end as the protocol says, else 1.
    """
    # `python -m` puts the working directory first: that is the user's folder, and no code of it is to run here.
    sys.path[:] = [path for path in sys.path if path and not _is_here(path)]
    stdin, stdout = sys.stdin.buffer, _own_stdout()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="torchlint: %(message)s")
    # Messages that cannot be read are told to the server too, which says so in one line.
    logging.getLogger("pygls.io_").setLevel(logging.CRITICAL)
    logging.getLogger("pygls.protocol.json_rpc").addFilter(
        lambda record: not record.getMessage().startswith("Unable to deserialize")
    )

    from torchlint.server.features import Server

    threading.stack_size(STACK)
    server = Server()
    with suppress(SystemExit, KeyboardInterrupt):
        asyncio.run(_serve(server, stdin, stdout))
    return 0 if server.protocol.was_shut_down else 1


async def _serve(server: "Server", stdin: IO[bytes], stdout: IO[bytes]) -> None:
    import gc

    from pygls.io_ import StdinAsyncReader, run_async

    server.protocol.set_writer(_Writer(stdout))
    logging.getLogger("torchlint").addHandler(_ToClient(server))
    # What is imported by now stays; looking through it again and again would cost each collection its time.
    gc.collect()
    gc.freeze()
    gc.disable()  # trees are large and free of cycles: garbage is collected when there is nothing else to do
    reader = StdinAsyncReader(stdin, ThreadPoolExecutor(1, thread_name_prefix="stdin"))  # type: ignore[arg-type]
    work = [
        asyncio.ensure_future(
            run_async(threading.Event(), reader, server.protocol, error_handler=server.report_server_error)
        ),
        asyncio.ensure_future(_watch_parent(server)),
    ]
    linting = asyncio.ensure_future(server.schedule.run())
    done, pending = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for task in (*pending, linting):
        task.cancel()
    for task in done:
        task.result()


async def _watch_parent(server: "Server") -> None:
    """Return when the client's process is gone, though it may have left the pipe open."""
    seen = False
    while True:
        await asyncio.sleep(PARENT_IS_LOOKED_AFTER)
        identity = server.process_id
        if identity is None or sys.platform == "win32":
            continue  # where a signal cannot be asked for nothing, the end of the input has to do
        is_there = _is_running(identity)
        # A client outside of our container has a number that means nothing here.
        if seen and not is_there:
            return
        seen = seen or is_there


def _is_running(identity: int) -> bool:
    try:
        os.kill(identity, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


class _Writer:
    """Writes to a client that may be gone: then its input ends too, and with it the session."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError) as error:
            print(f"torchlint: the client cannot be written to: {error}", file=sys.stderr)

    def close(self) -> None:
        """The process ends anyway."""


class _ToClient(logging.Handler):
    """Sends what is logged to the client too."""

    def __init__(self, server: "Server") -> None:
        super().__init__(logging.WARNING)
        self._server = server
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        from lsprotocol import types

        kind = types.MessageType.Error if record.levelno >= logging.ERROR else types.MessageType.Warning
        params = types.LogMessageParams(kind, record.getMessage())
        # Whatever thread it comes from: only the loop's writes.
        self._loop.call_soon_threadsafe(self._server.window_log_message, params)


def _own_stdout() -> IO[bytes]:
    """Standard output for us alone: what anything else prints goes to standard error, and garbles no message."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def _is_here(path: str) -> bool:
    try:
        return os.path.samefile(path, os.getcwd())
    except OSError:
        return False
