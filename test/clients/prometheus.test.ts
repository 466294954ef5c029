/**
 * Prometheus, compiled with no other discovery than Consul's, finds targets in an agent's catalog, scrapes them, labels
 * them and drops them; promtool, its checker, reads the metrics of an agent.
 */

import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { eventually, runCommand } from '../e2e/harness/program.ts'
import { startPeer } from './harness/peer-process.ts'
import { goProgram } from './harness/peers.ts'

/** Prometheus takes changes over every five seconds. */
const FOLLOW_MAX_MS = 60_000
const TELEMETRY = 'telemetry { prometheus_retention_time = "1h" disable_hostname = true }'

interface Target {
  readonly labels: Readonly<Record<string, string>>
  readonly discoveredLabels: Readonly<Record<string, string>>
  readonly scrapePool: string
  readonly health: 'up' | 'down' | 'unknown'
}

describe('Prometheus', () => {
  it('finds targets by consul_sd_configs, and drops them', async (t) => {
    const program = await peer(t, 'prometheus')
    if (program === undefined) return
    await using agent = await startAgent({ flags: ['-node=vm-a', '-node-meta=rack:r1'] })
    await using application = await startApplication()
    await using prometheus = await startPrometheus(program, agent)
    const web = { Name: 'web', Address: '127.0.0.1', Port: application.port }
    const first = { ...web, ID: 'web-1', Tags: ['v1', 'canary'], Meta: { team: 'shop' } }
    const check = { TTL: '10m', Status: 'passing' }
    await agent.put('/v1/agent/service/register', { ...first, Check: check })
    await agent.put('/v1/agent/service/register', { ...web, ID: 'web-2', Tags: ['v1'] })
    await prometheus.follows('all', ['web-1 up passing', 'web-2 up passing'])
    await prometheus.follows('canaries', ['web-1 up passing'])
    const [target] = await prometheus.targets('canaries')
    assert.ok(target !== undefined)
    const meta = Object.entries(target.discoveredLabels)
      .filter(([name]) => name.startsWith('__meta_consul_'))
      .map(([name, value]) => [name.slice('__meta_consul_'.length), value])
    const expected = {
      address: '127.0.0.1',
      dc: 'dc1',
      health: 'passing',
      metadata_rack: 'r1',
      node: 'vm-a',
      service: 'web',
      service_address: '127.0.0.1',
      service_id: 'web-1',
      service_metadata_team: 'shop',
      service_port: `${application.port}`,
      tagged_address_lan: '127.0.0.1',
      tags: ',v1,canary,',
    }
    const told = Object.fromEntries(meta)
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((name) => [name, told[name]])),
      expected,
    )
    await agent.put('/v1/agent/check/fail/service:web-1')
    await prometheus.follows('all', ['web-1 up critical', 'web-2 up passing'])
    await agent.put('/v1/agent/service/deregister/web-2')
    await prometheus.follows('all', ['web-1 up critical'])
    await agent.put('/v1/agent/service/deregister/web-1')
    await prometheus.follows('all', [])
    await prometheus.follows('canaries', [])
  })

  it('scrapes the metrics of the agent itself', async (t) => {
    const program = await peer(t, 'prometheus')
    if (program === undefined) return
    await using agent = await startAgent({ flags: ['-node=vm-a', '-hcl', TELEMETRY] })
    await using prometheus = await startPrometheus(program, agent)
    for (let at = 0; at < 7; at++) await agent.put(`/v1/kv/scraped/${at}`, 'x')
    for (const [expression, wanted] of [
      ['consul_kvs_apply_count', '7'],
      ['consul_fsm_kvs_count{op="set"}', '7'],
      ['consul_api_http_count{method="PUT",path="v1_kv_"}', '7'],
      ['consul_server_isLeader', '1'],
      ['up{job="fairlead"}', '1'],
    ] as const) {
      await eventually(
        `${expression} is ${wanted}`,
        async () => (await prometheus.query(expression)) === wanted,
        FOLLOW_MAX_MS,
      )
    }
    const [target] = await prometheus.targets('fairlead')
    assert.equal(target?.health, 'up')
  })

  it('finds nothing wrong with their text by its own checker', async (t) => {
    const program = await peer(t, 'promtool')
    if (program === undefined) return
    await using agent = await startAgent({ flags: ['-node=vm-a', '-hcl', TELEMETRY] })
    const stdin = await (await agent.get('/v1/agent/metrics?format=prometheus')).text()
    const checked = await runCommand(['check', 'metrics'], { program, stdin })
    const { code, stdout, stderr } = checked
    // 3: it would have called some things otherwise, which Consul's names settle.
    assert.ok(code === 0 || code === 3, `${code}: ${stdout}${stderr}`)
    assert.doesNotMatch(stderr, /parsing|invalid|unexpected/i)
  })
})

