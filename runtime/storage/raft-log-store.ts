/**
 * The Raft log over a key-value store: layout, batches, start-up verification (Raft specification 14.2-14.5).
 *
 * Guarantees: an append job is one batch with its hard state, always synced, so that a crash leaves the old
 * state or the new one. The first failed write poisons the store for good (fail-stop). Bounds: deletes run
 * in batches of 1,000 keys; the entries themselves are bounded by the caller's compaction.
 */

import { assert } from '../../core/assert.ts'
import { FairleadError } from '../../core/errors.ts'
import { CHAIN_START } from '../../core/raft/chain.ts'
import {
  type AppendJob,
  type LogIndex,
  type LogPosition,
  logIndex,
  term,
} from '../../core/raft/types.ts'
import type { KeyValueStore, StoreOperation } from './key-value-store.ts'
import {
  allEntriesRange,
  decodeCommitHint,
  decodeEntryKey,
  decodeHardState,
  decodeIdentity,
  decodeLogStart,
  decodeSnapshotPointer,
  encodeCommitHint,
  encodeEntry,
  encodeHardState,
  encodeIdentity,
  encodeLogStart,
  encodeSnapshotPointer,
  entryKey,
  entryRange,
  FORMAT_VERSION,
  type HardStateRecord,
  type LogStartRecord,
  type RecordName,
  recordKey,
} from './log-records.ts'
import type { LogStore, LogVerdict, SnapshotPointer, StoredIdentity } from './log-store.ts'
import { LogVerifier } from './verify-log.ts'

const DELETES_PER_BATCH = 1_000

/** Position below the first entry of a log that was never compacted. */
const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

type Slot<T> = { kind: 'absent' } | { kind: 'bad' } | { kind: 'good'; value: T }

