/**
 * Tells the pool how far the catalog has come, so that an agent learns from its peers that its own server is
 * stalled (gossip.md 15.4): a duty of the leader.
 *
 * Guarantees: says nothing unless this server surely leads (its lease holds); at most one notice in ADVANCE_MS
 * while something changes, one in BEAT_MS while nothing does. One timer.
 */

import type { NoticeBoard } from '../../core/catalog/notice.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'

/**
 * Five times as long as the specification allows: agents wait two seconds before they act on it, and every notice
 * is some twenty packets to each member.
 */
const ADVANCE_MS = 1_000
export const BEAT_MS = 5_000

export interface NoticesDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'holdsLease'>
  readonly store: Pick<StateStoreApi, 'lastIndex'>
  readonly board: Pick<NoticeBoard, 'announce'>
  readonly epoch: () => string
  readonly clock: Clock
}

export class Notices {
  readonly #deps: NoticesDeps
  #timer: Timer | undefined
  #last: { readonly index: number; readonly at: Instant } | undefined
  #beat = 0

  constructor(deps: NoticesDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#beat = 0
    this.#last = undefined
    this.#arm()
  }

  /** Idempotent. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + ADVANCE_MS), () => {
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    const { raft, store, board, epoch, clock } = this.#deps
    const index = store.lastIndex
    const now = clock.now()
    const last = this.#last
    if (last !== undefined && index <= last.index && now - last.at < BEAT_MS) return
    if (!raft.holdsLease()) return
    this.#last = { index, at: now }
    this.#beat += 1
    board.announce({ epoch: epoch(), term: raft.status().term, index, beat: this.#beat })
  }
}
