/**
 * What the servers' end of a stream of feeds makes of bytes that come in any pieces, and of any bytes at all.
 */

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FairleadError } from '../../../../core/errors.ts'
import {
  decodeFromAgent,
  encodeFeedMessage,
  FOLLOW_BYTES_MAX,
  type FromAgent,
} from '../../../../runtime/rpc/feed-messages.ts'
import { FEED_GREETING, takeFeeds } from '../../../../runtime/rpc/feed-socket.ts'

/** As much of a socket as a stream of feeds uses. */
class FakeSocket extends EventEmitter {
  isDestroyed = false
  setKeepAlive(): void {}
  write(): void {}
  end(): void {}
  destroySoon(): void {
    this.isDestroyed = true
  }
}

interface Taken {
  readonly messages: Buffer[]
  readonly ends: (FairleadError | null)[]
  readonly socket: FakeSocket
}

function taken(pieces: readonly Uint8Array[]): Taken {
  const socket = new FakeSocket()
  // A whole socket has far more than is asked of it here.
  const stream = takeFeeds(socket as unknown as Socket)
  const messages: Buffer[] = []
  const ends: (FairleadError | null)[] = []
  stream.onEnd((error) => ends.push(error))
  stream.onBytes((bytes) => messages.push(bytes))
  for (const piece of pieces) socket.emit('data', Buffer.from(piece))
  return { messages, ends, socket }
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length))
}

const message: fc.Arbitrary<FromAgent> = fc.oneof(
  fc.constant<FromAgent>({ kind: 'ping' }),
  fc.string().map((key): FromAgent => ({ kind: 'follow', topic: { topic: 'health', key } })),
)
const places = fc.array(fc.nat(), { maxLength: 12 })

test('messages come whole and in order, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), places, (said, at) => {
      const bytes = Buffer.concat([FEED_GREETING, ...said.map(encodeFeedMessage)])
      const { messages, ends } = taken(cut(bytes, at))
      assert.deepEqual(messages.map(decodeFromAgent), said)
      assert.deepEqual(ends, [])
    }),
  )
})

test('any bytes end the stream at most once, and nothing comes after or above the bound', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 3 }),
      fc.uint8Array({ maxLength: 200 }),
      places,
      fc.boolean(),
      (said, garbage, at, hasGreeting) => {
        const first = hasGreeting ? [FEED_GREETING] : []
        const bytes = Buffer.concat([...first, ...said.map(encodeFeedMessage), garbage])
        const { messages, ends, socket } = taken([...cut(bytes, at), FEED_GREETING])
        assert.ok(ends.length <= 1)
        assert.equal(socket.isDestroyed, ends.length === 1)
        assert.ok(messages.every(({ length }) => length <= FOLLOW_BYTES_MAX))
        if (!hasGreeting && bytes.length >= 8) assert.equal(ends[0]?.code, 'NOT_SUPPORTED')
      },
    ),
  )
})

test('a message that says it is too long ends the stream before it is kept', () => {
  const head = Buffer.from([1, 0xff, 0xff, 0xff, 0xff])
  const { messages, ends } = taken([FEED_GREETING, head, Buffer.alloc(1_000)])
  assert.equal(ends[0]?.code, 'TOO_LARGE')
  assert.deepEqual(messages, [])
})
