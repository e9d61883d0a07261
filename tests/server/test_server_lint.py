"""What is kept from one lint to the next changes no finding: each is what a linter that knows nothing yet says."""

import os
import random
import time
from pathlib import Path

from lsprotocol import types

from torchlint.server.documents import Documents
from torchlint.server.lint import Linter, Result
from torchlint.server.settings import ClientSettings, Workspace
from torchlint.source import Source

# Two files that say something about each other, and what may stand in their place.
MAIN = """\
import torch
from library.losses import criterion
from library.network import Network
{extra}
model = Network()
probabilities = model(torch.randn(8, 4))
loss = criterion(probabilities, torch.zeros(8))
values = probabilities{detach}.numpy()
"""
NETWORK = """\
import torch
from torch import nn
from library.losses import criterion
{extra}

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return {activation}(self.head(x){dim})
"""
LOSSES = """\
from torch import nn
{extra}
criterion = nn.{loss}()
"""
EXTRAS = ["", "# a comment\n", "from library import losses\n", "import main\n", "def broken(:\n", "x = [1,\n     2]\n"]


def variants(chance: random.Random) -> dict[str, str]:
    softmax = chance.random() < 0.5
    return {
        "main.py": MAIN.format(extra=chance.choice(EXTRAS), detach=chance.choice(["", ".detach()"])),
        "library/network.py": NETWORK.format(
            extra=chance.choice(EXTRAS),
            activation="torch.softmax" if softmax else "torch.tanh",
            dim=", 1" if softmax else "",
        ),
        "library/losses.py": LOSSES.format(
            extra=chance.choice(EXTRAS), loss=chance.choice(["CrossEntropyLoss", "MSELoss"])
        ),
    }


def linted(linter: Linter, documents: Documents, key: str) -> Result:
    snapshot = documents.snapshot(key)
    assert snapshot is not None
    return linter.lint(snapshot, documents.buffers())


def fresh(workspace: Workspace) -> Linter:
    linter = Linter()
    linter.workspace = workspace
    return linter


def test_other_files_change(tmp_path: Path) -> None:
    chance = random.Random(5)
    (tmp_path / "library").mkdir()
    documents = Documents()
    workspace = Workspace([str(tmp_path)], ClientSettings(plugins=False))
    linter = fresh(workspace)
    versions: dict[str, int] = {}
    codes = set()
    stamp = 1_000_000_000
    for name, text in variants(chance).items():
        (tmp_path / name).write_text(text)
    for _ in range(120):
        name, text = chance.choice(list(variants(chance).items()))
        path = tmp_path / name
        uri = path.as_uri()
        what = chance.choice(["write", "remove", "edit", "edit", "close"])
        if what == "write":
            path.write_text(text)
            # As an editor's user would notice: two writes within one tick of the clock are not tried.
            stamp += 1
            os.utime(path, (stamp, stamp))
        elif what == "remove":
            path.unlink(missing_ok=True)
        elif what == "close" and name in versions:
            del versions[name]
            linter.forget(documents.close(uri))
        elif name in versions:
            versions[name] += 1
            documents.change(uri, versions[name], [types.TextDocumentContentChangeWholeDocument(text)])
        else:
            versions[name] = 1
            documents.open(types.TextDocumentItem(uri, "python", 1, text))
        for key in list(documents):
            found, expected = linted(linter, documents, key), linted(fresh(workspace), documents, key)
            assert found.items == expected.items
            codes |= {one.code for one in found.found}
        if chance.random() < 0.2:
            linter.tidy()
    assert {"TL000", "TL201", "TL301"} <= codes


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    documents = Documents()
    linter = fresh(Workspace([str(tmp_path)], ClientSettings(plugins=False)))
    key = documents.open(
        types.TextDocumentItem(
            (tmp_path / "a.py").as_uri(), "python", 1, "import torch, b\nx = b.f(torch.ones(2)).numpy()\n"
        )
    )
    first = linted(linter, documents, key)
    assert linted(linter, documents, key) is first
    assert str(tmp_path / "b.py") in first.looked_at
    (tmp_path / "b.py").write_text("")
    second = linted(linter, documents, key)
    assert second is not first
    (tmp_path / "torchlint.toml").write_text('ignore = ["TL3"]\n')
    assert linted(linter, documents, key) is not second


def test_what_the_project_needs_counts_as_soon_as_it_is_said(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "torchlint.toml").write_text('platform = "linux"\n')
    documents = Documents()
    linter = fresh(Workspace([str(tmp_path)], ClientSettings(plugins=False)))
    text = """\
import torch
from torch.utils.data import DataLoader, TensorDataset
for batch in DataLoader(TensorDataset(torch.randn(8, 2)), num_workers=2):
    print(batch)
"""
    key = documents.open(types.TextDocumentItem((tmp_path / "src" / "a.py").as_uri(), "python", 1, text))

    def severities() -> list[str]:
        return [one.severity.value for one in linted(linter, documents, key).found]

    assert severities() == ["error"]
    (tmp_path / "runtime.txt").write_text("python-3.9.1\n")
    assert severities() == ["warning"]
    (tmp_path / "runtime.txt").write_text("python-3.14.10\n")
    assert severities() == ["error"]
    (tmp_path / "runtime.txt").unlink()
    (tmp_path / "src" / "environment.yml").write_text("dependencies:\n- pip:\n  - -r more.txt\n- python=3.9\n")
    assert severities() == ["warning"]
    (tmp_path / "torchlint.toml").write_text('platform = "linux"\ntarget-python = "any"\n')
    assert severities() == ["error"]


def test_a_baseline_counts_and_one_that_is_broken_is_said(tmp_path: Path) -> None:
    text = "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.numpy()\n"
    documents = Documents()
    linter = fresh(Workspace([str(tmp_path)], ClientSettings(plugins=False)))
    key = documents.open(types.TextDocumentItem((tmp_path / "a.py").as_uri(), "python", 1, text))
    (tmp_path / "torchlint.toml").write_text('baseline = "known.json"\n')
    (tmp_path / "known.json").write_text(
        '{"version": 1, "findings": [{"path": "a.py", "code": "TL301", "line": "y = x.numpy()"}]}'
    )
    result = linted(linter, documents, key)
    assert (result.found, result.problems) == ((), ())
    (tmp_path / "known.json").write_text("{")
    result = linted(linter, documents, key)
    assert len(result.problems) == 1
    assert "known.json" in result.problems[0]
    (tmp_path / "known.json").write_text('{"version": 1, "findings": []}')
    assert [one.code for one in linted(linter, documents, key).found] == ["TL301"]


def test_all_fixes_of_a_long_text(tmp_path: Path) -> None:
    rows = "def f(a):\n    return a + 1\n\n\n" * 40 + "z = x.numpy()\nq = 1\n"
    text = "import torch\n\nx = torch.ones(2, requires_grad=True)\n" + rows * 60
    documents = Documents()
    key = documents.open(types.TextDocumentItem((tmp_path / "a.py").as_uri(), "python", 1, text))
    snapshot = documents.snapshot(key)
    assert snapshot is not None
    after = Source(snapshot.name, text.replace("x.numpy()", "x.detach().numpy()"))
    started = time.monotonic()
    changes = snapshot.changes(after, "utf-16")
    # Comparing each row with each took minutes.
    assert time.monotonic() - started < 20
    assert len(changes) == 60
    assert {one["newText"] for one in changes} == {"z = x.detach().numpy()\n"}
