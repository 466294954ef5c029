/**
 * What the leader knows of one peer's log, and how much it may send (specification 6).
 *
 * probe: one append at a time until the logs are known to join. replicate: optimistic, limited by the
 * window. snapshot: nothing but heartbeats until the peer is back inside the log. Invariant I16 holds after
 * every method: 0 <= match < next. What may be counted of a peer is `countedMatch`, never `match`: a peer
 * that lost data is sent to without being counted (recovery.ts).
 */

import { Inflights } from './inflights.ts'
import { NEVER } from './lease-clock.ts'
import { type LogIndex, logIndex } from './types.ts'

export type ProgressMode = 'probe' | 'replicate' | 'snapshot'

export class Progress {
  readonly inflights: Inflights
  /** Tick of its last message; NEVER before the first one of this reign. */
  heardAt: number
  /** Tick in which the newest heartbeat left that it has answered (8.3). */
  leaseAt = NEVER
  /** Tick of the last append that a heartbeat answer caused. */
  nudgedAt = NEVER
  /** Which run of the peer answers (10.6); null before the first answer of this reign. */
  boot: string | null = null
  /** Number of the last append that had left when `boot` was last heard. */
  bootSeq = 0
  /** It lost acknowledged entries and says so: it is sent to, and not counted (14.5). */
  isRecovering = false
  /** It lost acknowledged entries and does not know: it is neither sent to nor counted (10.6). */
  isAmnesiac = false
  /** Highest commit index that was sent. */
  sentCommit = 0
  /** Highest read sequence number that was echoed in this term (8.2). */
  readSeqAcked = 0
  /** Number of the newest heartbeat to all that it has answered; 0 before the first one of this reign. */
  beatAnswered = 0
  /** How many had answered that one before it. */
  beatRank = 0
  #mode: ProgressMode = 'probe'
  #match = 0
  #next: number
  /** Probe only: an append is out and neither answered nor overtaken by a heartbeat answer. */
  #isProbeSent = false
  #pendingSnapshot = 0

  constructor(
    next: LogIndex,
    options: {
      readonly heardAt: number
      readonly inflightMessagesMax: number
      readonly inflightBytesMax: number
    },
  ) {
    this.#next = next
    this.heardAt = options.heardAt
    this.inflights = new Inflights({
      messagesMax: options.inflightMessagesMax,
      bytesMax: options.inflightBytesMax,
    })
  }

  get mode(): ProgressMode {
    return this.#mode
  }

  get match(): LogIndex {
    return logIndex(this.#match)
  }

  /** As far as this peer counts for a quorum. */
  get countedMatch(): number {
    return this.isCounted ? this.#match : 0
  }

  get isCounted(): boolean {
    return !this.isRecovering && !this.isAmnesiac
  }

  get next(): LogIndex {
    return logIndex(this.#next)
  }

  /** No entries may be sent now. A full window still lets an empty append through, see `maySendEmpty`. */
  get isPaused(): boolean {
    if (this.#mode === 'probe') return this.#isProbeSent
    return this.#mode === 'snapshot' || this.inflights.isFull
  }

  get maySendEmpty(): boolean {
    if (this.isAmnesiac) return false
    return this.#mode === 'replicate' || (this.#mode === 'probe' && !this.#isProbeSent)
  }

  sent(lastIndex: number, entryCount: number, bytes: number): void {
    if (entryCount === 0) return
    if (this.#mode === 'probe') {
      this.#isProbeSent = true
      return
    }
    this.#next = lastIndex + 1
    this.inflights.add(lastIndex, bytes)
  }

  /** @returns whether anything was learned, including that a probe joined (5.4) */
  acked(index: LogIndex): boolean {
    const joins = this.#mode === 'probe' && index === this.#match && index > 0
    if (index < this.#match || (index === this.#match && !joins)) return false
    this.#match = index
    this.#next = Math.max(this.#next, index + 1)
    if (this.#mode === 'replicate') this.inflights.freeTo(index)
    return true
  }

  /** @returns false when the reject is out of date and was ignored (5.3) */
  rejected(rejectedIndex: LogIndex, candidate: number): boolean {
    if (this.#mode === 'replicate') {
      if (rejectedIndex <= this.#match) return false
      this.becomeProbe()
      return true
    }
    if (this.#mode === 'snapshot' || rejectedIndex !== this.#next - 1) return false
    this.#next = Math.max(this.#match + 1, Math.min(rejectedIndex, candidate))
    this.#isProbeSent = false
    return true
  }

  /** A heartbeat answer proves that the peer hears us: probing may go on. */
  resume(): void {
    this.#isProbeSent = false
  }

  heard(now: number): void {
    if (this.heardAt < now) this.heardAt = now
  }

  becomeProbe(): void {
    const next =
      this.#mode === 'snapshot' ? Math.max(this.#match, this.#pendingSnapshot) + 1 : this.#match + 1
    this.#reset('probe')
    this.#next = next
  }

  becomeReplicate(): void {
    this.#reset('replicate')
    this.#next = this.#match + 1
  }

  becomeSnapshot(index: LogIndex): void {
    this.#reset('snapshot')
    this.#pendingSnapshot = index
    this.#next = Math.max(this.#match, index) + 1
  }

  /** What was acknowledged is gone there: starts over below the end of the log it still has. */
  forget(lastIndex: LogIndex): void {
    this.#reset('probe')
    this.#match = 0
    this.#next = Math.max(1, Math.min(this.#next, lastIndex + 1))
    this.#pendingSnapshot = 0
  }

  /** The transfer ended; the peer is probed, after its next sign of life, above the image or the match. */
  snapshotEnded(ok: boolean): void {
    if (this.#mode !== 'snapshot') return
    if (!ok) this.#pendingSnapshot = 0
    this.becomeProbe()
    this.#isProbeSent = true
  }

  #reset(mode: ProgressMode): void {
    this.#mode = mode
    this.#isProbeSent = false
    this.inflights.clear()
    if (mode !== 'probe') this.#pendingSnapshot = 0
  }
}
