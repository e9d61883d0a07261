"""What the files of a project say of the versions that it runs on; nothing where they cannot be understood."""

import os
from pathlib import Path

import pytest

from torchlint.metadata import Metadata
from torchlint.metadata.requirements import torch_in
from torchlint.metadata.specifiers import versions


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def needs(folder: Path) -> tuple[str, str]:
    found = Metadata().needs(str(folder))
    return str(found.python.versions), str(found.torch.versions)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", "any"),
        ("*", "any"),
        ("^3.9", ">=3.9,<4.0"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", "<1.0"),
        ("~2.1", ">=2.1,<2.2"),
        ("~2.1.3", ">=2.1.3,<2.2"),
        ("~2", ">=2.0,<3.0"),
        ("2.1.*", ">=2.1,<2.2"),
        ("=2.1", ">=2.1,<2.2"),
        ("2.1", ">=2.1,<2.2"),
        ("2.1*", ">=2.1,<3.0"),
        ("2*", ">=2.0"),
        ("=1.7.1=py3.8_cuda11.0.221_cudnn8.0.5_0", ">=1.7.1,<1.7.2"),
        ("=2.0.*=*cuda*", ">=2.0,<2.1"),
        ("~2.7 || ^3.6", ">=2.7,<4.0"),
        ("1.7|1.8", ">=1.7,<1.9"),
        (">= 3.8, < 3.10", ">=3.8,<3.10"),
        (">=3.8 <3.10", ">=3.8,<3.10"),
        (">=3.6.*", ">=3.6"),
        ("<=3.9.*", "<3.10"),
        (">=3.6,*", ">=3.6"),
        ("~=3", ">=3.0"),
        ("==1.13.1+cu117", ">=1.13.1,<1.13.2"),
        (">=3.8,!=3.9.*", ">=3.8"),
    ],
)
def test_forms_of_specifiers(text: str, allowed: str) -> None:
    assert str(versions(text)) == allowed


@pytest.mark.parametrize("text", ["abc", "3.8 abc", ",", "||", "3.8 ||", ">3,<2", "1!2", "== 3..9", ">=", "9" * 5000])
def test_forms_that_are_none(text: str) -> None:
    assert versions(text) is None


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        ("torch", "any"),
        ("Torch >= 1.7, <2", ">=1.7,<2.0"),
        ("torch[opt]==2.3.1", ">=2.3.1,<2.3.2"),
        ("torch (>=1.7)", ">=1.7"),
        ("torch~=2.1", ">=2.1,<3.0"),
        (f" torch {' ' * 100_000};", "any"),
    ],
)
def test_requirements_of_torch(requirement: str, allowed: str) -> None:
    assert str(torch_in(requirement)) == allowed


@pytest.mark.parametrize(
    "requirement",
    [
        "torchvision==0.8",
        "torch-geometric==2.0",
        "torch_scatter",
        "pytorch==1.0",
        'torch==1.7; python_version < "3.8"',
        "torch @ https://example.org/torch-1.7-cp38.whl",
        "torch 1.7",
        "torch==",
        "torch ; x",
        "",
    ],
)
def test_requirements_that_say_nothing_certain_of_torch(requirement: str) -> None:
    assert torch_in(requirement) is None


