"""Runs fixtures on real torch: one process imports torch, each case runs in a fork of it.

`serve` is the process: it reads one job a line on standard input and answers one line of JSON each.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torchlint.prove.cases import Case

TIME_LIMIT = 60


class TorchMissing(Exception):
    """There is no torch in this Python."""


class Runner:
    """A process with torch in it, in which cases run.

    Raises:
        TorchMissing: torch cannot be imported.
    """

    def __init__(self, stand_ins: Path | None) -> None:
        environment = dict(os.environ, MPLBACKEND="Agg", PYTHONDONTWRITEBYTECODE="1")
        root = Path(__file__).resolve().parents[2]
        environment["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, [environment.get("PYTHONPATH")])])
        self._stand_ins = str(stand_ins.resolve()) if stand_ins is not None else None
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from torchlint.prove.runtime import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self._process.stdout is not None
        hello = self._process.stdout.readline().strip()
        if hello != "ready":
            self.close()
            raise TorchMissing(hello)

    def run(self, case: Case) -> dict[str, Any]:
        """Run a case; what happened."""
        job = {
            "main": str(case.main.resolve()),
            "program": case.program,
            "root": str(case.root.resolve()),
            "stand_ins": self._stand_ins,
            "start_method": next(iter(case.directives.get("start method", [])), None),
            "expressions": case.directives.get("wrong", []),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def verify(case: Case, happened: Mapping[str, Any]) -> list[str]:
    """Where what happened is not what the case says."""
    claims = case.directives
    problems = []
    raised = happened["raised"]
    said = f"{raised[0]}: {raised[1]}" if raised else "nothing"
    if happened["timeout"]:
        return [f"ran for more than {TIME_LIMIT} seconds"]
    if case.kind == "bad":
        fatal = [claim for kind in ("raises", "raises later", "compile") for claim in claims.get(kind, [])]
        for claim in fatal:
            if not _fits(claim, raised) and not (
                claims.get("start method") and claim.partition(": ")[2] in happened["stderr"]
            ):
                problems.append(f"raised {said}, not {claim}")
        if claims.get("raises") and not claims.get("start method") and raised:
            expected = {(str(path.resolve()), row) for path in case.files for row, _ in case.expected(path)}
            if not any((file, row) in expected for file, first, last in raised[2] for row in range(first, last + 1)):
                problems.append(f"raised at {raised[2][-1:]}, which is no expected line")
        for claim in claims.get("warns", []):
            if not any(_fits(claim, warning) for warning in happened["warnings"]):
                problems.append(f"did not warn {claim}")
        for claim in claims.get("prints", []):
            if claim not in happened["stdout"]:
                problems.append(f"did not print {claim}")
        for claim, value in zip(claims.get("wrong", []), happened["expressions"], strict=False):
            if value is not True:
                problems.append(f"`{claim}` is {value}")
        if fatal:
            return problems
    else:
        for claim, value in zip(claims.get("wrong", []), happened["expressions"], strict=False):
            if case.kind == "fixed" and value is not False:
                problems.append(f"`{claim}` is still {value}")
    if raised:
        problems.append(f"raised {said}")
    return problems


def _fits(claim: str, actual: Sequence[Any] | None) -> bool:
    name, _, text = claim.partition(": ")
    return actual is not None and actual[0] == name and text in actual[1]


# -- in the process with torch ------------------------------------------------------------------------


def serve() -> None:
    """Import torch, then run the jobs that come in on standard input, each in a fork."""
    answers = os.fdopen(os.dup(1), "w")
    try:
        import torch
    except ImportError as error:
        answers.write(f"{error}\n")
        answers.flush()
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("numpy")  # once, for all forks
    torch.set_num_threads(1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(_forked(json.loads(line))) + "\n")
        answers.flush()


def _forked(job: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setsid()
                _run(job, Path(folder), report)
                code = 0
            finally:
                os._exit(code)
        timeout = _wait(child)
        if report.is_file():
            result: dict[str, Any] = json.loads(report.read_text("utf-8"))
        else:
            result = {"raised": ["Killed", "the process ended without a report", []], "warnings": [], "expressions": []}
        for stream in ("stdout", "stderr"):
            path = Path(folder) / stream
            result[stream] = path.read_text("utf-8", "replace") if path.is_file() else ""
        result["timeout"] = timeout
        return result


def _wait(child: int) -> bool:
    """Wait for a child; whether it took too long and was killed."""

    def expired(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(TIME_LIMIT)
    try:
        os.waitpid(child, 0)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True
    finally:
        signal.alarm(0)
    return False


@contextlib.contextmanager
def _redirected(folder: Path) -> Iterator[None]:
    for number, name in ((1, "stdout"), (2, "stderr")):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, number)
        os.close(handle)
    yield
    sys.stdout.flush()
    sys.stderr.flush()


def _run(job: Mapping[str, Any], folder: Path, report: Path) -> None:
    import torch

    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    sys.path[:0] = [job["root"], *([job["stand_ins"]] if job["stand_ins"] else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])
    torch.manual_seed(0)
    if job["start_method"]:
        import multiprocessing

        multiprocessing.set_start_method(job["start_method"], force=True)
        multiprocessing.set_forkserver_preload(["torch"])
    raised: list[Any] | None = None
    values: list[Any] = []
    sys.argv = [job["main"]]
    with _redirected(folder), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if job["program"] is None:
                namespace = runpy.run_path(job["main"], run_name="__main__")
            else:
                # `_` stands for what IPython would have run.
                namespace = {"__name__": "__main__", "_": None}
                exec(compile(job["program"], job["main"], "exec"), namespace)
            values = [_evaluate(expression, namespace) for expression in job["expressions"]]
        except SystemExit as error:
            raised = None if not error.code else ["SystemExit", str(error.code), []]
        except BaseException as error:
            traceback.print_exc()
            raised = [type(error).__name__, str(error), _rows(error, job["root"])]
    report.write_text(
        json.dumps(
            {
                "raised": raised,
                "warnings": [[warning.category.__name__, str(warning.message)] for warning in caught],
                "expressions": values,
            }
        ),
        "utf-8",
    )


def _evaluate(expression: str, namespace: dict[str, Any]) -> object:
    try:
        return bool(eval(expression, namespace))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _rows(error: BaseException, root: str) -> list[tuple[str, int, int]]:
    """The rows of the fixture that were being executed, outermost first: file, first and last row of the statement."""
    rows = []
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(root) and frame.lineno is not None:
            rows.append((frame.filename, frame.lineno, frame.end_lineno or frame.lineno))
    return rows
