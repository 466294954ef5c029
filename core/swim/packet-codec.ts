/**
 * Bytes of packet messages and of the compound that carries them: our own binary format, not memberlist's.
 *
 * Compound: count (1 byte), then for each part its length (2 bytes) and the part; a part is a kind byte and its
 * fields. Bytes after the fields of a part are ignored, parts of unknown kind are skipped: later versions may add
 * both. Parts that the end of the packet cuts off are dropped, those before are kept. Never throws for what it is
 * given. Source: gossip.md 3.1, 3.2, kinds as there. Bounds: the constants below.
 */

import { assertNever } from '../assert.ts'
import type { CatalogNotice } from '../catalog/notice.ts'
import { readUserEvent, writeUserEvent } from './event-codec.ts'
import { readAddress, readLamport, readName, writeAddress } from './fields.ts'
import type { PacketMessage } from './messages.ts'
import {
  readQuery,
  readRelay,
  readResponse,
  writeQuery,
  writeRelay,
  writeResponse,
} from './query-codec.ts'
import { META_SIZE_MAX } from './tags.ts'
import type { MemberFacts, ProtocolVersions } from './types.ts'
import { PROTOCOL_VERSIONS } from './types.ts'
import { WireError, WireReader, WireWriter } from './wire.ts'

export const ID_SIZE_MAX = 64
export const PARTS_MAX = 255
/** Bytes of a compound beside its parts, and beside each part. */
export const COMPOUND_OVERHEAD = 1
export const PART_OVERHEAD = 2
const ACK_PAYLOAD_MAX = 256
const EPOCH_SIZE_MAX = 64

const KIND = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  user: 8,
  nack: 11,
} as const

/** What a user message holds: Serf's layer (gossip.md 11.2), whose other numbers are kept free, and ours from 32 on. */
const USER_KIND = {
  leave: 0,
  join: 1,
  userEvent: 3,
  query: 4,
  queryResponse: 5,
  relay: 9,
  catalogNotice: 32,
} as const

export interface DecodedPacket {
  readonly messages: readonly PacketMessage[]
  /** Parts that could not be read, the packet's cut-off end among them. */
  readonly malformed: number
  readonly unknown: number
}

export function encodeMessage(message: PacketMessage): Uint8Array {
  const writer = new WireWriter()
  writeMessage(writer, message)
  return writer.finish()
}

/** @param parts 1 to PARTS_MAX encoded messages */
export function encodeCompound(parts: readonly Uint8Array[]): Uint8Array {
  let size = COMPOUND_OVERHEAD
  for (const part of parts) size += PART_OVERHEAD + part.length
  const bytes = new Uint8Array(size)
  bytes[0] = parts.length
  let at = COMPOUND_OVERHEAD
  for (const part of parts) {
    bytes[at] = part.length >>> 8
    bytes[at + 1] = part.length
    bytes.set(part, at + PART_OVERHEAD)
    at += PART_OVERHEAD + part.length
  }
  return bytes
}

/** Nothing in the result refers to `bytes`. */
export function decodeCompound(bytes: Uint8Array): DecodedPacket {
  const count = bytes[0] ?? 0
  const messages: PacketMessage[] = []
  let malformed = 0
  let unknown = 0
  let at = COMPOUND_OVERHEAD
  for (let i = 0; i < count; i++) {
    const size = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    const start = at + PART_OVERHEAD
    if (start + size > bytes.length) {
      malformed += count - i
      break
    }
    at = start + size
    const message = decodeMessage(bytes.subarray(start, at))
    if (message === 'malformed') malformed++
    else if (message === 'unknown') unknown++
    else messages.push(message)
  }
  if (count === 0) malformed++
  return { messages, malformed, unknown }
}

export function decodeMessage(bytes: Uint8Array): PacketMessage | 'malformed' | 'unknown' {
  try {
    return readMessage(new WireReader(bytes)) ?? 'unknown'
  } catch (error) {
    if (error instanceof WireError) return 'malformed'
    throw error
  }
}

