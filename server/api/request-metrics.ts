/**
 * Counts what agents ask of this server, and times the writes that it carries out as leader.
 *
 * Bounds: methods are a fixed list; names of services are bounded by the registry.
 */

import type { Command } from '../../core/catalog/commands.ts'
import { SERVER_METRICS } from '../../core/metrics/catalogue/server.ts'
import type { Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Clock } from '../../core/time.ts'
import type { CallFacts, CallObserver } from '../../runtime/rpc/observed-server-api.ts'

/** An observer of the requests of agents. */
export function countRequests(metrics: Metrics, clock: Clock): CallObserver {
  const requests = metrics.counter(SERVER_METRICS.request)
  const errors = metrics.counter(SERVER_METRICS.requestError)
  const queries = metrics.counter(SERVER_METRICS.query)
  const consistent = metrics.sample(SERVER_METRICS.consistentRead)
  return (facts) => {
    requests.increment()
    if (!facts.isWrite) queries.increment()
    if (facts.service !== '') countServiceQuery(metrics, facts)
    const begun = clock.now()
    return (thrown, { isEmpty }) => {
      if (thrown !== undefined) errors.increment()
      else if (isEmpty && facts.method === 'health.service') {
        metrics.counter(SERVER_METRICS.healthNotFound, { service: facts.service }).increment()
      }
      if (facts.isBlocking) return
      const ms = clock.now() - begun
      if (facts.isConsistent) consistent.record(ms)
      const labels = {
        method: facts.method,
        errored: String(thrown !== undefined),
        request_type: facts.isWrite ? 'write' : 'read',
      }
      metrics.sample(SERVER_METRICS.call, labels).record(ms)
    }
  }
}

function countServiceQuery(metrics: Metrics, { method, service, isConnect }: CallFacts): void {
  if (method === 'health.service') {
    metrics.counter(SERVER_METRICS.healthQuery, { service }).increment()
  } else if (method === 'catalog.service') {
    const query = isConnect ? SERVER_METRICS.connectQuery : SERVER_METRICS.serviceQuery
    metrics.counter(query, { service }).increment()
  }
}

/** Of writes on the leader, from the proposal to what apply said. */
export class WriteMetrics {
  readonly #kvs: Sample
  readonly #txn: Sample
  readonly #session: Sample
  readonly #register: Sample
  readonly #deregister: Sample
  readonly #intention: Sample
  readonly #configEntry: Sample
  readonly #query: Sample

  constructor(metrics: Metrics) {
    this.#kvs = metrics.sample(SERVER_METRICS.kvsApply)
    this.#txn = metrics.sample(SERVER_METRICS.txnApply)
    this.#session = metrics.sample(SERVER_METRICS.sessionApply)
    this.#register = metrics.sample(SERVER_METRICS.catalogRegister)
    this.#deregister = metrics.sample(SERVER_METRICS.catalogDeregister)
    this.#intention = metrics.sample(SERVER_METRICS.intentionApply)
    this.#configEntry = metrics.sample(SERVER_METRICS.configEntryApply)
    this.#query = metrics.sample(SERVER_METRICS.queryApply)
  }

  written({ kind }: Command, ms: number): void {
    this.#sampleOf(kind)?.record(ms)
  }

  #sampleOf(kind: Command['kind']): Sample | undefined {
    switch (kind) {
      case 'kv':
        return this.#kvs
      case 'txn':
        return this.#txn
      case 'session.create':
      case 'session.destroy':
        return this.#session
      case 'register':
        return this.#register
      case 'deregister':
        return this.#deregister
      case 'intention.set':
      case 'intention.replace':
      case 'intention.delete':
        return this.#intention
      case 'config.set':
      case 'config.delete':
        return this.#configEntry
      case 'query.set':
      case 'query.delete':
        return this.#query
      default:
        return undefined
    }
  }
}
