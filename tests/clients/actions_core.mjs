// Reads a line `[command, properties, message]` and prints what GitHub's own toolkit makes of it.
import * as readline from 'node:readline'
import * as core from '@actions/core'

const print = { error: core.error, warning: core.warning, notice: core.notice }
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [command, properties, message] = JSON.parse(line)
  print[command](message, properties)
}