PYPROJECT = '[project]\nname = "x"\nrequires-python = ">=3.9,<3.13"\ndependencies = ["numpy", "torch>=2.1"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.9"\ntorch = {version = "~2.1", source = "cpu"}\n'
SETUP_CFG = "[options]\npython_requires = >=3.6, <3.9\ninstall_requires =\n    numpy\n    torch==1.7.1+cu110\n"
SETUP_PY = """\
from setuptools import setup
REQUIRED = ["numpy", "torch>=1.7,<2"] + []
NEEDED = ["numpy", "torch>=1.7,<2", *map(str, [])]
setup(name="x", python_requires=">=3.6", install_requires=NEEDED)
"""
ENVIRONMENT = """\
name: x
channels:
  - pytorch
dependencies:
  - python=3.8.5=h7579374_1   # the interpreter
  - "pytorch::pytorch=1.7.1"
  - python-dateutil=1.0

  - pip:
    - -r more.txt
    - numpy
prefix: /opt/x
"""
LOCK = """\
version = 1
[[package]]
name = "numpy"
version = "2.0"
dependencies = [{ name = "torch" }]

[[package]]
name = "torch"
version = "2.3.1"
source = { registry = "https://pypi.org/simple" }

[package.optional-dependencies]
opt = ["x"]

[[package]]
name = "torch-geometric"
version = "9.0"
"""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("pyproject.toml", PYPROJECT, (">=3.9,<3.13", ">=2.1")),
        ("pyproject.toml", POETRY, (">=3.9,<4.0", ">=2.1,<2.2")),
        ("pyproject.toml", f'{PYPROJECT}[tool.poetry.dependencies]\npython = "^3.10"\n', (">=3.10,<3.13", ">=2.1")),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntorch = {url = "https://example.org"}\n', ("any", "any")),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntorch = {version = "1", python = "3.7"}\n', ("any", "any")),
        ("pyproject.toml", "[tool.poetry.dependencies]\ntorch = [{version = '1', python = '3.7'}]\n", ("any", "any")),
        ("pyproject.toml", "[project]\nrequires-python = 3\ndependencies = 'torch==1'\n", ("any", "any")),
        ("pyproject.toml", "project = 3\ntool = []\n", ("any", "any")),
        ("setup.cfg", SETUP_CFG, (">=3.6,<3.9", ">=1.7.1,<1.7.2")),
        ("setup.cfg", "[options]\ninstall_requires = torch>=1.7\n", ("any", ">=1.7")),
        ("setup.cfg", "[options]\ninstall_requires = file: requirements.txt\n", ("any", "any")),
        ("setup.py", SETUP_PY, (">=3.6", ">=1.7,<2.0")),
        ("setup.py", SETUP_PY.replace("NEEDED)", "REQUIRED)"), (">=3.6", "any")),
        ("setup.py", SETUP_PY.replace("NEEDED)", "'numpy\\ntorch==1.7'.strip())"), (">=3.6", "any")),
        ("setup.py", SETUP_PY.replace("NEEDED)", "'numpy\\ntorch==1.7')"), (">=3.6", ">=1.7,<1.7.1")),
        ("setup.py", SETUP_PY.replace("setup(", "if x: NEEDED = []\nsetup("), (">=3.6", "any")),
        ("setup.py", f"{SETUP_PY}setup(python_requires='>=3.9')\n", ("any", "any")),
        ("setup.py", "import setuptools\nsetuptools.setup(python_requires='>=3.6', **more)\n", (">=3.6", "any")),
        ("setup.py", "setup(python_requires=min(versions), install_requires=read())\n", ("any", "any")),
        ("Pipfile", '[packages]\ntorch = "==1.7.1"\n[requires]\npython_version = "3.8"\n',
         (">=3.8,<3.9", ">=1.7.1,<1.7.2")),
        ("Pipfile", '[packages]\ntorch = {version = "*", markers = "x"}\n[requires]\npython_full_version = "3.8.1"\n',
         (">=3.8.1,<3.8.2", "any")),
        (".python-version", "3.8.10\n", (">=3.8.10,<3.8.11", "any")),
        (".python-version", "# mine\n3.11\n\n3.9  # old\n", (">=3.9,<3.12", "any")),
        (".python-version", "cpython-3.12\n", (">=3.12,<3.13", "any")),
        (".python-version", "3.11\npypy3.9-7.3.9\n", ("any", "any")),
        (".python-version", "my-env\n", ("any", "any")),
        ("runtime.txt", "python-3.8.10\n", (">=3.8.10,<3.8.11", "any")),
        ("runtime.txt", "nodejs 12\n", ("any", "any")),
        ("environment.yml", ENVIRONMENT, (">=3.8.5,<3.8.6", ">=1.7.1,<1.7.2")),
        ("environment.yaml", "dependencies:\n- python>=3.8,<3.10\n- pip:\n  - torch==1.7\n- scipy\n",
         (">=3.8,<3.10", ">=1.7,<1.7.1")),
        ("environment.yml", "dependencies:\n- python=3.8  # [linux]\n- pytorch\n", ("any", "any")),
        ("environment.yml", "dependencies:\n- python[version='>=3.8,<3.9']\n- pytorch 1.7.*\n",
         (">=3.8,<3.9", ">=1.7,<1.8")),
        ("environment.yml", "dependencies: [python=3.8]\n", ("any", "any")),
        ("environment.yml", "dependencies:\n- pytorch-cuda=11.8\n- pytorch-gpu=2.0\n", ("any", ">=2.0,<2.1")),
        ("requirements.txt", "torch==1.7.1\n", ("any", ">=1.7.1,<1.7.2")),
        ("requirements.txt", "-f https://download.pytorch.org/whl/torch.html\n--find-links=torch==9\nnumpy #torch"
         "\n# torch==7\nTORCH>=1.7, \\\n  <2 --hash=sha256:abc # x\n", ("any", ">=1.7,<2.0")),
        ("requirements.txt", b"\xef\xbb\xbftorch==1.7\r\n", ("any", ">=1.7,<1.7.1")),
        ("requirements.txt", "\ufefftorch==1.7\r\n".encode("utf-16-le"), ("any", ">=1.7,<1.7.1")),
        ("requirements.txt", 'torch==1.7; python_version < "3.8"\ntorch>=1.6\n', ("any", ">=1.6")),
        ("requirements.txt", "torch==1.7\ntorch==1.8\n", ("any", "any")),
        ("requirements-gpu.txt", "torch==1.7+cu110\n", ("any", ">=1.7,<1.7.1")),
        ("uv.lock", LOCK, ("any", ">=2.3.1,<2.3.2")),
        ("uv.lock", LOCK.replace("\n", "\r\n"), ("any", ">=2.3.1,<2.3.2")),
        ("pdm.lock", LOCK.replace("torch-geometric", "torch").replace("9.0", "2.4.0+cpu"), ("any", ">=2.3.1,<2.4.1")),
        ("poetry.lock", LOCK.replace('version = "2.3.1"\n', ""), ("any", "any")),
        ("pylock.toml", LOCK.replace("[package", "[packages"), ("any", ">=2.3.1,<2.3.2")),
        ("Pipfile.lock", '{"default": {"torch": {"hashes": [], "version": "==1.7.1"}}}', ("any", ">=1.7.1,<1.7.2")),
        ("Pipfile.lock", '{"default": {"torch": {"git": "https://example.org"}}}', ("any", "any")),
        ("Dockerfile", "FROM python:3.8\nRUN pip install torch==1.7\n", ("any", "any")),
    ],
)  # fmt: skip
def test_one_file(project: Path, name: str, content: str | bytes, expected: tuple[str, str]) -> None:
    put(project, {name: content})
    assert needs(project) == expected


