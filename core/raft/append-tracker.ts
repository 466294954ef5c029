/**
 * What of the in-memory log has been handed to storage, and what of that is known to be durable.
 *
 * Guarantees the ABA rule (specification 2.5): a completed write proves only entries that were not
 * replaced since it was handed out. Each job has a token; a truncation lowers what every job still in
 * flight can prove, and the replacement of the whole log voids it. Completions come in token order. Bound: jobs in flight, which the host executes in
 * order and coalesces.
 */

import { assert } from '../assert.ts'
import { type AppendToken, appendToken, type LogIndex, logIndex } from './types.ts'

interface InFlight {
  readonly token: AppendToken
  /** Highest index whose present content this job, once done, proves durable. */
  proves: number
}

export class AppendTracker {
  #issued = 0
  #handedOut: number
  #durable: number
  /** Highest index that may exist on disk; a job that starts at or below it must truncate. */
  #diskHigh: number
  readonly #inFlight: InFlight[] = []

  constructor(durable: LogIndex) {
    this.#handedOut = durable
    this.#durable = durable
    this.#diskHigh = durable
  }

  /** Last index whose present content is durable here. */
  get durable(): LogIndex {
    return logIndex(this.#durable)
  }

  /** Entries above this were not handed out yet. */
  get handedOut(): number {
    return this.#handedOut
  }

  get lastIssued(): AppendToken {
    return appendToken(this.#issued)
  }

  /** Opens a job for the entries of [handedOut + 1, lastIndex]. */
  issue(lastIndex: LogIndex): { token: AppendToken; truncateFrom: LogIndex | null } {
    const first = this.#handedOut + 1
    const truncates = first <= this.#diskHigh
    this.#issued++
    this.#handedOut = lastIndex
    this.#diskHigh = lastIndex
    const token = appendToken(this.#issued)
    this.#inFlight.push({ token, proves: lastIndex })
    return { token, truncateFrom: truncates ? logIndex(first) : null }
  }

  complete(token: AppendToken): void {
    const job = this.#inFlight.shift()
    assert(job !== undefined && job.token === token, 'append jobs complete in order, each once')
    if (job.proves > this.#durable) this.#durable = job.proves
  }

  /** True when a job in flight holds content at or above `index`. */
  holdsInFlight(index: LogIndex): boolean {
    return this.#inFlight.some((job) => job.proves >= index)
  }

  /**
   * The whole log gave way to a snapshot at `index`, which the next job tells storage. Nothing that was
   * handed out before proves anything about the present log, and nothing above `index` is left on disk.
   */
  replaceTo(index: LogIndex): void {
    for (const job of this.#inFlight) job.proves = 0
    this.#durable = 0
    this.#handedOut = index
    this.#diskHigh = index
  }

  /** The in-memory log now ends below `index`; content at and above it is void. */
  truncateFrom(index: LogIndex): void {
    const kept = index - 1
    this.#handedOut = Math.min(this.#handedOut, kept)
    this.#durable = Math.min(this.#durable, kept)
    for (const job of this.#inFlight) job.proves = Math.min(job.proves, kept)
  }
}
