"""Which rules there are, and which of them a selection picks.

Rules are found, not registered: every class in the folders of `torchlint.rules`, and of each package or
module that an entry point of the group `torchlint.rules` names. What cannot be used becomes one line in
`problems`.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Protocol

from torchlint.diagnostic import Applicability, Category, RuleDescription, Severity
from torchlint.rule import SEVERITY_OF_CATEGORY, Documentation, Rule

GROUP = "torchlint.rules"
BUILT_IN = "torchlint.rules"

_CODE = re.compile(r"[A-Z]+[0-9]{3}")


class RegistryError(Exception):
    """A selector that selects nothing there is. The message is one line for the reader."""


class Documented(Protocol):
    """What a reader may ask of a rule, and of the engine's own diagnostics."""

    @property
    def code(self) -> str: ...
    @property
    def category(self) -> Category: ...
    @property
    def fix_safety(self) -> Applicability | None: ...
    def name(self) -> str: ...
    def documentation(self) -> Documentation: ...


@dataclass(frozen=True)
class EngineRule:
    """A diagnostic of torchlint itself, which is documented, selected and ignored like a rule."""

    code: str
    kebab_name: str
    category: Category
    text: str
    fix_safety: Applicability | None = None
    ignorable: bool = True

    def name(self) -> str:
        """The kebab-case name."""
        return self.kebab_name

    def documentation(self) -> Documentation:
        """What it says and why."""
        return Documentation(self.text)


ENGINE = (
    EngineRule(
        "TL000",
        "syntax-error",
        Category.CORRECTNESS,
        """Reports a file that does not parse.

## Why is this bad?
Python cannot run it, and no other rule can look into it. A rule that knows the cause says so instead.""",
    ),
    EngineRule(
        "TL001",
        "internal-error",
        Category.CORRECTNESS,
        """Reports a rule that failed, or a fix that was withdrawn because it would have broken the file.

## Why is this bad?
This is a defect of torchlint or of a rule pack, and findings may be missing. The other rules were applied.
The exit code is 2, and the finding can be neither ignored nor suppressed.""",
        ignorable=False,
    ),
    EngineRule(
        "TL002",
        "unused-suppression",
        Category.SUSPICIOUS,
        """Checks for suppression comments that silence nothing.

## Why is this bad?
The comment hides the next defect on its line, and tells readers of a problem that is not there. Only codes of
rules that ran are judged; a bare `# noqa` and codes of other linters never are.

## Example
```python
total = 1 + 1  # noqa: TL301
```

## Use instead
```python
total = 1 + 1
```

## Fix safety
Safe: only the comment changes; other codes and other text in it stay.""",
        Applicability.SAFE,
    ),
    EngineRule(
        "TL003",
        "unreadable-file",
        Category.CORRECTNESS,
        """Reports a file that cannot be read, or that fixes could not be written to.

## Why is this bad?
The file was not checked, or not fixed. The exit code is 2, and the finding can be neither ignored nor
suppressed.""",
        ignorable=False,
    ),
)


