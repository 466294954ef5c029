/**
 * py-consul, the client of Python services and of Patroni, against an agent; the cases are in py-consul/cases.py.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent } from '../e2e/harness/agent.ts'
import { finished } from '../e2e/harness/program.ts'
import { pythonPackages } from './harness/peers.ts'

const PROGRAM = join(import.meta.dirname, 'py-consul', 'cases.py')
const RUN_MAX_MS = 90_000
const CASES_MIN = 18

describe('the Python client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const python = await pythonPackages(t, 'py-consul')
    if (python === undefined) return
    await using agent = await startAgent()
    const child = spawn(python.interpreter, [PROGRAM, `${agent.ready.http}`], {
      env: python.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_MAX_MS,
    })
    const { code, stdout, stderr } = await finished(child)
    const lines = stdout.trim().split('\n')
    const failed = lines.filter((line) => !line.startsWith('ok '))
    assert.deepEqual(failed, [], stderr)
    assert.ok(lines.length >= CASES_MIN, `only ${lines.length} cases ran: ${stderr}`)
    assert.equal(code, 0, stderr)
  })
})
