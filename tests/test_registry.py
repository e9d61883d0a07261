import sys
import textwrap
from pathlib import Path

import pytest

from torchlint.diagnostic import Category, Severity
from torchlint.registry import ENGINE, Registry, RegistryError, load, rule_table
from torchlint.rule import Rule

HEAD = "from torchlint.diagnostic import Category\nfrom torchlint.rule import Rule\n"


def made(name: str, code: str, category: Category = Category.CORRECTNESS) -> type[Rule]:
    return type(name, (Rule,), {"code": code, "category": category, "__doc__": "Checks for it."})


RULES = (
    made("FirstDefect", "TL301"),
    made("SecondDefect", "TL302", Category.SUSPICIOUS),
    made("SlowThing", "TL311", Category.PERFORMANCE),
    made("FreshIdea", "TL399", Category.NURSERY),
    made("LossDefect", "TL401"),
)
REGISTRY = Registry(RULES)


def rule_text(name: str, code: str | None, doc: str = '"""Checks for it."""', category: str = "CORRECTNESS") -> str:
    lines = [f"class {name}(Rule):", f"    {doc}"]
    lines += [f"    code = {code!r}"] if code else []
    lines += [f"    category = Category.{category}"] if category else []
    return HEAD + "\n".join(lines) + "\n"


