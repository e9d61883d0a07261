"""Many files: order, processes, trouble with single files, fixes and patches.

What is found in a file is decided by the stand-in for `lint`: each `bad` is a finding, and can be
repaired to `good`.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from standin import LINTER, REGISTRY

from torchlint import notebook, runner
from torchlint.config import COMMAND_LINE, ConfigError, Configuration, Layer, parse
from torchlint.discover import File, discover
from torchlint.runner import Checker, FileResult, Request, diff, run, write
from torchlint.source import Source


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torchlint.linter", LINTER)
    monkeypatch.setattr(runner, "load", lambda plugins=True: REGISTRY)
    monkeypatch.chdir(tmp_path)


def put(name: str, content: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def files(*paths: str, **options: object) -> tuple[File, ...]:
    table = {key.replace("_", "-"): value for key, value in options.items()}
    layer = Layer(parse(table, COMMAND_LINE), os.getcwd(), COMMAND_LINE)
    return discover(paths or ["."], Configuration(os.getcwd(), overrides=[layer])).files


def lint(*paths: str, jobs: int = 1, **options: object) -> list[FileResult]:
    return run(files(*paths, **options), Request(os.getcwd()), REGISTRY, jobs=jobs)


def outline(results: Sequence[FileResult]) -> list[tuple[str, list[str]]]:
    return [(result.file.name, [found.code for found in result.diagnostics]) for result in results]


def test_findings_and_the_text_they_are_about() -> None:
    put("a.py", "import torch\nbad = 1\n")
    put("b.py", "import torch\n")
    first, second = lint()
    assert [found.span.row for found in first.diagnostics] == [2]
    assert first.source is not None
    assert first.source.line(2) == "bad = 1"
    assert second == FileResult(second.file)


def test_names_of_related_files_are_those_a_reader_wants() -> None:
    put("a.py", "import torch\nbad = 1\n")
    ((found,),) = [result.diagnostics for result in lint()]
    assert found.related[0].filename == "other.py"


def test_a_file_in_which_no_rule_can_apply_is_never_linted(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.py", "bad = 1\n")
    monkeypatch.setitem(sys.modules, "torchlint.linter", None)
    assert outline(lint()) == [("a.py", [])]


@pytest.mark.parametrize("selector", ["TL000", "syntax-error", "TL00"])
def test_syntax_errors_that_are_asked_for_are_looked_for_everywhere(
    selector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torchlint.linter")
    put("a.py", "x = (\n")
    assert outline(lint()) == [("a.py", [])]
    assert outline(lint(select=[selector])) == [("a.py", ["TL000"])]
    assert outline(lint(extend_select=[selector])) == [("a.py", ["TL000"])]
    assert outline(lint(select=[selector], ignore=["TL000"])) == [("a.py", [])]


def test_a_suppression_alone_is_worth_a_look() -> None:
    for comment in ("# noqa: F401, TL101", "# NOQA:TL101", "# torchlint: ignore[x]"):
        put("a.py", f"bad  {comment}\n")
        assert outline(lint()) == [("a.py", ["TL101"])]


class TestSettings:
    def test_selectors(self) -> None:
        put("a.py", "import torch\nbad = 1\n")
        for options, found in (
            ({"ignore": ["TL1"]}, False),
            ({"ignore": ["TL1"], "extend_select": ["bad-word"]}, True),
            ({"select": ["correctness"]}, False),
            ({"select": ["suspicious"]}, True),
            ({"select": []}, False),
        ):
            assert outline(lint(**options)) == [("a.py", ["TL101"] if found else [])]

    def test_per_file_ignores(self) -> None:
        put("a.py", "import torch\nbad = 1\n")
        put("tests/b.py", "import torch\nbad = 1\n")
        results = lint(per_file_ignores={"tests": ["TL1"]})
        assert outline(results) == [("a.py", ["TL101"]), ("tests/b.py", [])]

    @pytest.mark.parametrize("selector", ["TL002", "TL0", "unused-suppression", "ALL"])
    def test_findings_of_the_engine_itself_can_be_ignored(self, selector: str) -> None:
        put("a.py", "import torch  # unused\n")
        assert outline(lint()) == [("a.py", ["TL002"])]
        assert outline(lint(ignore=[selector])) == [("a.py", [])]
        assert outline(lint(per_file_ignores={"a.py": [selector]})) == [("a.py", [])]

    @pytest.mark.parametrize(
        "key", ["select", "ignore", "extend-select", "per-file-ignores", "extend-per-file-ignores"]
    )
    def test_an_unknown_selector_names_its_file_and_key(self, key: str) -> None:
        value = '{"x.py" = ["TL1", "TLX"]}' if "per-file" in key else '["TL1", "TLX"]'
        put("torchlint.toml", f"{key} = {value}\n")
        settings = Configuration(os.getcwd()).settings(os.getcwd())
        with pytest.raises(ConfigError) as caught:
            Checker(Request(os.getcwd()), REGISTRY).validate(settings)
        shown_key = key.removeprefix("extend-") if "per-file" in key else key
        assert str(caught.value).startswith(f"torchlint.toml: `{shown_key}`: unknown rule selector `TLX`; ")


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"import torch\nx = '\xff'\n", "line 2 holds a byte that is not utf-8: 0xff"),
            (b"import torch\0\n", "line 1 holds a NUL byte; this is not Python source"),
            (b"# coding: klingon\nimport torch\n", "unknown encoding in the coding cookie: klingon"),
            (b"# coding: rot13\nimport torch\n", "not a text encoding in the coding cookie: rot13"),
            ("import torch\n".encode("utf-16"), "the file is UTF-16"),
            (
                b"\xef\xbb\xbf# coding: latin-1\nimport torch\n",
                "the file starts with a UTF-8 byte order mark",
            ),
        ],
    )
    def test_bytes_that_are_no_text(self, content: bytes, message: str) -> None:
        put("a.py", content)
        put("b.py", "import torch\nbad = 1\n")
        broken, fine = lint()
        (found,) = broken.diagnostics
        assert (found.code, found.name, found.internal) == ("TL000", "syntax-error", False)
        assert found.message.startswith(message)
        assert len(fine.diagnostics) == 1

    @pytest.mark.parametrize(
        ("content", "row"),
        [
            (b"\xef\xbb\xbfimport torch\nbad = 1", 2),
            (b"import torch\r\n\r\nbad = 1\r\n", 3),
            (b"import torch\r\n\nx = 1\rbad = 1", 4),
            (b"# coding: latin-1\nimport torch\nx = '\xe9'; bad = 1\n", 3),
            (b"import torch\n" + b"x = 1\n" * 800_000 + b"bad = 1\n", 800_002),
        ],
    )
    def test_unusual_but_right(self, content: bytes, row: int) -> None:
        put("a.py", content)
        (result,) = lint()
        assert [found.span.row for found in result.diagnostics] == [row]

    def test_they_can_be_ignored(self) -> None:
        put("a.py", b"import torch\0\n")
        assert outline(lint(ignore=["syntax-error"])) == [("a.py", [])]

    def test_an_empty_file(self) -> None:
        put("a.py", "")
        assert outline(lint()) == [("a.py", [])]

    def test_a_file_that_disappears(self) -> None:
        put("a.py", "import torch\nbad = 1\n")
        put("b.py", "import torch\nbad = 1\n")
        found = files()
        Path("a.py").unlink()
        first, second = run(found, Request(os.getcwd()), REGISTRY)
        assert [(problem.code, problem.internal) for problem in first.diagnostics] == [("TL003", True)]
        assert first.diagnostics[0].message == "the file cannot be read: No such file or directory"
        assert len(second.diagnostics) == 1

    def test_a_file_that_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        put("a.py", "import torch\n")
        put("b.py", "import torch\nbad = 1\n")
        read = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == "a.py":
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        first, second = lint()
        assert first.diagnostics[0].message == "the file cannot be read: Permission denied"
        assert first.diagnostics[0].internal
        assert len(second.diagnostics) == 1

    def test_a_crash_is_one_line_and_stops_no_other_file(self) -> None:
        put("a.py", "import torch\ncrash\n")
        put("b.py", "import torch\nbad = 1\n")
        first, second = lint()
        (found,) = first.diagnostics
        assert (found.code, found.internal) == ("TL001", True)
        assert found.message == "ZeroDivisionError: division by zero"
        assert len(second.diagnostics) == 1

    def test_a_crash_while_a_file_is_read_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        load = notebook.load

        def crash(filename: str, data: bytes) -> Source:
            if filename == "a.py":
                raise ZeroDivisionError("division by zero")
            return load(filename, data)

        put("a.py", "import torch\n")
        put("b.py", "import torch\nbad = 1\n")
        monkeypatch.setattr(notebook, "load", crash)
        first, second = lint()
        assert [(found.code, found.internal) for found in first.diagnostics] == [("TL001", True)]
        assert len(second.diagnostics) == 1

    def test_a_crash_is_raised_in_debug_mode(self) -> None:
        put("a.py", "import torch\ncrash\n")
        with pytest.raises(ZeroDivisionError):
            run(files(), Request(os.getcwd(), debug=True), REGISTRY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the stand-ins reach a worker only through a fork")
class TestProcesses:
    @pytest.fixture(autouse=True)
    def many_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fork = multiprocessing.get_context("fork")
        monkeypatch.setattr(multiprocessing, "get_context", lambda: fork)
        for number in range(60):
            put(f"p{number % 7}/m{number}.py", "import torch\n" + "bad = 1\n" * (number % 5))
            put(f"p{number % 7}/n{number}.py", "bad = 1\n")

    def test_the_number_of_processes_changes_nothing(self) -> None:
        assert outline(lint(jobs=3)) == outline(lint(jobs=1))
        for one, other in zip(lint(jobs=3), lint(jobs=1), strict=True):
            assert one.diagnostics == other.diagnostics
            assert (one.source and one.source.text) == (other.source and other.source.text)

    def test_any_executor_will_do(self) -> None:
        expected = outline(lint())
        with ThreadPoolExecutor(4) as executor:
            results = run(files(), Request(os.getcwd()), REGISTRY, executor=executor)
        assert outline(results) == expected

    def test_progress_ends_when_all_files_are_done(self) -> None:
        seen: list[tuple[int, int]] = []
        run(files(), Request(os.getcwd()), REGISTRY, jobs=2, progress=lambda *now: seen.append(now))
        assert seen[-1] == (120, 120)
        assert seen == sorted(seen)

    def test_a_worker_that_dies_costs_its_file_only(self) -> None:
        expected = dict(outline(lint()))
        put("p3/m3.py", "import torch\ndie\n")
        expected["p3/m3.py"] = ["TL001"]
        results = lint(jobs=2)
        assert dict(outline(results)) == expected
        (found,) = next(result.diagnostics for result in results if result.file.name == "p3/m3.py")
        assert found.internal
        assert "the process that linted this file died" in found.message

    def test_an_interrupt_ends_the_run(self) -> None:
        put("p3/m3.py", "import torch\ninterrupt\n")
        with pytest.raises(KeyboardInterrupt):
            lint(jobs=1)

    def test_an_interrupt_leaves_no_worker_behind(self) -> None:
        put("p3/m3.py", "import torch\nslow\n")
        before = set(multiprocessing.active_children())

        def interrupt(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(files(), Request(os.getcwd()), REGISTRY, jobs=2, progress=interrupt)
        # Not `join`: the pool's own thread waits for the same processes, and the one that comes second is told nothing.
        deadline = time.monotonic() + 30
        while set(multiprocessing.active_children()) - before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert set(multiprocessing.active_children()) <= before

    def test_a_file_that_disappears_before_its_worker_reads_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        check = runner.check_files

        def late(request: Request, some: Sequence[File]) -> list[FileResult]:
            Path("p3/m3.py").unlink(missing_ok=True)
            return check(request, some)

        monkeypatch.setattr(runner, "check_files", late)
        with ThreadPoolExecutor(1) as executor:
            results = run(files(), Request(os.getcwd()), REGISTRY, executor=executor)
        assert dict(outline(results))["p3/m3.py"] == ["TL003"]


class TestFixes:
    def fix(self, *paths: str) -> list[FileResult]:
        return run(files(*paths), Request(os.getcwd(), fix=True), REGISTRY)

    def test_what_is_fixed_is_written(self) -> None:
        put("a.py", b"\xef\xbb\xbfimport torch\r\nbad = bad\r\n")
        put("b.py", "import torch\n")
        first, second = write(self.fix())
        assert Path("a.py").read_bytes() == b"\xef\xbb\xbfimport torch\r\ngood = good\r\n"
        assert first.diagnostics == ()
        assert len(first.fixed) == 2
        assert second.change is None

    def test_nothing_is_written_before_all_is_linted(self) -> None:
        put("a.py", "import torch\nbad\n")
        (result,) = self.fix()
        assert result.change is not None
        assert Path("a.py").read_text() == "import torch\nbad\n"

    def test_a_link_stays_a_link(self) -> None:
        put("real.txt", "import torch\nbad\n")
        Path("a.py").symlink_to("real.txt")
        write(self.fix("a.py"))
        assert Path("a.py").is_symlink()
        assert Path("real.txt").read_text() == "import torch\ngood\n"

    def test_a_file_that_changed_meanwhile_keeps_its_new_content_and_its_findings(self) -> None:
        put("a.py", "import torch\nbad\n")
        put("b.py", "import torch\nbad\n")
        results = self.fix()
        put("a.py", "import torch\nbad  # mine\n")
        first, second = write(results)
        assert Path("a.py").read_text() == "import torch\nbad  # mine\n"
        assert Path("b.py").read_text() == "import torch\ngood\n"
        failure, found = first.diagnostics
        assert failure.internal
        assert failure.message.startswith("the fixes were not written: ")
        assert found.code == "TL101"
        assert first.source is not None
        assert first.fixed == ()
        assert second.diagnostics == ()

    def test_a_file_that_disappeared_meanwhile(self) -> None:
        put("a.py", "import torch\nbad\n")
        results = self.fix()
        Path("a.py").unlink()
        (result,) = write(results)
        assert result.diagnostics[0].internal
        assert not Path("a.py").exists()


class TestPatches:
    def patch_of(self, name: str, content: bytes) -> bytes:
        put(name, content)
        (result,) = run(files(name), Request(os.getcwd(), fix=True), REGISTRY)
        return diff(result)

    def test_a_patch(self) -> None:
        assert self.patch_of("a.py", b"import torch\nx = 1\nbad = 1\n") == (
            b"--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n import torch\n x = 1\n-bad = 1\n+good = 1\n"
        )

    def test_no_change_no_patch(self) -> None:
        assert self.patch_of("a.py", b"import torch\n") == b""

    @pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.py", b"import torch\nbad = 1"),
            ("a.py", b"import torch\nbad = 1\nx = 1"),
            ("a.py", b"import torch\r\nbad = 1\r\nx = 1\r\n"),
            ("a.py", b"import torch\rbad = 1\rx = 1\r"),
            ("a.py", b"# coding: latin-1\nimport torch\nbad = '\xe9'\n"),
            ("a.py", b"\xef\xbb\xbfbad = 1\nimport torch\n"),
            ("sub/a.py", b"import torch\n" + b"x = 1\n" * 50 + b"bad = 1\n" + b"x = 1\n" * 50 + b"bad\n"),
            ("with blank/a b.py", b"import torch\nbad = 1\n"),
            ("caf\u00e9/\u65e5\u672c.py", b"import torch\nbad = 1\n"),
            ('quo"te\\.py', b"import torch\nbad = 1\n"),
            ("tab\t.py", b"import torch\nbad = 1\n"),
        ],
    )
    @pytest.mark.parametrize("folder", [".", "deeper"])
    def test_git_applies_it(self, name: str, content: bytes, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
        subprocess.run(["git", "init", "-q"], check=True)
        Path(folder).mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        patch = self.patch_of(name, content)
        subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=patch, check=True)
        assert Path(name).read_bytes() == content.replace(b"bad", b"good")
