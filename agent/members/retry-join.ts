/**
 * Joins the pool at start and keeps trying until somebody answers (agent-config.md 17).
 *
 * Every attempt asks all addresses, and looks names up anew. Guarantees: after one that was answered there is no
 * other in this process, for gossip keeps the membership from then on; after `attemptsMax` failed ones
 * `onGivenUp` is called once. An agent that the pool has found by itself meanwhile still asks: its addresses may
 * lead to others. Where only this agent itself answers, one that needs others goes on, quietly, until it sees one:
 * names may not stand for all of them yet. Waits between attempts without jitter, as Consul's users expect; where attempts are not
 * counted the first waits are shorter (1, 2, 4 s, …), so that servers that start together find each other at
 * once and not an interval later.
 */

import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { MemberPool } from '../../core/membership.ts'
import type { Clock } from '../../core/time.ts'

const FIRST_WAIT_MS = 1_000

export interface RetryJoinOptions {
  /** None: nothing to do. */
  readonly addresses: readonly string[]
  readonly intervalMs: number
  /** 0 is without limit. */
  readonly attemptsMax: number
  /** False for a server that is a cluster of its own: that it finds itself is enough then. */
  readonly needsOthers: boolean
}

export interface RetryJoinDeps {
  readonly pool: Pick<MemberPool, 'join' | 'members'>
  readonly clock: Clock
  readonly log: Logger
  readonly onGivenUp: (error: FairleadError) => void
}

export class RetryJoin implements Service {
  readonly #options: RetryJoinOptions
  readonly #deps: RetryJoinDeps
  readonly #life = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: RetryJoinOptions, deps: RetryJoinDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** Begins; does not wait for an answer. */
  async start(): Promise<void> {
    if (this.#options.addresses.length === 0) return
    this.#running ??= this.#run(this.#life.signal)
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#life.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { addresses, intervalMs, attemptsMax } = this.#options
    const { pool, clock, log } = this.#deps
    for (let attempt = 1; !signal.aborted; attempt++) {
      const waitMs = attemptsMax > 0 ? intervalMs : earlyWaitMs(attempt, intervalMs)
      try {
        const answered = await pool.join(addresses, signal)
        if (answered > 0 || !this.#isAlone()) {
          log.info('joined the pool', { addresses, answered })
          return
        }
        if (attempt === attemptsMax) {
          log.warn('found nobody but itself, will not try again', { addresses })
          return
        }
        const level = attempt === 1 ? 'info' : 'debug'
        log[level]('found nobody but itself yet, will try again', { addresses, waitMs })
      } catch (thrown) {
        if (signal.aborted) return
        const err = toFairleadError(thrown)
        if (attempt === attemptsMax) {
          this.#giveUp(attempt, err)
          return
        }
        log.warn('cannot join the pool yet, will try again', { addresses, waitMs, err })
      }
      try {
        await clock.sleep(waitMs, signal)
      } catch {
        return // stopped
      }
    }
  }

  #isAlone(): boolean {
    if (!this.#options.needsOthers) return false
    return this.#deps.pool.members().filter(({ status }) => status === 'alive').length < 2
  }

  #giveUp(attempts: number, cause: FairleadError): void {
    const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`
    this.#deps.onGivenUp(
      new FairleadError('NO_SERVERS', `Gave up joining after ${tries}: ${cause.message}`, {
        cause,
        facts: { hint: 'check the addresses of -retry-join, or allow more attempts: -retry-max' },
      }),
    )
  }
}

function earlyWaitMs(attempt: number, intervalMs: number): number {
  return Math.min(intervalMs, FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 16))
}
