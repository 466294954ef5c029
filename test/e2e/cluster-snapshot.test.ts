/**
 * Snapshots in clusters of real servers: saved and restored through any of them and through a client agent, with
 * a server away meanwhile and killed afterwards; and members that come and go by command.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

async function put(node: TestNode, key: string, value: string): Promise<void> {
  await eventually(`${key} is written`, async () => {
    const response = await node.put(`/v1/kv/${key}`, value)
    return (await response.text()) === 'true'
  })
}

async function command(node: TestNode, ...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await node.command(...argv)
  assert.equal(code, 0, `${node.name}: ${argv.join(' ')}: ${stderr}${stdout}`)
  return stdout
}

/** Keys and values as this very server has them. */
async function keysOf(node: TestNode): Promise<Readonly<Record<string, string>>> {
  const response = await fetch(`${node.url}/v1/kv/data?recurse&stale`)
  const text = await response.text()
  if (response.status === 404) return {}
  assert.equal(response.status, 200, `${node.name}: ${text}`)
  const entries = JSON.parse(text) as readonly { Key: string; Value: string }[]
  return Object.fromEntries(
    entries.map(({ Key, Value }) => [Key, Buffer.from(Value, 'base64').toString()]),
  )
}

async function allHave(
  cluster: TestCluster,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  const text = JSON.stringify(expected)
  for (const node of cluster.running) {
    await eventually(`${node.name} has the restored keys`, async () => {
      return JSON.stringify(await keysOf(node)) === text
    })
  }
}

async function indexOf(node: TestNode): Promise<number> {
  const response = await fetch(`${node.url}/v1/kv/data?recurse&consistent`)
  await response.text()
  return Number(response.headers.get('x-consul-index'))
}

describe('a snapshot of a cluster', () => {
  it('is restored on every server, also on one that was away, and survives all of them', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'])
    const client = await cluster.addClient('c1')
    await cluster.startAll()
    const leader = await cluster.leader()
    const [first, second] = cluster.running.filter((node) => node.isServer && node !== leader)
    assert(first !== undefined && second !== undefined)

    const expected: Record<string, string> = {}
    for (let i = 0; i < 20; i++) {
      const key = `data/${String(i).padStart(2, '0')}`
      expected[key] = `${i} `.repeat(10_000)
      await put(first, key, expected[key])
    }
    const file = join(cluster.folder, 'backup.snap')
    const other = join(cluster.folder, 'by-client.snap')
    assert.match(await command(first, 'snapshot', 'save', file), /^Saved and verified snapshot/)
    assert.match(await command(client, 'snapshot', 'save', '-stale', other), /^Saved and verified/)

    await second.kill()
    for (let i = 0; i < 5; i++) await put(first, `data/later/${i}`, 'x')
    const before = await indexOf(first)
    assert.equal(await command(first, 'snapshot', 'restore', file), 'Restored snapshot\n')
    assert.ok((await indexOf(first)) > before, 'the index goes on')
    await second.start()
    await allHave(cluster, expected)

    await put(client, 'data/00', 'changed')
    assert.equal(await command(client, 'snapshot', 'restore', other), 'Restored snapshot\n')
    await allHave(cluster, expected)

    const servers = cluster.running.filter((node) => node.isServer)
    await Promise.all(servers.map((node) => node.kill()))
    await Promise.all(servers.map((node) => node.start()))
    await cluster.leader()
    await allHave(cluster, expected)
    const nodes = await first.json<readonly { Node: string }[]>('/v1/catalog/nodes')
    assert.deepEqual(nodes.map(({ Node }) => Node).sort(), ['c1', 'n1', 'n2', 'n3'])
  })
})

describe('members by command', () => {
  it('join, fail, and are forced out', async () => {
    await using alone = await createCluster(['n1'], { expect: 1 })
    await using joiner = await createCluster([], {})
    const server = alone.node('n1')
    await server.start()
    await alone.leader()
    const client = await joiner.addClient('c1')
    await client.start()
    assert.equal(
      await command(client, 'join', `127.0.0.1:${server.ports.serf}`),
      'Successfully joined cluster by contacting 1 nodes.\n',
    )
    await put(client, 'data/a', 'by a client that joined')
    assert.deepEqual(await keysOf(server), { 'data/a': 'by a client that joined' })
    await client.kill()
    await eventually(
      'the client has failed',
      async () => /^c1 .* failed /m.test(await command(server, 'members')),
      60_000,
    )
    assert.equal(await command(server, 'force-leave', 'c1'), '')
    await eventually('the client has left', async () =>
      /^c1 .* left /m.test(await command(server, 'members')),
    )
    assert.equal(await command(server, 'force-leave', '-prune', 'c1'), '')
    await eventually(
      'the client is forgotten',
      async () => !/^c1 /m.test(await command(server, 'members')),
    )
  })
})
