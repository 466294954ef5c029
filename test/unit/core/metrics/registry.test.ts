/**
 * Counting: what instruments keep, how intervals are cut, and that series stay bounded.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { mean, standardDeviation } from '../../../../core/metrics/aggregate.ts'
import { TELEMETRY_METRICS } from '../../../../core/metrics/catalogue/telemetry.ts'
import { counter, gauge, sample } from '../../../../core/metrics/definition.ts'
import { Counter, type Gauge, Sample } from '../../../../core/metrics/instruments.ts'
import { MetricRegistry, SERIES_PER_METRIC_MAX } from '../../../../core/metrics/registry.ts'
import { RELATIVE_ERROR, Sketch } from '../../../../core/metrics/sketch.ts'
import { instant } from '../../../../core/time.ts'

const REQUESTS = counter('rpc.request', 'Requests')
const BY_PATH = counter('by.path', 'Requests', ['path'])
const MEMBERS = gauge('members', 'Members')
const BY_KIND = gauge('by.kind', 'Entries', ['kind'])
const LATENCY = sample('latency', 'Latency')

describe('a counter', () => {
  it('gives each interval what was counted in it, and keeps the total', () => {
    const requests = new Counter()
    requests.increment()
    requests.add(5)
    requests.increment()
    assert.deepEqual(requests.take(), { count: 3, sum: 7, squares: 27, min: 1, max: 5 })
    requests.add(2.5)
    assert.equal(requests.total, 9.5)
    assert.deepEqual(requests.take(), { count: 1, sum: 2.5, squares: 6.25, min: 2.5, max: 2.5 })
    assert.equal(requests.take().count, 0)
    assert.equal(requests.total, 9.5)
  })

  it('never goes down, whatever it is given', () => {
    const requests = new Counter()
    requests.add(3)
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) requests.add(wrong)
    assert.equal(requests.total, 3)
  })
})

describe('a sample', () => {
  it('has the count, sum, spread and deviation of what was recorded', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true })), (numbers) => {
        const latency = new Sample()
        for (const number of numbers) latency.record(number)
        const taken = latency.take()
        assert.equal(taken.count, numbers.length)
        if (numbers.length === 0) return
        assert.equal(taken.min, Math.min(...numbers))
        assert.equal(taken.max, Math.max(...numbers))
        const average = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
        near(mean(taken), average, 1e6)
        if (numbers.length < 2) return
        const squares = numbers.reduce((sum, number) => sum + (number - average) ** 2, 0)
        const deviation = Math.sqrt(squares / (numbers.length - 1))
        // The sum of squares keeps less of a spread that is small beside the numbers.
        assert.ok(Math.abs(standardDeviation(taken) - deviation) <= 1e-6 * 1e6)
      }),
    )
  })

  it('begins each interval anew, and shows the distribution of the one before', () => {
    const latency = new Sample()
    latency.record(10)
    latency.record(30)
    assert.equal(latency.last.count, 0)
    latency.take()
    latency.record(1)
    assert.ok(Math.abs(latency.last.quantile(0.99) - 30) < 30 * RELATIVE_ERROR)
    assert.deepEqual([latency.totalCount, latency.totalSum], [3, 41])
    assert.equal(latency.take().max, 1)
    assert.equal(latency.last.count, 1)
    latency.take()
    assert.ok(Number.isNaN(latency.last.quantile(0.5)))
  })

  it('drops what is not a number', () => {
    const latency = new Sample()
    latency.record(Number.NaN)
    latency.record(Number.POSITIVE_INFINITY)
    assert.equal(latency.take().count, 0)
  })
})

describe('a sketch', () => {
  it('gives quantiles within its error of a number that was recorded', () => {
    const numbers = fc.array(fc.double({ min: 0.002, max: 1e7, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (recorded, rank) => {
        const sketch = new Sketch()
        for (const number of recorded) sketch.record(number)
        const sorted = recorded.toSorted((one, other) => one - other)
        const exact = sorted[Math.max(1, Math.ceil(rank * sorted.length)) - 1] ?? Number.NaN
        const error = Math.abs(sketch.quantile(rank) - exact) / exact
        assert.ok(error <= RELATIVE_ERROR + 1e-9, `${sketch.quantile(rank)} for ${exact}`)
      }),
    )
  })

  it('takes any number without growing', () => {
    const sketch = new Sketch()
    for (const number of [0, -5, 1e300, 1e-300, Number.MAX_VALUE]) sketch.record(number)
    assert.equal(sketch.count, 5)
    const counts = [...sketch.buckets()].map(([, count]) => count)
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      5,
    )
  })
})

describe('the registry', () => {
  it('gives the same instrument for the same labels', () => {
    const registry = new MetricRegistry()
    assert.equal(registry.counter(REQUESTS), registry.counter(REQUESTS))
    const one = registry.counter(BY_PATH, { path: '/a' })
    assert.equal(registry.counter(BY_PATH, { path: '/a' }), one)
    assert.notEqual(registry.counter(BY_PATH, { path: '/b' }), one)
  })

  it('tells an interval of what happened in it and of nothing else', () => {
    const registry = new MetricRegistry()
    registry.counter(REQUESTS).increment()
    registry.gauge(MEMBERS).set(3)
    registry.gauge(BY_KIND, { kind: 'a' }).set(1)
    registry.sample(LATENCY).record(4)
    const first = registry.rotate(instant(10))
    assert.deepEqual(
      first.counters.map(({ series, aggregate }) => [series.definition.name, aggregate.sum]),
      [['rpc.request', 1]],
    )
    assert.deepEqual(
      first.gauges.map(({ series, value }) => [series.definition.name, value]),
      [
        ['members', 3],
        ['by.kind', 1],
      ],
    )
    assert.equal(first.samples.length, 1)
    const second = registry.rotate(instant(20))
    assert.deepEqual([second.counters.length, second.samples.length], [0, 0])
    assert.deepEqual(
      second.gauges.map(({ series }) => series.definition.name),
      ['members'],
    )
  })

  it('reads what is read before it shows anything, until that ends', () => {
    const registry = new MetricRegistry()
    let value = 0
    const end = registry.onRead(() => registry.gauge(MEMBERS).set(++value))
    assert.equal(registry.rotate(instant(1)).gauges[0]?.value, 1)
    registry.present()
    assert.equal(registry.gauge(MEMBERS).value, 2)
    end()
    registry.present()
    assert.equal(registry.gauge(MEMBERS).value, 2)
  })

  it('counts what has too many sets of labels together, and says so', () => {
    const registry = new MetricRegistry()
    for (let at = 0; at < SERIES_PER_METRIC_MAX + 100; at++) {
      registry.counter(BY_PATH, { path: `/${at}` }).increment()
    }
    const { counters } = registry.rotate(instant(1))
    const others = counters.find(({ series }) => series.labels[0]?.[1] === 'other')
    assert.equal(others?.aggregate.sum, 100)
    assert.equal(registry.counter(TELEMETRY_METRICS.seriesFolded).total, 100)
    const ofPath = counters.filter(({ series }) => series.definition === BY_PATH)
    assert.equal(ofPath.length, SERIES_PER_METRIC_MAX + 1)
  })

  it('shows no gauge that has ended', () => {
    const registry = new MetricRegistry()
    const members: Gauge = registry.gauge(MEMBERS)
    members.set(2)
    members.clear()
    assert.deepEqual(registry.rotate(instant(1)).gauges, [])
  })
})

function near(found: number, wanted: number, scale: number): void {
  assert.ok(Math.abs(found - wanted) <= 1e-9 * scale, `${found} for ${wanted}`)
}
