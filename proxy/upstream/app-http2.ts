/**
 * HTTP/2 connections with prior knowledge to the local application, shared by many exchanges.
 *
 * Guarantees: calls wait in order for a connection being made; when it cannot be made, or the application turns out not
 * to speak HTTP/2, they fail as `never-sent`. Bounds: CONNECTIONS_MAX or `connectionsMax` (0: none), PENDING_MAX
 * calls waiting.
 */

import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { Call } from '../exchange/call.ts'
import type { SharedConnection, SharedConnectionOwner } from '../exchange/shared-connection.ts'
import type { Failure } from '../exchange/types.ts'
import { disconnectReason, type HttpDate } from '../http1/replies.ts'
import { Http2ClientConnection } from '../http2/client-connection.ts'
import type { Http2Deps } from '../http2/link.ts'
import { type Attempt, type ConnectTarget, connectPlain } from '../sockets/connect.ts'
import type { Wire } from '../sockets/wire.ts'
import { STREAM_IDLE_MS } from './timeouts.ts'

export interface AppHttp2Options {
  readonly address: ConnectTarget
  readonly connectTimeoutMs: number
  /** 0: no limit. */
  readonly responseTimeoutMs: number
  /** 0: no limit. */
  readonly connectionsMax: number
}

export interface AppHttp2Deps extends Http2Deps {
  readonly clock: Clock
  readonly log: Logger
  readonly date: HttpDate
}

const CONNECTIONS_MAX = 8
const PENDING_MAX = 1024

const OVERLOADED: Failure = {
  code: 'UPSTREAM_OVERLOADED',
  reason: disconnectReason('overflow'),
  retry: 'never-sent',
}
const NOT_HTTP2: Failure = {
  code: 'UPSTREAM_INVALID',
  reason: disconnectReason('the application does not speak HTTP/2'),
  retry: 'never-sent',
}

export class AppHttp2 implements SharedConnectionOwner {
  readonly #options: AppHttp2Options
  readonly #deps: AppHttp2Deps
  readonly #connectionsMax: number
  /** Those that take new exchanges, and one that has not greeted yet. */
  readonly #connections: SharedConnection[] = []
  readonly #waiting = new Set<Call>()
  #attempt: Attempt | undefined
  #greeting: SharedConnection | undefined
  #wasToldOfVersion = false
  #isClosed = false

  constructor(options: AppHttp2Options, deps: AppHttp2Deps) {
    const { connectionsMax } = options
    this.#options = options
    this.#deps = deps
    this.#connectionsMax =
      connectionsMax > 0 ? Math.min(CONNECTIONS_MAX, connectionsMax) : CONNECTIONS_MAX
  }

  acquire(call: Call): void {
    for (const connection of this.#connections) {
      if (!connection.hasRoom) continue
      const isReused = connection.hasCarried
      call.attach(connection.open(call.head, call), isReused)
      return
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

  /** No new connections are kept; what runs ends by itself. */
  close(): void {
    this.#isClosed = true
    for (const connection of [...this.#connections]) connection.drain()
  }

  onReady(connection: SharedConnection): void {
    this.#greeting = undefined
    this.#wasToldOfVersion = false
    this.onRoom(connection)
    if (this.#isClosed) connection.drain()
  }

  onClosing(connection: SharedConnection): void {
    const at = this.#connections.indexOf(connection)
    if (at >= 0) this.#connections.splice(at, 1)
    if (connection === this.#greeting) {
      this.#greeting = undefined
      if (!this.#wasToldOfVersion) this.#sayNotHttp2()
      this.#failWaiting(NOT_HTTP2)
    }
    this.#connectMore()
  }

  onRoom(connection: SharedConnection): void {
    for (const call of this.#waiting) {
      if (!connection.hasRoom) break
      this.#waiting.delete(call)
      // Beside others it may come too late for a connection that is ending, which is no fault of the application.
      const isReused = connection.hasCarried
      call.attach(connection.open(call.head, call), isReused)
    }
    this.#connectMore()
  }

  #connectMore(): void {
    if (this.#waiting.size === 0 || this.#connections.length >= this.#connectionsMax) return
    if (this.#attempt !== undefined || this.#greeting !== undefined) return
    const { address, connectTimeoutMs } = this.#options
    this.#attempt = connectPlain(address, connectTimeoutMs, this.#deps, (result) => {
      this.#attempt = undefined
      if (result instanceof Error) this.#failedToConnect(result)
      else this.#connected(result)
    })
  }

  #connected(wire: Wire): void {
    const { responseTimeoutMs } = this.#options
    const connection = new Http2ClientConnection(
      wire,
      { responseTimeoutMs, streamIdleMs: STREAM_IDLE_MS, scheme: 'http' },
      { ...this.#deps, owner: this },
    )
    this.#greeting = connection
    this.#connections.push(connection)
  }

  #failedToConnect(err: NodeJS.ErrnoException): void {
    this.#failWaiting({
      code: 'UPSTREAM_UNREACHABLE',
      reason: disconnectReason(
        err.code === 'ETIMEDOUT' ? 'connection timeout' : 'connection failure',
      ),
      retry: 'never-sent',
    })
  }

  #sayNotHttp2(): void {
    this.#wasToldOfVersion = true
    this.#deps.log.warn(
      'the application does not speak HTTP/2, as the protocol of its service says',
      {
        ...this.#options.address,
      },
    )
  }

  #failWaiting(failure: Failure): void {
    const calls = [...this.#waiting]
    this.#waiting.clear()
    for (const call of calls) call.onFailed(failure)
  }
}
