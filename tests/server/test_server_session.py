"""The server through plain JSON-RPC: what is pushed, pulled, repaired and explained."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from raw_client import LIMIT, Message, RawClient

SCRIPT = "import torch\n\nx = torch.ones(2, requires_grad=True)\ny = x.numpy()\n"
LOSS = """\
loss = torch.nn.CrossEntropyLoss()(
    torch.softmax(torch.nn.Linear(4, 3)(torch.randn(8, 4)), 1), torch.zeros(8).long()
)
"""
VERSIONS = {"workspace": {"workspaceEdit": {"documentChanges": True}}}
PULL = {"textDocument": {"diagnostic": {}}, "workspace": {"diagnostics": {"refreshSupport": True}}}


def uri(folder: Path, name: str = "train.py") -> str:
    return (folder / name).as_uri()


def codes(found: list[Message]) -> list[str]:
    return [one["code"] for one in found]


def actions(
    client: RawClient, document: str, found: list[Message], *, at: Any = None, only: list[str] | None = None
) -> list[Message]:
    context = {"diagnostics": found, **({} if only is None else {"only": only})}
    place = at or found[0]["range"]
    params = {"textDocument": {"uri": document}, "range": place, "context": context}
    result: list[Message] = client.ask("textDocument/codeAction", params)
    return result


def applied(text: str, edits: list[Message]) -> str:
    """A text of ASCII characters after the edits of one action."""
    rows = text.splitlines(keepends=True)
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))

    def offset(place: Message) -> int:
        return int(starts[place["line"]] + place["character"])

    for edit in sorted(edits, key=lambda edit: offset(edit["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        text = text[:start] + edit["newText"] + text[end:]
    return text


def edits_of(action: Message) -> list[Message]:
    changes = action["edit"]["documentChanges"]
    assert len(changes) == 1
    edits: list[Message] = changes[0]["edits"]
    return edits


def place(line: int, character: int) -> Message:
    return {"line": line, "character": character}


def test_what_is_pushed(tmp_path: Path) -> None:
    with RawClient() as client:
        capabilities = client.initialize(tmp_path)
        assert capabilities["positionEncoding"] == "utf-16"
        assert "diagnosticProvider" not in capabilities
        client.open(uri(tmp_path), SCRIPT, version=7)
        (found,) = client.diagnostics(uri(tmp_path), 7)
        assert found["range"] == {"start": place(3, 4), "end": place(3, 13)}
        assert (found["severity"], found["code"], found["source"]) == (1, "TL301", "torchlint")
        assert found["codeDescription"]["href"].endswith("#numpy-on-grad-tensor")
        (related,) = found["relatedInformation"]
        assert related["location"]["uri"] == uri(tmp_path)
        assert related["location"]["range"]["start"] == place(2, 4)
        assert "tags" not in found

        client.change(uri(tmp_path), 8, SCRIPT.replace("x.numpy()", "x.detach().numpy()  # noqa: TL301"))
        (unused,) = client.diagnostics(uri(tmp_path), 8)
        assert (unused["code"], unused["tags"], unused["severity"]) == ("TL002", [1], 2)

        client.notify("textDocument/didClose", {"textDocument": {"uri": uri(tmp_path)}})
        cleared = client.notification("textDocument/publishDiagnostics", uri=uri(tmp_path))
        assert cleared["diagnostics"] == []
        assert client.finish() == 0


def test_what_is_pulled_is_not_pushed(tmp_path: Path) -> None:
    with RawClient() as client:
        capabilities = client.initialize(tmp_path, capabilities=PULL)
        assert capabilities["diagnosticProvider"]["interFileDependencies"] is True
        document = {"textDocument": {"uri": uri(tmp_path)}}
        client.open(uri(tmp_path), SCRIPT)
        report = client.ask("textDocument/diagnostic", document)
        assert (report["kind"], codes(report["items"])) == ("full", ["TL301"])
        same = client.ask("textDocument/diagnostic", {**document, "previousResultId": report["resultId"]})
        assert same == {"kind": "unchanged", "resultId": report["resultId"]}
        client.change(uri(tmp_path), 2, "import torch\n")
        other = client.ask("textDocument/diagnostic", {**document, "previousResultId": report["resultId"]})
        assert (other["kind"], other["items"]) == ("full", [])

        (tmp_path / "torchlint.toml").write_text('ignore = ["TL301"]\n')
        change = {"uri": uri(tmp_path, "torchlint.toml"), "type": 1}
        client.change(uri(tmp_path), 3, SCRIPT)
        client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        client.wait(lambda message: message.get("method") == "workspace/diagnostic/refresh")
        assert client.ask("textDocument/diagnostic", document)["items"] == []
        client.notify("textDocument/didClose", document)
        assert client.ask("textDocument/diagnostic", document)["items"] == []
        assert client.finish() == 0
        assert client.received("textDocument/publishDiagnostics") == []


@pytest.mark.parametrize(
    ("offered", "chosen", "first", "last"),
    [
        (None, "utf-16", 20, 29),
        (["utf-8", "utf-16"], "utf-8", 23, 32),
        (["utf-32", "utf-8"], "utf-32", 19, 28),
        (["ebcdic"], "utf-16", 20, 29),
    ],
)
def test_characters_are_counted_as_agreed(
    tmp_path: Path, offered: list[str] | None, chosen: str, first: int, last: int
) -> None:
    # An astral and a combining character, a tab, and CRLF.
    line = 'if x is not None:\r\n\ty = "\N{FIRE}e\N{COMBINING ACUTE ACCENT}", 1 + 2, x.numpy()\r\n'
    text = f"import torch\r\nx = torch.ones(2, requires_grad=True)\r\n{line}"
    general = {} if offered is None else {"general": {"positionEncodings": offered}}
    with RawClient() as client:
        capabilities = client.initialize(tmp_path, capabilities={**general, **VERSIONS})
        assert capabilities["positionEncoding"] == chosen
        client.open(uri(tmp_path), text)
        (found,) = client.diagnostics(uri(tmp_path), 1)
        assert found["range"] == {"start": place(3, first), "end": place(3, last)}
        fix = actions(client, uri(tmp_path), [found])[0]
        (edit,) = edits_of(fix)
        # After `x`. What is inserted there comes back at the same place.
        assert edit["range"]["start"] == edit["range"]["end"] == place(3, first + 1)
        client.change(uri(tmp_path), 2, {"range": edit["range"], "text": edit["newText"]})
        assert client.diagnostics(uri(tmp_path), 2) == []


def test_quick_fixes(tmp_path: Path) -> None:
    text = f"import torch\n{LOSS}{SCRIPT}"
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=VERSIONS)
        client.open(uri(tmp_path), text, version=3)
        found = client.diagnostics(uri(tmp_path), 3)
        assert codes(found) == ["TL201", "TL301"]
        safe, disable, fix_all = actions(client, uri(tmp_path), found[1:])
        assert (safe["kind"], safe["isPreferred"]) == ("quickfix", True)
        assert safe["edit"]["documentChanges"][0]["textDocument"] == {"uri": uri(tmp_path), "version": 3}
        assert "y = x.detach().numpy()\n" in applied(text, edits_of(safe))
        assert "Disable TL301" in disable["title"]
        assert "isPreferred" not in disable
        assert fix_all["kind"] == "source.fixAll.torchlint"
        unsafe = actions(client, uri(tmp_path), found[:1], only=["quickfix"])[0]
        assert unsafe["title"].endswith("(unsafe: results change)")
        assert "isPreferred" not in unsafe
        # A client that names no diagnostics means those in the range.
        everywhere = {"start": place(0, 0), "end": place(9, 0)}
        named = [one["title"] for one in actions(client, uri(tmp_path), [], at=everywhere, only=["quickfix"])]
        assert len(named) == 4
        nowhere = {"start": place(0, 0), "end": place(0, 3)}
        assert actions(client, uri(tmp_path), [], at=nowhere, only=["quickfix"]) == []


def test_a_fix_of_an_older_version_is_not_offered(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=VERSIONS)
        client.open(uri(tmp_path), SCRIPT)
        old = client.diagnostics(uri(tmp_path), 1)
        client.change(uri(tmp_path), 2, "# moved\n\n" + SCRIPT)
        assert actions(client, uri(tmp_path), old, only=["quickfix"]) == []
        # Whatever a client makes of our data, it does no harm.
        new = client.diagnostics(uri(tmp_path), 2)
        wrong: list[Any] = [None, 7, [], {"name": 1}, {"name": "x", "fix": {"edits": 3}}]
        odd = [{**old[0], "data": data} for data in wrong]
        assert actions(client, uri(tmp_path), odd, only=["quickfix"]) == []
        elsewhere = json.loads(json.dumps(new[0]))
        elsewhere["range"]["start"]["character"] = 0
        elsewhere["data"]["fix"]["edits"][0]["uri"] = "file:///etc/passwd"
        assert actions(client, uri(tmp_path), [elsewhere], only=["quickfix"]) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = x.numpy()\n", "y = x.numpy()  # noqa: TL301\n"),
        ("y = x.numpy()  # why not\n", "y = x.numpy()  # why not  # noqa: TL301\n"),
        ("y = x.numpy()  # noqa: E501\n", "y = x.numpy()  # noqa: E501, TL301\n"),
        (
            "y = x.numpy()  # torchlint: ignore[lstm-unpack]\n",
            "y = x.numpy()  # torchlint: ignore[lstm-unpack, numpy-on-grad-tensor]\n",
        ),
        ('y = x.numpy(), """\ntext\n"""\n', 'y = x.numpy(), """\ntext\n"""  # noqa: TL301\n'),
        ("y = x.numpy() \\\n    + 1\n", "y = x.numpy() \\\n    + 1  # noqa: TL301\n"),
        ("y = f(x.numpy(),\n    1)\n", "y = f(x.numpy(),  # noqa: TL301\n    1)\n"),
        ("y = x.numpy()", "y = x.numpy()  # noqa: TL301"),
    ],
)
def test_disabling_a_rule_on_a_line(tmp_path: Path, before: str, after: str) -> None:
    head = "import torch\nf = print\nx = torch.ones(2, requires_grad=True)\n"
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=VERSIONS)
        client.open(uri(tmp_path), head + before)
        found = [one for one in client.diagnostics(uri(tmp_path), 1) if one["code"] == "TL301"]
        disable = next(one for one in actions(client, uri(tmp_path), found) if "Disable" in one["title"])
        text = applied(head + before, edits_of(disable))
        assert text == head + after
        client.change(uri(tmp_path), 2, text)
        assert "TL301" not in codes(client.diagnostics(uri(tmp_path), 2))


@pytest.mark.parametrize(
    ("only", "kinds"),
    [
        (["source.fixAll"], ["source.fixAll.torchlint"]),
        ([""], ["source.fixAll.torchlint"]),
        (["source"], ["source.fixAll.torchlint"]),
        (["source.fixAll.torchlint"], ["source.fixAll.torchlint"]),
        (["notebook.source.fixAll"], ["notebook.source.fixAll.torchlint"]),
        (["source.fixAll.ruff"], []),
        (["source.organizeImports"], []),
        (["refactor"], []),
    ],
)
def test_fix_all(tmp_path: Path, only: list[str], kinds: list[str]) -> None:
    text = f"import torch\n{LOSS}{SCRIPT}z = x.numpy()  # noqa: TL501\n"
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=VERSIONS)
        client.open(uri(tmp_path), text)
        client.diagnostics(uri(tmp_path), 1)
        offered = actions(client, uri(tmp_path), [], at={"start": place(0, 0), "end": place(0, 0)}, only=only)
        assert [one["kind"] for one in offered] == kinds
        for one in offered:
            fixed = applied(text, edits_of(one))
            assert fixed == text.replace("x.numpy()", "x.detach().numpy()").replace("  # noqa: TL501", "")


def test_hover_explains_the_rule_that_a_comment_silences(tmp_path: Path) -> None:
    text = SCRIPT.replace("x.numpy()\n", "x.numpy()  # noqa: TL301\nz = 1  # torchlint: ignore[lstm-unpack]\n")
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri(tmp_path), text)

        def hover(line: int, character: int) -> Any:
            return client.ask(
                "textDocument/hover", {"textDocument": {"uri": uri(tmp_path)}, "position": place(line, character)}
            )

        said = hover(3, 25)
        assert said["contents"]["kind"] == "markdown"
        assert said["contents"]["value"].startswith("**numpy-on-grad-tensor** (TL301)\n\nChecks for")
        assert said["range"] == {"start": place(3, 23), "end": place(3, 28)}
        assert "lstm-unpack" in hover(4, 30)["contents"]["value"]
        assert hover(3, 6) is None
        assert hover(3, 17) is None
        assert hover(99, 99) is None


def test_imports_of_open_files_are_those_of_the_editor(tmp_path: Path) -> None:
    # The name of the folder is nothing but a name.
    tmp_path /= "C# 100%41"
    tmp_path.mkdir()
    library = "import torch\n\ndef make():\n    return torch.ones(2{})\n"
    (tmp_path / "library.py").write_text(library.format(""))
    main = "import torch\nfrom library import make\n\ny = make().numpy()\n"
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri(tmp_path), main)
        assert client.diagnostics(uri(tmp_path), 1) == []
        client.open(uri(tmp_path, "library.py"), library.format(", requires_grad=True"))
        (found,) = client.diagnostics(uri(tmp_path), 1)
        assert found["relatedInformation"][0]["location"]["uri"] == uri(tmp_path, "library.py")
        client.change(uri(tmp_path, "library.py"), 2, "\N{FIRE} = 1")
        assert client.diagnostics(uri(tmp_path), 1) == []
        client.change(uri(tmp_path, "library.py"), 3, library.format(", requires_grad=True"))
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]
        # Closed without having been saved: what is on disk counts again.
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri(tmp_path, "library.py")}})
        assert client.diagnostics(uri(tmp_path), 1) == []
        # Somebody else writes it.
        (tmp_path / "library.py").write_text(library.format(", requires_grad=True"))
        change = {"uri": uri(tmp_path, "library.py"), "type": 2}
        client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]


def test_what_is_pulled_while_it_changes_is_of_the_last_change(tmp_path: Path) -> None:
    # Long enough that its lint has begun when the changes arrive.
    text = SCRIPT + "def f(a):\n    return a + 1\n" * 800
    document = {"textDocument": {"uri": uri(tmp_path)}}
    start = {"start": place(0, 0), "end": place(0, 0)}
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=PULL)
        client.open(uri(tmp_path), text)
        asked = []
        for version in range(2, 32):
            asked.append(client.begin("textDocument/diagnostic", document))
            client.change(uri(tmp_path), version, {"range": start, "text": f"# {version}\n"})
        assert [codes(client.answer(one)["result"]["items"]) for one in asked] == [["TL301"]] * len(asked)


def test_a_client_that_pulls_is_told_that_another_file_matters(tmp_path: Path) -> None:
    library = "import torch\n\ndef make():\n    return torch.ones(2)\n"
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=PULL)
        client.open(uri(tmp_path, "library.py"), library)
        client.open(uri(tmp_path), "import torch\nfrom library import make\n\ny = make().numpy()\n")
        document = {"textDocument": {"uri": uri(tmp_path)}}
        assert client.ask("textDocument/diagnostic", document)["items"] == []
        client.change(uri(tmp_path, "library.py"), 2, library.replace("(2)", "(2, requires_grad=True)"))
        client.wait(lambda message: message.get("method") == "workspace/diagnostic/refresh")
        assert codes(client.ask("textDocument/diagnostic", document)["items"]) == ["TL301"]


def test_configuration_is_read_again(tmp_path: Path) -> None:
    watching = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
    with RawClient() as client:
        client.initialize(tmp_path, capabilities=watching)
        asked = client.wait(lambda message: message.get("method") == "client/registerCapability")
        client.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})
        (registration,) = asked["params"]["registrations"]
        patterns = [watcher["globPattern"] for watcher in registration["registerOptions"]["watchers"]]
        assert {"**/pyproject.toml", "**/torchlint.toml", "**/.gitignore"} <= set(patterns)
        client.open(uri(tmp_path), SCRIPT)
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]

        def write(text: str) -> None:
            (tmp_path / "torchlint.toml").write_text(text)
            changes = [{"uri": uri(tmp_path, "torchlint.toml"), "type": 2}]
            client.notify("workspace/didChangeWatchedFiles", {"changes": changes})

        write('ignore = ["TL301"]\n')
        assert client.diagnostics(uri(tmp_path), 1) == []
        # What cannot be used leaves what held before, and is said once.
        write("ignore = 7\n")
        message = client.notification("window/showMessage")
        assert message["type"] == 1
        assert "torchlint.toml: `ignore` must be a list of strings" in message["message"]
        write('ignore = ["TL9999"]\n')
        assert "unknown rule selector `TL9999`" in client.notification("window/showMessage")["message"]
        write('ignore = ["TL2"]\n')
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]
        write('exclude = ["train.py"]\n')
        assert client.diagnostics(uri(tmp_path), 1) == []
        # Without a word from the client it is seen at the next lint.
        (tmp_path / "torchlint.toml").unlink()
        client.change(uri(tmp_path), 2, SCRIPT)
        assert codes(client.diagnostics(uri(tmp_path), 2)) == ["TL301"]
        assert client.received("window/showMessage") == []


def test_a_file_that_is_extended_is_mended(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.torchlint]\nextend = "base.toml"\n')
    base = tmp_path / "base.toml"
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri(tmp_path), SCRIPT)
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]
        assert "there is no file base.toml" in client.notification("window/showMessage")["message"]
        for version, (text, expected) in enumerate(
            [('ignore = ["TL301"]', []), ("ignore = [", []), ('ignore = ["TL2"]', ["TL301"])], start=2
        ):
            base.write_text(text)
            client.change(uri(tmp_path), version, SCRIPT)
            assert codes(client.diagnostics(uri(tmp_path), version)) == expected


def test_settings_of_other_servers(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, options={"ignore": ["TL301"]})
        client.notify("workspace/didChangeConfiguration", {"settings": {"pylsp": {"plugins": {}}}})
        client.open(uri(tmp_path), SCRIPT)
        assert client.diagnostics(uri(tmp_path), 1) == []
        assert client.received("window/showMessage") == []


def test_settings_of_the_editor(tmp_path: Path) -> None:
    (tmp_path / "torchlint.toml").write_text('select = ["TL2"]\n')
    (tmp_path / "mine.toml").write_text('select = ["TL9"]\n')
    with RawClient() as client:
        client.initialize(tmp_path, options={"torchlint": {"select": ["TL3"]}})
        client.open(uri(tmp_path), SCRIPT)
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]
        client.notify("workspace/didChangeConfiguration", {"settings": {"torchlint": {"configuration": "mine.toml"}}})
        assert client.diagnostics(uri(tmp_path), 1) == []
        for wrong, complaint in (({"slect": []}, "slect"), ({"ignore": 7}, "array"), (["x"], "object")):
            client.notify("workspace/didChangeConfiguration", {"settings": {"torchlint": wrong}})
            assert complaint in client.notification("window/showMessage")["message"]
        client.notify("workspace/didChangeConfiguration", {"settings": {"torchlint": {"extendSelect": ["TL301"]}}})
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]


def test_settings_that_are_asked_for(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path, capabilities={"workspace": {"configuration": True}})

        def answer(value: Any) -> None:
            asked = client.wait(lambda message: message.get("method") == "workspace/configuration")
            assert asked["params"]["items"] == [{"section": "torchlint"}]
            client.send({"jsonrpc": "2.0", "id": asked["id"], "result": [value]})

        answer({"ignore": ["TL301"]})
        client.open(uri(tmp_path), SCRIPT)
        assert client.diagnostics(uri(tmp_path), 1) == []
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        answer({"ignore": []})
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]


def test_several_folders_and_none(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    (two / "torchlint.toml").write_text('ignore = ["TL301"]\n')
    with RawClient() as client:
        client.initialize(one, two)
        client.open(uri(one), SCRIPT)
        client.open(uri(two), SCRIPT)
        client.open(uri(three), SCRIPT)
        client.open("untitled:Untitled-1", SCRIPT)
        assert codes(client.diagnostics(uri(one), 1)) == ["TL301"]
        assert client.diagnostics(uri(two), 1) == []
        assert codes(client.diagnostics(uri(three), 1)) == ["TL301"]
        assert codes(client.diagnostics("untitled:Untitled-1", 1)) == ["TL301"]
        # What is not saved is linted by the settings of the first folder.
        event = {"added": [], "removed": [{"uri": one.as_uri(), "name": "one"}]}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        assert client.diagnostics("untitled:Untitled-1", 1) == []
        event = {"added": [{"uri": three.as_uri(), "name": "three"}], "removed": []}
        (three / "torchlint.toml").write_text('ignore = ["TL301"]\n')
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        assert client.diagnostics(uri(three), 1) == []


def test_files_that_are_not_linted(tmp_path: Path) -> None:
    for name in ("build", "site-packages"):
        (tmp_path / name).mkdir()
    project = tmp_path / "build" / "project"
    project.mkdir()
    with RawClient() as client:
        client.initialize(project)
        client.open(uri(project), SCRIPT)
        # Where the project stands does not matter.
        assert codes(client.diagnostics(uri(project), 1)) == ["TL301"]
        for name in ("build/a.py", ".venv/lib/site-packages/a.py", "../../site-packages/a.py"):
            document = f"{project.as_uri()}/{name}"
            client.open(document, SCRIPT)
            assert client.diagnostics(document, 1) == []
        client.open(uri(project, "notes.md"), SCRIPT, language="markdown")
        client.open(uri(project, "last.py"), SCRIPT)
        client.diagnostics(uri(project, "last.py"), 1)
        assert client.received("textDocument/publishDiagnostics") == []


def test_no_code_of_an_opened_folder_runs(tmp_path: Path) -> None:
    """Neither as a module that shadows one of ours, nor as a rule pack of an environment in the folder."""
    trap = "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n"
    for name in ("libcst", "msgspec", "json", "torch", "evil_rules", "conftest", "setup"):
        (tmp_path / f"{name}.py").write_text(trap)
    info = tmp_path / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[torchlint.rules]\nevil = evil_rules\n")
    with RawClient(cwd=tmp_path) as client:
        client.initialize(tmp_path)
        client.open(uri(tmp_path), "import torch, evil_rules, libcst\n" + SCRIPT)
        assert codes(client.diagnostics(uri(tmp_path), 1)) == ["TL301"]
        assert client.finish() == 0
    ran = [path.name for path in tmp_path.glob("*.ran")]
    # What Python itself imports before the first line of ours is not in our hands.
    assert not {"libcst.ran", "msgspec.ran", "torch.ran", "evil_rules.ran"} & set(ran)


def test_rule_packs_of_an_environment_in_the_folder_wait_for_leave(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    info = packs / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[torchlint.rules]\nacme = acme_rules\n")
    (packs / "acme_rules.py").write_text(
        "import libcst as cst\n"
        "from torchlint.diagnostic import Category\n"
        "from torchlint.rule import Rule\n\n"
        "class AnyPass(Rule):\n"
        '    """Checks for `pass`."""\n\n'
        '    code = "ACM101"\n'
        "    category = Category.SUSPICIOUS\n"
        '    words = ("pass",)\n\n'
        "    def visit_Pass(self, node: cst.Pass) -> None:\n"
        '        self.report(node, "a `pass`")\n'
    )
    import os

    paths = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(packs)])
    for opened, options, expected in (
        (tmp_path, None, []),
        (tmp_path, {"plugins": True}, ["ACM101"]),
        (tmp_path / "project", None, ["ACM101"]),
        (tmp_path / "project", {"plugins": False}, []),
    ):
        opened.mkdir(exist_ok=True)
        with RawClient(environment={"PYTHONPATH": paths}) as client:
            client.initialize(opened, options=options)
            client.open(uri(opened), "pass\n")
            assert codes(client.diagnostics(uri(opened), 1)) == expected


def test_of_many_edits_the_last_is_linted(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri(tmp_path), SCRIPT)
        client.diagnostics(uri(tmp_path), 1)
        text = SCRIPT
        for version in range(2, 42):
            text += f"# {version}\n"
            end = place(version + 2, 0)
            client.change(uri(tmp_path), version, {"range": {"start": end, "end": end}, "text": f"# {version}\n"})
        assert codes(client.diagnostics(uri(tmp_path), 41)) == ["TL301"]
        assert len(client.received("textDocument/publishDiagnostics")) < 20
        versions = [one["params"]["version"] for one in client.received("textDocument/publishDiagnostics")]
        assert versions == sorted(versions)
        started = time.monotonic()
        assert client.finish() == 0
        assert time.monotonic() - started < LIMIT / 2
