/**
 * What a handler answers, and how it goes onto the wire (http-api.md section 2).
 *
 * Headers are written with Consul's spelling (scripts grep for it), straight to the response: fastify would
 * fold them to lower case. JSON is indented here, after encoding, where asked for.
 */

import type { Transform } from 'node:stream'
import { constants, createGzip, gzip } from 'node:zlib'

/** Bodies of this size and more are compressed when the client accepts it. */
export const GZIP_SIZE_MIN = 1400
/** Fastest: most clients are on the same host. */
const GZIP_LEVEL = 1

export const JSON_TYPE = 'application/json'
export const TEXT_TYPE = 'text/plain; charset=utf-8'

export interface Reply {
  readonly status: number
  /** '' leaves the header out. */
  readonly type: string
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  /** Compact JSON when `type` is JSON_TYPE and this is a string; indentation is applied on sending. */
  readonly body: string | Buffer | RenderedBody | StreamedBody
}

const NO_HEADERS: readonly string[] = []

/** @param body compact JSON */
export function jsonReply(
  body: string | RenderedBody,
  headers: readonly string[] = NO_HEADERS,
  status = 200,
): Reply {
  return { status, type: JSON_TYPE, headers, body }
}

export function textReply(
  status: number,
  body: string,
  headers: readonly string[] = NO_HEADERS,
): Reply {
  return { status, type: TEXT_TYPE, headers, body }
}

/** No body and no type. */
export function emptyReply(status = 200, headers: readonly string[] = NO_HEADERS): Reply {
  return { status, type: '', headers, body: '' }
}

/** A body that is too large for memory, or has no end: sent chunked, at the pace of the client. */
export class StreamedBody {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly close: () => Promise<void>
  /** Each chunk is to arrive as soon as it is there, also when it is compressed on the way. */
  readonly isLive: boolean

  /** @param close called once by whoever sends or drops the body, also when no chunk was asked for */
  constructor(
    chunks: AsyncIterable<Uint8Array>,
    close: () => Promise<void>,
    { isLive }: { readonly isLive: boolean } = { isLive: false },
  ) {
    this.chunks = chunks
    this.close = close
    this.isLive = isLive
  }
}

/** The finished bytes of a body that may be sent many times; compressed once, at the first need. */
export class RenderedBody {
  readonly bytes: Buffer
  #gzipped: Promise<Buffer> | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  gzipped(): Promise<Buffer> {
    this.#gzipped ??= compress(this.bytes)
    return this.#gzipped
  }
}

export function compress(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(bytes, { level: GZIP_LEVEL }, (error, result) => {
      if (error === null) resolve(result)
      else reject(error)
    })
  })
}

/** Gives out what went in at once. */
export function liveGzip(): Transform {
  return createGzip({ level: GZIP_LEVEL, flush: constants.Z_SYNC_FLUSH })
}

/** `gzip` is named with a weight above 0. */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined || !header.includes('gzip')) return false
  for (const item of header.split(',')) {
    const [coding, ...parameters] = item.split(';')
    if (coding?.trim().toLowerCase() !== 'gzip') continue
    const weight = parameters.find((parameter) => /^\s*q=/i.test(parameter))
    return weight === undefined || Number(weight.split('=')[1]) > 0
  }
  return false
}
