/**
 * Streams of gossip: what goes in comes out, and any other bytes fail with the declared error only.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeStreamMessage, encodeStreamMessage } from '../../../../core/swim/stream-codec.ts'
import { WireError } from '../../../../core/swim/wire.ts'
import { streamMessage } from './messages.ts'

function plain(message: unknown): unknown {
  return JSON.parse(JSON.stringify(message))
}

function decodes(bytes: Uint8Array): boolean {
  try {
    decodeStreamMessage(bytes)
    return true
  } catch (error) {
    assert.ok(error instanceof WireError, String(error))
    return false
  }
}

test('a message that was encoded decodes to itself', () => {
  fc.assert(
    fc.property(streamMessage, (message) => {
      assert.deepEqual(plain(decodeStreamMessage(encodeStreamMessage(message))), plain(message))
    }),
  )
})

test('any bytes decode or fail with a WireError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => void decodes(bytes)),
    { numRuns: 2000 },
  )
})

test('damaged and shortened messages decode or fail with a WireError', () => {
  fc.assert(
    fc.property(streamMessage, fc.nat(), fc.integer({ min: 0, max: 255 }), (message, at, value) => {
      const bytes = encodeStreamMessage(message)
      decodes(bytes.subarray(0, at % bytes.length))
      bytes[at % bytes.length] = value
      decodes(bytes)
    }),
    { numRuns: 1000 },
  )
})

test('a count that promises a million rows costs nothing', () => {
  const bytes = new Uint8Array([6, 1, 97, 0, 0, 0xff, 0xff, 0x3f])
  assert.throws(() => decodeStreamMessage(bytes), WireError)
})
