/**
 * The hand-written codec of Raft's messages: nothing is lost, the generated code reads and writes the same,
 * and bytes of others never do more than give a WireError.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import type { RaftMessage } from '../../../../core/raft/messages.ts'
import { ENTRY_HEAD_BYTES, RaftLog } from '../../../../core/raft/raft-log.ts'
import { chain, logIndex, term } from '../../../../core/raft/types.ts'
import {
  FrameSchema,
  MessageSchema,
  type Message as WireMessage,
} from '../../../../proto/gen/raft_pb.ts'
import { decodeFrame, encodeFrame, MESSAGES_MAX } from '../../../../runtime/rpc/raft-frame.ts'
import {
  decodeMessage,
  ENTRIES_MAX,
  encodeMessage,
} from '../../../../runtime/rpc/raft-message-codec.ts'
import { WireError } from '../../../../runtime/rpc/wire-reader.ts'
import { WireWriter } from '../../../../runtime/rpc/wire-writer.ts'
import { anyMessage, makeAppend } from './raft-messages.ts'

const MIB = 1_048_576
const CLUSTER = { clusterId: '8a1f5c0e-3b4d-4a6e-9f00-0123456789ab', epoch: 3 }

function encoded(message: RaftMessage): Buffer {
  const out = new WireWriter(0)
  encodeMessage(out, message)
  return out.finish()
}

/** Views of buffers compare by their bytes. */
function plain(message: RaftMessage): RaftMessage {
  if (message.kind !== 'append') return message
  const entries = message.entries.map((e) => ({ ...e, data: new Uint8Array(e.data) }))
  return { ...message, entries }
}

describe('the codec of Raft messages', () => {
  it('gives back every message', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        assert.deepEqual(plain(decodeMessage(encoded(message))), message)
      }),
      { numRuns: 500 },
    )
  })

  it('writes and reads what the generated code does', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const bytes = encoded(message)
        const generated = fromBinary(MessageSchema, bytes)
        assert.equal(generated.$unknown, undefined)
        assert.deepEqual(headOf(generated), [message.from, message.to, BigInt(message.term)])
        const again = Buffer.from(toBinary(MessageSchema, generated))
        assert.ok(again.equals(bytes), 'the generated code writes other bytes')
      }),
      { numRuns: 300 },
    )
  })

  it('skips fields it does not know', () => {
    const message = makeAppend({ entries: 2 })
    const generated = fromBinary(MessageSchema, encoded(message))
    const unknown = [
      {
        no: 99,
        wireType: 0,
        data: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
      },
      { no: 100, wireType: 2, data: Uint8Array.of(2, 1, 2) },
    ]
    const newer = create(MessageSchema, { ...generated, $unknown: unknown })
    newer.$unknown = unknown
    assert.deepEqual(plain(decodeMessage(Buffer.from(toBinary(MessageSchema, newer)))), message)
  })

  it('refuses unknown kinds, unknown types of entries, foreign numbers and broken configurations', () => {
    const head = { from: 'a', to: 'b', term: 1n }
    const bad: readonly [WireMessage, RegExp][] = [
      [create(MessageSchema, head), /no known kind/],
      [
        create(MessageSchema, { ...head, from: '', kind: { case: 'timeoutNow', value: {} } }),
        /server id/,
      ],
      [
        create(MessageSchema, {
          ...head,
          kind: { case: 'append', value: { entries: [{ type: 17 }] } },
        }),
        /unknown type 17/,
      ],
      [
        create(MessageSchema, {
          ...head,
          term: 2n ** 53n,
          kind: { case: 'timeoutNow', value: {} },
        }),
        /above 2\^53/,
      ],
      [
        create(MessageSchema, {
          ...head,
          kind: { case: 'append', value: { prevIndex: 2n ** 53n - 1n, entries: [{}] } },
        }),
        /above 2\^53/,
      ],
      [
        create(MessageSchema, {
          ...head,
          kind: {
            case: 'snapshotOffer',
            value: { snapshot: { index: 1n, configuration: { incoming: ['b', 'a'] } } },
          },
        }),
        /unique and sorted/,
      ],
    ]
    for (const [message, expected] of bad) {
      const bytes = Buffer.from(toBinary(MessageSchema, message))
      assert.throws(
        () => decodeMessage(bytes),
        (thrown) => thrown instanceof WireError && expected.test(thrown.message),
      )
    }
  })

  it('takes as many entries as the core puts into a message, however tiny they are', () => {
    const data = new Uint8Array(0)
    const last = term(Number.MAX_SAFE_INTEGER)
    const log = new RaftLog({ index: logIndex(0), term: term(1), chain: chain(0) }, [])
    for (let index = 1; index <= 2 * ENTRIES_MAX; index++) {
      log.push({
        index: logIndex(index),
        term: last,
        type: 'checkpoint',
        data,
        chain: chain(2 ** 52),
      })
    }
    const entries = log.slice(1, log.lastIndex + 1, MIB)
    assert.ok(entries.length > 20_000 && entries.length < ENTRIES_MAX, String(entries.length))
    const bytes = encoded({ ...makeAppend({ entries: 1 }), entries })
    assert.ok(bytes.length <= MIB + 256, String(bytes.length))
    const decoded = decodeMessage(bytes)
    assert.ok(decoded.kind === 'append')
    assert.equal(decoded.entries.length, entries.length)
    assert.equal(log.slice(1, 3, 2 * ENTRY_HEAD_BYTES).length, 2)
    assert.equal(log.slice(1, 3, 2 * ENTRY_HEAD_BYTES - 1).length, 1)
  })

  it('sends the beginning of an append with more entries than a receiver takes', () => {
    const many = makeAppend({ entries: 1 })
    const [entry] = many.entries
    assert.ok(entry !== undefined)
    const message = { ...many, entries: new Array(ENTRIES_MAX + 5).fill(entry) }
    const decoded = decodeMessage(encoded(message))
    assert.ok(decoded.kind === 'append')
    assert.equal(decoded.entries.length, ENTRIES_MAX)
    assert.equal(decoded.entries.at(-1)?.index, logIndex(many.prevIndex + ENTRIES_MAX))
  })
})

