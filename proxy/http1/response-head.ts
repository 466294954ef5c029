/**
 * What a parsed response head means: its framing, whether the connection lives on, its canonical text
 * (RFC 9112 4, 6.3, 9).
 *
 * Never throws. As strict as for requests where two readers could disagree on where a body ends: such a
 * response is refused and its connection given up.
 */

import { equalsIgnoreCase } from './bytes.ts'
import { fieldValue, keptFields } from './canonical-text.ts'
import { type ConnectionOptions, readConnectionOptions } from './connection-options.ts'
import {
  FIELD_CONTENT_LENGTH,
  FIELD_DATE,
  FIELD_KEEP_ALIVE,
  FIELD_OTHER,
  FIELD_REQUEST_ID,
  FIELD_SERVICE_TIME,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  HOP_BY_HOP_MASK,
} from './field-ids.ts'
import type { HeadParser } from './head-parser.ts'
import { BODY_LENGTH, BODY_NONE, BODY_STREAM, parseContentLength, ResponseHead } from './message.ts'

/** Fields with which a response stays on the fast path. */
const PLAIN_MASK =
  (1 << FIELD_OTHER) | (1 << FIELD_DATE) | (1 << FIELD_CONTENT_LENGTH) | (1 << FIELD_REQUEST_ID)
const CUT_MASK = HOP_BY_HOP_MASK | (1 << FIELD_SERVICE_TIME)
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout=(\d{1,6})/i

export interface ResponseContext {
  readonly isHead: boolean
  readonly upgrade: boolean
}

/** @returns the head, or undefined when the response cannot be forwarded safely */
export function interpretResponse(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  request: ResponseContext,
): ResponseHead | undefined {
  const status = parser.status
  const options = readConnectionOptions(parser, bytes, base)
  if (options === undefined) return undefined
  if (status === 101) return interpretUpgrade(parser, bytes, base, request, options)
  const hasNoBody = request.isHead || status < 200 || status === 204 || status === 304
  const length = contentLength(parser, bytes, base)
  if (length === undefined) return undefined
  const isChunked = (parser.mask & (1 << FIELD_TRANSFER_ENCODING)) !== 0
  if (isChunked && !isSoundCoding(parser, bytes, base)) return undefined
  const cutLength = status < 200 || status === 204
  const text = responseText(parser, bytes, base, cutLength, options)
  let head: ResponseHead
  if (hasNoBody || length === 0) head = new ResponseHead(status, text, BODY_NONE, 0)
  else if (length > 0) head = new ResponseHead(status, text, BODY_LENGTH, length)
  else head = new ResponseHead(status, text, BODY_STREAM, 0)
  head.untilClose = head.body === BODY_STREAM && !isChunked
  head.hasDate = (parser.mask & (1 << FIELD_DATE)) !== 0
  const says = parser.versionMinor === 1 || options.keepAlive
  head.keepAlive = says && !options.close && !head.untilClose
  if ((parser.mask & (1 << FIELD_KEEP_ALIVE)) !== 0) {
    head.keepAliveMs = keepAliveTimeout(parser, bytes, base)
  }
  return head
}

/** 101 is only believed when an upgrade was asked for and the server names WebSocket. */
function interpretUpgrade(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  request: ResponseContext,
  options: ConnectionOptions,
): ResponseHead | undefined {
  if (!request.upgrade || !options.upgrade) return undefined
  let protocol = ''
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] === FIELD_UPGRADE) protocol = fieldValue(parser, bytes, base, i)
  }
  if (protocol.toLowerCase() !== 'websocket') return undefined
  const cut = (CUT_MASK & ~(1 << FIELD_UPGRADE)) | (1 << FIELD_CONTENT_LENGTH)
  const fields = keptFields(parser, bytes, base, cut, options.drop)
  const text = `${statusLine(parser, bytes, base)}${fields}connection: upgrade\r\n`
  const head = new ResponseHead(101, text, BODY_NONE, 0)
  head.keepAlive = false
  return head
}

/** @returns -1 when there is none, undefined when it is malformed, repeated, or beside a transfer coding */
function contentLength(parser: HeadParser, bytes: Buffer, base: number): number | undefined {
  if ((parser.mask & (1 << FIELD_CONTENT_LENGTH)) === 0) return -1
  if ((parser.mask & (1 << FIELD_TRANSFER_ENCODING)) !== 0) return undefined
  let length = -1
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_CONTENT_LENGTH) continue
    if (length >= 0) return undefined
    length = parseContentLength(
      bytes,
      base + (parser.fields[i * 4 + 2] as number),
      base + (parser.fields[i * 4 + 3] as number),
    )
    if (length < 0) return undefined
  }
  return length
}

/** Exactly `chunked`, once, from a server of HTTP/1.1. */
function isSoundCoding(parser: HeadParser, bytes: Buffer, base: number): boolean {
  if (parser.versionMinor === 0) return false
  let seen = false
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_TRANSFER_ENCODING) continue
    const from = base + (parser.fields[i * 4 + 2] as number)
    const to = base + (parser.fields[i * 4 + 3] as number)
    if (seen || !equalsIgnoreCase(bytes, from, to, 'chunked')) return false
    seen = true
  }
  return seen
}

function responseText(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  cutLength: boolean,
  options: ConnectionOptions,
): string {
  if ((parser.mask & ~PLAIN_MASK) === 0 && parser.versionMinor === 1 && !cutLength) {
    return bytes.toString('latin1', base, base + parser.fieldsEnd)
  }
  const cut = cutLength ? CUT_MASK | (1 << FIELD_CONTENT_LENGTH) : CUT_MASK
  return statusLine(parser, bytes, base) + keptFields(parser, bytes, base, cut, options.drop)
}

function statusLine(parser: HeadParser, bytes: Buffer, base: number): string {
  if (parser.versionMinor === 1) return bytes.toString('latin1', base, base + parser.fieldsStart)
  return `HTTP/1.1${bytes.toString('latin1', base + 8, base + parser.fieldsStart)}`
}

/** What the server promises in `Keep-Alive: timeout=…`, ms; 0 when it does not. */
function keepAliveTimeout(parser: HeadParser, bytes: Buffer, base: number): number {
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_KEEP_ALIVE) continue
    const match = KEEP_ALIVE_TIMEOUT.exec(fieldValue(parser, bytes, base, i))
    if (match !== null) return Number(match[1]) * 1000
  }
  return 0
}
