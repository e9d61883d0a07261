// A session as VS Code has it: pull diagnostics, a quick fix, a configuration that changes, a notebook.
// PROJECT is an empty folder, SERVER the Python that torchlint is installed in.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as rpc from 'vscode-jsonrpc/node'
import * as lsp from 'vscode-languageserver-protocol'

const project = process.env.PROJECT
const uri = (name) => pathToFileURL(join(project, name)).href
const server = spawn(process.env.SERVER, ['-m', 'torchlint', 'server'], { stdio: ['pipe', 'pipe', 'inherit'] })
const ended = new Promise((resolve) => server.on('exit', resolve))
const connection = rpc.createMessageConnection(
  new rpc.StreamMessageReader(server.stdout),
  new rpc.StreamMessageWriter(server.stdin),
)

const pushed = []
connection.onNotification(lsp.PublishDiagnosticsNotification.type, (params) => pushed.push(params))
const registered = []
connection.onRequest(lsp.RegistrationRequest.type, (params) => void registered.push(...params.registrations))
connection.onRequest(lsp.ConfigurationRequest.type, (params) => params.items.map(() => null))
const refreshed = new Promise((resolve) => connection.onRequest(lsp.DiagnosticRefreshRequest.type, () => void resolve()))
connection.listen()

const { capabilities } = await connection.sendRequest(lsp.InitializeRequest.type, {
  processId: process.pid,
  rootUri: null,
  workspaceFolders: [{ uri: pathToFileURL(project).href, name: 'project' }],
  capabilities: {
    general: { positionEncodings: ['utf-16'] },
    textDocument: {
      diagnostic: { dynamicRegistration: true, relatedDocumentSupport: true },
      codeAction: { codeActionLiteralSupport: { codeActionKind: { valueSet: ['quickfix', 'source'] } } },
    },
    notebookDocument: { synchronization: { dynamicRegistration: true } },
    workspace: {
      configuration: true,
      diagnostics: { refreshSupport: true },
      didChangeWatchedFiles: { dynamicRegistration: true },
      workspaceEdit: { documentChanges: true },
    },
  },
})
assert.equal(capabilities.positionEncoding, 'utf-16')
assert.equal(capabilities.diagnosticProvider.interFileDependencies, true)
await connection.sendNotification(lsp.InitializedNotification.type, {})

const pull = (document) =>
  connection.sendRequest(lsp.DocumentDiagnosticRequest.type, { textDocument: { uri: document } })

// A script.
const script = "import torch\n\nx = torch.ones(2, requires_grad=True)\nname = '\u{1F525}'; y = x.numpy()\n"
await connection.sendNotification(lsp.DidOpenTextDocumentNotification.type, {
  textDocument: { uri: uri('train.py'), languageId: 'python', version: 1, text: script },
})
const report = await pull(uri('train.py'))
assert.equal(report.kind, 'full')
assert.equal(report.items.length, 1)
assert.deepEqual(report.items[0].range.start, { line: 3, character: 17 })
const actions = await connection.sendRequest(lsp.CodeActionRequest.type, {
  textDocument: { uri: uri('train.py') },
  range: report.items[0].range,
  context: { diagnostics: report.items, only: [lsp.CodeActionKind.QuickFix] },
})
assert.deepEqual(actions.map((action) => action.isPreferred ?? false), [true, false])
const [change] = actions[0].edit.documentChanges
assert.deepEqual(change.textDocument, { uri: uri('train.py'), version: 1 })
const again = await connection.sendRequest(lsp.DocumentDiagnosticRequest.type, {
  textDocument: { uri: uri('train.py') },
  previousResultId: report.resultId,
})
assert.equal(again.kind, 'unchanged')

// A configuration that turns the rule off.
writeFileSync(join(project, 'torchlint.toml'), 'ignore = ["TL301"]\n')
await connection.sendNotification(lsp.DidChangeWatchedFilesNotification.type, {
  changes: [{ uri: uri('torchlint.toml'), type: lsp.FileChangeType.Created }],
})
await refreshed
assert.deepEqual((await pull(uri('train.py'))).items, [])
assert.ok(registered.some((one) => one.method === 'workspace/didChangeWatchedFiles'))
writeFileSync(join(project, 'torchlint.toml'), '')

// A notebook: the finding is in the second cell, its cause in the first.
const cell = (number) => `vscode-notebook-cell:${project}/book.ipynb#W${number}`
const texts = ['%matplotlib inline\nimport torch\nx = torch.ones(2, requires_grad=True)', 'y = x.numpy()']
await connection.sendNotification(lsp.DidOpenNotebookDocumentNotification.type, {
  notebookDocument: {
    uri: uri('book.ipynb'),
    notebookType: 'jupyter-notebook',
    version: 1,
    cells: texts.map((_, number) => ({ kind: lsp.NotebookCellKind.Code, document: cell(number) })),
  },
  cellTextDocuments: texts.map((text, number) => ({ uri: cell(number), languageId: 'python', version: 1, text })),
})
assert.deepEqual((await pull(cell(0))).items, [])
const [found] = (await pull(cell(1))).items
assert.equal(found.code, 'TL301')
assert.equal(found.relatedInformation[0].location.uri, cell(0))
await connection.sendNotification(lsp.DidChangeNotebookDocumentNotification.type, {
  notebookDocument: { uri: uri('book.ipynb'), version: 2 },
  change: {
    cells: { textContent: [{ document: { uri: cell(1), version: 2 }, changes: [{ text: 'y = x.detach().numpy()' }] }] },
  },
})
assert.deepEqual((await pull(cell(1))).items, [])

assert.deepEqual(pushed, [])
await connection.sendRequest(lsp.ShutdownRequest.type)
await connection.sendNotification(lsp.ExitNotification.type)
assert.equal(await ended, 0)
console.log('all of it is as it should be')
process.exit(0)
