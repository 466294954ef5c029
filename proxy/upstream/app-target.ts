/**
 * The local application behind an inbound listener: HTTP/1 connections kept and reused, HTTP/2 ones shared
 * (app-http2.ts), streams one each. Which version follows the protocol of the service or, without one, the caller.
 *
 * Guarantees: a request that may not be repeated only goes on a connection that was in use a moment ago, so
 * that a server's idle timeout does not swallow it. A failure to connect is `never-sent`: the caller's proxy
 * may try another instance. Bounds: `connectionsMax` at once (0: none), PENDING_MAX waiting beyond it.
 */

import type { Logger } from '../../core/log.ts'
import { speaksHttp2 } from '../../core/mesh/protocol.ts'
import type { ProxyProtocol } from '../../core/mesh/proxy-snapshot.ts'
import type { AdaptiveLimit } from '../../core/resilience/adaptive-limit.ts'
import { type Clock, type Instant, instant } from '../../core/time.ts'
import { Call, type CallTarget } from '../exchange/call.ts'
import type { ProxyCounters } from '../exchange/counters.ts'
import { fitsHttp2 } from '../exchange/shared-connection.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { Http1ClientConnection, type Http1ClientOwner } from '../http1/client-connection.ts'
import type { RequestHead } from '../http1/message.ts'
import { disconnectReason, type HttpDate } from '../http1/replies.ts'
import { type Attempt, type ConnectTarget, connectPlain } from '../sockets/connect.ts'
import { type IdleSweep, type Swept, TICK_MS } from '../sockets/idle-sweep.ts'
import type { Turn } from '../sockets/turn.ts'
import type { Wire } from '../sockets/wire.ts'
import { StreamClient } from '../tcp/stream-client.ts'
import { AppHttp2 } from './app-http2.ts'
import { RAW_IDLE_MS, STREAM_IDLE_MS } from './timeouts.ts'

export interface AppTargetOptions {
  readonly address: ConnectTarget
  readonly protocol: ProxyProtocol
  readonly connectTimeoutMs: number
  /** 0: no limit. */
  readonly responseTimeoutMs: number
  /** 0: no limit. */
  readonly connectionsMax: number
  /** Of requests under way; undefined: none. */
  readonly concurrency: AdaptiveLimit | undefined
}

export interface AppTargetDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly turn: Turn
  readonly sweep: IdleSweep
  readonly counters: ProxyCounters
  readonly date: HttpDate
}

const PENDING_MAX = 1024
const IDLE_MAX = 256
/** Below the shortest keep-alive time of common servers (5 s); a server's own word overrides it. */
const IDLE_TICKS = 4
/** A request that may not be repeated takes a connection idle for at most this. */
const FRESH_TICKS = 1

const OVERLOADED: Failure = {
  code: 'UPSTREAM_OVERLOADED',
  reason: disconnectReason('overflow'),
  retry: 'never-sent',
}

/** The instance is well and says so: whoever wants to may ask another. */
const TOO_MANY: Failure = { ...OVERLOADED, retry: 'final' }

export class AppTarget implements CallTarget, Http1ClientOwner, Swept {
  readonly retriesElsewhere = false
  readonly reportsTime = false
  readonly #options: AppTargetOptions
  readonly #deps: AppTargetDeps
  readonly #http2: AppHttp2
  readonly #idle: Http1ClientConnection[] = []
  readonly #waiting = new Set<Call>()
  readonly #attempts = new Set<Attempt>()
  /** Connections that are there or being made. */
  #connections = 0
  #isClosed = false

  constructor(options: AppTargetOptions, deps: AppTargetDeps) {
    this.#options = options
    this.#deps = deps
    this.#http2 = new AppHttp2(options, deps)
    deps.sweep.add(this)
  }

