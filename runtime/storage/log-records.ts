/**
 * Keys and values of the Raft log on disk (Raft specification 14.3); format 1.
 *
 * Every value is {crc32 of key and payload (4), payload}, so that a value under the wrong key is found as
 * well as a flipped bit. Numbers are big-endian; 64-bit ones must be safe integers. Decoders return null
 * for anything that is not exactly what the encoder writes, and never throw.
 */

import { crc32 } from 'node:zlib'
import { ENTRY_TYPE_CODES } from '../../core/raft/chain.ts'
import {
  chain,
  type Entry,
  type EntryType,
  type HardState,
  type LogIndex,
  type LogPosition,
  logIndex,
  serverId,
  term,
} from '../../core/raft/types.ts'
import type { SnapshotPointer, StoredIdentity } from './log-store.ts'

/** Hard state as stored: with the end of the log it belongs to, in the same atomic batch. */
export interface HardStateRecord {
  /** Grows by one with every append job. */
  readonly seq: number
  readonly hardState: HardState
  readonly last: Pick<LogPosition, 'index' | 'chain'>
}

/** Where the log begins. */
export interface LogStartRecord {
  /** Entries of other generations are garbage. */
  readonly generation: number
  /** Just below the first entry. */
  readonly anchor: LogPosition
}

export const FORMAT_VERSION = 1
const CRC_BYTES = 4
/** One below what fits, so that the end of its range of keys can be written. */
const GENERATION_MAX = 0xffff_fffe
const ENTRY_HEAD_BYTES = CRC_BYTES + 8 + 8 + 1
const TWO_32 = 4_294_967_296
const SERVER_ID_LENGTH_MAX = 255

const KEYS = {
  hardState: 'h',
  identity: 'i',
  logStart: 'g',
  snapshot: 's',
  commitHint: 'c',
  damage: 'd',
} as const

export type RecordName = keyof typeof KEYS

const RECORD_KEYS = Object.fromEntries(
  Object.entries(KEYS).map(([name, letter]) => [name, Buffer.from(letter)]),
) as Record<RecordName, Buffer>

const TYPE_OF_CODE = new Map<number, EntryType>(
  Object.entries(ENTRY_TYPE_CODES).map(([type, code]) => [code, type as EntryType]),
)

export function recordKey(name: RecordName): Uint8Array {
  return RECORD_KEYS[name]
}

export function entryKey(generation: number, index: number): Uint8Array {
  const key = Buffer.allocUnsafe(13)
  key[0] = 0x65
  key.writeUInt32BE(generation, 1)
  writeU64(key, index, 5)
  return key
}

/** @returns null for a key that is not an entry's */
export function decodeEntryKey(key: Uint8Array): { generation: number; index: number } | null {
  const view = asBuffer(key)
  if (view.length !== 13 || view[0] !== 0x65) return null
  const generation = view.readUInt32BE(1)
  const index = readU64(view, 5)
  return index === null || generation > GENERATION_MAX ? null : { generation, index }
}

/** All entry keys of one generation with an index of at least `from`. */
export function entryRange(generation: number, from: number): { from: Uint8Array; to: Uint8Array } {
  return { from: entryKey(generation, from), to: entryKey(generation + 1, 0) }
}

/** Every entry key of every generation. */
export function allEntriesRange(): { from: Uint8Array; to: Uint8Array } {
  return { from: entryKey(0, 0), to: Buffer.from([0x66]) }
}

export function encodeEntry(key: Uint8Array, entry: Entry): Uint8Array {
  const value = Buffer.allocUnsafe(ENTRY_HEAD_BYTES + entry.data.length)
  writeU64(value, entry.chain, 4)
  writeU64(value, entry.term, 12)
  value[20] = ENTRY_TYPE_CODES[entry.type]
  value.set(entry.data, ENTRY_HEAD_BYTES)
  return seal(key, value)
}

/** The entry's own chain value is returned as stored; whether it continues the log is checked by verify-log.ts. */
export function decodeEntry(key: Uint8Array, stored: Uint8Array, index: LogIndex): Entry | null {
  const value = unseal(key, stored)
  if (value === null || value.length < ENTRY_HEAD_BYTES) return null
  const type = TYPE_OF_CODE.get(value[20] as number)
  const [storedChain, storedTerm] = [readU64(value, 4), readU64(value, 12)]
  if (type === undefined || storedChain === null || storedTerm === null) return null
  return {
    index,
    term: term(storedTerm),
    type,
    data: value.subarray(ENTRY_HEAD_BYTES),
    chain: chain(storedChain),
  }
}

export function encodeHardState(record: HardStateRecord): Uint8Array {
  const vote = Buffer.from(record.hardState.vote ?? '', 'utf8')
  const value = Buffer.allocUnsafe(44 + vote.length)
  writeU64(value, record.seq, 4)
  writeU64(value, record.hardState.term, 12)
  writeU64(value, record.hardState.commit, 20)
  writeU64(value, record.last.index, 28)
  writeU64(value, record.last.chain, 36)
  value.set(vote, 44)
  return seal(recordKey('hardState'), value)
}