export class RaftLogStore implements LogStore {
  readonly #store: KeyValueStore
  #generation = 0
  #seq = 0
  /** Lowest and highest entry that may be on disk. */
  #diskLow = 1
  #diskHigh = 0
  #failure: FairleadError | null = null

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  async load(): Promise<LogVerdict> {
    const identity = await this.#read('identity', decodeIdentity)
    const hardState = await this.#read('hardState', decodeHardState)
    const start = await this.#read('logStart', decodeLogStart)
    const pointer = await this.#read('snapshot', decodeSnapshotPointer)
    const hint = await this.#read('commitHint', decodeCommitHint)
    if (identity.kind === 'good' && identity.value.format !== FORMAT_VERSION) {
      return corrupt(
        `the log has format ${identity.value.format}, this version reads ${FORMAT_VERSION}`,
      )
    }
    if (hardState.kind === 'absent' && start.kind === 'absent' && !(await this.#hasEntries())) {
      if (identity.kind === 'bad') return corrupt('the identity record fails its checksum')
      return { kind: 'empty', identity: identity.kind === 'good' ? identity.value : null }
    }
    if (hardState.kind !== 'good') return hardStateLost(hardState.kind)
    for (const [name, slot] of Object.entries({ identity, start, pointer, hint })) {
      if (slot.kind === 'bad') return corrupt(`the ${name} record fails its checksum`)
    }
    if (identity.kind !== 'good') return corrupt('the identity record is missing')
    return await this.#verifyEntries({
      identity: identity.value,
      hardState: hardState.value,
      start: start.kind === 'good' ? start.value : { generation: 0, anchor: ORIGIN },
      pointer: pointer.kind === 'good' ? pointer.value : null,
      hint: hint.kind === 'good' ? hint.value : logIndex(0),
    })
  }

  async initialize(identity: StoredIdentity, job: Omit<AppendJob, 'token'>): Promise<void> {
    await this.#write([put('identity', encodeIdentity(identity)), ...this.#operationsOf(job)], {
      sync: true,
    })
  }

  async append(jobs: readonly AppendJob[]): Promise<void> {
    const operations: StoreOperation[] = []
    for (const job of jobs) operations.push(...this.#operationsOf(job))
    await this.#write(operations, { sync: true })
  }

  async saveCommitHint(commit: LogIndex): Promise<void> {
    await this.#write([put('commitHint', encodeCommitHint(commit))], { sync: false })
  }

  async saveSnapshotPointer(pointer: SnapshotPointer): Promise<void> {
    await this.#write([put('snapshot', encodeSnapshotPointer(pointer))], { sync: true })
  }

  async compact(anchor: LogPosition): Promise<void> {
    const { index, term: anchorTerm, chain } = anchor
    const record = { generation: this.#generation, anchor: { index, term: anchorTerm, chain } }
    await this.#write([put('logStart', encodeLogStart(record))], { sync: true })
    while (this.#diskLow <= index) {
      const to = Math.min(index, this.#diskLow + DELETES_PER_BATCH - 1)
      const keys: Uint8Array[] = []
      for (let i = this.#diskLow; i <= to; i++) keys.push(entryKey(this.#generation, i))
      await this.#delete(keys)
      this.#diskLow = to + 1
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  /** The operations of one job; several jobs in one batch equal their sequence. */
  #operationsOf(job: Omit<AppendJob, 'token'>): StoreOperation[] {
    const operations: StoreOperation[] = []
    if (job.truncateFrom !== null) {
      for (let index: number = job.truncateFrom; index <= this.#diskHigh; index++) {
        operations.push({ kind: 'delete', key: entryKey(this.#generation, index) })
      }
    }
    for (const entry of job.entries) {
      const key = entryKey(this.#generation, entry.index)
      operations.push({ kind: 'put', key, value: encodeEntry(key, entry) })
    }
    this.#seq++
    this.#diskHigh = job.last.index
    const record = { seq: this.#seq, hardState: job.hardState, last: job.last }
    operations.push(put('hardState', encodeHardState(record)))
    return operations
  }

  async #verifyEntries(found: {
    identity: StoredIdentity
    hardState: HardStateRecord
    start: LogStartRecord
    pointer: SnapshotPointer | null
    hint: LogIndex
  }): Promise<LogVerdict> {
    const { hardState, start, pointer } = found
    const { generation, anchor } = start
    if (anchor.index > 0 && (pointer === null || pointer.index < anchor.index)) {
      return corrupt(`the log starts above ${anchor.index} and no snapshot covers what was before`)
    }
    this.#generation = generation
    this.#seq = hardState.seq
    this.#diskHigh = hardState.last.index
    this.#diskLow = anchor.index + 1
    await this.#sweepBelow(entryKey(generation, anchor.index + 1))
    const verifier = new LogVerifier(anchor, hardState)
    for await (const page of this.#store.scan(entryRange(generation, anchor.index + 1))) {
      for (const [key, value] of page) {
        const decoded = decodeEntryKey(key)
        if (decoded === null) return corrupt('a key inside the log has an unknown shape')
        verifier.row(decoded.index, key, value)
      }
    }
    const verdict = verifier.finish(found.hint)
    switch (verdict.kind) {
      case 'corrupt':
        return verdict
      case 'damaged':
        return {
          kind: 'recovering',
          reason: verdict.reason,
          lastGood: verdict.lastGood,
          damagedTo: logIndex(Math.max(hardState.last.index, verdict.lastGood.index)),
          isVoteLost: false,
        }
      case 'good': {
        const commit = logIndex(Math.max(found.hint, hardState.hardState.commit))
        const log = {
          identity: found.identity,
          hardState: { ...hardState.hardState, commit },
          pointer,
          anchor,
          entries: verdict.entries,
        }
        return { kind: 'consistent', log }
      }
    }
  }

  async #hasEntries(): Promise<boolean> {
    for await (const page of this.#store.scan(allEntriesRange())) return page.length > 0
    return false
  }

  async #read<T>(name: RecordName, decode: (stored: Uint8Array) => T | null): Promise<Slot<T>> {
    const stored = await this.#store.get(recordKey(name))
    if (stored === undefined) return { kind: 'absent' }
    const value = decode(stored)
    return value === null ? { kind: 'bad' } : { kind: 'good', value }
  }

  /** Entries of earlier generations sort first, so one range covers all that compaction left behind. */
  async #sweepBelow(end: Uint8Array): Promise<void> {
    for await (const page of this.#store.scan({ from: entryKey(0, 0), to: end })) {
      await this.#delete(page.map(([key]) => key))
    }
  }

  async #delete(keys: readonly Uint8Array[]): Promise<void> {
    const operations = keys.map((key): StoreOperation => ({ kind: 'delete', key }))
    await this.#write(operations, { sync: false })
  }

  async #write(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    assert(operations.length > 0, 'a write has operations')
    try {
      await this.#store.batch(operations, options)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      this.#failure ??= new FairleadError(
        'STORAGE_FAILED',
        `Failed to write to the Raft log: ${text}`,
        { cause },
      )
      throw this.#failure
    }
  }
}

function put(name: RecordName, value: Uint8Array): StoreOperation {
  return { kind: 'put', key: recordKey(name), value }
}

function corrupt(reason: string): LogVerdict {
  return { kind: 'corrupt', reason }
}

/** Without term and vote this server might vote twice: its id is spent (14.5). */
function hardStateLost(kind: 'absent' | 'bad'): LogVerdict {
  const what = kind === 'bad' ? 'fails its checksum' : 'is missing'
  return {
    kind: 'recovering',
    reason: `the record of term and vote ${what}`,
    lastGood: ORIGIN,
    damagedTo: logIndex(0),
    isVoteLost: true,
  }
}
