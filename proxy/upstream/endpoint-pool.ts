/**
 * Connections from one local identity to one instance: mux where the other side speaks it, else HTTP/2 connections
 * shared or HTTP/1.1 connections kept and reused, else one TLS connection per stream.
 *
 * Guarantees: calls wait in order for a connection being made; when it cannot be made they fail as
 * `never-sent`. After `rotate` or `retire` no new exchange uses an old connection, and none is cut. Bounds:
 * PENDING_MAX calls waiting, SHARED_MAX mux or HTTP/2 connections, CONNECTIONS_MAX others, IDLE_MAX idle.
 */

import type { Logger } from '../../core/log.ts'
import { speaksHttp2 } from '../../core/mesh/protocol.ts'
import type { Clock } from '../../core/time.ts'
import type { Call } from '../exchange/call.ts'
import {
  fitsHttp2,
  type SharedConnection,
  type SharedConnectionOwner,
} from '../exchange/shared-connection.ts'
import type { Failure } from '../exchange/types.ts'
import { Http1ClientConnection, type Http1ClientOwner } from '../http1/client-connection.ts'
import type { RequestHead } from '../http1/message.ts'
import { disconnectReason, type HttpDate } from '../http1/replies.ts'
import { Http2ClientConnection } from '../http2/client-connection.ts'
import { H2_ALPN } from '../http2/format.ts'
import { MuxClientConnection } from '../mux/client-connection.ts'
import { MUX_ALPN } from '../mux/format.ts'
import type { MuxDeps } from '../mux/link.ts'
import type { Attempt } from '../sockets/connect.ts'
import type { Wire } from '../sockets/wire.ts'
import { StreamClient } from '../tcp/stream-client.ts'
import type { ClusterStats } from '../telemetry/stats-store.ts'
import type { Identity } from '../tls/identity.ts'
import { connectMesh, type MeshWire } from '../tls/mesh-connect.ts'
import type { Cluster } from './cluster.ts'
import type { Endpoint } from './endpoint.ts'
import type { Lifetimes } from './lifetimes.ts'
import { RAW_IDLE_MS, RESPONSE_TIMEOUT_MS, STREAM_IDLE_MS } from './timeouts.ts'
import type { UpstreamUsage } from './upstream-usage.ts'

export interface PoolDeps extends MuxDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly lifetimes: Lifetimes
  /** False to never offer the mux: for measuring, and for other proxies' sake. */
  readonly offerMux: boolean
  readonly date: HttpDate
  /** Where its connections are counted. */
  readonly stats: ClusterStats
  /** What all pools of the destination may use together, and do. */
  readonly usage: UpstreamUsage
}

const PENDING_MAX = 1024
const SHARED_MAX = 4
const CONNECTIONS_MAX = 1024
const IDLE_MAX = 256
const IDLE_TICKS = 300
/** A request that may not be repeated takes an HTTP/1.1 connection idle for at most this. */
const FRESH_TICKS = 5

const OVERLOADED: Failure = {
  code: 'UPSTREAM_OVERLOADED',
  reason: disconnectReason('overflow'),
  retry: 'final',
}

export class EndpointPool implements Http1ClientOwner, SharedConnectionOwner {
  readonly #cluster: Cluster
  readonly #endpoint: Endpoint
  readonly #deps: PoolDeps
  #identity: Identity
  readonly #waiting = new Set<Call>()
  /** Attempts to connect, and shared connections that have not greeted yet. */
  readonly #attempts = new Set<Attempt>()
  #greeting = 0
  /** Those that take new exchanges, and all that are open. */
  readonly #shared: SharedConnection[] = []
  readonly #openShared = new Set<SharedConnection>()
  readonly #idle: Http1ClientConnection[] = []
  /** All HTTP/1.1 connections, idle or not. */
  readonly #open = new Set<Http1ClientConnection>()
  #connections = 0
  #isRetired = false

