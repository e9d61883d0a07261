"""The proof: fixtures are linted, and run on real torch, and must do what they say."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from torchlint.prove.cases import STAND_INS, Case, check, find, repaired
from torchlint.prove.runtime import Runner, TorchMissing, verify
from torchlint.registry import load
from torchlint.rule import Rule

WORKERS = 2
OWN_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def prove(paths: Sequence[Path], *, match: str | None = None, update: bool = False) -> int:
    """Lint and run the fixtures in some folders; the exit code (0 proven, 1 not, 2 nothing to prove, or no torch).

    Args:
        paths: folders of fixtures (`<department>/<rule_stem>/...`); without any, those of this checkout.
        match: only cases whose name contains this.
        update: write the `fixed` files anew from what the fixes make of the `bad` ones.
    """
    rules = {rule.name().replace("-", "_"): rule for rule in load().rules}
    cases = [
        (case, folder)
        for folder in (paths or [OWN_FIXTURES])
        for case in find(folder)
        if match is None or match in case.name
    ]
    if not cases:
        print("no fixtures found" + (f" whose name contains {match!r}" if match else ""), file=sys.stderr)
        return 2
    if update:
        for case, _ in cases:
            if case.kind == "bad" and case.rule in rules:
                _update(case, rules[case.rule])
        cases = [
            (case, folder)
            for folder in (paths or [OWN_FIXTURES])
            for case in find(folder)
            if match is None or match in case.name
        ]
    results = {case.name: _linted(case, rules.get(case.rule)) for case, _ in cases}
    not_run = [(case, case.not_run) for case, _ in cases if case.not_run]
    torch_is_missing = False
    for folder in dict.fromkeys(folder for _, folder in cases):
        runnable = [case for case, place in cases if place == folder and not case.not_run]
        try:
            for case, problems in run_all(runnable, folder / STAND_INS):
                results[case.name] += problems
        except TorchMissing as error:
            torch_is_missing = True
            not_run.extend((case, f"torch is missing: {error}") for case in runnable)
    failed = {name: problems for name, problems in results.items() if problems}
    for name, problems in failed.items():
        for problem in problems:
            print(f"{name}: {problem}")
    for case, reason in not_run:
        print(f"{case.name}: not run: {reason}")
    left_out = {case.name for case, _ in not_run}
    print(f"{len(results.keys() - failed.keys() - left_out)} passed, {len(failed)} failed, {len(not_run)} not run")
    return 1 if failed else 2 if torch_is_missing else 0


def run_all(cases: Sequence[Case], stand_ins: Path) -> list[tuple[Case, list[str]]]:
    """Run cases on real torch; each with where it did not do what it says.

    Raises:
        TorchMissing: torch cannot be imported.
    """
    if not cases:
        return []
    runners: SimpleQueue[Runner] = SimpleQueue()
    count = min(WORKERS, os.cpu_count() or 1, len(cases))
    made = []
    try:
        for _ in range(count):
            made.append(Runner(stand_ins if stand_ins.is_dir() else None))
            runners.put(made[-1])

        def run(case: Case) -> tuple[Case, list[str]]:
            runner = runners.get()
            try:
                return case, verify(case, runner.run(case))
            finally:
                runners.put(runner)

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(run, cases))
    finally:
        for runner in made:
            runner.close()


def _linted(case: Case, rule: type[Rule] | None) -> list[str]:
    if rule is None:
        return [f"there is no rule {case.rule.replace('_', '-')}"]
    return check(case, rule)


def _update(case: Case, rule: type[Rule]) -> None:
    """Write what the fixes make of a `bad` case beside it."""
    for path, data in repaired(case, rule).items():
        main = case.twin("fixed")
        golden = main.parent / path.relative_to(case.root) if case.main.name == "main.py" else main
        changed = data != path.read_bytes()
        if changed or (case.main.name == "main.py" and main.is_file()):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_bytes(data)
