/**
 * The Raft log over a key-value store: layout, batches, order of writes (Raft specification 14.2-14.3).
 *
 * Guarantees: an append job is one batch with its hard state, always synced, so that a crash leaves the old
 * state or the new one. Writes reach the disk in the order of the calls. The first failed write poisons the
 * store for good (fail-stop). What is there at start is judged by load-log.ts. Bounds: deletes run in
 * batches of 1,000 keys; the entries themselves are bounded by the caller's compaction.
 */

import { assert } from '../../core/assert.ts'
import { FairleadError } from '../../core/errors.ts'
import {
  type AppendJob,
  type LogIndex,
  type LogPosition,
  logIndex,
  type ServerId,
  type SnapshotMeta,
} from '../../core/raft/types.ts'
import type { KeyValueStore, StoreOperation } from './key-value-store.ts'
import { emptyLog, forgetting, loadLog, ORIGIN, putRecord } from './load-log.ts'
import {
  encodeEntry,
  encodeHardState,
  encodeIdentity,
  encodeIndex,
  encodeLogStart,
  encodeSnapshotPointer,
  entryKey,
  recordKey,
} from './log-records.ts'
import type {
  LogStore,
  LogVerdict,
  RecoveringLog,
  RereadPiece,
  SnapshotPointer,
  StoredIdentity,
} from './log-store.ts'
import { rereadRange } from './reread-log.ts'
import type { Testimony, WitnessFile } from './witness-file.ts'

const DELETES_PER_BATCH = 1_000
const REREAD_ENTRIES = 128
const DAMAGE_FORGOTTEN: StoreOperation = { kind: 'delete', key: recordKey('damage') }

export interface LogWitness {
  readonly file: WitnessFile
  /** Whose log this is to be. */
  readonly owner: ServerId
}

export class RaftLogStore implements LogStore {
  readonly #store: KeyValueStore
  readonly #witness: LogWitness | null
  #verdict: LogVerdict | null = null
  /** The last of which term and vote were witnessed. */
  #testified: Pick<Testimony, 'term' | 'vote'> | null = null
  #generation = 0
  #seq = 0
  /** Lowest and highest entry that may be on disk. */
  #diskLow = 1
  #diskHigh = 0
  #pointerIndex = 0
  #repair: readonly StoreOperation[] = []
  #writes: Promise<unknown> = Promise.resolve()
  #sweeping: Promise<void> = Promise.resolve()
  #isClosing = false
  #failure: FairleadError | null = null

  constructor(store: KeyValueStore, witness: LogWitness | null = null) {
    this.#store = store
    this.#witness = witness
  }

