/**
 * A fleet: agents that answer from what their servers stream to them, whatever happens to those servers.
 */

import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { describe, it } from 'node:test'
import type { IntervalJson } from '../../core/metrics/interval-json.ts'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

const SERVERS = ['n1', 'n2', 'n3']

/** Ports of the healthy instances, as the agent's DNS tells them. */
async function ports(agent: TestNode, service: string): Promise<readonly number[]> {
  const resolver = new Resolver({ timeout: 2000, tries: 1 })
  resolver.setServers([`127.0.0.1:${agent.ports.dns}`])
  try {
    const records = await resolver.resolveSrv(`${service}.service.consul`)
    return records.map(({ port }) => port).sort((a, b) => a - b)
  } catch {
    return []
  }
}

async function tells(agent: TestNode, service: string, wanted: readonly number[]): Promise<void> {
  await eventually(
    `${agent.name} tells of ${service} at ${wanted.join()}`,
    async () => {
      const found = await ports(agent, service)
      return found.join() === wanted.join()
    },
    30_000,
  )
}

async function register(agent: TestNode, service: string, port: number): Promise<void> {
  const response = await agent.put('/v1/agent/service/register', {
    Name: service,
    ID: `${service}-${port}`,
    Port: port,
    Check: { CheckID: `${service}-${port}`, TTL: '1h', Status: 'passing' },
  })
  assert.equal(response.status, 200, await response.text())
}

/** Which server feeds it, by its log. */
function feeder(cluster: TestCluster, agent: TestNode): TestNode {
  const lines = agent.output.split('\n').filter((line) => line.includes('fed by a server'))
  const peer = /127\.0\.0\.1:\d+/.exec(lines.at(-1) ?? '')?.[0]
  const found = [...cluster.nodes.values()].find((node) => node.rpcAddress === peer)
  assert(found !== undefined, `${agent.name} is fed by nobody:\n${agent.output}`)
  return found
}

async function fleet(clients: number): Promise<{
  readonly cluster: TestCluster
  readonly agents: readonly TestNode[]
}> {
  const cluster = await createCluster(SERVERS)
  const agents: TestNode[] = []
  for (let i = 1; i <= clients; i++) agents.push(await cluster.addClient(`c${i}`))
  await cluster.startAll()
  await cluster.leader()
  return { cluster, agents }
}

/** An interval is shown when it is over: what has just happened comes with the next. */
async function isCounted(agent: TestNode): Promise<void> {
  const whole = (name: string) => new RegExp(`^consul\\.(.+\\.)?${name.replace('.', '\\.')}$`)
  await eventually(
    `${agent.name} counts how it was fed`,
    async () => {
      const { Gauges, Counters } = await agent.json<IntervalJson>('/v1/agent/metrics')
      const gauge = (name: string) => Gauges.find(({ Name }) => whole(name).test(Name))?.Value
      const hasChanges = Counters.some(({ Name }) => whole('feed.changes').test(Name))
      return hasChanges && (gauge('view.open') ?? 0) > 0 && gauge('feed.index_lag') === 0
    },
    30_000,
  )
}

