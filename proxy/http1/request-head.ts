/**
 * What a parsed request head means: its framing, what it asks of the connection, and its canonical text
 * (RFC 9112 3, 6, 9; RFC 9110 7.6, 7.8). Also the checks that stop request smuggling.
 *
 * Never throws. Guarantees: whatever is accepted here delimits its body in exactly one way, has exactly one
 * valid Host, and carries nothing of the hop it came from. The common head costs two slices.
 */

import { equalsIgnoreCase, IS_HOST } from './bytes.ts'
import { fieldValue, keptFields } from './canonical-text.ts'
import { readConnectionOptions } from './connection-options.ts'
import {
  FIELD_CLIENT_CERT,
  FIELD_CONTENT_LENGTH,
  FIELD_DATE,
  FIELD_ERROR_CODE,
  FIELD_EXPECT,
  FIELD_EXPECTED_TIMEOUT,
  FIELD_FORWARDED_PROTO,
  FIELD_GRPC_TIMEOUT,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_REQUEST_ID,
  FIELD_SERVICE_TIME,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  HOP_BY_HOP_MASK,
} from './field-ids.ts'
import type { HeadParser } from './head-parser.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  type BodyKind,
  METHOD_CONNECT,
  METHOD_HEAD,
  METHOD_IDEMPOTENT,
  METHOD_OTHER,
  parseContentLength,
  RequestHead,
} from './message.ts'
import { mayNeedNormalising, normaliseTarget, targetForm } from './target.ts'

/** Fields that need no second look: their presence leaves a head on the fast path. */
const PLAIN_MASK =
  (1 << FIELD_OTHER) |
  (1 << FIELD_HOST) |
  (1 << FIELD_REQUEST_ID) |
  (1 << FIELD_FORWARDED_PROTO) |
  (1 << FIELD_DATE) |
  (1 << FIELD_SERVICE_TIME) |
  (1 << FIELD_ERROR_CODE) |
  (1 << FIELD_GRPC_TIMEOUT) |
  (1 << FIELD_EXPECTED_TIMEOUT)

const TIMEOUT_MASK = (1 << FIELD_GRPC_TIMEOUT) | (1 << FIELD_EXPECTED_TIMEOUT)

/** Removed from every forwarded request; the client certificate is put back by who may say so. */
const CUT_MASK = HOP_BY_HOP_MASK | (1 << FIELD_CLIENT_CERT)
const SLASH = 0x2f

/**
 * @param normalise rewrite the path (for listeners whose rules look at it)
 * @returns the head, or the status to refuse it with
 */
export function interpretRequest(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  normalise: boolean,
): RequestHead | number {
  const method = methodKind(bytes, base + parser.start, base + parser.methodEnd)
  if (method === METHOD_CONNECT) return 501
  if (!hasOneValidHost(parser, bytes, base)) return 400
  const isPlainTarget =
    bytes[base + parser.targetStart] === SLASH && !(normalise && parser.targetIsUnusual)
  if ((parser.mask & ~PLAIN_MASK) === 0 && isPlainTarget && parser.versionMinor === 1) {
    const text = bytes.toString('latin1', base + parser.start, base + parser.fieldsEnd)
    return finish(parser, new RequestHead(text, BODY_NONE, 0, method, false))
  }
  return interpretUnusual(parser, bytes, base, method, normalise)
}

function interpretUnusual(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  method: number,
  normalise: boolean,
): RequestHead | number {
  const framing = requestFraming(parser, bytes, base)
  if (framing < 0) return -framing
  const options = readConnectionOptions(parser, bytes, base)
  if (options === undefined) return 400
  const isHttp10 = parser.versionMinor === 0
  const body = framingBody(parser, framing)
  const upgrade =
    options.upgrade && !isHttp10 && body === BODY_NONE && asksForWebSocket(parser, bytes, base)
  let cut = upgrade ? CUT_MASK & ~(1 << FIELD_UPGRADE) : CUT_MASK
  const expectation = readExpectation(parser, bytes, base)
  if (expectation === 'unknown') return 417
  // HTTP/1.0 cannot be told to go on, so the expectation means nothing there (RFC 9110 10.1.1).
  if (isHttp10) cut |= 1 << FIELD_EXPECT
  const line = requestLine(parser, bytes, base, normalise)
  if (line === undefined) return 400
  if (line.host !== undefined) cut |= 1 << FIELD_HOST
  let text = line.text + keptFields(parser, bytes, base, cut, options.drop)
  if (line.host !== undefined) text += `host: ${line.host}\r\n`
  if (upgrade) text += 'connection: upgrade\r\n'
  if (wantsTrailers(parser, bytes, base)) text += 'te: trailers\r\nconnection: te\r\n'
  const length = body === BODY_LENGTH ? framing : 0
  const head = new RequestHead(text, body, length, method, upgrade)
  head.isHttp10 = isHttp10
  head.expectsContinue = expectation === 'continue' && !isHttp10
  head.keepAlive = isHttp10 ? options.keepAlive && !options.close : !options.close
  head.clientCert = joinedValue(parser, bytes, base, FIELD_CLIENT_CERT)
  return finish(parser, head)
}

function finish(parser: HeadParser, head: RequestHead): RequestHead {
  head.hasRequestId = (parser.mask & (1 << FIELD_REQUEST_ID)) !== 0
  head.hasForwardedProto = (parser.mask & (1 << FIELD_FORWARDED_PROTO)) !== 0
  head.hasTimeout = (parser.mask & TIMEOUT_MASK) !== 0
  return head
}

