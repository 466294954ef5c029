/**
 * gRPC check: the call `grpc.health.v1.Health/Check`; passing when it answers SERVING (http-api.md 10.3).
 *
 * Speaks just this one call over HTTP/2: a request of one field, an answer of one enumeration.
 * Bounds: answers up to `ANSWER_MAX_BYTES`.
 */

import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { invalidAddress, parseAddress } from './address.ts'
import { dialError, reasonOf } from './error-text.ts'
import { withHttp2 } from './http2-session.ts'
import {
  critical,
  isTimeout,
  type Probe,
  type ProbeResult,
  type ProbeTlsOptions,
  passing,
  throwIfStopped,
} from './probe.ts'

const PATH = '/grpc.health.v1.Health/Check'
const ANSWER_MAX_BYTES = 16 * 1024
/** `HealthCheckResponse.ServingStatus`. */
const SERVING_STATUS: readonly string[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const SERVING = 1

const CODES: readonly string[] = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
}

/** @param target `host:port`, or `host:port/service` for one service of the server */
export function grpcProbe(target: string, tls?: ProbeTlsOptions): Probe {
  const slash = target.indexOf('/')
  const addressText = slash < 0 ? target : target.slice(0, slash)
  const service = slash < 0 ? '' : target.slice(slash + 1)
  const address = parseAddress(addressText)
  if (address === undefined) return async () => critical(invalidAddress(target))
  return async (signal) => {
    try {
      const answer = await withHttp2(address, tls, signal, (session) => call(session, service))
      return judge(target, answer)
    } catch (error) {
      throwIfStopped(signal)
      const reason = isTimeout(signal)
        ? 'context deadline exceeded'
        : isDialError(error)
          ? dialError('tcp', addressText, error, signal)
          : reasonOf(error)
      return critical(`gRPC check ${target}: ${reason}`)
    }
  }
}

function call(session: ClientHttp2Session, service: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      'user-agent': 'Consul Health Check',
      te: 'trailers',
    })
    let headers: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    let size = 0
    stream.on('response', (received) => {
      headers = received
    })
    stream.on('trailers', (received) => {
      trailers = received
    })
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > ANSWER_MAX_BYTES) stream.destroy(new Error('answer is too large'))
      else chunks.push(chunk)
    })
    stream.on('error', reject)
    stream.on('end', () => resolve({ headers, trailers, body: Buffer.concat(chunks) }))
    stream.end(requestFrame(service))
  })
}

/** Length-prefixed message with `string service = 1`. */
function requestFrame(service: string): Buffer {
  const name = Buffer.from(service)
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

function judge(target: string, answer: Answer): ProbeResult {
  const fail = (reason: string): ProbeResult => critical(`gRPC check ${target}: ${reason}`)
  const httpStatus = answer.headers[':status']
  if (Number(httpStatus) !== 200) return fail(`unexpected HTTP status ${httpStatus ?? 'none'}`)
  // An answer without a body carries its status in the headers.
  const status = answer.trailers['grpc-status'] ?? answer.headers['grpc-status']
  const code = Number(status ?? Number.NaN)
  if (code !== 0) {
    const message = String(answer.trailers['grpc-message'] ?? answer.headers['grpc-message'] ?? '')
    return fail(`rpc error: code = ${CODES[code] ?? 'Unknown'} desc = ${percentDecoded(message)}`)
  }
  const serving = servingStatus(answer.body)
  if (serving === SERVING) return passing(`gRPC check ${target}: success`)
  return fail(`service is ${SERVING_STATUS[serving] ?? serving}`)
}

/** `status = 1` of the answer; an absent field is 0. */
function servingStatus(body: Buffer): number {
  const message = body.subarray(5)
  for (let at = 0; at + 1 < message.length; at += 2) {
    // Only single-byte fields are expected; anything else is not a health answer.
    if (message[at] === 0x08) return message[at + 1] ?? 0
  }
  return 0
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Sent without escaping: show it as it came.
    return text
  }
}

function isDialError(error: unknown): boolean {
  if (error instanceof AggregateError) return true
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall !== undefined
}
