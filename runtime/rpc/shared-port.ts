/**
 * The one port of RPC: gRPC and streams of feeds, each in clear or over TLS, told apart by the first byte that a caller sends.
 *
 * Guarantees: a connection is handed over once, with all that it has sent and as whom it is taken (core/tls/peer-role.ts), or cut:
 * when it begins otherwise, is refused, says nothing for FIRST_BYTE_MS or does not finish its handshake in time. Of more
 * than UNDECIDED_MAX that are not handed over the oldest is cut, so that silent ones do not keep others out. Who gets
 * a connection owns it: `close` cuts only what was not handed over. Why there are two protocols: docs/decisions/0020;
 * how TLS comes in below them: 0041.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { FairleadError } from '../../core/errors.ts'
import type { PeerRole, PeerVerdict, Refusal } from '../../core/tls/peer-role.ts'
import type { IncomingTls } from '../tls/rpc-tls.ts'

const FIRST_BYTE_MS = 10_000
const UNDECIDED_MAX = 4_096

export interface SharedPortDeps {
  readonly onGrpc: (socket: Socket, role: PeerRole) => void
  /** By the first byte of its greeting. */
  readonly others: ReadonlyMap<number, (socket: Socket, role: PeerRole) => void>
  /** Without it everybody is taken for a server, in clear. */
  readonly tls?: IncomingTls
  readonly onRefused?: (refusal: Refusal, peer: string) => void
  /** Default UNDECIDED_MAX. */
  readonly undecidedMax?: number
}

/** `PRI * HTTP/2.0` is how an HTTP/2 client begins (RFC 9113 3.4). */
const HTTP2_BYTE = 'P'.charCodeAt(0)
/** The type of a record that carries a handshake (RFC 8446 5.1). */
const TLS_BYTE = 0x16

const NO_CERTIFICATE: Refusal = {
  why: 'refused a caller that speaks TLS: this server has no certificate',
  hint: 'set tls.internal_rpc.cert_file and key_file here',
}

export class SharedPort {
  readonly #deps: SharedPortDeps
  readonly #server: Server
  readonly #tlsServer: TlsServer | undefined
  readonly #undecided = new Set<Socket>()
  /** Connections below handshakes, by the address of the caller. */
  readonly #shaking = new Map<string, Socket>()
  #unfollow: (() => void) | undefined

  constructor(deps: SharedPortDeps) {
    this.#deps = deps
    const options = { noDelay: true }
    this.#server = createServer(options, (socket) => this.#accept(socket))
    this.#tlsServer = this.#createTls()
  }

  /** @returns the port. @throws FairleadError INVALID_CONFIG when the address cannot be bound */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const message = `Cannot listen for RPC on "${host}:${port}": ${cause.message}`
        reject(new FairleadError('INVALID_CONFIG', message, { cause }))
      })
      // As many may wait to be accepted: a whole fleet comes at once when its other server goes.
      this.#server.listen({ host, port, backlog: UNDECIDED_MAX }, () => {
        // A connection that could not be accepted concerns its caller only.
        this.#server.removeAllListeners('error').on('error', () => {})
        const bound = this.#server.address()
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
      })
    })
  }

  /** Takes no more connections. Idempotent. */
  close(): void {
    this.#unfollow?.()
    this.#server.close()
    for (const socket of this.#undecided) socket.destroy()
  }

  #createTls(): TlsServer | undefined {
    const { tls } = this.#deps
    const side = tls?.side
    if (tls === undefined || side === undefined) return undefined
    const server = createTlsServer(
      {
        ...side.options,
        requestCert: true,
        // Who comes without one is judged, and told why he is refused.
        rejectUnauthorized: false,
        handshakeTimeout: tls.handshakeTimeoutMs,
        ALPNProtocols: ['h2'],
      },
      (socket) => this.#shaken(socket),
    )
    server.on('tlsClientError', (_, socket) => socket.destroy())
    this.#unfollow = side.onChange(() => server.setSecureContext(side.options))
    return server
  }

  #accept(socket: Socket): void {
    this.#whenItSpeaks(socket, (bytes) => {
      if (bytes[0] === TLS_BYTE) this.#handshake(socket, bytes)
      else this.#judged(socket, bytes, this.#deps.tls?.judgePlain() ?? { role: 'server' })
    })
  }

  #handshake(socket: Socket, bytes: Buffer): void {
    if (this.#tlsServer === undefined) {
      this.#refuse(socket, NO_CERTIFICATE)
      return
    }
    const caller = callerOf(socket)
    this.#undecided.add(socket)
    this.#shaking.set(caller, socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#undecided.delete(socket)
      if (this.#shaking.get(caller) === socket) this.#shaking.delete(caller)
    })
    socket.unshift(bytes)
    this.#tlsServer.emit('connection', socket)
  }

  #shaken(socket: TLSSocket): void {
    const caller = callerOf(socket)
    const below = this.#shaking.get(caller)
    this.#shaking.delete(caller)
    if (below !== undefined) this.#undecided.delete(below)
    socket.setNoDelay(true)
    const verdict = this.#deps.tls?.judge(socket)
    if (verdict === undefined || 'refusal' in verdict) {
      this.#judged(socket, Buffer.alloc(0), verdict ?? { refusal: NO_CERTIFICATE })
      return
    }
    this.#whenItSpeaks(socket, (bytes) => this.#judged(socket, bytes, verdict))
  }

  /** Calls `then` once, with the first bytes of the caller, after which no listener of ours is left on the socket. */
  #whenItSpeaks(socket: Socket, then: (bytes: Buffer) => void): void {
    this.#undecided.add(socket)
    if (this.#undecided.size > (this.#deps.undecidedMax ?? UNDECIDED_MAX)) this.#cutOldest()
    const cut = (): void => void socket.destroy()
    const onClose = (): void => void this.#undecided.delete(socket)
    const onReadable = (): void => {
      // Not by `data`, after which the socket would be paused, or flow, when it is handed over.
      const bytes: Buffer | null = socket.read()
      if (bytes === null) return
      this.#undecided.delete(socket)
      socket.setTimeout(0)
      socket.off('readable', onReadable).off('close', onClose)
      socket.off('error', cut).off('timeout', cut).off('end', cut)
      then(bytes)
    }
    socket.on('error', cut).on('timeout', cut).on('end', cut)
    socket.on('close', onClose).on('readable', onReadable)
    socket.setTimeout(FIRST_BYTE_MS)
  }

  #cutOldest(): void {
    for (const oldest of this.#undecided) {
      this.#undecided.delete(oldest)
      oldest.destroy()
      return
    }
  }

  #judged(socket: Socket, bytes: Buffer, verdict: PeerVerdict): void {
    if ('refusal' in verdict) {
      this.#refuse(socket, verdict.refusal)
      return
    }
    const first = bytes[0]
    const take =
      first === HTTP2_BYTE ? this.#deps.onGrpc : this.#deps.others.get(first ?? HTTP2_BYTE)
    if (take === undefined) {
      cut(socket)
      return
    }
    socket.unshift(bytes)
    take(socket, verdict.role)
  }

  #refuse(socket: Socket, refusal: Refusal): void {
    this.#deps.onRefused?.(refusal, socket.remoteAddress ?? '')
    cut(socket)
  }
}

function cut(socket: Socket): void {
  socket.on('error', () => {}).destroy()
}

/** The same for a connection and for TLS on it. */
function callerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}
