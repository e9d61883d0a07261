"""What a client must not do, and does: the server says so, and goes on."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_client import LIMIT, ROOT, RawClient

SCRIPT = "import torch\n\nx = torch.ones(2, requires_grad=True)\ny = x.numpy()\n"


def is_alive(client: RawClient, folder: Path, version: int = 1) -> bool:
    """Whether the server still lints."""
    uri = (folder / f"alive{version}.py").as_uri()
    client.open(uri, SCRIPT, version=version)
    return [one["code"] for one in client.diagnostics(uri, version)] == ["TL301"]


def place(line: int, character: int) -> dict[str, int]:
    return {"line": line, "character": character}


@pytest.mark.parametrize(
    ("start", "end", "text", "expected"),
    [
        (place(99, 0), place(99, 9), "z = x.numpy()\n", 2),
        (place(0, 0), place(999, 999), SCRIPT, 1),
        (place(3, 999), place(3, 9999), "  # end", 1),
        (place(3, 13), place(0, 0), "  # backwards", 1),
        (place(4, 5), place(4, 5), "z = 1\n", 1),
    ],
)
def test_ranges_that_are_not_in_the_text(tmp_path: Path, start: Any, end: Any, text: str, expected: int) -> None:
    uri = (tmp_path / "a.py").as_uri()
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, SCRIPT)
        client.diagnostics(uri, 1)
        client.change(uri, 2, {"range": {"start": start, "end": end}, "text": text})
        found = client.diagnostics(uri, 2)
        # After a statement that raises nothing runs, so nothing is said of it.
        assert 1 <= len(found) <= expected
        assert is_alive(client, tmp_path)


def test_documents_that_are_not_open(tmp_path: Path) -> None:
    uri = (tmp_path / "never.py").as_uri()
    document = {"textDocument": {"uri": uri}}
    somewhere = {"range": {"start": place(0, 0), "end": place(0, 0)}}
    with RawClient() as client:
        client.initialize(tmp_path)
        client.change(uri, 3, "import torch\n")
        assert "is not open" in client.notification("window/logMessage")["message"]
        client.notify("textDocument/didClose", document)
        assert "is not open" in client.notification("window/logMessage")["message"]
        assert client.ask("textDocument/codeAction", {**document, **somewhere, "context": {"diagnostics": []}}) is None
        assert client.ask("textDocument/hover", {**document, "position": place(0, 0)}) is None
        notebook = {"notebookDocument": {"uri": "file:///never.ipynb", "version": 1}, "change": {}}
        client.notify("notebookDocument/didChange", notebook)
        client.notify("notebookDocument/didClose", {"notebookDocument": {"uri": "file:///x"}, "cellTextDocuments": []})
        assert is_alive(client, tmp_path)


def test_opened_twice(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, SCRIPT, version=1)
        assert len(client.diagnostics(uri, 1)) == 1
        client.open(uri, "import torch\n", version=1)
        assert client.diagnostics(uri, 1) == []
        # One that is spelled differently is the same.
        client.open(uri.replace("a.py", "%61.py"), SCRIPT, version=2)
        assert len(client.diagnostics(uri.replace("a.py", "%61.py"), 2)) == 1


def test_unknown_methods_and_broken_messages(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        assert client.answer(client.begin("torchlint/no-such-thing", {}))["error"]["code"] == -32601
        client.notify("torchlint/no-such-thing", {"a": 1})
        client.notify("$/setTrace", {"value": "verbose"})
        wrong = client.begin("textDocument/hover", {"textDocument": 7})
        assert "error" in client.answer(wrong)
        client.notify("textDocument/didOpen", {"textDocument": {"uri": 7}})
        client.notify("textDocument/didChange", [])
        for body in (b"{", b"[]", b"7", b'"x"', b"null", b"{}", b"\xff\xfe", b'{"jsonrpc": "1.0", "method": "x"}'):
            client.send_bytes(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        client.send_bytes(b"Content-Length: many\r\n\r\nNonsense\r\n\r\n")
        client.send({"jsonrpc": "2.0", "id": 999, "result": "an answer that nobody asked for"})
        client.send({"jsonrpc": "2.0", "id": 998, "error": {"code": 1, "message": "no"}})
        assert is_alive(client, tmp_path)
        assert client.received("window/showMessage") == []
        assert client.finish() == 0
        assert "JSONDecodeError" in client.errors()
        assert "Traceback" not in client.errors()


@pytest.mark.parametrize("uri", ["file://[host/a.py", "file:///a%00b.py", "file:///a%FFb.py", "a.py", ""])
def test_names_that_are_no_paths(tmp_path: Path, uri: str) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, SCRIPT)
        assert [one["code"] for one in client.diagnostics(uri, 1)] == ["TL301"]
        # One that stays open is in nobody's way.
        assert is_alive(client, tmp_path)
        assert client.finish() == 0


def test_half_a_character(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    text = f"s = '\ud83d'\n{SCRIPT}"
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, text)
        assert [one["code"] for one in client.diagnostics(uri, 1)] == ["TL301"]
        # Its other half comes later, and then an edit behind both.
        client.change(uri, 2, {"range": {"start": place(0, 6), "end": place(0, 6)}, "text": "\udd25"})
        client.change(uri, 3, {"range": {"start": place(0, 8), "end": place(0, 8)}, "text": "; y = 1"})
        assert [one["code"] for one in client.diagnostics(uri, 3)] == ["TL301"]
        assert client.finish() == 0


def test_cancelled_requests(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    with RawClient() as client:
        client.initialize(tmp_path, capabilities={"textDocument": {"diagnostic": {}}})
        client.open(uri, SCRIPT)
        pending = [client.begin("textDocument/diagnostic", {"textDocument": {"uri": uri}}) for _ in range(5)]
        for identity in pending:
            client.notify("$/cancelRequest", {"id": identity})
        client.notify("$/cancelRequest", {"id": 12345})
        client.notify("$/cancelRequest", {"id": "never"})
        for identity in pending:
            answer = client.answer(identity)
            assert answer.get("error", {}).get("code", -32800) == -32800
        assert client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})["items"]


def test_messages_at_the_wrong_time(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    with RawClient() as client:
        early = client.begin("textDocument/hover", {"textDocument": {"uri": uri}, "position": place(0, 0)})
        assert client.answer(early)["error"]["code"] == -32002
        client.open(uri, SCRIPT)
        client.initialize(tmp_path)
        assert is_alive(client, tmp_path)
        client.ask("shutdown")
        late = client.begin("textDocument/hover", {"textDocument": {"uri": uri}, "position": place(0, 0)})
        assert client.answer(late)["error"]["code"] == -32600
        client.notify("exit")
        assert client.process.wait(LIMIT) == 0


def test_exit_without_shutdown(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        client.notify("exit")
        assert client.process.wait(LIMIT) == 1


@pytest.mark.parametrize("begun", [True, False])
def test_the_input_ends(tmp_path: Path, begun: bool) -> None:
    with RawClient() as client:
        if begun:
            client.initialize(tmp_path)
            client.open((tmp_path / "a.py").as_uri(), SCRIPT)
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.process.wait(LIMIT) == 1


def test_the_input_ends_in_the_middle_of_a_message(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        client.send_bytes(b'Content-Length: 1000\r\n\r\n{"jsonrpc"')
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.process.wait(LIMIT) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked for there")
def test_the_client_is_gone_and_left_the_input_open(tmp_path: Path) -> None:
    # It has to be seen alive first: a number that never meant anything may be that of another container.
    parent = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with RawClient() as client:
        client.initialize(tmp_path, process=parent.pid)
        assert is_alive(client, tmp_path)
        assert parent.stdin is not None
        with pytest.raises(subprocess.TimeoutExpired):
            client.process.wait(8)
        parent.stdin.close()
        parent.wait(LIMIT)
        assert client.process.wait(LIMIT) == 1


def test_code_that_no_parser_likes(tmp_path: Path) -> None:
    texts = [
        "import torch\n\0",
        "import torch\n" + "(" * 5000,
        "import torch\n" + "x = [" * 150 + "]" * 150 + "\n",
        "import torch\n'\ud800'\n",
        "import torch\n\f\n\N{LINE SEPARATOR}x = 1\n",
        "\ufeffimport torch\n",
        "import torch" + "\r" * 50,
        "# -*- coding: latin-1 -*-\nimport torch\nx = '\xe9'\n",
        "# -*- coding: nonsense -*-\nimport torch\n",
    ]
    uri = (tmp_path / "a.py").as_uri()
    with RawClient() as client:
        client.initialize(tmp_path)
        client.open(uri, "")
        for version, text in enumerate(texts, start=2):
            client.change(uri, version, text)
            client.diagnostics(uri, version)
            client.open((tmp_path / "b.py").as_uri(), "import torch, a\nprint(a.x)\n", version=version)
            client.diagnostics((tmp_path / "b.py").as_uri(), version)
        assert is_alive(client, tmp_path)


def test_a_crash_is_one_line_of_the_log(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    info = packs / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[torchlint.rules]\nacme = acme_rules\nmissing = no_such_module\n")
    (packs / "acme_rules.py").write_text(
        "import libcst as cst\n"
        "from torchlint.diagnostic import Category\n"
        "from torchlint.rule import Rule\n\n"
        "print('a rule pack that prints')\n\n"
        "class AnyPass(Rule):\n"
        '    """Checks for `pass`."""\n\n'
        '    code = "ACM101"\n'
        "    category = Category.SUSPICIOUS\n"
        '    words = ("pass",)\n\n'
        "    def visit_Pass(self, node: cst.Pass) -> None:\n"
        "        raise ValueError('over two\\nlines')\n"
    )
    uri = (tmp_path / "project" / "a.py").as_uri()
    paths = os.pathsep.join([str(ROOT), str(packs)])
    with RawClient(environment={"PYTHONPATH": paths}) as client:
        client.initialize(tmp_path / "project")
        client.open(uri, "pass\n")
        (found,) = client.diagnostics(uri, 1)
        assert (found["code"], found["range"]["start"]) == ("TL001", place(0, 0))
        problem = client.notification("window/showMessage")["message"]
        assert "no_such_module" in problem
        logged = client.wait(
            lambda message: (
                message.get("method") == "window/logMessage" and "ValueError" in message["params"]["message"]
            )
        )
        assert "\n" not in logged["params"]["message"]
        # It can be neither fixed nor silenced.
        context = {"diagnostics": [found]}
        params = {"textDocument": {"uri": uri}, "range": found["range"], "context": context}
        assert client.ask("textDocument/codeAction", params) == []
        assert is_alive(client, tmp_path / "project")


def test_a_client_that_reads_nothing_any_more(tmp_path: Path) -> None:
    with RawClient() as client:
        client.initialize(tmp_path)
        uri = (tmp_path / "a.py").as_uri()
        client.open(uri, SCRIPT)
        client.diagnostics(uri, 1)
        body = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "shutdown"}).encode()
        client.send_bytes(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        client.answer(5)
        with contextlib.suppress(BrokenPipeError):
            client.notify("exit")
        assert client.process.wait(LIMIT) == 0
