/**
 * HTTP check: one request; 2xx is passing, 429 warning, everything else critical (http-api.md 10.3).
 *
 * No keep-alive, no proxies of the environment, up to `REDIRECTS_MAX` redirects unless switched off. The
 * Host header may be overridden; the name for TLS stays that of the URL or of the TLS options.
 * Bounds: of the body the first `outputMaxBytes` are read, then the connection is cut.
 */

import type { Socket } from 'node:net'
import type { Agent, Dispatcher, request } from 'undici'
import { headBytes } from '../../core/health/output.ts'
import { dial } from './dial.ts'
import { reasonOf } from './error-text.ts'
import {
  isTimeout,
  type Probe,
  type ProbeResult,
  type ProbeTlsOptions,
  throwIfStopped,
} from './probe.ts'

export interface HttpProbeOptions {
  readonly url: string
  readonly method: string
  readonly header: Readonly<Record<string, readonly string[]>>
  readonly body: string
  readonly disableRedirects: boolean
  readonly tls: ProbeTlsOptions
  readonly outputMaxBytes: number
}

const REDIRECTS_MAX = 10
const USER_AGENT = 'Consul Health Check'
const ACCEPT = 'text/plain, text/*, */*'
/** Not sent on to another host. */
const PRIVATE_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'host',
  'proxy-authorization',
])

type Headers = Readonly<Record<string, string | string[]>>

interface Exchange {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: string
}

export function httpProbe(options: HttpProbeOptions): Probe {
  const method = options.method.toUpperCase()
  return async (signal) => {
    // Loaded by the first check of this kind: most agents have none, and it is the largest of all libraries.
    const undici = await import('undici')
    throwIfStopped(signal)
    const sockets = new Set<Socket>()
    const agent = new undici.Agent({
      connect: connector(options.tls, sockets, signal),
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    try {
      const first: Exchange = {
        url: new URL(options.url),
        method,
        headers: requestHeaders(options.header),
        body: options.body,
      }
      return await follow(first, options, { agent, signal, request: undici.request })
    } catch (error) {
      throwIfStopped(signal)
      const cause = isTimeout(signal) ? 'context deadline exceeded' : reasonOf(error)
      const verb = `${method.slice(0, 1)}${method.slice(1).toLowerCase()}`
      return { status: 'critical', output: `${verb} "${options.url}": ${cause}` }
    } finally {
      for (const socket of sockets) socket.destroy()
      await agent.destroy()
    }
  }
}

async function follow(
  first: Exchange,
  options: HttpProbeOptions,
  context: {
    readonly agent: Agent
    readonly signal: AbortSignal
    readonly request: typeof request
  },
): Promise<ProbeResult> {
  let exchange = first
  for (let redirects = 0; ; redirects++) {
    const response = await context.request(exchange.url, {
      dispatcher: context.agent,
      method: exchange.method as Dispatcher.HttpMethod,
      headers: exchange.headers,
      body: exchange.body === '' ? null : exchange.body,
      signal: context.signal,
      reset: true,
    })
    const next = options.disableRedirects ? undefined : redirected(exchange, response)
    if (next === undefined) return await resultOf(first, response, options.outputMaxBytes)
    response.body.on('error', () => {}).destroy()
    if (redirects >= REDIRECTS_MAX) throw new Error(`stopped after ${REDIRECTS_MAX} redirects`)
    exchange = next
  }
}

async function resultOf(
  asked: Exchange,
  response: Dispatcher.ResponseData,
  outputMaxBytes: number,
): Promise<ProbeResult> {
  const body = await readStart(response.body, outputMaxBytes)
  const code = response.statusCode
  const line = `${code} ${response.statusText}`.trim()
  const output = `HTTP ${asked.method} ${asked.url.href}: ${line} Output: ${body}`
  if (code >= 200 && code < 300) return { status: 'passing', output }
  return { status: code === 429 ? 'warning' : 'critical', output }
}

async function readStart(
  body: Dispatcher.ResponseData['body'],
  limitBytes: number,
): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= limitBytes) break
  }
  return headBytes(Buffer.concat(chunks), limitBytes)
}

/** @returns the request that the answer asks for, or undefined when it is final */
function redirected(asked: Exchange, response: Dispatcher.ResponseData): Exchange | undefined {
  const keepsMethod = response.statusCode === 307 || response.statusCode === 308
  const becomesGet = [301, 302, 303].includes(response.statusCode)
  const location = response.headers['location']
  if ((!keepsMethod && !becomesGet) || typeof location !== 'string') return undefined
  const url = new URL(location, asked.url)
  const headers = url.host === asked.url.host ? asked.headers : publicHeaders(asked.headers)
  if (keepsMethod) return { ...asked, url, headers }
  return { url, headers, method: asked.method === 'HEAD' ? 'HEAD' : 'GET', body: '' }
}

function requestHeaders(given: Readonly<Record<string, readonly string[]>>): Headers {
  const headers: Record<string, string | string[]> = { 'user-agent': USER_AGENT, accept: ACCEPT }
  for (const [name, values] of Object.entries(given)) {
    // Most names, Host above all, must not be a list when there is one value.
    headers[name.toLowerCase()] = values.length === 1 ? (values[0] ?? '') : [...values]
  }
  return headers
}

function publicHeaders(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.has(name)))
}

/** Connects as the check says, whatever the Host header; remembers its sockets. */
function connector(tls: ProbeTlsOptions, sockets: Set<Socket>, signal: AbortSignal) {
  return (
    target: { readonly hostname: string; readonly port: string; readonly protocol: string },
    done: (...args: [null, Socket] | [Error, null]) => void,
  ): void => {
    const isTls = target.protocol === 'https:'
    const host = target.hostname.replace(/^\[(.*)\]$/, '$1')
    const port = Number(target.port) || (isTls ? 443 : 80)
    dial({ host, port, ...(isTls ? { tls, alpn: ['http/1.1'] } : {}) }, signal).then(
      (socket) => {
        sockets.add(socket)
        done(null, socket)
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
    )
  }
}
