/**
 * A plain local listener whose connections and requests go to a destination of the mesh.
 *
 * Guarantees: each connection carries one identity, decided before its first byte is read; requests get an
 * id and the forwarding fields of mesh.md 10.11 when they lack them. A changed specification with the same
 * bind applies to new connections and requests without closing the port. Bounds: the system's on sockets.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { sameData } from '../../core/catalog/equality.ts'
import { callerName } from '../../core/mesh/demand.ts'
import type {
  OutboundListener as OutboundSpec,
  ProxyProtocol,
} from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { ProxyCounters } from '../exchange/counters.ts'
import type { HttpConnection, HttpRoute } from '../exchange/http-route.ts'
import {
  MirrorCopy,
  type Mirrors,
  mirrorHead,
  type SentCopy,
  withCopies,
} from '../exchange/mirror.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import { Http1ServerConnection, type Http1ServerDeps } from '../http1/server-connection.ts'
import { Http2ServerConnection } from '../http2/server-connection.ts'
import type { MirrorLeg } from '../routing/mirror-policy.ts'
import type { CallSource } from '../routing/request-hash.ts'
import { DEFAULT_ROUTE, RouteTable } from '../routing/route-table.ts'
import type { Turn } from '../sockets/turn.ts'
import { Wire } from '../sockets/wire.ts'
import { StreamServer } from '../tcp/stream-server.ts'
import { serviceOf } from '../telemetry/cluster-name.ts'
import type { ExchangeAim, ExchangeScene } from '../telemetry/exchange-watch.ts'
import type { Observer } from '../telemetry/observer.ts'
import type { RequestStats } from '../telemetry/request-stats.ts'
import type { ListenerStats, StatsStore } from '../telemetry/stats-store.ts'
import type { ClusterCaller } from '../upstream/cluster-caller.ts'
import { type BindFailure, bindServer, bindText, closing, type InheritPort } from './bind.ts'
import type { Detected } from './detect-protocol.ts'
import {
  ANY_PROTOCOL,
  FirstBytes,
  type FirstBytesOptions,
  HTTP1_EXPECTED,
  HTTP2_EXPECTED,
} from './first-bytes.ts'
import type { LimitedLog } from './limited-log.ts'
import { OpenConnections } from './open-connections.ts'
import { requestId } from './request-id.ts'

/** Finds whose call a connection on a shared address is; undefined refuses it. */
export interface CallerIdentities {
  identify(socket: Socket, fallbackIdentityId: string | undefined): Promise<string | undefined>
}

export interface OutboundDeps extends Http1ServerDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly refusals: LimitedLog
  readonly turn: Turn
  readonly store: StatsStore
  readonly observer: Observer
  readonly datacenter: () => string
  readonly counters: ProxyCounters
  readonly callers: CallerIdentities
  readonly mirrors: Mirrors
  caller(
    clusterId: string,
    failover: readonly string[],
    identityId: string,
  ): ClusterCaller | undefined
}

const EXPECTED: Readonly<Record<Exclude<ProxyProtocol, 'tcp'>, FirstBytesOptions>> = {
  http: HTTP1_EXPECTED,
  http2: HTTP2_EXPECTED,
  grpc: HTTP2_EXPECTED,
  auto: ANY_PROTOCOL,
}

/** Listener and route of copies, which are counted apart from what callers asked for. */
const MIRROR = 'mirror'

/** mesh.md 10.12: without a body. */
const NO_ROUTE: Failure = { code: 'NOT_FOUND', reason: '', retry: 'final' }
/** A destination that this proxy was told nothing of. */
const NO_CLUSTER: Failure = {
  code: 'UPSTREAM_UNHEALTHY',
  reason: 'no healthy upstream',
  retry: 'final',
}

export class OutboundListener {
  spec: OutboundSpec
  /** undefined: all requests go where raw streams do. */
  routes: RouteTable | undefined
  readonly stats: ListenerStats
  readonly #deps: OutboundDeps
  readonly #server: Server
  readonly #connections = new OpenConnections()

