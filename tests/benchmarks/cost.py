"""What each part of a lint costs: parsing, understanding, each rule.

    python tests/benchmarks/cost.py FOLDER... [--runs 3]

Takes each file through the steps of a lint in one process. A rule's cost is that of its hooks in a walk of its own over
the tree, after everything is understood, less that of a bare walk. Files that no rule applies to by its words are
parsed too, so that all steps stand against the same parse.
"""

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from measure import linted_files

from torchlint.linter import _walk
from torchlint.nesting import with_room
from torchlint.parse import ParseProblem, parse
from torchlint.registry import load
from torchlint.rule import Rule
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.source import Source, SourceError


class Clock:
    """Adds up the CPU seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def time(self, name: str, work: Callable[[], object]) -> float:
        """Do some work; the seconds that it took, which are added to those of its step."""
        start = time.process_time()
        work()
        seconds = time.process_time() - start
        self.seconds[name] += seconds
        return seconds


def read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def lint(path: str, rules: list[type[Rule]], project: Project, clock: Clock) -> None:
    """Take one file through the steps."""
    data = Path(path).read_bytes()
    try:
        source = Source.from_bytes(path, data)
        clock.time("parse", lambda: parse(source))
    except (SourceError, ParseProblem):
        return
    module = parse(source)
    active = [rule for rule in rules if rule.may_apply(data)]
    if not active:
        return
    model = Model(Unit(path, source, module), project)
    clock.time("understand", lambda: model.facts)
    bare = clock.time("bare walk", lambda: _walk(module, []))
    for rule in active:
        instance = rule(source, model)
        own = clock.time(rule.code, lambda instance=instance: _walk(module, [instance]))  # type: ignore[misc]
        clock.seconds[rule.code] -= min(bare, own)
    model.close()


def clocked(files: list[str], rules: list[type[Rule]]) -> Clock:
    """One run over all files."""
    clock, project = Clock(), Project(read)
    for path in files:
        text = Path(path).read_text("utf-8", "replace")
        with_room(text, lambda path=path: lint(path, rules, project, clock))  # type: ignore[misc]
        project.trim()
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run (default: 3)")
    arguments = parser.parse_args()

    files = [path for path in linted_files(arguments.folders) if path.endswith(".py")]
    rules = sorted(load(plugins=False).rules, key=lambda rule: rule.code)
    clocks = []
    gc.disable()
    for _ in range(arguments.runs):
        clocks.append(clocked(files, rules))
        gc.collect()
    names = {rule.code: rule.name() for rule in rules}
    cost = {name: median(clock.seconds[name] for clock in clocks) for name in clocks[0].seconds}
    parsed = cost["parse"]
    print(f"{len(files)} files, medians of {arguments.runs} runs; CPU seconds, and share of the parse")
    for name in ("parse", "understand", "bare walk"):
        print(f"{name:45} {cost[name]:7.3f} {cost[name] / parsed:7.1%}")
    total = 0.0
    for code in sorted(names, key=lambda code: -cost.get(code, 0)):
        own = max(0.0, cost.get(code, 0))
        total += own
        print(f"{code} {names[code]:38} {own:7.3f} {own / parsed:7.1%}")
    print(f"{'all rules':45} {total:7.3f} {total / parsed:7.1%}")


if __name__ == "__main__":
    main()
