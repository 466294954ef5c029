/**
 * A change of members and a handover of leadership on their way (Raft specification 10, 11).
 *
 * Guarantees one answer for each: a change resolves when its entry is applied here as appended, one through
 * a joint phase once that phase has ended too; leadership lost before that leaves it of unknown outcome. A
 * handover resolves when this server leads no more, and fails when the core has given it up.
 * Bounds: the core lets one change be under way at a time; a handful of callers wait for handovers.
 */

import { FairleadError } from '../../core/errors.ts'
import { decodeConfiguration } from '../../core/raft/configuration.ts'
import type { Entry } from '../../core/raft/types.ts'
import { outcomeUnknown } from './refusals.ts'

interface Settle {
  readonly resolve: () => void
  readonly reject: (error: FairleadError) => void
}

interface PendingChange extends Settle {
  readonly term: number
  readonly index: number
  /** The leader leaves the joint phase by itself, with an entry of its own. */
  readonly throughJoint: boolean
}

export class MemberChanges {
  #changes: PendingChange[] = []
  #handovers: Settle[] = []

  get isEmpty(): boolean {
    return this.#changes.length === 0 && this.#handovers.length === 0
  }

  appended(change: {
    readonly term: number
    readonly index: number
    readonly throughJoint: boolean
  }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#changes.push({ ...change, resolve, reject })
    })
  }

  /** A config entry was applied. */
  applied(entry: Entry): void {
    if (this.#changes.length === 0) return
    const isJoint = decodeConfiguration(entry.data).outgoing.length > 0
    const kept: PendingChange[] = []
    for (const change of this.#changes) {
      if (entry.index < change.index || (change.throughJoint && isJoint)) kept.push(change)
      else if (entry.index > change.index || entry.term === change.term) change.resolve()
      else change.reject(outcomeUnknown())
    }
    this.#changes = kept
  }

  handover(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#handovers.push({ resolve, reject })
    })
  }

  /** Looks at the core after a turn. @param isTransferring the core still tries */
  follow(leads: boolean, isTransferring: boolean): void {
    if (this.#handovers.length === 0 || (leads && isTransferring)) return
    const waiting = this.#handovers
    this.#handovers = []
    for (const handover of waiting) {
      if (leads) handover.reject(notDeposed())
      else handover.resolve()
    }
  }

  /** Changes up to `commit` are certain and wait for apply. */
  leadershipLost(commit: number): void {
    const lost = this.#changes.filter((change) => change.index > commit || change.throughJoint)
    this.#changes = this.#changes.filter((change) => !lost.includes(change))
    for (const change of lost) change.reject(outcomeUnknown())
  }

  fail(error: FairleadError): void {
    this.leadershipLost(-1)
    const waiting = this.#handovers
    this.#handovers = []
    for (const handover of waiting) handover.reject(error)
  }
}

function notDeposed(): FairleadError {
  return new FairleadError(
    'BUSY',
    'Failed to hand leadership over: the other server did not catch up or was not elected in time',
  )
}
