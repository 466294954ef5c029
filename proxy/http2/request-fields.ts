/**
 * A request head of HTTP/2 as it travels inside the proxy: canonical HTTP/1.1 text (RFC 9113 8.2, 8.3; mesh.md 10.11).
 *
 * Collects the fields of one block at a time. Guarantees: what it returns delimits its body in exactly one way, has one
 * valid host and a valid target, and could not have been read as anything else in HTTP/1; everything else is refused.
 */

import { IS_HOST, IS_TOKEN, TARGET_CLASS } from '../http1/bytes.ts'
import { REQUEST_LINE_BYTES_MAX } from '../http1/limits.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  type BodyKind,
  contentLengthOf,
  METHOD_CONNECT,
  methodKind,
  RequestHead,
} from '../http1/message.ts'
import { mayNeedNormalising, normaliseTarget } from '../http1/target.ts'
import {
  AUTHORITY,
  BAD,
  CLIENT_CERT,
  COOKIE,
  CUT,
  EXPECT,
  type Field,
  FORWARDED_PROTO,
  HOST,
  LENGTH,
  METHOD,
  PATH,
  REQUEST_ID,
  SCHEME,
  STATUS,
  TE,
  TIMEOUT,
} from './field.ts'
import type { FieldSink } from './hpack-decoder.ts'

/** Result of `head` for what is malformed: the stream ends with PROTOCOL_ERROR. */
export const MALFORMED = 0

export class RequestFields implements FieldSink {
  #isMalformed = false
  #method = ''
  #scheme = ''
  #authority = ''
  #path = ''
  #host = ''
  #length = ''
  #expect = ''
  #cookie = ''
  #clientCert: string | undefined
  #hasTrailers = false
  #hasRequestId = false
  #hasForwardedProto = false
  #hasTimeout = false
  #hasRegular = false
  #text = ''

  reset(): void {
    this.#isMalformed = false
    this.#method = ''
    this.#scheme = ''
    this.#authority = ''
    this.#path = ''
    this.#host = ''
    this.#length = ''
    this.#expect = ''
    this.#cookie = ''
    this.#clientCert = undefined
    this.#hasTrailers = false
    this.#hasRequestId = false
    this.#hasForwardedProto = false
    this.#hasTimeout = false
    this.#hasRegular = false
    this.#text = ''
  }

  /** The request was HEAD, as far as is known. */
  get isHead(): boolean {
    return this.#method === 'HEAD'
  }

  field(field: Field): void {
    const { kind, value } = field
    if (kind >= METHOD && kind <= STATUS) {
      this.#pseudo(kind, value)
      return
    }
    this.#hasRegular = true
    switch (kind) {
      case BAD:
        this.#isMalformed = true
        return
      case CUT:
        return
      case HOST:
        if (this.#host !== '' || value === '') this.#isMalformed = true
        this.#host = value
        return
      case LENGTH:
        if (this.#length !== '' || value === '') this.#isMalformed = true
        this.#length = value
        return
      case TE:
        if (value.toLowerCase() === 'trailers') this.#hasTrailers = true
        else if (value !== '') this.#isMalformed = true
        return
      case COOKIE:
        // Crumbs become one field again (RFC 9113 8.2.3).
        this.#cookie = this.#cookie === '' ? value : `${this.#cookie}; ${value}`
        return
      case CLIENT_CERT:
        this.#clientCert = this.#clientCert === undefined ? value : `${this.#clientCert},${value}`
        return
      case EXPECT:
        this.#expect = this.#expect === '' ? value : `${this.#expect},${value}`
        break
      case REQUEST_ID:
        this.#hasRequestId = true
        break
      case FORWARDED_PROTO:
        this.#hasForwardedProto = true
        break
      case TIMEOUT:
        this.#hasTimeout = true
        break
      default:
    }
    this.#text += field.line
  }

  /**
   * @param isEnd nothing follows the head
   * @param normalise rewrite the path (for listeners whose rules look at it)
   * @returns the head, the status to refuse it with, or MALFORMED
   */
  head(isEnd: boolean, normalise: boolean): RequestHead | number {
    const refusal = this.#refusal()
    if (refusal !== undefined) return refusal
    const path = this.#normalPath(normalise)
    if (path === undefined) return 400
    const length = this.#length === '' ? -1 : contentLengthOf(this.#length)
    if (this.#length !== '' && length < 0) return MALFORMED
    if (isEnd && length > 0) return MALFORMED
    const body = bodyOf(isEnd, length)
    const host = this.#authority === '' ? this.#host : this.#authority
    let text = `${this.#method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${this.#text}`
    if (body === BODY_LENGTH || (isEnd && length === 0)) text += `content-length: ${length}\r\n`
    if (this.#cookie !== '') text += `cookie: ${this.#cookie}\r\n`
    if (this.#hasTrailers) text += 'te: trailers\r\nconnection: te\r\n'
    const kind = methodKind(this.#method)
    const head = new RequestHead(text, body, body === BODY_LENGTH ? length : 0, kind, false)
    head.isHttp2 = true
    head.expectsContinue = this.#expect !== ''
    head.clientCert = this.#clientCert
    head.hasRequestId = this.#hasRequestId
    head.hasForwardedProto = this.#hasForwardedProto
    head.hasTimeout = this.#hasTimeout
    return head
  }

  #pseudo(kind: number, value: string): void {
    if (this.#hasRegular) {
      this.#isMalformed = true
      return
    }
    switch (kind) {
      case METHOD:
        if (this.#method !== '') this.#isMalformed = true
        this.#method = value
        return
      case SCHEME:
        if (this.#scheme !== '') this.#isMalformed = true
        this.#scheme = value
        return
      case AUTHORITY:
        if (this.#authority !== '') this.#isMalformed = true
        this.#authority = value
        return
      case PATH:
        if (this.#path !== '') this.#isMalformed = true
        this.#path = value
        return
      default:
        this.#isMalformed = true
    }
  }

  #refusal(): number | undefined {
    if (this.#isMalformed || !isAll(IS_TOKEN, this.#method)) return MALFORMED
    if (methodKind(this.#method) === METHOD_CONNECT) return 501
    if (this.#scheme === '' || this.#path === '') return MALFORMED
    const hasTwo = this.#host !== '' && this.#authority !== ''
    if (hasTwo && this.#host.toLowerCase() !== this.#authority.toLowerCase()) return MALFORMED
    const host = this.#authority === '' ? this.#host : this.#authority
    if (!isAll(IS_HOST, host)) return 400
    if (this.#path.length > REQUEST_LINE_BYTES_MAX) return 414
    const isAsterisk = this.#path === '*' && this.#method === 'OPTIONS'
    if (!this.#path.startsWith('/') && !isAsterisk) return 400
    for (let i = 0; i < this.#path.length; i++) {
      if (!(TARGET_CLASS[this.#path.charCodeAt(i)] as number)) return 400
    }
    if (this.#expect !== '' && this.#expect.toLowerCase() !== '100-continue') return 417
    return undefined
  }

  #normalPath(normalise: boolean): string | undefined {
    return normalise && mayNeedNormalising(this.#path) ? normaliseTarget(this.#path) : this.#path
  }
}

/** An empty body that is announced as such may still bring trailers, so it is one of unknown length. */
function bodyOf(isEnd: boolean, length: number): BodyKind {
  if (isEnd) return BODY_NONE
  return length > 0 ? BODY_LENGTH : BODY_STREAM
}

/** Whether a text has at least one character, and only those of a class. */
function isAll(table: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (table[text.charCodeAt(i)] !== 1) return false
  return text.length > 0
}
