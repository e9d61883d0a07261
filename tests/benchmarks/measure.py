"""Run a command and say what it cost. Needs `os.wait4`, so not for Windows."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A checkout is measured, whatever is installed.
TORCHLINT = (sys.executable, "-m", "torchlint")


@dataclass(frozen=True)
class Cost:
    """What one process cost, its children included in the times: seconds, and bytes."""

    cpu: float
    wall: float
    peak: int


def run(command: Sequence[str], *, stdin: bytes = b"", expect: Sequence[int] = (0,)) -> tuple[Cost, bytes]:
    """What a command costs from its start to its end, and what it wrote to standard output.

    Raises:
        RuntimeError: it ended with an exit code that was not expected.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expect:
            err.seek(0)
            text = err.read().decode(errors="replace").strip()
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {text}")
        out.seek(0)
        # Linux counts in KiB, macOS in bytes.
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Cost(usage.ru_utime + usage.ru_stime, wall, peak), out.read()


def compare(commands: Mapping[str, Sequence[str]], runs: int, *, stdin: bytes = b"") -> dict[str, Cost]:
    """The median cost of each command. They take turns, so that a busy machine is busy for all of them."""
    for command in commands.values():  # compiles the modules and warms the disk cache
        run(command, stdin=stdin)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            costs[name].append(run(command, stdin=stdin)[0])
    return {
        name: Cost(
            statistics.median(cost.cpu for cost in of_name),
            statistics.median(cost.wall for cost in of_name),
            max(cost.peak for cost in of_name),
        )
        for name, of_name in costs.items()
    }


def linted_files(folders: Sequence[str]) -> list[str]:
    """The files that torchlint lints in some folders."""
    _, out = run([*TORCHLINT, "--isolated", "--show-files", *folders])
    return out.decode().splitlines()


def lines_in(files: Sequence[str]) -> int:
    """How many lines some files have together."""
    return sum(Path(file).read_bytes().count(b"\n") for file in files)
