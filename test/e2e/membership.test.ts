/**
 * How real agents come, go and come back: what they remember, how they end, and who may have a name.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually, runCommand } from './harness/program.ts'

const FOUND_MAX_MS = 60_000

async function seenBy(server: TestNode, name: string): Promise<string> {
  const { stdout } = await server.command('members')
  const row = stdout.split('\n').find((line) => line.startsWith(`${name} `))
  return row?.split(/ +/)[2] ?? 'unknown'
}

async function untilSeen(server: TestNode, name: string, status: string): Promise<void> {
  await eventually(
    `${name} is ${status}`,
    async () => (await seenBy(server, name)) === status,
    FOUND_MAX_MS,
  )
}

describe('an agent that comes back', () => {
  it('finds the cluster from what it remembers when it was killed, and not when it had left', async () => {
    await using cluster = await createCluster(['n1'])
    const server = cluster.node('n1')
    const client = await cluster.addClient('c1')
    await cluster.startAll()
    await untilSeen(server, 'c1', 'alive')
    await client.kill()
    await untilSeen(server, 'c1', 'failed')
    await client.start({ isTold: false })
    await untilSeen(server, 'c1', 'alive')

    // SIGTERM makes a client leave.
    assert.equal(await client.stop(), 0)
    await untilSeen(server, 'c1', 'left')
    await client.start({ isTold: false })
    const members = await client.json<readonly { Name: string }[]>('/v1/agent/members')
    assert.deepEqual(
      members.map(({ Name }) => Name),
      ['c1'],
    )
    await client.kill()
    await client.start()
    await untilSeen(server, 'c1', 'alive')
  })

  it('goes back after a farewell when it is configured to', async () => {
    await using cluster = await createCluster(['n1'])
    const server = cluster.node('n1')
    const client = await cluster.addClient('c1', ['-rejoin'])
    await cluster.startAll()
    await untilSeen(server, 'c1', 'alive')
    const left = await client.command('leave')
    assert.equal(left.stdout, 'Graceful leave complete\n')
    assert.equal((await client.ended)?.code, 0)
    await untilSeen(server, 'c1', 'left')
    await client.start({ isTold: false })
    await untilSeen(server, 'c1', 'alive')
  })
})

describe('an agent that ends', () => {
  it('says goodbye or not, as configured for each signal; one that failed is pruned', async () => {
    await using cluster = await createCluster(['n1'])
    const server = cluster.node('n1')
    const silent = ['-hcl=leave_on_terminate = false skip_leave_on_interrupt = true']
    const loud = ['-hcl=leave_on_terminate = true skip_leave_on_interrupt = false']
    const nodes: readonly (readonly [TestNode, NodeJS.Signals, string])[] = [
      [await cluster.addClient('c1', silent), 'SIGTERM', 'failed'],
      [await cluster.addClient('c2', silent), 'SIGINT', 'failed'],
      [await cluster.addClient('c3', loud), 'SIGINT', 'left'],
    ]
    await cluster.startAll()
    for (const [node] of nodes) await untilSeen(server, node.name, 'alive')
    for (const [node, signal] of nodes) node.signal(signal)
    for (const [node, , status] of nodes) {
      assert.equal((await node.ended)?.code, 0)
      await untilSeen(server, node.name, status)
    }
    assert.equal((await server.command('force-leave', 'c1')).code, 0)
    await untilSeen(server, 'c1', 'left')
    assert.equal((await server.command('force-leave', '-prune', 'c2')).code, 0)
    await untilSeen(server, 'c2', 'unknown')
    await eventually('the catalog has no c2 either', async () => {
      const nodes = await fetch(`${server.url}/v1/catalog/nodes`)
      return !(await nodes.text()).includes('"c2"')
    })
  })
})

describe('a name', () => {
  it('is not given to a second host, which is told by whom it is held', async () => {
    await using cluster = await createCluster(['n1'])
    const server = cluster.node('n1')
    const holder = await cluster.addClient('c1')
    await cluster.startAll()
    await untilSeen(server, 'c1', 'alive')
    const second = await runCommand([
      'agent',
      '-node=c1',
      `-data-dir=${join(cluster.folder, 'second')}`,
      '-bind=127.0.0.1',
      ...['http', 'dns', 'server', 'serf-lan'].map((port) => `-${port}-port=0`),
      `-retry-join=127.0.0.1:${server.ports.serf}`,
      '-retry-max=2',
      '-retry-interval=200ms',
    ])
    assert.equal(second.code, 1)
    const held = new RegExp(
      `node name \\\\?"c1\\\\?" is in use by 127\\.0\\.0\\.1:${holder.ports.serf}`,
    )
    assert.match(second.stdout + second.stderr, held)
    assert.match(server.output, held)
    assert.equal(await seenBy(server, 'c1'), 'alive')
  })
})
