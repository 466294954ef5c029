/**
 * The calling side of a mux connection: opens exchanges and hands each frame to the one it belongs to.
 *
 * Guarantees: `onReady` is reported only after the peer has judged our certificate and greeted, so an exchange
 * that fails before was never sent. When the connection ends, every exchange is told, with `never-sent` if
 * not one byte left since it was opened. Bounds: the peer's limit on exchanges; ids until EXCHANGE_ID_MAX.
 */

import { ExchangeTable } from '../exchange/exchange-table.ts'
import type {
  SharedConnection,
  SharedConnectionOptions,
  SharedConnectionOwner,
} from '../exchange/shared-connection.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { HeadParser } from '../http1/head-parser.ts'
import { TRAILER_BYTES_MAX } from '../http1/limits.ts'
import type { RequestHead } from '../http1/message.ts'
import { disconnectReason } from '../http1/replies.ts'
import { type IdleSweep, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire } from '../sockets/wire.ts'
import { ClientExchange, type ClientExchangeOwner } from './client-exchange.ts'
import {
  EXCHANGE_ID_MAX,
  GOAWAY_DRAIN,
  RESET,
  RESET_TIMEOUT,
  RESPONSE,
  TRAILERS,
  WINDOW,
} from './format.ts'
import { type LinkOwner, type MuxDeps, MuxLink } from './link.ts'

export interface MuxClientOptions extends SharedConnectionOptions {
  /** As `streamIdleMs`, for raw streams. */
  readonly rawIdleMs: number
}

const LOST: Failure = {
  code: 'UPSTREAM_RESET',
  reason: disconnectReason('connection termination'),
  retry: 'maybe-sent',
}
const NEVER_SENT: Failure = { ...LOST, retry: 'never-sent' }
const TIMEOUT: Failure = {
  code: 'UPSTREAM_TIMEOUT',
  reason: 'upstream request timeout',
  retry: 'final',
}
/** Connections without an exchange are closed after this. */
const IDLE_TICKS = ticksOf(3_600_000)

export class MuxClientConnection implements SharedConnection, LinkOwner, ClientExchangeOwner {
  readonly carriesStreams = true
  readonly link: MuxLink
  readonly #wire: Wire
  readonly #owner: SharedConnectionOwner
  readonly #sweep: IdleSweep
  readonly #options: MuxClientOptions
  readonly #exchanges = new ExchangeTable<ClientExchange>()
  readonly #parser = new HeadParser('response')
  readonly #trailerParser = new HeadParser('trailers', TRAILER_BYTES_MAX)
  #nextId = 1
  #isClosing = false
  #idleSince: number
  /** Exchanges from this id on were opened since the last bytes left. */
  #unsentFrom = 1
  #sendsSeen = 0

  constructor(
    wire: Wire,
    options: MuxClientOptions,
    deps: MuxDeps & { readonly owner: SharedConnectionOwner },
  ) {
    this.#wire = wire
    this.#owner = deps.owner
    this.#sweep = deps.sweep
    this.#options = options
    this.#idleSince = deps.sweep.tick
    this.link = new MuxLink(wire, this, deps)
  }

  get isReady(): boolean {
    return this.link.isReady
  }

  get hasCarried(): boolean {
    return this.#nextId > 1
  }

  get exchanges(): number {
    return this.#exchanges.size
  }

  get hasRoom(): boolean {
    return (
      this.link.isReady && !this.#isClosing && this.#exchanges.size < this.link.peerExchangesMax
    )
  }