function hasOneValidHost(parser: HeadParser, bytes: Buffer, base: number): boolean {
  if ((parser.mask & (1 << FIELD_HOST)) === 0) return false
  let seen = false
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_HOST) continue
    if (seen) return false
    seen = true
    const from = base + (parser.fields[i * 4 + 2] as number)
    const to = base + (parser.fields[i * 4 + 3] as number)
    if (from === to) return false
    for (let at = from; at < to; at++) if (IS_HOST[bytes[at] as number] !== 1) return false
  }
  return true
}

/** @returns the content length (0 with none), or minus the status that refuses the framing */
function requestFraming(parser: HeadParser, bytes: Buffer, base: number): number {
  const hasCoding = (parser.mask & (1 << FIELD_TRANSFER_ENCODING)) !== 0
  const hasLength = (parser.mask & (1 << FIELD_CONTENT_LENGTH)) !== 0
  if (hasCoding) {
    if (hasLength || parser.versionMinor === 0) return -400
    return transferCoding(parser, bytes, base)
  }
  if (!hasLength) return 0
  let length = -1
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_CONTENT_LENGTH) continue
    if (length >= 0) return -400
    length = parseContentLength(
      bytes,
      base + (parser.fields[i * 4 + 2] as number),
      base + (parser.fields[i * 4 + 3] as number),
    )
    if (length < 0) return -400
  }
  return length
}

function framingBody(parser: HeadParser, length: number): BodyKind {
  if ((parser.mask & (1 << FIELD_TRANSFER_ENCODING)) !== 0) return BODY_STREAM
  return length > 0 ? BODY_LENGTH : BODY_NONE
}

/** Exactly one field that says exactly `chunked`; other codings end in 501, nonsense in 400. */
function transferCoding(parser: HeadParser, bytes: Buffer, base: number): number {
  let seen = false
  let result = 0
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_TRANSFER_ENCODING) continue
    if (seen) return -400
    seen = true
    const from = base + (parser.fields[i * 4 + 2] as number)
    const to = base + (parser.fields[i * 4 + 3] as number)
    if (equalsIgnoreCase(bytes, from, to, 'chunked')) continue
    result = /^[\w-]+[ \t]*,[ \t]*chunked$/i.test(bytes.toString('latin1', from, to)) ? -501 : -400
  }
  return result
}

function asksForWebSocket(parser: HeadParser, bytes: Buffer, base: number): boolean {
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_UPGRADE) continue
    // Any other protocol would leave what the intentions can see (h2c above all): it is not passed on.
    return fieldValue(parser, bytes, base, i).toLowerCase() === 'websocket'
  }
  return false
}

function readExpectation(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
): 'none' | 'continue' | 'unknown' {
  if ((parser.mask & (1 << FIELD_EXPECT)) === 0) return 'none'
  const value = joinedValue(parser, bytes, base, FIELD_EXPECT) ?? ''
  return value.toLowerCase() === '100-continue' ? 'continue' : 'unknown'
}

function wantsTrailers(parser: HeadParser, bytes: Buffer, base: number): boolean {
  if ((parser.mask & (1 << FIELD_TE)) === 0) return false
  const value = joinedValue(parser, bytes, base, FIELD_TE) ?? ''
  return value.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers')
}

/** Values of all fields with this id, joined by commas; undefined when there is none. */
function joinedValue(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  id: number,
): string | undefined {
  if ((parser.mask & (1 << id)) === 0) return undefined
  let joined: string | undefined
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== id) continue
    const value = fieldValue(parser, bytes, base, i)
    joined = joined === undefined ? value : `${joined},${value}`
  }
  return joined
}

/** @returns the line with its CRLF, and the Host that replaces the received one for an absolute target */
function requestLine(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  normalise: boolean,
): { readonly text: string; readonly host: string | undefined } | undefined {
  const method = bytes.toString('latin1', base + parser.start, base + parser.methodEnd)
  const raw = bytes.toString('latin1', base + parser.targetStart, base + parser.targetEnd)
  const form = targetForm(raw, method === 'OPTIONS')
  if (form === undefined) return undefined
  const path = form.kind === 'absolute' ? form.path : raw
  const target = normalise && mayNeedNormalising(path) ? normaliseTarget(path) : path
  if (target === undefined) return undefined
  const host = form.kind === 'absolute' ? form.authority : undefined
  if (host !== undefined && !isHost(host)) return undefined
  return { text: `${method} ${target} HTTP/1.1\r\n`, host }
}

function isHost(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (IS_HOST[text.charCodeAt(i)] !== 1) return false
  return true
}

function methodKind(bytes: Buffer, from: number, to: number): number {
  // Methods are case-sensitive (RFC 9110 9.1): `get` is some other method.
  switch (to - from) {
    case 3:
      return exact(bytes, from, 'GET') || exact(bytes, from, 'PUT')
        ? METHOD_IDEMPOTENT
        : METHOD_OTHER
    case 4:
      return exact(bytes, from, 'HEAD') ? METHOD_HEAD : METHOD_OTHER
    case 5:
      return exact(bytes, from, 'TRACE') ? METHOD_IDEMPOTENT : METHOD_OTHER
    case 6:
      return exact(bytes, from, 'DELETE') ? METHOD_IDEMPOTENT : METHOD_OTHER
    case 7:
      if (exact(bytes, from, 'CONNECT')) return METHOD_CONNECT
      return exact(bytes, from, 'OPTIONS') ? METHOD_IDEMPOTENT : METHOD_OTHER
    default:
      return METHOD_OTHER
  }
}

function exact(bytes: Buffer, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[from + i] !== text.charCodeAt(i)) return false
  }
  return true
}
