"""Fixtures: code to be linted that says what happens when it runs.

A rule's fixtures lie in `<department>/<rule_stem>/`. Each case is a file, or a folder with a `main.py` and the
modules that it imports: `bad*` must be found, `good*` must not, `fixed_x` is what all fixes make of `bad_x`.
A case may be a notebook: its code cells are one program, in which IPython's own lines do nothing.
A line on which the rule must fire ends in `# expect: TL301` (a code for each finding, separated by commas);
nothing else may fire. The comment lines that a `bad` case starts with say what happens at run time:

    # raises: RuntimeError: Can't call numpy()      it raises this, at an expected line or in a call from there
    # raises later: TypeError: not tuple             it raises this when something uses what was made there
    # compile: SyntaxError: truncated \\UXXXXXXXX    CPython refuses to compile it
    # wrong: abs(loss - 1.461) < 1e-3                true after it ran: the silently wrong result
    # warns: UserWarning: Implicit dimension         it warns
    # prints: 0.0                                    it prints this
    # start method: spawn                            it runs with this start method of multiprocessing
    # not run: needs CUDA                            it is not run; counted and named as such
    # target: python 3.11, torch >=1.7, platform linux   it is linted as code that runs on these

A case of any kind may have a target, or a part of one; without it, it is linted as code that may run anywhere.
`good` cases run to their end without an exception. So does a `fixed` case, whose `wrong` is false then.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torchlint.config import PLATFORMS
from torchlint.diagnostic import Applicability, Diagnostic
from torchlint.fixer import fix
from torchlint.linter import lint
from torchlint.notebook import is_notebook, load
from torchlint.rule import Rule
from torchlint.semantic.project import Project
from torchlint.source import Source
from torchlint.target import SpecifierError, Target, python_versions, torch_versions

KINDS = ("bad", "good", "fixed")
CLAIMS = ("raises", "raises later", "compile", "wrong", "warns", "prints")
_DIRECTIVE = re.compile(
    r"#\s*(raises later|raises|compile|wrong|warns|prints|start method|not run|runs|target)(?::\s*(.*?))?\s*$"
)
_EXPECT = re.compile(r"#\s*expect:\s*([A-Z]+\d{3}(?:\s*,\s*[A-Z]+\d{3})*)")
_TARGET = re.compile(r"(python|torch|platform)\s+(.+?)\s*(?:,\s*(?=(?:python|torch|platform)\s)|$)")
_ORDER = {Applicability.SAFE: 0, Applicability.UNSAFE: 1, Applicability.DISPLAY: 2}
STAND_INS = "stand_ins"


@dataclass(frozen=True)
class Case:
    """One fixture: `main` is the file that runs, `files` all that are linted."""

    rule: str
    kind: str
    main: Path

    @property
    def name(self) -> str:
        """`department/rule_stem/bad_x`, for people and for `-k`."""
        place = self.main.parent if self.main.name == "main.py" else self.main.with_suffix("")
        return "/".join(place.parts[-3:])

    @property
    def root(self) -> Path:
        """The folder that the case's modules are imported from."""
        return self.main.parent

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of the case, `main` first."""
        if self.main.name != "main.py":
            return (self.main,)
        others = sorted(
            path for path in self.root.rglob("*.py") if path != self.main and "__pycache__" not in path.parts
        )
        return (self.main, *others)

    @cached_property
    def directives(self) -> dict[str, list[str]]:
        """What the comments at the start of `main` say, by directive."""
        return _directives(_source(self.main).text)

    @property
    def not_run(self) -> str | None:
        """Why the case is not run, or None."""
        return self.directives["not run"][0] if "not run" in self.directives else None

    @cached_property
    def target(self) -> Target:
        """What the case is linted for.

        Raises:
            SpecifierError: the case does not say it as it should.
        """
        try:
            return target_of(_source(self.main).text)
        except SpecifierError as error:
            raise SpecifierError(f"{self.name}: target: {error}") from None

    @property
    def program(self) -> str | None:
        """What a notebook runs; None for a script, which runs itself."""
        return _source(self.main).text if is_notebook(self.main.name) else None

    def twin(self, kind: str) -> Path:
        """The `main` of the case of the same name and another kind."""
        place = self.root if self.main.name == "main.py" else self.main
        twin = place.with_name(kind + place.name.removeprefix(self.kind))
        return twin / "main.py" if self.main.name == "main.py" else twin

    def expected(self, path: Path) -> Counter[tuple[int, str]]:
        """How often each code must fire on each row of a file."""
        marks: Counter[tuple[int, str]] = Counter()
        for row, line in enumerate(_source(path).text.split("\n"), 1):
            match = _EXPECT.search(line)
            if match:
                marks.update((row, code.strip()) for code in match.group(1).split(","))
        return marks


def target_of(text: str) -> Target:
    """What code is linted for, by the comments that it starts with.

    Raises:
        SpecifierError: it does not say it as it should.
    """
    return _target(", ".join(_directives(text).get("target", ())))


def _directives(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        match = _DIRECTIVE.match(line)
        if match:
            found.setdefault(match.group(1), []).append(match.group(2) or "")
    return found


def find(fixtures: Path) -> Iterator[Case]:
    """The cases of a folder of fixtures, by department and rule."""
    for folder in sorted(path for path in fixtures.glob("*/*") if path.is_dir() and path.parts[-2] != STAND_INS):
        for path in sorted(folder.iterdir()):
            kind = next((kind for kind in KINDS if re.match(rf"{kind}(_|$)", path.stem)), None)
            main = path / "main.py" if path.is_dir() else path
            if kind is not None and main.suffix in (".py", ".ipynb") and main.is_file():
                yield Case(folder.name, kind, main)


def check(case: Case, rule: type[Rule]) -> list[str]:
    """What is wrong with a case as far as linting goes; nothing when all is well."""
    try:
        target = case.target
    except SpecifierError as error:
        return [f"{error}".removeprefix(f"{case.name}: ")]
    if case.kind == "fixed":
        return _check_fixed(case, rule)
    problems = []
    if case.kind == "bad" and not case.not_run and not any(claim in case.directives for claim in CLAIMS):
        problems.append("does not say what happens at run time")
    if case.kind == "bad" and not any(case.expected(path) for path in case.files):
        problems.append("expects nothing")
    fixable = False
    for path in case.files:
        found = _linter(path, rule, target)(_source(path))
        actual = Counter((diagnostic.span.row, diagnostic.code) for diagnostic in found)
        expected = case.expected(path)
        for (row, code), count in sorted((expected - actual).items()):
            problems.append(
                f"{path.name}:{row}: {code} is expected{f' {count} times more' if count > 1 else ''} and not found"
            )
        for (row, code), _ in sorted((actual - expected).items()):
            message = next(d.message for d in found if (d.span.row, d.code) == (row, code))
            problems.append(f"{path.name}:{row}: {code} is found and not expected: {message}")
        fixable = fixable or any(diagnostic.fix is not None for diagnostic in found)
        problems.extend(_check_safety(path, rule, target, found))
    if case.kind == "bad" and fixable != case.twin("fixed").is_file():
        problems.append("has fixes and no `fixed` twin" if fixable else "has a `fixed` twin and no fixes")
    return problems


def repaired(case: Case, rule: type[Rule]) -> dict[Path, bytes]:
    """What all fixes, unsafe ones included, make of the files of a case."""
    return {path: fix(_source(path), _linter(path, rule, case.target), unsafe=True).source.data for path in case.files}


def _check_fixed(case: Case, rule: type[Rule]) -> list[str]:
    bad = Case(case.rule, "bad", case.twin("bad"))
    if not bad.main.is_file():
        return ["has no `bad` twin"]
    if bad.directives.get("target") != case.directives.get("target"):
        return ["has another target than its `bad` twin"]
    problems = []
    for path, data in repaired(bad, rule).items():
        golden = case.root / path.relative_to(bad.root) if case.main.name == "main.py" else case.main
        if not golden.is_file() or golden.read_bytes() != data:
            problems.append(f"{golden.name} is not what the fixes make of {path.name}")
            continue
        again = fix(load(str(path), data), _linter(path, rule, bad.target), unsafe=True)
        if again.source.data != data:
            problems.append(f"{golden.name}: fixing again changes it")
    return problems


def _check_safety(path: Path, rule: type[Rule], target: Target, found: Sequence[Diagnostic]) -> list[str]:
    problems = []
    for diagnostic in found:
        if diagnostic.fix is None:
            continue
        if rule.fix_safety is None or _ORDER[diagnostic.fix.applicability] > _ORDER[rule.fix_safety]:
            declared = rule.fix_safety.value if rule.fix_safety else "no"
            problems.append(f"{path.name}:{diagnostic.span.row}: a fix is less safe than the rule's {declared} fixes")
    source = _source(path)
    safe = fix(source, _linter(path, rule, target), unsafe=False).source.text
    if Counter(_comments(safe)) != Counter(_comments(source.text)):
        problems.append(f"{path.name}: a safe fix changes comments")
    return problems


def _comments(text: str) -> list[str]:
    return re.findall(r"#[^\r\n]*", text)


def _source(path: Path) -> Source:
    return load(str(path), path.read_bytes())


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _linter(path: Path, rule: type[Rule], target: Target) -> Callable[[Source], list[Diagnostic]]:
    """What finds the findings of a source that stands for a file."""
    name = path.resolve().as_posix()
    return lambda source: lint(source, [rule], path=name, project=Project(_read), target=target)


def _target(text: str) -> Target:
    """What `python 3.11, torch >=1.7, platform linux` means; any part may be missing."""
    parts: dict[str, str] = {}
    end = 0
    for match in _TARGET.finditer(text):
        if match.start() != end or match.group(1) in parts:
            break
        parts[match.group(1)] = match.group(2)
        end = match.end()
    if end != len(text):
        raise SpecifierError(f"must be parts such as `python 3.11, torch >=1.7, platform linux`, not {text!r}")
    platform = parts.get("platform")
    if platform not in (None, *PLATFORMS):
        raise SpecifierError(f"there is no platform {platform}")
    return Target(
        python_versions(parts.get("python", "any")),
        torch_versions(parts.get("torch", "any")),
        None if platform == "any" else platform,
    )
