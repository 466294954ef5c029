/**
 * The callee's side of HTTP/1 in memory: when a connection may be used again, and what failures say.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Http1ClientConnection } from '../../../../proxy/http1/client-connection.ts'
import { BODY_LENGTH, BODY_NONE, RequestHead } from '../../../../proxy/http1/message.ts'
import { type Bench, bench, type FarEnd, ScriptedCaller, settle } from '../memory-wire.ts'

interface Setup {
  readonly b: Bench
  readonly far: FarEnd
  readonly connection: Http1ClientConnection
  readonly state: { idle: number; gone: number }
}

function setup(): Setup {
  const b = bench()
  const { wire, far } = b.wire()
  const state = { idle: 0, gone: 0 }
  const connection = new Http1ClientConnection(
    wire,
    { responseTimeoutMs: 15_000, streamIdleMs: 300_000 },
    {
      ...b,
      owner: {
        onIdle: () => {
          state.idle++
        },
        onGone: () => {
          state.gone++
        },
      },
    },
  )
  return { b, far, connection, state }
}

const get = (): RequestHead =>
  new RequestHead('GET / HTTP/1.1\r\nhost: a\r\n', BODY_NONE, 0, 1, false)
const post = (length: number): RequestHead =>
  new RequestHead(
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n`,
    BODY_LENGTH,
    length,
    0,
    false,
  )
const OK = 'HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 2\r\n\r\nok'

async function exchange(text: string): Promise<Setup & { caller: ScriptedCaller }> {
  const all = setup()
  const caller = new ScriptedCaller()
  all.connection.begin(get(), caller)
  await settle()
  all.far.send(text)
  await settle()
  return { ...all, caller }
}

describe('a connection to a server', () => {
  it('is used again after a whole exchange', async () => {
    const { far, connection, state, caller } = await exchange(OK)
    assert.equal(caller.body, 'ok')
    assert.equal(caller.ended, true)
    assert.deepEqual(state, { idle: 1, gone: 0 })
    const next = new ScriptedCaller()
    connection.begin(get(), next)
    far.send(OK)
    await settle()
    assert.equal(next.body, 'ok')
    assert.equal(far.text.match(/GET/g)?.length, 2)
  })

  it('is not used again after bytes that nobody asked for', async () => {
    const { state, caller } = await exchange(`${OK}HTTP/1.1 200 OK\r\n\r\n`)
    assert.equal(caller.ended, true)
    assert.deepEqual(state, { idle: 0, gone: 1 })
    const later = await exchange(OK)
    later.far.send('X')
    await settle()
    assert.equal(later.state.gone, 1)
  })

  it('is not used again when the server or the framing says so', async () => {
    for (const head of [
      'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n',
    ]) {
      assert.deepEqual((await exchange(head)).state, { idle: 0, gone: 1 })
    }
  })

  it('is not used again when the response came before the request was whole', async () => {
    const { far, connection, state } = setup()
    const caller = new ScriptedCaller()
    connection.begin(post(10), caller)
    connection.data(Buffer.from('abc'), 0, 3)
    await settle()
    far.send(OK)
    await settle()
    assert.equal(caller.ended, true)
    assert.deepEqual(state, { idle: 0, gone: 1 })
  })

  it('never sends more than the length of the request, nor lets one end short', async () => {
    const long = setup()
    const caller = new ScriptedCaller()
    long.connection.begin(post(3), caller)
    long.connection.data(Buffer.from('abcGET'), 0, 6)
    await settle()
    assert.equal(caller.failure?.code, 'UPSTREAM_INVALID')
    assert.ok(!long.far.text.includes('abcGET'))
    const short = setup()
    const other = new ScriptedCaller()
    short.connection.begin(post(3), other)
    short.connection.data(Buffer.from('ab'), 0, 2)
    short.connection.end()
    await settle()
    assert.equal(other.failure?.code, 'UPSTREAM_INVALID')
    assert.equal(short.state.gone, 1)
  })

  it('ends a body that lasts until close with the connection', async () => {
    const { far, caller, state } = await exchange('HTTP/1.1 200 OK\r\n\r\nall of it')
    assert.equal(caller.ended, false)
    far.stream.end()
    await settle()
    assert.equal(caller.body, 'all of it')
    assert.equal(caller.ended, true)
    assert.deepEqual(state, { idle: 0, gone: 1 })
  })

  it('says whether the request can have been seen when it dies', async () => {
    const unsent = setup()
    const first = new ScriptedCaller()
    unsent.connection.begin(get(), first)
    unsent.connection.onClosed()
    assert.equal(first.failure?.retry, 'never-sent')
    const silent = await exchange('')
    silent.far.stream.end()
    await settle()
    assert.equal(silent.caller.failure?.retry, 'maybe-sent')
    for (const part of ['HTTP/1.1 2', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc']) {
      const broken = await exchange(part)
      broken.far.stream.end()
      await settle()
      assert.equal(broken.caller.failure?.retry, 'final', part)
    }
  })

  it('refuses nonsense and floods of interim responses', async () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n'
    for (const text of ['nonsense\r\n', 'HTTP/1.1 101 Switching\r\n\r\n', interim.repeat(17)]) {
      const { caller, state } = await exchange(text)
      assert.equal(caller.failure?.code, 'UPSTREAM_INVALID', text)
      assert.equal(state.gone, 1)
    }
  })

  it('gives up a response that does not come, or stops coming', async () => {
    const silent = await exchange('')
    silent.b.clock.advance(18_000)
    assert.equal(silent.caller.failure?.code, 'UPSTREAM_TIMEOUT')
    const stalled = await exchange('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')
    stalled.b.clock.advance(200_000)
    assert.equal(stalled.caller.failure, undefined)
    stalled.b.clock.advance(110_000)
    assert.equal(stalled.caller.failures[0], 'UPSTREAM_TIMEOUT')
  })

  it('never throws at noise, and reports at most one end', async () => {
    const part = fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'content-length: 3\r\n',
      'transfer-encoding: chunked\r\n',
      '\r\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      'abc',
      '\n',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'connection: close\r\n',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 10 }), async (parts) => {
        const { far, caller, state } = await exchange(parts.join(''))
        far.stream.end()
        await settle()
        assert.ok(caller.failures.length + (caller.ended ? 1 : 0) === 1)
        assert.equal(state.gone, 1)
      }),
      { numRuns: 200 },
    )
  })
})
