/**
 * Clusters of real servers: they form, survive the death of a leader, are restarted under load, grow, shrink and
 * serve client agents.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

interface RaftServer {
  readonly ID: string
  readonly Node: string
  readonly Address: string
  readonly Voter: boolean
  readonly Leader: boolean
}

async function raftServers(node: TestNode): Promise<readonly RaftServer[]> {
  const { Servers } = await node.json<{ Servers: readonly RaftServer[] }>(
    '/v1/operator/raft/configuration',
  )
  return Servers
}

async function votersOf(node: TestNode): Promise<readonly string[]> {
  return (await raftServers(node))
    .filter(({ Voter }) => Voter)
    .map(({ Node }) => Node)
    .sort()
}

async function write(node: TestNode, key: string, value: string): Promise<void> {
  const response = await node.put(`/v1/kv/${key}`, value)
  assert.equal(await response.text(), 'true', `${node.name}: ${key}`)
}

/** A client that knows all servers and repeats what may be repeated, as the API says. */
class Writer {
  readonly acknowledged: string[] = []
  /** Answers that a client of this API must not get. */
  readonly wrong: string[] = []
  readonly #cluster: TestCluster
  readonly #name: string
  #isStopped = false
  #running: Promise<void> = Promise.resolve()

  constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster
    this.#name = name
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    const nodes = [...this.#cluster.nodes.values()]
    for (let n = 0; !this.#isStopped; n++) {
      const key = `load/${this.#name}/${n}`
      let tries = n
      await eventually(
        `${key} is written`,
        () => {
          const node = nodes[tries++ % nodes.length]
          return node !== undefined && this.#wrote(node, key)
        },
        30_000,
      )
      this.acknowledged.push(key)
    }
  }

  async #wrote(node: TestNode, key: string): Promise<boolean> {
    let response: Response
    let text: string
    try {
      response = await node.put(`/v1/kv/${key}`, key)
      text = await response.text()
    } catch {
      return false // Not connected, or cut while the server went: a set may be repeated.
    }
    if (response.status === 200) return text === 'true'
    const code = response.headers.get('x-fairlead-error') ?? ''
    const isRepeatable = ['NO_LEADER', 'BUSY', 'SHUTTING_DOWN', 'OUTCOME_UNKNOWN'].includes(code)
    if (!isRepeatable) this.wrong.push(`${node.name}: ${response.status} ${code} ${text}`)
    return false
  }
}

describe('a cluster of three servers', () => {
  it('forms in any order, and serves reads and writes on every server', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    for (const name of ['n3', 'n1', 'n2']) await cluster.node(name).start()
    await cluster.leader()
    for (const node of cluster.running) {
      await write(node, `from/${node.name}`, node.name)
      for (const reader of cluster.running) {
        assert.equal(await reader.value(`from/${node.name}`), node.name)
        assert.equal(await reader.value(`from/${node.name}`, 'consistent'), node.name)
      }
    }
    assert.deepEqual(await votersOf(cluster.node('n1')), ['n1', 'n2', 'n3'])
    const members = await cluster.node('n2').json<readonly { Name: string }[]>('/v1/agent/members')
    assert.deepEqual(members.map(({ Name }) => Name).sort(), ['n1', 'n2', 'n3'])
    await eventually('every server is in the catalog, passing', async () => {
      const path = '/v1/health/service/consul?passing'
      const found = await cluster.node('n3').json<readonly unknown[]>(path)
      return found.length === 3
    })
  })

  it('goes on when the leader is killed, and takes it back', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    await cluster.startAll()
    const leader = await cluster.leader()
    await write(leader, 'before', '1')
    await leader.kill()
    // Held while there is no leader, on whichever server.
    await Promise.all(cluster.running.map((node) => write(node, `during/${node.name}`, '2')))
    const next = await cluster.leader()
    assert.notEqual(next.name, leader.name)
    assert.equal(await next.value('before'), '1')
    await leader.start()
    await eventually('the old leader follows', async () => {
      return (await leader.leaderAddress()) === next.rpcAddress
    })
    for (const name of cluster.running.map((node) => node.name)) {
      if (name === leader.name) continue
      assert.equal(await leader.value(`during/${name}`), '2')
    }
    await write(leader, 'after', '3')
    assert.equal(await next.value('after'), '3')
  })

  it('is restarted server by server under load without losing a write', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    await cluster.startAll()
    await cluster.leader()
    const writers = ['a', 'b', 'c', 'd'].map((name) => new Writer(cluster, name))
    for (const writer of writers) writer.start()
    const written = (): number =>
      writers.reduce((sum, writer) => sum + writer.acknowledged.length, 0)
    for (const name of ['n1', 'n2', 'n3']) {
      const node = cluster.node(name)
      assert.equal(await node.stop(), 0)
      await node.start()
      await cluster.leader()
      const before = written()
      await eventually('writes go on', () => written() > before + 50, 30_000)
    }
    await Promise.all(writers.map((writer) => writer.stop()))
    assert.deepEqual(
      writers.flatMap((writer) => writer.wrong),
      [],
    )
    for (const node of cluster.running) {
      const kept = new Set(await node.json<readonly string[]>('/v1/kv/load/?keys'))
      const lost = writers.flatMap((writer) => writer.acknowledged.filter((key) => !kept.has(key)))
      assert.deepEqual(lost, [], `${node.name} lost writes`)
    }
  })
})