  open(head: RequestHead | undefined, caller: ResponseSink): RequestSink {
    return new Call(this, head, caller, this.#deps).start()
  }

  /** No new connections are kept; what runs ends by itself. */
  close(): void {
    this.#isClosed = true
    this.#deps.sweep.remove(this)
    this.#http2.close()
    for (const connection of this.#idle.splice(0)) connection.retire()
  }

  attempt(call: Call): void {
    const { concurrency } = this.#options
    if (concurrency !== undefined && call.head !== undefined) {
      const now = this.#deps.clock.now()
      if (!concurrency.begin(now)) {
        call.onFailed(TOO_MANY)
        return
      }
      call.isHeld = true
      call.heldAt = now
    }
    if (this.#goesOverHttp2(call.head)) {
      this.#http2.acquire(call)
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

  failed(call: Call, { code }: Failure): void {
    if (call.isHeld && code === 'UPSTREAM_TIMEOUT') this.#sample(call, this.#deps.clock.now())
  }

  /** Failing is quick, and says nothing about how much is borne. */
  answered(call: Call, status: number, now: number): void {
    if (call.isHeld && status < 500) this.#sample(call, instant(now))
  }

  released(call: Call): void {
    if (!call.isHeld) return
    call.isHeld = false
    this.#options.concurrency?.ended()
  }

  #sample(call: Call, now: Instant): void {
    this.#options.concurrency?.sample(instant(call.heldAt), now)
  }

  beginRetry(): boolean {
    return true
  }

  retryEnded(): void {}

  forget(call: Call): void {
    this.#waiting.delete(call)
    this.#http2.forget(call)
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
    if (this.#isClosed || this.#idle.length > IDLE_MAX) this.#idle.shift()?.retire()
  }

  onGone(connection: Http1ClientConnection): void {
    const at = this.#idle.lastIndexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#freed()
  }

  onTick(tick: number): void {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const connection = this.#idle[i] as Http1ClientConnection
      if (tick - connection.idleTick <= idleTicks(connection)) continue
      this.#idle.splice(i, 1)
      connection.retire()
    }
  }

  #goesOverHttp2(head: RequestHead | undefined): boolean {
    const { protocol } = this.#options
    if (speaksHttp2(protocol)) return fitsHttp2(head)
    return protocol === 'auto' && head?.isHttp2 === true
  }

  #takeIdle(isIdempotent: boolean): Http1ClientConnection | undefined {
    const connection = this.#idle.at(-1)
    if (connection === undefined) return undefined
    // The last one in is the freshest: if it is too old, all are.
    const age = this.#deps.sweep.tick - connection.idleTick
    if (age > (isIdempotent ? idleTicks(connection) : FRESH_TICKS)) return undefined
    this.#idle.pop()
    return connection
  }

  #connectMore(): void {
    const max = this.#options.connectionsMax
    while (this.#attempts.size < this.#waiting.size && (max === 0 || this.#connections < max)) {
      this.#connect()
    }
  }

  #connect(): void {
    this.#connections++
    const { address, connectTimeoutMs } = this.#options
    const attempt = connectPlain(address, connectTimeoutMs, this.#deps, (result) => {
      this.#attempts.delete(attempt)
      if (result instanceof Error) this.#failedToConnect(result)
      else this.#connected(result)
    })
    this.#attempts.add(attempt)
  }

  #connected(wire: Wire): void {
    const call = this.#nextWaiting()
    if (call !== undefined && call.head === undefined) {
      const stream = new StreamClient(
        wire,
        call,
        { idleMs: RAW_IDLE_MS },
        { sweep: this.#deps.sweep, onGone: () => this.#freed() },
      )
      call.attach(stream, false)
      return
    }
    const connection = new Http1ClientConnection(
      wire,
      { responseTimeoutMs: this.#options.responseTimeoutMs, streamIdleMs: STREAM_IDLE_MS },
      { owner: this, sweep: this.#deps.sweep, date: this.#deps.date },
    )
    if (call?.head === undefined) {
      connection.idleTick = this.#deps.sweep.tick
      this.onIdle(connection)
      return
    }
    connection.begin(call.head, call)
    call.attach(connection, false)
  }

  #failedToConnect(err: NodeJS.ErrnoException): void {
    this.#connections--
    this.#nextWaiting()?.onFailed({
      code: 'UPSTREAM_UNREACHABLE',
      reason: disconnectReason(
        err.code === 'ETIMEDOUT' ? 'connection timeout' : 'connection failure',
      ),
      retry: 'never-sent',
    })
    this.#connectMore()
  }

  #nextWaiting(): Call | undefined {
    for (const call of this.#waiting) {
      this.#waiting.delete(call)
      return call
    }
    return undefined
  }

  #freed(): void {
    this.#connections--
    this.#connectMore()
  }
}

function idleTicks(connection: Http1ClientConnection): number {
  if (connection.keepAliveMs === 0) return IDLE_TICKS
  // A second less than the server says: its clock began when it sent.
  return Math.max(0, Math.floor(connection.keepAliveMs / TICK_MS) - 1)
}
