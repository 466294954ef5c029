/**
 * Bytes of what goes over a stream: whole states, digests of them, pings that test TCP (gossip.md 3.1, 8).
 *
 * Decoding throws WireError and nothing else; rows are read one by one, so that a count that promises more than
 * the bytes hold costs nothing. Bounds: ROWS_MAX rows, EVENTS_MAX events; the size is bounded by the shell, which reads the bytes.
 */

import { assertNever } from '../assert.ts'
import { readUserEvent, writeUserEvent } from './event-codec.ts'
import { readLamport, readName } from './fields.ts'
import type { MemberRow, StreamHeader, StreamMessage, UserEvent } from './messages.ts'
import { readFacts, readNotice, writeFacts, writeNotice } from './packet-codec.ts'
import { DIGEST_BUCKETS, DIGEST_WORDS } from './state-digest.ts'
import { SWIM_STATES, type SwimState } from './types.ts'
import { WireError, WireReader, WireWriter } from './wire.ts'

/** Of one message, after decompression if any. */
export const STREAM_SIZE_MAX = 20 * 1024 * 1024
export const ROWS_MAX = 1_048_576
export const EVENTS_MAX = 65_536
const REASON_SIZE_MAX = 1024
const ACK_PAYLOAD_MAX = 256

const KIND = { ping: 0, ack: 2, state: 6, refusal: 13, digest: 32, differences: 33 } as const
const FLAG = { left: 1, fresh: 2 } as const

export function encodeStreamMessage(message: StreamMessage): Uint8Array {
  const writer = new WireWriter()
  switch (message.kind) {
    case 'ping':
      writer.u8(KIND.ping)
      writer.u32(message.seq)
      writer.text(message.target)
      break
    case 'ack':
      writer.u8(KIND.ack)
      writer.u32(message.seq)
      writer.blob(message.payload)
      break
    case 'state':
      writer.u8(KIND.state)
      writeHeader(writer, message)
      writer.u8(message.isJoin ? 1 : 0)
      writeRows(writer, message.rows)
      writeEvents(writer, message.events)
      break
    case 'digest':
      writer.u8(KIND.digest)
      writeHeader(writer, message)
      for (const word of message.digest) writer.u32(word)
      break
    case 'differences':
      writer.u8(KIND.differences)
      writeHeader(writer, message)
      writer.varint(message.buckets.length)
      writer.bytes(message.buckets)
      writeRows(writer, message.rows)
      writeEvents(writer, message.events)
      break
    case 'refusal':
      writer.u8(KIND.refusal)
      writer.text(message.reason.slice(0, REASON_SIZE_MAX / 4))
      break
    default:
      assertNever(message)
  }
  return writer.finish()
}

/** @throws WireError */
export function decodeStreamMessage(bytes: Uint8Array): StreamMessage {
  const reader = new WireReader(bytes)
  switch (reader.u8()) {
    case KIND.ping:
      return { kind: 'ping', seq: reader.u32(), target: readName(reader) }
    case KIND.ack:
      return { kind: 'ack', seq: reader.u32(), payload: reader.blob(ACK_PAYLOAD_MAX).slice() }
    case KIND.state:
      return {
        kind: 'state',
        ...readHeader(reader),
        isJoin: reader.u8() === 1,
        rows: readRows(reader),
        events: readEvents(reader),
      }
    case KIND.digest:
      return { kind: 'digest', ...readHeader(reader), digest: readDigest(reader) }
    case KIND.differences:
      return {
        kind: 'differences',
        ...readHeader(reader),
        buckets: reader.blob(DIGEST_BUCKETS).slice(),
        rows: readRows(reader),
        events: readEvents(reader),
      }
    case KIND.refusal:
      return { kind: 'refusal', reason: reader.text(REASON_SIZE_MAX) }
    default:
      throw new WireError('a message of unknown kind')
  }
}

function writeHeader(writer: WireWriter, header: StreamHeader): void {
  writer.text(header.from)
  for (const time of [header.lamportTime, header.eventTime, header.queryTime]) writer.varint(time)
  writer.u32(header.eventDigest.high)
  writer.u32(header.eventDigest.low)
  writer.u8(header.notice === undefined ? 0 : 1)
  if (header.notice !== undefined) writeNotice(writer, header.notice)
}

function readHeader(reader: WireReader): StreamHeader {
  const header = {
    from: readName(reader),
    lamportTime: readLamport(reader),
    eventTime: readLamport(reader),
    queryTime: readLamport(reader),
    eventDigest: { high: reader.u32(), low: reader.u32() },
  }
  return reader.u8() === 0 ? header : { ...header, notice: readNotice(reader) }
}

function readDigest(reader: WireReader): Uint32Array {
  const digest = new Uint32Array(DIGEST_WORDS)
  for (let i = 0; i < DIGEST_WORDS; i++) digest[i] = reader.u32()
  return digest
}

function writeRows(writer: WireWriter, rows: readonly MemberRow[]): void {
  writer.varint(rows.length)
  for (const row of rows) {
    writeFacts(writer, row)
    writer.u32(row.incarnation)
    writer.u8(SWIM_STATES.indexOf(row.state))
    writer.varint(row.statusTime)
    writer.u8((row.hasLeft ? FLAG.left : 0) | (row.isFresh ? FLAG.fresh : 0))
  }
}

function readRows(reader: WireReader): MemberRow[] {
  const count = reader.varint(ROWS_MAX)
  const rows: MemberRow[] = []
  for (let i = 0; i < count; i++) {
    const facts = readFacts(reader)
    const incarnation = reader.u32()
    const state = readState(reader)
    const statusTime = readLamport(reader)
    const flags = reader.u8()
    const hasLeft = (flags & FLAG.left) !== 0
    const isFresh = (flags & FLAG.fresh) !== 0
    rows.push({ ...facts, incarnation, state, statusTime, hasLeft, isFresh })
  }
  return rows
}

function writeEvents(writer: WireWriter, events: readonly UserEvent[]): void {
  writer.varint(events.length)
  for (const event of events) writeUserEvent(writer, event)
}

function readEvents(reader: WireReader): UserEvent[] {
  const count = reader.varint(EVENTS_MAX)
  const events: UserEvent[] = []
  for (let i = 0; i < count; i++) events.push(readUserEvent(reader))
  return events
}

function readState(reader: WireReader): SwimState {
  const state = SWIM_STATES[reader.u8()]
  if (state === undefined) throw new WireError('not a state')
  return state
}
