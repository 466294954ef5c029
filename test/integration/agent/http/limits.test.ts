/**
 * Bounds of connections, headers and bodies, and what is no HTTP (http-api.md 1.3).
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { PIPELINED_MAX } from '../../../../agent/http/pipeline.ts'
import { BODY_BYTES_MAX } from '../../../../agent/http/read-body.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

const CLIENTS_MAX = 8

let agent: RunningAgent

before(async () => {
  agent = await startAgent({ httpMaxConnsPerClient: CLIENTS_MAX })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

async function open(): Promise<Socket> {
  const socket = connect(agent.port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** One answered request makes sure that the server has seen the connection. */
async function openUsed(): Promise<Socket> {
  const socket = await open()
  socket.write('GET /v1/agent/version HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  return socket
}

async function exchange(bytes: string | Buffer): Promise<string> {
  const socket = await open()
  socket.write(bytes)
  return text(socket)
}

describe('connections of one client', () => {
  it('beyond the limit get a raw 429, and a place is free again when one closes', async () => {
    const held = await Promise.all(Array.from({ length: CLIENTS_MAX }, openUsed))
    const refused = await open()
    refused.write('PUT /v1/kv/never HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx')
    const answer = await text(refused)
    assert.match(answer, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
    assert.match(
      answer,
      /Your IP is issuing too many concurrent connections, please rate limit your calls/,
    )
    const [first, ...rest] = held
    first?.destroy()
    let status = 429
    while (status === 429) {
      status = (await agent.get('/v1/kv/never')).status
    }
    assert.equal(status, 404)
    for (const socket of rest) socket.destroy()
  })
})

describe('bytes that are no request', () => {
  it('get a short answer and a close', async () => {
    assert.match(await exchange('hello\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(
      await exchange('GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n'),
      /^HTTP\/1\.1 400 Bad Request\r\n/,
    )
    assert.match(
      await exchange(
        'PUT /v1/txn HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ),
      /^HTTP\/1\.1 400 Bad Request\r\n/,
    )
  })

  it('that are too long a header get 431', async () => {
    const header = `X-Long: ${'x'.repeat(65_536)}\r\n`
    const answer = await exchange(`GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n`)
    assert.match(answer, /^HTTP\/1\.1 431 /)
  })

  it('outside ASCII in a path get 400: clients escape them', async () => {
    const path = Buffer.from('/v1/kv/ä')
    const bytes = [Buffer.from('GET '), path, Buffer.from(' HTTP/1.1\r\nHost: x\r\n\r\n')]
    assert.match(await exchange(Buffer.concat(bytes)), /^HTTP\/1\.1 400 /)
  })

  it('that name another form of target get 400', async () => {
    const answer = await exchange(
      'GET http://x/v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    assert.match(answer, /^HTTP\/1\.1 400 /)
  })
})

describe('bodies', () => {
  it('over the general limit get 413', async () => {
    const body = 'x'.repeat(BODY_BYTES_MAX + 1)
    const answer = await agent.put('/v1/catalog/register', body)
    assert.equal(answer.status, 413)
    assert.equal(
      answer.text,
      `Request body(${body.length} bytes) too large, max size: ${BODY_BYTES_MAX} bytes.`,
    )
  })

  it('that end too early leave no trace', async () => {
    const socket = await open()
    socket.write('PUT /v1/kv/half HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
    socket.end()
    await text(socket)
    assert.equal((await agent.get('/v1/kv/half')).status, 404)
  })

  it('are read whatever their type is said to be, and not at all on GET', async () => {
    for (const type of ['text/plain', 'application/json', 'nonsense', 'a/b; c']) {
      const answer = await agent.send('PUT', '/v1/kv/typed', {
        body: type,
        headers: { 'content-type': type },
      })
      assert.equal(answer.text, 'true')
      assert.equal((await agent.get('/v1/kv/typed?raw')).text, type)
    }
    const get = await agent.send('GET', '/v1/agent/version', {
      body: 'ignored',
      headers: { 'content-length': '7' },
    })
    assert.equal(get.status, 200)
  })

  it('follow one another on one connection', async () => {
    const put = 'PUT /v1/kv/p HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n'
    const socket = await open()
    socket.write(`${put}1${put}2GET /v1/kv/p?raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    const answer = await text(socket)
    assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 3)
    assert.ok(answer.endsWith('\r\n\r\n2'))
  })

  it('that pile up behind a blocked read end the connection', async () => {
    const index = (await agent.get('/v1/catalog/nodes')).headers['x-consul-index']
    const socket = await open()
    socket.write(`GET /v1/catalog/nodes?index=${index}&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n`)
    socket.write('GET /v1/agent/version HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(PIPELINED_MAX + 1))
    socket.on('error', () => {})
    await once(socket, 'close')
  })
})

describe('start', () => {
  it('and stop in a loop leave no socket and no timer', async () => {
    const open = (): number => process.getActiveResourcesInfo().length
    const cycle = async (): Promise<void> => {
      await using other = await startAgent()
      assert.equal((await other.get('/v1/agent/version')).status, 200)
    }
    await cycle()
    const before = open()
    for (let i = 0; i < 5; i++) await cycle()
    // What the first cycle closed may have gone only now; what leaks is there five times.
    assert.ok(open() <= before, `${open()} handles, ${before} before`)
  })

  it('fails with the reason when the port is taken, and leaves nothing behind', async () => {
    const ports = { ...agentPorts(), http: agent.port }
    await assert.rejects(startAgent({ ports }), { code: 'EADDRINUSE' })
  })

  it('listens on every client address, and on none when the port is off', async () => {
    await using both = await startAgent({ httpAddresses: ['127.0.0.1', '127.0.0.2'] })
    assert.deepEqual(both.api.addresses, [`127.0.0.1:${both.port}`, `127.0.0.2:${both.port}`])
    await using off = await startAgent({ ports: { ...agentPorts(), http: -1 } })
    assert.deepEqual(off.api.addresses, [])
  })
})

function agentPorts() {
  return {
    http: 0,
    https: -1,
    dns: -1,
    grpc: -1,
    grpcIsOptional: true,
    grpcTls: -1,
    grpcTlsIsOptional: true,
    server: 0,
    serfLan: -1,
    sidecarMin: 21_000,
    sidecarMax: 21_255,
  }
}
