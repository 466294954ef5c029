/**
 * Connections from one local identity to one instance: mux where the other side speaks it, else HTTP/1.1
 * connections kept and reused, else one TLS connection per stream.
 *
 * Guarantees: calls wait in order for a connection being made; when it cannot be made they fail as
 * `never-sent`. After `rotate` or `retire` no new exchange uses an old connection, and none is cut. Bounds:
 * PENDING_MAX calls waiting, MUXES_MAX mux connections, CONNECTIONS_MAX others, IDLE_MAX idle.
 */

import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { Call } from '../exchange/call.ts'
import type { Failure } from '../exchange/types.ts'
import { Http1ClientConnection, type Http1ClientOwner } from '../http1/client-connection.ts'
import { disconnectReason, type HttpDate } from '../http1/replies.ts'
import { MuxClientConnection, type MuxClientOwner } from '../mux/client-connection.ts'
import { MUX_ALPN } from '../mux/format.ts'
import type { MuxDeps } from '../mux/link.ts'
import type { Attempt } from '../sockets/connect.ts'
import type { Wire } from '../sockets/wire.ts'
import { StreamClient } from '../tcp/stream-client.ts'
import type { Identity } from '../tls/identity.ts'
import { connectMesh, type MeshWire } from '../tls/mesh-connect.ts'
import type { Cluster, Endpoint } from './cluster.ts'
import type { Lifetimes } from './lifetimes.ts'
import { RAW_IDLE_MS, RESPONSE_TIMEOUT_MS, STREAM_IDLE_MS } from './timeouts.ts'

export interface PoolDeps extends MuxDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly lifetimes: Lifetimes
  /** False to never offer the mux: for measuring, and for other proxies' sake. */
  readonly offerMux: boolean
  readonly date: HttpDate
}

const PENDING_MAX = 1024
const MUXES_MAX = 4
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

export class EndpointPool implements Http1ClientOwner, MuxClientOwner {
  readonly #cluster: Cluster
  readonly #endpoint: Endpoint
  readonly #deps: PoolDeps
  #identity: Identity
  readonly #waiting = new Set<Call>()
  /** Attempts to connect, and mux connections that have not greeted yet. */
  readonly #attempts = new Set<Attempt>()
  #greeting = 0
  /** Those that take new exchanges, and all that are open. */
  readonly #muxes: MuxClientConnection[] = []
  readonly #openMuxes = new Set<MuxClientConnection>()
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

  get isUnused(): boolean {
    return this.#connections === 0 && this.#attempts.size === 0 && this.#waiting.size === 0
  }

  acquire(call: Call): void {
    for (let i = 0; i < this.#muxes.length; i++) {
      const mux = this.#muxes[i] as MuxClientConnection
      if (!mux.hasRoom) continue
      call.attach(mux.open(call.head, call), true)
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
    if (this.#waiting.size >= PENDING_MAX) {
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
    for (const mux of this.#openMuxes) mux.destroy()
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

  onMuxReady(connection: MuxClientConnection): void {
    this.#greeting--
    this.#endpoint.speaksMux = true
    this.onMuxRoom(connection)
  }

  onMuxClosing(connection: MuxClientConnection): void {
    const at = this.#muxes.indexOf(connection)
    if (at >= 0) this.#muxes.splice(at, 1)
    if (!connection.link.isReady) {
      this.#greeting--
      this.#failed(new Error('the other proxy did not accept the connection'))
    }
    // Exchanges may run on until the last has ended.
    if (!this.#isRetired) this.#connectMore()
  }

  onMuxRoom(connection: MuxClientConnection): void {
    for (const call of this.#waiting) {
      if (!connection.hasRoom) break
      this.#waiting.delete(call)
      call.attach(connection.open(call.head, call), false)
    }
    this.#connectMore()
  }

  #releaseConnections(): void {
    for (const mux of [...this.#muxes]) mux.drain()
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
    let missing = Math.min(this.#waiting.size - pending, CONNECTIONS_MAX - this.#connections)
    if (this.#endpoint.speaksMux !== false) {
      // One connection will do for all who wait, or show that each needs its own.
      const isFull = this.#muxes.length >= MUXES_MAX
      missing = pending > 0 || isFull ? 0 : Math.min(missing, 1)
    }
    for (let i = 0; i < missing; i++) this.#connect()
  }

  #connect(): void {
    const { address, port } = this.#endpoint.spec
    const { sni, spiffeUris, connectTimeoutMs } = this.#cluster.spec
    const identity = this.#identity
    const attempt = connectMesh(
      identity,
      { address, port, sni, spiffeUris, alpn: this.#protocols() },
      connectTimeoutMs,
      this.#deps,
      (result) => {
        this.#attempts.delete(attempt)
        if (result instanceof Error) this.#refused(result)
        else this.#connected(result, identity)
      },
    )
    this.#attempts.add(attempt)
  }

  /** By what the first call in line needs: bytes of a stream must not be taken for HTTP. */
  #protocols(): readonly string[] {
    if (this.#endpoint.refusesAlpn) return []
    const offers: string[] = this.#deps.offerMux ? [MUX_ALPN] : []
    for (const call of this.#waiting) {
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
    this.#endpoint.avoidance.failed(this.#deps.clock.now())
    const facts = { endpoint: this.#endpoint.spec.id, cluster: this.#cluster.spec.id, err }
    if (isNews) this.#deps.log.warn('cannot reach an instance', facts)
    else this.#deps.log.debug('still cannot reach an instance', facts)
    const reason = err.code === 'ETIMEDOUT' ? 'connection timeout' : 'connection failure'
    if (this.#endpoint.speaksMux !== false) this.#failWaiting(reason)
    else this.#failOne(reason)
  }

  #connected(result: MeshWire, identity: Identity): void {
    this.#own(result, identity)
    if (this.#isRetired && this.#waiting.size === 0) {
      result.wire.destroy()
      return
    }
    this.#connections++
    if (result.alpn === MUX_ALPN) {
      this.#greeting++
      this.#addMux(result.wire, identity)
      return
    }
    this.#endpoint.speaksMux = false
    if (result.alpn === 'http/1.1' || this.#firstIsHttp()) this.#addHttp1(result.wire, identity)
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
    this.#muxes.push(mux)
    this.#openMuxes.add(mux)
    wire.socket.once('close', () => {
      this.#openMuxes.delete(mux)
      this.#connectionGone()
    })
    if (identity !== this.#identity) mux.drain()
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
    if (!this.#isRetired) this.#connectMore()
  }
}

function unreachable(detail: string): Failure {
  return { code: 'UPSTREAM_UNREACHABLE', reason: disconnectReason(detail), retry: 'never-sent' }
}
