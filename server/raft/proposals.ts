/**
 * Writes on their way: waiting for the core, then in the log and waiting to be applied.
 *
 * Guarantees that each gets exactly one answer, and the right one: refused ones were never appended, those
 * in flight when leadership ends are of unknown outcome (Raft specification 16.1). Bounds: 4,096 waiting
 * proposals or 16 MiB, 8,192 in flight; beyond them BUSY.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Proposal } from '../../core/raft/types.ts'
import { WRITE_BYTES_MAX, WRITE_ENTRIES_MAX } from './append-pipeline.ts'
import type { Applied } from './types.ts'

/** Hard limit of one entry. */
export const ENTRY_BYTES_MAX = 1_048_576
const WAITING_MAX = 4_096
const WAITING_BYTES_MAX = 16 * 1_048_576
const IN_FLIGHT_MAX = 8_192

interface Write {
  readonly data: Uint8Array
  readonly resolve: (applied: Applied) => void
  readonly reject: (error: FairleadError) => void
}

interface InFlight {
  readonly term: number
  readonly write: Write
}

export class Proposals {
  #waiting: Write[] = []
  #waitingBytes = 0
  readonly #inFlight = new Map<number, InFlight>()
  #taken: readonly Write[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.size === 0
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
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
      this.#waiting.push({ data, resolve, reject })
      this.#waitingBytes += data.length
    })
  }

  /** The next batch for the core; settle it with `appended` or `refused` before taking another. */
  take(): readonly Proposal[] {
    const room = Math.min(WRITE_ENTRIES_MAX, IN_FLIGHT_MAX - this.#inFlight.size)
    let count = 0
    let bytes = 0
    for (const write of this.#waiting) {
      bytes += write.data.length
      if (count >= room || (count > 0 && bytes > WRITE_BYTES_MAX)) break
      count++
    }
    this.#taken = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    for (const write of this.#taken) this.#waitingBytes -= write.data.length
    return this.#taken.map((write) => ({ type: 'normal', data: write.data }))
  }

  appended(term: number, firstIndex: number): void {
    for (const [i, write] of this.#taken.entries()) {
      this.#inFlight.set(firstIndex + i, { term, write })
    }
    this.#taken = []
  }

  refused(error: FairleadError): void {
    for (const write of this.#taken) write.reject(error)
    this.#taken = []
  }

  /** An entry was applied. If this server proposed it, its proposer gets the result. */
  applied(index: number, term: number, result: unknown): void {
    const found = this.#inFlight.get(index)
    if (found === undefined) return
    this.#inFlight.delete(index)
    if (found.term === term) found.write.resolve({ index, result })
    else found.write.reject(outcomeUnknown())
  }

  /** What waits was not appended: it fails with `notAppended`. What is in flight may still be applied. */
  fail(notAppended: FairleadError): void {
    const waiting = this.#waiting
    const inFlight = [...this.#inFlight.values()]
    this.#waiting = []
    this.#waitingBytes = 0
    this.#inFlight.clear()
    for (const { write } of inFlight) write.reject(outcomeUnknown())
    for (const write of waiting) write.reject(notAppended)
  }
}

function tooLarge(bytes: number): FairleadError {
  return new FairleadError(
    'TOO_LARGE',
    `Raft entry of ${bytes} bytes exceeds the limit of ${ENTRY_BYTES_MAX}`,
  )
}

function outcomeUnknown(): FairleadError {
  return new FairleadError(
    'OUTCOME_UNKNOWN',
    'Leadership was lost while the write was in flight; it may or may not be applied',
  )
}