NAMES = [
    "pyproject.toml", "setup.cfg", "setup.py", "Pipfile", ".python-version", "runtime.txt", "environment.yml",
    "requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\xff",
        b"\0" * 100,
        b"project = [\n",
        b"[project\nrequires-python = '3.9'",
        b"[[package]]\nname = \"torch\"\nversion = 1\n",
        b"[[package]]\nname = \"torch\"\nversion = \"\n",
        b"name = \"torch\"\n",
        b'{"default": {"torch": 3}}',
        b'{"torch": ' * 100_000,
        b"setup(python_requires='" + b"(" * 1000,
        b"setup(python_requires=" + b"-" * 50_000 + b"1)",
        b"project = " + b"[" * 100_000,
        b"[options]\npython_requires = '\\d'\n  x\n[options]\n",
        b"python_requires = '\\d'; setup(python_requires=python_requires)\n",
        b"dependencies:\n- python=\n- pip:\n  - -r\n  - torch==\n",
        b"-r requirements.txt\n-r /\n-r nowhere.txt\n-c \0\n-r\n",
    ],
    ids=lambda content: f"{content[:24]!r}",
)  # fmt: skip
def test_what_cannot_be_understood_says_nothing(project: Path, name: str, content: bytes) -> None:
    put(project, {name: content})
    assert needs(project) == ("any", "any")


def test_a_folder_or_a_pipe_says_nothing(project: Path) -> None:
    (project / "pyproject.toml").mkdir()
    (project / "requirements.txt").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(project / "setup.py")
    assert needs(project) == ("any", "any")


