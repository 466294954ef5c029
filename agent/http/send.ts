/**
 * Writes a reply to the connection: standing headers, layout, compression, length.
 *
 * Every answer of the API carries `Vary`, `X-Consul-Default-Acl-Policy` and the configured extra headers
 * (http-api.md 2.3). Bypasses fastify's reply, which would fold the names to lower case.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { AgentConfig } from '../../core/config/model.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Layout } from './call.ts'
import { renderJson } from './render.ts'
import {
  acceptsGzip,
  compress,
  GZIP_SIZE_MIN,
  JSON_TYPE,
  liveGzip,
  RenderedBody,
  type Reply,
  StreamedBody,
  textReply,
} from './reply.ts'

export function standingHeaders(config: AgentConfig): readonly string[] {
  const policy = config.acl.enabled ? config.acl.defaultPolicy : 'allow'
  const headers = ['Vary', 'Accept-Encoding', 'X-Consul-Default-Acl-Policy', policy]
  for (const [name, value] of Object.entries(config.httpResponseHeaders)) headers.push(name, value)
  return headers
}

export interface SendOptions {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly standing: readonly string[]
  readonly layout: Layout
}

/** Resolves when the reply was handed to the connection; a connection that is gone is no error. */
export function send(reply: Reply, options: SendOptions): void | Promise<void> {
  const { request, response } = options
  if (reply.body instanceof StreamedBody) return sendStream(reply, reply.body, options)
  if (response.headersSent || response.destroyed) return undefined
  const bytes = bytesOf(reply, reply.body, options.layout)
  const isCompressed =
    bytes.length >= GZIP_SIZE_MIN && acceptsGzip(request.headers['accept-encoding'])
  if (!isCompressed) {
    write(reply, bytes, options, false)
    return undefined
  }
  const gzipped = reply.body instanceof RenderedBody ? reply.body.gzipped() : compress(bytes)
  return gzipped.then((small) => write(reply, small, options, true))
}

function write(reply: Reply, bytes: Buffer, options: SendOptions, isCompressed: boolean): void {
  const { response } = options
  if (response.headersSent || response.destroyed) return
  const headers = options.standing.concat(reply.headers)
  if (reply.type !== '') headers.push('Content-Type', reply.type)
  if (isCompressed) headers.push('Content-Encoding', 'gzip')
  headers.push('Content-Length', String(bytes.length))
  response.writeHead(reply.status, headers)
  if (bytes.length === 0) response.end()
  else response.end(bytes)
}

/** A failure under way can only cut the connection: the head is out. */
async function sendStream(
  reply: Reply,
  body: StreamedBody,
  { request, response, standing }: SendOptions,
): Promise<void> {
  try {
    if (response.headersSent || response.destroyed) return
    const headers = [...standing, ...reply.headers]
    if (reply.type !== '') headers.push('Content-Type', reply.type)
    const isCompressed = body.isLive && acceptsGzip(request.headers['accept-encoding'])
    if (isCompressed) headers.push('Content-Encoding', 'gzip')
    response.writeHead(reply.status, headers)
    // Whoever follows should know at once that there is something to follow.
    if (body.isLive) response.flushHeaders()
    const chunks = Readable.from(body.chunks, { objectMode: false })
    if (isCompressed) await pipeline(chunks, liveGzip(), response)
    else await pipeline(chunks, response)
  } catch (thrown) {
    // A client that hangs up is no failure of ours.
    if ((thrown as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw thrown
  } finally {
    await body.close()
  }
}

function bytesOf(reply: Reply, body: Exclude<Reply['body'], StreamedBody>, layout: Layout): Buffer {
  if (typeof body !== 'string') return body instanceof RenderedBody ? body.bytes : body
  return Buffer.from(reply.type === JSON_TYPE ? renderJson(body, layout) : body)
}

/** Seconds; the rates are of a second. */
const RETRY_AFTER_S = '1'

/** The error as a client sees it: plain text with the status of its code (http-api.md 2.1). */
export function errorReply(thrown: unknown): Reply {
  const error = toFairleadError(thrown)
  const headers = ['X-Fairlead-Error', error.code]
  if (error.code === 'RATE_LIMITED' || error.code === 'LEADER_RATE_LIMITED') {
    headers.push('Retry-After', RETRY_AFTER_S)
  }
  return textReply(error.entry.httpStatus, error.message, headers)
}

/** Whether an operator should see it in the log: what no client can cause. */
export function isUnexpected(thrown: unknown): boolean {
  return !(thrown instanceof FairleadError) || thrown.code === 'INTERNAL'
}
