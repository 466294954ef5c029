/**
 * The called side of a mux connection: turns REQUEST and OPEN frames into calls on the listener's route.
 *
 * Guarantees: heads from the peer are read with the same strictness as HTTP/1 from anywhere; ids only grow;
 * each exchange can be judged again at any time. Bounds: EXCHANGES_MAX at once, more are REFUSED.
 */

import { ExchangeTable } from '../exchange/exchange-table.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { HeadParser } from '../http1/head-parser.ts'
import { TRAILER_BYTES_MAX } from '../http1/limits.ts'
import { BODY_NONE, type RequestHead } from '../http1/message.ts'
import type { HttpDate } from '../http1/replies.ts'
import { interpretRequest } from '../http1/request-head.ts'
import { type IdleSweep, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire } from '../sockets/wire.ts'
import {
  EXCHANGE_ID_MAX,
  EXCHANGES_MAX,
  GOAWAY,
  GOAWAY_DRAIN,
  OPEN,
  REQUEST,
  REQUEST_HTTP2,
  RESET,
  RESET_PROTOCOL,
  RESET_REFUSED,
  TRAILERS,
  WINDOW,
} from './format.ts'
import { type LinkOwner, type MuxDeps, MuxLink } from './link.ts'
import { ServerExchange, type ServerExchangeOwner } from './server-exchange.ts'

/** Where exchanges go: the inbound listener's policy and target, for one authenticated caller. */
export interface MuxRoute {
  readonly normalisePaths: boolean
  open(head: RequestHead, caller: ResponseSink): RequestSink | Failure
  openStream(caller: ResponseSink): RequestSink | Failure
  onMuxClosed(connection: MuxServerConnection): void
}

const IDLE_TICKS = ticksOf(3_600_000)

export class MuxServerConnection implements LinkOwner, ServerExchangeOwner {
  readonly link: MuxLink
  readonly #route: MuxRoute
  readonly #date: HttpDate
  readonly #sweep: IdleSweep
  readonly #exchanges = new ExchangeTable<ServerExchange>()
  readonly #parser = new HeadParser('request')
  readonly #trailerParser = new HeadParser('trailers', TRAILER_BYTES_MAX)
  #lastId = 0
  #isDraining = false
  #idleSince: number

  constructor(wire: Wire, route: MuxRoute, deps: MuxDeps & { readonly date: HttpDate }) {
    this.#route = route
    this.#date = deps.date
    this.#sweep = deps.sweep
    this.#idleSince = deps.sweep.tick
    this.link = new MuxLink(wire, this, deps)
  }

  get exchanges(): Iterable<ServerExchange> {
    return this.#exchanges.values()
  }

  /** Refuses new exchanges and tells the peer; the connection ends with the last one. */
  drain(): void {
    if (this.#isDraining || this.link.isDown) return
    this.#isDraining = true
    if (this.#exchanges.size === 0) this.link.close(GOAWAY_DRAIN, this.#lastId)
    else this.link.out.numbers(GOAWAY, 0, GOAWAY_DRAIN, this.#lastId)
  }

  destroy(): void {
    this.link.destroy()
  }

  forget(exchange: ServerExchange): void {
    this.#exchanges.delete(exchange.id)
    if (this.#exchanges.size > 0) return
    this.#idleSince = this.#sweep.tick
    if (this.#isDraining && !this.link.isDown) this.link.close(GOAWAY_DRAIN, this.#lastId)
  }

  httpDate(): string {
    return this.#date.text
  }

  onReady(): void {}

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
    if (kind === REQUEST || kind === REQUEST_HTTP2 || kind === OPEN) {
      if (id <= this.#lastId || id > EXCHANGE_ID_MAX) return false
      this.#lastId = id
      if (this.#isDraining || this.#exchanges.size >= EXCHANGES_MAX) {
        this.link.out.numbers(RESET, id, RESET_REFUSED)
      } else if (kind === OPEN) {
        this.#openStream(id)
      } else {
        this.#openHttp(kind, isEnd, id, bytes, from, to)
      }
      return true
    }
    if (id > this.#lastId) return false
    const exchange = this.#exchanges.get(id)
    // Frames of an exchange that ended here while they were on their way.
    if (exchange === undefined) return true
    switch (kind) {
      case TRAILERS:
        return exchange.onRequestTrailers(this.#trailerParser, bytes, from, to)
      case WINDOW:
        return exchange.onWindow(bytes.readUInt32BE(from))
      case RESET:
        exchange.onReset()
        return true
      default:
        return false
    }
  }

  onExchangeData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    if (id > this.#lastId) return false
    return this.#exchanges.get(id)?.onRequestData(bytes, from, to, isEnd) ?? true
  }

  onGoaway(): void {
    this.drain()
  }

  onRoomy(): void {
    for (const exchange of this.#exchanges.values()) exchange.onRoomy()
  }

  onTick(tick: number): void {
    if (this.#exchanges.size === 0 && tick - this.#idleSince > IDLE_TICKS) this.drain()
  }

  onDown(): void {
    const exchanges = this.#exchanges.values()
    this.#exchanges.clear()
    for (const exchange of exchanges) exchange.drop()
    this.#route.onMuxClosed(this)
  }

  #openHttp(
    kind: number,
    isEnd: boolean,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    const parser = this.#parser
    const end = parser.parse(bytes, from, to)
    const { normalisePaths } = this.#route
    const head = end === to ? interpretRequest(parser, bytes, from, normalisePaths) : 400
    parser.reset()
    if (typeof head === 'number' || isEnd !== (head.body === BODY_NONE && !head.upgrade)) {
      this.link.out.numbers(RESET, id, RESET_PROTOCOL)
      return
    }
    head.isHttp2 = kind === REQUEST_HTTP2
    const exchange = new ServerExchange(this, id, head, isEnd)
    this.#exchanges.set(id, exchange)
    exchange.begin(this.#route.open(head, exchange))
  }

  #openStream(id: number): void {
    const exchange = new ServerExchange(this, id, undefined, false)
    this.#exchanges.set(id, exchange)
    exchange.begin(this.#route.openStream(exchange))
  }
}
