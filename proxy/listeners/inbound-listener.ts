/**
 * The mTLS listener in front of one local service instance.
 *
 * Guarantees: no byte of a caller is read before its certificate has been judged; nothing is passed on that
 * the rules do not allow; when rules change, every open connection and exchange is judged again and what is
 * now denied is cut at once, unless the rule that denies says otherwise. A renewed certificate holds for new connections and cuts none. Bounds:
 * `maxConnections` of the snapshot at accept; HANDSHAKE_MS for a handshake.
 */

import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { sameData } from '../../core/catalog/equality.ts'
import { providersOf } from '../../core/intentions/jwt.ts'
import type { Logger } from '../../core/log.ts'
import { speaksHttp2 } from '../../core/mesh/protocol.ts'
import type {
  InboundListener as InboundSpec,
  ProxyProtocol,
} from '../../core/mesh/proxy-snapshot.ts'
import { AdaptiveLimit } from '../../core/resilience/adaptive-limit.ts'
import type { RequestHead } from '../http1/message.ts'
import { Http1ServerConnection, type Http1ServerDeps } from '../http1/server-connection.ts'
import { H2_ALPN } from '../http2/format.ts'
import { Http2ServerConnection } from '../http2/server-connection.ts'
import { MUX_ALPN } from '../mux/format.ts'
import type { MuxDeps } from '../mux/link.ts'
import { MuxServerConnection } from '../mux/server-connection.ts'
import { Wire } from '../sockets/wire.ts'
import { StreamServer } from '../tcp/stream-server.ts'
import type { ListenerStats, StatsStore } from '../telemetry/stats-store.ts'
import { clientCertElement, type Identity } from '../tls/identity.ts'
import { judgePeer, type Peer } from '../tls/peer.ts'
import { AppTarget, type AppTargetDeps } from '../upstream/app-target.ts'
import type { Lifetimes } from '../upstream/lifetimes.ts'
import { RESPONSE_TIMEOUT_MS } from '../upstream/timeouts.ts'
import { type BindFailure, bindServer, bindText, closing, type InheritPort } from './bind.ts'
import { FirstBytes, HTTP2_EXPECTED } from './first-bytes.ts'
import { DENIED, type InboundPolicy, InboundRoute, type InboundRouteDeps } from './inbound-route.ts'
import type { LimitedLog } from './limited-log.ts'
import { type OpenConnection, OpenConnections } from './open-connections.ts'
import { RateLimiter } from './rate-limiter.ts'

export interface InboundDeps extends Http1ServerDeps, MuxDeps, AppTargetDeps, InboundRouteDeps {
  readonly log: Logger
  readonly lifetimes: Lifetimes
  readonly store: StatsStore
  readonly refusals: LimitedLog
  readonly trustDomain: () => string
}

const HANDSHAKE_MS = 10_000
/** Source of calls that carry the identity of a host and of no service. */
const HOST = 'host'

interface Judged extends OpenConnection {
  readonly route: InboundRoute
  /** Cuts what the route no longer allows. */
  judge(): void
}

export class InboundListener {
  spec: InboundSpec
  readonly #deps: InboundDeps
  readonly #server: Server
  readonly #connections = new OpenConnections()
  readonly #judged = new Set<Judged>()
  readonly #stats: ListenerStats
  #identity: Identity
  #policy: InboundPolicy

