/**
 * What an agent tells of itself, as those who watch it read it: metrics by name, their text by Prometheus' own
 * checker, and the log by `fairlead monitor`.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { IntervalJson } from '../../core/metrics/interval-json.ts'
import { type PrometheusMetric, parsePrometheus } from '../prometheus/strict-parser.ts'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { eventually, finished, PROGRAM } from './harness/program.ts'

const TELEMETRY = 'telemetry { prometheus_retention_time = "1h" disable_hostname = true }'
/** An interval, and some time to look. */
const INTERVAL_MAX_MS = 15_000

let agent: TestAgent

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a', '-hcl', TELEMETRY] })
})
after(async () => {
  await agent[Symbol.asyncDispose]()
})

async function prometheus(of: TestAgent = agent): Promise<ReadonlyMap<string, PrometheusMetric>> {
  const response = await of.get('/v1/agent/metrics?format=prometheus')
  assert.equal(response.status, 200)
  return parsePrometheus(await response.text())
}

/** Of the series with these labels; 0 where there is none. */
function figureOf(
  metrics: ReadonlyMap<string, PrometheusMetric>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const metric = metrics.get(name.replace(/_(?:count|sum)$/, '')) ?? metrics.get(name)
  const found = metric?.samples.find(
    (sample) =>
      sample.name === name &&
      !sample.labels.has('quantile') &&
      Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value),
  )
  return found?.value ?? 0
}

describe('metrics', () => {
  it('count what was done, each thing once', async () => {
    const before = await prometheus()
    for (let at = 0; at < 5; at++) await agent.put(`/v1/kv/telemetry/${at}`, 'x')
    await agent.put('/v1/txn', [{ KV: { Verb: 'set', Key: 'telemetry/t', Value: 'eA==' } }])
    await agent.put('/v1/catalog/register', { Node: 'ext', Address: '10.0.0.9' })
    await agent.json('/v1/health/service/nothing-of-this-name')
    await agent.put('/v1/session/create', { TTL: '60s', Node: 'vm-a' })
    const done = await prometheus()
    const more = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
      figureOf(done, name, labels) - figureOf(before, name, labels)
    assert.equal(more('consul_kvs_apply_count'), 5)
    assert.equal(more('consul_fsm_kvs_count', { op: 'set' }), 5)
    assert.equal(more('consul_txn_apply_count'), 1)
    assert.equal(more('consul_session_apply_count'), 1)
    assert.equal(more('consul_catalog_register_count'), 1)
    assert.equal(more('consul_api_http_count', { method: 'PUT', path: 'v1_kv_' }), 5)
    assert.equal(more('consul_health_service_query', { service: 'nothing-of-this-name' }), 1)
    assert.equal(more('consul_health_service_not_found', { service: 'nothing-of-this-name' }), 1)
    assert.equal(more('consul_state_kv_entries'), 6)
    assert.equal(more('consul_state_nodes'), 1)
    assert.equal(more('consul_session_ttl_active'), 1)
    assert.ok(more('consul_raft_apply') >= 8)
    assert.ok(more('consul_rpc_request') >= 9)
    assert.ok(more('consul_raft_applied_index') >= 8)
    assert.equal(figureOf(done, 'consul_raft_state_leader'), 1)
    assert.equal(figureOf(done, 'consul_server_isLeader'), 1)
    assert.equal(figureOf(done, 'consul_autopilot_healthy'), 1)
    assert.equal(figureOf(done, 'consul_autopilot_failure_tolerance'), 0)
    assert.ok(figureOf(done, 'consul_mesh_active_root_ca_expiry') > 0)
    assert.ok(figureOf(done, 'consul_runtime_alloc_bytes') > 1_000_000)
    assert.ok(figureOf(done, 'consul_version', { pre_release: '' }) === 1)
  })

  it('are shown as intervals, with the runtime among the gauges', async () => {
    await agent.put('/v1/kv/interval', 'x')
    const seen = await eventually(
      'an interval with the write',
      async () => {
        const { Timestamp, Gauges, Counters, Samples } =
          await agent.json<IntervalJson>('/v1/agent/metrics')
        const apply = Samples.find(({ Name }) => Name === 'consul.kvs.apply')
        return apply === undefined ? undefined : { Timestamp, Gauges, Counters, apply }
      },
      INTERVAL_MAX_MS,
    )
    assert.match(seen.Timestamp, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/)
    assert.ok(seen.apply.Count >= 1 && seen.apply.Min > 0 && seen.apply.Max < 10_000)
    assert.ok(seen.Counters.some(({ Name }) => Name === 'consul.rpc.request'))
    const heap = seen.Gauges.find(({ Name }) => Name === 'consul.runtime.alloc_bytes')
    assert.ok(heap !== undefined && heap.Value > 1_000_000)
  })

  it('are what promtool accepts', async (t) => {
    if (spawnSync('promtool', ['--version']).error !== undefined) {
      t.skip('promtool is not installed (package prometheus): its checks were not made')
      return
    }
    const text = await (await agent.get('/v1/agent/metrics?format=prometheus')).text()
    const { stdout, stderr, status } = spawnSync('promtool', ['check', 'metrics'], { input: text })
    // 3: it would have called some things otherwise, which Consul's names settle.
    assert.ok(status === 0 || status === 3, `${status}: ${stdout}${stderr}`)
    assert.doesNotMatch(String(stderr), /parsing|invalid|unexpected/i)
  })

  it('name the host in gauges, and obey the filter', async () => {
    const filter = 'telemetry { prefix_filter = ["-consul.raft", "+consul.raft.apply"] }'
    await using other = await startAgent({ flags: ['-node=vm-b', '-hcl', filter] })
    const { Gauges, Samples } = await other.json<IntervalJson>('/v1/agent/metrics')
    assert.ok(Gauges.some(({ Name }) => /^consul\.[^.]+\.runtime\.alloc_bytes$/.test(Name)))
    assert.ok(!Gauges.some(({ Name }) => Name.includes('.raft.')))
    assert.ok(!Samples.some(({ Name }) => Name.startsWith('consul.raft.')))
    assert.equal((await other.get('/v1/agent/metrics?format=prometheus')).status, 415)
  })
})

describe('fairlead monitor', () => {
  it('shows the log at its level until it is stopped', async () => {
    const child = spawn(PROGRAM, ['monitor', '-log-level=debug', '-log-json'], {
      env: { ...process.env, CONSUL_HTTP_ADDR: agent.url },
    })
    const ended = finished(child)
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    await eventually('a line of what is done', async () => {
      await agent.put('/v1/agent/reload')
      return shown.includes('"configuration reloaded"') ? true : undefined
    })
    child.kill('SIGINT')
    const { code, stdout } = await ended
    assert.equal(code, 0)
    for (const line of stdout.trimEnd().split('\n')) JSON.parse(line)
  })

  it('says so when the agent ends it', async () => {
    const other = await startAgent()
    const child = spawn(PROGRAM, ['monitor'], {
      env: { ...process.env, CONSUL_HTTP_ADDR: other.url },
    })
    const ended = finished(child)
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    await eventually('it is connected', async () => {
      await other.put('/v1/agent/reload')
      return shown === '' ? undefined : true
    })
    await other[Symbol.asyncDispose]()
    const { code, stderr } = await ended
    assert.equal(code, 1)
    assert.match(stderr, /^Remote side ended the monitor!/)
  })

  it('refuses a level that there is not', async () => {
    const { code, stderr } = await agent.command('monitor', '-log-level=loud')
    assert.equal(code, 1)
    assert.match(stderr, /Unknown log level: loud/)
  })
})
