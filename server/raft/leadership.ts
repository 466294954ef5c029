/**
 * Whether this server leads, as others may know it: from the moment its noop is applied to its step down.
 *
 * Guarantees alternation: every listener hears true and false in turn, true only when all that earlier
 * leaders committed has been applied here.
 */

import type { Logger } from '../../core/log.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'

export type LeadershipListener = (isLeader: boolean) => void

export class Leadership {
  readonly #log: Logger
  readonly #listeners = new Set<LeadershipListener>()
  #ledTerm: number | null = null
  #isAnnounced = false

  constructor(log: Logger) {
    this.#log = log
  }

  /** @returns stops listening; idempotent */
  onChange(listener: LeadershipListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Compares with the core. @returns true when an office was lost since the last call */
  follow(core: RaftCore): boolean {
    const leads = core.role === 'leader' ? core.term : null
    const hasLost = this.#ledTerm !== null && leads !== this.#ledTerm
    if (leads !== this.#ledTerm) this.#announce(false, core.term)
    this.#ledTerm = leads
    if (core.noopIndex !== null && core.applied >= core.noopIndex) this.#announce(true, core.term)
    return hasLost
  }

  /** This server stops or has failed. */
  end(): void {
    this.#announce(false, this.#ledTerm ?? 0)
    this.#ledTerm = null
  }

  #announce(isLeader: boolean, term: number): void {
    if (this.#isAnnounced === isLeader) return
    this.#isAnnounced = isLeader
    this.#log.info(isLeader ? 'leadership gained' : 'leadership lost', { term })
    for (const listener of [...this.#listeners]) listener(isLeader)
  }
}
