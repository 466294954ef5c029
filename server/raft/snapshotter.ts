/**
 * When to take a snapshot, and the steps from image to a shorter log (Raft specification 9.1, 9.2).
 *
 * Guarantees the order: image durable, then the pointer to it, then the start of the log; a crash between
 * any two leaves a state that restarts. One at a time, while apply goes on. A snapshot that cannot be
 * written is logged and tried again after as many entries; an error of the log store is fatal. When an image
 * of a leader replaces the log, what runs here stands aside: it touches the log no more. Bounds: below.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import { logIndex, type SnapshotMeta } from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftStorage } from '../../runtime/storage/raft-storage.ts'
import { compactionIndex } from './compaction.ts'
import type { RaftMetrics } from './raft-metrics.ts'
import type { RaftStateMachine } from './types.ts'

/** Past so many times a threshold no interval is waited for. */
const URGENT_FACTOR = 4

export interface SnapshotLimits {
  /** Entries applied since the last snapshot; default 16,384. More: longer restart, more memory. */
  readonly thresholdEntries: number
  /** Bytes applied since the last snapshot; default 64 MiB. */
  readonly thresholdBytes: number
  /** At least so long, and up to twice, from one look at the thresholds to the next; default 5 s. */
  readonly intervalMs: number
  /** Entries kept below the snapshot for peers that lag; default 10,240. More: memory; less: more images sent. */
  readonly trailingEntries: number
  /** Upper limit of the same in bytes; default 64 MiB. */
  readonly trailingBytes: number
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  thresholdEntries: 16_384,
  thresholdBytes: 64 * 1_048_576,
  intervalMs: 5_000,
  trailingEntries: 10_240,
  trailingBytes: 64 * 1_048_576,
}

export interface SnapshotterDeps {
  readonly storage: RaftStorage
  readonly core: RaftCore
  readonly stateMachine: RaftStateMachine
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Pick<RaftMetrics, 'snapshotTaken'>
  /** How far followers that are active match; empty unless leading. */
  readonly activeMatches: () => readonly number[]
  /** An error of the log store. */
  readonly onFatal: (thrown: unknown) => void
}

export class Snapshotter {
  readonly #limits: () => SnapshotLimits
  readonly #deps: SnapshotterDeps
  #bytesSince = 0
  #entriesSince = 0
  #nextLook = 0
  #running: Promise<SnapshotMeta | null> | null = null
  /** Raised whenever the log is replaced; a snapshot begun before that is of the past. */
  #generation = 0
  #logOperation: Promise<void> | null = null
  #transferEntries = 0
  #sending: number | null = null

  /** @param limits asked for each time: the operator may change them */
  constructor(limits: () => SnapshotLimits, deps: SnapshotterDeps) {
    this.#limits = limits
    this.#deps = deps
  }

  /** Counts applied entries; taking one is up to `takeIfDue`. */
  applied(entries: number, bytes: number): void {
    this.#entriesSince += entries
    this.#bytesSince += bytes
  }

  /** Starts a snapshot of what is applied now when a threshold is passed and it is time to look. */
  takeIfDue(): void {
    const { thresholdEntries, thresholdBytes, intervalMs } = this.#limits()
    const load = Math.max(this.#entriesSince / thresholdEntries, this.#bytesSince / thresholdBytes)
    if (load < 1 || this.#running !== null) return
    const now = this.#deps.clock.now()
    if (now < this.#nextLook && load < URGENT_FACTOR) return
    this.#nextLook = now + intervalMs * (1 + this.#deps.rng.float())
    // Its failures are told by onFatal and the log.
    void this.#begin()
  }

  /**
   * A snapshot of what is applied now or later, whatever the thresholds say.
   *
   * @throws FairleadError STORAGE_FAILED when it cannot be written
   */
  async take(): Promise<SnapshotMeta> {
    // One that already runs may be older than what the caller has seen applied.
    await this.#running
    // Several may have waited: what the first of them began serves all. Two at once would write one file.
    const taken = await (this.#running ?? this.#begin())
    if (taken === null) {
      throw new FairleadError(
        'STORAGE_FAILED',
        'Failed to take a snapshot; see the log for the cause',
      )
    }
    return taken
  }

  /** The log is being replaced: from now on no snapshot that was begun earlier touches it. */
  supersede(): void {
    this.#generation++
    this.#entriesSince = 0
    this.#bytesSince = 0
  }

  /** Resolves when nothing of this writes to the log store; new operations start only after `supersede`. */
  async logSettled(): Promise<void> {
    await this.#logOperation
  }

  /** An image is on its way, or no longer: entries above it are kept. */
  sending(index: number | null): void {
    this.#sending = index
  }

  /** A transfer has ended, while which so many entries were appended. */
  transferTook(entries: number): void {
    this.#transferEntries = entries
  }

  /** Resolves when no snapshot is being taken. */
  async settled(): Promise<void> {
    await this.#running
    await this.#logOperation
  }

  #begin(): Promise<SnapshotMeta | null> {
    const { core, stateMachine } = this.#deps
    // The state is about to be replaced by an image: there is nothing to take a picture of.
    if (core.restoring !== null) return Promise.resolve(null)
    this.#entriesSince = 0
    this.#bytesSince = 0
    const meta = core.snapshotMetaAt(core.applied)
    const image = stateMachine.snapshot()
    const running = this.#take(meta, image.image())
      .catch((thrown: unknown) => {
        this.#deps.onFatal(thrown)
        return null
      })
      .finally(() => {
        if (this.#running === running) this.#running = null
      })
    this.#running = running
    return running
  }

  async #take(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<SnapshotMeta | null> {
    const { storage, clock, log, metrics } = this.#deps
    const generation = this.#generation
    const begun = clock.now()
    try {
      await storage.snapshots.write(meta, image)
    } catch (err) {
      log.error('snapshot could not be written', { index: meta.index, err })
      return null
    }
    if (generation !== this.#generation) return null
    this.#logOperation = this.#shortenLog(meta, generation).finally(() => {
      this.#logOperation = null
    })
    await this.#logOperation
    const durationMs = Math.round(clock.now() - begun)
    metrics.snapshotTaken.record(clock.now() - begun)
    log.info('snapshot taken', { index: meta.index, term: meta.term, durationMs })
    try {
      await storage.snapshots.prune(meta)
    } catch (err) {
      log.warn('old snapshots could not be removed', { err })
    }
    return meta
  }

  async #shortenLog(meta: SnapshotMeta, generation: number): Promise<void> {
    const { storage, core } = this.#deps
    const { trailingEntries, trailingBytes } = this.#limits()
    await storage.log.saveSnapshotPointer({ index: meta.index, term: meta.term })
    if (generation !== this.#generation || core.failure !== null) return
    const index = compactionIndex({
      snapshotIndex: meta.index,
      firstIndex: core.firstIndex,
      lastIndex: core.last.index,
      trailingEntries,
      trailingBytes,
      activeMatches: this.#deps.activeMatches(),
      transferEntries: this.#transferEntries,
      sending: this.#sending,
      bytesOf: (at) => core.entry(at)?.data.length ?? 0,
    })
    const anchor = index === null ? undefined : core.entry(index)
    core.handle({ kind: 'compacted', index: anchor?.index ?? logIndex(0), snapshot: meta })
    if (anchor !== undefined) await storage.log.compact(anchor)
  }
}
