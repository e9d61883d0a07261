"""The proof itself: a fixture that claims what is not so must fail, for each thing that it can claim."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest

from torchlint.diagnostic import Applicability, Category
from torchlint.prove import prove
from torchlint.prove.cases import Case, check, find
from torchlint.prove.runtime import Runner, TorchMissing, verify
from torchlint.rule import Rule


class OddCall(Rule):
    """Checks for calls of `odd`, which should be `even`."""

    code = "TL399"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE

    def visit_Call(self, node: cst.Call) -> None:
        if isinstance(node.func, cst.Name) and node.func.value in ("odd", "strange"):
            safety = Applicability.SAFE if node.func.value == "odd" else Applicability.UNSAFE
            self.report(node, "odd", fix=self.fix("use even", safety, self.replace(node.func, "even")))


class NoFixes(OddCall):
    """Checks for calls of `odd`, and says that it has no fixes."""

    fix_safety = None  # type: ignore[assignment]


class EatsComments(OddCall):
    """Checks for calls of `odd`, and eats the comment inside."""

    def visit_Call(self, node: cst.Call) -> None:
        if isinstance(node.func, cst.Name) and node.func.value == "odd":
            self.report(node, "odd", fix=self.fix("f", Applicability.SAFE, self.replace(node, "even(1)")))


def write(folder: Path, files: dict[str, str]) -> dict[str, Case]:
    """Fixtures of the rule, as cases by the name of their file or folder. A `#!` marks where it must fire."""
    for name, text in files.items():
        path = folder / "tensor" / "odd_call" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(" #!", "  # expect: TL399"))
    return {case.name.rpartition("/")[2]: case for case in find(folder)}


HEAD = "# raises: NameError\n"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"bad.py": f"{HEAD}odd(1) #!\n", "fixed.py": f"{HEAD}even(1) #!\n"}, ""),
        ({"bad.py": f"{HEAD}odd(1), odd(2) #!\n"}, "bad.py:2: TL399 is found and not expected"),
        ({"bad.py": f"{HEAD}odd(1)  # expect: TL399, TL399\n"}, "TL399 is expected and not found"),
        ({"bad.py": f"{HEAD}odd(1)  # expect: TL398\n"}, "TL398 is expected and not found"),
        ({"bad.py": f"{HEAD}odd(1)\n"}, "expects nothing"),
        ({"bad.py": f"{HEAD}odd(1)\nx = 1 #!\n"}, "bad.py:2: TL399 is found and not expected"),
        ({"bad.py": "odd(1) #!\n"}, "does not say what happens at run time"),
        ({"bad.py": "odd(1)  # expect: TL399\n# raises: NameError\n"}, "does not say what happens at run time"),
        ({"bad.py": f"{HEAD}odd(1) #!\n"}, "has fixes and no `fixed` twin"),
        ({"good.py": "odd(1)\n"}, "good.py:1: TL399 is found and not expected"),
        ({"good/main.py": "import other\n", "good/other.py": "\nodd(1)\n"}, "other.py:2: TL399 is found and not"),
    ],
)  # fmt: skip
def test_markers_must_match_exactly(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    cases = write(tmp_path, files)
    problems = [found for case in cases.values() for found in check(case, OddCall)]
    assert any(problem in found for found in problems) if problem else problems == []


@pytest.mark.parametrize(
    ("fixed", "problem"),
    [
        ("even(1) #!\n", ""),
        ("even(2) #!\n", "fixed_x.py is not what the fixes make of bad_x.py"),
        ("even(1)\n", "fixed_x.py is not what the fixes make of bad_x.py"),
        ("odd(1) #!\n", "fixed_x.py is not what the fixes make of bad_x.py"),
    ],
)
def test_the_fixed_file_is_what_the_fixes_make(tmp_path: Path, fixed: str, problem: str) -> None:
    files = {"bad_x.py": f"{HEAD}odd(1) #!\n", "fixed_x.py": HEAD + fixed}
    case = write(tmp_path, files)["fixed_x"]
    assert [problem] * bool(problem) == check(case, OddCall)


def test_a_fixed_file_needs_its_bad_twin(tmp_path: Path) -> None:
    case = write(tmp_path, {"fixed_x.py": "even(1)\n"})["fixed_x"]
    assert check(case, OddCall) == ["has no `bad` twin"]


class OnLinux(OddCall):
    """Checks for calls of `odd` on Linux with Python before 3.14 and torch before 1.9."""

    def visit_Call(self, node: cst.Call) -> None:
        if self.model.target.forks and self.model.target.torch.all_below(1, 9):
            super().visit_Call(node)


TARGET = "# target: python >=3.9,<3.14, torch ==1.7.1+cu110, platform linux\n"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"bad.py": f"{TARGET}{HEAD}odd(1) #!\n", "fixed.py": f"{TARGET}{HEAD}even(1) #!\n"}, ""),
        ({"bad.py": f"{HEAD}{TARGET}odd(1) #!\n", "fixed.py": f"{HEAD}{TARGET}even(1) #!\n"}, ""),
        ({"bad/main.py": f"{TARGET}{HEAD}import other\n", "bad/other.py": "odd(1) #!\n",
          "fixed/main.py": f"{TARGET}{HEAD}import other\n", "fixed/other.py": "even(1) #!\n"}, ""),
        ({"good.py": "odd(1)\n"}, ""),
        ({"good.py": "# target: platform linux, python 3.13\nodd(1)\n"}, ""),
        ({"good.py": "# target: torch any, platform any\nodd(1)\n"}, ""),
        ({"good.py": f"{TARGET}odd(1)\n"}, "good.py:2: TL399 is found and not expected"),
        ({"good.py": "# target: linux\n"}, "target: must be parts such as `python 3.11, torch >=1.7, platform linux`"),
        ({"good.py": "# target: platform linux, platform windows\n"}, "target: must be parts such as"),
        ({"good.py": "# target: python 3.11; torch 2\n"}, "target: must be versions such as 3.11 or >=3.9,<3.14, not"),
        ({"good.py": "# target: platform beos\n"}, "target: there is no platform beos"),
        ({"bad.py": f"{TARGET}{HEAD}odd(1) #!\n", "fixed.py": f"{HEAD}even(1) #!\n"}, "has another target than its"),
    ],
)  # fmt: skip
def test_a_case_is_linted_for_its_target(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    cases = write(tmp_path, files)
    problems = [found for case in cases.values() for found in check(case, OnLinux)]
    assert any(found.startswith(problem) for found in problems) if problem else problems == []


def test_all_files_of_a_folder_are_fixed(tmp_path: Path) -> None:
    files = {
        "bad/main.py": f"{HEAD}import other\n",
        "bad/other.py": "odd(1) #!\n",
        "fixed/main.py": f"{HEAD}import other\n",
        "fixed/other.py": "odd(1) #!\n",
    }
    case = write(tmp_path, files)["fixed"]
    assert check(case, OddCall) == ["other.py is not what the fixes make of other.py"]
    write(tmp_path, {"fixed/other.py": "even(1) #!\n"})
    assert check(case, OddCall) == []


@pytest.mark.parametrize(
    ("rule", "call", "problem"),
    [
        (OddCall, "strange(1)", "a fix is less safe than the rule's safe fixes"),
        (NoFixes, "odd(1)", "a fix is less safe than the rule's no fixes"),
        (EatsComments, "odd(  # dear\n1)", "a safe fix changes comments"),
    ],
)
def test_fixes_keep_what_they_promise(tmp_path: Path, rule: type[Rule], call: str, problem: str) -> None:
    case = write(tmp_path, {"bad.py": f"{HEAD}{call} #!\n"})["bad"]
    assert any(problem in found for found in check(case, rule))


# -- at run time ---------------------------------------------------------------


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    try:
        running = Runner(None)
    except TorchMissing as error:
        pytest.skip(f"torch is missing: {error}")
    with running:
        yield running


NUMPY = "import torch\nx = torch.ones(2, requires_grad=True)\n"
TEXT = "Can't call numpy() on Tensor that requires grad"
RAISES = "# raises: RuntimeError: " + TEXT + "\n" + NUMPY
WARN = "import warnings\nwarnings.warn"


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("bad", f"{RAISES}x.numpy() #!\n", ""),
        ("bad", f"{RAISES}y = x.detach().numpy() #!\n", "raised nothing"),
        ("bad", f"# raises: ValueError: {TEXT}\n{NUMPY}x.numpy() #!\n", "raised RuntimeError: Can't"),
        ("bad", f"# raises: RuntimeError: Can call\n{NUMPY}x.numpy() #!\n", "raised RuntimeError: Can't"),
        ("bad", f"{RAISES}y = 1  # expect: TL399\nx.numpy()\n", "no expected line"),
        (
            "bad",
            f"{RAISES}def f(x):\n    return x.numpy()\nf(x) #!\n",
            "",
        ),
        ("bad", "# wrong: x == 2\nx = 1 + 1 #!\n", ""),
        ("bad", "# wrong: x == 3\nx = 1 + 1 #!\n", "`x == 3` is False"),
        ("bad", "# wrong: y == 3\nx = 1 + 1 #!\n", "`y == 3` is NameError"),
        ("bad", "# wrong: x == 2\nx = 2\n1 / 0 #!\n", "raised ZeroDivisionError"),
        ("bad", f"# warns: UserWarning: odd\n{WARN}('odd') #!\n", ""),
        ("bad", f"# warns: UserWarning: odd\n{WARN}('even') #!\n", "did not warn"),
        ("bad", f"# warns: FutureWarning: odd\n{WARN}('odd') #!\n", "did not warn"),
        ("bad", "# prints: nan\nprint(float('nan')) #!\n", ""),
        ("bad", "# prints: nan\nprint(1.0) #!\n", "did not print nan"),
        ("bad", "# compile: SyntaxError: unterminated\nx = 'a #!\n", ""),
        ("bad", "# compile: SyntaxError: unterminated\nx = 'a' #!\n", "raised nothing"),
        ("bad", "# compile: SyntaxError: truncated\nx = 'a #!\n", "raised SyntaxError: unterminated"),
        ("good", "import torch\n", ""),
        ("good", "import torch\n1 / 0\n", "raised ZeroDivisionError: division by zero"),
        ("good", "raise SystemExit(3)\n", "raised SystemExit: 3"),
        ("good", "raise SystemExit\n", ""),
        ("good", "import os\nos._exit(0)\n", "ended without a report"),
        ("good", "import os\nos.kill(os.getpid(), 9)\n", "ended without a report"),
        ("fixed", "# wrong: x == 2\nx = 1\n", ""),
        ("fixed", "# wrong: x == 2\nx = 1 + 1\n", "`x == 2` is still True"),
        ("fixed", f"{RAISES}x.numpy()\n", "raised RuntimeError"),
        ("fixed", "x = (\n", "raised SyntaxError"),
    ],
)  # fmt: skip
def test_a_claim_must_come_true(tmp_path: Path, runner: Runner, kind: str, text: str, problem: str) -> None:
    case = write(tmp_path, {f"{kind}.py": text})[kind]
    problems = verify(case, runner.run(case))
    assert any(problem in found for found in problems) if problem else problems == []


WORKERS = """from multiprocessing import get_start_method, Process
assert get_start_method() == "spawn"
def work():
    pass
