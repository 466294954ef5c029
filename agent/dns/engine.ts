/**
 * From a request packet to a response packet: the part of the DNS server that both transports share.
 *
 * Repeated questions are answered from the cache without decoding; all others are decoded, resolved and
 * encoded within the limits of their transport. Never throws; a packet that deserves no answer gives null.
 * Bounds: `WAITING_MAX` questions that wait for servers or recursors at a time; beyond, the question is
 * dropped and counted, and the client asks again.
 */

import { Buffer } from 'node:buffer'
import { type DnsQuery, decodeQuery } from '../../core/dns/decode.ts'
import { encodeRejection } from '../../core/dns/encode.ts'
import { encodeFitting, type FitOptions } from '../../core/dns/fit.ts'
import { RCODE, TYPE } from '../../core/dns/protocol.ts'
import { ASKED_NAME_LOWER, type DnsResponse, type Draft } from '../../core/dns/records.ts'
import { empty } from '../../core/dns/soa.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import { AnswerCache, adopt } from './answer-cache.ts'
import type { DnsMetrics } from './dns-metrics.ts'
import type { HostResolver } from './host-resolver.ts'
import { QuestionReader } from './question-key.ts'
import type { Recursors, Transport } from './recursors.ts'
import type { Outcome, Responder, Reuse } from './responder.ts'

export interface EngineDeps {
  readonly responder: Responder
  readonly hosts: HostResolver
  readonly recursors: Recursors
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<DnsMetrics, 'measured'>
  /** Counted on, also by the engine that takes this one's place. */
  readonly counters: DnsCounters
}

/** Everything of the configuration that shapes packets. */
export type EngineOptions = Omit<FitOptions, 'transport'>

export interface DnsCounters {
  queries: number
  cacheHits: number
  /** Too many questions were waiting. */
  dropped: number
}

export function newCounters(): DnsCounters {
  return { queries: 0, cacheHits: 0, dropped: 0 }
}

/** A packet, or null for no answer; a promise when facts must be fetched first. */
export type Reply = Uint8Array | null | Promise<Uint8Array | null>

/**
 * What a listener does with a packet.
 *
 * @param client its address
 */
export type Answer = (packet: Buffer, client: string) => Reply

export const WAITING_MAX = 1024
/** Before the keys of answers over TCP: no key of a question begins with the length of a label this long. */
const TCP_KEY = '\xff'

interface Request {
  readonly packet: Uint8Array
  readonly query: DnsQuery
  readonly transport: Transport
  readonly client: string
  /** '' when the answer must not be kept. */
  readonly key: string
}

export class DnsEngine {
  readonly counters: DnsCounters
  readonly #fit: EngineOptions
  readonly #deps: EngineDeps
  readonly #cache = new AnswerCache()
  readonly #reader = new QuestionReader()
  readonly #waiting = new Set<Promise<unknown>>()

  constructor(options: EngineOptions, deps: EngineDeps) {
    this.#fit = options
    this.#deps = deps
    this.counters = deps.counters
  }

  answerUdp(packet: Buffer, client: string): Reply {
    return this.#answerFrom(packet, 'udp', client)
  }

  answerTcp(packet: Buffer, client: string): Reply {
    return this.#answerFrom(packet, 'tcp', client)
  }

  /** Resolves when no question waits any more. */
  async idle(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled(this.#waiting)
  }

  clear(): void {
    this.#cache.clear()
  }

  #answerFrom(packet: Buffer, transport: Transport, client: string): Reply {
    this.counters.queries++
    const reader = this.#reader
    const question = reader.read(packet)
    let key = question
    if (question !== '' && transport === 'tcp') key = TCP_KEY + question
    if (key !== '') {
      const known = this.#cache.find(key, reader.isMixedCase, this.#deps.clock.wall())
      if (known !== undefined) {
        this.counters.cacheHits++
        const reply = Buffer.allocUnsafe(known.length)
        adopt(known, packet, reader.nameEnd, reply)
        return reply
      }
    }
    return this.#deps.metrics.measured(() => this.#answer(packet, { transport, key, client }))
  }

