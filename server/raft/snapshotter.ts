/**
 * When to take a snapshot, and the steps from image to a shorter log (Raft specification 9.1, 9.2).
 *
 * Guarantees the order: image durable, then the pointer to it, then the start of the log; a crash between
 * any two leaves a state that restarts. One at a time, while apply goes on. A snapshot that cannot be
 * written is logged and tried again after as many entries; an error of the log store is fatal. Bounds:
 * threshold and trailing length, below.
 */

import type { Logger } from '../../core/log.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import { type LogPosition, logIndex, type SnapshotMeta } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftStorage } from '../../runtime/storage/raft-storage.ts'
import type { RaftStateMachine } from './types.ts'

export interface SnapshotLimits {
  /** Entries applied since the last snapshot; default 16,384. More: longer restart, more memory. */
  readonly thresholdEntries: number
  /** Bytes applied since the last snapshot; default 64 MiB. */
  readonly thresholdBytes: number
  /** Entries kept below the snapshot for peers that lag; default 10,240. More: memory; less: more images sent. */
  readonly trailingEntries: number
  /** Upper limit of the same in bytes; default 64 MiB. */
  readonly trailingBytes: number
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  thresholdEntries: 16_384,
  thresholdBytes: 64 * 1_048_576,
  trailingEntries: 10_240,
  trailingBytes: 64 * 1_048_576,
}

export class Snapshotter {
  readonly #limits: SnapshotLimits
  readonly #storage: RaftStorage
  readonly #core: RaftCore
  readonly #stateMachine: RaftStateMachine
  readonly #clock: Clock
  readonly #log: Logger
  #bytesSince = 0
  #entriesSince = 0
  #running: Promise<void> | null = null

  constructor(
    limits: SnapshotLimits,
    deps: {
      readonly storage: RaftStorage
      readonly core: RaftCore
      readonly stateMachine: RaftStateMachine
      readonly clock: Clock
      readonly log: Logger
    },
  ) {
    this.#limits = limits
    this.#storage = deps.storage
    this.#core = deps.core
    this.#stateMachine = deps.stateMachine
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** Counts applied entries; taking one is up to `takeIfDue`. */
  applied(entries: number, bytes: number): void {
    this.#entriesSince += entries
    this.#bytesSince += bytes
  }

  /** Starts a snapshot of what is applied now when a threshold is passed. @param onFatal log store errors */
  takeIfDue(onFatal: (thrown: unknown) => void): void {
    const isDue =
      this.#entriesSince >= this.#limits.thresholdEntries ||
      this.#bytesSince >= this.#limits.thresholdBytes
    if (!isDue || this.#running !== null) return
    this.#entriesSince = 0
    this.#bytesSince = 0
    const meta = this.#core.snapshotMetaAt(this.#core.applied)
    const image = this.#stateMachine.snapshot()
    this.#running = this.#take(meta, image.image())
      .catch(onFatal)
      .finally(() => {
        this.#running = null
      })
  }

  /** Resolves when no snapshot is being taken. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #take(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void> {
    const begun = this.#clock.now()
    try {
      await this.#storage.snapshots.write(meta, image)
    } catch (err) {
      this.#log.error('snapshot could not be written', { index: meta.index, err })
      return
    }
    await this.#storage.log.saveSnapshotPointer({ index: meta.index, term: meta.term })
    const anchor = this.#anchorFor(meta)
    if (this.#core.failure !== null) return
    this.#core.handle({ kind: 'compacted', index: anchor?.index ?? logIndex(0), snapshot: meta })
    if (anchor !== null) await this.#storage.log.compact(anchor)
    const durationMs = Math.round(this.#clock.now() - begun)
    this.#log.info('snapshot taken', { index: meta.index, term: meta.term, durationMs })
    try {
      await this.#storage.snapshots.prune()
    } catch (err) {
      this.#log.warn('old snapshots could not be removed', { err })
    }
  }

  /** The entry that becomes the anchor, or null when nothing is to be dropped. */
  #anchorFor(meta: SnapshotMeta): LogPosition | null {
    const first = this.#core.firstIndex
    let bytes = 0
    let index: number = meta.index
    const lowest = meta.index - this.#limits.trailingEntries
    while (index > lowest && index >= first) {
      bytes += this.#core.entry(index)?.data.length ?? 0
      if (bytes > this.#limits.trailingBytes) break
      index--
    }
    return this.#core.entry(index) ?? null
  }
}
