/**
 * Consul's own Go client, as a program of its own (test/clients/go), against an agent.
 *
 * Skips with a word when there is no Go or its module cannot be had; what the cases are is written there.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import { finished, ROOT } from './harness/program.ts'

const SOURCES = join(ROOT, 'test', 'clients', 'go')
/** A first build fetches and compiles the client. */
const BUILD_MAX_MS = 120_000
const RUN_MAX_MS = 90_000
const CASES_MIN = 35

describe('the Go client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const folder = await temporaryFolder()
    try {
      const program = await build(t, join(folder, 'clients'))
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
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

/** @returns undefined when it cannot be built here, which skips the test and says why */
async function build(t: TestContext, program: string): Promise<string | undefined> {
  if (spawnSync('go', ['version']).status !== 0) {
    t.skip('Go is not installed')
    return undefined
  }
  const fetched = await go(['mod', 'download'])
  if (fetched.code !== 0) {
    t.skip(`the module of the Go client cannot be had: ${fetched.stderr.trim().slice(0, 200)}`)
    return undefined
  }
  const built = await go(['build', '-o', program, '.'])
  assert.equal(built.code, 0, built.stderr)
  return program
}

function go(argv: readonly string[]): ReturnType<typeof finished> {
  return finished(spawn('go', argv, { cwd: SOURCES, stdio: 'pipe', timeout: BUILD_MAX_MS }))
}