  constructor(spec: OutboundSpec, deps: OutboundDeps) {
    this.spec = spec
    this.#deps = deps
    this.routes = tableOf(spec, deps)
    const service = serviceOf(spec.clusterId)
    const prefix = `upstream.${service}.default.default.${deps.datacenter()}`
    this.stats = deps.store.listener('outbound', service, prefix)
    this.#server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      pauseOnConnect: true,
    })
    this.#server.on('connection', (socket) => this.#accept(socket))
  }

  get bind(): string {
    return bindText(this.spec.bind)
  }

  /** The bound address, for tests with port 0. */
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

  /** The bind is the same; everything else holds from now on. */
  update(spec: OutboundSpec): void {
    if (!sameData(spec.routes, this.spec.routes)) this.routes = tableOf(spec, this.#deps)
    this.spec = spec
  }

  closePort(): void {
    this.#server.close(() => {})
  }

  async drain(): Promise<void> {
    this.closePort()
    await this.#connections.drain()
  }

  /** Its port is another process's now; also what has only just come is served. */
  async retire(isPatient: boolean): Promise<void> {
    const closed = closing(this.#server)
    await this.#connections.drain(isPatient)
    await closed
  }

  destroy(): void {
    this.closePort()
    this.#connections.destroy()
  }

  #accept(socket: Socket): void {
    const { source } = this.spec
    if (source.kind === 'identity') {
      this.#serve(socket, source.identityId)
      return
    }
    // What goes wrong before a wire listens only concerns this socket.
    const ignore = (): void => {}
    socket.on('error', ignore)
    void this.#deps.callers.identify(socket, source.fallbackIdentityId).then((identityId) => {
      socket.removeListener('error', ignore)
      if (socket.destroyed) return
      if (identityId === undefined) {
        this.#deps.refusals.warn('refused a connection of an unknown process', {
          listener: this.spec.id,
        })
        socket.on('error', ignore)
        socket.destroy()
        return
      }
      this.#serve(socket, identityId)
    })
  }

  #serve(socket: Socket, identityId: string): void {
    this.#deps.counters.outboundConnections++
    this.stats.connections.opened(socket)
    socket.once('close', () => this.#deps.counters.outboundConnections--)
    const wire = new Wire(socket, this.#deps.turn, 'data')
    const { protocol } = this.spec
    if (protocol === 'tcp') {
      this.#serveStream(wire, identityId)
    } else {
      const first: FirstBytes = new FirstBytes(wire, EXPECTED[protocol], {
        clock: this.#deps.clock,
        serve: (kind) => this.#serveDetected(wire, identityId, kind),
        onGone: () => this.#connections.remove(first),
      })
      this.#connections.add(first)
    }
    socket.resume()
  }

  #serveDetected(wire: Wire, identityId: string, kind: Detected): void {
    if (kind === 'tcp') {
      this.#serveStream(wire, identityId)
      return
    }
    const from = { identityId, socket: wire.socket, isHttp2: kind === 'http2' }
    const route = new OutboundRoute(this, from, this.#deps, (connection) =>
      this.#connections.remove(connection),
    )
    const connection =
      kind === 'http2'
        ? new Http2ServerConnection(wire, route, this.#deps)
        : new Http1ServerConnection(wire, route, this.#deps)
    this.#connections.add(connection)
  }

  #serveStream(wire: Wire, identityId: string): void {
    const stream = new StreamServer(wire, (gone) => this.#connections.remove(gone))
    this.#connections.add(stream)
    const { clusterId, failover = NO_FAILOVER } = this.spec
    const caller = this.#deps.caller(clusterId, failover, identityId)
    const { socket } = wire
    stream.begin(
      caller === undefined ? NO_CLUSTER : caller.open(undefined, stream, () => sourceOf(socket)),
    )
  }
}

const NO_FAILOVER: readonly string[] = []

function tableOf({ routes }: OutboundSpec, { rng, clock }: OutboundDeps): RouteTable | undefined {
  return routes === undefined ? undefined : new RouteTable(routes, rng, clock)
}

function sourceOf(socket: Socket): CallSource {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
  return {
    address: remoteAddress,
    ends: `${remoteAddress}:${remotePort}${localAddress}:${localPort}`,
  }
}

class OutboundRoute implements HttpRoute {
  readonly normalisePaths = false
  readonly onConnectionClosed: (connection: HttpConnection) => void
  readonly #listener: OutboundListener
  readonly #identityId: string
  /** Service that calls. */
  readonly #caller: string
  readonly #source: () => CallSource
  readonly #deps: OutboundDeps
  /** Of the last request: where it went, and where it was counted. */
  #target: ClusterCaller | undefined
  #routeName = ''
  #stats: RequestStats | undefined
  readonly #socket: Socket
  readonly #isHttp2: boolean
  /** Made when somebody looks at its requests. */
  #scene: ExchangeScene | undefined

  constructor(
    listener: OutboundListener,
    from: {
      readonly identityId: string
      readonly socket: Socket
      readonly isHttp2: boolean
    },
    deps: OutboundDeps,
    onConnectionClosed: (connection: HttpConnection) => void,
  ) {
    this.#listener = listener
    this.#identityId = from.identityId
    this.#caller = callerName(from.identityId)
    this.#socket = from.socket
    this.#source = () => sourceOf(from.socket)
    this.#isHttp2 = from.isHttp2
    this.#deps = deps
    this.onConnectionClosed = onConnectionClosed
  }

  open(head: RequestHead, caller: ResponseSink): RequestSink | Failure {
    const { spec, routes } = this.#listener
    const to = routes === undefined ? spec : routes.take(head, this.#caller)
    if (to === undefined) return this.#refused(head, '', NO_ROUTE)
    const target = this.#deps.caller(to.clusterId, to.failover ?? NO_FAILOVER, this.#identityId)
    const routeName = 'routeName' in to ? to.routeName : DEFAULT_ROUTE
    if (target === undefined) return this.#refused(head, to.clusterId, NO_CLUSTER)
    this.#countAt(head, target, routeName)
    if (!head.hasRequestId) head.text += `x-request-id: ${requestId(this.#deps.rng)}\r\n`
    if (!head.hasForwardedProto) head.text += 'x-forwarded-proto: http\r\n'
    // Not ours to judge: whoever reads it looks at the last element, which the called side's proxy adds.
    if (head.clientCert !== undefined) {
      head.text += `x-forwarded-client-cert: ${head.clientCert}\r\n`
    }
    const { observer } = this.#deps
    if (observer.isActive) {
      observer.begin(this.#sceneOf(), aimOf(target.stats.clusterId, routeName), head)
    }
    const { mirrors } = head
    return mirrors === undefined
      ? target.open(head, caller, this.#source)
      : this.#openWithCopies(target, head, caller, mirrors)
  }

  #openWithCopies(
    target: ClusterCaller,
    head: RequestHead,
    caller: ResponseSink,
    legs: readonly MirrorLeg[],
  ): RequestSink {
    const { mirrors } = this.#deps
    // Made first: what becomes of the head on its own way is not for the copies.
    const copies = legs.map((leg) => mirrorHead(head, leg))
    const primary = target.open(head, caller, this.#source)
    const sent: SentCopy[] = []
    for (const [i, { clusterId, failover }] of legs.entries()) {
      const copy = copies[i]
      const to = this.#deps.caller(clusterId, failover, this.#identityId)
      if (copy === undefined || to === undefined || !mirrors.admits(copy)) continue
      copy.stats = to.stats.requestsBy(MIRROR, MIRROR)
      const answer = new MirrorCopy(mirrors)
      sent.push({ sink: to.open(copy, answer, this.#source), answer })
    }
    return withCopies(primary, head, sent, mirrors)
  }

  #sceneOf(): ExchangeScene {
    this.#scene ??= {
      direction: 'outbound',
      socket: this.#socket,
      listener: this.#listener.stats.prefix,
      connectionId: this.#deps.observer.nextConnectionId(),
      protocol: this.#isHttp2 ? 'HTTP/2' : 'HTTP/1.1',
      source: this.#caller,
      peerUri: '',
    }
    return this.#scene
  }

  /** Looks the series up only when the request before went elsewhere. */
  #countAt(head: RequestHead, target: ClusterCaller, routeName: string): void {
    if (this.#stats === undefined || target !== this.#target || routeName !== this.#routeName) {
      this.#target = target
      this.#routeName = routeName
      this.#stats = target.stats.requestsBy(this.#listener.stats.prefix, routeName)
    }
    head.stats = this.#stats
  }

  #refused(head: RequestHead, clusterId: string, failure: Failure): Failure {
    this.#listener.stats.noRoute++
    const { observer } = this.#deps
    if (observer.isActive) {
      const aim = aimOf(clusterId, '')
      const destination = aim.destination || this.#listener.stats.service
      observer.refused(this.#sceneOf(), { ...aim, destination }, head, failure)
    }
    return failure
  }
}

function aimOf(clusterId: string, route: string): ExchangeAim {
  return { destination: serviceOf(clusterId), route, cluster: clusterId, upstreamHost: '' }
}
