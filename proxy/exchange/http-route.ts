/**
 * Where the requests of one connection go: a listener's policy and target, whatever version of HTTP brings them.
 */

import type { RequestHead } from '../http1/message.ts'
import type { Failure, RequestSink, ResponseSink } from './types.ts'

export interface HttpConnection {
  /** Takes no further request; the connection ends with those under way. */
  drain(): void
  /** Cuts the connection and what runs on it. */
  destroy(): void
}

export interface HttpRoute {
  /** Rewrite paths before judging and forwarding them. */
  readonly normalisePaths: boolean
  /** Begins the exchange; nothing follows a BODY_NONE request unless it is an upgrade. May fail at once. */
  open(head: RequestHead, caller: ResponseSink): RequestSink | Failure
  onConnectionClosed(connection: HttpConnection): void
}
