/**
 * Rate limits, budgets of retries and ejections in simulated time.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { mayEject, OUTLIER_DEFAULTS, Outlier } from '../../../../core/resilience/outlier.ts'
import { allowsRetry, RETRY_BUDGET_DEFAULT } from '../../../../core/resilience/retry-budget.ts'
import { TokenBucket } from '../../../../core/resilience/token-bucket.ts'
import { instant } from '../../../../core/time.ts'

it('a bucket never lets through more than its burst and what came in since', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 })
  fc.assert(
    fc.property(
      waits,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 9 }),
      (list, rate, burst) => {
        const bucket = new TokenBucket({ requestsPerSecond: rate, burst }, instant(0))
        let now = 0
        let passed = 0
        for (const wait of list) {
          now += wait
          if (bucket.take(instant(now))) passed++
          assert.ok(passed <= burst + (now / 1000) * rate + 1e-6)
        }
      },
    ),
  )
})

it('a bucket lets through its rate in the long run', () => {
  const bucket = new TokenBucket({ requestsPerSecond: 10, burst: 10 }, instant(0))
  let passed = 0
  for (let now = 0; now < 10_000; now += 20) if (bucket.take(instant(now))) passed++
  assert.ok(passed >= 105 && passed <= 110, `${passed}`)
})

it('retries are few beside the requests, and some always', () => {
  assert.ok(allowsRetry(RETRY_BUDGET_DEFAULT, 1, 2))
  assert.equal(allowsRetry(RETRY_BUDGET_DEFAULT, 1, 3), false)
  assert.ok(allowsRetry(RETRY_BUDGET_DEFAULT, 100, 19))
  assert.equal(allowsRetry(RETRY_BUDGET_DEFAULT, 100, 20), false)
})

it('only failures in a row ask for an ejection', () => {
  const outlier = new Outlier()
  const settings = { ...OUTLIER_DEFAULTS, maxFailures: 3 }
  assert.deepEqual(
    [1, 2].map(() => outlier.failed(settings)),
    [false, false],
  )
  outlier.succeeded()
  assert.deepEqual(
    [1, 2, 3, 4].map(() => outlier.failed(settings)),
    [false, false, true, false],
  )
})

it('ejections grow with each, up to a bound, and shrink with quiet', () => {
  const outlier = new Outlier()
  let now = 1000
  const lengths: number[] = []
  for (let i = 0; i < 12; i++) {
    outlier.eject(instant(now), OUTLIER_DEFAULTS)
    const begin = now
    while (outlier.isEjected(instant(now))) now += 1000
    lengths.push((now - begin) / 1000)
  }
  assert.deepEqual(lengths.slice(0, 3), [30, 60, 90])
  assert.equal(lengths.at(-1), 300)
  outlier.eject(instant(now + 3_600_000), OUTLIER_DEFAULTS)
  assert.equal(outlier.isEjected(instant(now + 3_600_000 + 30_000)), false)
})

it('one may always go, the last never, and no more than the percentage', () => {
  const may = (total: number, usable: number, ejected: number, maxEjectionPercent = 10): boolean =>
    mayEject({ ...OUTLIER_DEFAULTS, maxEjectionPercent }, { total, usable, ejected })
  assert.equal(may(1, 1, 0), false)
  assert.ok(may(2, 2, 0))
  assert.equal(may(3, 2, 1), false)
  assert.ok(may(3, 2, 1, 70))
  assert.equal(may(3, 1, 2, 100), false)
  assert.ok(may(20, 19, 1))
  assert.equal(may(20, 18, 2), false)
})
