/**
 * Consul's own Go client, as a program of its own (test/clients/go), against an agent.
 *
 * Skips with a word when there is no Go or its module cannot be had; what the cases are is written there.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import { startAgent } from '../e2e/harness/agent.ts'
import { finished } from '../e2e/harness/program.ts'
import { goProgram } from './harness/peers.ts'

const RUN_MAX_MS = 90_000
const CASES_MIN = 48

describe('the Go client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const program = await goProgram(t, { folder: 'go', package: '.' })
    if (program === undefined) return
    await using agent = await startAgent()
    const child = spawn(program, [`127.0.0.1:${agent.ready.http}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_MAX_MS,
    })
    const { code, stdout, stderr } = await finished(child)
    const lines = stdout.trim().split('\n')
    const failed = lines.filter((line) => !line.startsWith('ok '))
    assert.deepEqual(failed, [], stderr)
    assert.ok(lines.length >= CASES_MIN, `only ${lines.length} cases ran`)
    assert.equal(code, 0, stderr)
  })
})
