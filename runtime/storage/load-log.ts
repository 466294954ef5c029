/**
 * Reads what a key-value store holds of a Raft log and judges it (Raft specification 14.5).
 *
 * Guarantees that nothing is called consistent that was not proved, and that what is called recovering is a
 * proven prefix. Changes nothing: what a damaged log needs before its next write is returned as operations.
 * Bounds: reads pages of 1,000 rows; memory holds the log's entries.
 */

import { CHAIN_START } from '../../core/raft/chain.ts'
import {
  type HardState,
  type LogIndex,
  type LogPosition,
  logIndex,
  term,
} from '../../core/raft/types.ts'
import type { KeyValueStore, StoreOperation } from './key-value-store.ts'
import {
  allEntriesRange,
  decodeEntryKey,
  decodeHardState,
  decodeIdentity,
  decodeIndex,
  decodeLogStart,
  decodeSnapshotPointer,
  encodeIndex,
  encodeLogStart,
  entryRange,
  FORMAT_VERSION,
  type HardStateRecord,
  type LogStartRecord,
  type RecordName,
  recordKey,
} from './log-records.ts'
import type { LogVerdict, SnapshotPointer, StoredIdentity, StoredLog } from './log-store.ts'
import { LogVerifier } from './verify-log.ts'
import type { Testimony } from './witness-file.ts'

/** Position below the first entry of a log that was never compacted. */
export const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

export interface LoadedLog {
  readonly verdict: LogVerdict
  /** Where the store goes on. */
  readonly place: LogPlace
}

export interface LogPlace {
  readonly generation: number
  /** Of the last append job. */
  readonly seq: number
  /** Lowest and highest entry of the log as it is after `repair`. */
  readonly low: number
  readonly high: number
  /** Recorded snapshot; 0 when there is none. */
  readonly pointerIndex: number
  /** To be executed together with the next synced write. */
  readonly repair: readonly StoreOperation[]
}

interface Records {
  readonly identity: StoredIdentity
  readonly hardState: HardStateRecord
  /** Null when the record is rotten. */
  readonly start: LogStartRecord | null
  readonly pointer: SnapshotPointer | null
  readonly hint: LogIndex
  readonly damage: LogIndex | null
}

type Slot<T> = { kind: 'absent' } | { kind: 'bad' } | { kind: 'good'; value: T }

const NOWHERE: LogPlace = {
  generation: 0,
  seq: 0,
  low: 1,
  high: 0,
  pointerIndex: 0,
  repair: [],
}

/** @param testimony what the second witness says of this server, or null */
export async function loadLog(
  store: KeyValueStore,
  testimony: Testimony | null,
): Promise<LoadedLog> {
  const found = await judge(store)
  return testimony === null ? found : crossExamined(found, testimony)
}

async function judge(store: KeyValueStore): Promise<LoadedLog> {
  const records = await readRecords(store)
  if ('kind' in records) return { verdict: records, place: NOWHERE }
  const { start } = records
  if (start === null) {
    return await nothingLeft(store, records, 'the record of where the log starts is damaged')
  }
  if ((await highestGeneration(store)) > start.generation) {
    return await nothingLeft(
      store,
      records,
      'entries of a newer log exist, their beginning is lost',
    )
  }
  return await judgeEntries(store, records, start)
}

/** Compares what the log proves by itself with what was acknowledged before. */
function crossExamined(found: LoadedLog, testimony: Testimony): LoadedLog {
  const { verdict, place } = found
  const { seq, term: ofTerm, vote, lastIndex } = testimony
  if (verdict.kind === 'corrupt' || verdict.kind === 'retired') return found
  if (verdict.kind === 'empty') {
    if (ofTerm === 0 && lastIndex === 0) return found
    const reason = `the log is empty, yet entries up to ${lastIndex} and term ${ofTerm} were acknowledged`
    return { verdict: { kind: 'retired', reason }, place }
  }
  const { hardState } = verdict.log
  const isVoteOlder =
    hardState.term < ofTerm ||
    (hardState.term === ofTerm && hardState.vote !== vote && vote !== null)
  if (isVoteOlder) {
    const reason = `the log says term ${hardState.term} and vote "${hardState.vote ?? 'none'}", term ${ofTerm} and vote "${vote ?? 'none'}" were acknowledged`
    return { verdict: { kind: 'retired', reason }, place }
  }
  if (place.seq >= seq) return found
  const known = verdict.kind === 'recovering' ? verdict.damagedTo : logIndex(0)
  const damagedTo = logIndex(Math.max(known, lastIndex))
  const reason = `the log ends with write ${place.seq}, write ${seq} was acknowledged`
  return {
    verdict: { kind: 'recovering', reason, log: verdict.log, damagedTo },
    // Later numbers than any that was given away, so that the loss is not taken for healed.
    place: { ...place, seq, repair: [...place.repair, putDamage(damagedTo)] },
  }
}

