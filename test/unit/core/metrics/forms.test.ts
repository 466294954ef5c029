/**
 * The forms in which figures leave: names and their filter, the JSON of an interval, the text of Prometheus.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { counter, gauge, sample } from '../../../../core/metrics/definition.ts'
import { intervalJson } from '../../../../core/metrics/interval-json.ts'
import { MetricNaming } from '../../../../core/metrics/naming.ts'
import { prometheusText } from '../../../../core/metrics/prometheus-text.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { instant, wallTime } from '../../../../core/time.ts'
import { parsePrometheus } from '../../../prometheus/strict-parser.ts'

const APPLY = counter('raft.apply', 'Commands')
const TASKS = gauge('runtime.num_goroutines', 'Tasks\nof \\ this')
const HTTP = sample('api.http', 'Latency', ['method', 'path'])
const KINDS = counter('by-kind', 'By kind', ['kind'])

const ALL = { rules: [], default: true }
const PLAIN = new MetricNaming({ prefix: 'consul', host: '', filter: ALL })

describe('names', () => {
  it('carry the prefix, gauges the host as well', () => {
    const naming = new MetricNaming({ prefix: 'consul', host: 'vm.a', filter: ALL })
    assert.equal(naming.nameOf(APPLY), 'consul.raft.apply')
    assert.equal(naming.nameOf(TASKS), 'consul.vm_a.runtime.num_goroutines')
    assert.equal(PLAIN.nameOf(TASKS), 'consul.runtime.num_goroutines')
  })

  it('are let through by the longest rule that fits', () => {
    const rules = [
      { prefix: 'consul.raft', isAllowed: false },
      { prefix: 'consul.raft.apply', isAllowed: true },
      { prefix: 'consul.runtime', isAllowed: false },
    ]
    const naming = new MetricNaming({
      prefix: 'consul',
      host: 'vm-a',
      filter: { rules, default: true },
    })
    assert.equal(naming.nameOf(APPLY), 'consul.raft.apply')
    assert.equal(naming.nameOf(counter('raft.other', '')), undefined)
    assert.equal(naming.nameOf(TASKS), undefined)
    assert.equal(naming.nameOf(HTTP), 'consul.api.http')
    naming.filter = { rules: [], default: false }
    assert.equal(naming.nameOf(HTTP), undefined)
  })
})

describe('the JSON of an interval', () => {
  it('has the fields, order and figures that clients read', () => {
    const registry = new MetricRegistry()
    registry.gauge(TASKS).set(180)
    for (let at = 0; at < 12; at++) registry.counter(APPLY).increment()
    const labels = { method: 'GET', path: 'v1_agent_self' }
    for (const ms of [1.25, 1.5]) registry.sample(HTTP, labels).record(ms)
    const figures = registry.rotate(instant(10_000))
    const startedAt = wallTime(Date.UTC(2026, 0, 10, 12, 0, 10))
    const found = intervalJson({ startedAt, durationMs: 10_000, figures }, PLAIN)
    assert.deepEqual(found, {
      Timestamp: '2026-01-10 12:00:10 +0000 UTC',
      Gauges: [{ Name: 'consul.runtime.num_goroutines', Value: 180, Labels: {} }],
      Points: [],
      Counters: [
        {
          Name: 'consul.raft.apply',
          Count: 12,
          Rate: 1.2,
          Sum: 12,
          Min: 1,
          Max: 1,
          Mean: 1,
          Stddev: 0,
          Labels: {},
        },
      ],
      Samples: [
        {
          Name: 'consul.api.http',
          Count: 2,
          Rate: 0.275,
          Sum: 2.75,
          Min: 1.25,
          Max: 1.5,
          Mean: 1.375,
          Stddev: Math.sqrt(0.03125),
          Labels: labels,
        },
      ],
    })
  })

  it('leaves out what the filter holds back', () => {
    const registry = new MetricRegistry()
    registry.counter(APPLY).increment()
    const naming = new MetricNaming({
      prefix: 'consul',
      host: '',
      filter: { rules: [], default: false },
    })
    const figures = registry.rotate(instant(1))
    const interval = { startedAt: wallTime(0), durationMs: 1, figures }
    assert.deepEqual(intervalJson(interval, naming).Counters, [])
  })
})

describe('the text of Prometheus', () => {
  const text = (registry: MetricRegistry, now = 0, retentionMs = 60_000): string =>
    prometheusText(registry.present(), { naming: PLAIN, now: instant(now), retentionMs })

  it('is exactly this', () => {
    const registry = new MetricRegistry()
    registry.gauge(TASKS).set(180)
    registry.counter(APPLY).add(2.5)
    registry.sample(HTTP, { method: 'GET', path: 'a"b\\c\nd' }).record(1)
    assert.equal(
      text(registry),
      `# HELP consul_api_http Latency
# TYPE consul_api_http summary
consul_api_http{method="GET",path="a\\"b\\\\c\\nd",quantile="0.5"} NaN
consul_api_http{method="GET",path="a\\"b\\\\c\\nd",quantile="0.9"} NaN
consul_api_http{method="GET",path="a\\"b\\\\c\\nd",quantile="0.99"} NaN
consul_api_http_sum{method="GET",path="a\\"b\\\\c\\nd"} 1
consul_api_http_count{method="GET",path="a\\"b\\\\c\\nd"} 1
# HELP consul_raft_apply Commands
# TYPE consul_raft_apply counter
consul_raft_apply 2.5
# HELP consul_runtime_num_goroutines Tasks\\nof \\\\ this
# TYPE consul_runtime_num_goroutines gauge
consul_runtime_num_goroutines 180
# HELP consul_telemetry_series_folded Look-ups of a series that were counted as \`other\`, because its metric has too many sets of labels
# TYPE consul_telemetry_series_folded counter
consul_telemetry_series_folded 0
`,
    )
  })

  it('shows the quantiles of the last interval and the sum of all', () => {
    const registry = new MetricRegistry()
    const latency = registry.sample(HTTP, { method: 'GET', path: 'p' })
    for (let ms = 1; ms <= 100; ms++) latency.record(ms)
    registry.rotate(instant(1))
    const metric = parsePrometheus(text(registry)).get('consul_api_http')
    const median = metric?.samples.find(({ labels }) => labels.get('quantile') === '0.5')
    assert.ok(median !== undefined && Math.abs(median.value - 50) < 2.5, `${median?.value}`)
    assert.equal(metric?.samples.find(({ name }) => name.endsWith('_sum'))?.value, 5050)
  })

  it('leaves out series with labels that are idle for longer than they are kept', () => {
    const registry = new MetricRegistry()
    registry.counter(KINDS, { kind: 'a' }).increment()
    registry.counter(APPLY).increment()
    registry.rotate(instant(1_000))
    assert.match(text(registry, 61_000), /consul_by_kind\{kind="a"\} 1\n/)
    assert.doesNotMatch(text(registry, 61_001), /consul_by_kind/)
    assert.match(text(registry, 61_001), /consul_raft_apply 1\n/)
    registry.counter(KINDS, { kind: 'a' }).increment()
    registry.rotate(instant(70_000))
    assert.match(text(registry, 70_000), /consul_by_kind\{kind="a"\} 2\n/)
  })

  it('is what a strict reader takes, whatever the labels', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary' })), (kinds) => {
        const registry = new MetricRegistry()
        for (const kind of kinds) registry.counter(KINDS, { kind }).increment()
        const read = parsePrometheus(text(registry)).get('consul_by_kind')?.samples ?? []
        assert.deepEqual(
          read.map(({ labels }) => labels.get('kind')),
          kinds,
        )
      }),
    )
  })
})