@dataclass(frozen=True)
class Registry:
    """The rules, sorted by code, and what was found wrong while they were loaded, a line each."""

    rules: tuple[type[Rule], ...]
    problems: tuple[str, ...] = ()
    engine: tuple[EngineRule, ...] = ENGINE

    @cached_property
    def known(self) -> Mapping[str, str]:
        """Every name to its code."""
        return {documented.name(): documented.code for documented in self._all}

    def matches(self, selector: str, rule: "str | Documented | type[Rule]") -> bool:
        """Whether a selector covers a rule, or the rule of a code.

        Raises:
            RegistryError: the selector is unknown.
        """
        code = rule if isinstance(rule, str) else rule.code
        return code in self._codes(selector)

    def select(
        self, select: Sequence[str] = (), ignore: Sequence[str] = (), extend_select: Sequence[str] = ()
    ) -> tuple[type[Rule], ...]:
        """The rules that a selection picks, sorted by code.

        Raises:
            RegistryError: a selector is unknown.
        """
        codes = self.selected_codes(select, ignore, extend_select)
        return tuple(rule for rule in self.rules if rule.code in codes)

    def selected_codes(
        self, select: Sequence[str] = (), ignore: Sequence[str] = (), extend_select: Sequence[str] = ()
    ) -> frozenset[str]:
        """The codes that a selection picks, those of the engine included.

        Without `select` all rules but those of the nursery are on. Between `select` and `ignore` the more
        exact selector wins: a code or name over a longer prefix over a shorter one over a category over
        `ALL`; at a tie, `ignore`. Syntax errors stay on unless they are ignored, failures in any case.

        Raises:
            RegistryError: a selector is unknown.
        """
        picked: dict[str, bool] = {}
        for exactness in range(_EXACT + 1):
            if exactness == 0 and not select:
                picked.update((known.code, known.category is not Category.NURSERY) for known in self._all)
            for selectors, on in (([*select, *extend_select], True), (ignore, False)):
                for selector in selectors:
                    codes = self._codes(selector)
                    if self._exactness(selector) == exactness:
                        picked.update((code, on) for code in codes if not (on and self._is_held_back(code, exactness)))
        for engine in self.engine:
            if not engine.ignorable or (engine.code == "TL000" and engine.code not in picked):
                picked[engine.code] = True
        return frozenset(code for code, on in picked.items() if on)

    def severities(self, levels: Sequence[tuple[str, str]]) -> Mapping[str, Severity]:
        """The severity of each code that pairs of a selector and a severity speak of.

        The more exact selector wins as in a selection; at a tie the later one. Syntax errors and failures are
        errors whatever a selector says that covers other rules too.

        Raises:
            RegistryError: a selector is unknown, or speaks of syntax errors or failures alone.
        """
        fixed = {engine.code for engine in self.engine if not engine.ignorable} | {"TL000"}
        severities: dict[str, Severity] = {}
        for selector, level in sorted(levels, key=lambda pair: self._exactness(pair[0])):
            spoken_of = self._codes(selector)
            codes = spoken_of - fixed
            if spoken_of and not codes:
                raise RegistryError(f"`{selector}` is always an error")
            severities.update((code, Severity(level)) for code in codes)
        return severities

    def descriptions(self) -> "Sequence[RuleDescription]":
        """What there is to say of every rule, the engine's own diagnostics included, sorted by code."""
        return sorted(map(describe, self._all), key=lambda rule: rule.code)

    @cached_property
    def _all(self) -> "tuple[EngineRule | type[Rule], ...]":
        return (*self.engine, *self.rules)

    @cached_property
    def _category_of(self) -> Mapping[str, Category]:
        return {documented.code: documented.category for documented in self._all}

    def _exactness(self, selector: str) -> int:
        if selector.upper() == "ALL":
            return 0
        if selector.lower() in _CATEGORIES:
            return 1
        if selector.lower() in self.known or selector.upper() in self._category_of:
            return _EXACT
        return 1 + len(selector)

    def _is_held_back(self, code: str, exactness: int) -> bool:
        """A rule of the nursery is asked for by name, code, category or `ALL`; not by a prefix."""
        return self._category_of[code] is Category.NURSERY and 1 < exactness < _EXACT

    def _codes(self, selector: str) -> frozenset[str]:
        cached = self._codes_of.get(selector)
        if cached is None:
            cached = self._codes_of[selector] = frozenset(self._look_up(selector))
        return cached

    @cached_property
    def _codes_of(self) -> dict[str, frozenset[str]]:
        return {}

    def _look_up(self, selector: str) -> Iterable[str]:
        upper, lower = selector.upper(), selector.lower()
        if upper == "ALL":
            return self._category_of
        if lower in _CATEGORIES:
            return [code for code, category in self._category_of.items() if category.value == lower]
        if lower in self.known:
            return [self.known[lower]]
        codes = [code for code in self._category_of if upper and code.startswith(upper)]
        if codes:
            return codes
        close = get_close_matches(lower, [*self.known, *_CATEGORIES, "all"], n=1)
        if any(character.isdigit() for character in selector):
            close = get_close_matches(upper, list(self._category_of), n=1)
        hint = f"did you mean `{close[0]}`?" if close else _SELECTORS
        raise RegistryError(f"unknown rule selector `{selector}`; {hint}")


def describe(rule: Documented) -> RuleDescription:
    """What there is to say of a rule."""
    documentation = rule.documentation()
    return RuleDescription(
        rule.code,
        rule.name(),
        documentation.summary,
        documentation.text,
        rule.category,
        SEVERITY_OF_CATEGORY[rule.category],
        rule.fix_safety,
    )


_CATEGORIES = tuple(category.value for category in Category)
_SELECTORS = "a selector is a code, the start of a code, a name, a category or `ALL`"
# Above the length of any prefix.
_EXACT = 16


def load(*, plugins: bool = True) -> Registry:
    """Find all rules. What cannot be used is left out and becomes a line in `Registry.problems`."""
    loader = _Loader()
    loader.load("built-in rules", BUILT_IN)
    if plugins:
        for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
            loader.load(_label(point), point.value)
    return Registry(tuple(sorted(loader.rules.values(), key=lambda rule: rule.code)), tuple(loader.problems))


