/**
 * Joins of this member that are under way: of addresses an operator wrote, and of those known from before.
 *
 * Guarantees: each join ends, by its outcome or by a signal; after `signal` none begins. Bounds: JOIN_PARALLEL_MAX
 * addresses are tried at a time.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { CallId, JoinOutcome, NodeAddress } from '../../core/swim/types.ts'
import { addressText, resolveMemberAddress } from '../../runtime/gossip/member-addresses.ts'

const JOIN_PARALLEL_MAX = 16

export interface PoolJoinsDeps {
  readonly log: Logger
  readonly rng: Rng
  /** Of the pool's life. */
  readonly signal: AbortSignal
  /** Asks the core; the outcome comes back through `settle`. @throws FairleadError SHUTTING_DOWN */
  readonly begin: (id: CallId, to: NodeAddress) => void
}

export class PoolJoins {
  readonly #family: 4 | 6
  readonly #deps: PoolJoinsDeps
  readonly #waiting = new Map<CallId, (outcome: JoinOutcome) => void>()
  #lastId: CallId = 0

  constructor(family: 4 | 6, deps: PoolJoinsDeps) {
    this.#family = family
    this.#deps = deps
  }

  settle(id: CallId, outcome: JoinOutcome): void {
    this.#waiting.get(id)?.(outcome)
  }

  /** @returns how many answered. @throws FairleadError NO_SERVERS when none of several did */
  async join(addresses: readonly string[], signal: AbortSignal): Promise<number> {
    const failures: string[] = []
    let answered = 0
    for (let from = 0; from < addresses.length; from += JOIN_PARALLEL_MAX) {
      const batch = addresses.slice(from, from + JOIN_PARALLEL_MAX)
      for (const tried of await Promise.all(batch.map((text) => this.#try(text, signal)))) {
        answered += tried.answered
        failures.push(...tried.failures)
      }
    }
    signal.throwIfAborted()
    if (answered === 0 && failures.length > 0) {
      throw new FairleadError('NO_SERVERS', `Failed to join: ${failures.join('; ')}`, {
        facts: { addresses, failures },
      })
    }
    if (failures.length > 0) this.#deps.log.warn('some addresses did not answer', { failures })
    return answered
  }

  /** Those known from before, in random order, until one answers. */
  async rejoin(others: readonly NodeAddress[]): Promise<void> {
    const { log, rng, signal } = this.#deps
    const order = rng.shuffle(others)
    for (let from = 0; from < order.length; from += JOIN_PARALLEL_MAX) {
      const addresses = order.slice(from, from + JOIN_PARALLEL_MAX).map(addressText)
      try {
        await this.join(addresses, signal)
        log.info('rejoined the pool that was known from before', { members: order.length })
        return
      } catch (err) {
        if (signal.aborted) return
        log.debug('members known from before do not answer', { addresses, err })
      }
    }
    if (order.length > 0) log.warn('no member known from before answers', { members: order.length })
  }

  /** All that one written address stands for. */
  async #try(
    text: string,
    signal: AbortSignal,
  ): Promise<{ readonly answered: number; readonly failures: readonly string[] }> {
    try {
      const targets = await resolveMemberAddress(text, this.#family)
      const outcomes = await Promise.all(targets.map((to) => this.#joinAt(to, signal)))
      const failures = outcomes.flatMap((outcome, i) => {
        const target = targets[i]
        if (outcome.kind !== 'failed' || target === undefined) return []
        return [`${addressText(target)}: ${outcome.reason}`]
      })
      return { answered: outcomes.filter(({ kind }) => kind === 'joined').length, failures }
    } catch (error) {
      signal.throwIfAborted()
      return { answered: 0, failures: [error instanceof Error ? error.message : String(error)] }
    }
  }

  async #joinAt(to: NodeAddress, signal: AbortSignal): Promise<JoinOutcome> {
    const ending = AbortSignal.any([signal, this.#deps.signal])
    ending.throwIfAborted()
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<JoinOutcome>()
    const onAbort = (): void => reject(ending.reason)
    ending.addEventListener('abort', onAbort, { once: true })
    this.#waiting.set(id, resolve)
    try {
      this.#deps.begin(id, to)
      return await promise
    } finally {
      this.#waiting.delete(id)
      ending.removeEventListener('abort', onAbort)
    }
  }
}
