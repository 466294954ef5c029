/**
 * Rates of requests as clients meet them, of a server and of a client agent.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { runCommand } from './harness/program.ts'

const SERVER =
  '-hcl=limits { request_limits { mode = "enforcing" read_rate = 0.5 write_rate = 0.5 } }'

async function put(node: TestNode): Promise<Response> {
  return fetch(`${node.url}/v1/kv/a`, { method: 'PUT', body: 'x' })
}

describe('a server with rates of requests', () => {
  it('answers 503 for writes and 429 for reads beyond them, quickly and with Retry-After', async () => {
    await using cluster = await createCluster(['s1'], { flags: [SERVER] })
    await cluster.startAll()
    const server = cluster.node('s1')
    const statuses: number[] = []
    let refused: Response | undefined
    for (let i = 0; i < 30; i++) {
      const answer = await put(server)
      statuses.push(answer.status)
      if (answer.status !== 200) refused ??= answer
    }
    assert.ok(statuses.includes(503), String(statuses))
    assert.equal(refused?.headers.get('retry-after'), '1')
    assert.match((await refused?.text()) ?? '', /can only be performed by the leader/)
    let read: Response | undefined
    for (let i = 0; i < 30 && read === undefined; i++) {
      const answer = await fetch(`${server.url}/v1/kv/a`)
      if (answer.status === 429) read = answer
    }
    assert.equal(read?.headers.get('retry-after'), '1')
    assert.equal(read?.headers.get('x-fairlead-error'), 'RATE_LIMITED')
    // Operators are let through.
    assert.equal((await server.command('operator', 'raft', 'list-peers')).code, 0)
  })
})

describe('a client agent with a rate of its own', () => {
  it('answers 429 beyond it', async () => {
    await using cluster = await createCluster(['s1'])
    const client = await cluster.addClient('c1', [
      '-hcl=limits { rpc_rate = 0.1 rpc_max_burst = 40 }',
    ])
    await cluster.startAll()
    const texts = new Map<number, string>()
    for (let i = 0; i < 60; i++) {
      const answer = await put(client)
      texts.set(answer.status, await answer.text())
    }
    assert.equal(texts.get(429), 'RPC rate limit exceeded')
  })
})

describe('a mode that is none', () => {
  it('stops the start', async () => {
    const hcl = '-hcl=limits { request_limits { mode = "strict" } }'
    const { code, stderr, stdout } = await runCommand(['agent', '-dev', hcl])
    assert.equal(code, 1)
    assert.match(`${stderr}${stdout}`, /limits\.request_limits\.mode: invalid mode: "strict"/)
  })
})
