/**
 * Writes on their way: waiting for the core, then in the log and waiting to be applied.
 *
 * Guarantees that each gets exactly one answer, and the right one: refused ones were never appended, those
 * in flight and not committed when leadership ends are of unknown outcome (Raft specification 16.1). This is
 * the hot path of a write: a write is its own proposal, and what is in flight is kept by batch, not by index.
 * Bounds: 4,096 waiting proposals or 16 MiB, 8,192 in flight; beyond them BUSY.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Proposal } from '../../core/raft/types.ts'
import { WRITE_BYTES_MAX, WRITE_ENTRIES_MAX } from './append-pipeline.ts'
import { outcomeUnknown } from './refusals.ts'
import type { Applied } from './types.ts'

/** Hard limit of one entry. */
export const ENTRY_BYTES_MAX = 1_048_576
const WAITING_MAX = 4_096
const WAITING_BYTES_MAX = 16 * 1_048_576
const IN_FLIGHT_MAX = 8_192

interface Write extends Proposal {
  readonly resolve: (applied: Applied) => void
  readonly reject: (error: FairleadError) => void
}

/** Writes of one batch stand one after the other in the log. */
interface BatchInFlight {
  readonly term: number
  readonly firstIndex: number
  readonly writes: readonly Write[]
}

export class Proposals {
  #waiting: Write[] = []
  #waitingBytes = 0
  #inFlight: BatchInFlight[] = []
  #inFlightCount = 0
  #taken: readonly Write[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.length === 0
  }

  /** Writes that are not in the log yet. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Writes in the log above the commit index, in whole batches. */
  uncommittedCount(commit: number): number {
    let count = 0
    for (const { firstIndex, writes } of this.#inFlight) {
      if (firstIndex + writes.length - 1 > commit) count += writes.length
    }
    return count
  }

  /** @throws FairleadError TOO_LARGE | BUSY through the promise; nothing was queued then */
  add(data: Uint8Array): Promise<Applied> {
    return new Promise((resolve, reject) => {
      if (data.length > ENTRY_BYTES_MAX) {
        reject(tooLarge(data.length))
        return
      }
      const isFull =
        this.#waiting.length >= WAITING_MAX || this.#waitingBytes + data.length > WAITING_BYTES_MAX
      if (isFull) {
        reject(new FairleadError('BUSY', 'Too many writes are waiting for the Raft log'))
        return
      }
      this.#waiting.push({ type: 'normal', data, resolve, reject })
      this.#waitingBytes += data.length
    })
  }

  /** The next batch for the core; settle it with `appended` or `refused` before taking another. */
  take(): readonly Proposal[] {
    const room = Math.min(WRITE_ENTRIES_MAX, IN_FLIGHT_MAX - this.#inFlightCount)
    let count = 0
    let bytes = 0
    for (const write of this.#waiting) {
      if (count >= room || (count > 0 && bytes + write.data.length > WRITE_BYTES_MAX)) break
      bytes += write.data.length
      count++
    }
    const isAll = count === this.#waiting.length
    this.#taken = isAll ? this.#waiting : this.#waiting.slice(0, count)
    this.#waiting = isAll ? [] : this.#waiting.slice(count)
    this.#waitingBytes -= bytes
    return this.#taken
  }

  appended(term: number, firstIndex: number): void {
    if (this.#taken.length === 0) return
    this.#inFlight.push({ term, firstIndex, writes: this.#taken })
    this.#inFlightCount += this.#taken.length
    this.#taken = []
  }

  refused(error: FairleadError): void {
    for (const write of this.#taken) write.reject(error)
    this.#taken = []
  }

  /** An entry was applied; called in the order of the log. Its proposer, if it is ours, gets the result. */
  applied(index: number, term: number, result: unknown): void {
    const batch = this.#inFlight[0]
    if (batch === undefined || index < batch.firstIndex) return
    const write = batch.writes[index - batch.firstIndex]
    if (write === undefined) return
    if (index === batch.firstIndex + batch.writes.length - 1) {
      this.#inFlight.shift()
      this.#inFlightCount -= batch.writes.length
    }
    if (batch.term === term) write.resolve({ index, result })
    else write.reject(outcomeUnknown())
  }

  /**
   * Office is lost. What waits was not appended and fails with `notAppended`. What is in flight above
   * `commit` may still be applied, by others; what is committed will be applied here and keeps waiting.
   */
  leadershipLost(commit: number, notAppended: FairleadError): void {
    const kept: BatchInFlight[] = []
    const lost: Write[] = []
    for (const batch of this.#inFlight) {
      const safe = Math.max(0, Math.min(batch.writes.length, commit - batch.firstIndex + 1))
      if (safe > 0) kept.push({ ...batch, writes: batch.writes.slice(0, safe) })
      for (const write of batch.writes.slice(safe)) lost.push(write)
    }
    this.#keep(kept)
    for (const write of lost) write.reject(outcomeUnknown())
    this.#failWaiting(notAppended)
  }

  /** The state at `index` came as an image: what stood in the log up to there was never seen applied here. */
  skippedTo(index: number): void {
    const kept: BatchInFlight[] = []
    const lost: Write[] = []
    for (const batch of this.#inFlight) {
      if (batch.firstIndex > index) kept.push(batch)
      else for (const write of batch.writes) lost.push(write)
    }
    this.#keep(kept)
    for (const write of lost) write.reject(outcomeUnknown())
  }

  /** This server ends: what waits was not appended, what is in flight may still be applied. */
  fail(notAppended: FairleadError): void {
    this.leadershipLost(-1, notAppended)
  }

  #keep(batches: BatchInFlight[]): void {
    this.#inFlight = batches
    this.#inFlightCount = batches.reduce((count, batch) => count + batch.writes.length, 0)
  }

  #failWaiting(error: FairleadError): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const write of waiting) write.reject(error)
  }
}

function tooLarge(bytes: number): FairleadError {
  return new FairleadError(
    'TOO_LARGE',
    `Raft entry of ${bytes} bytes exceeds the limit of ${ENTRY_BYTES_MAX}`,
  )
}
