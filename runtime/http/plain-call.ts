/**
 * One HTTP or HTTPS request of the program's own, to a service that an operator named; no pools, no redirects.
 *
 * Guarantees: ends within `timeoutMs`; an answer longer than `bytesMax` is refused and its connection ended.
 * Certificates are verified unless the caller trusts other authorities, which it gives.
 */

import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { request as requestTls } from 'node:https'

export interface PlainCall {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly bytesMax: number
  /** PEM of the authorities to trust instead of the system's. */
  readonly caPem?: string
  readonly serverName?: string
  /** Trusts any certificate. */
  readonly isUnverified?: boolean
}

export interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** @throws Error of the connection, or saying that it took too long or brought too much */
export async function plainCall(call: PlainCall): Promise<PlainAnswer> {
  const { url, method, body, timeoutMs, bytesMax } = call
  return await new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const options: RequestOptions & Record<string, unknown> = {
      method,
      signal,
      agent: false,
      headers: {
        ...call.headers,
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      },
      ...(call.caPem === undefined ? {} : { ca: call.caPem }),
      ...(call.serverName === undefined ? {} : { servername: call.serverName }),
      ...(call.isUnverified === true ? { rejectUnauthorized: false } : {}),
    }
    const onAnswer = (response: IncomingMessage): void => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        chunks.push(chunk)
        if (size > bytesMax) response.destroy(new Error(`the answer is over ${bytesMax} bytes`))
      })
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
      })
    }
    const outgoing =
      url.protocol === 'https:'
        ? requestTls(url, options, onAnswer)
        : request(url, options, onAnswer)
    outgoing.on('error', (err) => {
      reject(signal.aborted ? new Error(`no answer after ${timeoutMs} ms`, { cause: err }) : err)
    })
    outgoing.end(body)
  })
}
