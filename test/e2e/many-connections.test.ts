/**
 * Crowds of clients that do nothing good to an agent: idle, slow, or sending more than they may. It stays small and serves the
 * others meanwhile.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

const IDLE = 10_000
const SLOW = 500
const BLOCKED = 2_000
/** What this process and the agent need besides. */
const OTHER_DESCRIPTORS = 1_000
const DIALS_AT_A_TIME = 200
/** Of memory, idle: the connection's objects and buffers, and garbage. */
const BYTES_PER_CONNECTION_MAX = 48 * 1024
const UNLIMITED = ['-hcl=limits { http_max_conns_per_client = 0 }']

/** Of file descriptors, of this process and of those that it starts. */
function descriptorsMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? 1024)
}

async function crowd(agent: TestAgent, count: number, bytes: string): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const missing = Math.min(DIALS_AT_A_TIME, count - sockets.length)
    const dialled = Array.from({ length: missing }, async () => {
      const socket = connect(agent.ready.http, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      if (bytes !== '') socket.write(bytes)
      return socket
    })
    sockets.push(...(await Promise.all(dialled)))
  }
  return sockets
}

function rssBytes(agent: TestAgent): number {
  const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

function descriptorsOf(agent: TestAgent): number {
  return readdirSync(`/proc/${agent.pid}/fd`).length
}

/** Writes and reads, each by an answer that must be right. */
async function isServed(agent: TestAgent): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const written = await agent.put(`/v1/kv/served/${i}`, `${i}`)
    assert.equal(await written.text(), 'true')
    const read = await agent.get(`/v1/kv/served/${i}?raw`)
    assert.equal(await read.text(), `${i}`)
  }
}

describe('an agent', () => {
  it('holds idle and slow connections by the thousand, serving others, and lets go of them', async (t) => {
    await using agent = await startAgent({ flags: UNLIMITED })
    const idleCount = Math.min(IDLE, descriptorsMax() - 2 * SLOW - OTHER_DESCRIPTORS)
    await isServed(agent)
    const before = rssBytes(agent)
    const descriptors = descriptorsOf(agent)
    const put = 'PUT /v1/kv/half HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n'
    const sockets = [
      ...(await crowd(agent, idleCount, '')),
      ...(await crowd(agent, SLOW, 'GET /v1/agent/self HTTP/1.1\r\nHost: x\r\nX-Slow: ')),
      ...(await crowd(agent, SLOW, `${put}${'x'.repeat(1_000)}`)),
    ]
    await eventually('all are accepted', () => descriptorsOf(agent) >= sockets.length)
    await isServed(agent)
    const each = (rssBytes(agent) - before) / sockets.length
    t.diagnostic(`${sockets.length} connections of ${Math.round(each)} bytes each`)
    assert.ok(each < BYTES_PER_CONNECTION_MAX, `${each} bytes a connection`)
    for (const socket of sockets) socket.destroy()
    await eventually('they are gone', () => descriptorsOf(agent) <= descriptors + 50)
    assert.equal((await agent.get('/v1/kv/half')).status, 404)
    await isServed(agent)
  })

  it('wakes every blocked read by one write', async () => {
    await using agent = await startAgent({ flags: UNLIMITED })
    await agent.put('/v1/kv/watched', 'before')
    const index = (await agent.get('/v1/kv/watched')).headers.get('x-consul-index')
    const path = `/v1/kv/watched?raw&index=${index}&wait=10m`
    const sockets = await crowd(agent, BLOCKED, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answers = sockets.map(async (socket) => {
      const [first] = (await once(socket, 'data')) as [Buffer]
      return first.toString('latin1')
    })
    await isServed(agent)
    await agent.put('/v1/kv/watched', 'after')
    for (const answer of await Promise.all(answers)) {
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*after$/s)
    }
    for (const socket of sockets) socket.destroy()
  })

  it('refuses bodies without end, having read no more than it must', async () => {
    await using agent = await startAgent({ flags: UNLIMITED })
    const before = rssBytes(agent)
    const chunk = 'x'.repeat(64 * 1024)
    const head = 'PUT /v1/kv/huge HTTP/1.1\r\nHost: x\r\n'
    const forms = [
      { name: 'announced', head: `${head}Content-Length: 10000000000\r\n\r\n`, data: chunk },
      {
        name: 'chunked',
        head: `${head}Transfer-Encoding: chunked\r\n\r\n`,
        data: `10000\r\n${chunk}\r\n`,
      },
      {
        name: 'to nowhere',
        head: 'PUT /v1/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n',
        data: chunk,
      },
    ]
    for (const form of forms) {
      for (const socket of await crowd(agent, 20, form.head)) {
        let answer = ''
        socket.setEncoding('latin1').on('data', (text: string) => {
          answer += text
        })
        // Goes on whatever is answered, as a bad client would, until the connection ends.
        const push = (): void => {
          while (!socket.destroyed && socket.write(form.data)) {}
        }
        socket.on('drain', push)
        const closed = new Promise((resolve) => socket.once('close', resolve))
        push()
        await closed
        if (answer !== '') assert.match(answer, /^HTTP\/1\.1 4(?:13|04) /, form.name)
      }
    }
    const grown = rssBytes(agent) - before
    assert.ok(grown < 200e6, `grown by ${grown} bytes`)
    assert.equal((await agent.get('/v1/kv/huge')).status, 404)
  })
})