def run():
    worker = Process(target=work)
    worker.start()
    worker.join()
    if worker.exitcode:
        raise SystemExit("the worker failed")
"""


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("run() #!\n", ""),
        ("if __name__ == '__main__':\n    run() #!\n", "raised nothing"),
    ],
)
def test_a_start_method_is_really_used(tmp_path: Path, runner: Runner, rest: str, problem: str) -> None:
    head = "# raises: RuntimeError: bootstrapping phase\n# start method: spawn\n"
    case = write(tmp_path, {"bad.py": f"{head}{WORKERS}{rest}"})["bad"]
    problems = verify(case, runner.run(case))
    assert any(problem in found for found in problems) if problem else problems == []


def test_cases_do_not_see_each_other(tmp_path: Path, runner: Runner) -> None:
    files = {
        "good_a.py": "import builtins, torch\nbuiltins.left = 1\nopen('left', 'w').close()\ntorch.set_num_threads(3)\n",
        "good_b.py": "import builtins, os, torch\nassert not hasattr(builtins, 'left')\nassert os.listdir() == []\n"
        "assert torch.get_num_threads() == 1\nassert 0.49 < torch.rand(1).item() < 0.5\n",
    }  # fmt: skip
    for case in write(tmp_path, files).values():
        assert verify(case, runner.run(case)) == []
    assert {path.name for path in (tmp_path / "tensor" / "odd_call").iterdir()} == {"good_a.py", "good_b.py"}


def test_modules_beside_main_are_imported(tmp_path: Path, runner: Runner) -> None:
    files = {
        "bad/main.py": "# raises: ZeroDivisionError\nimport other\n",
        "bad/other.py": "1 / 0 #!\n",
    }
    case = write(tmp_path, files)["bad"]
    assert verify(case, runner.run(case)) == []


def test_the_command_tells_failures_and_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove([tmp_path]) == 2
    write(tmp_path, {"good.py": "", "bad.py": "# not run: needs CUDA\nx = 1 #!\n"})
    assert prove([tmp_path]) == 1
    output = capsys.readouterr().out
    assert "tensor/odd_call/good: there is no rule odd-call\n" in output
    assert "tensor/odd_call/bad: not run: needs CUDA\n" in output
    not_run = 1 if importlib.util.find_spec("torch") is not None else 2
    assert output.endswith(f"0 passed, 2 failed, {not_run} not run\n")
