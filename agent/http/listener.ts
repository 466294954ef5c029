/**
 * One listening socket of the HTTP API over node:http or node:https, with the limits of every connection.
 *
 * Guarantees: requests that are not HTTP get a short answer and a close; after `closeListener` no socket of
 * it is left.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsSide } from '../../runtime/tls/tls-side.ts'
import { limitClients } from './client-limit.ts'

/** A connection that has not sent a whole header by then is closed. */
export const HEADERS_TIMEOUT_MS = 30_000
/** A request whose body has not come whole by then is ended; what its answer takes does not count. */
export const REQUEST_TIMEOUT_MS = 300_000
/** An idle connection is kept this long; clients keep pools. */
export const KEEP_ALIVE_MS = 120_000

export interface ListenerOptions {
  /** Connections of one client address, 0 for any number; looked up at each connection. */
  readonly perClientMax: () => number
  /** Request line and headers together. */
  readonly headerBytesMax: number
  /** Absent where HTTP is spoken in clear. */
  readonly tls?: ListenerTls
  /** Shorter times, for tests. */
  readonly times?: ReceiveTimes
}

export interface ListenerTls {
  readonly side: TlsSide
  /** Callers need a certificate of its authorities. */
  readonly verifyIncoming: boolean
  readonly handshakeTimeoutMs: number
}

export interface ReceiveTimes {
  readonly headersMs: number
  readonly requestMs: number
  /** How often connections are looked at. */
  readonly lookMs: number
}

const TIMES: ReceiveTimes = {
  headersMs: HEADERS_TIMEOUT_MS,
  requestMs: REQUEST_TIMEOUT_MS,
  lookMs: 10_000,
}

export function createListener(options: ListenerOptions, onRequest: RequestListener): Server {
  const { perClientMax, headerBytesMax, tls, times = TIMES } = options
  const http = {
    requestTimeout: times.requestMs,
    headersTimeout: times.headersMs,
    connectionsCheckingInterval: times.lookMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: headerBytesMax,
    noDelay: true,
  }
  const server =
    tls === undefined ? createServer(http, onRequest) : createHttps(http, tls, onRequest)
  server.on('clientError', refuseBytes)
  limitClients(server, perClientMax)
  return server
}

function createHttps(http: object, tls: ListenerTls, onRequest: RequestListener): Server {
  const { side, verifyIncoming, handshakeTimeoutMs } = tls
  const server = createTlsServer(
    {
      ...http,
      ...side.options,
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: verifyIncoming,
      rejectUnauthorized: verifyIncoming,
      ALPNProtocols: ['http/1.1'],
    },
    onRequest,
  )
  // Connections that are there keep what they were made with.
  const stop = side.onChange(() => server.setSecureContext(side.options))
  server.on('close', stop)
  server.on('tlsClientError', (_, socket) => socket.destroy())
  return server
}

const STATUS_OF: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** What came was not HTTP, or did not come. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = STATUS_OF[error.code ?? ''] ?? '400 Bad Request'
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`,
  )
}

/** @throws the system's error (EADDRINUSE, EACCES, …) */
export function listen(
  server: Server,
  at: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** `host:port`, IPv6 in brackets; `unix://` and the path of a socket file. */
export function addressOf(server: Server): string {
  const bound = server.address()
  if (typeof bound === 'string') return `unix://${bound}`
  const { address, port, family } = bound as AddressInfo
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

/** Cuts every connection. */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