  constructor(spec: InboundSpec, identity: Identity, deps: InboundDeps) {
    this.spec = spec
    this.#deps = deps
    this.#identity = identity
    this.#stats = deps.store.listener('inbound', spec.serviceName, 'public_listener')
    this.#policy = {
      spec,
      target: this.#makeTarget(spec),
      providers: providersOfAll(spec),
      limiter: this.#makeLimiter(spec),
    }
    this.#server = createServer({
      ...identity.contextOptions,
      requestCert: true,
      // Judged by hand, so that the reason can be told; see judgePeer.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      ALPNCallback: ({ protocols }) => this.#chooseProtocol(protocols),
    })
    this.#server.on('secureConnection', (socket) => this.#accept(socket))
    this.#server.on('tlsClientError', (err, socket) => {
      this.#stats.connections.handshakeErrors++
      deps.log.debug('a TLS handshake failed', { listener: this.spec.id, err })
      socket.destroy()
    })
    this.#applyLimit(spec)
  }

  get bind(): string {
    return bindText(this.spec.bind)
  }

  get address(): ReturnType<Server['address']> {
    return this.#server.address()
  }

  /** The server itself, for a successor that takes its port over. */
  get server(): Server {
    return this.#server
  }

  async listen(inherit?: InheritPort): Promise<BindFailure | undefined> {
    return await bindServer(this.#server, this.spec.bind, inherit)
  }

  /** The bind is the same; everything else holds from now on, also for open connections. */
  update(spec: InboundSpec): void {
    const before = this.spec
    this.spec = spec
    this.#applyLimit(spec)
    let { target, limiter } = this.#policy
    if (!sameData(before.rateLimits, spec.rateLimits)) limiter = this.#makeLimiter(spec)
    if (!sameTarget(before, spec)) {
      target.close()
      target = this.#makeTarget(spec)
    }
    this.#policy = { spec, target, providers: providersOfAll(spec), limiter }
    for (const connection of [...this.#judged]) {
      connection.route.setPolicy(this.#policy)
      connection.judge()
    }
  }

  #makeLimiter({ rateLimits }: InboundSpec): RateLimiter | undefined {
    return rateLimits === undefined
      ? undefined
      : new RateLimiter(rateLimits, this.#deps.clock.now())
  }

  /** A renewed leaf or changed roots: for new connections. */
  rotate(identity: Identity): void {
    this.#identity = identity
    this.#server.setSecureContext(identity.contextOptions)
  }

  closePort(): void {
    this.#server.close(() => {})
  }

  async drain(): Promise<void> {
    this.closePort()
    await this.#connections.drain()
    this.#policy.target.close()
  }

  /** Its port is another process's now; also what is still in its handshake gets its answer. */
  async retire(isPatient: boolean): Promise<void> {
    const closed = closing(this.#server)
    await this.#connections.drain(isPatient)
    await closed
  }

  destroy(): void {
    this.closePort()
    this.#connections.destroy()
    this.#policy.target.close()
  }

  #makeTarget(spec: InboundSpec): AppTarget {
    const settings = spec.adaptiveConcurrency
    const now = this.#deps.clock.now()
    const concurrency = settings === undefined ? undefined : new AdaptiveLimit(settings, now)
    this.#stats.concurrency = concurrency
    return new AppTarget(
      {
        address: spec.target,
        protocol: spec.protocol,
        connectTimeoutMs: spec.connectTimeoutMs,
        responseTimeoutMs: spec.requestTimeoutMs ?? RESPONSE_TIMEOUT_MS,
        connectionsMax: spec.maxConnections,
        concurrency,
      },
      this.#deps,
    )
  }

  #applyLimit(spec: InboundSpec): void {
    this.#server.maxConnections =
      spec.maxConnections > 0 ? spec.maxConnections : Number.MAX_SAFE_INTEGER
  }

  /** A stream listener takes whatever a foreign client offers: bytes are bytes. */
  #chooseProtocol(offered: readonly string[]): string | undefined {
    if (offered.includes(MUX_ALPN)) return MUX_ALPN
    const { protocol } = this.spec
    if (protocol === 'tcp') return offered[0]
    // Where nothing is configured the client knows best.
    const known = protocol === 'auto' ? offered : preferred(protocol)
    return known.find((name) => isHttp(name) && offered.includes(name))
  }

  #accept(socket: TLSSocket): void {
    this.#stats.connections.handshakes++
    const peer = judgePeer(socket, this.#deps.trustDomain(), this.#deps.clock.wall())
    if ('refused' in peer) {
      this.#refuse(socket, peer.refused)
      return
    }
    const { uri, certificate } = peer
    const facts = { uri, serial: certificate.serialNumber }
    if (this.#deps.lifetimes.isRevoked(facts)) {
      this.#refuse(socket, `the certificate of "${uri}" is revoked`)
      return
    }
    this.#deps.counters.inboundConnections++
    this.#stats.connections.opened(socket)
    const mortal = { destroy: () => socket.destroy() }
    this.#deps.lifetimes.add(mortal, peer.notAfter, facts)
    socket.once('close', () => {
      this.#deps.counters.inboundConnections--
      this.#deps.lifetimes.remove(mortal)
    })
    const certElement = clientCertElement(this.#identity.spiffeUri, peer)
    const stats = this.#stats.requestsOf(peer.sourceName ?? HOST)
    const route = new InboundRoute(this.#policy, { peer, certElement, stats, socket }, this.#deps)
    const wire = new Wire(socket as Socket, this.#deps.turn, 'data')
    const alpn = socket.alpnProtocol
    if (alpn === MUX_ALPN) this.#serveMux(wire, route)
    else if (this.spec.protocol === 'tcp') this.#serveStream(wire, route, peer)
    else if (alpn === H2_ALPN) this.#serveHttp2(wire, route)
    else if (alpn === 'http/1.1' || this.spec.protocol === 'http') this.#serveHttp1(wire, route)
    else if (this.spec.protocol === 'auto') this.#serveStream(wire, route, peer)
    else this.#serveFirst(wire, route)
  }

  /** Nothing was agreed on: HTTP/2 with prior knowledge, or HTTP/1. */
  #serveFirst(wire: Wire, route: InboundRoute): void {
    const first = new FirstBytes(wire, HTTP2_EXPECTED, {
      clock: this.#deps.clock,
      serve: (kind) =>
        kind === 'http1' ? this.#serveHttp1(wire, route) : this.#serveHttp2(wire, route),
      onGone: () => this.#gone(waiting),
    })
    // Nothing to cut yet, but what changes until the first bytes come holds for them too.
    const waiting: Judged = {
      route,
      drain: (isPatient) => first.drain(isPatient),
      destroy: () => first.destroy(),
      judge: () => {},
    }
    this.#keep(waiting)
  }

  #refuse(socket: TLSSocket, reason: string): void {
    this.#stats.connections.peersRefused++
    const { refusals } = this.#deps
    refusals.warn('refused a caller', {
      listener: this.spec.id,
      peer: socket.remoteAddress,
      reason,
    })
    socket.on('error', () => {})
    socket.destroy()
  }

  #serveMux(wire: Wire, route: InboundRoute): void {
    const connection = new MuxServerConnection(
      wire,
      {
        normalisePaths: true,
        open: (head, caller) => route.open(head, caller),
        openStream: (caller) => route.openStream(caller),
        onMuxClosed: () => this.#gone(judged),
      },
      this.#deps,
    )
    const judged: Judged = {
      route,
      drain: () => connection.drain(),
      destroy: () => connection.destroy(),
      judge: () => {
        for (const exchange of [...connection.exchanges]) {
          const isAllowed =
            exchange.head === undefined ? route.allowsStream() : route.allows(exchange.head)
          if (!isAllowed && isCut(route, exchange.head)) exchange.cut(DENIED)
        }
      },
    }
    this.#keep(judged)
  }

  #serveHttp2(wire: Wire, route: InboundRoute): void {
    const connection = new Http2ServerConnection(
      wire,
      {
        normalisePaths: true,
        open: (head, caller) => route.open(head, caller),
        onConnectionClosed: () => this.#gone(judged),
      },
      this.#deps,
    )
    const judged: Judged = {
      route,
      drain: (isPatient) => connection.drain(isPatient),
      destroy: () => connection.destroy(),
      judge: () => {
        for (const stream of [...connection.streams]) {
          const { head } = stream
          if (head !== undefined && !route.allows(head) && isCut(route, head)) stream.cut(DENIED)
        }
        if (route.deniesAll && route.whenDenied !== 'ignore') connection.drain()
      },
    }
    this.#keep(judged)
  }

  #serveHttp1(wire: Wire, route: InboundRoute): void {
    const connection = new Http1ServerConnection(
      wire,
      {
        normalisePaths: true,
        open: (head, caller) => route.open(head, caller),
        onConnectionClosed: () => this.#gone(judged),
      },
      this.#deps,
    )
    const judged: Judged = {
      route,
      drain: (isPatient) => connection.drain(isPatient),
      destroy: () => connection.destroy(),
      judge: () => {
        const head = connection.currentHead
        if (head !== undefined && !route.allows(head) && isCut(route, head)) connection.cut(DENIED)
        if (route.deniesAll && route.whenDenied !== 'ignore') connection.drain()
      },
    }
    this.#keep(judged)
  }

  #serveStream(wire: Wire, route: InboundRoute, peer: Peer): void {
    if (!route.allowsStream()) {
      this.#stats.streamsDenied++
      this.#deps.log.debug('denied a stream', { listener: this.spec.id, peer: peer.uri })
      wire.destroy()
      return
    }
    const stream = new StreamServer(wire, () => this.#gone(judged))
    const judged: Judged = {
      route,
      drain: () => stream.drain(),
      destroy: () => stream.destroy(),
      judge: () => {
        if (!route.allowsStream() && isCut(route, undefined)) stream.destroy()
      },
    }
    this.#keep(judged)
    stream.begin(route.openStream(stream))
  }

  #keep(judged: Judged): void {
    this.#judged.add(judged)
    this.#connections.add(judged)
  }

  #gone(judged: Judged): void {
    this.#judged.delete(judged)
    this.#connections.remove(judged)
  }
}

function isHttp(alpn: string): boolean {
  return alpn === H2_ALPN || alpn === 'http/1.1'
}

/** What a foreign client is served with, the best first. */
function preferred(protocol: ProxyProtocol): readonly string[] {
  return speaksHttp2(protocol) ? [H2_ALPN, 'http/1.1'] : ['http/1.1', H2_ALPN]
}

function sameTarget(a: InboundSpec, b: InboundSpec): boolean {
  return (
    sameData(a.target, b.target) &&
    a.protocol === b.protocol &&
    a.connectTimeoutMs === b.connectTimeoutMs &&
    a.requestTimeoutMs === b.requestTimeoutMs &&
    a.maxConnections === b.maxConnections &&
    sameData(a.adaptiveConcurrency, b.adaptiveConcurrency)
  )
}

/** Whether what is denied now ends at once. @param head absent for a stream */
function isCut({ whenDenied }: InboundRoute, head: RequestHead | undefined): boolean {
  return whenDenied === 'cut' || (whenDenied === 'drain' && head === undefined)
}

function providersOfAll({ intentions }: InboundSpec): readonly string[] {
  return [...new Set(intentions.flatMap(providersOf))]
}
