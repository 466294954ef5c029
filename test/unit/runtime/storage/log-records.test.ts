/**
 * Keys and values of the log on disk: round trips, order, and refusal of anything else.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chain, type EntryType, logIndex, serverId, term } from '../../../../core/raft/types.ts'
import {
  decodeEntry,
  decodeEntryKey,
  decodeHardState,
  decodeIdentity,
  decodeIndex,
  decodeLogStart,
  decodeSnapshotPointer,
  encodeEntry,
  encodeHardState,
  encodeLogStart,
  entryKey,
} from '../../../../runtime/storage/log-records.ts'

const types: EntryType[] = ['normal', 'noop', 'config', 'barrier', 'checkpoint']
const safe = fc.maxSafeNat()

describe('records of the raft log', () => {
  it('give back the entry that was encoded', () => {
    fc.assert(
      fc.property(
        safe,
        safe,
        safe,
        fc.constantFrom(...types),
        fc.uint8Array(),
        (i, t, c, type, data) => {
          const key = entryKey(7, i)
          const entry = { index: logIndex(i), term: term(t), type, data, chain: chain(c) }
          const decoded = decodeEntry(key, encodeEntry(key, entry), logIndex(i))
          assert.ok(decoded !== null)
          assert.deepEqual({ ...decoded, data: Uint8Array.from(decoded.data) }, entry)
          assert.deepEqual(decodeEntryKey(key), { generation: 7, index: i })
        },
      ),
    )
  })

  it('give back hard state and log start', () => {
    fc.assert(
      fc.property(
        safe,
        safe,
        fc.option(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' })),
        (x, y, vote) => {
          const record = {
            seq: x,
            hardState: {
              term: term(y),
              vote: vote === null ? null : serverId(vote),
              commit: logIndex(x),
            },
            last: { index: logIndex(y), chain: chain(x) },
          }
          assert.deepEqual(decodeHardState(encodeHardState(record)), record)
          const anchor = { index: logIndex(x), term: term(y), chain: chain(y) }
          const start = { generation: 3, anchor }
          assert.deepEqual(decodeLogStart(encodeLogStart(start)), start)
        },
      ),
    )
  })

  it('sort as their indexes do', () => {
    fc.assert(
      fc.property(safe, safe, (x, y) => {
        const order = Buffer.compare(entryKey(0, x), entryKey(0, y))
        assert.equal(Math.sign(order), Math.sign(x - y))
      }),
    )
  })

  it('are refused, without an exception, when they are anything else', () => {
    const decoders = [
      (bytes: Uint8Array) => decodeIndex('commitHint', bytes),
      (bytes: Uint8Array) => decodeIndex('damage', bytes),
      decodeHardState,
      decodeIdentity,
      decodeLogStart,
      decodeSnapshotPointer,
    ]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of decoders) assert.equal(decode(bytes), null)
        assert.equal(decodeEntry(entryKey(0, 1), bytes, logIndex(1)), null)
      }),
    )
    assert.equal(decodeEntryKey(Buffer.from('h')), null)
  })
})
