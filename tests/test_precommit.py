"""The hooks, run by pre-commit itself from a copy of the checkout, in an environment that pre-commit builds."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
IGNORED = shutil.ignore_patterns(
    ".git", "__pycache__", "*.egg-info", "build", "dist", ".*_cache", ".hypothesis", ".venv", "node_modules"
)
# What pip says where it cannot reach an index.
UNREACHABLE = re.compile(
    r"No matching distribution|Could not find a version|connection|timed out|name resolution|Max retries", re.IGNORECASE
)
SCRIPT = "import torch\n\nx = torch.ones(3, requires_grad=True)\nprint(x.numpy())\n"
FIXED = SCRIPT.replace("x.numpy()", "x.detach().numpy()")
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "a",
            "metadata": {},
            "outputs": [],
            "source": SCRIPT.splitlines(keepends=True),
        }
    ],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
LINTED = {"train.py", "stub.pyi", "notebook.ipynb", "script"}
NOT_LINTED = {"readme.md", "shell", "build/generated.py"}


@dataclass
class Outcome:
    code: int
    output: str
    installed: str
    project: Path


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHON", "PRE_COMMIT"))}
    return {
        **kept,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        **more,
    }


def commit(folder: Path) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=folder, env=environment(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what the checkout holds, whether committed or not."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    copy = tmp_path_factory.mktemp("hooks") / "torchlint"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    commit(copy)
    return copy


@pytest.fixture(scope="module")
def outcome(hooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What pre-commit does with all hooks, the fixing one last, in a project with a file of each kind."""
    project = tmp_path_factory.mktemp("project")
    (project / "build").mkdir()
    for name in ("train.py", "stub.pyi", "readme.md", "build/generated.py"):
        (project / name).write_text(SCRIPT)
    (project / "notebook.ipynb").write_text(json.dumps(NOTEBOOK, indent=1) + "\n")
    for name, interpreter in {"script": "python3", "shell": "sh"}.items():
        (project / name).write_text(f"#!/usr/bin/env {interpreter}\n{SCRIPT}")
        (project / name).chmod(0o755)
    commit(project)
    log = tmp_path_factory.mktemp("log") / "pip.log"
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "try-repo", str(hooks), "--all-files", "--verbose", "--color=never"],
        cwd=project,
        env=environment(PIP_LOG=str(log), XDG_CACHE_HOME=str(log.parent)),
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    installed = log.read_text(errors="replace") if log.exists() else ""
    if done.returncode == 3 and UNREACHABLE.search(output):
        pytest.skip("pip cannot install what the hooks need: no package index is within reach")
    return Outcome(done.returncode, output, installed, project)


def test_the_manifest_is_valid() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_both_hooks_take_the_same_files() -> None:
    report, fix = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    same = {"language", "types_or", "require_serial"}
    assert {key: report[key] for key in same} == {key: fix[key] for key in same}
    assert fix["entry"] == report["entry"] + " --fix"


def test_a_finding_fails_the_hook(outcome: Outcome) -> None:
    assert outcome.code == 1, outcome.output
    first, second = re.findall(r"^- exit code: (\d)$|^- files were modified by this hook$", outcome.output, re.M)
    assert (first, second) == ("1", "")


def test_python_files_are_linted_and_no_others(outcome: Outcome) -> None:
    report, fix = re.split(r"^torchlint --fix\.+", outcome.output, flags=re.M)
    found = {name for name in LINTED | NOT_LINTED if re.search(rf"^ *--> {re.escape(name)}:", report, re.M)}
    assert found == LINTED
    assert "Found 4 findings" in report
    assert "Found 4 findings (4 fixed, 0 remaining)" in fix
    assert "-->" not in fix


def test_the_fixing_hook_fixes(outcome: Outcome) -> None:
    for name in ("train.py", "stub.pyi"):
        assert (outcome.project / name).read_text() == FIXED
    assert (outcome.project / "script").read_text() == f"#!/usr/bin/env python3\n{FIXED}"
    notebook = json.loads((outcome.project / "notebook.ipynb").read_text())
    assert "".join(notebook["cells"][0]["source"]) == FIXED
    assert notebook == {**NOTEBOOK, "cells": notebook["cells"]}
    for name in NOT_LINTED:
        assert "detach" not in (outcome.project / name).read_text()


def test_the_environment_holds_no_torch(outcome: Outcome) -> None:
    installed = " ".join(re.findall(r"Successfully installed (.*)", outcome.installed)).split()
    names = {re.sub(r"-[^-]*$", "", one) for one in installed}
    assert {"torchlint", "libcst"} <= names
    assert not {name for name in names if name.startswith(("nvidia", "numpy", "torchvision")) or name == "torch"}
