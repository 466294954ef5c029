/**
 * The telemetry of a process as a whole: its forms, what a reload changes, what is left after a stop.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TelemetryConfig } from '../../../../core/config/model.ts'
import { silentLogger } from '../../../../core/log.ts'
import { counter, gauge } from '../../../../core/metrics/definition.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Telemetry } from '../../../../runtime/metrics/telemetry.ts'

const APPLY = counter('raft.apply', 'Commands')
const PEERS = gauge('raft.peers', 'Peers')

function begin(change: Partial<TelemetryConfig> = {}) {
  const config: TelemetryConfig = {
    prefix: 'consul',
    disableHostname: false,
    filter: { rules: [], default: true },
    prometheusRetentionMs: 60_000,
    statsd: undefined,
    dogstatsd: undefined,
    ...change,
  }
  const clock = new ManualClock()
  const telemetry = new Telemetry({ config, hostname: 'vm-a' }, { clock, log: silentLogger })
  return { config, clock, telemetry }
}

describe('telemetry', () => {
  it('names the host in gauges, in every form', () => {
    const { telemetry } = begin()
    telemetry.metrics.gauge(PEERS).set(3)
    assert.equal(telemetry.lastInterval().Gauges[0]?.Name, 'consul.vm-a.raft.peers')
    assert.match(telemetry.prometheus() ?? '', /^consul_vm_a_raft_peers 3$/m)
    const plain = begin({ disableHostname: true })
    plain.telemetry.metrics.gauge(PEERS).set(3)
    assert.match(plain.telemetry.prometheus() ?? '', /^consul_raft_peers 3$/m)
  })

  it('takes over the filter while it runs', async () => {
    const { config, clock, telemetry } = begin()
    await telemetry.start()
    const names = (): readonly string[] => telemetry.lastInterval().Counters.map(({ Name }) => Name)
    telemetry.metrics.counter(APPLY).increment()
    clock.advance(10_000)
    assert.ok(names().includes('consul.raft.apply'))
    const rules = [{ prefix: 'consul.raft', isAllowed: false }]
    telemetry.reload({ ...config, filter: { rules, default: true } })
    telemetry.metrics.counter(APPLY).increment()
    clock.advance(10_000)
    assert.ok(!names().includes('consul.raft.apply'))
    assert.doesNotMatch(telemetry.prometheus() ?? '', /raft_apply/)
    telemetry.reload(config)
    assert.match(telemetry.prometheus() ?? '', /^consul_raft_apply 2$/m)
    await telemetry.stop()
  })

  it('gives nothing to Prometheus unless something is kept for it', () => {
    assert.equal(begin({ prometheusRetentionMs: 0 }).telemetry.prometheus(), undefined)
  })
})
