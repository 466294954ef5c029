/**
 * One large pool in which news spreads and members fail: against the formulas of gossip.md 7.3, 13.2, 13.3.
 *
 * FAIRLEAD_SWIM_MEMBERS sets its size, 1,000 without. `npm run sim:gossip` prints the same figures, and more of them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectedDetectionMs, expectedSpreadMs } from '../../../core/swim/expected-times.ts'
import { LAN_TIMING } from '../../../core/swim/timing.ts'
import { atRest, detection, falsePositives, spreading } from './figures.ts'
import { SwimWorld } from './swim-world.ts'

const nodes = Number(process.env['FAIRLEAD_SWIM_MEMBERS'] ?? 1000)
const options = { nodes, seed: 1 }

test(`each of ${nodes} members at rest sends two packets and less than 400 bytes a second`, () => {
  const { bytes, packets } = atRest(options, 10_000)
  assert.ok(bytes < 400, `${Math.round(bytes)} bytes a second`)
  assert.ok(packets > 1.9 && packets < 2.1, `${packets} packets a second`)
})

test(`news is known to all of ${nodes} members sooner than the model says, also with losses`, () => {
  for (const loss of [0, 0.3]) {
    const { times } = spreading(options, loss)
    const limitMs = expectedSpreadMs(nodes, 0.9999, LAN_TIMING, loss)
    assert.ok(
      times.every((ms) => ms <= limitMs),
      `${times.join(', ')} ms, at most ${limitMs}`,
    )
  }
})

test(`a failure is known to all of ${nodes} members in the time that Lifeguard promises`, () => {
  for (const { suspectedMs, declaredMs, allMs } of detection(options, 2)) {
    const promisedMs = expectedDetectionMs(nodes, LAN_TIMING)
    const text = `${suspectedMs}, ${declaredMs}, ${allMs} ms; promised ${promisedMs}`
    assert.ok(suspectedMs <= 5 * LAN_TIMING.probeIntervalMs, text)
    assert.ok(declaredMs >= LAN_TIMING.suspicionMult * LAN_TIMING.probeIntervalMs, text)
    assert.ok(allMs <= 1.5 * promisedMs, text)
  }
})

test('nobody who is well is taken for failed by most with a tenth of all packets lost', () => {
  const trouble = { ms: 60_000, loss: 0.1, slowShare: 0 }
  assert.equal(falsePositives({ nodes: 100, seed: 2 }, trouble).agreed, 0)
})

test('a table that shares its rows behaves as one that has its own', () => {
  const figures = [true, false].map((isShared) => {
    const world = new SwimWorld({ seed: 7 })
    world.checksAll = false
    world.keepsEvents = false
    const pool = isShared ? world.addLargePool(60) : world.addSettledPool(60)
    const [speaker, victim] = pool
    assert.ok(speaker !== undefined && victim !== undefined)
    world.run(5000)
    world.crash(victim)
    world.runUntil(() => world.allSee(victim, 'failed'), 60_000, 100)
    world.run(60_000)
    const digests = new Set(
      world.running().map(({ core }) =>
        core
          .members()
          .map(({ name, status, incarnation }) => `${name} ${status} ${incarnation}`)
          .sort()
          .join(),
      ),
    )
    assert.equal(digests.size, 1)
    return [...digests][0]
  })
  assert.equal(figures[0], figures[1])
})
