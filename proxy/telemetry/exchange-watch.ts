/**
 * Follows one request that somebody looks at, and makes its record when it is over.
 *
 * Only made while access logs, spans or taps want it; nothing else pays for it. Reported exactly once.
 */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ERRORS, type ErrorCode } from '../../core/errors.ts'
import type { ExchangeRecord } from '../../core/exchange/record.ts'
import type { SpanIds } from '../../core/tracing/span.ts'
import type { Failure } from '../exchange/types.ts'
import type { RequestHead, ResponseHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'

/** What is the same for all requests of a connection. */
export interface ExchangeScene {
  readonly direction: 'inbound' | 'outbound'
  readonly socket: Socket
  readonly listener: string
  readonly connectionId: number
  /** What the caller speaks. */
  readonly protocol: 'HTTP/1.1' | 'HTTP/2'
  readonly source: string
  readonly peerUri: string
}

/** Where one request goes. */
export interface ExchangeAim {
  readonly destination: string
  readonly route: string
  readonly cluster: string
  /** Of a destination that has no instances to choose from. */
  readonly upstreamHost: string
}

export interface WatchOwner {
  /** Monotonic ms. */
  now(): number
  ended(watch: ExchangeWatch, record: ExchangeRecord): void
}

/** Something with an address, as instances have. */
interface Addressed {
  readonly spec: { readonly address: string; readonly port: number }
}

const FLAGS: Readonly<Partial<Record<ErrorCode, string>>> = {
  UPSTREAM_UNHEALTHY: 'UH',
  UPSTREAM_UNREACHABLE: 'UF',
  UPSTREAM_RESET: 'UC',
  UPSTREAM_OVERLOADED: 'UO',
  UPSTREAM_INVALID: 'UPE',
  UPSTREAM_TIMEOUT: 'UT',
  DEADLINE_EXCEEDED: 'UT',
  FAULT_INJECTED: 'FI',
  RATE_LIMITED: 'RL',
  NOT_FOUND: 'NR',
}

const DETAILS: Readonly<Partial<Record<ErrorCode, string>>> = {
  UPSTREAM_UNHEALTHY: 'no_healthy_upstream',
  UPSTREAM_UNREACHABLE: 'upstream_reset_before_response_started{connection_failure}',
  UPSTREAM_RESET: 'upstream_reset_before_response_started{connection_termination}',
  UPSTREAM_OVERLOADED: 'upstream_reset_before_response_started{overflow}',
  UPSTREAM_INVALID: 'upstream_reset_before_response_started{protocol_error}',
  UPSTREAM_TIMEOUT: 'response_timeout',
  DEADLINE_EXCEEDED: 'response_timeout',
  FAULT_INJECTED: 'fault_filter_abort',
  RATE_LIMITED: 'request_rate_limited',
  PERMISSION_DENIED: 'rbac_access_denied_matched_policy[none]',
  NOT_FOUND: 'route_not_found',
}

export class ExchangeWatch {
  readonly scene: ExchangeScene
  receivedBytes = 0
  sentBytes = 0
  /** It goes into the access log. */
  readonly isLogged: boolean
  /** It makes a span. */
  readonly spanIds: SpanIds | undefined
  readonly #owner: WatchOwner
  readonly #aim: ExchangeAim
  readonly #head: RequestHead
  readonly #startedWall: number
  readonly #startedAt: number
  readonly #localAddress: string
  readonly #remoteAddress: string
  #attempts = 0
  #upstream: Addressed | undefined
  #response: ResponseHead | undefined
  #responseStartMs: number | undefined
  #isOver = false
  #isDelayed = false

  constructor(
    owner: WatchOwner,
    scene: ExchangeScene,
    about: {
      readonly aim: ExchangeAim
      readonly head: RequestHead
      readonly wall: number
      readonly spanIds: SpanIds | undefined
      readonly isLogged: boolean
    },
  ) {
    this.scene = scene
    this.spanIds = about.spanIds
    this.isLogged = about.isLogged
    this.#owner = owner
    this.#aim = about.aim
    this.#head = about.head
    this.#startedWall = about.wall
    this.#startedAt = owner.now()
    // A closed socket has forgotten them.
    const { socket } = scene
    this.#localAddress = addressText(socket.localAddress, socket.localPort)
    this.#remoteAddress = addressText(socket.remoteAddress, socket.remotePort)
  }

  /** It is sent to an instance, for the first time or again. */
  attempted(upstream: object | undefined): void {
    this.#attempts++
    this.#sentTo(upstream)
  }

  /** It waited on purpose. */
  delayed(): void {
    this.#isDelayed = true
  }

  responded(head: ResponseHead): void {
    // Its text is read at the end: what is added to it on its way belongs to it.
    this.#response = head
    this.#responseStartMs = this.#owner.now() - this.#startedAt
  }

  /**
   * @param status 0 with no failure: the caller went away
   * @param upstream the last instance that was tried
   */
  ended(status: number, failure: Failure | undefined, upstream: object | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sentTo(upstream)
    this.#owner.ended(this, this.#record(status, failure))
  }

  #sentTo(upstream: object | undefined): void {
    if (upstream !== undefined && 'spec' in upstream) this.#upstream = upstream as Addressed
  }

  /** Fields of the request as it was sent on. */
  get requestFields(): readonly (readonly [name: string, value: string])[] {
    return fieldsOf(this.#head.text)
  }

  #record(status: number, failure: Failure | undefined): ExchangeRecord {
    const view = new RequestView(this.#head.text)
    const response =
      this.#response === undefined ? undefined : new Map(fieldsOf(this.#response.text))
    const { scene } = this
    const tls = scene.socket instanceof TLSSocket ? scene.socket : undefined
    const hasAnswer = status !== 0
    return {
      ...this.#aim,
      direction: scene.direction,
      startedAt: this.#startedWall,
      durationMs: this.#owner.now() - this.#startedAt,
      responseStartMs: this.#responseStartMs,
      method: view.method,
      path: view.header('x-envoy-original-path') ?? view.target,
      protocol: scene.protocol,
      status,
      flags: this.#isDelayed ? ['DI', ...flagsOf(hasAnswer, failure)] : flagsOf(hasAnswer, failure),
      details: detailsOf(hasAnswer, failure),
      receivedBytes: this.receivedBytes,
      sentBytes: this.sentBytes,
      attempts: this.#attempts,
      source: scene.source,
      listener: scene.listener,
      upstreamHost:
        this.#upstream === undefined
          ? this.#aim.upstreamHost
          : addressText(this.#upstream.spec.address, this.#upstream.spec.port),
      localAddress: this.#localAddress,
      remoteAddress: this.#remoteAddress,
      peerUri: scene.peerUri,
      tlsVersion: tls?.getProtocol() ?? '',
      serverName: serverNameOf(tls),
      failureReason: failure?.code === 'UPSTREAM_UNREACHABLE' ? failure.reason : '',
      connectionId: scene.connectionId,
      traceId: this.spanIds?.traceId ?? '',
      requestField: (name) => view.header(name),
      responseField: (name) => response?.get(name),
    }
  }
}

export function statusOf(failure: Failure): number {
  return ERRORS[failure.code].httpStatus
}

function flagsOf(hasAnswer: boolean, failure: Failure | undefined): readonly string[] {
  if (failure === undefined) return hasAnswer ? [] : ['DC']
  const flag = FLAGS[failure.code]
  return flag === undefined ? [] : [flag]
}

function detailsOf(hasAnswer: boolean, failure: Failure | undefined): string {
  if (failure === undefined) return hasAnswer ? 'via_upstream' : 'downstream_remote_disconnect'
  return DETAILS[failure.code] ?? failure.code.toLowerCase()
}

function addressText(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return ''
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function serverNameOf(socket: TLSSocket | undefined): string {
  const name = (socket as { readonly servername?: unknown } | undefined)?.servername
  return typeof name === 'string' ? name : ''
}

function fieldsOf(text: string): (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = []
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()])
  }
  return fields
}