  #answer(packet: Buffer, from: Pick<Request, 'transport' | 'key' | 'client'>): Reply {
    const decoded = decodeQuery(packet)
    if (decoded.kind === 'drop') return null
    if (decoded.kind === 'reject') return encodeRejection(packet, decoded.rcode)
    const request = { packet, query: decoded.query, ...from }
    const outcome = this.#deps.responder.resolve(decoded.query, from.client)
    if (!(outcome instanceof Promise)) {
      const reply = this.#finish(request, outcome)
      return reply instanceof Promise ? this.#wait(reply) : reply
    }
    return this.#wait(outcome.then((late) => this.#finish(request, late)))
  }

  #wait(reply: Promise<Uint8Array | null>): Reply {
    if (this.#waiting.size >= WAITING_MAX) {
      this.counters.dropped++
      return null
    }
    this.#waiting.add(reply)
    return reply.finally(() => this.#waiting.delete(reply))
  }

  #finish(request: Request, outcome: Outcome): Uint8Array | Promise<Uint8Array | null> {
    if (outcome.kind === 'foreign') return this.#foreign(request)
    const { draft, reuse } = outcome
    if (draft.hosts.length > 0) return this.#withHosts(request, draft)
    const packet = this.#encode(request, draft.response)
    if (request.key !== '' && reuse !== undefined) {
      this.#keep(request, draft.response, reuse, packet)
    }
    return packet
  }

  async #withHosts(request: Request, draft: Draft): Promise<Uint8Array> {
    const response = await this.#deps.hosts.complete(draft, request.query.edns !== null)
    return this.#encode(request, response)
  }

  #foreign(request: Request): Uint8Array | Promise<Uint8Array> {
    const { recursors, responder } = this.#deps
    if (!recursors.isEmpty) return this.#relay(request)
    const isReverse = request.query.labels.at(-1) === 'arpa'
    if (isReverse) return this.#encode(request, responder.unknownReverse().response)
    return this.#encode(request, empty(RCODE.REFUSED, false))
  }

  async #relay(request: Request): Promise<Uint8Array> {
    const { packet, query, transport } = request
    const reply = await this.#deps.recursors.forward(packet, query.questionEnd, transport)
    return reply ?? this.#encode(request, empty(RCODE.SERVFAIL, false))
  }

  #encode(request: Request, response: DnsResponse): Uint8Array {
    const options = { ...this.#fit, transport: request.transport }
    return encodeFitting(request.packet, request.query, response, options)
  }

  #keep(request: Request, response: DnsResponse, reuse: Reuse, packet: Uint8Array): void {
    const isLowerCaseOnly = !this.#fit.compress || spellsOutName(response)
    if (isLowerCaseOnly && request.query.isMixedCase) return
    const own: Request = { ...request, packet: new Uint8Array(request.packet) }
    const { source, version, again } = reuse
    this.#cache.put(request.key, packet, {
      source,
      version,
      expiresAt: this.#expiry(response),
      isLowerCaseOnly,
      again: again === undefined ? undefined : () => this.#encode(own, again().response),
    })
  }

  /** The serial of an SOA is the time in seconds, so an answer with one lasts as long as its second. */
  #expiry(response: DnsResponse): number {
    const hasSoa = [response.answers, response.authority].some((section) =>
      section.some((record) => record.type === TYPE.SOA),
    )
    if (!hasSoa) return Number.POSITIVE_INFINITY
    return (Math.floor(this.#deps.clock.wall() / 1000) + 1) * 1000
  }
}

function spellsOutName(response: DnsResponse): boolean {
  return [response.answers, response.additional].some((section) =>
    section.some((record) => record.owner === ASKED_NAME_LOWER),
  )
}