class Packs:
    """Rule packs in a folder on the import path, with the metadata that an installer writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, files: dict[str, str], *, value: str | None = None) -> None:
        for path, text in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))
        info = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        package = value or name.replace("-", "_")
        (info / "entry_points.txt").write_text(f"[torchlint.rules]\n{name} = {package}\n")


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packs:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in list(sys.modules):
        if name.startswith(("acme", "broken", "extra")):
            monkeypatch.delitem(sys.modules, name)
    return Packs(tmp_path)


def codes(rules: tuple[type[Rule], ...]) -> list[str]:
    return [rule.code for rule in rules]


def test_the_built_in_rules_are_found_without_being_listed() -> None:
    registry = load(plugins=False)
    assert registry.problems == ()
    folders = Path(__file__).parent.parent / "rules"
    files = [file for file in folders.glob("*/*.py") if file.name != "__init__.py"]
    assert len(registry.rules) == len(files)
    assert codes(registry.rules) == sorted(codes(registry.rules))


def test_loading_twice_gives_equal_registries() -> None:
    assert load(plugins=False) == load(plugins=False)


def test_a_pack_uses_the_same_road(packs: Packs) -> None:
    packs.write(
        "acme-rules",
        {
            "acme_rules/__init__.py": "",
            "acme_rules/loop/__init__.py": "",
            "acme_rules/loop/odd_step.py": rule_text("OddStep", "ACM101"),
            "acme_rules/odd_loss.py": rule_text("OddLoss", "ACM201"),
        },
    )
    packs.write("extra", {"extra_rule.py": rule_text("ExtraDefect", "XTR001")}, value="extra_rule")
    registry = load()
    assert registry.problems == ()
    assert {"ACM101", "ACM201", "XTR001"} <= set(codes(registry.rules))
    assert codes(registry.select(["ACM1", "extra-defect"])) == ["ACM101", "XTR001"]
    assert not {"ACM101", "XTR001"} & set(codes(load(plugins=False).rules))


def test_only_the_defining_module_counts_and_bases_are_not_rules(packs: Packs) -> None:
    packs.write(
        "acme",
        {
            "acme/__init__.py": "from acme.one import OneDefect\n",
            "acme/one.py": rule_text("_Base", None)
            + "class OneDefect(_Base):\n    '''Checks for it.'''\n    code = 'ACM001'\n",
        },
    )
    registry = load()
    assert registry.problems == ()
    assert codes(registry.rules).count("ACM001") == 1


CANNOT = "`broken` cannot be imported: "


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import nothing_here\n", f"{CANNOT}ModuleNotFoundError: No module named 'nothing_here'"),
        ("raise SystemExit('two\\nlines')\n", f"{CANNOT}SystemExit: two lines"),
        ("def f(:\n", f"{CANNOT}SyntaxError: "),
        (None, f"{CANNOT}ModuleNotFoundError: "),
        ("", "`broken` defines no rules"),
        (rule_text("OddStep", None), "broken.OddStep has no `code`"),
        (rule_text("OddStep", "odd"), "broken.OddStep has the code `odd`, which is not capital letters and "),
        (rule_text("OddStep", "ACM001", category=""), "broken.OddStep has no `category`"),
        (rule_text("OddStep", "ACM001", doc="pass"), "broken.OddStep has no docstring"),
        (rule_text("OddStep", "TL000"), "broken.OddStep has the code `TL000`, which torchlint itself has"),
        (
            rule_text("UnusedSuppression", "ACM001"),
            "broken.UnusedSuppression has the name `unused-suppression`, which torchlint itself has already",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_and_the_rest_goes_on(packs: Packs, text: str | None, line: str) -> None:
    packs.write("broken", {} if text is None else {"broken/__init__.py": text})
    packs.write("extra", {"extra.py": rule_text("ExtraDefect", "XTR001")})
    registry = load()
    (problem,) = registry.problems
    assert problem.startswith(f"plugin `broken`: {line}")
    assert "\n" not in problem
    assert "XTR001" in codes(registry.rules)
    assert set(codes(load(plugins=False).rules)) < set(codes(registry.rules))


def test_one_bad_rule_does_not_spoil_its_pack(packs: Packs) -> None:
    packs.write(
        "acme",
        {
            "acme/__init__.py": "",
            "acme/a.py": rule_text("OddStep", "ACM001"),
            "acme/b.py": rule_text("OddLoss", "ACM001"),
            "acme/c.py": "1 / 0\n",
            "acme/d.py": rule_text("OddDevice", "ACM002"),
        },
    )
    registry = load()
    assert [line.split(": ", 1)[1] for line in registry.problems] == [
        "`acme.c` cannot be imported: ZeroDivisionError: division by zero",
        "acme.b.OddLoss has the code `ACM001`, which acme.a.OddStep has already",
    ]
    assert {"ACM001", "ACM002"} <= set(codes(registry.rules))


@pytest.mark.parametrize(
    ("select", "ignore", "extend", "expected"),
    [
        ((), (), (), ["TL301", "TL302", "TL311", "TL401"]),
        (("ALL",), (), (), ["TL301", "TL302", "TL311", "TL399", "TL401"]),
        (("all",), ("nursery",), (), ["TL301", "TL302", "TL311", "TL401"]),
        (("TL",), (), (), ["TL301", "TL302", "TL311", "TL401"]),
        (("TL3",), (), (), ["TL301", "TL302", "TL311"]),
        (("tl30",), (), (), ["TL301", "TL302"]),
        (("TL301", "TL4"), (), (), ["TL301", "TL401"]),
        (("first-defect",), (), (), ["TL301"]),
        (("First-Defect",), (), (), ["TL301"]),
        (("correctness",), (), (), ["TL301", "TL401"]),
        (("nursery",), (), (), ["TL399"]),
        (("TL399",), (), (), ["TL399"]),
        ((), (), ("fresh-idea",), ["TL301", "TL302", "TL311", "TL399", "TL401"]),
        ((), (), ("nursery",), ["TL301", "TL302", "TL311", "TL399", "TL401"]),
        ((), (), ("TL3",), ["TL301", "TL302", "TL311", "TL401"]),
        ((), ("TL3",), (), ["TL401"]),
        ((), ("ALL",), (), []),
        ((), ("ALL",), ("TL4",), ["TL401"]),
        (("TL3",), ("TL30",), (), ["TL311"]),
        (("TL301",), ("TL3",), (), ["TL301"]),
        (("TL3", "TL301"), ("TL30",), (), ["TL301", "TL311"]),
        (("TL301",), ("TL301",), (), []),
        (("TL301",), ("first-defect",), (), []),
        (("correctness",), ("TL3",), (), ["TL401"]),
        (("TL3",), ("correctness",), (), ["TL301", "TL302", "TL311"]),
        (("TL3",), ("TL301",), ("TL301",), ["TL302", "TL311"]),
        (("TL3",), ("TL3",), ("TL301",), ["TL301"]),
    ],
)
def test_the_most_exact_selector_wins(
    select: tuple[str, ...], ignore: tuple[str, ...], extend: tuple[str, ...], expected: list[str]
) -> None:
    assert codes(REGISTRY.select(select, ignore, extend)) == expected


def test_the_engine_is_selected_like_rules_but_cannot_be_silenced() -> None:
    assert {engine.code for engine in ENGINE} <= REGISTRY.selected_codes()
    assert REGISTRY.selected_codes(["TL301"]) == {"TL000", "TL001", "TL003", "TL301"}
    assert REGISTRY.selected_codes(["unused-suppression"]) == {"TL000", "TL001", "TL002", "TL003"}
    assert REGISTRY.selected_codes([], ["ALL"]) == {"TL001", "TL003"}
    assert REGISTRY.selected_codes([], ["TL0"]) & {"TL000", "TL001", "TL002", "TL003"} == {"TL001", "TL003"}
    assert REGISTRY.selected_codes(["TL301"], ["syntax-error"]) == {"TL001", "TL003", "TL301"}


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("frist-defect", "; did you mean `first-defect`?"),
        ("TL4O1", "; did you mean `TL401`?"),
        ("correctnes", "; did you mean `correctness`?"),
        ("", "; a selector is a code, the start of a code, a name, a category or `ALL`"),
        ("all rules please", "; a selector is a code, the start of a code, a name, a category or `ALL`"),
    ],
)
def test_an_unknown_selector_is_refused_with_a_suggestion(selector: str, hint: str) -> None:
    for select, ignore in (([selector], []), ([], [selector])):
        with pytest.raises(RegistryError) as error:
            REGISTRY.select(select, ignore)
        assert str(error.value) == f"unknown rule selector `{selector}`{hint}"
    with pytest.raises(RegistryError):
        REGISTRY.matches(selector, "TL301")


def test_matches() -> None:
    assert REGISTRY.matches("TL3", "TL301")
    assert REGISTRY.matches("TL3", "TL399")
    assert REGISTRY.matches("first-defect", RULES[0])
    assert REGISTRY.matches("unused-suppression", "TL002")
    assert not REGISTRY.matches("TL4", RULES[0])


def test_the_engine_reads_like_rules() -> None:
    for engine in ENGINE:
        assert engine.documentation().summary
        assert engine.documentation().sections["Why is this bad?"]
    assert REGISTRY.known["unused-suppression"] == "TL002"
    assert REGISTRY.known["first-defect"] == "TL301"


def test_the_table_lists_every_built_in_rule() -> None:
    registry = load(plugins=False)
    table = rule_table(registry)
    for rule in registry.rules:
        assert f"{rule.code} | `{rule.name()}` |" in table


def test_of_several_severities_the_more_exact_selector_wins() -> None:
    levels = [("first-defect", "error"), ("TL3", "info"), ("ALL", "error"), ("correctness", "warning")]
    levels.append(("tl31", "error"))
    for order in (levels, levels[::-1]):
        severities = {code: severity.value for code, severity in REGISTRY.severities(order).items()}
        assert severities == {
            "TL002": "error",
            "TL301": "error",
            "TL302": "info",
            "TL311": "error",
            "TL399": "info",
            "TL401": "warning",
        }
    again = REGISTRY.severities([("TL301", "info"), ("first-defect", "error")])
    assert again["TL301"].value == "error"
    assert REGISTRY.severities([]) == {}


@pytest.mark.parametrize("selector", ["TL000", "syntax-error", "TL001", "TL003"])
def test_what_is_always_an_error(selector: str) -> None:
    with pytest.raises(RegistryError, match=f"`{selector}` is always an error"):
        REGISTRY.severities([(selector, "info")])


def test_severities_of_unknown_rules() -> None:
    with pytest.raises(RegistryError, match="unknown rule selector `TL9`"):
        REGISTRY.severities([("TL9", "info")])


def test_a_category_that_has_no_rule_yet() -> None:
    assert Registry(()).severities([("performance", "info"), ("ALL", "info")]) == {"TL002": Severity.INFO}
