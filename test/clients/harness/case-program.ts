/**
 * Programs of ours in other languages that try every endpoint of an agent by a client library of their language.
 *
 * They take the agent's address, print a line for each case, `ok <name>` for one that went well, and end with 0 when all did.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { finished } from '../../e2e/harness/program.ts'

const RUN_MAX_MS = 90_000

export interface CaseProgram {
  readonly program: string
  readonly argv: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Fewer mean that cases were lost. */
  readonly casesMin: number
}

/** Runs it to its end. @throws AssertionError with the cases that failed */
export async function passCases({
  program,
  argv,
  casesMin,
  ...options
}: CaseProgram): Promise<void> {
  const child = spawn(program, argv, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MAX_MS,
  })
  const { code, stdout, stderr } = await finished(child)
  const lines = stdout.trim().split('\n')
  const failed = lines.filter((line) => !line.startsWith('ok '))
  assert.deepEqual(failed, [], stderr)
  assert.ok(lines.length >= casesMin, `only ${lines.length} cases ran: ${stderr}`)
  assert.equal(code, 0, stderr)
}
