/**
 * Times of anti-entropy: scaling with the cluster, spread of stagger, retries and outputs.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { seededRng } from '../../../../core/rng.ts'
import {
  fullSyncDelayMs,
  outputDeferralMs,
  retryDelayMs,
  syncScale,
} from '../../../../core/sync/timing.ts'

describe('sync times', () => {
  it('scale with the logarithm of the cluster beyond 128 members', () => {
    for (const [members, scale] of [
      [1, 1],
      [128, 1],
      [129, 2],
      [256, 2],
      [257, 3],
      [512, 3],
      [4096, 6],
    ] as const) {
      assert.equal(syncScale(members), scale, `${members} members`)
    }
  })

  it('stay within their spread', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 200, 1000), (seed, members) => {
        const rng = seededRng(seed)
        const scaled = 60_000 * syncScale(members)
        const full = fullSyncDelayMs(members, rng)
        assert.ok(full >= scaled && full < 2 * scaled)
        const retry = retryDelayMs(rng)
        assert.ok(retry >= 15_000 && retry < 30_000)
        const output = outputDeferralMs(300_000, rng)
        assert.ok(output >= 150_000 && output < 450_000)
      }),
    )
  })
})