  open(head: RequestHead | undefined, sink: ResponseSink): RequestSink {
    const id = this.#nextId++
    if (this.#sendsSeen !== this.#wire.sends) {
      this.#sendsSeen = this.#wire.sends
      this.#unsentFrom = id
    }
    const exchange = new ClientExchange(this, id, head, sink)
    this.#exchanges.set(id, exchange)
    if (this.#nextId > EXCHANGE_ID_MAX) this.drain()
    return exchange
  }

  drain(): void {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#owner.onClosing(this)
    }
    if (this.#exchanges.size === 0) this.link.close(GOAWAY_DRAIN, 0)
  }

  destroy(): void {
    this.link.destroy()
  }

  forget(exchange: ClientExchange): void {
    const wasFull = this.#exchanges.size >= this.link.peerExchangesMax
    this.#exchanges.delete(exchange.id)
    if (this.#exchanges.size > 0) {
      if (wasFull && !this.#isClosing) this.#owner.onRoom(this)
      return
    }
    this.#idleSince = this.#sweep.tick
    if (!this.#isClosing) {
      if (wasFull) this.#owner.onRoom(this)
    } else if (!this.link.isDown) {
      this.link.close(GOAWAY_DRAIN, 0)
    }
  }

  now(): number {
    return this.#sweep.tick
  }

  onReady(): void {
    this.#owner.onReady(this)
  }

  isBusy(): boolean {
    return this.#exchanges.size > 0
  }

  onExchangeFrame(
    kind: number,
    isEnd: boolean,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): boolean {
    if (id >= this.#nextId) return false
    const exchange = this.#exchanges.get(id)
    // Frames of an exchange that ended here while they were on their way.
    if (exchange === undefined) return true
    switch (kind) {
      case RESPONSE:
        return exchange.onResponse(this.#parser, bytes, from, to, isEnd)
      case TRAILERS:
        return exchange.onTrailers(this.#trailerParser, bytes, from, to)
      case WINDOW:
        return exchange.onWindow(bytes.readUInt32BE(from))
      case RESET:
        exchange.onReset(bytes.readUInt32BE(from))
        return true
      default:
        return false
    }
  }

  onExchangeData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    if (id >= this.#nextId) return false
    return this.#exchanges.get(id)?.onData(bytes, from, to, isEnd) ?? true
  }

  /** What was on its way when the peer said farewell has not been begun, and is safe to begin elsewhere. */
  onGoaway(lastId: number | undefined): void {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#owner.onClosing(this)
    }
    if (lastId !== undefined) {
      for (const exchange of [...this.#exchanges.values()]) {
        if (exchange.id > lastId) exchange.fail(NEVER_SENT)
      }
    }
    this.drain()
  }

  onRoomy(): void {
    for (const exchange of this.#exchanges.values()) exchange.onRoomy()
  }

  onTick(tick: number): void {
    if (this.#exchanges.size === 0) {
      if (tick - this.#idleSince > IDLE_TICKS) this.drain()
      return
    }
    const idle = ticksOf(this.#options.streamIdleMs)
    const rawIdle = ticksOf(this.#options.rawIdleMs)
    for (const exchange of this.#exchanges.values()) {
      const isLate =
        !exchange.hasResponse &&
        !exchange.isRaw &&
        exchange.askedTick >= 0 &&
        this.#isLate(exchange, tick - exchange.askedTick)
      if (!isLate && tick - exchange.lastTick <= (exchange.isRaw ? rawIdle : idle)) continue
      this.link.out.numbers(RESET, exchange.id, RESET_TIMEOUT)
      exchange.fail(TIMEOUT)
    }
  }

  #isLate(exchange: ClientExchange, ticks: number): boolean {
    const timeoutMs = exchange.responseTimeoutMs ?? this.#options.responseTimeoutMs
    return timeoutMs > 0 && ticks > ticksOf(timeoutMs)
  }

  onDown(): void {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#owner.onClosing(this)
    }
    const wasSent = this.#wire.sends !== this.#sendsSeen
    const exchanges = this.#exchanges.values()
    this.#exchanges.clear()
    for (const exchange of exchanges) {
      const isUnsent = !wasSent && exchange.id >= this.#unsentFrom
      exchange.fail(isUnsent && !exchange.hasResponse ? NEVER_SENT : LOST)
    }
  }
}
