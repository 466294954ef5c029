/**
 * Executes prepared queries for the HTTP API and for DNS (http-api.md 16): what the name stands for, which instances are
 * good, where else to look, in which order.
 *
 * Guarantees: instances here are in random order, or nearest first when the query or the caller names a node; those of
 * other datacenters always in random order. A datacenter that nobody knows is passed over, one that fails is counted and
 * passed over: only what goes wrong here is an error. Reads are those of the caller, who knows about time and caches.
 */

import type { HealthEntry } from '../../core/catalog/types.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { failoverDatacenters, narrowingOf, selectInstances } from '../../core/queries/select.ts'
import type { PreparedQueryRecord } from '../../core/queries/types.ts'
import type { Rng } from '../../core/rng.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type { ReadResult, ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { nearest } from '../coordinates/nearest.ts'

const NEAR_AGENT = '_agent'

export interface PreparedQueriesOptions {
  readonly nodeName: string
  readonly datacenter: string
  readonly disableCoordinates: boolean
}

export interface PreparedQueriesDeps {
  /** For coordinates alone. */
  readonly servers: Pick<ServerApi, 'read'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

export interface QueryRequest {
  readonly nameOrId: string
  /** Goes before the query's own; '' for none. */
  readonly near: string
  /** 0 for none. */
  readonly limit: number
  /** What takes mesh traffic is asked for even when the query does not say so. */
  readonly connect: boolean
  readonly clientAddress: string
  /** Where the query is kept and begins; undefined for the own datacenter. */
  readonly datacenter: string | undefined
  readonly signal: AbortSignal
  /** @param datacenter undefined for the own one */
  read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    datacenter: string | undefined,
  ): Promise<ReadResult<N>>
}

export interface QueryAnswer {
  readonly query: PreparedQueryRecord
  readonly entries: readonly HealthEntry[]
  /** Where the entries are from. */
  readonly datacenter: string
  /** Datacenters that were asked because there was none here. */
  readonly failovers: number
  /** Of the oldest read that the answer rests on. */
  readonly knownLeader: boolean
  readonly lastContactMs: number
}

export class PreparedQueries {
  readonly #options: PreparedQueriesOptions
  readonly #deps: PreparedQueriesDeps

  constructor(options: PreparedQueriesOptions, deps: PreparedQueriesDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** @throws FairleadError NOT_FOUND (no such query), REJECTED (a template that cannot be used), or that of `read` */
  async execute(request: QueryRequest): Promise<QueryAnswer> {
    const { nameOrId, datacenter } = request
    const resolved = await request.read('query.resolve', { nameOrId }, datacenter)
    const query = queryOf(resolved.value)
    const home = datacenter ?? this.#options.datacenter
    const asked = await this.#instancesIn(datacenter, query, request)
    const knownLeader = resolved.knownLeader && asked.knownLeader
    const lastContactMs = Math.max(resolved.lastContactMs, asked.lastContactMs)
    const meta = { query, knownLeader, lastContactMs }
    if (asked.entries.length > 0) {
      const ordered = await this.#ordered(asked.entries, query, request)
      return { ...meta, datacenter: home, failovers: 0, entries: cut(ordered, request) }
    }
    const found = await this.#failOver(query, home, request)
    return { ...meta, ...found, entries: cut(found.entries, request) }
  }

  async #failOver(
    query: PreparedQueryRecord,
    home: string,
    request: QueryRequest,
  ): Promise<Pick<QueryAnswer, 'entries' | 'datacenter' | 'failovers'>> {
    let failovers = 0
    for (const datacenter of failoverDatacenters(query.service.failover, home)) {
      try {
        const { entries } = await this.#instancesIn(datacenter, query, request)
        failovers += 1
        if (entries.length === 0) continue
        return { entries: this.#deps.rng.shuffle(entries), datacenter, failovers }
      } catch (thrown) {
        request.signal.throwIfAborted()
        const err = toFairleadError(thrown)
        if (err.code === 'NO_PATH_TO_DATACENTER') {
          this.#deps.log.debug('a prepared query names an unknown datacenter', { datacenter })
          continue
        }
        failovers += 1
        this.#deps.log.warn('cannot ask a datacenter for a prepared query', { datacenter, err })
      }
    }
    return { entries: [], datacenter: home, failovers }
  }

  async #instancesIn(
    datacenter: string | undefined,
    query: PreparedQueryRecord,
    request: QueryRequest,
  ): Promise<Pick<QueryAnswer, 'entries' | 'knownLeader' | 'lastContactMs'>> {
    const { service, connect } = query.service
    const isConnect = connect || request.connect
    const narrowing = narrowingOf(query.service)
    const via = query.token === '' ? {} : { viaQuery: request.nameOrId }
    const asked = { service, ...(isConnect ? { connect: true } : {}), ...narrowing, ...via }
    const { value, ...meta } = await request.read('health.service', asked, datacenter)
    return { entries: selectInstances(value, query.service), ...meta }
  }

  async #ordered(
    entries: readonly HealthEntry[],
    query: PreparedQueryRecord,
    request: QueryRequest,
  ): Promise<readonly HealthEntry[]> {
    const { nodeName, disableCoordinates } = this.#options
    const shuffled = this.#deps.rng.shuffle(entries)
    // How far the nodes of another datacenter are is known there.
    if (request.datacenter !== undefined) return shuffled
    const wanted = request.near === '' ? query.service.near : request.near
    const near = wanted === NEAR_AGENT ? nodeName : wanted
    const { clientAddress, signal } = request
    const options = { near, clientAddress, disableCoordinates, signal }
    return nearest(shuffled, (entry) => entry.node.node, options, this.#deps)
  }
}

/** @throws FairleadError NOT_FOUND, REJECTED */
export function queryOf(resolution: Reads['query.resolve']['reply']): PreparedQueryRecord {
  switch (resolution.kind) {
    case 'query':
      return resolution.query
    case 'unknown':
      throw new FairleadError('NOT_FOUND', 'Query not found')
    case 'refused':
      throw new FairleadError('REJECTED', resolution.message)
  }
}

function cut(
  entries: readonly HealthEntry[],
  { limit }: Pick<QueryRequest, 'limit'>,
): readonly HealthEntry[] {
  return limit > 0 ? entries.slice(0, limit) : entries
}
