/**
 * Decides when this server's store may answer a read, by consistency mode (Raft specification 8.1).
 *
 * Guarantees: default and consistent reads are linearizable on any server (ReadIndex); with
 * `default_read = lease` those of the default mode rely on the leader's lease, checked again after the read, but
 * never for sessions, the KV store (locks live there), certificates and intentions (8.3). Stale reads are
 * answered by a store that has followed a leader, as old as `maxStaleMs` allows, else like default ones.
 * Nothing is answered from a store that has not caught up yet.
 */

import { toFairleadError } from '../../core/errors.ts'
import type { ReadMode } from '../../core/raft/types.ts'
import type { ReadName } from '../../core/rpc/reads.ts'
import type { ReadOptions } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { LeaderHold } from './leader-hold.ts'

const CATCH_UP_RETRY_MS = 250

const LEASE_READS: readonly string[] = ['catalog.', 'health.', 'config.']

export interface ReadGateDeps {
  readonly raft: Pick<RaftNodeApi, 'readIndex' | 'holdsLease' | 'contact'>
  readonly hold: LeaderHold
  readonly clock: Clock
}

/** How one read may be answered. */
export class Passage {
  readonly #gate: ReadGate
  readonly #options: ReadOptions
  readonly #mayUseLease: boolean
  #mode: ReadMode = 'quorum'
  #isStale = false

  constructor(gate: ReadGate, options: ReadOptions, mayUseLease: boolean) {
    this.#gate = gate
    this.#options = options
    this.#mayUseLease = mayUseLease
  }

  /** Answered from this server's own view of things, which may be old. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Nothing is waited for when nothing is returned. @throws as `ReadGate.linearizable` */
  prepare(): void | Promise<void> {
    const { consistency, maxStaleMs, signal } = this.#options
    this.#isStale = consistency === 'stale' && this.#gate.mayAnswerStale(maxStaleMs)
    if (this.#isStale) return
    this.#mode = this.#mayUseLease && this.#gate.holdsLease() ? 'lease' : 'quorum'
    return this.#gate.linearizable(signal, this.#mode)
  }

  /** A lease that lapsed is not there at the next look, which then asks the others. */
  confirm(): boolean {
    return this.#isStale || this.#mode === 'quorum' || this.#gate.holdsLease()
  }
}

export class ReadGate {
  readonly #deps: ReadGateDeps
  readonly #defaultRead: ReadMode
  /** Becomes true at the first linearizable point; before that the store may lack what was committed. */
  #hasCaughtUp = false
  #catchingUp: Promise<void> | undefined

  constructor(options: { readonly defaultRead: ReadMode }, deps: ReadGateDeps) {
    this.#defaultRead = options.defaultRead
    this.#deps = deps
  }

  passage(name: ReadName, options: ReadOptions): Passage {
    return new Passage(this, options, this.#mayUseLease(name, options))
  }

  holdsLease(): boolean {
    return this.#deps.raft.holdsLease()
  }

  /** @throws FairleadError NO_LEADER after the hold time, or the abort reason */
  async linearizable(signal: AbortSignal | undefined, mode: ReadMode = 'quorum'): Promise<void> {
    await this.#deps.hold.run(() => this.#deps.raft.readIndex(mode), { signal })
    this.#hasCaughtUp = true
  }

  /** Waits for the first linearizable point, however long that takes; all who wait share one attempt. */
  catchUp(closing: AbortSignal): Promise<void> {
    if (this.#hasCaughtUp) return Promise.resolve()
    this.#catchingUp ??= this.#tryToCatchUp(closing).finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  #mayUseLease(name: ReadName, { consistency }: ReadOptions): boolean {
    const isDefault = consistency === undefined || consistency === 'default'
    if (!isDefault || this.#defaultRead === 'quorum') return false
    return LEASE_READS.some((prefix) => name.startsWith(prefix))
  }

  mayAnswerStale(maxStaleMs: number | undefined): boolean {
    const { role, lastContactMs } = this.#deps.raft.contact()
    const hasFollowed = this.#hasCaughtUp || Number.isFinite(lastContactMs)
    if (role === 'leader' || !hasFollowed) return this.#hasCaughtUp
    return maxStaleMs === undefined || lastContactMs <= maxStaleMs
  }

  async #tryToCatchUp(closing: AbortSignal): Promise<void> {
    while (!this.#hasCaughtUp) {
      try {
        await this.linearizable(closing)
      } catch (thrown) {
        const { code } = toFairleadError(thrown)
        if (code !== 'NO_LEADER' && code !== 'BUSY') throw thrown
        await this.#deps.clock.sleep(CATCH_UP_RETRY_MS, closing)
      }
    }
  }
}
