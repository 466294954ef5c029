/**
 * Queries of this host that are open, and its handlers of those of others (gossip.md 11.5).
 *
 * Guarantees: each query of this host ends, by its deadline, by a signal or with the pool; a handler that fails answers
 * nothing and is logged. Bounds: those of the core.
 */

import { FairleadError } from '../../core/errors.ts'
import type {
  GossipQuery,
  QueryBus,
  QueryHandler,
  QueryReport,
} from '../../core/events/query-bus.ts'
import type { Logger } from '../../core/log.ts'
import { QUERY_TIMEOUT_MAX_MS, RELAY_FACTOR_MAX } from '../../core/swim/query-codec.ts'
import type { SwimEffect, SwimInput } from '../../core/swim/types.ts'

type QueryEffect = Extract<SwimEffect, { kind: 'query' | 'query-answer' | 'query-closed' }>

export interface PoolQueriesDeps {
  readonly log: Logger
  /** Of the pool's life. */
  readonly signal: AbortSignal
  /** @throws FairleadError SHUTTING_DOWN */
  readonly input: (input: SwimInput) => void
}

interface OpenQuery {
  readonly acks: Set<string>
  readonly answers: Map<string, Uint8Array>
  readonly onChange: () => void
  readonly onClosed: (problem: string | null) => void
}

export class PoolQueries {
  readonly #deps: PoolQueriesDeps
  readonly #open = new Map<number, OpenQuery>()
  readonly #handlers = new Map<string, QueryHandler>()
  #lastId = 0

  constructor(deps: PoolQueriesDeps) {
    this.#deps = deps
  }

  readonly query: QueryBus['query'] = async (query, { signal, isEnough = () => false }) => {
    checkQuery(query)
    const ending = AbortSignal.any([signal, this.#deps.signal])
    ending.throwIfAborted()
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<QueryReport>()
    const report = { acks: new Set<string>(), answers: new Map<string, Uint8Array>() }
    const onAbort = (): void => reject(ending.reason)
    ending.addEventListener('abort', onAbort, { once: true })
    this.#open.set(id, {
      ...report,
      onChange: () => {
        if (isEnough(report)) resolve(report)
      },
      onClosed: (problem) => {
        if (problem === null) resolve(report)
        else reject(new FairleadError('REJECTED', `Query "${query.name}": ${problem}`))
      },
    })
    try {
      this.#deps.input({ kind: 'ask', id, wish: query })
      return await promise
    } finally {
      ending.removeEventListener('abort', onAbort)
      this.#open.delete(id)
      if (!this.#deps.signal.aborted) this.#deps.input({ kind: 'cancel-ask', id })
    }
  }

  readonly onQuery: QueryBus['onQuery'] = (name, handler) => {
    if (this.#handlers.has(name)) throw new Error(`queries named ${name} have a handler`)
    this.#handlers.set(name, handler)
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name)
    }
  }

  perform(effect: QueryEffect): void {
    if (effect.kind === 'query') {
      void this.#answer(effect)
      return
    }
    const open = this.#open.get(effect.id)
    if (effect.kind === 'query-closed') {
      open?.onClosed(effect.problem)
      return
    }
    const { from, isAck, payload } = effect
    if (isAck) open?.acks.add(from)
    else open?.answers.set(from, payload)
    open?.onChange()
  }

  async #answer(effect: QueryEffect & { kind: 'query' }): Promise<void> {
    const { ref, name, payload, origin } = effect
    const handler = this.#handlers.get(name)
    if (handler === undefined) return
    try {
      const answer = await handler(payload, origin)
      if (answer === null || this.#deps.signal.aborted) return
      this.#deps.input({ kind: 'answer', ref, payload: answer })
    } catch (err) {
      this.#deps.log.warn('a query could not be answered', { query: name, node: origin, err })
    }
  }
}

function checkQuery({ name, relayFactor, timeoutMs = 0 }: GossipQuery): void {
  const isValid =
    name !== '' &&
    Number.isInteger(relayFactor) &&
    relayFactor >= 0 &&
    relayFactor <= RELAY_FACTOR_MAX &&
    Number.isInteger(timeoutMs) &&
    timeoutMs >= 0 &&
    timeoutMs <= QUERY_TIMEOUT_MAX_MS
  if (isValid) return
  throw new FairleadError(
    'REJECTED',
    `Query "${name}" needs a name, a relay factor of 0 to ${RELAY_FACTOR_MAX} and a timeout of up to ${QUERY_TIMEOUT_MAX_MS} ms`,
  )
}
