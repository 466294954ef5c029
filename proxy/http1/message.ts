/**
 * Heads as they travel inside the proxy: canonical text plus what must be known of it.
 *
 * Canonical: first line and fields, each ended by CRLF, without the empty line; HTTP/1.1; nothing of the hop
 * it came from. Connection is written anew where an upgrade or `TE: trailers` needs it; how the body is
 * delimited stands beside the text and `wireText` writes it. Latin1: one character a byte.
 */

import type { SizeLimits } from '../../core/mesh/proxy-snapshot.ts'
import type { Hedge } from '../exchange/hedged-call.ts'
import type { Payloads } from '../jwt/token-judge.ts'
import type { Fault } from '../routing/fault-policy.ts'
import type { HeadEdits } from '../routing/head-edits.ts'
import type { MirrorLeg } from '../routing/mirror-policy.ts'
import type { RetryPolicy } from '../routing/retry-policy.ts'
import type { ExchangeWatch } from '../telemetry/exchange-watch.ts'
import type { RequestStats } from '../telemetry/request-stats.ts'

/** No body follows. */
export const BODY_NONE = 0
/** Exactly `length` bytes follow; the text has Content-Length. */
export const BODY_LENGTH = 1
/** A body of unknown length follows, then maybe trailers. */
export const BODY_STREAM = 2

export type BodyKind = typeof BODY_NONE | typeof BODY_LENGTH | typeof BODY_STREAM

export class RequestHead {
  /** Ends in CRLF; additions are appended here until the head is sent. */
  text: string
  readonly body: BodyKind
  /** Bytes of the body with BODY_LENGTH, else 0. */
  readonly length: number
  readonly isHead: boolean
  /** May be sent twice without harm (RFC 9110 9.2.2). */
  readonly isIdempotent: boolean
  /** A WebSocket upgrade is asked for; the text keeps `Upgrade`. */
  readonly upgrade: boolean
  /** The caller lets the connection live on. */
  keepAlive = true
  /** The caller speaks HTTP/1.0: no interim responses, no chunks. */
  isHttp10 = false
  /** The caller speaks HTTP/2, so where nothing says otherwise the application does too. */
  isHttp2 = false
  /** The caller waits for 100 before it sends the body. */
  expectsContinue = false
  hasRequestId = false
  hasForwardedProto = false
  /** It says until when its answer is wanted (proxy/exchange/deadline.ts). */
  hasTimeout = false
  /** What arrived in X-Forwarded-Client-Cert, taken out of the text. */
  clientCert: string | undefined = undefined
  /** Of its route: for the time until the response's head, ms; 0: no limit; undefined: that of every request. */
  responseTimeoutMs: number | undefined = undefined
  /** Of its route: when it may be sent again. */
  retry: RetryPolicy | undefined = undefined
  /** Of its route: the same for each attempt. */
  perTryTimeoutMs: number | undefined = undefined
  /** Of its route: what is put in its way on purpose. */
  fault: Fault | undefined = undefined
  /** Of the bodies; undefined: none. */
  sizes: SizeLimits | undefined = undefined
  /** Of its route: it is one more than its rate allows. */
  isTooMany = false
  /** Of its route: when a second instance is asked as well. */
  hedge: Hedge | undefined = undefined
  /** Of its route: where copies of it go. */
  mirrors: readonly MirrorLeg[] | undefined = undefined
  /** What its route changes in the response's head, in order. */
  responseEdits: readonly HeadEdits[] | undefined = undefined
  /** What its tokens were found to say when it came; asked only where an intention wants to know. */
  payloads: Payloads | undefined = undefined
  /** Where it is counted. */
  stats: RequestStats | undefined = undefined
  /** Who looks at it: access logs, spans, taps. */
  watch: ExchangeWatch | undefined = undefined

  constructor(text: string, body: BodyKind, length: number, method: number, upgrade: boolean) {
    this.text = text
    this.body = body
    this.length = length
    this.isHead = method === METHOD_HEAD
    this.isIdempotent = method !== METHOD_OTHER
    this.upgrade = upgrade
  }
}

export class ResponseHead {
  readonly status: number
  /** Ends in CRLF; additions are appended here until the head is sent. */
  text: string
  readonly body: BodyKind
  readonly length: number
  /** 101 to an upgrade that was asked for: from here on both directions are bytes. */
  readonly upgrade: boolean
  hasDate = true
  /** The server lets the connection live on, for this long when it says so (0: it does not say). */
  keepAlive = true
  keepAliveMs = 0
  /** The body ends with the connection. */
  untilClose = false

  constructor(status: number, text: string, body: BodyKind, length: number) {
    this.status = status
    this.text = text
    this.body = body
    this.length = length
    this.upgrade = status === 101
  }

  /** 100 to 199 but not 101: another head follows. */
  get isInterim(): boolean {
    return this.status < 200 && this.status !== 101
  }
}

/** The head as it is sent: canonical text, the framing field of a body of unknown length, the empty line. */
export function wireText(head: RequestHead | ResponseHead): string {
  return head.body === BODY_STREAM
    ? `${head.text}transfer-encoding: chunked\r\n\r\n`
    : `${head.text}\r\n`
}

export const METHOD_OTHER = 0
export const METHOD_IDEMPOTENT = 1
export const METHOD_HEAD = 2
export const METHOD_CONNECT = 3

/** Methods are case-sensitive (RFC 9110 9.1): `get` is some other method. */
const METHOD_KINDS: ReadonlyMap<string, number> = new Map([
  ['GET', METHOD_IDEMPOTENT],
  ['PUT', METHOD_IDEMPOTENT],
  ['HEAD', METHOD_HEAD],
  ['TRACE', METHOD_IDEMPOTENT],
  ['DELETE', METHOD_IDEMPOTENT],
  ['OPTIONS', METHOD_IDEMPOTENT],
  ['CONNECT', METHOD_CONNECT],
])

export function methodKind(method: string): number {
  return METHOD_KINDS.get(method) ?? METHOD_OTHER
}

/** As `parseContentLength`. */
export function contentLengthOf(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : -1
}

/** Reads a message's content length: digits only, at most 15 of them. @returns -1 when it is none */
export function parseContentLength(bytes: Uint8Array, from: number, to: number): number {
  if (to === from || to - from > 15) return -1
  let length = 0
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}