function writeMessage(writer: WireWriter, message: PacketMessage): void {
  switch (message.kind) {
    case 'ping':
      writer.u8(KIND.ping)
      writer.u32(message.seq)
      writer.text(message.target)
      return
    case 'indirect-ping':
      writer.u8(KIND.indirectPing)
      writer.u32(message.seq)
      writer.text(message.target)
      writeAddress(writer, message)
      writer.u8(message.wantsNack ? 1 : 0)
      return
    case 'ack':
      writer.u8(KIND.ack)
      writer.u32(message.seq)
      writer.blob(message.payload)
      return
    case 'nack':
      writer.u8(KIND.nack)
      writer.u32(message.seq)
      return
    case 'alive':
      writer.u8(KIND.alive)
      writer.u32(message.incarnation)
      writeFacts(writer, message)
      return
    case 'suspect':
    case 'dead':
      writer.u8(KIND[message.kind])
      writer.u32(message.incarnation)
      writer.text(message.name)
      writer.text(message.from)
      return
    case 'join-intent':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.join)
      writer.varint(message.time)
      writer.text(message.name)
      return
    case 'leave-intent':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.leave)
      writer.varint(message.time)
      writer.text(message.name)
      writer.u8(message.prune ? 1 : 0)
      return
    case 'user-event':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.userEvent)
      writeUserEvent(writer, message)
      return
    case 'query':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.query)
      writeQuery(writer, message)
      return
    case 'query-response':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.queryResponse)
      writeResponse(writer, message)
      return
    case 'relay':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.relay)
      writeRelay(writer, message)
      return
    case 'catalog-notice':
      writer.u8(KIND.user)
      writer.u8(USER_KIND.catalogNotice)
      writeNotice(writer, message)
      return
    default:
      assertNever(message)
  }
}

/** @throws WireError */
function readMessage(reader: WireReader): PacketMessage | null {
  switch (reader.u8()) {
    case KIND.ping:
      return { kind: 'ping', seq: reader.u32(), target: readName(reader) }
    case KIND.indirectPing:
      return {
        kind: 'indirect-ping',
        seq: reader.u32(),
        target: readName(reader),
        ...readAddress(reader),
        wantsNack: reader.u8() === 1,
      }
    case KIND.ack:
      return { kind: 'ack', seq: reader.u32(), payload: reader.blob(ACK_PAYLOAD_MAX).slice() }
    case KIND.nack:
      return { kind: 'nack', seq: reader.u32() }
    case KIND.alive:
      return { kind: 'alive', incarnation: reader.u32(), ...readFacts(reader) }
    case KIND.suspect:
      return { kind: 'suspect', ...readAccusation(reader) }
    case KIND.dead:
      return { kind: 'dead', ...readAccusation(reader) }
    case KIND.user:
      return readUserMessage(reader)
    default:
      return null
  }
}

function readUserMessage(reader: WireReader): PacketMessage | null {
  switch (reader.u8()) {
    case USER_KIND.join:
      return { kind: 'join-intent', time: readLamport(reader), name: readName(reader) }
    case USER_KIND.leave:
      return {
        kind: 'leave-intent',
        time: readLamport(reader),
        name: readName(reader),
        prune: reader.u8() === 1,
      }
    case USER_KIND.userEvent:
      return { kind: 'user-event', ...readUserEvent(reader) }
    case USER_KIND.query:
      return { kind: 'query', ...readQuery(reader) }
    case USER_KIND.queryResponse:
      return { kind: 'query-response', ...readResponse(reader) }
    case USER_KIND.relay:
      return { kind: 'relay', ...readRelay(reader) }
    case USER_KIND.catalogNotice:
      return { kind: 'catalog-notice', ...readNotice(reader) }
    default:
      return null
  }
}

function readAccusation(reader: WireReader): { incarnation: number; name: string; from: string } {
  return { incarnation: reader.u32(), name: readName(reader), from: readName(reader) }
}

export function writeNotice(writer: WireWriter, { epoch, term, index, beat }: CatalogNotice): void {
  writer.text(epoch)
  for (const value of [term, index, beat]) writer.varint(value)
}

/** @throws WireError */
export function readNotice(reader: WireReader): CatalogNotice {
  return {
    epoch: reader.text(EPOCH_SIZE_MAX),
    term: reader.varint(Number.MAX_SAFE_INTEGER),
    index: reader.varint(Number.MAX_SAFE_INTEGER),
    beat: reader.varint(Number.MAX_SAFE_INTEGER),
  }
}

export function writeFacts(writer: WireWriter, facts: MemberFacts): void {
  writer.text(facts.name)
  writer.text(facts.id)
  writeAddress(writer, facts)
  writer.blob(facts.meta)
  writer.u8(facts.versions.min)
  writer.u8(facts.versions.max)
  writer.u8(facts.versions.current)
}

/** @throws WireError */
export function readFacts(reader: WireReader): MemberFacts {
  return {
    name: readName(reader),
    id: reader.text(ID_SIZE_MAX),
    ...readAddress(reader),
    meta: reader.blob(META_SIZE_MAX).slice(),
    versions: readVersions(reader),
  }
}

/** Versions are nearly always ours: one object then serves all members. */
function readVersions(reader: WireReader): ProtocolVersions {
  const versions = { min: reader.u8(), max: reader.u8(), current: reader.u8() }
  const { min, max, current } = PROTOCOL_VERSIONS
  const isOurs = versions.min === min && versions.max === max && versions.current === current
  return isOurs ? PROTOCOL_VERSIONS : versions
}
