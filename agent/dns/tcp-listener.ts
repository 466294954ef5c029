/**
 * One TCP listener for DNS: two-byte length, then the message (RFC 1035 4.2.2, RFC 7766).
 *
 * Queries of a connection are answered one after another, in order; while one is answered or the client
 * does not read, nothing more is read from it. Replies that are ready at once leave in one write.
 * Bounds: `CONNECTIONS_MAX` connections, beyond which a new one takes the place of the one that was idle longest (counted),
 * and is closed where all are at work (counted); `QUERY_SIZE_MAX` bytes a query (longer closes the connection); `IDLE_MS`
 * without a complete exchange closes the connection; `BATCH_BYTES` of replies before the client has taken them.
 */

import { Buffer } from 'node:buffer'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { Answer } from './engine.ts'

export const CONNECTIONS_MAX = 4096
export const QUERY_SIZE_MAX = 4096
export const IDLE_MS = 8000
const BATCH_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)

export interface TcpListenerDeps {
  readonly answer: Answer
  readonly clock: Clock
  readonly log: Logger
}

export class TcpListener {
  readonly #server: Server
  /** Those that exchanged something latest come last. */
  readonly #connections = new Set<TcpConnection>()
  /** Connections closed at the bound: new ones, and idle ones for their sake. */
  refused = 0
  displaced = 0

  constructor(deps: TcpListenerDeps) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      if (this.#connections.size >= CONNECTIONS_MAX && !this.#displaceOne()) {
        this.refused++
        socket.destroy()
        return
      }
      const connection: TcpConnection = new TcpConnection(socket, deps, {
        onExchange: () => {
          this.#connections.delete(connection)
          this.#connections.add(connection)
        },
        onClose: () => this.#connections.delete(connection),
      })
      this.#connections.add(connection)
    })
    this.#server.on('error', (err) => deps.log.warn('tcp listener failed', { err }))
  }

  /** @returns the port; @throws the platform's error when the address cannot be bound */
  async listen(address: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    const backlog = CONNECTIONS_MAX
    this.#server.listen({ host: address, port, ipv6Only: true, backlog }, resolve)
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

  /** Closes the connection that was idle longest. @returns false when none is idle */
  #displaceOne(): boolean {
    for (const connection of this.#connections) {
      if (connection.isBusy) continue
      this.displaced++
      this.#connections.delete(connection)
      connection.destroy()
      return true
    }
    return false
  }
}

interface ConnectionEvents {
  readonly onExchange: () => void
  readonly onClose: () => void
}

class TcpConnection {
  readonly #socket: Socket
  readonly #deps: TcpListenerDeps
  readonly #events: ConnectionEvents
  #idle: Timer
  readonly #client: string
  #exchangedAt: number
  #received: Buffer = NOTHING
  #isAnswering = false

  constructor(socket: Socket, deps: TcpListenerDeps, events: ConnectionEvents) {
    this.#socket = socket
    this.#deps = deps
    this.#events = events
    this.#client = socket.remoteAddress ?? ''
    this.#exchangedAt = deps.clock.now()
    this.#idle = this.#armIdle()
    socket.on('error', () => socket.destroy()) // the client went away: nobody to tell
    socket.on('close', () => {
      this.#idle.cancel()
      events.onClose()
    })
    socket.on('drain', () => {
      if (!this.isBusy) this.#serve()
    })
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      if (!this.isBusy) this.#serve()
    })
  }

  destroy(): void {
    this.#idle.cancel()
    this.#socket.destroy()
  }

  /** A question is looked into, or the client does not read. */
  get isBusy(): boolean {
    return this.#isAnswering || this.#socket.writableNeedDrain
  }

  /** Answers what has been received in full, until a question or the client has to be waited for. */
  #serve(): void {
    const batch = new ReplyBatch()
    while (!this.isBusy) {
      const query = this.#take()
      const reply = query === null ? null : this.#deps.answer(query, this.#client)
      if (reply instanceof Promise) {
        this.#isAnswering = true
        void reply.then((late) => this.#finish(late))
      } else if (reply !== null) batch.add(reply)
      if (query === null || this.#isAnswering || batch.size >= BATCH_BYTES) this.#send(batch)
      if (query === null) break
    }
    if (this.isBusy) this.#socket.pause()
    else this.#socket.resume()
  }

  #finish(reply: Uint8Array | null): void {
    this.#isAnswering = false
    if (this.#socket.destroyed) return
    if (reply !== null) {
      const batch = new ReplyBatch()
      batch.add(reply)
      this.#send(batch)
    }
    if (!this.isBusy) this.#serve()
  }

  #send(batch: ReplyBatch): void {
    if (batch.size === 0) return
    this.#exchangedAt = this.#deps.clock.now()
    this.#events.onExchange()
    batch.sendTo(this.#socket)
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
    this.#received = received.length === 2 + size ? NOTHING : received.subarray(2 + size)
    return received.subarray(2, 2 + size)
  }

  /** One timer that looks when the last exchange was, so that an exchange costs no timer. */
  #armIdle(): Timer {
    const { clock } = this.#deps
    return clock.timer(instant(this.#exchangedAt + IDLE_MS), () => {
      if (clock.now() - this.#exchangedAt >= IDLE_MS) this.destroy()
      else this.#idle = this.#armIdle()
    })
  }
}

/** Replies with their lengths, sent in one write. */
class ReplyBatch {
  #replies: Uint8Array[] = []
  size = 0

  add(reply: Uint8Array): void {
    this.#replies.push(reply)
    this.size += 2 + reply.length
  }

  sendTo(socket: Socket): void {
    const bytes = Buffer.allocUnsafe(this.size)
    let at = 0
    for (const reply of this.#replies) {
      bytes.writeUInt16BE(reply.length, at)
      bytes.set(reply, at + 2)
      at += 2 + reply.length
    }
    this.#replies = []
    this.size = 0
    socket.write(bytes)
  }
}
