/**
 * Holds a request while there is no leader, and tries again when there is one (raft.md 8.1, 16.3).
 *
 * Attempts that certainly changed nothing are repeated (NO_LEADER, BUSY); one whose outcome is unknown only
 * when the caller says that repeating is safe, and if no later attempt settles the matter the end is
 * OUTCOME_UNKNOWN, never a claim that nothing was done. Guarantees an end within `holdMs` of the call, plus
 * the last attempt. Gaining leadership wakes every holder at once; between attempts it waits with full jitter, the
 * longer the more there are: all blocked reads of a server lose their leader in one moment.
 * Bound: HOLDERS_MAX requests; beyond it an attempt that fails is not held.
 */

import { type ErrorCode, FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import { WAITERS_MAX } from './blocking-read.ts'

/** Every blocked read, and writes besides. */
export const HOLDERS_MAX = WAITERS_MAX + 8192
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 250
/** More holders than this for each of the milliseconds above make the pause longer: 40,000 attempts a second. */
const HOLDERS_PER_MS = 20

/** Verdicts on the request itself, which an earlier attempt got too if it got any. */
const SETTLED: ReadonlySet<ErrorCode> = new Set([
  'REJECTED',
  'BAD_REQUEST',
  'NOT_FOUND',
  'NOT_SUPPORTED',
  'PERMISSION_DENIED',
  'RESULT_FORGOTTEN',
  'TOO_LARGE',
])

export interface LeaderHoldDeps {
  readonly raft: Pick<RaftNodeApi, 'onLeadership'>
  readonly clock: Clock
  readonly rng: Rng
}

export interface HoldOptions {
  readonly signal?: AbortSignal | undefined
  /** Doing it twice does no harm, so an unknown outcome may be settled by another attempt. Default false. */
  readonly isRepeatable?: boolean
}

interface Holder {
  readonly wake: () => void
  readonly fail: (reason: unknown) => void
}

export class LeaderHold {
  readonly #deps: LeaderHoldDeps
  readonly #holdMs: number
  readonly #holders = new Set<Holder>()
  readonly #stopListening: () => void
  #isClosed = false

  constructor(options: { readonly holdMs: number }, deps: LeaderHoldDeps) {
    this.#deps = deps
    this.#holdMs = options.holdMs
    this.#stopListening = deps.raft.onLeadership((isLeader) => {
      if (isLeader) for (const holder of [...this.#holders]) holder.wake()
    })
  }

  /**
   * @throws FairleadError NO_LEADER or BUSY when the hold ends and certainly nothing was done, OUTCOME_UNKNOWN
   *   when something may have been, SHUTTING_DOWN, what an attempt throws otherwise, or the abort reason
   */
  async run<T>(attempt: () => Promise<T>, options: HoldOptions = {}): Promise<T> {
    const { clock, rng } = this.#deps
    const { signal } = options
    const until = clock.now() + this.#holdMs
    let doubt: FairleadError | undefined
    for (let tries = 0; ; tries++) {
      signal?.throwIfAborted()
      if (this.#isClosed) throw doubt ?? shuttingDown()
      try {
        return await attempt()
      } catch (thrown) {
        const error = toFairleadError(thrown)
        if (error.code === 'OUTCOME_UNKNOWN' && options.isRepeatable === true) doubt ??= error
        else if (error.code !== 'NO_LEADER' && error.code !== 'BUSY') {
          throw doubt === undefined || SETTLED.has(error.code) ? error : doubt
        }
        const left = until - clock.now()
        if (left <= 0 || this.#holders.size >= HOLDERS_MAX) throw doubt ?? atTheEnd(error)
        const ceiling = Math.max(
          Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(tries, 10)),
          this.#holders.size / HOLDERS_PER_MS,
        )
        try {
          await this.#pause(Math.min(left, 1 + rng.float() * ceiling), signal)
        } catch (reason) {
          throw signal?.aborted === true ? reason : (doubt ?? reason)
        }
      }
    }
  }

  /** Every holder fails with SHUTTING_DOWN. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#stopListening()
    for (const holder of [...this.#holders]) holder.fail(shuttingDown())
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const release = (): void => {
        timer.cancel()
        this.#holders.delete(holder)
        signal?.removeEventListener('abort', onAbort)
      }
      const holder: Holder = {
        wake: () => {
          release()
          resolve()
        },
        fail: (reason) => {
          release()
          reject(reason)
        },
      }
      const onAbort = (): void => holder.fail(signal?.reason)
      const timer = this.#deps.clock.timer(instant(this.#deps.clock.now() + ms), holder.wake)
      this.#holders.add(holder)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (this.#isClosed) holder.fail(shuttingDown())
      else if (signal?.aborted) onAbort()
    })
  }
}

function atTheEnd(error: FairleadError): FairleadError {
  if (error.code !== 'NO_LEADER') return error
  return new FairleadError('NO_LEADER', 'No cluster leader', { cause: error })
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
}
