"""Path patterns, against what git itself says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchlint.pattern import Patterns, steps_below

ROOT = os.path.join(os.sep, "project")


def matched(lines: list[str], path: str, *, is_folder: bool = False) -> bool | None:
    return Patterns(ROOT, lines).verdict(os.path.join(ROOT, *path.split("/")), is_folder=is_folder)


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        ("build", "a/build", True),
        ("build", "a/builder", None),
        ("*.py", "a/b/c.py", True),
        ("/c.py", "c.py", True),
        ("/c.py", "a/c.py", None),
        ("a/*.py", "a/c.py", True),
        ("a/*.py", "a/b/c.py", None),
        ("a/**/c.py", "a/c.py", True),
        ("a/**/c.py", "a/b/b/c.py", True),
        ("**/b/c.py", "a/b/c.py", True),
        ("a/**", "a/b/c.py", True),
        ("a/**", "a", None),
        ("[ab].py", "b.py", True),
        ("[!ab].py", "b.py", None),
        ("[[:digit:]].py", "7.py", True),
        ("[unclosed.py", "[unclosed.py", None),
        ("a\\*.py", "a*.py", True),
        ("\\#x.py", "#x.py", True),
        ("# comment", "# comment", None),
        ("x.py   ", "x.py", True),
        ("x\\ ", "x ", True),
        ("", "x", None),
    ],
)
def test_a_line(line: str, path: str, expected: bool | None) -> None:
    assert matched([line], path) is expected


def test_a_trailing_slash_means_folders_only() -> None:
    assert matched(["data/"], "data", is_folder=True) is True
    assert matched(["data/"], "data") is None


def test_the_last_line_that_matches_decides() -> None:
    assert matched(["*.py", "!keep.py"], "keep.py") is False
    assert matched(["!keep.py", "*.py"], "keep.py") is True


def test_patterns_with_a_slash_say_nothing_about_paths_outside_their_folder() -> None:
    elsewhere = os.path.join(os.sep, "other", "a", "x.py")
    assert Patterns(ROOT, ["a/*.py"]).verdict(elsewhere, is_folder=False) is None
    assert Patterns(ROOT, ["*.py"]).verdict(elsewhere, is_folder=False) is True


def test_a_file_is_covered_through_its_folder() -> None:
    patterns = Patterns(ROOT, ["tests", "docs/*"])
    assert patterns.covers(os.path.join(ROOT, "a", "tests", "b", "x.py"))
    assert patterns.covers(os.path.join(ROOT, "docs", "b", "x.py"))
    assert not patterns.covers(os.path.join(ROOT, "tests_of_mine", "x.py"))


WORDS = [
    "*",
    "**/",
    "/**",
    "/",
    "a",
    "b",
    "!",
    ".py",
    "?",
    "[ab]",
    "[!a]",
    "[a-b]",
    "\\",
    "]",
    "[",
    "[]a]",
    " ",
]
LINES = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)
    .map("".join)
    # git 2.39 compares unrelated pointers when `**` follows another character; any answer is its answer.
    .filter(lambda line: "**" not in line.replace("/**", "/").removeprefix("**")),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for folder in ("", "a", "a/a", "a/b", "b", "b/ab"):
        (root / folder).mkdir(exist_ok=True)
        for name in ("a.py", "b.py", "ab.txt", "]", "a b"):
            (root / folder / name).touch()
    return root


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outer=LINES, inner=LINES)
def test_git_agrees(repository: Path, outer: list[str], inner: list[str]) -> None:
    (repository / ".gitignore").write_text("\n".join(outer) + "\n")
    (repository / "a" / ".gitignore").write_text("\n".join(inner) + "\n")
    files = [str(path) for path in repository.rglob("*") if path.is_file() and ".git" not in path.parts]
    answer = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(files),
        capture_output=True,
        text=True,
        cwd=repository,
    )
    root, nested = Patterns(str(repository), outer), Patterns(str(repository / "a"), inner)

    def ignored(file: str) -> bool:
        for step in steps_below(str(repository), file):
            verdict = None
            if step.startswith(str(repository / "a") + os.sep):
                verdict = nested.verdict(step, is_folder=step != file)
            if verdict is None:
                verdict = root.verdict(step, is_folder=step != file)
            if verdict:
                return True
        return False

    assert {file for file in files if ignored(file)} == set(answer.stdout.split("\0")) - {""}