export function decodeHardState(stored: Uint8Array): HardStateRecord | null {
  const value = unseal(recordKey('hardState'), stored)
  if (value === null || value.length < 44) return null
  const vote = value.toString('utf8', 44)
  const [seq, storedTerm, commit] = [readU64(value, 4), readU64(value, 12), readU64(value, 20)]
  const [lastIndex, lastChain] = [readU64(value, 28), readU64(value, 36)]
  if (seq === null || storedTerm === null || commit === null) return null
  if (lastIndex === null || lastChain === null || vote.length > SERVER_ID_LENGTH_MAX) return null
  return {
    seq,
    hardState: {
      term: term(storedTerm),
      vote: vote === '' ? null : serverId(vote),
      commit: logIndex(commit),
    },
    last: { index: logIndex(lastIndex), chain: chain(lastChain) },
  }
}

export function encodeLogStart(record: LogStartRecord): Uint8Array {
  const value = Buffer.allocUnsafe(32)
  value.writeUInt32BE(record.generation, 4)
  writeU64(value, record.anchor.index, 8)
  writeU64(value, record.anchor.term, 16)
  writeU64(value, record.anchor.chain, 24)
  return seal(recordKey('logStart'), value)
}

export function decodeLogStart(stored: Uint8Array): LogStartRecord | null {
  const value = unseal(recordKey('logStart'), stored)
  if (value === null || value.length !== 32) return null
  const [index, anchorTerm] = [readU64(value, 8), readU64(value, 16)]
  const anchorChain = readU64(value, 24)
  const generation = value.readUInt32BE(4)
  if (index === null || anchorTerm === null || anchorChain === null) return null
  if (generation > GENERATION_MAX) return null
  return {
    generation,
    anchor: { index: logIndex(index), term: term(anchorTerm), chain: chain(anchorChain) },
  }
}

/** How far entries were acknowledged (`damage`), or a hint at what is committed. */
export function encodeIndex(name: 'commitHint' | 'damage', index: LogIndex): Uint8Array {
  const value = Buffer.allocUnsafe(12)
  writeU64(value, index, 4)
  return seal(recordKey(name), value)
}

export function decodeIndex(name: 'commitHint' | 'damage', stored: Uint8Array): LogIndex | null {
  const value = unseal(recordKey(name), stored)
  if (value === null || value.length !== 12) return null
  const index = readU64(value, 4)
  return index === null ? null : logIndex(index)
}

export function encodeIdentity(identity: StoredIdentity): Uint8Array {
  return encodeJson('identity', { ...identity, format: FORMAT_VERSION })
}

export function decodeIdentity(stored: Uint8Array): (StoredIdentity & { format: number }) | null {
  const document = decodeJson('identity', stored)
  if (document === null) return null
  const { serverId: id, clusterId, epoch, format } = document
  if (typeof id !== 'string' || id === '' || id.length > SERVER_ID_LENGTH_MAX) return null
  if (typeof clusterId !== 'string') return null
  if (!isCount(epoch) || !isCount(format)) return null
  return { serverId: serverId(id), clusterId, epoch, format }
}

export function encodeSnapshotPointer(pointer: SnapshotPointer): Uint8Array {
  return encodeJson('snapshot', { ...pointer })
}

export function decodeSnapshotPointer(stored: Uint8Array): SnapshotPointer | null {
  const document = decodeJson('snapshot', stored)
  if (document === null) return null
  const { index, term: snapshotTerm } = document
  if (!isCount(index) || !isCount(snapshotTerm)) return null
  return { index: logIndex(index), term: term(snapshotTerm) }
}

function encodeJson(name: RecordName, document: Record<string, unknown>): Uint8Array {
  const text = Buffer.from(JSON.stringify(document), 'utf8')
  const value = Buffer.allocUnsafe(CRC_BYTES + text.length)
  value.set(text, CRC_BYTES)
  return seal(recordKey(name), value)
}

function decodeJson(name: RecordName, stored: Uint8Array): Record<string, unknown> | null {
  const value = unseal(recordKey(name), stored)
  if (value === null) return null
  try {
    const document: unknown = JSON.parse(value.toString('utf8', CRC_BYTES))
    return typeof document === 'object' && document !== null
      ? (document as Record<string, unknown>)
      : null
  } catch (cause) {
    if (cause instanceof SyntaxError) return null
    throw cause
  }
}

/** Fills the first four bytes with the checksum of the key and of all that follows. */
function seal(key: Uint8Array, value: Buffer): Buffer {
  value.writeUInt32BE(crc32(value.subarray(CRC_BYTES), crc32(key)), 0)
  return value
}

function unseal(key: Uint8Array, stored: Uint8Array): Buffer | null {
  const value = asBuffer(stored)
  if (value.length < CRC_BYTES) return null
  const expected = crc32(value.subarray(CRC_BYTES), crc32(key))
  return value.readUInt32BE(0) === expected ? value : null
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function writeU64(target: Buffer, n: number, at: number): void {
  target.writeUInt32BE(Math.floor(n / TWO_32), at)
  target.writeUInt32BE(n >>> 0, at + 4)
}

/** @returns null for what is no exact JavaScript number: none of ours was ever so large */
function readU64(source: Buffer, at: number): number | null {
  const n = source.readUInt32BE(at) * TWO_32 + source.readUInt32BE(at + 4)
  return Number.isSafeInteger(n) ? n : null
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
