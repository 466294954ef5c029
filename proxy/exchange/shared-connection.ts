/**
 * A connection that carries many exchanges at once, as its pool sees it: mux or HTTP/2.
 */

import type { RequestHead } from '../http1/message.ts'
import type { RequestSink, ResponseSink } from './types.ts'

export interface SharedConnectionOptions {
  /** From the end of a request to the head of its response; 0: no limit. */
  readonly responseTimeoutMs: number
  /** Without a byte in either direction during an HTTP exchange; 0: no limit. */
  readonly streamIdleMs: number
}

export interface SharedConnection {
  /** Raw streams and upgrades too, not requests alone. */
  readonly carriesStreams: boolean
  /** The peer has greeted. */
  readonly isReady: boolean
  /** Exchanges under way. */
  readonly exchanges: number
  /** Exchanges were opened on it before. */
  readonly hasCarried: boolean
  /** Another exchange may be opened now. */
  readonly hasRoom: boolean
  /** Opens an exchange; `head` undefined is a raw stream. Only with `hasRoom`. */
  open(head: RequestHead | undefined, sink: ResponseSink): RequestSink
  /** Opens no more exchanges; the connection ends with the last one. */
  drain(): void
  /** Cuts the connection and all exchanges. */
  destroy(): void
}

export interface SharedConnectionOwner {
  onReady(connection: SharedConnection): void
  /** No new exchanges: the peer drains, ids ran out, or the connection is over. At most once. */
  onClosing(connection: SharedConnection): void
  /** There is room for another exchange where there was none. */
  onRoom(connection: SharedConnection): void
}

/** Whether a request can go over HTTP/2: an upgrade belongs to HTTP/1. */
export function fitsHttp2(head: RequestHead | undefined): head is RequestHead {
  return head !== undefined && !head.upgrade
}
