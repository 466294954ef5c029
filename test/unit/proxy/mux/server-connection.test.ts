/**
 * The called side of the mux in memory: exchanges, windows, hostile peers and farewell.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BODY_STREAM, type RequestHead, ResponseHead } from '../../../../proxy/http1/message.ts'
import {
  DATA,
  EXCHANGES_MAX,
  GOAWAY,
  HELLO,
  INITIAL_WINDOW,
  OPEN,
  PING,
  PONG,
  REQUEST,
  RESET,
  RESET_REFUSED,
  RESPONSE,
  TRAILERS,
  WINDOW,
} from '../../../../proxy/mux/format.ts'
import { LINGER_TICKS } from '../../../../proxy/mux/link.ts'
import { MuxServerConnection } from '../../../../proxy/mux/server-connection.ts'
import { TICK_MS } from '../../../../proxy/sockets/idle-sweep.ts'
import type { Wire } from '../../../../proxy/sockets/wire.ts'
import { type Bench, bench, type FarEnd, ScriptedCall, settle } from '../memory-wire.ts'

import { frame, frames, HEAD, hello, numbers } from './raw-frames.ts'

interface ServerSetup {
  readonly b: Bench
  readonly wire: Wire
  readonly far: FarEnd
  readonly calls: ScriptedCall[]
  readonly server: MuxServerConnection
  readonly state: { closed: boolean }
}

function serverSetup(change: (call: ScriptedCall) => void = () => {}): ServerSetup {
  const b = bench()
  const { wire, far } = b.wire()
  const calls: ScriptedCall[] = []
  const state = { closed: false }
  const open = (head: RequestHead | undefined, caller: ScriptedCall['caller']): ScriptedCall => {
    const call = new ScriptedCall(head, caller)
    calls.push(call)
    change(call)
    return call
  }
  const server = new MuxServerConnection(
    wire,
    {
      normalisePaths: true,
      open,
      openStream: (caller) => open(undefined, caller),
      onMuxClosed: () => {
        state.closed = true
      },
    },
    b,
  )
  return { b, wire, far, calls, server, state }
}

describe('the called side', () => {
  it('passes a request on and its answer back', async () => {
    const { far, calls } = serverSetup()
    far.send(
      Buffer.concat([
        hello(),
        frame(
          REQUEST,
          0,
          1,
          'POST /a/../b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n',
        ),
      ]),
    )
    far.send(frame(DATA, 0, 1, 'bo'))
    far.send(frame(DATA, 0, 1, 'dy'))
    far.send(frame(TRAILERS, 1, 1, 'x: 1\r\nhost: evil\r\n\r\n'))
    await settle()
    const [call] = calls
    assert.ok(call)
    assert.match(call.head?.text ?? '', /^POST \/b HTTP\/1.1\r\n/)
    assert.equal(call.body, 'body')
    assert.equal(call.trailerText, 'x: 1\r\n')
    assert.equal(call.ended, true)
    call.caller.onResponse(new ResponseHead(200, 'HTTP/1.1 200 OK\r\n', BODY_STREAM, 0))
    call.caller.onData(Buffer.from('answer'), 0, 6)
    call.caller.onResponseEnd()
    await settle()
    const [, head, data] = frames(far)
    assert.equal(head?.kind, RESPONSE)
    assert.match(String(head?.payload), /transfer-encoding: chunked\r\n\r\n$/)
    assert.deepEqual([data?.kind, data?.flags, String(data?.payload)], [DATA, 1, 'answer'])
  })

  it('ends the connection of a peer that breaks the rules', async () => {
    const vectors: Record<string, Buffer> = {
      'something before HELLO': frame(REQUEST, 1, 1, HEAD),
      'another version': frame(
        HELLO,
        0,
        0,
        Buffer.concat([Buffer.from([2, 0, 0, 0]), numbers(9, INITIAL_WINDOW)]),
      ),
      'no window': hello(0),
      'two HELLOs': Buffer.concat([hello(), hello()]),
      'an id twice': Buffer.concat([hello(), frame(OPEN, 0, 3), frame(OPEN, 0, 3)]),
      'an id that goes back': Buffer.concat([hello(), frame(OPEN, 0, 3), frame(OPEN, 0, 2)]),
      'data for what was never opened': Buffer.concat([hello(), frame(DATA, 0, 9, 'x')]),
      'a response from the client': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        frame(RESPONSE, 0, 1, 'HTTP/1.1 200 OK\r\n\r\n'),
      ]),
      'more than the window': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        ...Array.from({ length: 5 }, () => frame(DATA, 0, 1, Buffer.alloc(16384))),
      ]),
      'data after the end': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        frame(DATA, 1, 1, 'x'),
        frame(DATA, 0, 1, 'y'),
      ]),
      'a window of nothing': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        frame(WINDOW, 0, 1, numbers(0)),
      ]),
      'a window beyond all bounds': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        frame(WINDOW, 0, 1, numbers(0xffffffff)),
      ]),
      'trailers on a stream': Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        frame(TRAILERS, 1, 1, 'x: 1\r\n\r\n'),
      ]),
    }
    for (const [what, bytes] of Object.entries(vectors)) {
      const { far, state, calls } = serverSetup((call) => {
        call.isRoomy = false
      })
      far.send(bytes)
      await settle()
      assert.equal(state.closed, true, what)
      assert.ok(
        calls.every((call) => call.aborted),
        what,
      )
    }
  })

  it('begins nothing for a peer that goes on after it was told goodbye', async () => {
    const { far, calls, server, state } = serverSetup()
    far.send(Buffer.concat([hello(), frame(DATA, 0, 9, 'x')]))
    await settle()
    assert.equal(state.closed, true)
    far.send(frame(REQUEST, 1, 21, HEAD))
    await settle()
    assert.equal(calls.length, 0)
    assert.deepEqual([...server.exchanges], [])
  })

  it('refuses a request it cannot delimit, and only that', async () => {
    const bad = [
      'GET / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nhost: a\r\n\r\nextra',
      'GET / HTTP/1.1\r\nhost: a\r\n',
      'GET / HTTP/1.1\nhost: a\n\n',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n',
      'GET /../x HTTP/1.1\r\nhost: a\r\n\r\n',
    ]
    const { far, calls, state } = serverSetup()
    far.send(Buffer.concat([hello(), ...bad.map((text, i) => frame(REQUEST, 1, i + 1, text))]))
    far.send(frame(REQUEST, 1, 99, HEAD))
    await settle()
    assert.equal(calls.length, 1)
    assert.equal(state.closed, false)
    assert.equal(frames(far).filter(({ kind }) => kind === RESET).length, bad.length)
  })

  it('gives up a request whose body is not as long as it said', async () => {
    for (const body of [['abcdef'], ['ab'], ['abc', 'd']]) {
      const { far, calls, state } = serverSetup()
      const head = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n'
      far.send(Buffer.concat([hello(), frame(REQUEST, 0, 1, head)]))
      far.send(
        Buffer.concat(body.map((text, i) => frame(DATA, i === body.length - 1 ? 1 : 0, 1, text))),
      )
      await settle()
      assert.equal(calls[0]?.aborted, true)
      assert.equal(calls[0]?.ended, false)
      assert.ok((calls[0]?.body.length ?? 9) <= 3)
      assert.equal(state.closed, false)
    }
  })

  it('gives room back only when the reader keeps up', async () => {
    const slow = serverSetup((call) => {
      call.isRoomy = false
    })
    slow.far.send(
      Buffer.concat([
        hello(),
        frame(OPEN, 0, 1),
        ...Array.from({ length: 4 }, () => frame(DATA, 0, 1, Buffer.alloc(16384))),
      ]),
    )
    await settle()
    assert.deepEqual(
      frames(slow.far).filter(({ kind }) => kind === WINDOW),
      [],
    )
    slow.calls[0]?.caller.resumeRequest()
    await settle()
    const granted = frames(slow.far).filter(({ kind }) => kind === WINDOW)
    assert.equal(granted.length, 1)
    assert.ok((granted[0]?.payload.readUInt32BE(0) ?? 0) >= INITIAL_WINDOW)
  })

  it('sends no more than the peer has room for, and goes on when told', async () => {
    const { far, calls } = serverSetup()
    far.send(Buffer.concat([hello(16 * 1024), frame(OPEN, 0, 1)]))
    await settle()
    const body = Buffer.alloc(40_000, 'z')
    assert.equal(calls[0]?.caller.onData(body, 0, body.length), false)
    calls[0]?.caller.onResponseEnd()
    const sent = (): number =>
      frames(far)
        .filter(({ kind }) => kind === DATA)
        .reduce((sum, { payload }) => sum + payload.length, 0)
    await settle()
    assert.equal(sent(), 16 * 1024)
    far.send(frame(WINDOW, 0, 1, numbers(20_000)))
    await settle()
    assert.equal(sent(), 16 * 1024 + 20_000)
    far.send(frame(WINDOW, 0, 1, numbers(20_000)))
    await settle()
    assert.equal(sent(), 40_000)
    assert.equal(frames(far).at(-1)?.flags, 1)
  })

  it('refuses exchanges beyond its limit and while it drains, as safe to try elsewhere', async () => {
    const { far, server, state } = serverSetup()
    far.send(hello())
    for (let id = 1; id <= EXCHANGES_MAX + 2; id++) far.send(frame(OPEN, 0, id))
    await settle()
    const refused = frames(far).filter(({ kind }) => kind === RESET)
    assert.deepEqual(
      refused.map(({ id, payload }) => [id, payload.readUInt32BE(0)]),
      [
        [EXCHANGES_MAX + 1, RESET_REFUSED],
        [EXCHANGES_MAX + 2, RESET_REFUSED],
      ],
    )
    server.drain()
    far.send(frame(OPEN, 0, EXCHANGES_MAX + 3))
    await settle()
    assert.ok(frames(far).some(({ kind }) => kind === GOAWAY))
    assert.equal(frames(far).at(-1)?.id, EXCHANGES_MAX + 3)
    assert.equal(state.closed, false)
  })

  it('answers PING, and cuts a peer that sends nothing but', async () => {
    const { far, state } = serverSetup()
    far.send(Buffer.concat([hello(), frame(PING, 0, 0, numbers(5, 6))]))
    await settle()
    const pong = frames(far).find(({ kind }) => kind === PONG)
    assert.deepEqual(pong?.payload, numbers(5, 6))
    const ping = frame(PING, 0, 0, numbers(1, 1))
    for (let i = 0; i < 21; i++) far.send(Buffer.concat(new Array(1000).fill(ping)))
    await settle()
    assert.equal(state.closed, true)
  })

  it('never throws at noise after a greeting', async () => {
    const anyFrame = fc
      .tuple(fc.nat(12), fc.nat(1), fc.nat(6), fc.uint8Array({ maxLength: 40 }))
      .map(([kind, flags, id, payload]) => frame(kind, flags, id, Buffer.from(payload)))
    const valid = fc.constantFrom(
      frame(REQUEST, 1, 5, HEAD),
      frame(OPEN, 0, 6),
      frame(DATA, 0, 6, 'x'),
      frame(RESET, 0, 6, numbers(1)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(anyFrame, valid), { maxLength: 12 }), async (list) => {
        const { far } = serverSetup()
        far.send(Buffer.concat([hello(), ...list]))
        await settle()
      }),
      { numRuns: 300 },
    )
  })
})

describe('a farewell', () => {
  it('is no reason to keep a connection whose peer neither reads nor ends', async () => {
    const { b, wire, far, server, state } = serverSetup()
    far.stream.write(hello())
    await settle()
    far.stream.pause()
    server.drain()
    assert.equal(state.closed, true)
    for (let i = 0; i < LINGER_TICKS - 1; i++) {
      b.clock.advance(TICK_MS)
      await settle()
    }
    assert.equal(wire.isDestroyed, false)
    for (let i = 0; i < 5; i++) {
      b.clock.advance(TICK_MS)
      await settle()
    }
    assert.equal(wire.isDestroyed, true)
  })

  it('ends with the peer that ends', async () => {
    const { wire, far, server } = serverSetup()
    far.stream.write(hello())
    await settle()
    server.drain()
    far.stream.end()
    await settle()
    assert.equal(wire.isDestroyed, true)
  })
})