/** What a server starts with that lost everything but its identity, its term and its vote. */
export function emptyLog(log: Pick<StoredLog, 'identity' | 'hardState'>): StoredLog {
  const hardState: HardState = { ...log.hardState, commit: logIndex(0) }
  return { identity: log.identity, hardState, pointer: null, anchor: ORIGIN, entries: [] }
}

/** Operations that forget the log, in favour of an empty one under a new generation. */
export function forgetting(generation: number, damagedTo: LogIndex): StoreOperation[] {
  return [
    putRecord('logStart', encodeLogStart({ generation, anchor: ORIGIN })),
    { kind: 'delete', key: recordKey('snapshot') },
    putDamage(damagedTo),
  ]
}

export function putRecord(name: RecordName, value: Uint8Array): StoreOperation {
  return { kind: 'put', key: recordKey(name), value }
}

function putDamage(damagedTo: LogIndex): StoreOperation {
  return putRecord('damage', encodeIndex('damage', damagedTo))
}

async function readRecords(store: KeyValueStore): Promise<Records | LogVerdict> {
  const identity = await read(store, 'identity', decodeIdentity)
  const hardState = await read(store, 'hardState', decodeHardState)
  const start = await read(store, 'logStart', decodeLogStart)
  const pointer = await read(store, 'snapshot', decodeSnapshotPointer)
  const hint = await read(store, 'commitHint', (stored) => decodeIndex('commitHint', stored))
  const damage = await read(store, 'damage', (stored) => decodeIndex('damage', stored))
  if (identity.kind === 'good' && identity.value.format !== FORMAT_VERSION) {
    const { format } = identity.value
    return corrupt(`the log has format ${format}, this version reads ${FORMAT_VERSION}`)
  }
  if (identity.kind === 'bad') return corrupt('the identity record fails its checksum')
  if (hardState.kind !== 'good') {
    const isVirgin = [identity, hardState, start, pointer, hint, damage].every(
      (slot) => slot.kind === 'absent',
    )
    if (isVirgin && (await highestGeneration(store)) < 0) return { kind: 'empty', identity: null }
    const what = hardState.kind === 'bad' ? 'fails its checksum' : 'is missing'
    return { kind: 'retired', reason: `the record of term and vote ${what}` }
  }
  if (identity.kind === 'absent') return corrupt('the identity record is missing')
  if (damage.kind === 'bad') return corrupt('the record of earlier damage fails its checksum')
  return {
    identity: identity.value,
    hardState: hardState.value,
    start: startOf(start),
    pointer: goodValue(pointer),
    // A hint only ever adds suspicion, so that a rotten one is as good as none.
    hint: goodValue(hint) ?? logIndex(0),
    damage: goodValue(damage),
  }
}

