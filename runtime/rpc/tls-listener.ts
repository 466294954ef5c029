/**
 * Listening with TLS for a server of grpc-js, which could not change its certificates while it listens.
 *
 * Guarantees: renewed certificates count for the next connection; a connection that does not finish its handshake in
 * time is cut; callers without a certificate are refused in the handshake where certificates are asked for. Who comes
 * without h2 by ALPN is refused too. After `close` nothing is accepted; what was handed over is its taker's.
 */

import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { TlsSide } from '../tls/tls-side.ts'

export interface TlsListenerOptions {
  readonly side: TlsSide
  readonly verifyIncoming: boolean
  readonly handshakeTimeoutMs: number
}

export class TlsListener {
  readonly #server: Server
  readonly #unfollow: () => void

  constructor(
    { side, verifyIncoming, handshakeTimeoutMs }: TlsListenerOptions,
    take: (socket: TLSSocket) => void,
  ) {
    this.#server = createServer(
      {
        ...side.options,
        requestCert: verifyIncoming,
        rejectUnauthorized: verifyIncoming,
        handshakeTimeout: handshakeTimeoutMs,
        ALPNProtocols: ['h2'],
        noDelay: true,
      },
      take,
    )
    this.#server.on('tlsClientError', (_, socket) => socket.destroy())
    this.#unfollow = side.onChange(() => this.#server.setSecureContext(side.options))
  }

  /** @returns the port. @throws the system's error */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject).on('error', () => {})
        const bound = this.#server.address()
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
      })
    })
  }

  /** Idempotent. */
  close(): void {
    this.#unfollow()
    this.#server.close()
  }
}
