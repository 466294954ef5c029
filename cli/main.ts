/**
 * The program `fairlead`: hands the process over to the command line and ends with its exit code.
 *
 * The only file besides commands/agent.ts, commands/proxy.ts and data-planes/replace-process.ts that touches `process`.
 */

import { readFile } from 'node:fs/promises'
import type { CliContext } from './command.ts'
import { runProgram } from './program.ts'

const STDIN_BYTES_MAX = 64 * 1024 * 1024

async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > STDIN_BYTES_MAX) throw new Error(`standard input is over ${STDIN_BYTES_MAX} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

/** Their work is not their output. */
const SERVING = [['agent'], ['proxy', 'run']]

/** A reader that went away (`fairlead members | head -1`) is no failure, and ends only what worked for it. */
function onBrokenOutput(err: NodeJS.ErrnoException): void {
  if (err.code !== 'EPIPE') throw err
  const words = process.argv.slice(2)
  const isServing = SERVING.some((path) => path.every((word, i) => words[i] === word))
  if (!isServing) process.exit(0)
}

process.stdout.on('error', onBrokenOutput)
process.stderr.on('error', onBrokenOutput)

const context: CliContext = {
  env: process.env,
  stdout: (output) => void process.stdout.write(output),
  stderr: (text) => void process.stderr.write(text),
  readStdin,
  readFile: async (path) => await readFile(path),
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
  colour: process.stdout.isTTY && process.stdout.hasColors(process.env),
}

process.exitCode = await runProgram(process.argv.slice(2), context)
