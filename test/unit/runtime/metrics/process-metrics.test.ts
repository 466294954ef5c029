/**
 * Figures of the process: there while it is watched, gone afterwards.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RUNTIME_METRICS } from '../../../../core/metrics/catalogue/runtime.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { ProcessMetrics } from '../../../../runtime/metrics/process-metrics.ts'

describe('the metrics of a process', () => {
  it('show memory and processor time, and never less of the latter', () => {
    const metrics = new MetricRegistry()
    const process = new ProcessMetrics(metrics)
    process.start()
    metrics.present()
    const cpu = metrics.counter(RUNTIME_METRICS.cpuSeconds)
    const before = cpu.total
    assert.ok(before > 0)
    let sum = 0
    for (let at = 0; at < 3e7; at++) sum += at % 7
    assert.ok(sum > 0)
    metrics.present()
    assert.ok(cpu.total > before)
    const alloc = metrics.gauge(RUNTIME_METRICS.allocBytes).value ?? 0
    const total = metrics.gauge(RUNTIME_METRICS.heapTotal).value ?? 0
    assert.ok(alloc > 1_000_000 && alloc <= total)
    process.stop()
    process.stop()
    const after = cpu.total
    metrics.present()
    assert.equal(cpu.total, after)
  })
})
