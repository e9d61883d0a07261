"""The wheel: what is in it, and that it works where no checkout is near."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IGNORED = shutil.ignore_patterns(
    ".git", "__pycache__", "*.egg-info", "build", "dist", ".*_cache", ".hypothesis", ".venv"
)

SCRIPT = """import torch

x = torch.ones(3, requires_grad=True)
print(x.numpy())
"""


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the checkout and finds nothing of earlier builds."""
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run("-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), ".", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents, as an installer lays them out."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def below(top: Path, *suffixes: str) -> set[str]:
    return {
        path.relative_to(top).as_posix()
        for path in top.rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_program_its_rules_and_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"torchlint/{name}" for name in below(ROOT / "torchlint", ".py", ".json", ".typed")}
    expected |= {"torchlint/py.typed", *(f"torchlint/rules/{name}" for name in below(ROOT / "rules", ".py"))}
    assert names == expected


def test_the_wheel_says_what_it_is(installed: Path) -> None:
    (info,) = installed.glob("torchlint-*.dist-info")
    assert "torchlint = torchlint.cli:" in (info / "entry_points.txt").read_text()
    metadata = (info / "METADATA").read_text()
    assert "License-Expression: MIT" in metadata
    requirements = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and ";" not in line]
    assert not any("torch" in line for line in requirements)
    assert any((info / "licenses").iterdir())


def test_the_sdist_makes_the_same_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    done = run("-m", "build", "--no-isolation", "--sdist", "--outdir", str(tmp_path), ".", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    done = run("-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), ".", cwd=unpacked)
    assert done.returncode == 0, done.stdout + done.stderr
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert set(one.namelist()) == set(other.namelist())


def test_the_installed_program_lints_from_anywhere(installed: Path, tmp_path: Path) -> None:
    version = run("-m", "torchlint", "--version", cwd=tmp_path, PYTHONPATH=str(installed))
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("torchlint ")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run(
        "-m", "torchlint", "check", "--isolated", "--no-cache", "--output-format", "concise", "script.py",
        cwd=tmp_path, PYTHONPATH=str(installed),
    )  # fmt: skip
    assert done.stdout.startswith("script.py:4:"), done.stdout + done.stderr
    assert "TL301" in done.stdout
    assert done.returncode == 1
    where = "import torchlint, torchlint.rules; print(torchlint.__file__, torchlint.rules.__file__)"
    places = run("-c", where, cwd=tmp_path, PYTHONPATH=str(installed)).stdout.split()
    assert all(place.startswith(str(installed)) for place in places)


def test_a_bare_checkout_runs_too(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run("-m", "torchlint", "--isolated", str(tmp_path / "script.py"), cwd=checkout)
    assert "TL301" in done.stdout, done.stderr
    assert done.returncode == 1
