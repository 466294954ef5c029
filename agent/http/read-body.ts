/**
 * Reads a request's body into memory, up to the limit of its route.
 *
 * A body whose Content-Length is over the limit is refused before a byte is read; a chunked one as soon as
 * it passes the limit (the reference lets chunked KV values pass; a bound that can be walked around is none).
 */

import type { IncomingMessage } from 'node:http'
import { FairleadError } from '../../core/errors.ts'
import type { BodyLimit } from './route.ts'

/** Of routes without a limit of their own. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024

export const DEFAULT_BODY_LIMIT: BodyLimit = {
  maxBytes: BODY_BYTES_MAX,
  message: (size) =>
    size === undefined
      ? `Request body too large, max size: ${BODY_BYTES_MAX} bytes.`
      : `Request body(${size} bytes) too large, max size: ${BODY_BYTES_MAX} bytes.`,
}

/** @throws FairleadError TOO_LARGE, or BAD_REQUEST when the client went away in between */
export async function readBody(request: IncomingMessage, limit: BodyLimit): Promise<Buffer> {
  const announced = request.headers['content-length']
  if (announced !== undefined && Number(announced) > limit.maxBytes) {
    throw new FairleadError('TOO_LARGE', limit.message(Number(announced)))
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (settle: () => void): void => {
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onClose)
      request.off('error', onClose)
      settle()
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > limit.maxBytes) {
        finish(() => reject(new FairleadError('TOO_LARGE', limit.message(undefined))))
        return
      }
      chunks.push(chunk)
    }
    const onEnd = (): void => {
      const [first] = chunks
      finish(() =>
        resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)),
      )
    }
    const onClose = (): void => {
      finish(() => reject(new FairleadError('BAD_REQUEST', 'The request ended before its body')))
    }
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('error', onClose)
  })
}
