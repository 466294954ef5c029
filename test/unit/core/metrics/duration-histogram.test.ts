/**
 * Durations in buckets: what they are read as is near what was recorded, whatever was.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DurationHistogram } from '../../../../core/metrics/duration-histogram.ts'

const durations = fc.array(fc.double({ min: 0, max: 1_000_000, noNaN: true }), {
  minLength: 1,
  maxLength: 200,
})

function histogramOf(values: readonly number[]): DurationHistogram {
  const histogram = new DurationHistogram()
  for (const value of values) histogram.record(value)
  return histogram
}

describe('duration histogram', () => {
  it('reads quantiles that are at most a sixteenth and a microsecond above what was recorded', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, rank) => {
        const sorted = values.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(rank * sorted.length)) - 1] as number
        const read = histogramOf(values).quantile(rank)
        assert.ok(read >= exact - 1e-9, `${read} is below ${exact}`)
        assert.ok(read <= exact * (1 + 1 / 16) + 0.001 + 1e-9, `${read} is far above ${exact}`)
      }),
    )
  })

  it('counts under each bound no more than there is, and no less than is well below it', () => {
    const bounds = [0.5, 1, 5, 25, 100, 1000, 60_000, 1_000_000]
    fc.assert(
      fc.property(durations, (values) => {
        const counts = histogramOf(values).cumulative(bounds)
        for (const [i, bound] of bounds.entries()) {
          const most = values.filter((value) => value <= bound).length
          const least = values.filter((value) => value * (1 + 1 / 16) + 0.002 <= bound).length
          const count = counts[i] as number
          assert.ok(count <= most && count >= least, `${least} ≤ ${count} ≤ ${most} at ${bound}`)
        }
      }),
    )
  })

  it('adds up: two together are one that recorded all', () => {
    fc.assert(
      fc.property(durations, durations, (a, b) => {
        const sum = histogramOf(a)
        sum.add(histogramOf(b))
        const whole = histogramOf([...a, ...b])
        assert.equal(sum.count, whole.count)
        assert.ok(Math.abs(sum.sum - whole.sum) <= 1e-6 * whole.sum)
        for (const rank of [0, 0.5, 0.99, 1]) assert.equal(sum.quantile(rank), whole.quantile(rank))
      }),
    )
  })

  it('takes what is no duration for none, and what is endless for the longest', () => {
    const histogram = histogramOf([-1, 0, Number.NaN, 1e12])
    assert.equal(histogram.count, 4)
    assert.equal(histogram.quantile(0.5), 0)
    assert.ok(histogram.quantile(1) > 2_000_000)
    assert.ok(Number.isNaN(new DurationHistogram().quantile(0.5)))
  })
})