describe('the codec of frames', () => {
  it('gives back cluster and messages, as the generated code reads them', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 5 }), (messages) => {
        const bytes = encodeFrame({ cluster: CLUSTER, messages })
        const frame = decodeFrame(bytes)
        assert.deepEqual(frame.cluster, CLUSTER)
        assert.deepEqual(frame.messages.map(plain), messages)
        const generated = fromBinary(FrameSchema, bytes)
        assert.equal(generated.messages.length, messages.length)
        assert.ok(Buffer.from(toBinary(FrameSchema, generated)).equals(bytes))
      }),
      { numRuns: 200 },
    )
  })

  it('throws nothing but WireError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        onlyWireError(() => decodeFrame(Buffer.from(bytes)))
        onlyWireError(() => decodeMessage(Buffer.from(bytes)))
      }),
      { numRuns: 2_000 },
    )
  })

  it('finds every changed byte of a message, and never throws anything else', () => {
    const changes = fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) })
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(changes, { minLength: 1, maxLength: 4 }),
        (message, list) => {
          const bytes = Buffer.from(encodeFrame({ cluster: CLUSTER, messages: [message] }))
          for (const { at, xor } of list)
            bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ xor
          onlyWireError(() => {
            for (const decoded of decodeFrame(bytes).messages)
              assert.deepEqual(plain(decoded), message)
          })
          // Past the checksum, as a peer with a bug would send it.
          const body = Buffer.from(encoded(message))
          for (const { at, xor } of list)
            body[at % body.length] = (body[at % body.length] ?? 0) ^ xor
          onlyWireError(() => decodeMessage(body))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('throws nothing but WireError for what is cut short', () => {
    const bytes = encodeFrame({ cluster: CLUSTER, messages: [makeAppend({ entries: 3 })] })
    for (let length = 0; length < bytes.length; length++) {
      onlyWireError(() => decodeFrame(bytes.subarray(0, length)))
    }
  })

  it('refuses another version, no cluster and too many messages', () => {
    const message = makeAppend({ entries: 0 })
    const good = fromBinary(FrameSchema, encodeFrame({ cluster: CLUSTER, messages: [message] }))
    const frames = [
      { ...good, version: 2 },
      { ...good, version: 0 },
      { ...good, cluster: undefined },
      { ...good, messages: new Array(MESSAGES_MAX + 1).fill(good.messages[0]) },
    ]
    for (const frame of frames) {
      const bytes = Buffer.from(toBinary(FrameSchema, create(FrameSchema, frame as never)))
      assert.throws(() => decodeFrame(bytes), WireError)
    }
  })
})

function headOf(message: WireMessage): unknown[] {
  return [message.from, message.to, message.term]
}

function onlyWireError(decode: () => unknown): void {
  try {
    decode()
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown
  }
}
