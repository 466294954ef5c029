/**
 * Which requests are copied: as many as the percentage says, each mirror and each leg on its own.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SplitSpec } from '../../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../../core/rng.ts'
import { MirrorPolicy } from '../../../../proxy/routing/mirror-policy.ts'

function leg(clusterId: string, weight: number): SplitSpec {
  return {
    weight,
    clusterId,
    failover: [],
    requestHeaders: undefined,
    responseHeaders: undefined,
  }
}

test('mirrors draw on their own, and so do their legs', () => {
  const policy = new MirrorPolicy(
    [
      { percent: 20, keepsHost: false, splits: [leg('a', 3), leg('b', 1)] },
      { percent: 50, keepsHost: false, splits: [leg('c', 1)] },
    ],
    seededRng(3),
  )
  const counts = { a: 0, b: 0, c: 0, both: 0, none: 0 }
  const draws = 40_000
  for (let i = 0; i < draws; i++) {
    const drawn = policy.draw() ?? []
    for (const { clusterId } of drawn) counts[clusterId as 'a' | 'b' | 'c']++
    if (drawn.length === 2) counts.both++
    if (drawn.length === 0) counts.none++
  }
  const near = (count: number, share: number): boolean => Math.abs(count / draws - share) < 0.01
  assert.ok(near(counts.a, 0.15) && near(counts.b, 0.05) && near(counts.c, 0.5), `${counts}`)
  assert.ok(near(counts.both, 0.1) && near(counts.none, 0.4), JSON.stringify(counts))
})

test('zero percent copies nothing', () => {
  const policy = new MirrorPolicy(
    [{ percent: 0, keepsHost: false, splits: [leg('a', 1)] }],
    seededRng(3),
  )
  for (let i = 0; i < 1000; i++) assert.equal(policy.draw(), undefined)
})
