/**
 * Opens one TCP or TLS connection within the life of a signal.
 *
 * Guarantees: on any outcome but success the socket is destroyed. The caller owns the socket it gets and
 * must destroy it.
 */

import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ProbeAddress } from './address.ts'
import type { ProbeTlsOptions } from './probe.ts'

export interface DialOptions extends ProbeAddress {
  /** Absent for plain TCP. */
  readonly tls?: ProbeTlsOptions
  readonly alpn?: readonly string[]
}

/** Name for SNI and for the certificate; an IP address has no SNI. */
export function serverNameFor(host: string, tls: ProbeTlsOptions): string {
  return tls.serverName || (isIP(host) === 0 ? host : '')
}

/** @throws the socket's error, or the signal's reason */
export function dial(options: DialOptions, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const { host, port, tls, alpn } = options
    const socket =
      tls === undefined
        ? connect({ host, port })
        : connectTls({
            host,
            port,
            servername: serverNameFor(host, tls),
            rejectUnauthorized: !tls.skipVerify,
            ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
          })
    const end = (error: unknown): void => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => end(signal.reason)
    socket.once('error', end)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('error', end)
      resolve(socket)
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
