"""Real clients: pytest-lsp with the capabilities of several editors, Node's client library, and Neovim."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
SERVER = [sys.executable, "-m", "torchlint", "server"]
# For a client as a whole. It is used up only by one that waits for what does not come.
LIMIT = 120.0
SCRIPT = "import torch\n\nx = torch.ones(2, requires_grad=True)\nname = '\N{FIRE}'; y = x.numpy()\n"

EDITORS = ["visual-studio-code", "neovim@v0.7.0", "neovim@v0.10.0", "neovim@v0.11.0", "emacs"]


@pytest_lsp.fixture(  # type: ignore[untyped-decorator]
    config=ClientServerConfig(server_command=SERVER, server_env={**os.environ, "PYTHONPATH": str(ROOT)}),
)
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)  # type: ignore[untyped-decorator]
    def register(params: types.RegistrationParams) -> None:
        """These editors can, and pytest-lsp cannot."""

    yield
    await lsp_client.shutdown_session()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", EDITORS)
async def test_an_editor(client: LanguageClient, name: str, tmp_path: Path) -> None:
    """Diagnostics by whichever way the editor can, a quick fix, and that it repairs."""
    parameters = types.InitializeParams(
        capabilities=client_capabilities(name),
        workspace_folders=[types.WorkspaceFolder(uri=tmp_path.as_uri(), name="project")],
        process_id=os.getpid(),
    )
    editor = await client.initialize_session(parameters)
    uri = (tmp_path / "train.py").as_uri()
    pulls = editor.capabilities.diagnostic_provider is not None

    async def diagnostics() -> list[types.Diagnostic]:
        if pulls:
            params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
            report = await client.text_document_diagnostic_async(params)
            assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
            return list(report.items)
        await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        return list(client.diagnostics[uri])

    item = types.TextDocumentItem(uri=uri, language_id="python", version=1, text=SCRIPT)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    (found,) = await diagnostics()
    # The character outside the basic plane counts once where the editor prefers code points.
    start = 16 if editor.capabilities.position_encoding == "utf-32" else 17
    if editor.capabilities.position_encoding == "utf-8":
        start = 19
    assert (found.code, found.range.start) == ("TL301", types.Position(3, start))
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            text_document=types.TextDocumentIdentifier(uri),
            range=found.range,
            context=types.CodeActionContext(diagnostics=[found], only=[types.CodeActionKind.QuickFix]),
        )
    )
    assert actions is not None
    fix = actions[0]
    assert isinstance(fix, types.CodeAction)
    assert fix.is_preferred
    assert fix.edit is not None
    if fix.edit.document_changes is not None:
        (change,) = fix.edit.document_changes
        assert isinstance(change, types.TextDocumentEdit)
        edits = list(change.edits)
    else:
        assert fix.edit.changes is not None
        edits = list(fix.edit.changes[uri])
    (edit,) = edits
    assert isinstance(edit, types.TextEdit)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(version=2, uri=uri),
            content_changes=[types.TextDocumentContentChangePartial(range=edit.range, text=edit.new_text)],
        )
    )
    assert await diagnostics() == []


def run(command: list[str], folder: Path) -> str:
    """What a client prints.

    Raises:
        AssertionError: it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SERVER": SERVER[0], "PROJECT": str(folder)}
    done = subprocess.run(
        command, cwd=CLIENTS, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_node(tmp_path: Path) -> None:
    """Pull diagnostics and a notebook, on the library that VS Code's client is made of."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (CLIENTS / "node_modules" / "vscode-languageserver-protocol").is_dir():
        pytest.skip("vscode-languageserver-protocol is not installed: npm install --prefix tests/clients")
    assert "all of it is as it should be" in run([node, "lsp_client.mjs"], tmp_path)


def test_neovim(tmp_path: Path) -> None:
    """Neovim opens a file, shows the finding, applies the quick fix, and shows nothing any more."""
    nvim = shutil.which("nvim")
    if nvim is None:
        pytest.skip("nvim is not installed")
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile nvim.lua"]
    assert "all of it is as it should be" in run(command, tmp_path)
    assert (tmp_path / "train.py").read_text() == SCRIPT.replace("x.numpy()", "x.detach().numpy()")
