/**
 * Watching the calls of a server API: what the observer learns, what a server counts of it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { SERVER_METRICS } from '../../../../core/metrics/catalogue/server.ts'
import { TELEMETRY_METRICS } from '../../../../core/metrics/catalogue/telemetry.ts'
import { MetricRegistry, SERIES_PER_METRIC_MAX } from '../../../../core/metrics/registry.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { ObservedServerApi } from '../../../../runtime/rpc/observed-server-api.ts'
import { countRequests } from '../../../../server/api/request-metrics.ts'

/** Answers reads with a list; refuses every write. */
function target(clock: ManualClock, list: readonly unknown[]): ServerApi {
  const api = {
    read: async () => {
      clock.advance(5)
      return { value: list, index: 1, knownLeader: true, lastContactMs: 0 }
    },
    write: async () => {
      throw new FairleadError('BUSY', 'later')
    },
    status: async () => ({ leader: '', peers: [], raft: {}, isLeader: false }),
  }
  return api as unknown as ServerApi
}

describe('requests of agents', () => {
  it('are counted and timed by method, failures apart', async () => {
    const clock = new ManualClock()
    const metrics = new MetricRegistry()
    const api = new ObservedServerApi(target(clock, []), countRequests(metrics, clock))
    await api.read('health.service', { service: 'web' })
    await api.read('kv.list', { prefix: '' }, { consistency: 'consistent' })
    await api.status()
    await assert.rejects(api.write({ kind: 'noop' }), { code: 'BUSY' })
    assert.equal(metrics.counter(SERVER_METRICS.request).total, 4)
    assert.equal(metrics.counter(SERVER_METRICS.query).total, 3)
    assert.equal(metrics.counter(SERVER_METRICS.requestError).total, 1)
    assert.equal(metrics.counter(SERVER_METRICS.healthQuery, { service: 'web' }).total, 1)
    assert.equal(metrics.counter(SERVER_METRICS.healthNotFound, { service: 'web' }).total, 1)
    assert.equal(metrics.sample(SERVER_METRICS.consistentRead).totalCount, 1)
    const call = (method: string, errored: string, type: string) =>
      metrics.sample(SERVER_METRICS.call, { method, errored, request_type: type })
    assert.equal(call('health.service', 'false', 'read').totalSum, 5)
    assert.equal(call('noop', 'true', 'write').totalCount, 1)
  })

  it('that wait for a change are not timed', async () => {
    const clock = new ManualClock()
    const metrics = new MetricRegistry()
    const api = new ObservedServerApi(target(clock, [1]), countRequests(metrics, clock))
    await api.read('health.service', { service: 'web' }, { minIndex: 7 })
    assert.equal(metrics.counter(SERVER_METRICS.request).total, 1)
    assert.equal(metrics.counter(SERVER_METRICS.healthNotFound, { service: 'web' }).total, 0)
    assert.equal(metrics.rotate(clock.now()).samples.length, 0)
  })

  it('are told apart by service up to the bound of the registry, and counted together beyond', async () => {
    const clock = new ManualClock()
    const metrics = new MetricRegistry()
    const api = new ObservedServerApi(target(clock, [1]), countRequests(metrics, clock))
    const ask = (n: number) => api.read('health.service', { service: `web-${n}` })
    for (let n = 0; n < SERIES_PER_METRIC_MAX + 2; n++) await ask(n)
    for (const n of [0, SERIES_PER_METRIC_MAX]) await ask(n)
    const of = (service: string) => metrics.counter(SERVER_METRICS.healthQuery, { service }).total
    assert.deepEqual([of('web-0'), of('web-1'), of('other')], [2, 1, 3])
    assert.equal(metrics.counter(TELEMETRY_METRICS.seriesFolded).total, 3)
  })
})
