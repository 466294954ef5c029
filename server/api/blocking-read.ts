/**
 * Blocking reads: answer when the result's index passes the caller's, or when the wait ends (http-api.md 4).
 *
 * Guarantees: a change between evaluation and waiting is never missed (both happen in one turn); on
 * expiry the current result comes back with its index; something absent that is still absent blocks on,
 * whatever moved its index; after `close` nobody waits. Does not decide consistency: `prepare` does,
 * before every evaluation.
 * Bounds: WAIT_MAX_MS, `waitersMax` (beyond: RATE_LIMITED).
 */

import type { Evaluated, StateStoreApi, WatchKey } from '../../core/catalog/store-api.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Rng } from '../../core/rng.ts'
import type { ReadName } from '../../core/rpc/reads.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { instant } from '../../core/time.ts'

export const WAIT_DEFAULT_MS = 300_000
export const WAIT_MAX_MS = 600_000
/** The wait grows by up to one part in this many, so that watchers do not return all at once. */
export const WAIT_JITTER_PARTS = 16
export const WAITERS_MAX = 65_536

export interface BlockingQuery<N extends ReadName> {
  /** Makes sure that the store may be read at the wanted consistency; throws when it may not. */
  prepare(): void | Promise<void>
  evaluate(): Evaluated<N>
  /** Right after each evaluation: false when what `prepare` relied on has lapsed, so that both are done anew. */
  confirm?(): boolean
}

export interface BlockingOptions {
  readonly minIndex?: number
  readonly waitMs?: number
  readonly signal?: AbortSignal
}

export interface BlockingReadsDeps {
  readonly store: Pick<StateStoreApi, 'watchOnce'>
  readonly clock: Clock
  readonly rng: Rng
}

interface Waiter {
  readonly wake: () => void
  readonly fail: (reason: unknown) => void
}

export class BlockingReads {
  readonly #deps: BlockingReadsDeps
  readonly #waitersMax: number
  readonly #waiters = new Set<Waiter>()
  #blocked = 0
  #isClosed = false

  constructor(deps: BlockingReadsDeps, options: { readonly waitersMax?: number } = {}) {
    this.#deps = deps
    this.#waitersMax = options.waitersMax ?? WAITERS_MAX
  }

  /** Reads that are blocked now. */
  get blocked(): number {
    return this.#blocked
  }

  /** @throws FairleadError RATE_LIMITED, SHUTTING_DOWN, what `prepare` throws, or the abort reason */
  async run<N extends ReadName>(
    query: BlockingQuery<N>,
    options: BlockingOptions = {},
  ): Promise<Evaluated<N>> {
    options.signal?.throwIfAborted()
    let first: Evaluated<N>
    do {
      // Most reads do not block, and many need not even wait: what they need not await costs them nothing.
      const prepared = query.prepare()
      if (prepared !== undefined) await prepared
      first = query.evaluate()
    } while (query.confirm?.() === false)
    const minIndex = options.minIndex ?? 0
    if (minIndex <= 0 || reportedIndex(first) > minIndex) return first
    if (this.#blocked >= this.#waitersMax) {
      throw new FairleadError(
        'RATE_LIMITED',
        `Already ${this.#waitersMax} reads are blocked on this server, try again later`,
      )
    }
    this.#blocked += 1
    try {
      return await this.#block(query, first, minIndex, options)
    } finally {
      this.#blocked -= 1
    }
  }

  /** Makes every blocked read evaluate again, for instance because leadership changed. */
  wakeAll(): void {
    for (const waiter of [...this.#waiters]) waiter.wake()
  }

  /** Every blocked read fails with SHUTTING_DOWN, later ones too. Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const waiter of [...this.#waiters]) waiter.fail(shuttingDown())
  }

  async #block<N extends ReadName>(
    query: BlockingQuery<N>,
    first: Evaluated<N>,
    fromIndex: number,
    options: BlockingOptions,
  ): Promise<Evaluated<N>> {
    const { clock } = this.#deps
    const deadline = instant(clock.now() + this.#waitMs(options.waitMs))
    let result = first
    let minIndex = fromIndex
    for (;;) {
      const outcome = await this.#change(result.watch, deadline, options.signal)
      if (outcome === 'expired') return result
      const wasFound = result.found
      do {
        await query.prepare()
        result = query.evaluate()
      } while (query.confirm?.() === false)
      // Its index moves with its neighbours; that it is still not there is no news.
      if (!wasFound && !result.found) minIndex = Math.max(minIndex, reportedIndex(result))
      if (reportedIndex(result) > minIndex) return result
      if (clock.now() >= deadline) return result
    }
  }

  #waitMs(asked: number | undefined): number {
    const base = asked === undefined || asked <= 0 ? WAIT_DEFAULT_MS : Math.min(asked, WAIT_MAX_MS)
    return base + this.#deps.rng.float() * (base / WAIT_JITTER_PARTS)
  }

  /** Registers the watch before it returns: nothing may be awaited between evaluation and this call. */
  #change(
    watch: readonly WatchKey[],
    deadline: Instant,
    signal: AbortSignal | undefined,
  ): Promise<'changed' | 'expired'> {
    if (this.#isClosed) return Promise.reject(shuttingDown())
    return new Promise((resolve, reject) => {
      const release = (): void => {
        cancelWatch()
        timer.cancel()
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        wake: () => {
          release()
          resolve('changed')
        },
        fail: (reason) => {
          release()
          reject(reason)
        },
      }
      const onAbort = (): void => waiter.fail(signal?.reason)
      const cancelWatch = this.#deps.store.watchOnce(watch, waiter.wake)
      const timer = this.#deps.clock.timer(deadline, () => {
        release()
        resolve('expired')
      })
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
    })
  }
}

/** An index of 0 is never shown; clients would take it for "do not block". */
export function reportedIndex(evaluated: { readonly index: number }): number {
  return Math.max(1, evaluated.index)
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
}
