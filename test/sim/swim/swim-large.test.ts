/**
 * One large pool at rest, in which news spreads and a member fails: against the formulas of gossip.md 7.3, 13.2, 13.3.
 *
 * FAIRLEAD_SWIM_MEMBERS sets its size, 1,000 without.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SwimWorld } from './swim-world.ts'

const members = Number(process.env['FAIRLEAD_SWIM_MEMBERS'] ?? 1000)

test(`in a pool of ${members} news spreads and a failure is found in time, at little cost`, () => {
  const world = new SwimWorld({ seed: 1 })
  world.checksAll = false
  world.keepsEvents = false
  const pool = world.addSettledPool(members)
  const [speaker, victim] = [pool[3], pool[5]]
  assert.ok(speaker !== undefined && victim !== undefined)

  for (const member of pool) member.bytesSent = 0
  world.run(20_000)
  const bytes = pool.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / members / 20
  assert.ok(bytes < 800, `${Math.round(bytes)} bytes a second and member at rest`)

  world.input(speaker, { kind: 'set-meta', meta: new Uint8Array([1, 1, 97, 1, 98]) })
  const knows = (): boolean => pool.every((m) => world.view(m, speaker)?.tags['a'] === 'b')
  const spread = world.runUntil(knows, 10_000, 20)
  assert.ok(spread <= 3000, `${spread} ms to reach all`)

  world.crash(victim)
  const found = world.runUntil(() => world.allSee(victim, 'failed'), 60_000, 100)
  const minMs = 4000 * Math.log10(members)
  assert.ok(found >= minMs && found <= 2 * (minMs + 5000), `${found} ms to find a failure`)
  assert.ok(pool.every(({ core }) => core.queueLength <= 4096))
})