function peer(t: TestContext, name: 'prometheus' | 'promtool'): Promise<string | undefined> {
  return goProgram(t, {
    folder: 'prometheus',
    package: `github.com/prometheus/prometheus/cmd/${name}`,
    tags: ['remove_all_sd', 'enable_consul_sd'],
  })
}

async function startApplication(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4').end('app_requests_total 7\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function configuration(agent: TestAgent): string {
  const discovery = `server: "127.0.0.1:${agent.ready.http}", refresh_interval: 1s`
  const keep = 'source_labels: [__meta_consul_service], regex: web, action: keep'
  // The instances share an address: without a label of their own they were one target.
  const tell = 'source_labels: [__meta_consul_service_id], target_label: instance'
  return `
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: all
    consul_sd_configs: [{ ${discovery} }]
    relabel_configs: [{ ${keep} }, { ${tell} }]
  - job_name: canaries
    consul_sd_configs:
      - { ${discovery}, services: [web], tags: [v1], node_meta: { rack: r1 }, health_filter: 'Service.Tags contains "canary"' }
  - job_name: fairlead
    metrics_path: /v1/agent/metrics
    params: { format: [prometheus] }
    static_configs: [{ targets: ["127.0.0.1:${agent.ready.http}"] }]
`
}

interface Prometheus extends AsyncDisposable {
  /** Value of the one series that an expression selects; '' for none. */
  query(expression: string): Promise<string>
  targets(pool: string): Promise<readonly Target[]>
  /** Waits until it has exactly these targets: id, health of the scrape, health in the catalog. */
  follows(pool: string, wanted: readonly string[]): Promise<void>
}

async function startPrometheus(program: string, agent: TestAgent): Promise<Prometheus> {
  const folder = await temporaryFolder()
  const file = join(folder, 'prometheus.yml')
  await writeFile(file, configuration(agent))
  const own = [`--storage.tsdb.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0']
  const child = startPeer(program, [`--config.file=${file}`, ...own], { cwd: folder })
  const stop = async (): Promise<void> => {
    await child[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  const address = await eventually('Prometheus listens', () => {
    return /msg="Listening on" .*address=(127\.0\.0\.1:\d+)/.exec(child.output())?.[1]
  }).catch(async (err: unknown) => {
    await stop()
    throw new Error(child.output(), { cause: err })
  })
  const targets = async (pool: string): Promise<readonly Target[]> => {
    const response = await fetch(`http://${address}/api/v1/targets?scrapePool=${pool}`)
    const { data } = (await response.json()) as {
      readonly data: { readonly activeTargets: readonly Target[] }
    }
    return data.activeTargets
  }
  const follows = async (pool: string, wanted: readonly string[]): Promise<void> => {
    let last: readonly string[] = []
    await eventually(
      `${pool} has ${wanted.join(', ')}`,
      async () => {
        last = (await targets(pool)).map(told).sort()
        return JSON.stringify(last) === JSON.stringify(wanted)
      },
      FOLLOW_MAX_MS,
    ).catch((err: unknown) => {
      throw new Error(`${pool} has ${last.join(', ')}\n${child.output()}`, { cause: err })
    })
  }
  const query = async (expression: string): Promise<string> => {
    const asked = encodeURIComponent(expression)
    const response = await fetch(`http://${address}/api/v1/query?query=${asked}`)
    const { data } = (await response.json()) as {
      readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
    }
    return data.result[0]?.value[1] ?? ''
  }
  return { query, targets, follows, [Symbol.asyncDispose]: stop }
}

function told({ discoveredLabels, health }: Target): string {
  const label = (name: string): string => discoveredLabels[`__meta_consul_${name}`] ?? '-'
  return `${label('service_id')} ${health} ${label('health')}`
}
