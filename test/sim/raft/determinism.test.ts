/**
 * Equal seeds give equal traces in another process and under other conditions (verification 4.2, D1 and D2):
 * without the optimising compiler, with a small heap, elsewhere, in another language and time zone.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const SIM = join(import.meta.dirname, '..', 'sim.ts')
const SEEDS = ['--base', '300', '--seeds', '5', '--steps', '1500', '--json']

function traceUnder(conditions: {
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}): number {
  const { flags, env, cwd } = conditions
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, SIM, ...SEEDS], {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  assert.ok(line.startsWith('{'), stderr)
  const totals: unknown = JSON.parse(line)
  assert.ok(typeof totals === 'object' && totals !== null && 'trace' in totals)
  assert.ok(typeof totals.trace === 'number' && totals.trace !== 0)
  return totals.trace
}

describe('the simulator', () => {
  it('gives equal traces under other conditions', () => {
    const plain = traceUnder({ flags: [], env: { TZ: 'UTC', LANG: 'C' }, cwd: import.meta.dirname })
    const other = traceUnder({
      flags: ['--no-opt', '--max-old-space-size=300'],
      env: { TZ: 'Asia/Kolkata', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
      cwd: tmpdir(),
    })
    assert.equal(other, plain)
  })
})
