/**
 * One TCP listener for DNS: two-byte length, then the message (RFC 1035 4.2.2, RFC 7766).
 *
 * Queries of a connection are answered one after another, in order; while one is answered or the client
 * does not read, nothing more is read from it.
 * Bounds: `CONNECTIONS_MAX` connections (more are closed at once and counted), `QUERY_SIZE_MAX` bytes a query
 * (longer closes the connection), `IDLE_MS` without a complete exchange closes the connection.
 */

import { Buffer } from 'node:buffer'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { Reply } from './engine.ts'

export const CONNECTIONS_MAX = 512
export const QUERY_SIZE_MAX = 4096
export const IDLE_MS = 8000

export interface TcpListenerDeps {
  /** @param client its address */
  readonly answer: (packet: Buffer, client: string) => Reply
  readonly clock: Clock
  readonly log: Logger
}

export class TcpListener {
  readonly #server: Server
  readonly #connections = new Set<TcpConnection>()
  /** Connections refused at the bound. */
  refused = 0

  constructor(deps: TcpListenerDeps) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      if (this.#connections.size >= CONNECTIONS_MAX) {
        this.refused++
        socket.destroy()
        return
      }
      const connection = new TcpConnection(socket, deps, () => {
        this.#connections.delete(connection)
      })
      this.#connections.add(connection)
    })
    this.#server.on('error', (err) => deps.log.warn('tcp listener failed', { err }))
  }

  /** @returns the port; @throws the platform's error when the address cannot be bound */
  async listen(address: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host: address, port, ipv6Only: true }, resolve)
    await promise
    this.#server.off('error', reject)
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : port
  }

  /** Takes no more connections; those that are open go on. */
  stopAccepting(): void {
    if (this.#server.listening) this.#server.close()
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    if (!this.#server.listening) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    await promise
  }
}

class TcpConnection {
  readonly #socket: Socket
  readonly #deps: TcpListenerDeps
  #idle: Timer
  #received: Buffer = Buffer.alloc(0)
  readonly #client: string
  #isBusy = false

  constructor(socket: Socket, deps: TcpListenerDeps, onClose: () => void) {
    this.#socket = socket
    this.#deps = deps
    this.#client = socket.remoteAddress ?? ''
    this.#idle = this.#armIdle()
    socket.on('error', () => socket.destroy()) // the client went away: nobody to tell
    socket.on('close', () => {
      this.#idle.cancel()
      onClose()
    })
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      void this.#serve()
    })
  }

  destroy(): void {
    this.#idle.cancel()
    this.#socket.destroy()
  }

  /** Answers what has been received in full. */
  async #serve(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    this.#socket.pause()
    for (let query = this.#take(); query !== null; query = this.#take()) {
      const reply = await this.#deps.answer(query, this.#client)
      if (this.#socket.destroyed) return
      if (reply !== null && !(await this.#write(reply))) return
      this.#idle.cancel()
      this.#idle = this.#armIdle()
    }
    this.#isBusy = false
    this.#socket.resume()
  }

  /** The next whole query; null when it has not arrived yet or the connection was closed for its size. */
  #take(): Buffer | null {
    const received = this.#received
    if (received.length < 2) return null
    const size = received.readUInt16BE(0)
    if (size > QUERY_SIZE_MAX) {
      this.destroy()
      return null
    }
    if (received.length < 2 + size) return null
    this.#received = received.subarray(2 + size)
    return received.subarray(2, 2 + size)
  }

  /** @returns false when the connection closed before the client had taken the reply */
  async #write(reply: Uint8Array): Promise<boolean> {
    const framed = Buffer.allocUnsafe(2 + reply.length)
    framed.writeUInt16BE(reply.length)
    framed.set(reply, 2)
    if (this.#socket.write(framed)) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket.once('drain', resolve)
    this.#socket.once('close', resolve)
    await promise
    this.#socket.off('drain', resolve)
    this.#socket.off('close', resolve)
    return !this.#socket.destroyed
  }

  #armIdle(): Timer {
    const { clock } = this.#deps
    return clock.timer(instant(clock.now() + IDLE_MS), () => this.destroy())
  }
}
