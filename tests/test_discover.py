"""Which files a path leads to."""

import os
from pathlib import Path

import pytest

from torchlint.config import COMMAND_LINE, ConfigError, Configuration, Layer, parse
from torchlint.discover import Found, discover


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def find(root: Path, *paths: str, **options: object) -> Found:
    table = {key.replace("_", "-"): value for key, value in options.items()}
    layer = Layer(parse(table, COMMAND_LINE), str(root), COMMAND_LINE)
    return discover(paths or (".",), Configuration(str(root), overrides=[layer]))


def names(root: Path, *paths: str, **options: object) -> list[str]:
    found = find(root, *paths, **options)
    assert found.problems == ()
    return [file.name.replace(os.sep, "/") for file in found.files]


def test_a_folder_is_walked_in_path_order(tmp_path: Path) -> None:
    make(
        tmp_path,
        "b.py",
        "a/z.py",
        "a/b/c.pyi",
        "a-b/x.pyw",
        "a.py",
        "notes.txt",
        "n.ipynb",
        "X.PY",
        "noending",
    )
    assert names(tmp_path) == ["X.PY", "a/b/c.pyi", "a/z.py", "a-b/x.pyw", "a.py", "b.py", "n.ipynb"]


def test_hidden_files_are_found(tmp_path: Path) -> None:
    make(tmp_path, ".hidden/x.py", ".y.py")
    assert names(tmp_path) == [".hidden/x.py", ".y.py"]


def test_a_folder_named_like_a_file_is_walked(tmp_path: Path) -> None:
    make(tmp_path, "x.py/y.py")
    assert names(tmp_path) == ["x.py/y.py"]
    assert names(tmp_path, "x.py") == ["x.py/y.py"]


def test_named_files_are_taken_whatever_their_ending(tmp_path: Path) -> None:
    make(tmp_path, "script", "notes.txt", "build/x.py")
    assert names(tmp_path, "script", "notes.txt", "build/x.py") == ["build/x.py", "notes.txt", "script"]


def test_each_file_once(tmp_path: Path) -> None:
    make(tmp_path, "a/x.py")
    assert names(tmp_path, "a", ".", "a/x.py", "a/../a/x.py", str(tmp_path / "a")) == ["a/x.py"]


def test_default_exclusions(tmp_path: Path) -> None:
    make(tmp_path, "node_modules/x.py", "a/__pycache__/x.py", "build/x.py", ".venv/x.py", "builder/x.py")
    make(tmp_path, "my-env/pyvenv.cfg", "my-env/lib/x.py")
    assert names(tmp_path) == ["builder/x.py"]


def test_a_project_inside_a_folder_called_build_is_linted(tmp_path: Path) -> None:
    make(tmp_path, "build/project/x.py")
    assert names(tmp_path / "build" / "project") == ["x.py"]
    assert names(tmp_path, "build/project") == ["build/project/x.py"]


def test_exclude_replaces_and_extend_exclude_adds(tmp_path: Path) -> None:
    make(tmp_path, "build/x.py", "old/x.py", "a/old/x.py", "a/gen_1.py")
    assert names(tmp_path, exclude=["/old"]) == ["a/gen_1.py", "a/old/x.py", "build/x.py"]
    assert names(tmp_path, extend_exclude=["./old", "gen_*.py"]) == ["a/old/x.py"]
    assert names(tmp_path, extend_exclude=["*.py", "!x.py"]) == ["a/old/x.py", "old/x.py"]


def test_each_folder_has_the_settings_of_its_nearest_file(tmp_path: Path) -> None:
    make(tmp_path, "a/x.py", "a/skip/x.py", "b/skip/x.py")
    (tmp_path / "a" / "torchlint.toml").write_text('exclude = ["skip"]\nselect = ["TL1"]\n')
    found = find(tmp_path)
    assert [(file.name, file.settings.select) for file in found.files] == [
        (os.path.join("a", "x.py"), ("TL1",)),
        (os.path.join("b", "skip", "x.py"), None),
    ]


def test_a_broken_configuration_on_the_way_stops_the_run(tmp_path: Path) -> None:
    make(tmp_path, "a/x.py")
    (tmp_path / "a" / "torchlint.toml").write_text("select = 1\n")
    with pytest.raises(ConfigError, match=r"torchlint\.toml: `select` must be a list of strings"):
        find(tmp_path)


def test_force_exclude(tmp_path: Path) -> None:
    make(tmp_path, "build/x.py", "a/x.py", "a/gen.py")
    options = {"force_exclude": True, "extend_exclude": ["gen.py"]}
    assert names(tmp_path, "build/x.py", "a/x.py", "a/gen.py", **options) == ["a/x.py"]
    assert names(tmp_path, "build", **options) == []


