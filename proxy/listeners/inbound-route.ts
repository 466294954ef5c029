/**
 * What one authenticated caller may do on an inbound listener, asked for every exchange (mesh.md 6.4, 6.5).
 *
 * The decision of the connection is made once per set of rules and kept; rules with permissions judge each
 * request by its normalised path, method and fields. A raw stream cannot be judged by permissions: denied.
 */

import type { TLSSocket } from 'node:tls'
import { ERRORS } from '../../core/errors.ts'
import { decideConnection, type L4Decision } from '../../core/intentions/decide.ts'
import { providersOf } from '../../core/intentions/jwt.ts'
import { type WhenDenied, whenDenied } from '../../core/intentions/open-connections.ts'
import { permits } from '../../core/intentions/permissions.ts'
import type { InboundListener as InboundSpec } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { ProxyCounters } from '../exchange/counters.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import type { Payloads, TokenJudge } from '../jwt/token-judge.ts'
import type { ExchangeAim, ExchangeScene } from '../telemetry/exchange-watch.ts'
import type { Observer } from '../telemetry/observer.ts'
import type { RequestStats } from '../telemetry/request-stats.ts'
import type { Peer } from '../tls/peer.ts'
import type { AppTarget } from '../upstream/app-target.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { requestId } from './request-id.ts'

export interface InboundPolicy {
  readonly spec: InboundSpec
  readonly target: AppTarget
  /** Whose tokens any rule asks for: what they forward, callers may not write themselves. */
  readonly providers: readonly string[]
  /** undefined: none. */
  readonly limiter: RateLimiter | undefined
}

const NO_PAYLOADS: Payloads = new Map()

export interface InboundRouteDeps {
  readonly rng: Rng
  readonly clock: Clock
  readonly counters: ProxyCounters
  readonly tokens: Pick<TokenJudge, 'payloads' | 'forwarded'>
  readonly observer: Observer
}

export const DENIED: Failure = {
  code: 'PERMISSION_DENIED',
  reason: 'RBAC: access denied',
  retry: 'final',
}

const TOO_MANY: Failure = {
  code: 'RATE_LIMITED',
  reason: 'local_rate_limited',
  retry: 'final',
}

/** Whom a connection comes from. */
export interface InboundPeer {
  readonly peer: Peer
  /** `By=…;Hash=…;…` of this caller. */
  readonly certElement: string
  /** Where its requests are counted. */
  readonly stats: RequestStats
  readonly socket: TLSSocket
}

export class InboundRoute {
  readonly #peer: Peer
  readonly #certElement: string
  readonly #deps: InboundRouteDeps
  readonly #stats: RequestStats
  readonly #socket: TLSSocket
  readonly #isHttp2: boolean
  /** Made when somebody looks at its requests. */
  #scene: ExchangeScene | undefined
  #policy: InboundPolicy
  #decision: L4Decision
  /** Whose tokens the deciding rule asks for. */
  #providers: readonly string[] = []

  constructor(policy: InboundPolicy, peer: InboundPeer, deps: InboundRouteDeps) {
    this.#policy = policy
    this.#peer = peer.peer
    this.#certElement = peer.certElement
    this.#stats = peer.stats
    this.#socket = peer.socket
    this.#isHttp2 = peer.socket.alpnProtocol === 'h2'
    this.#deps = deps
    this.#decision = decide(policy, peer.peer)
    this.#providers = providersOfDecision(this.#decision)
  }

  /** New rules or a new target hold from the next exchange on. */
  setPolicy(policy: InboundPolicy): void {
    this.#policy = policy
    this.#decision = decide(policy, this.#peer)
    this.#providers = providersOfDecision(this.#decision)
  }

  /** No exchange of this caller can be allowed. */
  get deniesAll(): boolean {
    return this.#decision.kind === 'deny'
  }

  /** What becomes of what is open and denied now. */
  get whenDenied(): WhenDenied {
    return whenDenied(this.#decision.rule?.meta)
  }

  allowsStream(): boolean {
    return this.#decision.kind === 'allow'
  }

  allows(head: RequestHead): boolean {
    const decision = this.#decision
    if (decision.kind !== 'per-request') return decision.kind === 'allow'
    const view = new RequestView(head.text)
    if (this.#providers.length > 0) {
      // Once: the head that is judged again later has no token any more.
      head.payloads ??= this.#deps.tokens.payloads(this.#providers, view)
      const { payloads } = head
      view.payload = (name) => payloads.get(name)?.payload
    }
    return permits(decision.rule, view, this.#policy.spec.defaultAction)
  }

  open(head: RequestHead, caller: ResponseSink): RequestSink | Failure {
    if (!this.allows(head)) {
      this.#deps.counters.requestsDenied++
      this.#stats.denied++
      return this.#refuse(head, DENIED)
    }
    const { limiter } = this.#policy
    if (limiter !== undefined && !limiter.admits(head, this.#deps.clock.now())) {
      return this.#refuse(head, TOO_MANY)
    }
    const { providers } = this.#policy
    if (providers.length > 0) {
      head.text = this.#deps.tokens.forwarded(head.text, providers, head.payloads ?? NO_PAYLOADS)
    }
    if (!head.hasRequestId) head.text += `x-request-id: ${requestId(this.#deps.rng)}\r\n`
    if (!head.hasForwardedProto) head.text += 'x-forwarded-proto: https\r\n'
    head.stats = this.#stats
    head.sizes = this.#policy.spec.sizeLimits
    const { observer } = this.#deps
    if (observer.isActive) observer.begin(this.#sceneOf(), this.#aimOf(), head)
    // For gRPC it is taken out and not written anew (mesh.md 10.11).
    if (this.#policy.spec.protocol !== 'grpc') {
      const before = head.clientCert === undefined ? '' : `${head.clientCert},`
      head.text += `x-forwarded-client-cert: ${before}${this.#certElement}\r\n`
    }
    return this.#policy.target.open(head, caller)
  }

  #sceneOf(): ExchangeScene {
    this.#scene ??= {
      direction: 'inbound',
      socket: this.#socket,
      listener: 'public_listener',
      connectionId: this.#deps.observer.nextConnectionId(),
      protocol: this.#isHttp2 ? 'HTTP/2' : 'HTTP/1.1',
      source: this.#peer.sourceName ?? '',
      peerUri: this.#peer.uri,
    }
    return this.#scene
  }

  #aimOf(): ExchangeAim {
    const { serviceName, target } = this.#policy.spec
    const upstreamHost =
      'socketPath' in target ? target.socketPath : `${target.address}:${target.port}`
    return { destination: serviceName, route: '', cluster: 'local_app', upstreamHost }
  }

  #refuse(head: RequestHead, failure: Failure): Failure {
    this.#deps.counters.requestsTotal++
    this.#stats.refused(ERRORS[failure.code].httpStatus)
    const { observer } = this.#deps
    if (observer.isActive) observer.refused(this.#sceneOf(), this.#aimOf(), head, failure)
    return failure
  }

  openStream(caller: ResponseSink): RequestSink | Failure {
    return this.allowsStream() ? this.#policy.target.open(undefined, caller) : DENIED
  }
}

function decide(policy: InboundPolicy, peer: Peer): L4Decision {
  return decideConnection(policy.spec.intentions, peer.sourceName, policy.spec.defaultAction)
}

function providersOfDecision(decision: L4Decision): readonly string[] {
  return decision.kind === 'per-request' ? providersOf(decision.rule) : []
}