async function judgeEntries(
  store: KeyValueStore,
  records: Records,
  start: LogStartRecord,
): Promise<LoadedLog> {
  const { identity, hardState, damage } = records
  const { generation, anchor } = start
  const verifier = new LogVerifier(anchor, hardState)
  for await (const page of store.scan(entryRange(generation, anchor.index + 1))) {
    for (const [key, value] of page) {
      const decoded = decodeEntryKey(key)
      if (decoded === null) {
        return { verdict: corrupt('a key inside the log has an unknown shape'), place: NOWHERE }
      }
      verifier.row(decoded.index, key, value)
    }
  }
  const found = verifier.finish(records.hint)
  if (found.kind === 'corrupt') return { verdict: found, place: NOWHERE }
  const { entries } = found
  const last: LogPosition = entries.at(-1) ?? anchor
  const commit = Math.max(records.hint, hardState.hardState.commit)
  const log: StoredLog = {
    identity,
    hardState: { ...hardState.hardState, commit: logIndex(Math.min(commit, last.index)) },
    pointer: coveringPointer(records.pointer, anchor, last),
    anchor,
    entries,
  }
  const place = {
    generation,
    seq: hardState.seq,
    low: anchor.index + 1,
    high: last.index,
    pointerIndex: records.pointer?.index ?? 0,
  }
  if (found.kind === 'damaged') {
    const damagedTo = logIndex(Math.max(found.damagedTo, damage ?? 0))
    return {
      verdict: { kind: 'recovering', reason: found.reason, log, damagedTo },
      place: { ...place, repair: cuttingOff(found.rottenKeys, damagedTo) },
    }
  }
  if (damage !== null) {
    const reason = `entries up to ${damage} were damaged and are not all back`
    const verdict: LogVerdict = { kind: 'recovering', reason, log, damagedTo: damage }
    return { verdict, place: { ...place, repair: [] } }
  }
  const isUntouched = last.index === 0 && log.hardState.term === 0
  const verdict: LogVerdict = isUntouched
    ? { kind: 'empty', identity }
    : { kind: 'consistent', log }
  return { verdict, place: { ...place, repair: [] } }
}

async function nothingLeft(
  store: KeyValueStore,
  records: Records,
  reason: string,
): Promise<LoadedLog> {
  const { hardState, hint, damage } = records
  const acknowledged = Math.max(hardState.last.index, hardState.hardState.commit, hint, damage ?? 0)
  const damagedTo = logIndex(acknowledged)
  const log = emptyLog({ identity: records.identity, hardState: hardState.hardState })
  const generation = Math.max(await highestGeneration(store), records.start?.generation ?? 0) + 1
  return {
    verdict: { kind: 'recovering', reason, log, damagedTo },
    place: {
      generation,
      seq: hardState.seq,
      low: 1,
      high: 0,
      pointerIndex: 0,
      repair: forgetting(generation, damagedTo),
    },
  }
}

function cuttingOff(keys: readonly Uint8Array[], damagedTo: LogIndex): StoreOperation[] {
  return [...keys.map((key): StoreOperation => ({ kind: 'delete', key })), putDamage(damagedTo)]
}

/**
 * A lost or rotten pointer is no loss: whether a snapshot belongs to the log is proved by its chain, and
 * the log's end bounds where to look.
 */
function coveringPointer(
  pointer: SnapshotPointer | null,
  anchor: LogPosition,
  last: LogPosition,
): SnapshotPointer | null {
  if (pointer !== null && pointer.index >= anchor.index) return pointer
  return anchor.index === 0 ? null : { index: last.index, term: last.term }
}

/** Of any entry; -1 when there is none. */
async function highestGeneration(store: KeyValueStore): Promise<number> {
  let highest = -1
  for (;;) {
    const next = await firstGenerationFrom(store, highest + 1)
    if (next === null) return highest
    highest = next
  }
}

async function firstGenerationFrom(store: KeyValueStore, from: number): Promise<number | null> {
  const range = { from: entryRange(from, 0).from, to: allEntriesRange().to }
  for await (const page of store.scan(range)) {
    for (const [key] of page) {
      const decoded = decodeEntryKey(key)
      if (decoded !== null) return decoded.generation
    }
  }
  return null
}

async function read<T>(
  store: KeyValueStore,
  name: RecordName,
  decode: (stored: Uint8Array) => T | null,
): Promise<Slot<T>> {
  const stored = await store.get(recordKey(name))
  if (stored === undefined) return { kind: 'absent' }
  const value = decode(stored)
  return value === null ? { kind: 'bad' } : { kind: 'good', value }
}

function startOf(slot: Slot<LogStartRecord>): LogStartRecord | null {
  if (slot.kind === 'bad') return null
  return slot.kind === 'good' ? slot.value : { generation: 0, anchor: ORIGIN }
}

function goodValue<T>(slot: Slot<T>): T | null {
  return slot.kind === 'good' ? slot.value : null
}

function corrupt(reason: string): LogVerdict {
  return { kind: 'corrupt', reason }
}