class TestGitignore:
    def test_is_respected_at_every_level(self, tmp_path: Path) -> None:
        make(tmp_path, "a/x.py", "a/y.py", "a/data/z.py", "data/z.py")
        (tmp_path / ".gitignore").write_text("y.py\n/data/\n")
        (tmp_path / "a" / ".gitignore").write_text("!y.py\nx.py\n")
        assert names(tmp_path) == ["a/data/z.py", "a/y.py"]
        assert names(tmp_path, respect_gitignore=False) == ["a/data/z.py", "a/x.py", "a/y.py", "data/z.py"]

    def test_nothing_below_an_ignored_folder_comes_back(self, tmp_path: Path) -> None:
        make(tmp_path, "out/x.py")
        (tmp_path / ".gitignore").write_text("out/\n!out/x.py\n")
        assert names(tmp_path) == []

    def test_named_paths_are_linted_all_the_same(self, tmp_path: Path) -> None:
        make(tmp_path, "out/x.py")
        (tmp_path / ".gitignore").write_text("out/\n")
        assert names(tmp_path, "out/x.py") == ["out/x.py"]
        assert names(tmp_path, "out") == ["out/x.py"]

    def test_folders_above_count_up_to_the_repository(self, tmp_path: Path) -> None:
        make(tmp_path, "repo/.git/HEAD", "repo/a/b/x.py", "repo/a/b/y.py", "repo/a/b/z.py")
        (tmp_path / ".gitignore").write_text("*.py\n")
        (tmp_path / "repo" / ".gitignore").write_text("x.py\n")
        (tmp_path / "repo" / "a" / ".gitignore").write_text("/b/y.py\n")
        assert names(tmp_path / "repo" / "a", "b") == ["b/z.py"]

    def test_without_a_repository_up_to_the_working_directory(self, tmp_path: Path) -> None:
        make(tmp_path, "work/a/x.py", "work/a/y.py")
        (tmp_path / ".gitignore").write_text("*.py\n")
        (tmp_path / "work" / ".gitignore").write_text("x.py\n")
        assert names(tmp_path / "work", "a") == ["a/y.py"]

    def test_info_exclude(self, tmp_path: Path) -> None:
        make(tmp_path, ".git/info/exclude", "x.py", "y.py", "a/x.py")
        (tmp_path / ".git" / "info" / "exclude").write_text("/x.py\n")
        assert names(tmp_path) == ["a/x.py", "y.py"]

    def test_info_exclude_of_a_linked_work_tree(self, tmp_path: Path) -> None:
        make(tmp_path, "main/.git/info/exclude", "main/.git/worktrees/w/commondir", "w/x.py", "w/y.py")
        (tmp_path / "main" / ".git" / "info" / "exclude").write_text("x.py\n")
        (tmp_path / "main" / ".git" / "worktrees" / "w" / "commondir").write_text("../..\n")
        (tmp_path / "w" / ".git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/w\n")
        assert names(tmp_path / "w") == ["y.py"]

    def test_a_repository_inside_starts_afresh(self, tmp_path: Path) -> None:
        make(tmp_path, ".git/HEAD", "inner/.git/HEAD", "inner/x.py", "y.py")
        (tmp_path / ".gitignore").write_text("*.py\n")
        assert names(tmp_path) == ["inner/x.py"]


class TestTrouble:
    def test_a_path_that_is_not_there(self, tmp_path: Path) -> None:
        make(tmp_path, "x.py")
        found = find(tmp_path, "missing.py", "x.py")
        assert found.problems == ("missing.py: no such file or folder",)
        assert [file.name for file in found.files] == ["x.py"]

    def test_a_broken_link(self, tmp_path: Path) -> None:
        make(tmp_path, "x.py")
        (tmp_path / "link.py").symlink_to("nowhere.py")
        assert find(tmp_path, "link.py").problems == ("link.py: broken symbolic link",)
        assert names(tmp_path) == ["x.py"]

    def test_links_in_a_ring(self, tmp_path: Path) -> None:
        make(tmp_path, "a/x.py")
        (tmp_path / "a" / "ring").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "one.py").symlink_to("two.py")
        (tmp_path / "two.py").symlink_to("one.py")
        assert names(tmp_path) == ["a/x.py"]
        (problem,) = find(tmp_path, "one.py").problems
        assert problem.startswith("one.py: ")
        assert "symbolic links" in problem

    def test_a_link_to_a_folder_is_walked_when_named(self, tmp_path: Path) -> None:
        make(tmp_path, "real/x.py")
        (tmp_path / "link").symlink_to("real", target_is_directory=True)
        assert names(tmp_path) == ["real/x.py"]
        assert names(tmp_path, "link") == ["link/x.py"]
        assert names(tmp_path, "real", "link") == ["real/x.py"]

    def test_a_link_to_a_file_found_too_is_the_same_file(self, tmp_path: Path) -> None:
        make(tmp_path, "z/x.py", "outside.txt")
        (tmp_path / "a.py").symlink_to("z/x.py")
        (tmp_path / "b.py").symlink_to("outside.txt")
        assert names(tmp_path) == ["b.py", "z/x.py"]

    def test_a_folder_that_cannot_be_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make(tmp_path, "a/x.py", "b/x.py")
        list_folder = os.scandir

        def refuse(path: str) -> object:
            if path.endswith("a"):
                raise PermissionError(13, "Permission denied")
            return list_folder(path)

        monkeypatch.setattr("os.scandir", refuse)
        found = find(tmp_path)
        assert found.problems == ("a: Permission denied",)
        assert [file.name for file in found.files] == [os.path.join("b", "x.py")]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe_in_a_walk_is_left_alone(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.py")
        assert names(tmp_path) == []
