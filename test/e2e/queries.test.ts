/**
 * Prepared queries as an application meets them: by its own agent, over HTTP and as `dig` sees them, across a restart
 * of the only server.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually, runCommand } from './harness/program.ts'

const hasDig = spawnSync('dig', ['-v']).error === undefined

interface Executed {
  readonly Nodes: readonly { readonly Node: { readonly Node: string } }[]
}

async function dig(node: TestNode, ...question: readonly string[]): Promise<string> {
  const argv = ['@127.0.0.1', '-p', String(node.ports.dns), '+time=10', '+tries=1', ...question]
  return (await runCommand(argv, { program: 'dig' })).stdout
}

async function nodesOf(node: TestNode, name: string): Promise<readonly string[]> {
  const { Nodes } = await node.json<Executed>(`/v1/query/${name}/execute`)
  return Nodes.map(({ Node }) => Node.Node)
}

async function create(node: TestNode, definition: object): Promise<string> {
  const body = JSON.stringify(definition)
  const response = await fetch(`${node.url}/v1/query`, { method: 'POST', body })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return (JSON.parse(text) as { readonly ID: string }).ID
}

test('prepared queries through client agents', async (t) => {
  await using cluster = await createCluster(['n1'])
  const c1 = await cluster.addClient('c1')
  const c2 = await cluster.addClient('c2')
  await cluster.startAll()
  const n1 = await cluster.leader()
  for (const [agent, port, tag] of [
    [c1, 8081, 'blue'],
    [c2, 8082, 'green'],
  ] as const) {
    const registered = await agent.put('/v1/agent/service/register', {
      Name: 'web',
      Port: port,
      Tags: [tag],
    })
    assert.equal(registered.status, 200)
  }
  await create(c1, {
    Name: 'near',
    Service: { Service: 'web', Near: '_agent' },
    DNS: { TTL: '9s' },
  })
  const id = await create(c2, {
    Name: 'web-',
    Template: { Type: 'name_prefix_match' },
    Service: { Service: 'web', Tags: ['${name.suffix}'] },
  })
  await eventually('both agents have registered', async () => {
    return (await nodesOf(n1, 'near')).length === 2
  })

  await t.test('put the instance of the asking host first', async () => {
    assert.deepEqual(await nodesOf(c1, 'near'), ['c1', 'c2'])
    assert.deepEqual(await nodesOf(c2, 'near'), ['c2', 'c1'])
    assert.deepEqual(await nodesOf(c1, 'web-green'), ['c2'])
  })

  await t.test(
    'are understood by dig',
    { skip: hasDig ? false : 'dig is not installed' },
    async () => {
      assert.match(
        await dig(c1, 'web-blue.query.consul', 'SRV', '+short'),
        /^1 1 8081 c1\.node\.dc1\.consul\.\n$/,
      )
      assert.match(
        await dig(c2, '_web-green._tcp.query.consul', 'SRV', '+short'),
        /^1 1 8082 c2\.node/,
      )
      const answer = await dig(c1, 'NEAR.query.dc1.consul', 'ANY', '+noall', '+answer')
      assert.match(answer, /^NEAR\.query\.dc1\.consul\.\s+9\s+IN\s+A\s+127\.0\.0\.1\n/)
      assert.match(await dig(c1, 'web-red.query.consul'), /status: NXDOMAIN/)
      assert.match(await dig(c1, 'nobody.query.consul', 'AAAA'), /status: NXDOMAIN/)
      assert.match(await dig(c1, 'near.query.consul', 'AAAA'), /status: NOERROR.*ANSWER: 0/s)
    },
  )

  await t.test('say what is wrong, also from a client agent', async () => {
    const missing = await fetch(`${c1.url}/v1/query/nobody/execute`)
    assert.deepEqual([missing.status, /Query not found$/.test(await missing.text())], [404, true])
    const byId = await fetch(`${c1.url}/v1/query/${id}/execute`)
    assert.equal(byId.status, 500)
    assert.match(await byId.text(), /can only be resolved up by name, not by ID$/)
    const changed = await c1.put('/v1/query/none', { Name: 'x', Service: { Service: 'web' } })
    assert.equal(changed.status, 500)
    assert.match(await changed.text(), /Cannot modify non-existent prepared query: 'none'$/)
  })

  await t.test('are there again after a restart', async () => {
    await n1.kill()
    await n1.start()
    await eventually('the server answers', async () => {
      const response = await fetch(`${c1.url}/v1/query/web-green/execute`)
      return response.ok && ((await response.json()) as Executed).Nodes.length === 1
    })
    const all = await n1.json<readonly { readonly Name: string }[]>('/v1/query')
    assert.deepEqual(all.map(({ Name }) => Name).toSorted(), ['near', 'web-'])
    assert.equal((await fetch(`${c2.url}/v1/query/${id}`, { method: 'DELETE' })).status, 200)
    await assert.rejects(nodesOf(c1, 'web-green'), /Query not found/)
  })
})
