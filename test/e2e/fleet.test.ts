/**
 * A fleet: agents that answer from what their servers stream to them, whatever happens to those servers.
 */

import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { describe, it } from 'node:test'
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

async function fleet(): Promise<{
  readonly cluster: TestCluster
  readonly c1: TestNode
  readonly c2: TestNode
}> {
  const cluster = await createCluster(SERVERS)
  const c1 = await cluster.addClient('c1')
  const c2 = await cluster.addClient('c2')
  await cluster.startAll()
  await cluster.leader()
  return { cluster, c1, c2 }
}

describe('an agent that is fed by a server', () => {
  it('misses nothing when that server dies, and is fed by another', async () => {
    const { cluster, c1, c2 } = await fleet()
    await using _ = cluster
    await register(c1, 'web', 1)
    await tells(c2, 'web', [1])
    const first = feeder(cluster, c2)
    await first.kill()
    await register(c1, 'web', 2)
    await c1.put('/v1/agent/check/fail/web-1')
    await tells(c2, 'web', [2])
    assert.notEqual(feeder(cluster, c2).name, first.name)
    await first.start()
    await register(c1, 'web', 3)
    await tells(c2, 'web', [2, 3])
    await tells(first, 'web', [2, 3])
  })
})
