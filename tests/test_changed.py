"""What changed since a revision, asked of real repositories."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from torchlint.changed import Changes, GitError, changes_since
from torchlint.diagnostic import Diagnostic, Related, Severity
from torchlint.source import Source

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ROOT = Path(__file__).parent.parent
LINES = "".join(f"line {number}\n" for number in range(1, 10))


class Repository:
    """A git repository in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={**kept, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def put(self, name: str, text: str = LINES) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")

    def changes(self, revision: str = "HEAD", *paths: str) -> dict[str, list[int] | None]:
        """Rows that changed, by the file's name from the repository."""
        found = [str(path) for path in sorted(self.folder.rglob("*")) if path.is_file() and ".git" not in path.parts]
        given = [str(self.folder / path) for path in paths] or [str(self.folder)]
        changes = changes_since(revision, given, found)
        return {
            os.path.relpath(path, os.path.realpath(self.folder)): None
            if rows is None
            else [row for part in rows for row in part]
            for path, rows in changes.rows.items()
        }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "a project"
    folder.mkdir()
    made = Repository(folder)
    made.put("a.py")
    made.put("sub/b.py")
    made.commit()
    return made


def replaced(*numbers: int, by: str = "new") -> str:
    return "".join(by + "\n" if number in numbers else f"line {number}\n" for number in range(1, 10))


class TestRows:
    def test_nothing_changed(self, repository: Repository) -> None:
        assert repository.changes() == {}

    def test_changed_rows(self, repository: Repository) -> None:
        repository.put("a.py", replaced(2, 5, 6))
        assert repository.changes() == {"a.py": [2, 5, 6]}

    def test_staged_and_committed_rows_count_too(self, repository: Repository) -> None:
        first = repository.git("rev-parse", "HEAD").strip()
        repository.put("a.py", replaced(2))
        repository.commit()
        repository.put("a.py", replaced(2, 5))
        repository.git("add", "a.py")
        repository.put("a.py", replaced(2, 5, 9))
        assert repository.changes(first) == {"a.py": [2, 5, 9]}
        assert repository.changes() == {"a.py": [5, 9]}

    def test_added_and_removed_rows(self, repository: Repository) -> None:
        repository.put("a.py", "new\n" + LINES)
        repository.put("sub/b.py", LINES.replace("line 4\n", ""))
        assert repository.changes() == {"a.py": [1], "sub/b.py": []}

    def test_files_that_git_does_not_know_changed_wholly(self, repository: Repository) -> None:
        repository.put("c.py")
        repository.put(".gitignore", "d.py\n")
        repository.put("d.py")
        assert repository.changes() == {"c.py": None, "d.py": None, ".gitignore": None}

    def test_new_files_that_git_knows(self, repository: Repository) -> None:
        repository.put("c.py", "one\ntwo\n")
        repository.git("add", "c.py")
        assert repository.changes() == {"c.py": [1, 2]}

    def test_a_renamed_file_changed_where_it_changed(self, repository: Repository) -> None:
        repository.git("mv", "a.py", "moved.py")
        assert repository.changes() == {}
        repository.put("moved.py", replaced(3))
        assert repository.changes() == {"moved.py": [3]}

    def test_a_removed_file(self, repository: Repository) -> None:
        (repository.folder / "a.py").unlink()
        assert repository.changes() == {}

    def test_a_missing_line_break_at_the_end(self, repository: Repository) -> None:
        repository.put("a.py", LINES.rstrip("\n"))
        repository.commit()
        repository.put("a.py", LINES.rstrip("\n") + "9")
        repository.put("sub/b.py", replaced(1))
        assert repository.changes() == {"a.py": [9], "sub/b.py": [1]}
        repository.put("a.py", LINES + "more")
        assert repository.changes() == {"a.py": [9, 10], "sub/b.py": [1]}

    def test_lines_that_look_like_a_patch(self, repository: Repository) -> None:
        text = "++ b/sub/b.py\n@@ -1,3 +1,4 @@\n-- a/x\n"
        repository.put("a.py", text + LINES)
        assert repository.changes() == {"a.py": [1, 2, 3]}
        repository.commit()
        repository.put("a.py", LINES)
        assert repository.changes() == {"a.py": []}

    def test_a_lone_carriage_return_ends_no_row(self, repository: Repository) -> None:
        repository.put("a.py", "x\ry\n" + LINES)
        repository.commit()
        path = repository.put("a.py", "x\ry\n" + replaced(2))
        source = Source.from_bytes("a.py", path.read_bytes())
        changes = changes_since("HEAD", [str(repository.folder)], [str(path)])
        spans = [source.span(start, start + 3) for start in (source.text.index("line 1"), source.text.index("new"))]
        found = [Diagnostic("TL301", "name", "m", Severity.ERROR, "a.py", span) for span in spans]
        assert changes.touched(str(path), source, source, found) == found[1:]

    @pytest.mark.parametrize(
        "name",
        [
            "with blank.py",
            'quo"te.py',
            "back\\slash.py",
            "ta\tb.py",
            "line\nbreak.py",
            "umläut.py",
            "-dash.py",
            "b/b.py",
            "caps.PY",
            "*.py",
            "notebook.ipynb",
            "no_suffix",
            ":(top).py",
            os.fsdecode(b"latin-\xe9.py"),
        ],
    )
    @pytest.mark.skipif(sys.platform != "linux", reason="not every file system takes such names")
    def test_odd_names(self, repository: Repository, name: str) -> None:
        repository.put(name)
        repository.commit()
        repository.put(name, replaced(4))
        assert repository.changes() == {name: [4]}

    def test_a_name_without_suffix_counts_only_where_it_is_linted(self, repository: Repository) -> None:
        repository.put("data.bin")
        repository.commit()
        repository.put("data.bin", replaced(1))
        assert changes_since("HEAD", [str(repository.folder)], [str(repository.folder / "a.py")]).rows == {}

    @pytest.mark.parametrize(
        "setting",
        [
            ("diff.noprefix", "true"),
            ("diff.mnemonicPrefix", "true"),
            ("diff.external", "false"),
            ("diff.interHunkContext", "9"),
            ("diff.context", "9"),
            ("diff.renames", "copies"),
            ("diff.wsErrorHighlight", "all"),
            ("diff.colorMoved", "zebra"),
            ("color.ui", "always"),
            ("core.quotePath", "true"),
            ("core.pager", "false"),
            ("diff.python.textconv", "false"),
        ],
    )
    def test_the_users_configuration_changes_nothing(self, repository: Repository, setting: tuple[str, str]) -> None:
        repository.git("config", *setting)
        repository.put(".gitattributes", "*.py diff=python\n")
        repository.put("ü.py")
        repository.commit()
        repository.put("a.py", replaced(1, 3))
        repository.put("ü.py", replaced(2))
        assert repository.changes() == {"a.py": [1, 3], "ü.py": [2]}

    def test_files_that_attributes_call_binary(self, repository: Repository) -> None:
        repository.put(".gitattributes", "*.py binary\n")
        repository.commit()
        repository.put("a.py", replaced(1))
        assert repository.changes() == {"a.py": [1]}

    def test_what_git_tells_its_hooks_is_not_taken_over(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Repository(tmp_path / "other")
        monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
        monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
        repository.put("a.py", replaced(1))
        assert repository.changes() == {"a.py": [1]}


class TestPlaces:
    def test_a_folder_below(self, repository: Repository) -> None:
        repository.put("sub/b.py", replaced(2))
        assert repository.changes("HEAD", "sub") == {"sub/b.py": [2]}
        assert repository.changes("HEAD", "sub/b.py", "a.py") == {"sub/b.py": [2]}

    def test_a_linked_work_tree(self, repository: Repository, tmp_path: Path) -> None:
        repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
        tree = Repository.__new__(Repository)
        tree.folder = tmp_path / "tree"
        tree.put("a.py", replaced(7))
        assert tree.changes() == {"a.py": [7]}
        assert repository.changes() == {}

    def test_repositories_within_are_left_out(self, repository: Repository) -> None:
        (repository.folder / "inner").mkdir()
        inner = Repository(repository.folder / "inner")
        inner.put("c.py")
        assert repository.changes() == {}

    def test_a_link_to_a_file(self, repository: Repository, tmp_path: Path) -> None:
        (repository.folder / "link.py").symlink_to("a.py")
        repository.commit()
        repository.put("a.py", replaced(2))
        changes = changes_since("HEAD", [str(repository.folder)], [str(repository.folder / "link.py")])
        assert str(repository.folder / "link.py") in changes
        (tmp_path / "folder").symlink_to(repository.folder)
        through = str(tmp_path / "folder" / "a.py")
        assert through in changes_since("HEAD", [through], [through])

    def test_paths_in_two_repositories(self, repository: Repository, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        Repository(tmp_path / "other")
        with pytest.raises(GitError, match="lie in different git repositories"):
            changes_since("HEAD", [str(repository.folder), str(tmp_path / "other")], [])

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(GitError, match="is not in a git repository"):
            changes_since("HEAD", [str(tmp_path)], [])

    def test_no_git(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(repository.folder))
        with pytest.raises(GitError, match="--since needs git, which is not installed"):
            repository.changes()


class TestRevisions:
    @pytest.mark.parametrize("revision", ["HEAD", "main", "main^{}", "HEAD~0", "v1", "@"])
    def test_what_git_takes(self, repository: Repository, revision: str) -> None:
        repository.git("tag", "v1")
        repository.put("a.py", replaced(1))
        assert repository.changes(revision) == {"a.py": [1]}

    def test_where_the_branch_left_another(self, repository: Repository) -> None:
        repository.git("checkout", "-q", "-b", "topic")
        repository.put("a.py", replaced(1))
        repository.commit()
        repository.git("checkout", "-q", "main")
        repository.put("sub/b.py", replaced(9))
        repository.commit()
        repository.git("checkout", "-q", "topic")
        assert repository.changes("main...") == {"a.py": [1]}
        assert repository.changes("main...topic") == {"a.py": [1]}
        assert repository.changes("main") == {"a.py": [1], "sub/b.py": [9]}

    @pytest.mark.parametrize(
        "revision",
        ["nope", "", "--all", "--help", "-h", "--output=x", "HEAD:a.py", "nope...", "a b", "\0", "HEAD..main"],
    )
    def test_what_is_none(self, repository: Repository, revision: str) -> None:
        before = sorted(repository.folder.iterdir())
        with pytest.raises(GitError) as caught:
            repository.changes(revision)
        assert str(caught.value).startswith("--since")
        assert "\n" not in str(caught.value)
        assert sorted(repository.folder.iterdir()) == before

    def test_a_repository_without_commits(self, tmp_path: Path) -> None:
        with pytest.raises(GitError, match="there is no such revision"):
            Repository(tmp_path).changes()


class TestTouched:
    def find(self, source: Source, word: str, *, related: str | None = None, internal: bool = False) -> Diagnostic:
        start = source.text.index(word)
        places: tuple[Related, ...] = ()
        if related is not None:
            where = source.text.index(related)
            places = (Related("here", source.filename, source.span(where, where + 1)),)
        span = source.span(start, start + len(word))
        return Diagnostic("TL301", "n", "m", Severity.ERROR, "a.py", span, None, None, places, internal)

    def changes(self, path: Path, *rows: range) -> Changes:
        return Changes({os.path.realpath(path): rows})

    def test_rows_are_compared(self, tmp_path: Path) -> None:
        source = Source("a.py", "one\ntwo (\n  three\n)\nfour\n")
        changes = self.changes(tmp_path / "a.py", range(3, 4))
        path = str(tmp_path / "a.py")
        words = {"one": False, "two": False, "three": True, "two (\n  three\n)": True, "three\n": True, ")": False}
        for word, expected in words.items():
            found = self.find(source, word)
            assert changes.touched(path, source, source, [found]) == ([found] if expected else []), word

    def test_what_a_finding_rests_on_counts(self, tmp_path: Path) -> None:
        source = Source("a.py", "one\ntwo\nthree\n")
        changes = self.changes(tmp_path / "a.py", range(1, 2))
        rests, does_not = self.find(source, "three", related="one"), self.find(source, "three", related="two")
        assert changes.touched(str(tmp_path / "a.py"), source, source, [rests, does_not]) == [rests]

    def test_failures_and_syntax_errors_always_count(self, tmp_path: Path) -> None:
        source = Source("a.py", "one\n")
        failure = self.find(source, "one", internal=True)
        error = Diagnostic("TL000", "syntax-error", "m", Severity.ERROR, "a.py", source.span(0, 1))
        changes = self.changes(tmp_path / "a.py")
        assert changes.touched(str(tmp_path / "a.py"), source, source, [failure, error]) == [failure, error]

    def test_rows_move_with_fixes(self, tmp_path: Path) -> None:
        original = Source("a.py", "one\ntwo\nthree\nfour\n")
        fixed = Source("a.py", "import x\none\ntwo\nTHREE\nfour\n")
        changes = self.changes(tmp_path / "a.py", range(2, 3))
        words = {"import": True, "one": False, "two": True, "THREE": True, "four": False}
        for word, expected in words.items():
            found = self.find(fixed, word)
            assert changes.touched(str(tmp_path / "a.py"), fixed, original, [found]) == ([found] if expected else [])

    def test_files_that_did_not_change(self, tmp_path: Path) -> None:
        source = Source("a.py", "one\n")
        assert Changes({}).touched(str(tmp_path / "a.py"), source, source, [self.find(source, "one")]) == []


CODE = "import torch\n\nx = torch.ones(3, requires_grad=True)\nprint(x.numpy())\n"


def torchlint(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "torchlint", "--isolated", "--output-format", "concise", "-q", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


class TestConsole:
    def test_only_what_changed_is_found_and_fixed(self, repository: Repository) -> None:
        repository.put("old.py", CODE)
        repository.put("train.py", CODE)
        repository.commit()
        repository.put("train.py", CODE + "y = 1\nprint(x.numpy(), y)\n")
        done = torchlint(repository.folder, "--since", "HEAD")
        assert (done.returncode, done.stderr) == (1, "")
        assert [line.split(" ")[0] for line in done.stdout.splitlines()] == ["train.py:6:7:"]
        assert torchlint(repository.folder / "sub", "--since", "HEAD", "..").stdout.count("\n") == 1
        assert torchlint(repository.folder, "--since", "HEAD", "--fix").returncode == 0
        expected = CODE + "y = 1\nprint(x.detach().numpy(), y)\n"
        assert (repository.folder / "train.py").read_text() == expected
        assert (repository.folder / "old.py").read_text() == CODE

    def test_nothing_changed(self, repository: Repository) -> None:
        repository.put("old.py", CODE)
        repository.commit()
        done = torchlint(repository.folder, "--since", "HEAD")
        assert (done.returncode, done.stdout) == (0, "")
        assert torchlint(repository.folder, "--since", "HEAD", "--show-files").stdout == ""

    def test_physical_rows_of_a_notebook_count(self, repository: Repository) -> None:
        import json

        def notebook(*cells: str) -> str:
            code: dict[str, object] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
            made = [{**code, "source": cell.splitlines(keepends=True)} for cell in cells]
            metadata = {"language_info": {"name": "python"}}
            return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}, indent=1)

        repository.put("a.ipynb", notebook(CODE, "print(x.numpy(), 1)\n"))
        repository.commit()
        repository.put("a.ipynb", notebook(CODE, "print(x.numpy(), 2)\n"))
        done = torchlint(repository.folder, "--since", "HEAD")
        assert [line.split(": TL")[0] for line in done.stdout.splitlines()] == ["a.ipynb:cell 2:1:7"]
        assert torchlint(repository.folder, "--since", "HEAD", "--fix").returncode == 0
        expected = notebook(CODE, "print(x.detach().numpy(), 2)\n")
        assert (repository.folder / "a.ipynb").read_text() == expected

    @pytest.mark.parametrize("revision", ["nope", "--help"])
    def test_trouble_is_one_line(self, repository: Repository, revision: str) -> None:
        done = torchlint(repository.folder, f"--since={revision}")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"torchlint: --since {revision}: there is no such revision\n"

    def test_a_baseline_means_what_did_not_change(self, repository: Repository) -> None:
        repository.put("train.py", CODE)
        repository.commit()
        torchlint(repository.folder, "--baseline", "b.json", "--write-baseline")
        # The same line once more, above and indented: of the two, the one that was there is known.
        repository.put("train.py", CODE.replace("print", "if True:\n    print(x.numpy())\nprint"))
        done = torchlint(repository.folder, "--baseline", "b.json", "--since", "HEAD")
        assert [line.split(" ")[0] for line in done.stdout.splitlines()] == ["train.py:5:11:"]
        repository.put("train.py", CODE + "y = 1\n")
        done = torchlint(repository.folder, "--baseline", "b.json", "--since", "HEAD")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_suppressions_are_added_to_what_changed(self, repository: Repository) -> None:
        repository.put("train.py", CODE)
        repository.commit()
        repository.put("train.py", CODE + "print(x.numpy(), 1)\n")
        assert torchlint(repository.folder, "--since", "HEAD", "--add-noqa").returncode == 0
        assert (repository.folder / "train.py").read_text() == CODE + "print(x.numpy(), 1)  # noqa: TL301\n"