  constructor(cluster: Cluster, endpoint: Endpoint, identity: Identity, deps: PoolDeps) {
    this.#cluster = cluster
    this.#endpoint = endpoint
    this.#identity = identity
    this.#deps = deps
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get isUnused(): boolean {
    return this.#connections === 0 && this.#attempts.size === 0 && this.#waiting.size === 0
  }

  acquire(call: Call): void {
    for (let i = 0; i < this.#shared.length; i++) {
      const connection = this.#shared[i] as SharedConnection
      if (!connection.hasRoom || !this.#canCarry(connection, call)) continue
      call.attach(connection.open(call.head, call), true)
      return
    }
    if (call.head !== undefined) {
      const connection = this.#takeIdle(call.head.isIdempotent)
      if (connection !== undefined) {
        connection.begin(call.head, call)
        call.attach(connection, true)
        return
      }
    }
    if (this.#waiting.size >= PENDING_MAX || !this.#deps.usage.mayWait) {
      this.#deps.stats.connections.overflows++
      call.onFailed(OVERLOADED)
      return
    }
    this.#waiting.add(call)
    this.#connectMore()
  }

  forget(call: Call): void {
    this.#waiting.delete(call)
  }

  /** New connections use `identity`; those of the old one carry no new exchanges. */
  rotate(identity: Identity): void {
    if (identity === this.#identity) return
    this.#identity = identity
    this.#releaseConnections()
  }

  /** The endpoint is gone: running exchanges end by themselves. */
  retire(): void {
    this.#isRetired = true
    this.#releaseConnections()
  }

  /** Cuts everything. */
  destroy(): void {
    this.#isRetired = true
    for (const attempt of this.#attempts) attempt.cancel()
    this.#attempts.clear()
    for (const connection of this.#openShared) connection.destroy()
    this.#idle.length = 0
    for (const connection of this.#open) connection.destroy()
    this.#failWaiting('the proxy stops')
  }

  /** Called once a tick by the owner. */
  sweepIdle(tick: number): void {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const connection = this.#idle[i] as Http1ClientConnection
      if (tick - connection.idleTick <= IDLE_TICKS) continue
      this.#idle.splice(i, 1)
      connection.retire()
    }
  }

  onIdle(connection: Http1ClientConnection): void {
    for (const call of this.#waiting) {
      if (call.head === undefined) continue
      this.#waiting.delete(call)
      connection.begin(call.head, call)
      call.attach(connection, true)
      return
    }
    this.#idle.push(connection)
    if (this.#isRetired || this.#idle.length > IDLE_MAX) this.#idle.shift()?.retire()
  }

  onGone(connection: Http1ClientConnection): void {
    this.#open.delete(connection)
    const at = this.#idle.lastIndexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#connectionGone()
  }

  onReady(connection: SharedConnection): void {
    this.#greeting--
    if (connection.carriesStreams) this.#endpoint.speaksMux = true
    this.onRoom(connection)
  }

  onClosing(connection: SharedConnection): void {
    const at = this.#shared.indexOf(connection)
    if (at >= 0) this.#shared.splice(at, 1)
    if (!connection.isReady) {
      this.#greeting--
      this.#failed(new Error('the other proxy did not accept the connection'))
    }
    // Exchanges may run on until the last has ended.
    if (!this.#isRetired) this.#connectMore()
  }

  onRoom(connection: SharedConnection): void {
    for (const call of this.#waiting) {
      if (!connection.hasRoom) break
      if (!this.#canCarry(connection, call)) continue
      this.#waiting.delete(call)
      call.attach(connection.open(call.head, call), false)
    }
    this.#connectMore()
  }

  #releaseConnections(): void {
    for (const connection of [...this.#shared]) connection.drain()
    this.#idle.length = 0
    for (const connection of this.#open) connection.retire()
  }

  #takeIdle(isIdempotent: boolean): Http1ClientConnection | undefined {
    const connection = this.#idle.at(-1)
    if (connection === undefined) return undefined
    // Proxies keep connections for long; only what may not be repeated asks for a fresh one.
    const age = this.#deps.sweep.tick - connection.idleTick
    if (!isIdempotent && age > FRESH_TICKS) return undefined
    this.#idle.pop()
    return connection
  }

  #connectMore(): void {
    const pending = this.#attempts.size + this.#greeting
    const isFull = this.#shared.length >= SHARED_MAX
    let missing = this.#waiting.size
    // One connection will do for all who wait, or show that each needs its own.
    if (this.#endpoint.speaksMux !== false)
      missing = pending > 0 || isFull ? 0 : Math.min(missing, 1)
    else if (this.#endpoint.speaksHttp2) missing = this.#missingBesideHttp2(isFull)
    missing = Math.min(missing - pending, CONNECTIONS_MAX - this.#connections)
    missing = Math.min(missing, this.#deps.usage.room(this.#connections) - pending)
    for (let i = 0; i < missing; i++) this.#connect()
  }

  #connect(): void {
    const { address, port } = this.#endpoint.spec
    const { sni, spiffeUris } = this.#cluster.spec
    const connectTimeoutMs = this.#deps.usage.connectTimeoutMs(this.#cluster.spec)
    const identity = this.#identity
    const startedAt = this.#deps.clock.now()
    const attempt = connectMesh(
      identity,
      { address, port, sni, spiffeUris, alpn: this.#protocols() },
      connectTimeoutMs,
      this.#deps,
      (result) => {
        this.#attempts.delete(attempt)
        if (result instanceof Error) this.#refused(result)
        else {
          const { connections } = this.#deps.stats
          connections.connectTimes.record(this.#deps.clock.now() - startedAt)
          connections.opened(result.wire.socket)
          this.#connected(result, identity)
        }
      },
    )
    this.#attempts.add(attempt)
  }

  /** By what the first call in line needs: bytes of a stream must not be taken for HTTP. */
  #protocols(): readonly string[] {
    if (this.#endpoint.refusesAlpn) return []
    const offers: string[] = this.#deps.offerMux ? [MUX_ALPN] : []
    for (const call of this.#waiting) {
      if (this.#goesOverHttp2(call.head)) offers.push(H2_ALPN)
      if (call.head !== undefined) offers.push('http/1.1')
      break
    }
    return offers
  }

  #refused(err: NodeJS.ErrnoException): void {
    if (err.code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' && !this.#endpoint.refusesAlpn) {
      this.#endpoint.refusesAlpn = true
      this.#connectMore()
      return
    }
    this.#failed(err)
    this.#connectMore()
  }

  #failed(err: NodeJS.ErrnoException): void {
    const isNews = !this.#endpoint.avoidance.hasFailed
    const { stats } = this.#deps
    stats.connections.failures++
    if (err.code === 'ETIMEDOUT') stats.connections.timeouts++
    if (isNews) stats.ejections++
    this.#endpoint.avoidance.failed(this.#deps.clock.now())
    const facts = { endpoint: this.#endpoint.spec.id, cluster: this.#cluster.spec.id, err }
    if (isNews) this.#deps.log.warn('cannot reach an instance', facts)
    else this.#deps.log.debug('still cannot reach an instance', facts)
    const reason = err.code === 'ETIMEDOUT' ? 'connection timeout' : 'connection failure'
    const isForAll = this.#endpoint.speaksMux !== false || this.#endpoint.speaksHttp2
    if (isForAll) this.#failWaiting(reason)
    else this.#failOne(reason)
  }

  #connected(result: MeshWire, identity: Identity): void {
    this.#own(result, identity)
    if (this.#isRetired && this.#waiting.size === 0) {
      result.wire.destroy()
      return
    }
    this.#connections++
    this.#deps.usage.connections++
    if (result.alpn === MUX_ALPN) {
      this.#greeting++
      this.#addMux(result.wire, identity)
      return
    }
    this.#endpoint.speaksMux = false
    if (result.alpn === H2_ALPN || this.#knowsOfHttp2(result)) this.#addHttp2(result.wire, identity)
    else if (result.alpn === 'http/1.1' || this.#firstIsHttp())
      this.#addHttp1(result.wire, identity)
    else this.#addStream(result.wire)
    this.#connectMore()
  }

  #addMux(wire: Wire, identity: Identity): void {
    const mux = new MuxClientConnection(
      wire,
      {
        responseTimeoutMs: RESPONSE_TIMEOUT_MS,
        streamIdleMs: STREAM_IDLE_MS,
        rawIdleMs: RAW_IDLE_MS,
      },
      { ...this.#deps, owner: this },
    )
    this.#addShared(mux, wire, identity)
  }

  #addHttp2(wire: Wire, identity: Identity): void {
    this.#endpoint.speaksHttp2 = true
    this.#greeting++
    const connection = new Http2ClientConnection(
      wire,
      {
        responseTimeoutMs: RESPONSE_TIMEOUT_MS,
        streamIdleMs: STREAM_IDLE_MS,
        scheme: 'https',
      },
      { ...this.#deps, owner: this },
    )
    this.#addShared(connection, wire, identity)
  }

  #addShared(connection: SharedConnection, wire: Wire, identity: Identity): void {
    this.#shared.push(connection)
    this.#openShared.add(connection)
    wire.socket.once('close', () => {
      this.#openShared.delete(connection)
      this.#connectionGone()
    })
    if (identity !== this.#identity) connection.drain()
  }

  #addHttp1(wire: Wire, identity: Identity): void {
    const { sweep, date } = this.#deps
    const connection = new Http1ClientConnection(
      wire,
      { responseTimeoutMs: RESPONSE_TIMEOUT_MS, streamIdleMs: STREAM_IDLE_MS },
      { owner: this, sweep, date },
    )
    this.#open.add(connection)
    for (const call of this.#waiting) {
      if (call.head === undefined) continue
      this.#waiting.delete(call)
      connection.begin(call.head, call)
      call.attach(connection, false)
      if (identity !== this.#identity) connection.retire()
      return
    }
    connection.idleTick = sweep.tick
    this.onIdle(connection)
  }

  #addStream(wire: Wire): void {
    for (const call of this.#waiting) {
      if (call.head !== undefined) continue
      this.#waiting.delete(call)
      const stream = new StreamClient(
        wire,
        call,
        { idleMs: RAW_IDLE_MS },
        { sweep: this.#deps.sweep, onGone: () => this.#connectionGone() },
      )
      call.attach(stream, false)
      return
    }
    wire.destroy()
    this.#connectionGone()
  }

  /** The connection ends with the certificate it was made with, or when that of the server is revoked. */
  #own({ wire, server }: MeshWire, identity: Identity): void {
    const { lifetimes } = this.#deps
    const mortal = { destroy: () => wire.socket.destroy() }
    lifetimes.add(mortal, identity.notAfter, server)
    wire.socket.once('close', () => lifetimes.remove(mortal))
  }

  #canCarry(connection: SharedConnection, call: Call): boolean {
    return connection.carriesStreams || this.#goesOverHttp2(call.head)
  }

  #goesOverHttp2(head: RequestHead | undefined): boolean {
    if (!fitsHttp2(head)) return false
    const { protocol } = this.#cluster.spec
    return protocol === undefined ? head.isHttp2 : speaksHttp2(protocol)
  }

  /** Prior knowledge: nothing was agreed on, and the service is known to speak HTTP/2 (mesh.md 10.1). */
  #knowsOfHttp2(result: MeshWire): boolean {
    if (result.alpn !== '' || !speaksHttp2(this.#cluster.spec.protocol)) return false
    for (const call of this.#waiting) return fitsHttp2(call.head)
    return false
  }

  /** One for all that can share it, and one for each that cannot. */
  #missingBesideHttp2(isFull: boolean): number {
    let alone = 0
    for (const call of this.#waiting) if (!this.#goesOverHttp2(call.head)) alone++
    return alone + (alone < this.#waiting.size && !isFull ? 1 : 0)
  }

  #firstIsHttp(): boolean {
    for (const call of this.#waiting) return call.head !== undefined
    return false
  }

  #failWaiting(reason: string): void {
    const calls = [...this.#waiting]
    this.#waiting.clear()
    for (const call of calls) call.onFailed(unreachable(reason))
  }

  #failOne(reason: string): void {
    for (const call of this.#waiting) {
      this.#waiting.delete(call)
      call.onFailed(unreachable(reason))
      return
    }
  }

  #connectionGone(): void {
    this.#connections--
    this.#deps.usage.connections--
    if (!this.#isRetired) this.#connectMore()
  }
}

function unreachable(detail: string): Failure {
  return { code: 'UPSTREAM_UNREACHABLE', reason: disconnectReason(detail), retry: 'never-sent' }
}
