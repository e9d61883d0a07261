"""The console: options, what is printed where, and exit codes."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from standin import LINTER, REGISTRY

from torchlint import __version__, cli, registry, runner
from torchlint.diagnostic import Diagnostic, Severity
from torchlint.source import Source
from torchlint.target import Target

SCRIPT = "import torch\nbad = 1\n"


@dataclass
class Outcome:
    code: int
    out: str
    err: str


class Console:
    """Runs the console in this process, in a folder of its own, with stand-ins for rules and `lint`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        out, err = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, out, err)


@pytest.fixture
def torchlint(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    monkeypatch.setitem(sys.modules, "torchlint.linter", LINTER)
    for module in (registry, runner):
        monkeypatch.setattr(module, "load", lambda plugins=True: REGISTRY)
    for name in ("NO_COLOR", "FORCE_COLOR", "TORCHLINT_DEBUG", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Console(capsys, monkeypatch)


def put(name: str, content: str | bytes = SCRIPT) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


class TestPaths:
    def test_check_is_the_default(self, torchlint: Console) -> None:
        put("a.py")
        expected = torchlint("check", "a.py")
        assert expected.code == 1
        assert torchlint("a.py") == expected
        assert torchlint(".") == expected
        assert torchlint() == expected
        assert torchlint("--select", "ALL", "a.py") == expected
        assert torchlint("check") == expected

    def test_clean(self, torchlint: Console) -> None:
        put("a.py", "import torch\n")
        assert torchlint("a.py") == Outcome(0, "All checks passed!\n", "")
        assert torchlint("a.py", "-q") == Outcome(0, "", "")

    def test_findings(self, torchlint: Console) -> None:
        put("a.py")
        outcome = torchlint("a.py")
        assert outcome.code == 1
        assert outcome.out.startswith("warning[TL101] [*] bad (bad-word)\n --> a.py:2:1\n")
        assert outcome.out.endswith("Found 1 finding (1 warning).\n[*] 1 fixable with `--fix`.\n")
        assert outcome.err == ""

    def test_a_path_that_is_not_there(self, torchlint: Console) -> None:
        put("a.py")
        outcome = torchlint("missing.py", "a.py", "-q")
        assert outcome.code == 2
        assert outcome.err == "torchlint: missing.py: no such file or folder\n"
        assert "TL101" in outcome.out

    def test_nothing_to_lint(self, torchlint: Console) -> None:
        assert torchlint() == Outcome(0, "", "torchlint: no Python files found\n")

    def test_a_file_that_cannot_be_read(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        put("a.py")
        put("b.py", "import torch\n")
        read = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == "b.py":
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        outcome = torchlint("--output-format", "concise")
        assert outcome.code == 2
        assert outcome.out.splitlines()[:2] == [
            "a.py:2:1: TL101 [*] bad (bad-word)",
            "b.py:1:1: TL003 the file cannot be read: Permission denied (unreadable-file)",
        ]

    def test_show_files(self, torchlint: Console) -> None:
        put("b.py", "crash torch")
        put("a/x.py")
        put("venv/x.py")
        assert torchlint("--show-files") == Outcome(0, os.path.join("a", "x.py") + "\nb.py\n", "")
        assert torchlint("--show-files", "missing").code == 2

    def test_exclusions(self, torchlint: Console) -> None:
        put("build/a.py")
        put(".gitignore", "b.py\n")
        put("b.py")
        assert torchlint("--show-files", "build/a.py").out == os.path.join("build", "a.py") + "\n"
        assert torchlint("--show-files", "--force-exclude", "build/a.py").out == ""
        assert torchlint("--show-files").out == ""
        assert torchlint("--show-files", "--no-respect-gitignore").out == "b.py\n"


class TestOptions:
    def test_exit_zero(self, torchlint: Console) -> None:
        put("a.py")
        assert torchlint("--exit-zero").code == 0
        put("b.py", "crash torch")
        assert torchlint("--exit-zero").code == 2

    def test_fail_on(self, torchlint: Console) -> None:
        put("a.py")
        for level, code in {"error": 0, "warning": 1, "info": 1}.items():
            outcome = torchlint("--fail-on", level)
            assert outcome.code == code
            assert outcome.out == torchlint().out
        put("torchlint.toml", 'fail-on = "error"\n')
        assert torchlint().code == 0
        assert torchlint("--fail-on", "info").code == 1
        put("b.py", "crash torch")
        assert torchlint().code == 2
        os.unlink("b.py")
        put("c.py", "torch \0")
        assert torchlint().code == 1

    def test_severity(self, torchlint: Console) -> None:
        put("a.py")
        put("torchlint.toml", 'severity = { bad-word = "info", ALL = "error" }\n')
        outcome = torchlint()
        assert outcome.out.startswith("info[TL101] ")
        assert "Found 1 finding (1 info)." in outcome.out
        assert torchlint("--fail-on", "warning").code == 0
        assert torchlint("--config", "severity.TL101 = 'error'", "--fail-on", "error").code == 1
        put("b/torchlint.toml", 'extend = "../torchlint.toml"\nseverity = { TL101 = "error" }\n')
        put("b/b.py")
        assert "Found 2 findings (1 error, 1 info)." in torchlint().out

    @pytest.mark.parametrize("jobs", ["-j1", "-j2"])
    def test_severity_in_several_processes(self, torchlint: Console, jobs: str) -> None:
        for number in range(25):
            put(f"{number}.py")
        assert "Found 25 findings (25 info)." in torchlint("--config", "severity.ALL = 'info'", jobs).out

    def test_severity_of_what_there_is_not(self, torchlint: Console) -> None:
        put("torchlint.toml", 'severity = { bad-wort = "info" }\n')
        line = "torchlint.toml: `severity`: unknown rule selector `bad-wort`; did you mean `bad-word`?"
        assert torchlint() == Outcome(2, "", f"torchlint: {line}\n")
        put("torchlint.toml", 'severity = { TL000 = "info" }\n')
        line = "torchlint.toml: `severity`: `TL000` is always an error"
        assert torchlint() == Outcome(2, "", f"torchlint: {line}\n")

    def test_options_that_exclude_each_other(self, torchlint: Console) -> None:
        put("a.py")
        for options in (
            ["--write-baseline", "--fix"],
            ["--write-baseline", "--diff"],
            ["--write-baseline", "-"],
            ["--write-baseline", "--since", "HEAD"],
            ["--since", "HEAD", "-"],
            ["--diff", "--output-file", "o.txt"],
            ["--diff", "--statistics"],
            ["--add-noqa", "--output-file", "o.txt"],
            ["--show-files", "--fix"],
            ["--show-files", "--add-noqa"],
            ["--show-settings", "--write-baseline"],
        ):
            outcome = torchlint(*options)
            assert (outcome.code, outcome.out) == (2, "")
            assert f"{options[0]} cannot be used together with" in outcome.err

    def test_quiet_leaves_the_findings(self, torchlint: Console) -> None:
        put("a.py")
        assert torchlint("-q", "--output-format", "concise").out == "a.py:2:1: TL101 [*] bad (bad-word)\n"

    def test_selectors(self, torchlint: Console) -> None:
        put("a.py")
        assert torchlint("--ignore", "TL1").code == 0
        assert torchlint("--select", "correctness, nursery", "--select", "TL000").code == 0
        assert torchlint("--select", "correctness", "--extend-select=TL1").code == 1
        assert torchlint("--select", "correctness,suspicious").code == 1

    def test_an_unknown_selector(self, torchlint: Console) -> None:
        put("a.py")
        outcome = torchlint("--select", "bad-wort")
        message = "unknown rule selector `bad-wort`; did you mean `bad-word`?"
        assert outcome == Outcome(2, "", f"torchlint: command line: `select`: {message}\n")
        Path("a.py").unlink()
        assert torchlint("--select", "bad-wort") == outcome

    def test_per_file_ignores(self, torchlint: Console) -> None:
        put("a.py")
        put("tests/a.py")
        assert torchlint("--per-file-ignores", "tests:TL1", "tests/a.py").code == 0
        assert torchlint("--per-file-ignores", "tests:TL1,a.py:TL000,TL1").code == 0
        assert torchlint("--per-file-ignores", "tests:TL1", "a.py").code == 1
        for wrong in ("tests", "tests:", ":TL1", "TL1,tests:TL1"):
            outcome = torchlint("--per-file-ignores", wrong)
            assert outcome.code == 2
            assert "--per-file-ignores takes PATTERN:SELECTORS" in outcome.err

    def test_statistics(self, torchlint: Console) -> None:
        put("a.py", SCRIPT + "bad\n")
        assert torchlint("--statistics", "-q") == Outcome(1, "2  TL101  [*] bad-word\n", "")
        assert json.loads(torchlint("--statistics", "--output-format", "json").out) == [
            {"code": "TL101", "name": "bad-word", "count": 2, "fixable": True}
        ]

    def test_json_is_json_whatever_happens(self, torchlint: Console) -> None:
        assert torchlint("--output-format", "json").out == "[]\n"
        put("a.py")
        put("b.py", "crash torch")
        put("c.py", b"torch \xff")
        outcome = torchlint("--output-format", "json", "missing.py", ".")
        assert [found["code"] for found in json.loads(outcome.out)] == ["TL101", "TL001", "TL000"]
        assert outcome.code == 2

    def test_colour(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        put("a.py")
        plain = torchlint().out
        assert "\x1b[" not in plain
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[" in torchlint().out
        monkeypatch.setenv("NO_COLOR", "1")
        assert torchlint().out == plain

    def test_usage_errors(self, torchlint: Console) -> None:
        for arguments in (["--nonsense"], ["--output-format", "xml"], ["-j", "0"], ["-", "a.py"], ["rule"]):
            outcome = torchlint(*arguments)
            assert outcome.code == 2
            assert outcome.err.startswith("torchlint: ")
            assert outcome.err.count("\n") == 1

    def test_a_plugin_that_does_not_load(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        put("a.py")
        known = replace(REGISTRY, problems=("plugin mine: ImportError: no module named there",))
        monkeypatch.setattr(registry, "load", lambda plugins: known)
        outcome = torchlint("-q", "--output-format", "concise")
        assert outcome == Outcome(
            2,
            "a.py:2:1: TL101 [*] bad (bad-word)\n",
            "torchlint: plugin mine: ImportError: no module named there\n",
        )


class TestConfiguration:
    def test_a_wrong_file(self, torchlint: Console) -> None:
        put("pyproject.toml", "[tool.torchlint]\nslect = 1\n")
        outcome = torchlint()
        assert outcome.code == 2
        assert outcome.err.startswith("torchlint: pyproject.toml: unknown key `slect`; did you mean `select`?")
        assert outcome.err.count("\n") == 1
        assert torchlint("--isolated").code == 0

    def test_an_output_format_is_that_of_the_working_directory(self, torchlint: Console) -> None:
        put("torchlint.toml", 'output-format = "concise"\n')
        put("a/torchlint.toml", 'output-format = "json"\n')
        put("a/a.py")
        assert torchlint("-q").out == os.path.join("a", "a.py") + ":2:1: TL101 [*] bad (bad-word)\n"

    def test_config_takes_a_file_or_a_setting(self, torchlint: Console) -> None:
        put("a.py")
        put("mine.toml", 'ignore = ["TL1"]\n')
        assert torchlint("--config", "mine.toml").code == 0
        assert torchlint("--config", 'ignore = ["TL1"]').code == 0
        assert torchlint("--config", "mine.toml", "--config", "ignore = []", "--extend-select", "TL1").code == 1
        for wrong in (["missing.toml"], ["mine.toml", "mine.toml"], ["ignore = 1"], ["a = ="]):
            outcome = torchlint(*[argument for value in wrong for argument in ("--config", value)])
            assert outcome.code == 2
        assert torchlint("--isolated", "--config", "mine.toml").code == 2

    def test_show_settings_says_who_set_them(self, torchlint: Console) -> None:
        put("torchlint.toml", 'ignore = ["TL1"]\nextend-exclude = ["old"]\n')
        outcome = torchlint("--show-settings", "--unsafe-fixes", "a.py")
        assert outcome.code == 0
        lines = outcome.out.splitlines()
        assert 'ignore = ["TL1"]  # torchlint.toml' in lines
        assert "unsafe-fixes = true  # command line" in lines
        assert 'output-format = "full"  # default' in lines
        assert "baseline = (none)  # default" in lines
        assert 'fail-on = "info"  # default' in lines
        (exclude,) = [line for line in lines if line.startswith("exclude")]
        assert '"old"' in exclude
        assert exclude.endswith("# torchlint.toml")

    def test_the_target(self, torchlint: Console) -> None:
        put("a.py")
        put(".git/HEAD")
        put("requirements.txt", "torch==1.13.1\n")
        put("torchlint.toml", 'target-python = "3.9"\n')
        lines = torchlint("--show-settings", "--platform", "linux", "a.py").out.splitlines()
        assert 'target-python = ">=3.9,<3.10"  # torchlint.toml' in lines
        assert 'target-torch = ">=1.13.1,<1.13.2"  # requirements.txt' in lines
        assert 'platform = "linux"  # command line' in lines
        lines = torchlint("--show-settings", "--target-torch=any", "--target-python", "py311", "a.py").out.splitlines()
        assert 'target-python = ">=3.11,<3.12"  # command line' in lines
        assert 'target-torch = "any"  # command line' in lines
        assert 'platform = "any"  # default' in lines

    def test_a_target_that_is_none(self, torchlint: Console) -> None:
        put("a.py")
        line = "command line: `target-torch` must be versions such as 2.3 or >=1.13,<2.5, not 'new'"
        assert torchlint("--target-torch", "new") == Outcome(2, "", f"torchlint: {line}\n")
        outcome = torchlint("--platform", "beos")
        assert outcome.code == 2
        assert "'beos' is not one of 'any', 'linux', 'windows', 'macos'" in outcome.err

    @pytest.mark.parametrize("jobs", ["-j1", "-j2"])
    def test_the_rules_are_told_the_target(
        self, torchlint: Console, monkeypatch: pytest.MonkeyPatch, jobs: str
    ) -> None:
        def lint(source: Source, rules: object, *, target: Target, **options: object) -> list[Diagnostic]:
            text = f"{target.python} {target.torch} {target.platform}"
            return [Diagnostic("TL101", "bad-word", text, Severity.ERROR, source.filename, source.span(0, 1))]

        monkeypatch.setattr(LINTER, "lint", lint)
        put(".git/HEAD")
        put("b/requirements.txt", "torch==1.13\n")
        for number in range(25):
            put(f"a/{number}.py")
            put(f"b/{number}.py")
        options = ["--output-format", "json", "--target-python", "3.11", "--platform", "linux", jobs]
        for more in ([], ["--fix"]):
            found = json.loads(torchlint(*options, *more).out)
            told = {(Path(one["filename"]).parent.name, one["message"]) for one in found}
            assert told == {("a", ">=3.11,<3.12 any linux"), ("b", ">=3.11,<3.12 >=1.13,<1.13.1 linux")}

    def test_the_schema(self, torchlint: Console) -> None:
        outcome = torchlint("config", "--schema")
        assert outcome.code == 0
        assert "per-file-ignores" in json.loads(outcome.out)["properties"]
        assert "\nper-file-ignores\n    Rules not to run" in torchlint("config").out


class TestFixes:
    def test_fix(self, torchlint: Console) -> None:
        put("a.py")
        outcome = torchlint("--fix")
        assert outcome == Outcome(0, "Found 1 finding (1 fixed, 0 remaining).\n", "")
        assert Path("a.py").read_text() == "import torch\ngood = 1\n"
        assert torchlint("--fix") == Outcome(0, "All checks passed!\n", "")

    def test_diff_writes_nothing(self, torchlint: Console) -> None:
        put("a.py")
        outcome = torchlint("--diff")
        assert outcome.code == 1
        assert outcome.out == "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n import torch\n-bad = 1\n+good = 1\n"
        assert outcome.err == "Would fix 1 finding.\n"
        assert Path("a.py").read_text() == SCRIPT
        assert torchlint("--diff", "--fix") == outcome
        assert torchlint("--diff", "--exit-zero").code == 0

    def test_diff_without_a_change(self, torchlint: Console) -> None:
        put("a.py", "import torch\n")
        assert torchlint("--diff") == Outcome(0, "", "No fixes to apply.\n")

    def test_diff_with_a_failure(self, torchlint: Console) -> None:
        put("a.py", "torch crash")
        outcome = torchlint("--diff", "-q")
        assert outcome == Outcome(2, "", "torchlint: a.py: ZeroDivisionError: division by zero\n")

    def test_a_file_that_cannot_be_written(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        from torchlint import fixer

        def refuse(path: Path, old: bytes, new: bytes) -> None:
            raise fixer.FixError("No space left on device")

        put("a.py")
        monkeypatch.setattr(fixer, "write", refuse)
        outcome = torchlint("--fix", "-q", "--output-format", "concise")
        assert outcome.code == 2
        first, second = outcome.out.splitlines()
        assert "the fixes were not written: No space left on device" in first
        assert second == "a.py:2:1: TL101 [*] bad (bad-word)"
        assert Path("a.py").read_text() == SCRIPT


class TestStandardInput:
    def test_findings(self, torchlint: Console) -> None:
        outcome = torchlint("-", "-q", "--output-format", "concise", stdin=SCRIPT.encode())
        assert outcome == Outcome(1, "-:2:1: TL101 [*] bad (bad-word)\n", "")

    def test_a_name(self, torchlint: Console) -> None:
        put("pkg/torchlint.toml", '[per-file-ignores]\n"tests" = ["TL1"]\n')
        options = ("-", "-q", "--output-format", "concise")
        outcome = torchlint(*options, "--stdin-filename", "pkg/a.py", stdin=SCRIPT.encode())
        assert outcome.out == f"{os.path.join('pkg', 'a.py')}:2:1: TL101 [*] bad (bad-word)\n"
        assert torchlint(*options, "--stdin-filename", "pkg/tests/a.py", stdin=SCRIPT.encode()).code == 0

    def test_a_name_alone_means_standard_input(self, torchlint: Console) -> None:
        put("b.py")
        outcome = torchlint("--fix", "-q", "--stdin-filename", "a.py", stdin=SCRIPT.encode())
        assert outcome.out == "import torch\ngood = 1\n"
        outcome = torchlint("--fix", "--stdin-filename", "a.py", "b.py", stdin=SCRIPT.encode())
        assert (outcome.code, outcome.out) == (2, "")
        assert "--stdin-filename is the name of standard input" in outcome.err
        assert Path("b.py").read_text() == SCRIPT

    def test_fixed_code_goes_to_standard_output(self, torchlint: Console) -> None:
        outcome = torchlint("-", "--fix", stdin=b"import torch\r\nbad = 1")
        assert outcome == Outcome(0, "import torch\r\ngood = 1", "Found 1 finding (1 fixed, 0 remaining).\n")

    def test_code_that_cannot_be_fixed_comes_back_as_it_was(self, torchlint: Console) -> None:
        outcome = torchlint("-", "--fix", "-q", stdin=b"crash torch")
        assert outcome.code == 2
        assert outcome.out == "crash torch"
        assert "ZeroDivisionError" in outcome.err

    def test_diff(self, torchlint: Console) -> None:
        outcome = torchlint("-", "--diff", "--stdin-filename", "a.py", stdin=SCRIPT.encode())
        assert outcome.code == 1
        assert outcome.out.startswith("--- a/a.py\n+++ b/a.py\n")

    def test_an_excluded_name(self, torchlint: Console) -> None:
        arguments = ("-", "--fix", "--stdin-filename", "build/a.py")
        assert torchlint(*arguments, stdin=SCRIPT.encode()).out == "import torch\ngood = 1\n"
        assert torchlint(*arguments, "--force-exclude", stdin=SCRIPT.encode()).out == SCRIPT

    def test_show_files(self, torchlint: Console) -> None:
        assert torchlint("-", "--show-files", "--stdin-filename", "a.py").out == "a.py\n"


def test_help_cuts_no_sentence_short(torchlint: Console) -> None:
    assert "..." not in torchlint("--help").out.split("Commands:")[1]


class TestRule:
    def test_by_code_and_by_name(self, torchlint: Console) -> None:
        by_code, by_name = torchlint("rule", "TL101"), torchlint("rule", "bad-word")
        assert by_code == by_name
        assert by_code.code == 0
        assert by_code.out.startswith("# bad-word (TL101)\n\nCategory suspicious, reported as warning, has no fix.\n")
        assert "Checks for a bad word." in by_code.out

    def test_all_as_json(self, torchlint: Console) -> None:
        outcome = torchlint("rule", "--all", "--output-format", "json")
        rules = {entry["code"]: entry for entry in json.loads(outcome.out)}
        assert rules["TL101"] == {
            "code": "TL101",
            "name": "bad-word",
            "summary": "Checks for a bad word.",
            "category": "suspicious",
            "severity": "warning",
            "fix": None,
            "documentation": "Checks for a bad word.",
            "url": "https://github.com/torchlint/torchlint#bad-word",
        }

    def test_an_unknown_one(self, torchlint: Console) -> None:
        outcome = torchlint("rule", "bad-wort")
        assert outcome.code == 2
        assert "there is no rule `bad-wort`; did you mean `bad-word`?" in outcome.err


class TestTrouble:
    def test_an_unexpected_exception_is_one_line(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        def crash(plugins: bool = True) -> None:
            raise ZeroDivisionError("division\nby zero")

        monkeypatch.setattr(registry, "load", crash)
        line = "internal error: ZeroDivisionError: division by zero (TORCHLINT_DEBUG=1 shows where)"
        assert torchlint() == Outcome(2, "", f"torchlint: {line}\n")
        monkeypatch.setenv("TORCHLINT_DEBUG", "1")
        assert "Traceback" in torchlint().err

    def test_an_interrupt(self, torchlint: Console) -> None:
        put("a.py", "torch interrupt")
        outcome = torchlint()
        assert outcome.code == 130
        assert outcome.out == ""
        assert outcome.err.strip() == ""


# The real program, in processes of its own.

PROGRAM = [sys.executable, "-m", "torchlint"]
# So that a checkout that is not installed is found from other folders too.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a run imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "torchlint", *arguments], capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_the_version() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"torchlint {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["check", "--help"], ["rule", "--help"]])
def test_what_only_informs_is_instant(arguments: list[str]) -> None:
    modules = loaded_by(*arguments)
    assert "torchlint.cli" in modules
    for heavy in ("libcst", "rich", "msgspec", "pathspec", "multiprocessing", "torchlint.config"):
        assert heavy not in modules


def test_linting_never_loads_what_is_slow(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nx = torch.zeros(3)\n")
    modules = loaded_by("--isolated", str(tmp_path))
    assert "torchlint.linter" in modules
    # `import libcst` brings libcst.metadata along; that nothing of ours uses it is for another test.
    for slow in ("torch", "libcst.matchers", "libcst.codemod", "rich", "numpy"):
        assert slow not in modules


def test_files_without_torch_never_load_the_linter(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    modules = loaded_by("--isolated", str(tmp_path))
    assert "torchlint.registry" in modules
    assert "torchlint.linter" not in modules


def test_choices_are_those_of_the_configuration() -> None:
    from torchlint import config

    assert (cli.FORMATS, cli.LEVELS) == (config.OUTPUT_FORMATS, config.LEVELS)
    assert cli.PLATFORMS == config.PLATFORMS


class TestFormats:
    @pytest.mark.parametrize("name", cli.FORMATS)
    def test_every_format_is_there(self, torchlint: Console, name: str) -> None:
        put("bad.py")
        put("good.py", "import torch\n")
        found, clean = (torchlint("--output-format", name, path) for path in ("bad.py", "good.py"))
        assert (found.code, found.err) == (1, "")
        assert "bad.py" in found.out
        assert (clean.code, clean.err) == (0, "")
        assert "bad.py" not in clean.out


class TestOutputFile:
    def test_the_report_goes_there_and_the_exit_code_stays(self, torchlint: Console) -> None:
        put("a.py")
        expected = torchlint("a.py", "--output-format", "json")
        assert torchlint("a.py", "--output-format", "json", "-o", "out.json") == Outcome(1, "", "")
        assert Path("out.json").read_text("utf-8") == expected.out
        put("a.py", "import torch\n")
        assert torchlint("a.py", "--output-format", "json", "--output-file", "out.json").code == 0
        assert Path("out.json").read_text("utf-8") == "[]\n"

    def test_a_dash_is_standard_output(self, torchlint: Console) -> None:
        put("a.py")
        assert torchlint("a.py", "-o", "-") == torchlint("a.py")
        assert not Path("-").exists()

    @pytest.mark.parametrize(
        ("path", "why"), [("missing/out.json", "No such file or directory"), (".", "Is a directory")]
    )
    def test_where_it_cannot_be_written(self, torchlint: Console, path: str, why: str) -> None:
        put("a.py")
        assert torchlint("a.py", "-o", path) == Outcome(2, "", f"torchlint: --output-file {path}: {why}\n")

    def test_a_device_is_written_to(self, torchlint: Console) -> None:
        put("a.py")
        assert torchlint("a.py", "-o", os.devnull) == Outcome(1, "", "")
        assert not Path(os.devnull).is_file()

    @pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no such device here")
    def test_standard_output_is_one_too(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("import torch\nx = (\n")
        done = subprocess.run(
            [*PROGRAM, "-o", "/dev/stdout", "--output-format", "pylint", str(tmp_path / "a.py")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert "[TL000]" in done.stdout

    def test_a_file_keeps_its_mode(self, torchlint: Console) -> None:
        put("a.py")
        put("out.txt", "old")
        os.chmod("out.txt", 0o640)
        torchlint("a.py", "-o", "out.txt")
        assert os.stat("out.txt").st_mode & 0o777 == 0o640


class TestStepSummary:
    @pytest.fixture
    def page(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "page.md"
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
        put("a.py")
        return path

    def test_findings_are_added_to_the_page(self, torchlint: Console, page: Path) -> None:
        page.write_text("before")
        assert torchlint("--output-format", "github", "a.py").code == 1
        assert page.read_text().startswith("before\n\n### torchlint: 1 warning\n")
        put("b.py", "import torch\n")
        assert torchlint("--output-format", "github", "b.py").code == 0
        assert page.read_text().startswith("before\n\n### torchlint: 1 warning\n")
        assert page.read_text().endswith("\n\n### torchlint: nothing found\n\n")

    def test_other_formats_leave_the_page_alone(self, torchlint: Console, page: Path) -> None:
        torchlint("--output-format", "full", "a.py")
        torchlint("--output-format", "github", "--statistics", "a.py")
        assert not page.exists()

    def test_a_page_that_is_full_stays_as_it_is(self, torchlint: Console, page: Path) -> None:
        page.write_bytes(b"x" * 1024 * 1024)
        assert torchlint("--output-format", "github", "a.py").code == 1
        assert page.read_bytes() == b"x" * 1024 * 1024

    def test_a_page_that_cannot_be_written(
        self, torchlint: Console, page: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page / "none" / "page.md"))
        outcome = torchlint("--output-format", "github", "a.py")
        assert outcome.code == 2
        assert outcome.out.startswith("::warning title=torchlint (TL101),file=a.py,")
        assert outcome.err.startswith("torchlint: GITHUB_STEP_SUMMARY ")
        assert outcome.err.count("\n") == 1

    def test_no_page(self, torchlint: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
        put("a.py")
        outcome = torchlint("--output-format", "github", "a.py")
        assert (outcome.code, outcome.err) == (1, "")


def test_a_reader_that_stops_reading(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number:0>100}.py").touch()
    with subprocess.Popen(
        [*PROGRAM, "--show-files", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_way_processes_start_changes_nothing(tmp_path: Path, method: str) -> None:
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    for number in range(25):
        (tmp_path / f"m{number}.py").write_text("import torch\n" + "x = (\n" * (number % 3))
    driver = tmp_path / "driver.txt"
    driver.write_text(
        "import multiprocessing\n"
        "from torchlint.cli import main\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method('{method}')\n"
        "    main()\n"
    )
    options = ["--isolated", "--output-format", "concise", "-q", "."]
    alone, shared = (
        subprocess.run([*program, *options], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
        for program in ([*PROGRAM, "-j1"], [sys.executable, str(driver), "-j2"])
    )
    assert (alone.returncode, alone.stderr) == (1, "")
    assert alone.stdout.count("TL000") == 16
    assert (shared.returncode, shared.stdout, shared.stderr) == (1, alone.stdout, "")
