/**
 * Replies that the proxy itself gives (mesh.md 10.12): status, body, and the code in `x-fairlead-error`.
 *
 * Always closed by Content-Length, plain text, never cached by mistake. The body of a denial is what Envoy
 * says, since callers look for it. A gRPC caller gets what it understands instead: status 200 and a grpc-status.
 */

import { ERRORS, type ErrorCode } from '../../core/errors.ts'
import type { WallTime } from '../../core/time.ts'
import { grpcStatusFields, isGrpcRequest } from '../exchange/grpc-status.ts'
import { BODY_LENGTH, BODY_NONE, type RequestHead, ResponseHead } from './message.ts'
import { reasonPhrase } from './reason-phrases.ts'

export interface Reply {
  readonly head: ResponseHead
  readonly body: string
}

const BODIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  PERMISSION_DENIED: 'RBAC: access denied',
  UPSTREAM_UNHEALTHY: 'no healthy upstream',
  UPSTREAM_TIMEOUT: 'upstream request timeout',
  DEADLINE_EXCEEDED: 'upstream request timeout',
  RATE_LIMITED: 'local_rate_limited',
}

/** Where the HTTP status says less than is known. */
const OWN_GRPC_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  DEADLINE_EXCEEDED: ERRORS.DEADLINE_EXCEEDED.grpcStatus,
}

/** Fields of replies that Envoy would mark, so that callers written for it understand ours. */
const EXTRA_FIELDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  UPSTREAM_OVERLOADED: 'x-envoy-overloaded: true\r\n',
}

/**
 * A reply to HEAD has the fields of a body but none.
 *
 * @param request undefined when it could not be read; `isHead` then says what is known
 */
export function generatedReply(
  code: ErrorCode,
  options: {
    readonly status?: number
    readonly reason?: string
    readonly request: RequestHead | undefined
    readonly isHead?: boolean
    readonly date: string
  },
): Reply {
  const { request } = options
  const status = options.status ?? ERRORS[code].httpStatus
  const body = BODIES[code] ?? options.reason ?? reasonPhrase(status)
  if (request !== undefined && isGrpcRequest(request.text)) {
    return grpcReply(code, status, body, options.date)
  }
  const isHead = options.isHead ?? request?.isHead ?? false
  const text =
    `HTTP/1.1 ${status} ${reasonPhrase(status) || 'Error'}\r\n` +
    `content-type: text/plain\r\ncontent-length: ${body.length}\r\n` +
    `x-fairlead-error: ${code}\r\n${EXTRA_FIELDS[code] ?? ''}date: ${options.date}\r\n`
  const isEmpty = isHead || body.length === 0
  return {
    head: new ResponseHead(
      status,
      text,
      isEmpty ? BODY_NONE : BODY_LENGTH,
      isEmpty ? 0 : body.length,
    ),
    body: isHead ? '' : body,
  }
}

function grpcReply(code: ErrorCode, httpStatus: number, message: string, date: string): Reply {
  const text =
    'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n' +
    grpcStatusFields(httpStatus, message, OWN_GRPC_STATUS[code]) +
    `x-fairlead-error: ${code}\r\n${EXTRA_FIELDS[code] ?? ''}date: ${date}\r\n`
  return { head: new ResponseHead(200, text, BODY_NONE, 0), body: '' }
}

/** Code for a request that was refused while reading it, by the status it is refused with. */
export function refusalCode(status: number): ErrorCode {
  switch (status) {
    case 414:
      return 'URI_TOO_LONG'
    case 431:
      return 'HEADERS_TOO_LARGE'
    case 501:
      return 'NOT_SUPPORTED'
    default:
      return 'BAD_REQUEST'
  }
}

/** The text for connection failures in Envoy's words. */
export function disconnectReason(detail: string): string {
  return `upstream connect error or disconnect/reset before headers. reset reason: ${detail}`
}

/** IMF-fixdate of the current second, formatted once a second. */
export class HttpDate {
  readonly #wall: () => WallTime
  #second = -1
  #text = ''

  constructor(wall: () => WallTime) {
    this.#wall = wall
  }

  get text(): string {
    const second = Math.floor(this.#wall() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#text = new Date(second * 1000).toUTCString()
    }
    return this.#text
  }
}
