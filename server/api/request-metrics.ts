/**
 * Counts what agents ask of this server, and times the writes that it carries out as leader.
 *
 * Bounds: methods are a fixed list; of each metric by service SERIES_PER_METRIC_MAX counters are kept at hand, as many
 * as the registry tells apart.
 */

import type { Command } from '../../core/catalog/commands.ts'
import { SERVER_METRICS } from '../../core/metrics/catalogue/server.ts'
import type { CounterDefinition } from '../../core/metrics/definition.ts'
import type { Counter, Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { LABEL_VALUE_MAX, SERIES_PER_METRIC_MAX } from '../../core/metrics/registry.ts'
import type { Clock } from '../../core/time.ts'
import type { CallFacts, CallObserver } from '../../runtime/rpc/observed-server-api.ts'

/** An observer of the requests of agents. */
export function countRequests(metrics: Metrics, clock: Clock): CallObserver {
  const requests = metrics.counter(SERVER_METRICS.request)
  const errors = metrics.counter(SERVER_METRICS.requestError)
  const queries = metrics.counter(SERVER_METRICS.query)
  const consistent = metrics.sample(SERVER_METRICS.consistentRead)
  const calls = new CallSamples(metrics)
  const services = new ServiceCounters(metrics)
  return (facts) => {
    requests.increment()
    if (!facts.isWrite) queries.increment()
    if (facts.service !== '') services.queried(facts)
    const begun = clock.now()
    return (thrown, { isEmpty }) => {
      const hasFailed = thrown !== undefined
      if (hasFailed) errors.increment()
      else if (isEmpty && facts.method === 'health.service') services.notFound(facts)
      if (facts.isBlocking) return
      const ms = clock.now() - begun
      if (facts.isConsistent) consistent.record(ms)
      calls.of(facts, hasFailed).record(ms)
    }
  }
}

/** Kept by method, so that a request makes no labels. */
class CallSamples {
  readonly #metrics: Metrics
  readonly #answered = new Map<string, Sample>()
  readonly #failed = new Map<string, Sample>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  of({ method, isWrite }: CallFacts, hasFailed: boolean): Sample {
    const kept = hasFailed ? this.#failed : this.#answered
    const known = kept.get(method)
    if (known !== undefined) return known
    const sample = this.#metrics.sample(SERVER_METRICS.call, {
      method,
      errored: String(hasFailed),
      request_type: isWrite ? 'write' : 'read',
    })
    kept.set(method, sample)
    return sample
  }
}

class ServiceCounters {
  readonly #health: ByService
  readonly #catalog: ByService
  readonly #connect: ByService
  readonly #notFound: ByService

  constructor(metrics: Metrics) {
    this.#health = new ByService(metrics, SERVER_METRICS.healthQuery)
    this.#catalog = new ByService(metrics, SERVER_METRICS.serviceQuery)
    this.#connect = new ByService(metrics, SERVER_METRICS.connectQuery)
    this.#notFound = new ByService(metrics, SERVER_METRICS.healthNotFound)
  }

  queried({ method, service, isConnect }: CallFacts): void {
    if (method === 'health.service') this.#health.increment(service)
    else if (method === 'catalog.service') {
      const asked = isConnect ? this.#connect : this.#catalog
      asked.increment(service)
    }
  }

  notFound({ service }: CallFacts): void {
    this.#notFound.increment(service)
  }
}

/** One metric by the name of a service. */
class ByService {
  readonly #metrics: Metrics
  readonly #definition: CounterDefinition<'service'>
  readonly #kept = new Map<string, Counter>()

  constructor(metrics: Metrics, definition: CounterDefinition<'service'>) {
    this.#metrics = metrics
    this.#definition = definition
  }

  increment(service: string): void {
    const known = this.#kept.get(service)
    if (known !== undefined) {
      known.increment()
      return
    }
    const counter = this.#metrics.counter(this.#definition, { service })
    // What comes later, and what is cut, is looked up each time; the registry tells what it folds.
    if (this.#kept.size < SERIES_PER_METRIC_MAX && service.length <= LABEL_VALUE_MAX) {
      this.#kept.set(service, counter)
    }
    counter.increment()
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
