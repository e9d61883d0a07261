"""Trees that are kept: after any edit they are what parsing the whole text gives."""

import random
from pathlib import Path

import libcst as cst
import pytest

from torchlint.locate import extents
from torchlint.parse import ParseProblem, parse
from torchlint.semantic.project import Trees
from torchlint.server.trees import KeptTrees
from torchlint.source import Source

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "fixtures").rglob("*.py")) + sorted((ROOT / "torchlint").glob("*.py"))
INSERTED = [
    "", "", "", "\n", "\n\n", "    ", "\t", "# c\n", "    # c\n", "x = 1\n", "    pass\n", "(", ")", '"""', "'", "\\\n",
    "if x:\n", "else:\n", "@d\n", "def f():\n    pass\n", "class A: pass\n", ":", ";", "\r\n", "\f", "  # noqa\n",
]  # fmt: skip


def whole(text: str) -> cst.Module | None:
    try:
        return parse(Source("a.py", text))
    except ParseProblem:
        return None


def kept(trees: KeptTrees, text: str) -> cst.Module | None:
    try:
        return trees.parse(Source("a.py", text))
    except ParseProblem:
        return None


def edited(text: str, chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    if chance.random() < 0.6:
        start = text.rfind("\n", 0, start) + 1
    end = min(len(text), start + chance.choice([0, 0, 0, 1, 2, 5, 40, 400]))
    return text[:start] + chance.choice(INSERTED) + text[end:]


def all_nodes(module: cst.Module) -> list[cst.CSTNode]:
    found: list[cst.CSTNode] = []
    pending: list[cst.CSTNode] = list(module.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (cst.BaseExpression, cst.BaseStatement, cst.Arg)):
            found.append(node)
        pending += node.children
    return found


@pytest.mark.parametrize("seed", range(40))
def test_edits(seed: int) -> None:
    chance = random.Random(seed)
    path = chance.choice([path for path in FILES if path.stat().st_size < 12_000])
    text = path.read_bytes().decode()
    if seed % 8 == 0:
        text = text.replace("\n", "\r\n")
    if seed % 8 == 1:
        text = text.rstrip("\n")
    trees = KeptTrees()
    for _ in range(15):
        text_after = edited(text, chance)
        expected, found = whole(text_after), kept(trees, text_after)
        assert (expected is None) == (found is None), text_after
        if expected is None or found is None:
            text = text_after if chance.random() < 0.3 else text
            continue
        assert expected.deep_equals(found), text_after
        text = text_after


def test_what_was_not_touched_is_taken_over() -> None:
    text = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(10))
    trees = KeptTrees()
    before = trees.parse(Source("a.py", text))
    after = trees.parse(Source("a.py", text.replace("return 5", "return 55")))
    taken_over = [one is other for one, other in zip(before.body, after.body, strict=True)]
    assert taken_over == [True] * 4 + [False] * 3 + [True] * 3


@pytest.mark.parametrize("seed", range(8))
def test_nodes_stand_where_they_stand(seed: int) -> None:
    chance = random.Random(seed)
    text = chance.choice(FILES).read_bytes().decode()
    trees = KeptTrees()
    trees.parse(Source("a.py", text))
    for _ in range(4):
        text_after = edited(text, chance)
        if kept(trees, text_after) is not None:
            text = text_after
    module = trees.parse(Source("a.py", text))
    trees.prepare("a.py")
    nodes = all_nodes(module)
    chosen = chance.sample(nodes, min(len(nodes), 50))
    expected = extents(module, chosen)
    for each in (trees, Trees()):
        found = each.extents(module, text, chosen)
        assert {id(node): found[id(node)] for node in chosen} == {id(node): expected[id(node)] for node in chosen}
        # The module itself is in no statement.
        assert id(module) in each.extents(module, text, [module, *chosen])


def test_statements_that_occur_twice_are_told_apart() -> None:
    text = "import torch\n\nprint(torch)\nx = 1\nprint(torch)\n"
    module = parse(Source("a.py", text))
    nodes = [node for node in all_nodes(module) if isinstance(node, cst.Call)]
    found = Trees().extents(module, text, nodes)
    assert sorted(found[id(node)].start for node in nodes) == [14, 33]


def test_a_statement_without_a_line_break_at_its_end() -> None:
    text = "x = 1\nprint(x)"
    module = parse(Source("a.py", text))
    (call,) = [node for node in all_nodes(module) if isinstance(node, cst.Call)]
    assert Trees().extents(module, text, [call])[id(call)].start == 6


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchlint.server.trees.KEPT_CHARACTERS", 100)
    trees = KeptTrees()
    modules = [trees.parse(Source(f"{number}.py", f"x = {number}  # {'x' * 30}\n")) for number in range(5)]
    assert trees.parse(Source("4.py", f"x = 4  # {'x' * 30}\n")) is modules[4]
    assert trees.parse(Source("0.py", f"x = 0  # {'x' * 30}\n")) is not modules[0]
    trees.forget("4.py")
    trees.forget("never.py")
    assert trees.parse(Source("4.py", f"x = 4  # {'x' * 30}\n")) is not modules[4]
