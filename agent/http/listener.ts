/**
 * One listening socket of the HTTP API over node:http, with the limits of every connection.
 *
 * Guarantees: requests that are not HTTP get a short answer and a close; after `closeListener` no socket of
 * it is left.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { limitClients } from './client-limit.ts'

/** Request line and headers together; long KV keys travel in the request line. */
export const HEADER_BYTES_MAX = 64 * 1024
/** A connection that has not sent a whole header by then is closed. */
export const HEADERS_TIMEOUT_MS = 30_000
/** An idle connection is kept this long; clients keep pools. */
export const KEEP_ALIVE_MS = 120_000

export function createListener(perClientMax: number, onRequest: RequestListener): Server {
  const server = createServer(
    {
      // Blocking reads answer after ten minutes; the header has its own limit.
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
    },
    onRequest,
  )
  server.on('clientError', refuseBytes)
  limitClients(server, perClientMax)
  return server
}

/** What came was not HTTP. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const isOverflow = error.code === 'HPE_HEADER_OVERFLOW'
  const status = isOverflow ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`,
  )
}

/** @throws the system's error (EADDRINUSE, EACCES, …) */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** `host:port`, IPv6 in brackets. */
export function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

/** Cuts every connection. */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