describe('a cluster that changes', () => {
  it('takes in a fourth server, gives it a vote, and cleans up a dead one', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'], {
      flags: ['-hcl=autopilot { server_stabilization_time = "1s" }'],
    })
    await cluster.startAll()
    const leader = await cluster.leader()
    const newcomer = await cluster.addServer('n4')
    await newcomer.start()
    await eventually(
      'the newcomer has a vote',
      async () => (await votersOf(leader)).includes('n4'),
      60_000,
    )
    const victim = cluster.running.find((node) => node !== leader && node !== newcomer)
    assert(victim !== undefined)
    await victim.kill()
    await eventually(
      'the dead server is cleaned up',
      async () => !(await votersOf(leader)).includes(victim.name),
      120_000,
    )
    const rest = ['n1', 'n2', 'n3', 'n4'].filter((name) => name !== victim.name)
    assert.deepEqual(await votersOf(leader), rest)
    await write(newcomer, 'after', '1')
  })

  it('takes a server with an empty disk for a new one, and finds one that moved', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'], {
      flags: ['-hcl=autopilot { server_stabilization_time = "1s" }'],
    })
    await cluster.startAll()
    const leader = await cluster.leader()
    const [replaced, moved] = cluster.running.filter((node) => node !== leader)
    assert(replaced !== undefined && moved !== undefined)
    await write(leader, 'kept', '1')
    const idBefore = (await raftServers(leader)).find(({ Node }) => Node === replaced.name)?.ID
    await replaced.kill()
    await replaced.emptyDisk()
    await replaced.start()
    await eventually(
      'the replacement has a vote and the data',
      async () => {
        if ((await votersOf(leader)).join() !== 'n1,n2,n3') return false
        return (await replaced.value('kept', 'stale')) === '1'
      },
      60_000,
    )
    const idAfter = (await raftServers(leader)).find(({ Node }) => Node === replaced.name)?.ID
    assert.notEqual(idAfter, idBefore)
    await moved.stop()
    await moved.move()
    await moved.start()
    await eventually('the configuration has the new address', async () => {
      const found = (await raftServers(leader)).find(({ Node }) => Node === moved.name)
      return found?.Address === moved.rpcAddress
    })
    await write(moved, 'after', '1')
  })

  it('lets a server leave at once, and refuses a farewell that would stop it', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    await cluster.startAll()
    const leader = await cluster.leader()
    const left = await leader.command('leave')
    assert.equal(left.code, 0, left.stderr)
    assert.equal((await leader.ended)?.code, 0)
    const next = await cluster.leader()
    await eventually('the server that left is out of the configuration', async () => {
      return (await votersOf(next)).length === 2
    })
    await write(next, 'after', '1')
    const other = cluster.running.find((node) => node !== next)
    assert(other !== undefined)
    await other.kill()
    await eventually(
      'gossip has noticed the death',
      async () => {
        const members =
          await next.json<readonly { Name: string; Status: number }[]>('/v1/agent/members')
        return members.some(({ Name, Status }) => Name === other.name && Status === 4)
      },
      60_000,
    )
    const refused = await next.put('/v1/agent/leave')
    assert.equal(refused.status, 500)
    assert.match(await refused.text(), /Leaving would cost the cluster its quorum/)
    assert.equal((await next.put('/v1/agent/leave?force')).status, 200)
    assert.equal((await next.ended)?.code, 0)
  })
})

describe('a client agent', () => {
  it('waits for its servers, registers with them, and outlives one of them', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    const client = await cluster.addClient('c1')
    await client.start()
    const registered = client.put('/v1/agent/service/register', {
      Name: 'web',
      Port: 80,
      Check: { TTL: '1h', Status: 'passing' },
    })
    for (const name of ['n1', 'n2', 'n3']) await cluster.node(name).start()
    await cluster.leader()
    assert.equal((await registered).status, 200)
    for (const node of cluster.running) {
      await eventually(
        `${node.name} tells of the service`,
        async () => {
          const path = '/v1/health/service/web?passing'
          const found = await node.json<readonly { Node: { Node: string } }[]>(path)
          return found.length === 1 && found[0]?.Node.Node === 'c1'
        },
        60_000,
      )
    }
    await write(client, 'by-client', '1')
    const leader = await cluster.leader()
    await leader.kill()
    await write(client, 'by-client', '2')
    assert.equal(await client.value('by-client'), '2')
    // SIGTERM makes a client leave: its services go at once.
    assert.equal(await client.stop(), 0)
    const next = await cluster.leader()
    await eventually('the client is out of the catalog', async () => {
      return (await next.json<readonly unknown[]>('/v1/catalog/service/web')).length === 0
    })
  })
})
