/**
 * Time to live of sessions, kept by the leader in memory (http-api.md 14).
 *
 * Guarantees: a session with a TTL dies between TTL and 2 × TTL after its last renewal (the timer is
 * 2 × TTL, as clients of Consul know it), and every change of leader only makes it live longer. Timers
 * run only between `start` and `stop`. Sessions that ended some other way are found gone when the timer
 * fires, at the latest.
 * Bound: one timer a session with a TTL.
 */

import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { SessionRecord } from '../../core/catalog/types.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock, Timer } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { AppliedCommand } from '../state-machine.ts'

export const TTL_FACTOR = 2
const RETRY_MS = 1000

export interface SessionTimersDeps {
  readonly store: StateStoreApi
  readonly clock: Clock
  readonly log: Logger
  /** Ends a session through the log. */
  readonly destroy: (id: string) => Promise<unknown>
}

export class SessionTimers {
  readonly #deps: SessionTimersDeps
  readonly #timers = new Map<string, Timer>()
  #isLeading = false

  constructor(deps: SessionTimersDeps) {
    this.#deps = deps
  }

  /** Sessions that are watched. */
  get activeCount(): number {
    return this.#timers.size
  }

  /** Arms every session of the store anew. */
  start(): void {
    this.#isLeading = true
    for (const session of this.#deps.store.read('session.list', {}).value) this.touch(session)
  }

  /** Forgets all timers. Idempotent. */
  stop(): void {
    this.#isLeading = false
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  /** Arms or re-arms; without effect for a session without a TTL, or while not leading. */
  touch(session: Pick<SessionRecord, 'id' | 'ttlMs'>): void {
    if (session.ttlMs <= 0) return
    this.#arm(session.id, TTL_FACTOR * session.ttlMs)
  }

  /** To be told of every applied command. */
  observe({ command, result }: AppliedCommand): void {
    if (!this.#isLeading || !result.ok) return
    if (command.kind === 'session.create') this.touch(command.session)
    if (command.kind === 'session.destroy') this.#disarm(command.id)
  }

  #arm(id: string, ms: number): void {
    if (!this.#isLeading) return
    this.#disarm(id)
    const { clock } = this.#deps
    this.#timers.set(
      id,
      clock.timer(instant(clock.now() + ms), () => void this.#expire(id)),
    )
  }

  #disarm(id: string): void {
    this.#timers.get(id)?.cancel()
    this.#timers.delete(id)
  }

  async #expire(id: string): Promise<void> {
    this.#timers.delete(id)
    const { store, log, destroy } = this.#deps
    if (store.read('session.get', { id }).value === null) return
    try {
      await destroy(id)
      log.debug('session expired', { session: id })
    } catch (err) {
      log.warn('cannot end an expired session, will try again', { session: id, err })
      this.#arm(id, RETRY_MS)
    }
  }
}
