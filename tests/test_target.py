"""What the code may run on: what specifiers allow, what can be asked, and what the rules make of it."""

import pytest

from torchlint.diagnostic import Diagnostic, Severity
from torchlint.linter import lint
from torchlint.registry import load
from torchlint.source import Source
from torchlint.target import (
    ANY,
    ANYTHING,
    SpecifierError,
    Target,
    Versions,
    all_of,
    python_versions,
    torch_versions,
)


def python(text: str) -> Versions:
    return python_versions(text)


class TestSpecifiers:
    @pytest.mark.parametrize(
        ("text", "allowed"),
        [
            ("3.11", ">=3.11,<3.12"),
            (" py311 ", ">=3.11,<3.12"),
            ("py3", ">=3.0,<4.0"),
            ("3.11.4", ">=3.11.4,<3.11.5"),
            (">=3.9,<3.14", ">=3.9,<3.14"),
            (">=3.9, <3.14, !=3.10.*", ">=3.9,<3.14"),
            ("==3.9.*", ">=3.9,<3.10"),
            ("==3.9", ">=3.9,<3.9.1"),
            ("===3.9", ">=3.9,<3.9.1"),
            (">3.9", ">=3.9"),
            ("<=3.13", "<3.13.1"),
            ("~=3.9", ">=3.9,<4.0"),
            ("~=3.9.1", ">=3.9.1,<3.10"),
            ("!=3.9", "any"),
            ("any", "any"),
            ("3.14.0rc1", ">=3.14.0.dev0,<3.14.1"),
            ("<3.14rc1", "<3.14.1"),
        ],
    )
    def test_of_python(self, text: str, allowed: str) -> None:
        assert str(python_versions(text)) == allowed

    @pytest.mark.parametrize(
        ("text", "allowed"),
        [
            ("2.3", ">=2.3,<2.4"),
            ("2", ">=2.0,<3.0"),
            ("==2.3.*", ">=2.3,<2.4"),
            ("~=2.1", ">=2.1,<3.0"),
            ("2.3.1+cu118", ">=2.3.1,<2.3.2"),
            ("==1.7.1+cu110", ">=1.7.1,<1.7.2"),
            ("2.0.0.dev20230101", ">=2.0.0.dev0,<2.0.1"),
            (">=1.13,<2.5", ">=1.13,<2.5"),
        ],
    )
    def test_of_torch(self, text: str, allowed: str) -> None:
        assert str(torch_versions(text)) == allowed

    @pytest.mark.parametrize(
        "text", ["", "abc", "39", "311", "~=3", ">=3.*", ",", "1!3.9", "*", "^3.9", ">=4", "\uff13.\uff11", "9" * 5000]
    )
    def test_that_name_no_python(self, text: str) -> None:
        with pytest.raises(SpecifierError) as caught:
            python_versions(text)
        assert str(caught.value) == f"must be versions such as 3.11 or >=3.9,<3.14, not {text!r}"

    def test_that_name_no_torch(self) -> None:
        with pytest.raises(SpecifierError, match=r"must be versions such as 2\.3 or >=1\.13,<2\.5, not 'py311'"):
            torch_versions("py311")

    def test_that_contradict_themselves(self) -> None:
        with pytest.raises(SpecifierError, match=r"^allows no version: '>=2,<1\.5'$"):
            torch_versions(">=2,<1.5")

    @pytest.mark.parametrize("text", ["3.11", ">=3.9", "<=3.13", "~=3.9", "3.14.0rc1", "<3.14"])
    def test_what_is_shown_can_be_read_again(self, text: str) -> None:
        shown = python_versions(text)
        assert python_versions(str(shown)) == shown


