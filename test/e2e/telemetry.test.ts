/**
 * What an agent tells of itself, as those who watch it read it: metrics by name, and the log by `fairlead monitor`. What
 * Prometheus' own programs make of their text is in test/clients/prometheus.test.ts.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
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
    await using other = await startAgent()
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

describe('profiles', () => {
  it('show the use of the processor and of memory, where debugging is on', async () => {
    const profile = await agent.json<{ nodes: unknown[]; samples: unknown[] }>(
      '/debug/pprof/profile?seconds=0.2',
    )
    assert.ok(profile.nodes.length > 0 && profile.samples.length > 0)
    const heap = await agent.json<{ heap: { used_heap_size: number }; spaces: unknown[] }>(
      '/debug/pprof/heap',
    )
    assert.ok(heap.heap.used_heap_size > 1_000_000 && heap.spaces.length > 0)
    assert.equal((await agent.get('/debug/pprof/goroutine')).status, 404)
    const wrong = await agent.get('/debug/pprof/profile?seconds=-1')
    assert.equal(wrong.status, 400)
  })

  it('are taken one at a time', async () => {
    const first = agent.get('/debug/pprof/profile?seconds=1')
    const second = await eventually('it is refused', async () => {
      const answer = await agent.get('/debug/pprof/profile?seconds=0.01')
      return answer.status === 200 ? undefined : answer
    })
    assert.match(await second.text(), /already being taken/)
    assert.equal((await first).status, 200)
  })

  it('are 404 where it is off', async () => {
    await using other = await startAgent({ flags: ['-hcl', 'enable_debug = false'] })
    for (const name of ['profile?seconds=1', 'heap']) {
      assert.equal((await other.get(`/debug/pprof/${name}`)).status, 404)
    }
  })
})

describe('fairlead debug', () => {
  it('gathers everything into an archive that tar reads', async () => {
    const output = join(agent.folder, 'capture')
    // Metrics come every ten seconds: there is one interval in it, whenever it begins.
    const { code, stdout, stderr } = await agent.command(
      'debug',
      '-duration=14s',
      '-interval=10s',
      `-output=${output}`,
    )
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    assert.match(stdout, /Saved debug archive: .*capture\.tar\.gz\n$/)
    const listed = spawnSync('tar', ['-tzf', `${output}.tar.gz`], { encoding: 'utf8' })
    assert.equal(listed.status, 0, listed.stderr)
    assert.deepEqual(listed.stdout.trim().split('\n'), [
      'capture/0/heap.json',
      'capture/1/heap.json',
      'capture/agent.json',
      'capture/consul.log',
      'capture/host.json',
      'capture/index.json',
      'capture/members.json',
      'capture/metrics.json',
      'capture/profile.cpuprofile',
    ])
    const member = (name: string): string =>
      spawnSync('tar', ['-xzOf', `${output}.tar.gz`, `capture/${name}`], {
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      }).stdout
    assert.equal(JSON.parse(member('agent.json')).Config.NodeName, 'vm-a')
    assert.equal(JSON.parse(member('members.json'))[0].Name, 'vm-a')
    assert.deepEqual(JSON.parse(member('index.json')).Problems, [])
    assert.ok(JSON.parse(member('profile.cpuprofile')).nodes.length > 0)
    assert.match(member('metrics.json'), /^\{\n {4}"Timestamp"/)
    assert.ok(!existsSync(output))
    assert.equal(statSync(`${output}.tar.gz`).mode & 0o777, 0o600)
  })

  it('keeps what it has when it is interrupted, and can leave the folder as it is', async (t) => {
    const output = join(agent.folder, 'cut')
    const argv = ['debug', `-output=${output}`, '-archive=false', '-capture=agent', '-capture=logs']
    const child = spawn(PROGRAM, argv, { env: { ...process.env, CONSUL_HTTP_ADDR: agent.url } })
    t.after(() => child.kill('SIGKILL'))
    const ended = finished(child)
    await eventually('a line of the log', async () => {
      await agent.put('/v1/agent/reload')
      return existsSync(join(output, 'consul.log')) ? true : undefined
    })
    child.kill('SIGINT')
    assert.equal((await ended).code, 0)
    assert.deepEqual(readdirSync(output).sort(), ['agent.json', 'consul.log', 'index.json'])
  })

  it('refuses what it cannot do', async () => {
    for (const [flag, wanted] of [
      ['-duration=5s', /-duration must be at least 10s/],
      ['-interval=x', /"x" is not a duration/],
      ['-capture=cluster', /Unknown capture "cluster"/],
      [`-output=${join(agent.folder, 'no', 'such')}`, /Cannot make the folder/],
    ] as const) {
      const { code, stderr } = await agent.command('debug', flag)
      assert.equal(code, 1)
      assert.match(stderr, wanted)
    }
  })
})
