/**
 * Decides what a question gets: which zone and kind it is, where the facts come from, and which records.
 *
 * Services, nodes, addresses and virtual addresses come from local views, so they are answered at once and while no
 * server is reachable; prepared queries, ingress gateways and other datacentres are read from the servers, and so is everything when stale
 * answers are not wanted or the view is older than allowed. A view that has never been filled is waited for
 * `COLD_WAIT_MS`, then SERVFAIL. Peers do not exist yet, so their names are unknown (NXDOMAIN). Never throws.
 * Source: dns.md sections 2 to 9.
 */

import type { AddressOwner, Topic } from '../../core/catalog/feed.ts'
import type { HealthEntry, NodeRecord, VirtualIpRecord } from '../../core/catalog/types.ts'
import { answerNode, isNodeType } from '../../core/dns/answer-node.ts'
import { answerAddress, answerReverse, answerVirtual } from '../../core/dns/answer-other.ts'
import { answerInOrder, answerInstances, closed } from '../../core/dns/answer-service.ts'
import { clientAddress } from '../../core/dns/client-address.ts'
import type { EdnsQuery } from '../../core/dns/decode.ts'
import {
  type HealthyInstance,
  InstanceList,
  preparedInstances,
  withTag,
} from '../../core/dns/instances.ts'
import { formatIp, ipFromReverse } from '../../core/dns/ip.ts'
import { type DnsOptions, queryTtl, serviceTtl } from '../../core/dns/options.ts'
import { RCODE, TYPE } from '../../core/dns/protocol.ts'
import {
  type Locality,
  type Lookup,
  matchZone,
  parseLookup,
  type ZoneMatch,
  type Zones,
  zoneLabels,
} from '../../core/dns/question.ts'
import type { Draft } from '../../core/dns/records.ts'
import { answerNs, answerSoa, empty, negative, type SoaSource } from '../../core/dns/soa.ts'
import { type ErrorCode, FairleadError } from '../../core/errors.ts'
import { gatewayServices } from '../../core/gateways/gateway-services.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ReadName, ReadReply, Reads } from '../../core/rpc/reads.ts'
import type { ReadOptions, ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'
import type { PreparedQueries } from '../queries/prepared-queries.ts'
import type { Versioned } from './answer-cache.ts'
import type { CatalogSources, InstanceSource, ViewSource } from './catalog-sources.ts'

export interface Question {
  /** Lower case. */
  readonly labels: readonly string[]
  readonly type: number
  readonly edns?: Pick<EdnsQuery, 'clientSubnet'> | null
}

/** What a question gets; `foreign`: no name of ours, ask the recursors. */
export type Outcome =
  | { readonly kind: 'foreign' }
  | { readonly kind: 'draft'; readonly draft: Draft; readonly reuse?: Reuse }

/** A draft that stays right while `source` keeps its version. */
export interface Reuse {
  readonly source: Versioned
  readonly version: number
  /** The same answer in another random order; undefined when there is only one. */
  readonly again: (() => Draft) | undefined
}

export interface ResponderDeps {
  readonly sources: CatalogSources
  readonly servers: Pick<ServerApi, 'read'>
  readonly queries: Pick<PreparedQueries, 'execute'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** Aborted when the server stops. */
  readonly signal: AbortSignal
}

export interface ResponderOptions extends DnsOptions {
  readonly domain: string
  readonly altDomain: string
}

export const COLD_WAIT_MS = 2000
/** Longer than this no client waits for an answer. */
const READ_WAIT_MS = 5000
/** What a literal address depends on: nothing. */
const CONSTANT: Versioned = { version: 0 }
const SERVERS_SERVICE = 'consul'
/** Gateways before one service that are asked for. */
const GATEWAYS_MAX = 16
const SERVERS = { kind: 'service', service: SERVERS_SERVICE, tag: '' } as const
/** The own datacentre. */
const OWN: Locality = { datacenter: undefined, peer: undefined }

/** A view, what is made of it, and what is asked of the servers instead when the view is too old. */
interface FromSource<T extends Topic, V> {
  readonly open: () => ViewSource<T, V>
  readonly answer: (source: ViewSource<T, V>) => Outcome
  readonly ask: () => Promise<Outcome>
  /** Of the question; default: the own domain. */
  readonly zone?: string
}

/** What was asked for is not there. */
const UNKNOWN: ReadonlySet<ErrorCode> = new Set(['NO_PATH_TO_DATACENTER', 'NOT_FOUND'])

type ServiceLookup = Extract<Lookup, { readonly service: string }>

export class Responder {
  readonly #options: ResponderOptions
  readonly #deps: ResponderDeps
  readonly #zones: Zones
  readonly #domain: string

  constructor(options: ResponderOptions, deps: ResponderDeps) {
    this.#options = options
    this.#deps = deps
    this.#zones = { domain: zoneLabels(options.domain), altDomain: zoneLabels(options.altDomain) }
    this.#domain = this.#zones.domain.join('.')
  }

  /**
   * Resolves at once where the facts are at hand.
   *
   * @param client address of who asks, '' for this agent
   */
  resolve(question: Question, client = ''): Outcome | Promise<Outcome> {
    const zone = matchZone(question.labels, this.#zones)
    if (zone.kind === 'foreign') return { kind: 'foreign' }
    if (question.type === TYPE.AXFR) return final(empty(RCODE.NOTIMP, false))
    if (zone.kind === 'reverse') return this.#reverse(zone.labels)
    return this.#own(question, client, zone)
  }

  #own(
    question: Question,
    client: string,
    { labels, zone }: Extract<ZoneMatch, { readonly kind: 'own' }>,
  ): Outcome | Promise<Outcome> {
    const { type } = question
    if (type === TYPE.SOA || type === TYPE.NS) return this.#authority(type, zone)
    const lookup = parseLookup(labels, type)
    switch (lookup.kind) {
      case 'service':
      case 'connect':
        return this.#service(lookup, question, zone)
      case 'virtual':
        return this.#virtual(lookup, type)
      case 'node':
        return this.#node(lookup.node, lookup.locality, type, zone)
      case 'address': {
        const { config } = this.#options
        const response = answerAddress(lookup.hex, type, config, this.#soa(zone))
        return fixed(CONSTANT, closed(response))
      }
      case 'query':
        return this.#guard(this.#query(lookup, question, { client, zone }), zone)
      case 'ingress':
        return this.#guard(this.#ingress(lookup, question, zone), zone)
      case 'invalid':
        return final(negative(RCODE.NXDOMAIN, this.#soa(zone)))
    }
  }

  #service(lookup: ServiceLookup, question: Question, zone: string): Outcome | Promise<Outcome> {
    const { locality, service } = lookup
    if (locality.peer !== undefined || service === '') {
      return final(negative(RCODE.NXDOMAIN, this.#soa(zone)))
    }
    const make = (all: readonly HealthyInstance[]): Draft => {
      const instances = lookup.kind === 'service' ? withTag(all, lookup.tag) : all
      return this.#instances(instances, service, question, zone)
    }
    if (!this.#isFromView(locality)) return this.#guard(this.#remoteService(lookup, make), zone)
    const topic = lookup.kind === 'connect' ? 'connect' : 'health'
    return this.#fromSource({
      open: () => this.#deps.sources.instances(topic, service),
      answer: (source) => reusable(source, make),
      ask: () => this.#remoteService(lookup, make),
      zone,
    })
  }

  #instances(
    instances: readonly HealthyInstance[],
    service: string,
    { type, labels }: Question,
    zone: string,
  ): Draft {
    const { config } = this.#options
    const ttl = serviceTtl(config, service)
    const asked = { type, zone, name: labels.join('.'), ttl, soa: this.#soa(zone) }
    return answerInstances(instances, asked, config, this.#deps.rng)
  }

  /** Instances of the ingress gateways whose config entries name the service, or `*` where it exists. */
  async #ingress(lookup: ServiceLookup, question: Question, zone: string): Promise<Outcome> {
    const { locality, service } = lookup
    const { onlyPassing } = this.#options.config
    const request = { entryKind: 'ingress-gateway' }
    const entries = await this.#read('config.list', request, locality)
    const isKnown = async (): Promise<boolean> => {
      const found = await this.#read('catalog.service', { service }, locality)
      return found.some((instance) => instance.service.kind === '')
    }
    const rows = gatewayServices(entries, [service]).filter((row) => {
      return row.service.toLowerCase() === service
    })
    const isExposed =
      rows.some((row) => !row.fromWildcard) || (rows.length > 0 && (await isKnown()))
    const gateways = isExposed ? [...new Set(rows.map((row) => row.gateway))] : []
    const found = await Promise.all(
      gateways.slice(0, GATEWAYS_MAX).map((gateway) => {
        return this.#read('health.service', { service: gateway }, locality)
      }),
    )
    const instances = found.flat().filter((entry) => entry.service.kind === 'ingress-gateway')
    const healthy = new InstanceList({ onlyPassing }).healthy(instances)
    return { kind: 'draft', draft: this.#instances(healthy, service, question, zone) }
  }

  async #remoteService(
    lookup: ServiceLookup,
    make: (instances: readonly HealthyInstance[]) => Draft,
  ): Promise<Outcome> {
    const request = { service: lookup.service, connect: lookup.kind === 'connect' }
    const entries: readonly HealthEntry[] = await this.#read(
      'health.service',
      request,
      lookup.locality,
    )
    const { onlyPassing } = this.#options.config
    const draft = make(new InstanceList({ onlyPassing }).healthy(entries))
    return { kind: 'draft', draft }
  }

  /** In the order of the servers; without instances as without a query. */
  async #query(
    { query: nameOrId, locality }: Extract<Lookup, { readonly kind: 'query' }>,
    question: Question,
    { client, zone }: { readonly client: string; readonly zone: string },
  ): Promise<Outcome> {
    const { config } = this.#options
    const { query, entries } = await this.#within(READ_WAIT_MS, (signal) =>
      this.#deps.queries.execute({
        nameOrId,
        near: '',
        limit: 0,
        connect: false,
        clientAddress: clientAddress(question, client),
        datacenter: this.#elsewhere(locality),
        signal,
        read: (name, request, from) =>
          this.#deps.servers.read(name, request, this.#reading(from, signal)),
      }),
    )
    const { type, labels } = question
    const ttl = queryTtl(query, config)
    const asked = { type, zone, name: labels.join('.'), ttl, soa: this.#soa(zone) }
    const draft = answerInOrder(preparedInstances(entries), asked, config)
    if (draft.response.rcode !== RCODE.NOERROR) return { kind: 'draft', draft }
    return {
      kind: 'draft',
      draft: { ...draft, response: { ...draft.response, isForClient: true } },
    }
  }

  #virtual(lookup: ServiceLookup, type: number): Outcome | Promise<Outcome> {
    const none = final(empty(RCODE.NOERROR, true))
    if (lookup.locality.peer !== undefined) return none
    const answer = (record: VirtualIpRecord | undefined): Draft =>
      closed(answerVirtual(record, type, this.#options))
    return this.#fromSource({
      open: () => this.#deps.sources.virtualIps(),
      answer: (source) => fixed(source, answer(source.value().get(lookup.service))),
      ask: async () => {
        const records = await this.#read('catalog.virtual-ips', {}, lookup.locality)
        const record = records.find(({ service }) => service.toLowerCase() === lookup.service)
        return { kind: 'draft', draft: answer(record) }
      },
    })
  }

  #node(node: string, locality: Locality, type: number, zone: string): Outcome | Promise<Outcome> {
    if (!isNodeType(type)) return final(empty(RCODE.NOERROR, true))
    if (locality.peer !== undefined) return final(negative(RCODE.NXDOMAIN, this.#soa(zone)))
    const { config } = this.#options
    const answer = (found: NodeRecord | undefined): Draft =>
      found === undefined
        ? closed(negative(RCODE.NXDOMAIN, this.#soa(zone)))
        : answerNode(found, type, config)
    const ask = async (): Promise<Outcome> => {
      const found = await this.#read('catalog.node', { node }, locality)
      return { kind: 'draft', draft: answer(found?.node) }
    }
    if (!this.#isFromView(locality)) return this.#guard(ask(), zone)
    return this.#fromSource({
      open: () => this.#deps.sources.node(node),
      answer: (source) => fixed(source, answer(source.value()[0])),
      ask,
      zone,
    })
  }

  /** Nodes and services by address; what nobody here has is foreign. */
  #reverse(labels: readonly string[]): Outcome | Promise<Outcome> {
    const address = ipFromReverse(labels)
    if (address === null) return { kind: 'foreign' }
    const ip = formatIp(address)
    const ask = async (): Promise<Outcome> => {
      const { nodes, services } = await this.#read('catalog.address', { ip }, OWN)
      const owners: readonly AddressOwner[] = [
        ...nodes.map(({ node, datacenter }) => ({ kind: 'node', name: node, datacenter }) as const),
        ...services.map(({ node: { datacenter }, service }) => {
          return { kind: 'service', name: service.service, datacenter } as const
        }),
      ]
      const response = answerReverse(owners, this.#domain)
      return response === null ? { kind: 'foreign' } : final(response)
    }
    if (!this.#isFromView(OWN)) return this.#guard(ask())
    return this.#fromSource({
      open: () => this.#deps.sources.owners(ip),
      answer: (source) => {
        const response = answerReverse(source.value(), this.#domain)
        return response === null ? { kind: 'foreign' } : fixed(source, closed(response))
      },
      ask,
    })
  }

  #authority(type: number, zone: string): Outcome | Promise<Outcome> {
    const answer = type === TYPE.SOA ? answerSoa : answerNs
    const make = (servers: readonly HealthyInstance[]): Draft =>
      closed(answer(servers, this.#soa(zone), this.#deps.rng))
    return this.#fromSource({
      open: () => this.#deps.sources.instances('health', SERVERS_SERVICE),
      answer: (source) => reusable(source, make),
      ask: () => this.#remoteService({ ...SERVERS, locality: OWN }, make),
      zone,
    })
  }

  /** NXDOMAIN of a reverse name that neither the catalog nor a recursor knows. */
  unknownReverse(): Draft {
    return closed(negative(RCODE.NXDOMAIN, this.#soa(this.#domain)))
  }

  #soa(zone: string): SoaSource {
    return { zone, config: this.#options.config, now: this.#deps.clock.wall() }
  }

  /** Whether the own view is what to answer from: it is of this datacentre only, and may lag a little. */
  #isFromView(locality: Locality): boolean {
    return this.#options.config.allowStale && this.#elsewhere(locality) === undefined
  }

  /** @returns undefined for the own datacentre */
  #elsewhere({ datacenter }: Locality): string | undefined {
    return datacenter === this.#options.datacenter ? undefined : datacenter
  }

  /** Answers from a view, after its first snapshot if it is cold; asks the servers when it is too old. */
  #fromSource<T extends Topic, V>(from: FromSource<T, V>): Outcome | Promise<Outcome> {
    let source: ViewSource<T, V>
    try {
      source = from.open()
    } catch (thrown) {
      return this.#failure(thrown)
    }
    if (source.isTooOld) return this.#guard(from.ask(), from.zone)
    if (source.isReady) return from.answer(source)
    const wait = async (): Promise<Outcome> => {
      await this.#within(COLD_WAIT_MS, (signal) => source.ready(signal))
      return source.isTooOld ? await from.ask() : from.answer(source)
    }
    return this.#guard(wait(), from.zone)
  }

  async #read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    locality: Locality,
  ): Promise<ReadReply<N>> {
    const from = this.#elsewhere(locality)
    const result = await this.#within(READ_WAIT_MS, (signal) =>
      this.#deps.servers.read(name, request, this.#reading(from, signal)),
    )
    return result.value
  }

  /** @param datacenter undefined for the own one */
  #reading(datacenter: string | undefined, signal: AbortSignal): ReadOptions {
    const { config } = this.#options
    return {
      consistency: config.allowStale ? 'stale' : 'default',
      maxStaleMs: config.maxStaleMs,
      signal,
      ...(datacenter === undefined ? {} : { datacenter }),
    }
  }

  #within<R>(waitMs: number, run: (signal: AbortSignal) => Promise<R>): Promise<R> {
    return withDeadline(this.#deps.clock, waitMs, this.#deps.signal, run)
  }

  async #guard(outcome: Promise<Outcome>, zone = this.#domain): Promise<Outcome> {
    try {
      return await outcome
    } catch (thrown) {
      return this.#failure(thrown, zone)
    }
  }

  #failure(thrown: unknown, zone = this.#domain): Outcome {
    if (thrown instanceof FairleadError && UNKNOWN.has(thrown.code)) {
      return final(negative(RCODE.NXDOMAIN, this.#soa(zone)))
    }
    this.#deps.log.debug('no answer for a question', { err: thrown })
    return final(empty(RCODE.SERVFAIL, false))
  }
}

function final(response: Draft['response']): Outcome {
  return { kind: 'draft', draft: closed(response) }
}

function reusable(
  source: InstanceSource,
  make: (instances: readonly HealthyInstance[]) => Draft,
): Outcome {
  const instances = source.value()
  const { version } = source
  const again = instances.length > 1 ? () => make(instances) : undefined
  return { kind: 'draft', draft: make(instances), reuse: { source, version, again } }
}

/** An answer that has one order only. */
function fixed(source: Versioned, draft: Draft): Outcome {
  return { kind: 'draft', draft, reuse: { source, version: source.version, again: undefined } }
}
