/**
 * Peers of HTTP/2 that flood, or keep no rules.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BODY_NONE, ResponseHead } from '../../../../proxy/http1/message.ts'
import {
  ANSWERED_FRAMES_PER_TICK_MAX,
  CANCEL,
  CONTINUATION,
  CONTINUATIONS_MAX,
  CONTROL_FRAMES_PER_TICK_MAX,
  DATA,
  ENHANCE_YOUR_CALM,
  FLAG_END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  REFUSED_STREAM,
  RESETS_BURST_MAX,
  RST_STREAM,
  SETTINGS,
  STREAMS_MAX,
  WINDOW_UPDATE,
} from '../../../../proxy/http2/format.ts'
import { type FarEnd, settle } from '../memory-wire.ts'
import { clientHello, frame, headers, numbers, REQUEST, request } from './raw-frames.ts'
import { codeOf, OK, setup } from './server-setup.ts'

describe('hostile peers', () => {
  async function ends(far: FarEnd, state: { closed: boolean }, code: number): Promise<void> {
    await settle()
    assert.equal(codeOf(far, GOAWAY), code)
    assert.equal(far.ended, true)
    far.stream.end()
    await settle()
    assert.equal(state.closed, true)
  }

  it('end with rapid resets (CVE-2023-44487)', async () => {
    const { far, state, calls } = setup()
    far.send(clientHello())
    const pieces: Buffer[] = []
    for (let id = 1; id <= (RESETS_BURST_MAX + 2) * 2; id += 2) {
      pieces.push(headers(id, REQUEST), frame(RST_STREAM, 0, id, numbers(CANCEL)))
    }
    far.send(Buffer.concat(pieces))
    await ends(far, state, ENHANCE_YOUR_CALM)
    assert.ok(calls.length <= RESETS_BURST_MAX + 1)
  })

  it('end when they make us reset', async () => {
    const { far, state } = setup()
    far.send(clientHello())
    const pieces: Buffer[] = []
    for (let id = 1; id <= (RESETS_BURST_MAX + 2) * 2; id += 2) {
      pieces.push(headers(id, REQUEST), frame(WINDOW_UPDATE, 0, id, numbers(0)))
    }
    far.send(Buffer.concat(pieces))
    await ends(far, state, ENHANCE_YOUR_CALM)
  })

  it('end with a flood of CONTINUATION', async () => {
    const { far, state } = setup()
    far.send(Buffer.concat([clientHello(), frame(HEADERS, FLAG_END_STREAM, 1, '')]))
    for (let i = 0; i <= CONTINUATIONS_MAX; i++) far.send(frame(CONTINUATION, 0, 1, ''))
    await ends(far, state, ENHANCE_YOUR_CALM)
  })

  for (const [what, bytes, many] of [
    ['PING', frame(PING, 0, 0, '12345678'), ANSWERED_FRAMES_PER_TICK_MAX],
    ['SETTINGS', frame(SETTINGS, 0, 0, ''), ANSWERED_FRAMES_PER_TICK_MAX],
    ['PRIORITY', frame(PRIORITY, 0, 7, numbers(0, 0).subarray(0, 5)), CONTROL_FRAMES_PER_TICK_MAX],
    ['WINDOW_UPDATE', frame(WINDOW_UPDATE, 0, 0, numbers(1)), CONTROL_FRAMES_PER_TICK_MAX],
    ['unknown frames', frame(99, 0, 0, ''), CONTROL_FRAMES_PER_TICK_MAX],
  ] as const) {
    it(`end with a flood of ${what}`, async () => {
      const { far, state } = setup()
      far.send(clientHello())
      far.send(Buffer.concat(Array.from({ length: many + 1 }, () => bytes)))
      await ends(far, state, ENHANCE_YOUR_CALM)
    })
  }

  it('end with a flood of empty DATA', async () => {
    const { far, state } = setup()
    far.send(Buffer.concat([clientHello(), headers(1, request([[':method', 'PUT']]), false)]))
    const empty = frame(DATA, 0, 1, '')
    far.send(Buffer.concat(Array.from({ length: CONTROL_FRAMES_PER_TICK_MAX + 1 }, () => empty)))
    await ends(far, state, ENHANCE_YOUR_CALM)
  })

  it('are refused streams beyond the limit', async () => {
    const { far, calls } = setup()
    far.send(clientHello())
    const ids = Array.from({ length: STREAMS_MAX + 1 }, (_, i) => i * 2 + 1)
    far.send(Buffer.concat(ids.map((id) => headers(id, REQUEST))))
    await settle()
    assert.equal(calls.length, STREAMS_MAX)
    assert.equal(codeOf(far, RST_STREAM), REFUSED_STREAM)
  })

  it('are cut when they do not greet', async () => {
    const { b, state } = setup()
    for (let i = 0; i < 10; i++) b.clock.advance(1000)
    await settle()
    assert.equal(state.closed, true)
  })

  it('never make it throw', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.nat(10), fc.nat(255), fc.nat(6), fc.uint8Array({ maxLength: 30 }))
        .map(([type, flags, id, payload]) => frame(type, flags, id, Buffer.from(payload))),
      fc.constantFrom(headers(1, REQUEST), headers(3, REQUEST, false), frame(DATA, 1, 3, 'x')),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const { far, server, calls } = setup()
        far.send(clientHello())
        for (const each of pieces) far.send(each)
        await settle()
        for (const { caller } of calls) caller.onResponse(new ResponseHead(200, OK, BODY_NONE, 0))
        server.destroy()
      }),
      { numRuns: 300 },
    )
  })
})