describe('an agent that is fed by a server', () => {
  it('misses nothing when that server dies or stalls, and is fed by another', async () => {
    const { cluster, agents } = await fleet(2)
    await using _ = cluster
    const [c1, c2] = agents
    assert(c1 !== undefined && c2 !== undefined)
    await register(c1, 'web', 1)
    await tells(c2, 'web', [1])
    const first = feeder(cluster, c2)
    await first.kill()
    await register(c1, 'web', 2)
    await c1.put('/v1/agent/check/fail/web-1')
    await tells(c2, 'web', [2])
    const second = feeder(cluster, c2)
    assert.notEqual(second.name, first.name)
    await first.start()
    await register(c1, 'web', 3)
    await tells(c2, 'web', [2, 3])
    await tells(first, 'web', [2, 3])
    const third = feeder(cluster, c2)
    third.signal('SIGSTOP')
    await register(c1, 'web', 4)
    await tells(c2, 'web', [2, 3, 4])
    assert.notEqual(feeder(cluster, c2).name, third.name)
    third.signal('SIGCONT')
    await isCounted(c2)
  })

  it('answers without any server, also after a restart, and drops hosts that fail', async () => {
    const { cluster, agents } = await fleet(3)
    await using _ = cluster
    const [c1, c2, c3] = agents
    assert(c1 !== undefined && c2 !== undefined && c3 !== undefined)
    for (const [i, agent] of agents.entries()) {
      await register(agent, 'web', i + 1)
      // What was reported outlives the agent; the status of a registration alone does not.
      await agent.put(`/v1/agent/check/pass/web-${i + 1}`)
    }
    await tells(c1, 'web', [1, 2, 3])
    const path = '/v1/health/service/web?passing'
    const fresh = await fetch(`${c1.url}${path}&cached`)
    assert.equal(fresh.headers.get('x-consul-knownleader'), 'true')
    assert.equal(fresh.headers.get('x-cache'), 'HIT')
    assert.equal(fresh.headers.get('x-consul-query-backend'), 'streaming')
    await Promise.all(SERVERS.map((name) => cluster.node(name).kill()))
    await tells(c1, 'web', [1, 2, 3])
    const stale = await fetch(`${c1.url}${path}`)
    assert.equal(stale.status, 200)
    assert.equal(stale.headers.get('x-consul-knownleader'), 'false')
    assert.equal(stale.headers.get('x-consul-effective-consistency'), 'stale')
    assert.ok(Number(stale.headers.get('x-consul-lastcontact')) > 0)
    const entries = (await stale.json()) as readonly unknown[]
    assert.equal(entries.length, 3)
    assert.equal((await fetch(`${c1.url}${path}&consistent`)).status, 500)
    await c1.kill()
    await c1.start()
    await tells(c1, 'web', [1, 2, 3])
    await c3.kill()
    await tells(c1, 'web', [1, 2])
    await Promise.all(SERVERS.map((name) => cluster.node(name).start()))
    await cluster.leader()
    await register(c2, 'web', 5)
    await tells(c1, 'web', [1, 2, 5])
  })
})

interface CatalogCheck {
  readonly CheckID: string
  readonly Status: string
  readonly Output: string
}

interface CatalogNode {
  readonly Services: Readonly<Record<string, unknown>>
}

describe('what runs on a host', () => {
  it('is repaired in the catalog either way, survives a restart, and fails with its host', async () => {
    const { cluster, agents } = await fleet(1)
    await using _ = cluster
    const [c1] = agents
    const server = await cluster.leader()
    assert(c1 !== undefined)
    await register(c1, 'web', 1)
    await c1.put('/v1/agent/check/warn/web-1?note=slow')
    const created = await c1.put('/v1/session/create', { Node: 'c1', Checks: ['serfHealth'] })
    const { ID: session } = (await created.json()) as { readonly ID: string }
    const acquired = await c1.put(`/v1/kv/lock?acquire=${session}`, 'mine')
    assert.equal(await acquired.text(), 'true')
    const checks = (): Promise<readonly CatalogCheck[]> => server.json('/v1/health/node/c1')
    const services = async (): Promise<readonly string[]> =>
      Object.keys((await server.json<CatalogNode>('/v1/catalog/node/c1')).Services)
    await server.put('/v1/catalog/deregister', { Node: 'c1', ServiceID: 'web-1' })
    await server.put('/v1/catalog/register', {
      Node: 'c1',
      Address: '127.0.0.1',
      SkipNodeUpdate: true,
      Service: { Service: 'ghost', ID: 'ghost' },
    })
    assert.deepEqual(await services(), ['ghost'])
    await c1.kill()
    await c1.start()
    await eventually('the catalog says what runs on the host', async () => {
      return (await services()).join() === 'web-1'
    })
    const check = (await checks()).find(({ CheckID }) => CheckID === 'web-1')
    assert.deepEqual([check?.Status, check?.Output], ['warning', 'slow'])
    await c1.kill()
    await eventually('the host has failed', async () => {
      return (await checks()).find(({ CheckID }) => CheckID === 'serfHealth')?.Status === 'critical'
    })
    assert.deepEqual(await services(), ['web-1'], 'its services stay, for it may come back')
    assert.deepEqual(await server.json(`/v1/session/info/${session}`), [])
    const [lock] = await server.json<readonly { Session?: string }[]>('/v1/kv/lock')
    assert.equal(lock?.Session, undefined, 'what it held is free')
  })
})