def _label(point: EntryPoint) -> str:
    distribution = point.dist.name if point.dist is not None else None
    name = f"plugin `{point.name}`"
    return name if distribution is None or distribution == point.name else f"{name} of {distribution}"


class _Loader:
    def __init__(self) -> None:
        self.rules: dict[str, type[Rule]] = {}
        self.problems: list[str] = []
        self._codes = {engine.code: "torchlint itself" for engine in ENGINE}
        self._names = {engine.name(): "torchlint itself" for engine in ENGINE}

    def load(self, pack: str, module_name: str) -> None:
        """Take the rules of a package, with all modules below it, or of a module."""
        before = len(self.problems)
        found = [rule for module in self._modules(pack, module_name) for rule in _rules_in(module)]
        for rule in found:
            problem = self._flaw(rule)
            if problem is None:
                self.rules[rule.code] = rule
                self._codes[rule.code] = self._names[rule.name()] = f"{rule.__module__}.{rule.__qualname__}"
            else:
                self.problems.append(f"{pack}: {rule.__module__}.{rule.__qualname__} {problem}")
        if not found and len(self.problems) == before:
            self.problems.append(f"{pack}: `{module_name}` defines no rules")

    def _modules(self, pack: str, name: str) -> Iterator[ModuleType]:
        module = self._import(pack, name)
        if module is None:
            return
        yield module
        for found in sorted(_submodules(module), key=lambda found: found.name):
            if found.ispkg:
                yield from self._modules(pack, found.name)
            else:
                submodule = self._import(pack, found.name)
                if submodule is not None:
                    yield submodule

    def _import(self, pack: str, name: str) -> ModuleType | None:
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a pack does while it is imported
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self.problems.append(f"{pack}: `{name}` cannot be imported: {text}")
            return None

    def _flaw(self, rule: type[Rule]) -> str | None:
        """Why a rule cannot be used, as the end of a sentence."""
        code = getattr(rule, "code", None)
        if not isinstance(code, str):
            return "has no `code`"
        if not _CODE.fullmatch(code):
            return f"has the code `{code}`, which is not capital letters and three digits"
        if not isinstance(getattr(rule, "category", None), Category):
            return "has no `category`"
        if not (rule.__doc__ or "").strip():
            return "has no docstring"
        if code in self._codes:
            return f"has the code `{code}`, which {self._codes[code]} has already"
        if rule.name() in self._names:
            return f"has the name `{rule.name()}`, which {self._names[rule.name()]} has already"
        return None


def _submodules(module: ModuleType) -> Iterator[pkgutil.ModuleInfo]:
    path = getattr(module, "__path__", None)
    return iter(()) if path is None else pkgutil.iter_modules(path, f"{module.__name__}.")


def _rules_in(module: ModuleType) -> Iterator[type[Rule]]:
    """The rule classes that a module defines itself. A leading underscore marks a base."""
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Rule)
            and value.__module__ == module.__name__
            and not value.__name__.startswith("_")
        ):
            yield value


_TABLE_HEAD = ("| code | name | what it finds | fix |", "| --- | --- | --- | --- |")


def rule_table(registry: Registry) -> str:
    """A Markdown table of the built-in rules, a section a department, as it stands in the README."""
    departments: dict[str, list[type[Rule]]] = {}
    for rule in registry.rules:
        if rule.__module__.startswith(f"{BUILT_IN}."):
            departments.setdefault(rule.__module__.rpartition(".")[0], []).append(rule)
    sections = []
    for department, rules in departments.items():
        heading = (importlib.import_module(department).__doc__ or department).strip().splitlines()[0].rstrip(".")
        rows = [
            f'| <a id="{rule.name()}"></a>{rule.code} | `{rule.name()}` | {_cell(rule)} | {_fix_cell(rule)} |'
            for rule in rules
        ]
        sections.append("\n".join([f"**{heading}**", "", *_TABLE_HEAD, *rows]))
    return "\n\n".join(sections) + "\n"


def _cell(rule: type[Rule]) -> str:
    summary = re.sub(r"^Checks for ", "", rule.documentation().summary).rstrip(".").replace("|", "\\|")
    text = summary[:1].upper() + summary[1:]
    return f"{text} (off by default)" if rule.category is Category.NURSERY else text


def _fix_cell(rule: type[Rule]) -> str:
    return "" if rule.fix_safety is None else rule.fix_safety.value
