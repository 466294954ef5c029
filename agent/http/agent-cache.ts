/**
 * The agent's cache behind `?cached` (http-api.md section 6).
 *
 * Two kinds of entries. A `refreshed` one (health, roots) is confirmed at each use by a read that any server
 * may answer; over the in-process store this costs what a look-up costs, so no background query is kept
 * open, and only when that read fails is the last known value served, with its age. A `kept` one (catalog,
 * intentions/match) is served as it is until `max-age` or `must-revalidate` asks for a new one.
 * What was read under some rights is served only while the caller has the same ones, and no refusal is made up for.
 * Bounds: ENTRIES_MAX (least recently used first out), UNUSED_MAX_MS without use.
 */

import { type FairleadError, toFairleadError } from '../../core/errors.ts'
import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import type { Counter } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { ReadName, ReadReply } from '../../core/rpc/reads.ts'
import type { Consistency, ReadResult } from '../../core/rpc/server-api.ts'
import type { Clock, Instant } from '../../core/time.ts'
import type { CacheControl } from './query-options.ts'

export const ENTRIES_MAX = 1024
export const UNUSED_MAX_MS = 72 * 3600 * 1000

export type CacheKind = 'refreshed' | 'kept'

export interface CachedRead<N extends ReadName> {
  readonly result: ReadResult<N>
  readonly isHit: boolean
  readonly ageMs: number
}

/** What of a read is kept: everything but the name, which is part of the key. */
interface Entry {
  readonly value: unknown
  readonly index: number
  readonly knownLeader: boolean
  readonly lastContactMs: number
  readonly isFiltered?: boolean
  readonly rights: object | undefined
  readonly confirmedAt: Instant
  usedAt: Instant
}

export interface CacheQuery<N extends ReadName> {
  readonly kind: CacheKind
  /** Name and request of the read. */
  readonly key: string
  readonly control: CacheControl
  readonly minIndex: number
  /** What the caller may do now, the same object while that does not change; absent without access control. */
  readonly rights?: object
  fetch(consistency: Consistency): Promise<ReadResult<N>>
}

export class AgentCache {
  readonly #clock: Clock
  readonly #hits: Counter
  readonly #misses: Counter
  readonly #errors: Counter
  readonly #entries = new Map<string, Entry>()

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock
    this.#hits = metrics.counter(AGENT_METRICS.cacheHit)
    this.#misses = metrics.counter(AGENT_METRICS.cacheMiss)
    this.#errors = metrics.counter(AGENT_METRICS.cacheFetchError)
    const entries = metrics.gauge(AGENT_METRICS.cacheEntries)
    metrics.onRead(() => entries.set(this.#entries.size))
  }

  /** @throws what `fetch` throws, when nothing kept may stand in for it */
  async read<N extends ReadName>(query: CacheQuery<N>): Promise<CachedRead<N>> {
    const entry = this.#use(query)
    if (entry !== undefined && query.kind === 'kept' && this.#isFresh(entry, query)) {
      this.#hits.increment()
      return { result: resultOf<N>(entry), isHit: true, ageMs: this.#age(entry) }
    }
    const isHit = entry !== undefined && query.kind === 'refreshed' && !query.control.mustRevalidate
    if (isHit) this.#hits.increment()
    else this.#misses.increment()
    try {
      const result = await query.fetch(isHit ? 'stale' : 'default')
      this.#store(query, result)
      return { result, isHit, ageMs: 0 }
    } catch (thrown) {
      this.#errors.increment()
      if (isAnswer(toFairleadError(thrown))) {
        this.#entries.delete(query.key)
        throw thrown
      }
      if (entry === undefined || !this.#mayStandIn(entry, query)) throw thrown
      return { result: resultOf<N>(entry), isHit: true, ageMs: this.#age(entry) }
    }
  }

  #isFresh(entry: Entry, query: CacheQuery<ReadName>): boolean {
    const { mustRevalidate, maxAgeMs } = query.control
    if (mustRevalidate || query.minIndex > 0) return false
    return maxAgeMs === undefined || this.#age(entry) <= maxAgeMs
  }

  #mayStandIn(entry: Entry, query: CacheQuery<ReadName>): boolean {
    const { staleIfErrorMs, maxAgeMs, mustRevalidate } = query.control
    const age = this.#age(entry)
    if (staleIfErrorMs !== undefined) return age <= staleIfErrorMs
    if (query.kind === 'kept' || mustRevalidate) return false
    return maxAgeMs === undefined || age <= maxAgeMs
  }

  #age(entry: Entry): number {
    return Math.max(0, this.#clock.now() - entry.confirmedAt)
  }

  #use({ key, rights }: CacheQuery<ReadName>): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const now = this.#clock.now()
    this.#entries.delete(key)
    if (now - entry.usedAt > UNUSED_MAX_MS || entry.rights !== rights) return undefined
    entry.usedAt = now
    this.#entries.set(key, entry)
    return entry
  }

  #store({ key, rights }: CacheQuery<ReadName>, result: ReadResult<ReadName>): void {
    const now = this.#clock.now()
    this.#entries.delete(key)
    this.#entries.set(key, { ...result, rights, confirmedAt: now, usedAt: now })
    if (this.#entries.size <= ENTRIES_MAX) return
    const oldest = this.#entries.keys().next()
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }
}

/** The servers were there and said no. */
function isAnswer({ entry: { httpStatus, retryable } }: FairleadError): boolean {
  return httpStatus < 500 && !retryable
}

function resultOf<N extends ReadName>(entry: Entry): ReadResult<N> {
  const { index, knownLeader, lastContactMs, isFiltered } = entry
  // The key names the read, so a value is only ever looked up by the read that stored it.
  const value = entry.value as ReadReply<N>
  const meta = { index, knownLeader, lastContactMs }
  return { value, ...meta, ...(isFiltered === undefined ? {} : { isFiltered }) }
}