  async load(): Promise<LogVerdict> {
    const testimony = (await this.#witness?.file.read()) ?? null
    // That of another server is about a log that was here before, and is replaced.
    const own = testimony?.serverId === this.#witness?.owner ? testimony : null
    this.#testified = own
    const { verdict, place } = await loadLog(this.#store, own)
    this.#verdict = verdict
    this.#generation = place.generation
    this.#seq = place.seq
    this.#diskLow = place.low
    this.#diskHigh = place.high
    this.#pointerIndex = place.pointerIndex
    this.#repair = place.repair
    // What is damaged stays as it is until the log goes on, for whoever wants to look at it.
    if (verdict.kind === 'consistent') await this.#sweep()
    return verdict
  }

  async initialize(identity: StoredIdentity, job: Omit<AppendJob, 'token'>): Promise<void> {
    const operations = [
      putRecord('identity', encodeIdentity(identity)),
      ...this.#operationsOf(job),
      DAMAGE_FORGOTTEN,
    ]
    const seq = this.#seq
    await this.#write(operations, { sync: true })
    await this.#testify(job, seq)
  }

  async saveIdentity(identity: StoredIdentity): Promise<void> {
    const operations = [putRecord('identity', encodeIdentity(identity))]
    // From here on a missing hard state means a lost one.
    if (this.#seq === 0) operations.push(...this.#operationsOf(NOTHING_YET))
    await this.#write(operations, { sync: true })
  }

  startOver(reason: string): RecoveringLog {
    const verdict = this.#loadedLog()
    assert(verdict !== null, 'only a log that was loaded can start over')
    const { log } = verdict
    const last = log.entries.at(-1) ?? log.anchor
    const known = verdict.kind === 'recovering' ? verdict.damagedTo : last.index
    const damagedTo = logIndex(Math.max(known, last.index))
    this.#generation++
    this.#diskLow = 1
    this.#diskHigh = 0
    this.#pointerIndex = 0
    this.#repair = forgetting(this.#generation, damagedTo)
    const startedOver: RecoveringLog = { kind: 'recovering', reason, log: emptyLog(log), damagedTo }
    this.#verdict = startedOver
    return startedOver
  }

  async recovered(): Promise<void> {
    await this.#write([DAMAGE_FORGOTTEN], { sync: true })
    this.#startSweep()
  }

  async append(jobs: readonly AppendJob[]): Promise<void> {
    const operations: StoreOperation[] = []
    for (const job of jobs) operations.push(...this.#operationsOf(job))
    const seq = this.#seq
    const last = jobs.at(-1)
    await this.#write(operations, { sync: true })
    if (last !== undefined) await this.#testify(last, seq)
    if (jobs.some((job) => job.snapshot !== null)) this.#startSweep()
  }

  async saveCommitHint(commit: LogIndex): Promise<void> {
    await this.#write([putRecord('commitHint', encodeIndex('commitHint', commit))], { sync: false })
  }

  async saveSnapshotPointer(pointer: SnapshotPointer): Promise<void> {
    if (pointer.index <= this.#pointerIndex) return
    this.#pointerIndex = pointer.index
    await this.#write([putRecord('snapshot', encodeSnapshotPointer(pointer))], { sync: true })
  }

  async compact(anchor: LogPosition): Promise<void> {
    const generation = this.#generation
    const low = this.#diskLow
    if (anchor.index < low) return
    this.#diskLow = anchor.index + 1
    await this.#write([this.#logStartAt(anchor)], { sync: true })
    for (let from = low; from <= anchor.index; from += DELETES_PER_BATCH) {
      const to = Math.min(anchor.index, from + DELETES_PER_BATCH - 1)
      const keys: Uint8Array[] = []
      for (let i = from; i <= to; i++) keys.push(entryKey(generation, i))
      await this.#delete(keys)
    }
  }

  async reread(from: number): Promise<RereadPiece> {
    const begin = Math.max(from, this.#diskLow)
    const end = begin + REREAD_ENTRIES
    const range = {
      from: entryKey(this.#generation, begin),
      to: entryKey(this.#generation, end),
    }
    return await rereadRange(this.#store, range, end)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#sweeping
    await this.#writes
    await this.#witness?.file.close()
    await this.#store.close()
  }

  /** Only of what is durable. Term and vote have to be witnessed before anybody hears of them. */
  async #testify(job: Omit<AppendJob, 'token'>, seq: number): Promise<void> {
    if (this.#witness === null) return
    const { file, owner } = this.#witness
    const { term, vote } = job.hardState
    const testimony = { serverId: owner, seq, term, vote, lastIndex: job.last.index }
    if (this.#testified?.term === term && this.#testified.vote === vote) {
      file.note(testimony)
      return
    }
    await file.write(testimony)
    this.#testified = testimony
  }

  #loadedLog(): Extract<LogVerdict, { readonly log: unknown }> | null {
    const verdict = this.#verdict
    return verdict?.kind === 'consistent' || verdict?.kind === 'recovering' ? verdict : null
  }

  /** The operations of one job; several jobs in one batch equal their sequence. */
  #operationsOf(job: Omit<AppendJob, 'token'>): StoreOperation[] {
    const operations: StoreOperation[] = []
    if (job.snapshot !== null) operations.push(...this.#replaceLog(job.snapshot))
    assert(job.last.index >= this.#diskLow - 1, 'a log is never cut below its start')
    if (job.truncateFrom !== null) {
      // Entries of the job replace what is below its end.
      const from = Math.max(job.truncateFrom, job.last.index + 1)
      for (let index = from; index <= this.#diskHigh; index++) {
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
    operations.push(putRecord('hardState', encodeHardState(record)))
    return operations
  }

  /** A new generation makes all former entries garbage at once. */
  #replaceLog(snapshot: SnapshotMeta): StoreOperation[] {
    const { index, term } = snapshot
    this.#generation++
    this.#diskLow = index + 1
    this.#diskHigh = index
    this.#pointerIndex = index
    return [
      putRecord('snapshot', encodeSnapshotPointer({ index, term })),
      this.#logStartAt(snapshot),
    ]
  }

  #logStartAt(position: LogPosition): StoreOperation {
    const { index, term, chain } = position
    const record = { generation: this.#generation, anchor: { index, term, chain } }
    return putRecord('logStart', encodeLogStart(record))
  }

  #startSweep(): void {
    // A failure has poisoned the store and is told by the next write.
    this.#sweeping = this.#sweeping.then(() => this.#sweep()).catch(() => undefined)
  }

  /** Entries of earlier generations sort first, so one range covers all that lies below the log. */
  async #sweep(): Promise<void> {
    const range = { from: entryKey(0, 0), to: entryKey(this.#generation, this.#diskLow) }
    for await (const page of this.#store.scan(range)) {
      if (this.#isClosing) return
      await this.#delete(page.map(([key]) => key))
    }
  }

  async #delete(keys: readonly Uint8Array[]): Promise<void> {
    const operations = keys.map((key): StoreOperation => ({ kind: 'delete', key }))
    await this.#write(operations, { sync: false })
  }

  #write(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    assert(operations.length > 0, 'a write has operations')
    let all = operations
    if (options.sync && this.#repair.length > 0) {
      all = [...this.#repair, ...operations]
      this.#repair = []
    }
    const written = this.#writes.then(() => this.#execute(all, options))
    this.#writes = written.catch(() => undefined)
    return written
  }

  async #execute(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    this.#failure ??= this.#witness?.file.failure ?? null
    if (this.#failure !== null) throw this.#failure
    try {
      await this.#store.batch(operations, options)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      this.#failure = new FairleadError(
        'STORAGE_FAILED',
        `Failed to write to the Raft log: ${text}`,
        { cause },
      )
      throw this.#failure
    }
  }
}

/** What a server that has just been adopted has acknowledged. */
const NOTHING_YET: Omit<AppendJob, 'token'> = {
  truncateFrom: null,
  entries: [],
  hardState: { term: ORIGIN.term, vote: null, commit: ORIGIN.index },
  last: ORIGIN,
  snapshot: null,
}
