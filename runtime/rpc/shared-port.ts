/**
 * The one port of RPC: gRPC and streams of feeds, told apart by the first byte that a caller sends.
 *
 * Guarantees: a connection is handed over once, with all that it has sent, or cut when it begins otherwise or says
 * nothing for FIRST_BYTE_MS. Of more than UNDECIDED_MAX that have said nothing the oldest is cut, so that silent ones
 * do not keep others out. Who gets a connection owns it: `close` cuts only what was not handed over. Why there are
 * two protocols: docs/decisions/0020.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { FairleadError } from '../../core/errors.ts'

const FIRST_BYTE_MS = 10_000
const UNDECIDED_MAX = 4_096

export interface SharedPortDeps {
  readonly onGrpc: (socket: Socket) => void
  /** By the first byte of its greeting. */
  readonly others: ReadonlyMap<number, (socket: Socket) => void>
  /** Default UNDECIDED_MAX. */
  readonly undecidedMax?: number
}

/** `PRI * HTTP/2.0` is how an HTTP/2 client begins (RFC 9113 3.4). */
const HTTP2_BYTE = 'P'.charCodeAt(0)

export class SharedPort {
  readonly #deps: SharedPortDeps
  readonly #server: Server
  readonly #undecided = new Set<Socket>()

  constructor(deps: SharedPortDeps) {
    this.#deps = deps
    const options = { noDelay: true }
    this.#server = createServer(options, (socket) => this.#accept(socket))
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
    this.#server.close()
    for (const socket of this.#undecided) socket.destroy()
  }

  #accept(socket: Socket): void {
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
      this.#handOver(socket, bytes)
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

  #handOver(socket: Socket, bytes: Buffer): void {
    const first = bytes[0]
    const take =
      first === HTTP2_BYTE ? this.#deps.onGrpc : this.#deps.others.get(first ?? HTTP2_BYTE)
    if (take === undefined) {
      socket.on('error', () => {}).destroy()
      return
    }
    socket.unshift(bytes)
    take(socket)
  }
}
