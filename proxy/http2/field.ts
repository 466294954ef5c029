/**
 * A field of an HTTP/2 head, with what the proxy must know of it (RFC 9113 8.2, 8.3; mesh.md 10.11).
 *
 * What a field is gets decided once, when it is read or enters the table: one that comes again as an index costs
 * nothing but the text it adds. Names and values are latin1; whatever could end a line or begin another field in
 * HTTP/1 text makes it BAD.
 */

import { IS_FIELD_VALUE, IS_TOKEN, SPACE, TAB } from '../http1/bytes.ts'

/** Forwarded as it is. */
export const PLAIN = 0
/** Malformed, or not allowed in HTTP/2: the message must not be taken. */
export const BAD = 1
/** Allowed, and of this hop only. */
export const CUT = 2
export const METHOD = 3
export const SCHEME = 4
export const AUTHORITY = 5
export const PATH = 6
export const STATUS = 7
export const HOST = 8
export const LENGTH = 9
export const TE = 10
export const EXPECT = 11
export const COOKIE = 12
export const CLIENT_CERT = 13
export const REQUEST_ID = 14
export const FORWARDED_PROTO = 15
export const DATE = 16
export const SERVICE_TIME = 17
export const TIMEOUT = 18

const KINDS: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':authority', AUTHORITY],
  [':path', PATH],
  [':status', STATUS],
  ['host', HOST],
  ['content-length', LENGTH],
  ['te', TE],
  ['expect', EXPECT],
  ['cookie', COOKIE],
  ['x-forwarded-client-cert', CLIENT_CERT],
  ['x-request-id', REQUEST_ID],
  ['x-forwarded-proto', FORWARDED_PROTO],
  ['date', DATE],
  ['x-envoy-upstream-service-time', SERVICE_TIME],
  ['grpc-timeout', TIMEOUT],
  ['x-envoy-expected-rq-timeout-ms', TIMEOUT],
  ['connection', BAD],
  ['keep-alive', BAD],
  ['proxy-connection', BAD],
  ['transfer-encoding', BAD],
  ['upgrade', BAD],
  ['http2-settings', BAD],
  ['trailer', CUT],
  ['proxy-authorization', CUT],
  ['proxy-authenticate', CUT],
])

const UPPER_A = 0x41
const UPPER_Z = 0x5a
/** RFC 7541 4.1. */
const OVERHEAD_BYTES = 32

export class Field {
  readonly name: string
  readonly value: string
  readonly kind: number
  /** As tables and limits count it. */
  readonly size: number
  /** As HTTP/1 text, with its CRLF; '' for pseudo-header fields and what is not forwarded. */
  readonly line: string

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.size = name.length + value.length + OVERHEAD_BYTES
    this.kind = kindOf(name, value)
    const isForwarded = this.kind !== BAD && this.kind !== CUT && name.charCodeAt(0) !== COLON
    this.line = isForwarded ? `${name}: ${value}\r\n` : ''
  }

  get isPseudo(): boolean {
    return this.kind >= METHOD && this.kind <= STATUS
  }
}

const COLON = 0x3a

function kindOf(name: string, value: string): number {
  if (!isValue(value)) return BAD
  const known = KINDS.get(name)
  if (known !== undefined) return known
  return isName(name) ? PLAIN : BAD
}

/** A token without upper case; a pseudo-header field that nobody defined is none. */
function isName(name: string): boolean {
  if (name.length === 0) return false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (IS_TOKEN[code] !== 1 || (code >= UPPER_A && code <= UPPER_Z)) return false
  }
  return true
}

/** Without controls, and without white space at either end (RFC 9113 8.2.1). */
function isValue(value: string): boolean {
  const last = value.length - 1
  if (last < 0) return true
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(last))) return false
  for (let i = 0; i <= last; i++) if (IS_FIELD_VALUE[value.charCodeAt(i)] !== 1) return false
  return true
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
