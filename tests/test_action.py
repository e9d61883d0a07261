"""The GitHub Action: its steps, and its script, run as a runner would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
STEP = STEPS[-1]
IGNORED = shutil.ignore_patterns(
    ".git", "__pycache__", "*.egg-info", "build", "dist", ".*_cache", ".hypothesis", ".venv", "node_modules"
)
UNREACHABLE = re.compile(
    r"No matching distribution|Could not find a version|connection|timed out|name resolution", re.IGNORECASE
)
# Takes the place of Python: what it is told to install and run is written down, all else is done.
STAND_IN = """#!{python}
import json, os, pathlib, sys
log = pathlib.Path(os.environ["STAND_IN_LOG"])
arguments = sys.argv[1:]
if pathlib.Path(sys.argv[0]).name == "torchlint":
    with log.open("a") as file:
        print(json.dumps(["torchlint", *arguments]), file=file)
    sys.exit(int(os.environ.get("STAND_IN_CODE", "0")))
elif arguments[:2] == ["-m", "venv"]:
    bin = pathlib.Path(arguments[2], "bin")
    bin.mkdir()
    for name in ("python", "torchlint"):
        (bin / name).write_text(pathlib.Path(sys.argv[0]).read_text())
        (bin / name).chmod(0o755)
elif arguments[:2] == ["-m", "pip"]:
    with log.open("a") as file:
        print(json.dumps(["pip", *arguments[2:]]), file=file)
else:
    os.execv("{python}", ["{python}", *arguments])
"""


@dataclass
class Outcome:
    code: int
    output: str
    ran: list[list[str]]

    @property
    def linted(self) -> list[str]:
        """What torchlint was given."""
        (arguments,) = [arguments for program, *arguments in self.ran if program == "torchlint"]
        return arguments

    @property
    def installed(self) -> str:
        """What pip was to install."""
        (arguments,) = [arguments for program, *arguments in self.ran if program == "pip"]
        return arguments[-1]


def run_step(folder: Path, path: str, inputs: dict[str, str], **more: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
    step = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match.group(1)], value)
        for name, value in STEP["env"].items()
    }
    script = folder.parent / "step.sh"
    script.write_text(STEP["run"])
    temporary = folder.parent / "temp"
    temporary.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TORCHLINT", "GITHUB"))}
    # As the runner does for `shell: bash`.
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=folder,
        env={**kept, **step, "PATH": path, "RUNNER_TEMP": str(temporary), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def with_stand_in(tmp_path: Path, /, *, exit_code: str = "0", **inputs: str) -> Outcome:
    project, bin = tmp_path / "project", tmp_path / "bin"
    project.mkdir()
    bin.mkdir()
    (bin / "python").write_text(STAND_IN.replace("{python}", sys.executable))
    (bin / "python").chmod(0o755)
    log = tmp_path / "log"
    done = run_step(
        project,
        f"{bin}{os.pathsep}{os.environ['PATH']}",
        {name.replace("_", "-"): value for name, value in inputs.items()},
        GITHUB_ACTION_PATH="/action/.github",
        STAND_IN_LOG=str(log),
        STAND_IN_CODE=exit_code,
    )
    ran = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    assert list(project.iterdir()) == []
    return Outcome(done.returncode, done.stdout + done.stderr, ran)


def test_the_steps_are_what_a_runner_takes() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert set(ACTION["inputs"]) == {"src", "args", "version", "python-version"}
    for one in ACTION["inputs"].values():
        assert set(one) == {"description", "default"}
        assert isinstance(one["default"], str)
    setup, step = STEPS
    assert setup["uses"].startswith("actions/setup-python@")
    assert setup["if"] == "inputs.python-version != ''"
    assert step["shell"] == "bash"


def test_no_input_becomes_part_of_a_script() -> None:
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []
    for value in STEP["env"].values():
        assert re.fullmatch(r"\$\{\{ inputs\.[\w-]+ \}\}", value)


def test_by_default_the_folder_is_linted_with_the_torchlint_of_the_action(tmp_path: Path) -> None:
    outcome = with_stand_in(tmp_path)
    assert outcome.code == 0, outcome.output
    assert outcome.linted == ["check", "--output-format", "github", "--", "."]
    assert outcome.installed == "/action/.github/.."


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_that_of_torchlint(tmp_path: Path, code: int) -> None:
    assert with_stand_in(tmp_path, exit_code=str(code)).code == code


def test_options_are_words_as_in_a_shell_and_paths_are_lines(tmp_path: Path) -> None:
    outcome = with_stand_in(
        tmp_path, args="--fail-on error\n  --config 'select = [\"TL2\"]' --since=origin/main\n", src="a b.py\r\n\nsrc"
    )
    assert outcome.linted[3:] == [
        "--fail-on", "error", "--config", 'select = ["TL2"]', "--since=origin/main", "--", "a b.py", "src",
    ]  # fmt: skip


HOSTILE = "$(touch pwned) `touch pwned` ; touch pwned && touch pwned | touch pwned > pwned $HOME * \\"


def test_nothing_that_is_passed_is_run(tmp_path: Path) -> None:
    outcome = with_stand_in(tmp_path, src=f"{HOSTILE}\n--fix", args=HOSTILE.replace("`", "").rstrip("\\"))
    assert outcome.code == 0, outcome.output
    assert outcome.linted[outcome.linted.index("--") :] == ["--", HOSTILE, "--fix"]
    assert outcome.linted[3:6] == ["$(touch", "pwned)", "touch"]


@pytest.mark.parametrize(
    ("version", "requirement"),
    [("0.1.0", "torchlint==0.1.0"), (">=0.1, <1", "torchlint>=0.1,<1"), ("1.0rc1", "torchlint==1.0rc1")],
)
def test_a_version_may_be_asked_for(tmp_path: Path, version: str, requirement: str) -> None:
    assert with_stand_in(tmp_path, version=version).installed == requirement


@pytest.mark.parametrize(
    "inputs",
    [
        {"version": "@ https://example.org/x.whl"},
        {"version": "0.1; os_name == 'x'"},
        {"version": "-r requirements.txt"},
        {"version": "$(touch pwned)"},
        {"args": "--config 'select"},
    ],
)
def test_a_bad_input_is_refused_before_anything_is_linted(tmp_path: Path, inputs: dict[str, str]) -> None:
    outcome = with_stand_in(tmp_path, **inputs)
    assert outcome.code == 2
    assert f"::error title=torchlint::the input `{next(iter(inputs))}`" in outcome.output
    assert not [program for program, *_ in outcome.ran if program == "torchlint"]


def test_it_works(tmp_path: Path) -> None:
    checkout, project = tmp_path / "action", tmp_path / "project"
    shutil.copytree(ROOT, checkout, ignore=IGNORED)
    project.mkdir()
    (project / "a.py").write_text("import torch\n\nx = torch.ones(3, requires_grad=True)\nprint(x.numpy())\n")
    summary = tmp_path / "summary.md"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    action = {"GITHUB_ACTION_PATH": str(checkout / ".github"), "GITHUB_STEP_SUMMARY": str(summary)}
    done = run_step(project, path, {"args": "--fail-on error"}, **action)
    if UNREACHABLE.search(done.stderr):
        pytest.skip("pip cannot install what torchlint needs: no package index is within reach")
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("::error ")
    assert "file=a.py,line=4," in line
    assert "TL301" in summary.read_text()