class TestVersions:
    def test_only_what_is_certain_is_said(self) -> None:
        assert python(">=3.9,<3.14").all_below(3, 14)
        assert not python(">=3.9,<3.15").all_below(3, 14)
        assert not python(">=3.9").all_below(3, 14)
        assert python(">=3.14").all_from(3, 14)
        assert python(">=3.14.0").all_from(3, 14)
        assert not python(">=3.13.9").all_from(3, 14)
        assert not python("<3.14").all_from(3, 14)
        assert python("3.13").all_below(3, 14)
        assert not python("3.14").all_below(3, 14)
        assert python("3.14").all_from(3, 14)
        assert torch_versions("2.10").all_from(2, 9)
        assert torch_versions("1.7.1+cu110").all_below(1, 9)

    def test_of_anything_nothing_is_certain(self) -> None:
        assert ANYTHING.is_anything
        assert not ANYTHING.all_below(99)
        assert not ANYTHING.all_from(0, 1)

    def test_a_version_before_a_release_is_neither(self) -> None:
        assert not torch_versions("1.9.0.dev20210504").all_from(1, 9)
        assert not torch_versions("1.9.0.dev20210504").all_below(1, 9)
        assert torch_versions("1.9.0.dev20210504").all_from(1, 8)

    def test_together(self) -> None:
        assert str(python(">=3.9").both(python("<3.14"))) == ">=3.9,<3.14"
        assert str(python(">=3.9,<3.12").both(python(">=3.10,<3.14"))) == ">=3.10,<3.12"
        assert python("3.9").both(python("3.10")) is None
        assert python(">=3.9").both(ANYTHING) == python(">=3.9")
        assert all_of([]) == ANYTHING
        assert all_of([python("3.9"), python("3.10"), ANYTHING]) is None

    def test_one_or_the_other(self) -> None:
        assert str(python("3.9").either(python("3.11"))) == ">=3.9,<3.12"
        assert str(python("3.11").either(python(">=3.9,<3.10"))) == ">=3.9,<3.12"
        assert str(python("3.9").either(python(">=3.11"))) == ">=3.9"
        assert python("3.9").either(ANYTHING) == ANYTHING


class TestForking:
    @pytest.mark.parametrize(
        ("platform", "versions", "forks", "never_forks"),
        [
            (None, "any", False, False),
            (None, "3.11", False, False),
            (None, ">=3.14", False, True),
            ("linux", "any", False, False),
            ("linux", ">=3.9", False, False),
            ("linux", ">=3.9,<3.14", True, False),
            ("linux", "3.14", False, True),
            ("windows", "any", False, True),
            ("windows", "3.7", False, True),
            ("macos", "any", False, True),
            ("macos", "3.7", True, False),
        ],
    )
    def test_by_platform_and_python(self, platform: str | None, versions: str, forks: bool, never_forks: bool) -> None:
        target = Target(python(versions), platform=platform)
        assert (target.forks, target.never_forks) == (forks, never_forks)


SCRIPT = """\
import torch
from torch.utils.data import DataLoader, TensorDataset
{}
for batch in DataLoader(TensorDataset(torch.randn(8, 2)), num_workers=2):
    print(batch)
"""


def guard(target: Target, line: str = "") -> Diagnostic:
    rules = [rule for rule in load(plugins=False).rules if rule.name() == "missing-main-guard"]
    (found,) = lint(Source("a.py", SCRIPT.format(line)), rules, target=target)
    return found


def test_rules_see_the_target() -> None:
    forked = guard(Target(python("3.11"), platform="linux"))
    assert forked.severity is Severity.WARNING
    assert forked.message.endswith(", which runs under `fork` only")
    for target in (ANY, Target(platform="linux"), Target(platform="windows"), Target(python("3.14"), platform="linux")):
        found = guard(target)
        assert found.severity is Severity.ERROR
        assert "fork" not in found.message


def test_what_a_script_says_itself_comes_before_the_target() -> None:
    line = "torch.multiprocessing.set_start_method('spawn')"
    assert guard(Target(python("3.11"), platform="linux"), line).severity is Severity.ERROR
