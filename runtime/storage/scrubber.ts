/**
 * Reads log and snapshots again in the background, so that rot is found while other servers still have the
 * data (Raft specification 14.6).
 *
 * Guarantees a bounded rate: after each piece it waits as long as that piece may take. Findings go to one
 * callback, at most once for each file or place in a round; what to do is the host's matter. Reads through
 * the page cache: what the kernel still holds hides the platter. Bounds: one piece of the log (128 entries)
 * or one block of an image in memory.
 */

import { FairleadError } from '../../core/errors.ts'
import type { SnapshotMeta } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { LogStore } from './log-store.ts'
import type { SnapshotStore } from './snapshot-store.ts'

export interface ScrubberOptions {
  /** Default 4 MiB; less than 1 MiB takes too long over a large state, more competes with the writes. */
  readonly bytesPerSecond?: number
  /** Between the end of a round and the next. Default 1 h. */
  readonly pauseMs?: number
}

export interface Finding {
  readonly where: 'log' | 'snapshot'
  readonly reason: string
}

export interface ScrubberDeps {
  readonly log: Pick<LogStore, 'reread'>
  readonly snapshots: Pick<SnapshotStore, 'list' | 'open'>
  readonly clock: Clock
}

const BYTES_PER_SECOND = 4 * 1_048_576
const PAUSE_MS = 3_600_000
/** A piece of tiny entries costs more than its bytes. */
const PIECE_MS_MIN = 10

export class Scrubber {
  readonly #bytesPerMs: number
  readonly #pauseMs: number
  readonly #deps: ScrubberDeps
  readonly #stopped = new AbortController()
  #running: Promise<void> | null = null

  constructor(options: ScrubberOptions, deps: ScrubberDeps) {
    this.#bytesPerMs = (options.bytesPerSecond ?? BYTES_PER_SECOND) / 1_000
    this.#pauseMs = options.pauseMs ?? PAUSE_MS
    this.#deps = deps
  }

  /** Scrubs round after round until `stop`; the first begins after a pause. */
  start(onFinding: (finding: Finding) => void): void {
    this.#running ??= this.#scrub(onFinding)
  }

  /** Resolves when nothing is read any more. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  /** One round. @returns bytes that were read. @throws the reason of `signal` */
  async round(onFinding: (finding: Finding) => void, signal: AbortSignal): Promise<number> {
    const logBytes = await this.#scrubLog(onFinding, signal)
    let bytes = logBytes
    for (const name of await this.#deps.snapshots.list()) {
      bytes += await this.#scrubSnapshot(name, onFinding, signal)
    }
    return bytes
  }

  async #scrub(onFinding: (finding: Finding) => void): Promise<void> {
    const { signal } = this.#stopped
    try {
      for (;;) {
        await this.#deps.clock.sleep(this.#pauseMs, signal)
        await this.round(onFinding, signal)
      }
    } catch (thrown) {
      if (signal.aborted) return
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      onFinding({ where: 'log', reason: `reading again failed: ${reason}` })
    }
  }

  async #scrubLog(onFinding: (finding: Finding) => void, signal: AbortSignal): Promise<number> {
    let bytes = 0
    for (let at: number | null = 0; at !== null; ) {
      signal.throwIfAborted()
      const piece = await this.#deps.log.reread(at)
      bytes += piece.bytes
      if (piece.fault !== null) onFinding({ where: 'log', reason: piece.fault })
      at = piece.next
      await this.#pace(piece.bytes, signal)
    }
    return bytes
  }

  async #scrubSnapshot(
    name: Pick<SnapshotMeta, 'index' | 'term'>,
    onFinding: (finding: Finding) => void,
    signal: AbortSignal,
  ): Promise<number> {
    const { snapshots } = this.#deps
    try {
      const opened = await snapshots.open(name, (bytes) => this.#pace(bytes, signal))
      return opened.sizeBytes
    } catch (thrown) {
      if (!(thrown instanceof FairleadError)) throw thrown
      // One that was replaced by newer ones meanwhile is not missed.
      const listed = await snapshots.list()
      const isKept = listed.some(({ index, term }) => index === name.index && term === name.term)
      if (isKept) onFinding({ where: 'snapshot', reason: thrown.message })
      return 0
    }
  }

  async #pace(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#deps.clock.sleep(Math.max(PIECE_MS_MIN, bytes / this.#bytesPerMs), signal)
  }
}
