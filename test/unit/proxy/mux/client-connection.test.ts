/**
 * The calling side of the mux in memory: answers, failures, silence and farewell.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BODY_NONE, RequestHead } from '../../../../proxy/http1/message.ts'
import { MuxClientConnection } from '../../../../proxy/mux/client-connection.ts'
import {
  DATA,
  GOAWAY,
  INITIAL_WINDOW,
  PING,
  PONG,
  REQUEST,
  RESET,
  RESET_REFUSED,
  RESPONSE,
} from '../../../../proxy/mux/format.ts'
import { type Bench, bench, type FarEnd, ScriptedCaller, settle } from '../memory-wire.ts'

import { frame, frames, HEAD, hello, numbers } from './raw-frames.ts'

interface ClientSetup {
  readonly b: Bench
  readonly far: FarEnd
  readonly client: MuxClientConnection
  readonly state: { ready: boolean; closing: boolean; room: number }
}

function clientSetup(): ClientSetup {
  const b = bench()
  const { wire, far } = b.wire()
  const state = { ready: false, closing: false, room: 0 }
  const client = new MuxClientConnection(
    wire,
    { responseTimeoutMs: 15_000, streamIdleMs: 300_000, rawIdleMs: 3_600_000 },
    {
      ...b,
      owner: {
        onReady: () => {
          state.ready = true
        },
        onClosing: () => {
          state.closing = true
        },
        onRoom: () => {
          state.room++
        },
      },
    },
  )
  return { b, far, client, state }
}

const request = (body: 0 | 2 = BODY_NONE): RequestHead =>
  new RequestHead('GET / HTTP/1.1\r\nhost: a\r\n', body, 0, 1, false)

describe('the calling side', () => {
  it('is ready only when the peer has greeted', async () => {
    const { far, client, state } = clientSetup()
    await settle()
    assert.equal(client.hasRoom, false)
    far.send(hello())
    await settle()
    assert.equal(state.ready, true)
    assert.equal(client.hasRoom, true)
  })

  it('is closed when the peer does not greet in time', async () => {
    const { b, state } = clientSetup()
    b.clock.advance(9000)
    assert.equal(state.closing, true)
  })

  it('keeps answers apart, whatever their order', async () => {
    const { far, client } = clientSetup()
    far.send(hello())
    await settle()
    const callers = [1, 2, 3].map(() => new ScriptedCaller())
    for (const caller of callers) client.open(request(), caller)
    for (const id of [3, 1, 2]) {
      far.send(frame(RESPONSE, 0, id, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'))
    }
    for (const id of [2, 3, 1]) far.send(frame(DATA, 1, id, `#${id}`))
    await settle()
    assert.deepEqual(
      callers.map((caller) => [caller.body, caller.ended]),
      [
        ['#1', true],
        ['#2', true],
        ['#3', true],
      ],
    )
    assert.equal(client.exchanges, 0)
  })

  it('tells each failure for what it is', async () => {
    const { far, client } = clientSetup()
    far.send(hello())
    await settle()
    const refused = new ScriptedCaller()
    const denied = new ScriptedCaller()
    const broken = new ScriptedCaller()
    for (const caller of [refused, denied, broken]) client.open(request(), caller)
    far.send(frame(RESET, 0, 1, numbers(RESET_REFUSED)))
    far.send(frame(RESET, 0, 2, numbers(4)))
    far.send(frame(RESPONSE, 1, 3, 'HTTP/1.1 200 OK\r\nx: a\nb\r\n\r\n'))
    await settle()
    assert.deepEqual(
      [refused.failure?.code, refused.failure?.retry],
      ['UPSTREAM_UNREACHABLE', 'never-sent'],
    )
    assert.equal(denied.failure?.code, 'PERMISSION_DENIED')
    assert.equal(broken.failure?.code, 'UPSTREAM_INVALID')
  })

  it('tells of room again when the only exchange that the peer takes at once has ended', async () => {
    const { far, client, state } = clientSetup()
    far.send(hello(INITIAL_WINDOW, 1))
    await settle()
    client.open(request(), new ScriptedCaller())
    assert.equal(client.hasRoom, false)
    far.send(frame(RESPONSE, 1, 1, 'HTTP/1.1 204 No Content\r\n\r\n'))
    await settle()
    assert.equal(state.room, 1)
    assert.equal(client.hasRoom, true)
  })

  it('knows which exchanges were never sent when the connection dies', async () => {
    const { far, client } = clientSetup()
    far.send(hello())
    await settle()
    const sent = new ScriptedCaller()
    client.open(request(), sent)
    await settle()
    const unsent = new ScriptedCaller()
    client.open(request(), unsent)
    client.destroy()
    assert.equal(sent.failure?.retry, 'maybe-sent')
    assert.equal(unsent.failure?.retry, 'never-sent')
  })

  it('opens nothing after GOAWAY and ends with the last exchange', async () => {
    const { far, client, state } = clientSetup()
    far.send(hello())
    await settle()
    const caller = new ScriptedCaller()
    client.open(request(), caller)
    far.send(frame(GOAWAY, 0, 0, numbers(0, 1)))
    await settle()
    assert.equal(state.closing, true)
    assert.equal(client.hasRoom, false)
    assert.equal(far.ended, false)
    far.send(frame(RESPONSE, 1, 1, 'HTTP/1.1 204 No Content\r\n\r\n'))
    await settle()
    assert.equal(caller.ended, true)
    assert.equal(far.ended, true)
  })

  it('begins elsewhere what was on its way when the peer said farewell, and only that', async () => {
    const { far, client } = clientSetup()
    far.send(hello())
    await settle()
    const [begun, late] = [new ScriptedCaller(), new ScriptedCaller()]
    client.open(request(), begun)
    client.open(request(), late)
    far.send(frame(GOAWAY, 0, 0, numbers(0, 1)))
    await settle()
    assert.equal(begun.failure, undefined)
    assert.equal(late.failure?.retry, 'never-sent')
    far.send(frame(RESPONSE, 1, 1, 'HTTP/1.1 204 No Content\r\n\r\n'))
    await settle()
    assert.equal(begun.ended, true)
  })

  it('does not take an end for a breach as a sign that nothing was begun', async () => {
    const { far, client } = clientSetup()
    far.send(hello())
    await settle()
    const caller = new ScriptedCaller()
    client.open(request(), caller)
    far.send(frame(GOAWAY, 0, 0, numbers(1, 0)))
    await settle()
    assert.equal(caller.ended, false)
    client.destroy()
    assert.equal(caller.failure?.retry, 'maybe-sent')
  })

  it('finds a peer that fell silent, but only while something is under way', async () => {
    const { b, far, client } = clientSetup()
    far.send(hello())
    await settle()
    b.clock.advance(60_000)
    assert.equal(client.hasRoom, true)
    const caller = new ScriptedCaller()
    client.open(undefined, caller)
    await settle()
    b.clock.advance(2000)
    await settle()
    assert.ok(frames(far).some(({ kind }) => kind === PING))
    far.send(frame(PONG, 0, 0, numbers(0, 0)))
    await settle()
    b.clock.advance(20_000)
    assert.deepEqual(caller.failures, [])
    b.clock.advance(3000)
    assert.deepEqual(caller.failures, ['UPSTREAM_RESET'])
  })

  it('gives up an answer that does not come in time', async () => {
    const { b, far, client } = clientSetup()
    far.send(hello())
    await settle()
    const caller = new ScriptedCaller()
    client.open(request(), caller)
    for (let i = 0; i < 9; i++) {
      b.clock.advance(2000)
      far.send(frame(PONG, 0, 0, numbers(0, 0)))
      await settle()
    }
    assert.equal(caller.failure?.code, 'UPSTREAM_TIMEOUT')
    assert.equal(client.exchanges, 0)
    assert.equal(client.hasRoom, true)
  })

  it('cuts a peer that sends what nobody may', async () => {
    const vectors: Record<string, Buffer> = {
      'data before a response': frame(DATA, 0, 1, 'x'),
      'an exchange of its own': frame(REQUEST, 1, 7, HEAD),
      'two responses': Buffer.concat([
        frame(RESPONSE, 0, 1, 'HTTP/1.1 200 OK\r\n\r\n'),
        frame(RESPONSE, 0, 1, 'HTTP/1.1 200 OK\r\n\r\n'),
      ]),
      'a response to a stream': frame(RESPONSE, 0, 2, 'HTTP/1.1 200 OK\r\n\r\n'),
    }
    for (const [what, bytes] of Object.entries(vectors)) {
      const { far, client, state } = clientSetup()
      far.send(hello())
      await settle()
      const caller = new ScriptedCaller()
      client.open(request(), caller)
      client.open(undefined, new ScriptedCaller())
      far.send(bytes)
      await settle()
      assert.equal(state.closing, true, what)
      assert.ok(caller.failure !== undefined, what)
    }
  })
})