class TestSeveralFiles:
    def test_what_all_allow_counts(self, project: Path) -> None:
        put(project, {"pyproject.toml": PYPROJECT, "requirements.txt": "torch<2.4\n", ".python-version": "3.11"})
        found = Metadata().needs(str(project))
        assert str(found.python.versions) == ">=3.11,<3.12"
        assert str(found.torch.versions) == ">=2.1,<2.4"
        assert [Path(file).name for file in found.torch.files] == ["pyproject.toml", "requirements.txt"]

    def test_of_those_that_contradict_each_other_nothing_is_known(self, project: Path) -> None:
        put(project, {"pyproject.toml": PYPROJECT, "requirements.txt": "torch==1.7\n", "runtime.txt": "python-3.8.1"})
        assert needs(project) == ("any", "any")
        assert Metadata().needs(str(project)).torch.files == ()

    def test_a_lock_wins(self, project: Path) -> None:
        put(project, {"pyproject.toml": PYPROJECT, "requirements.txt": "torch==1.7\n", "uv.lock": LOCK})
        found = Metadata().needs(str(project)).torch
        assert str(found.versions) == ">=2.3.1,<2.3.2"
        assert found.files == (str(project / "uv.lock"),)

    def test_locks_that_contradict_each_other(self, project: Path) -> None:
        put(project, {"uv.lock": LOCK, "poetry.lock": LOCK.replace("2.3.1", "2.4.0"), "requirements.txt": "torch==2.3"})
        assert needs(project) == ("any", "any")

    def test_a_lock_without_torch_says_nothing(self, project: Path) -> None:
        put(project, {"uv.lock": 'version = 1\n[[package]]\nname = "numpy"\n', "requirements.txt": "torch==2.3"})
        assert needs(project) == ("any", ">=2.3,<2.3.1")

    def test_any_of_several_requirements_files_may_be_installed(self, project: Path) -> None:
        put(project, {"requirements.txt": "torch>=1.7\n", "requirements-oldest.txt": "torch==1.7\n"})
        assert needs(project) == ("any", ">=1.7")
        put(project, {"requirements.txt": "torch==1.9\n"})
        assert needs(project) == ("any", ">=1.7,<1.9.1")
        put(project, {"requirements.txt": "numpy\n"})
        assert needs(project) == ("any", ">=1.7,<1.7.1")

    def test_of_what_is_declared_an_environment_for_tests_takes_nothing(self, project: Path) -> None:
        put(project, {"pyproject.toml": PYPROJECT, "requirements-oldest.txt": "torch==2.1.0\n"})
        assert needs(project) == (">=3.9,<3.13", ">=2.1")

    def test_requirements_that_are_included(self, project: Path) -> None:
        files = {
            "requirements.txt": "-r requirements/base.txt\n-rmore.txt\n--constraint=limits.txt\ntorch\n",
            "requirements/base.txt": "--requirement ../requirements.txt\ntorch>=1.7\n",
            "more.txt": "numpy\n",
            "limits.txt": "torch<1.9\n",
        }
        put(project, dict(files))
        assert needs(project) == ("any", ">=1.7,<1.9")
        assert {str(project / name) for name in files} <= set(Metadata().looked_at(str(project)))

    def test_requirements_of_an_environment(self, project: Path) -> None:
        put(project, {"environment.yml": ENVIRONMENT, "more.txt": "torch==1.7.1\n"})
        assert needs(project) == (">=3.8.5,<3.8.6", ">=1.7.1,<1.7.2")
        put(project, {"more.txt": "torch==1.8\n"})
        assert needs(project) == (">=3.8.5,<3.8.6", "any")


class TestFolders:
    def test_the_nearest_project_counts(self, project: Path) -> None:
        put(
            project, {"pyproject.toml": PYPROJECT, "a/b/x.py": "", "c/requirements.txt": "torch==1.7\n", "c/d/x.py": ""}
        )
        assert needs(project / "a" / "b") == (">=3.9,<3.13", ">=2.1")
        assert needs(project / "c" / "d") == ("any", ">=1.7,<1.7.1")

    def test_files_that_only_set_up_tools_are_no_project(self, project: Path) -> None:
        put(
            project,
            {
                "pyproject.toml": PYPROJECT,
                "a/pyproject.toml": "[tool.black]\n# project\n",
                "a/setup.cfg": "[flake8]\n",
                "a/environment.yml": "name: x\n",
            },
        )
        assert needs(project / "a") == (">=3.9,<3.13", ">=2.1")

    def test_a_file_that_is_broken_hides_those_above(self, project: Path) -> None:
        put(project, {"pyproject.toml": PYPROJECT, "a/pyproject.toml": "[project\n"})
        assert needs(project / "a") == ("any", "any")

    def test_it_ends_at_the_root_of_the_repository(self, project: Path) -> None:
        put(project, {"requirements.txt": "torch==1.7\n", "a/.git": "gitdir: elsewhere\n", "a/b/x.py": ""})
        assert needs(project / "a" / "b") == ("any", "any")
        assert str(project) not in Metadata().looked_at(str(project / "a" / "b"))

    def test_a_home_folder_is_no_project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, {"requirements.txt": "torch==1.7\n", "a/x.py": ""})
        monkeypatch.setattr(os.path, "expanduser", lambda path: str(tmp_path) if path == "~" else path)
        assert needs(tmp_path / "a") == ("any", "any")
        (tmp_path / ".git").mkdir()
        assert needs(tmp_path / "a") == ("any", ">=1.7,<1.7.1")

    def test_a_folder_that_is_not_there(self, project: Path) -> None:
        put(project, {"requirements.txt": "torch==1.7\n"})
        assert needs(project / "nowhere") == ("any", ">=1.7,<1.7.1")

    def test_each_folder_is_asked_once(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(project, {"requirements.txt": "torch==1.7\n", "a/b/x.py": "", "a/c/x.py": ""})
        asked: list[str] = []
        listdir = os.listdir

        def listed(path: str) -> list[str]:
            asked.append(path)
            return listdir(path)

        monkeypatch.setattr(os, "listdir", listed)
        metadata = Metadata()
        for folder in ("a/b", "a/c", "a", "a/b"):
            metadata.needs(str(project / folder))
        assert sorted(asked) == [str(project / name) for name in ("", "a", "a/b", "a/c")]
