/**
 * Sends a text to a URL, as handlers of watches are called (agent-config.md section 10).
 *
 * One request on a connection of its own; redirects are not followed. Bounds: the time of the call; of the answer the
 * first OUTPUT_SIZE_MAX bytes are kept.
 */

import { Buffer } from 'node:buffer'
import { type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { FairleadError } from '../../core/errors.ts'
import { type Clock, instant } from '../../core/time.ts'

const OUTPUT_SIZE_MAX = 4096

export interface HttpCallOptions {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: string
  readonly timeoutMs: number
  readonly tlsSkipVerify: boolean
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/** @throws FairleadError BUSY when it takes too long; the platform's error; the abort reason */
export async function callUrl(
  options: HttpCallOptions,
  { clock }: { readonly clock: Clock },
): Promise<HttpAnswer> {
  const { url, method, timeoutMs } = options
  const late = new AbortController()
  const timer = clock.timer(instant(clock.now() + timeoutMs), () => {
    late.abort(new FairleadError('BUSY', `${method} ${url} took over ${timeoutMs} ms`))
  })
  const signal = AbortSignal.any([options.signal, late.signal])
  try {
    return await bodyOf(await send(options, signal))
  } catch (thrown) {
    signal.throwIfAborted()
    throw thrown
  } finally {
    timer.cancel()
  }
}

function send(options: HttpCallOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, method, body, tlsSkipVerify } = options
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | string[]> = {}
    for (const [name, values] of Object.entries(options.headers)) headers[name] = [...values]
    const outgoing = url.startsWith('https:')
      ? requestTls(url, {
          method,
          headers,
          signal,
          agent: false,
          rejectUnauthorized: !tlsSkipVerify,
        })
      : request(url, { method, headers, signal, agent: false })
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

async function bodyOf(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk)
    chunks.push(bytes)
    size += bytes.length
    if (size >= OUTPUT_SIZE_MAX) break
  }
  const body = Buffer.concat(chunks).subarray(0, OUTPUT_SIZE_MAX).toString('utf8')
  return { status: response.statusCode ?? 0, body }
}
