"""Shell completion, through the program itself: what the shells ask, and a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHELLS = ["bash", "zsh", "fish"]


def ask(shell: str, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """What the script of a shell asks when Tab is pressed after the last word, which may be empty."""
    program = [sys.executable, *(["-X", "importtime"] if "importtime" in more else []), "-m", "torchlint"]
    line = ["torchlint", *words]
    if shell == "fish":
        environment = {"COMP_WORDS": "\n".join(line), "COMP_CWORD": words[-1]}
    else:
        environment = {"COMP_WORDS": "\n".join(line), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        program,
        env={**os.environ, "PYTHONPATH": str(ROOT), "_TORCHLINT_COMPLETE": f"{shell}_complete", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def offered(*words: str) -> list[str]:
    """The values that bash is offered; `FILES` stands for files and folders."""
    lines = ask("bash", *words).stdout.split()
    pairs = [line.partition(",") for line in lines]
    return ["FILES" if kind == "file" else value for kind, _, value in pairs]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchlint"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_TORCHLINT_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_TORCHLINT_COMPLETE={shell}_complete" in done.stdout
    assert done.stdout.endswith("\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_answered(shell: str) -> None:
    options = ask(shell, "--out").stdout
    assert "--output-format" in options
    assert "--output-file" in options
    rules = ask(shell, "rule", "TL2").stdout
    assert "TL201" in rules
    assert "TL301" not in rules


def test_commands_may_stand_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run.py", ".rustic", "train.py"):
        (tmp_path / name).touch()
    (tmp_path / "runs").mkdir()
    assert offered("ru") == ["rule", "run.py", "runs/"]
    assert {"check", "config", "prove", "rule", "run.py", "train.py", "runs/"} <= set(offered(""))
    assert offered("./ru") == ["FILES"]
    assert offered("tr") == ["FILES"]
    assert offered("src", "ru") == ["FILES"]
    assert offered("check", "ru") == ["FILES"]
    assert offered("--fix", "ru") == ["FILES"]


def test_options() -> None:
    assert offered("--output-f") == ["--output-format", "--output-file"]
    assert offered("check", "--wat") == ["--watch"]
    assert offered("src", "--wat") == ["--watch"]
    assert offered("rule", "--al") == ["--all"]


def test_values() -> None:
    assert offered("--output-format", "gi") == ["github", "gitlab"]
    assert offered("--output-format=gi") == ["github", "gitlab"]
    assert offered("--fail-on", "") == ["error", "warning", "info"]
    assert offered("--platform", "") == ["any", "linux", "windows", "macos"]
    assert offered("--platform=w") == ["windows"]
    for option in ("--config", "--baseline", "-o", "--stdin-filename"):
        assert offered(option, "x") == ["FILES"]
    assert offered("--add-noqa", "sr") == ["FILES"]


def test_selectors() -> None:
    assert offered("--select", "TL50") == [f"TL50{digit}" for digit in range(1, 10)]
    assert offered("--ignore", "perf") == ["performance"]
    assert offered("--extend-select", "softmax-i") == ["softmax-into-cross-entropy"]
    assert offered("--select", "TL301,correct") == ["TL301,correctness"]
    assert offered("--select", "nothing") == []


def test_rules() -> None:
    assert offered("rule", "softmax-in") == ["softmax-into-cross-entropy"]
    assert "TL000" in offered("rule", "TL0")


def test_options_are_instant() -> None:
    done = ask("bash", "--out", importtime="")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "torchlint.cli" in loaded
    assert not loaded & {"libcst", "msgspec", "rich", "torchlint.registry", "torchlint.config"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_real_bash(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "torchlint"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom torchlint.cli import run\n\nrun()\n")
    program.chmod(0o755)
    script = (
        'eval "$(_TORCHLINT_COMPLETE=bash_source torchlint)"\n'
        'try() { COMP_WORDS=(torchlint "$@"); COMP_CWORD=$#; COMPREPLY=(); _torchlint_completion torchlint;'
        ' echo "${COMPREPLY[*]}"; }\n'
        "complete -p torchlint >&2\n"
        "try --out; try rule TL201; try ru\n"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_torchlint_completion torchlint" in done.stderr
    assert "compopt" not in done.stderr
    options, rules, commands = (line.split() for line in done.stdout.splitlines())
    assert options == ["--output-format", "--output-file"]
    assert rules == ["TL201"]
    assert commands == ["rule"]
