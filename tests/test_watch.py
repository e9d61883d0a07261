"""Watching: what counts as a change, and the program that lints again and again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from torchlint.config import ConfigError, Configuration
from torchlint.watch import LONGEST, SETTINGS, SETTLED, SHORTEST, Seen, changed, seen, watch

ROOT = Path(__file__).parent.parent
# Far more than anything here takes, for machines that are busy.
PATIENCE = 60.0


class _Enough(Exception):
    pass


def watched(looks: list[Seen]) -> tuple[list[tuple[Seen | None, Seen]], list[float]]:
    """The runs that one look after the other leads to, and how long was rested between them."""
    runs: list[tuple[Seen | None, Seen]] = []
    rests: list[float] = []
    left = iter(looks)

    def look() -> Seen:
        try:
            return next(left)
        except StopIteration:
            raise _Enough from None

    with pytest.raises(_Enough):
        watch(lambda before, now: runs.append((before, now)), look, rests.append)
    return runs, rests


class TestLoop:
    def test_it_runs_at_first_and_after_each_change(self) -> None:
        one, two = {"a": 1}, {"a": 2}
        runs, _ = watched([one, one, one, two, two, two, one, one])
        assert runs == [(None, one), (one, two), (two, one)]

    def test_what_moves_is_left_to_settle(self) -> None:
        runs, rests = watched([{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": 4}])
        assert runs == [(None, {"a": 1}), ({"a": 1}, {"a": 4})]
        assert rests == [SETTLED] * 3

    def test_what_comes_back_is_no_change(self) -> None:
        runs, rests = watched([{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}])
        assert runs == [(None, {"a": 1})]
        assert [SHORTEST <= rest <= LONGEST for rest in rests] == [False, True, True]

    def test_it_rests_long_after_a_look_that_took_long(self) -> None:
        rests: list[float] = []
        looks: Iterator[Callable[[], None]] = iter([lambda: None, lambda: time.sleep(0.05)])

        def look() -> Seen:
            step = next(looks, None)
            if step is None:
                raise _Enough
            step()
            return {}

        with pytest.raises(_Enough):
            watch(lambda before, now: None, look, rests.append)
        assert 1.0 <= rests[0] <= LONGEST

    def test_names_of_what_changed(self) -> None:
        before = {"b": 1, "a": 1, "gone": 1, "same": 1, SETTINGS: 1}
        now = {"b": 2, "a": 2, "same": 1, "new": 1, SETTINGS: 2}
        assert changed(before, now) == [SETTINGS, "a", "b", "gone", "new"]
        assert changed(before, before) == []


class TestSeen:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "src").mkdir()
        (tmp_path / "lib").mkdir()
        for name in ("src/a.py", "src/beside.py", "lib/c.py", "other.py", "src/readme.md"):
            (tmp_path / name).write_text("import torch\n")
        return tmp_path

    def look(self, project: Path, *paths: str) -> Seen:
        return seen(Configuration(str(project)), [str(project / path) for path in paths])

    def test_what_is_looked_at(self, project: Path) -> None:
        a, beside, c = (os.path.join(*parts) for parts in (("src", "a.py"), ("src", "beside.py"), ("lib", "c.py")))
        assert set(self.look(project, "src/a.py")) == {SETTINGS, a, beside}
        assert set(self.look(project, ".")) == {SETTINGS, a, beside, c, "other.py"}
        (project / "torchlint.toml").write_text('src = ["lib", "missing"]\nbaseline = "b.json"\n')
        assert set(self.look(project, "src/a.py")) == {SETTINGS, a, beside, c, "b.json"}

    @pytest.mark.parametrize("name", ["src/a.py", "src/beside.py"])
    @pytest.mark.parametrize("how", ["write", "remove", "replace"])
    def test_changes_are_seen(self, project: Path, name: str, how: str) -> None:
        before = self.look(project, "src")
        assert self.look(project, "src") == before
        path = project / name
        if how == "write":
            path.write_text("import torch\n#")
        elif how == "remove":
            path.unlink()
        else:
            path.rename(project / "saved.txt")
            path.write_text("import torch\n")
        assert changed(before, self.look(project, "src")) == [name.replace("/", os.sep)]

    def test_new_files_are_seen(self, project: Path) -> None:
        before = self.look(project, "src")
        (project / "src" / "new.py").touch()
        (project / "src" / "new.md").touch()
        assert changed(before, self.look(project, "src")) == [os.path.join("src", "new.py")]

    def test_the_configuration_is_seen(self, project: Path) -> None:
        before = self.look(project, "src")
        (project / "torchlint.toml").write_text('select = ["TL3"]\n')
        assert changed(before, self.look(project, "src")) == [SETTINGS]
        (project / "torchlint.toml").write_text("select = 3\n")
        with pytest.raises(ConfigError):
            self.look(project, "src")

    def test_what_the_project_needs_is_seen(self, project: Path) -> None:
        before = self.look(project, "src")
        (project / "requirements.txt").write_text("torch==1.7\n")
        assert changed(before, self.look(project, "src")) == [SETTINGS]


class Watching:
    """`torchlint --watch` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.out = folder.parent / "out.txt"
        self.err = folder.parent / "err.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "torchlint", "--watch", "--output-format", "concise", *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                # A shell that starts something in the background has it ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def wait_for(self, text: str, runs: int) -> str:
        """Wait until that many runs are done, or more, and have printed the text; all that was printed."""
        end = time.monotonic() + PATIENCE
        while True:
            output = self.out.read_text() + self.err.read_text()
            if text in output and output.count("watching for changes") >= runs:
                return output
            assert self.process.poll() is None, output
            assert time.monotonic() < end, output
            time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text("import torch\n\nx = torch.ones(3, requires_grad=True)\n")
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing on Windows")
def test_the_program(project: Path) -> None:
    watching = Watching(project, ".")
    try:
        watching.wait_for("All checks passed!", 1)
        with (project / "a.py").open("a") as file:
            file.write("print(x.numpy())\n")
        output = watching.wait_for("a.py:4:7: TL301", 2)
        assert "torchlint: a.py changed\n" in output
        assert "\033" not in output
        (project / "torchlint.toml").write_text("select = [")
        watching.wait_for("torchlint: torchlint.toml: not valid TOML", 3)
        (project / "torchlint.toml").write_text('select = ["TL9"]')
        watching.wait_for("torchlint: the configuration changed", 4)
        (project / "b.py").write_text('import torch\n\npath = "C:\\data\\')
        watching.wait_for("b.py:3:", 5)
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(PATIENCE) == 130
        assert "Traceback" not in watching.err.read_text()
    finally:
        watching.process.kill()
        watching.process.wait()


@pytest.mark.parametrize("other", ["--fix", "--diff", "--show-files", "-", "--add-noqa"])
def test_what_it_cannot_be_used_with(project: Path, other: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchlint", "--watch", other],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert "--watch cannot be used together with" in done.stderr
