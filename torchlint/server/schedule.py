"""When which document is linted: after a short rest from typing, the one that is typed in first, one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

# An edit after a rest is linted at once. While edits follow each other faster than this, the last of them is.
REST = 0.06
# How long others wait that rest on a document that is typed in.
AFTERWARDS = 0.3
# After so long without anything to do, garbage is collected.
IDLE = 2.0


@dataclass
class _Wish:
    """A document that is to be linted: not before `due`; of several, the one with the lowest `rank`."""

    due: float
    rank: int
    waiting: list["asyncio.Future[None]"] = field(default_factory=list)


class Schedule:
    """Calls `lint` with one key after the other, in the order of need.

    Args:
        lint: lints a document by its key, and delivers what came of it. Does not raise.
        idle: called when there was nothing to do for a while.
    """

    def __init__(self, lint: Callable[[str], Awaitable[None]], idle: Callable[[], Awaitable[None]]) -> None:
        self._lint = lint
        self._idle = idle
        self._wishes: dict[str, _Wish] = {}
        self._changed: dict[str, float] = {}
        self._wake = asyncio.Event()

    def edited(self, key: str) -> None:
        """A document was changed by its author."""
        now = _now()
        rest = 0.0 if now - self._changed.get(key, 0.0) > REST else REST
        self._changed[key] = now
        wish = self._wish(key, now + rest, 0)
        wish.due = now + rest  # later than before, where edits follow each other

    def wanted(self, key: str, *, soon: bool = True) -> None:
        """A document is to be linted, though nobody typed in it."""
        self._wish(key, _now() + (0.0 if soon else AFTERWARDS), 1)

    async def done(self, key: str) -> None:
        """Lint a document without any delay, and return when that is done."""
        wish = self._wish(key, _now(), 0)
        wish.due = min(wish.due, _now())
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wish.waiting.append(future)
        await future

    def forget(self, key: str) -> None:
        """A document was closed. Whoever waits for it waits no longer."""
        self._changed.pop(key, None)
        wish = self._wishes.pop(key, None)
        if wish is not None:
            _release(wish)

    async def run(self) -> None:
        """Work until cancelled."""
        rested = True
        while True:
            key = self._next()
            if key is not None:
                rested = False
                wish = self._wishes.pop(key)
                await self._lint(key)
                _release(wish)
                continue
            pause = min((wish.due for wish in self._wishes.values()), default=None)
            timeout = None if pause is None else max(pause - _now(), 0.0)
            if timeout is None and not rested:
                timeout = IDLE
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except asyncio.TimeoutError:
                if not self._wishes:
                    rested = True
                    await self._idle()

    def _wish(self, key: str, due: float, rank: int) -> _Wish:
        wish = self._wishes.setdefault(key, _Wish(due, rank))
        wish.rank = min(wish.rank, rank)
        self._wake.set()
        return wish

    def _next(self) -> str | None:
        now = _now()
        due = [(wish.rank, wish.due, key) for key, wish in self._wishes.items() if wish.due <= now]
        return min(due)[2] if due else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _release(wish: _Wish) -> None:
    for future in wish.waiting:
        if not future.done():
            future.set_result(None)
