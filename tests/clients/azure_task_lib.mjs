// Reads a logging command, as a line of JSON, and prints what Azure's own library understands, as a line of JSON.
import * as readline from 'node:readline'
import taskcommand from 'azure-pipelines-task-lib/taskcommand.js'

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, properties, message } = taskcommand.commandFromString(JSON.parse(line))
  process.stdout.write(JSON.stringify({ command, properties, message }) + '\n')
}
