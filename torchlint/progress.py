"""The progress bar of a long run."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

# A bar is drawn for runs that take longer than this many seconds.
PATIENCE = 1.0


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """What to tell how many files are done. Draws a bar on a terminal once the run has taken a while."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    start = time.monotonic()
    bars: list[Progress] = []

    def show(done: int, total: int) -> None:
        if not bars:
            if time.monotonic() - start < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress

            bars.append(Progress(console=Console(stderr=True), transient=True))
            bars[0].add_task("linting", total=total)
            bars[0].start()
        bars[0].update(bars[0].task_ids[0], completed=done)

    try:
        yield show
    finally:
        for bar in bars:
            bar.stop()
