/**
 * Frames: written and read back however they are cut; anything else is refused without a throw.
 */

import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { it } from 'node:test'
import fc from 'fast-check'
import {
  DATA,
  DATA_BYTES_MAX,
  FLAG_END,
  HELLO,
  OPEN,
  PING,
  REQUEST,
  RESET,
  TRAILERS,
  WINDOW,
} from '../../../../proxy/mux/format.ts'
import { FrameReader } from '../../../../proxy/mux/frame-reader.ts'
import { BlockPool, FrameWriter } from '../../../../proxy/mux/frame-writer.ts'
import { Turn } from '../../../../proxy/sockets/turn.ts'
import { Wire } from '../../../../proxy/sockets/wire.ts'

type Seen = readonly [kind: number, id: number, payload: string, isEnd: boolean]

/** Reads `bytes` cut at `cuts`. @returns frames with DATA pieces joined, and whether all was valid */
function read(bytes: Buffer, cuts: readonly number[]): { frames: Seen[]; valid: boolean } {
  const frames: [number, number, string, boolean][] = []
  let openData = false
  const reader = new FrameReader({
    onFrame: (kind, isEnd, id, from, start, end) => {
      frames.push([kind, id, from.toString('latin1', start, end), isEnd])
      openData = false
      return true
    },
    onData: (id, from, start, end, isEnd) => {
      const text = from.toString('latin1', start, end)
      const last = frames.at(-1)
      if (openData && last?.[0] === DATA && last[1] === id && !last[3]) {
        last[2] += text
        last[3] = isEnd
      } else {
        frames.push([DATA, id, text, isEnd])
      }
      openData = true
      return true
    },
  })
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    if (at >= bytes.length) break
    const piece = Buffer.from(bytes.subarray(at, at + cut))
    at += cut
    if (!reader.read(piece, piece.length)) return { frames, valid: false }
  }
  return { frames, valid: true }
}

function frame(kind: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(8 + payload.length)
  bytes[0] = kind
  bytes[1] = flags
  bytes.writeUInt16BE(payload.length, 2)
  bytes.writeUInt32BE(id, 4)
  payload.copy(bytes, 8)
  return bytes
}

const anyFrame = fc.oneof(
  fc.tuple(
    fc.constant(REQUEST),
    fc.constantFrom(0, 1),
    fc.uint8Array({ minLength: 1, maxLength: 600 }),
  ),
  fc.tuple(fc.constant(TRAILERS), fc.constant(1), fc.uint8Array({ minLength: 1, maxLength: 60 })),
  fc.tuple(
    fc.constant(DATA),
    fc.constantFrom(0, 1),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
  ),
  fc.tuple(
    fc.constantFrom(WINDOW, RESET),
    fc.constant(0),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
  ),
  fc.tuple(fc.constant(OPEN), fc.constant(0), fc.constant(new Uint8Array())),
)

it('any valid frames are read back the same however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyFrame, fc.integer({ min: 1, max: 2 ** 31 - 1 })), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.map(([[kind, flags, payload], id]) =>
            frame(kind, flags, id, Buffer.from(payload)),
          ),
        )
        const whole = read(bytes, [])
        assert.equal(whole.valid, true)
        assert.deepEqual(read(bytes, cuts), whole)
        assert.deepEqual(read(bytes, new Array(bytes.length).fill(1)), whole)
      },
    ),
    { numRuns: 300 },
  )
})

it('noise is refused or ignored, never thrown at', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (noise, cuts) => {
        const bytes = Buffer.from(noise)
        assert.deepEqual(read(bytes, cuts).valid, read(bytes, []).valid)
      },
    ),
    { numRuns: 2000 },
  )
})

it('refuses unknown kinds, wrong lengths, flags and ids before it waits for the payload', () => {
  const bad = [
    frame(0, 0, 1, Buffer.alloc(0)),
    frame(12, 0, 1, Buffer.alloc(0)),
    frame(REQUEST, 2, 1, Buffer.alloc(4)),
    frame(REQUEST, 0, 0, Buffer.alloc(4)),
    frame(REQUEST, 0, 1, Buffer.alloc(0)),
    frame(OPEN, 1, 1, Buffer.alloc(0)),
    frame(HELLO, 0, 0, Buffer.alloc(11)),
    frame(HELLO, 0, 1, Buffer.alloc(12)),
    frame(PING, 0, 1, Buffer.alloc(8)),
    frame(WINDOW, 0, 1, Buffer.alloc(5)),
    frame(TRAILERS, 0, 1, Buffer.alloc(5)),
    frame(DATA, 0, 1, Buffer.alloc(DATA_BYTES_MAX + 1)),
  ]
  for (const bytes of bad) {
    assert.equal(read(bytes, []).valid, false, bytes.subarray(0, 8).toString('hex'))
    assert.equal(read(bytes.subarray(0, 8), [3]).valid, false, 'with the header alone')
  }
})

it('all that is written in one turn leaves in one write, and reads back', async () => {
  const [near, far] = duplexPair()
  const turn = new Turn()
  const wire = new Wire(near as unknown as Socket, turn, 'data')
  const writer = new FrameWriter(wire, { turn, pool: new BlockPool() })
  const large = Buffer.alloc(DATA_BYTES_MAX, 'd')
  writer.text(REQUEST, FLAG_END, 1, 'GET / HTTP/1.1\r\n\r\n')
  writer.bytes(DATA, 0, 2, large, 0, large.length)
  writer.endData(2)
  writer.numbers(WINDOW, 3, 70_000)
  writer.endData(3)
  assert.equal(wire.sends, 0)
  const chunk = await new Promise<Buffer>((resolve) => far.once('data', resolve))
  assert.equal(wire.sends, 1)
  assert.deepEqual(
    read(chunk, []).frames.map(([kind, id, payload, isEnd]) => [kind, id, payload.length, isEnd]),
    [
      [REQUEST, 1, 18, true],
      [DATA, 2, DATA_BYTES_MAX, true],
      [WINDOW, 3, 4, false],
      [DATA, 3, 0, true],
    ],
  )
})

it('heads larger than a block and many blocks in one turn arrive whole', async () => {
  const [near, far] = duplexPair()
  const turn = new Turn()
  const wire = new Wire(near as unknown as Socket, turn, 'data')
  const writer = new FrameWriter(wire, { turn, pool: new BlockPool() })
  const head = 'x'.repeat(60_000)
  const body = Buffer.alloc(DATA_BYTES_MAX, 'b')
  writer.text(REQUEST, 0, 1, head)
  for (let i = 0; i < 10; i++) writer.bytes(DATA, 0, 1, body, 0, body.length)
  writer.endData(1)
  const chunks: Buffer[] = []
  const expected = 8 + head.length + 10 * (8 + body.length)
  await new Promise<void>((resolve) => {
    far.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (Buffer.concat(chunks).length >= expected) resolve()
    })
  })
  const { frames, valid } = read(Buffer.concat(chunks), [])
  assert.equal(valid, true)
  assert.equal(frames[0]?.[2], head)
  assert.equal(
    frames.slice(1).reduce((sum, each) => sum + each[2].length, 0),
    10 * body.length,
  )
  assert.equal(frames.at(-1)?.[3], true)
})
