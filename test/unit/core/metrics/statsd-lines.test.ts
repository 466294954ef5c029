/**
 * What StatsD and DogStatsD servers are told.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { counter, gauge, sample } from '../../../../core/metrics/definition.ts'
import { MetricNaming } from '../../../../core/metrics/naming.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { statsdLines } from '../../../../core/metrics/statsd-lines.ts'
import { instant, wallTime } from '../../../../core/time.ts'

const APPLY = counter('raft.apply', 'Commands')
const LOAD = gauge('load', 'Load')
const HTTP = sample('api.http', 'Latency', ['path'])

const naming = new MetricNaming({
  prefix: 'consul',
  host: 'vm-a',
  filter: { rules: [{ prefix: 'consul.hidden', isAllowed: false }], default: true },
})

function linesOf(fill: (registry: MetricRegistry) => void, tags?: readonly string[]): string[] {
  const registry = new MetricRegistry()
  fill(registry)
  const figures = registry.rotate(instant(1))
  return [...statsdLines({ startedAt: wallTime(0), durationMs: 10_000, figures }, { naming, tags })]
}

describe('lines for a StatsD server', () => {
  it('are of its three types, with labels in the name', () => {
    const lines = linesOf((registry) => {
      registry.counter(APPLY).add(2.5)
      registry.gauge(LOAD).set(-1)
      registry.sample(HTTP, { path: 'v1:kv|x y' }).record(1_000)
    })
    assert.deepEqual(lines.slice(0, 3), [
      'consul.vm-a.load:0|g',
      'consul.vm-a.load:-1|g',
      'consul.raft.apply:2.5|c',
    ])
    assert.match(lines[3] ?? '', /^consul\.api\.http\.v1_kv_x_y:\d+(?:\.\d+)?\|ms$/)
    assert.equal(lines.length, 4)
  })

  it('tell as many numbers as were recorded, about as large', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 }), (numbers) => {
        const lines = linesOf((registry) => {
          const latency = registry.sample(HTTP, { path: 'p' })
          for (const number of numbers) latency.record(number)
        })
        let count = 0
        let sum = 0
        for (const line of lines) {
          const [, value, , rate] = /:([\d.e+]+)\|(ms)(?:\|@([\d.e-]+))?$/.exec(line) ?? []
          const times = Math.round(1 / Number(rate ?? 1))
          count += times
          sum += times * Number(value)
        }
        const wanted = numbers.reduce((total, number) => total + number, 0)
        assert.equal(count, numbers.length)
        assert.ok(Math.abs(sum - wanted) <= 0.026 * wanted, `${sum} for ${wanted}`)
      }),
    )
  })

  it('hold nothing that the filter holds back', () => {
    const lines = linesOf((registry) => registry.counter(counter('hidden', 'Hidden')).increment())
    assert.deepEqual(lines, [])
  })
})

describe('lines for a DogStatsD server', () => {
  it('carry labels as tags, after those of the configuration', () => {
    const lines = linesOf(
      (registry) => registry.counter(counter('c', 'C', ['kind']), { kind: 'a,b' }).increment(),
      ['env:prod'],
    )
    assert.deepEqual(lines, ['consul.c:1|c|#env:prod,kind:a_b'])
  })
})
