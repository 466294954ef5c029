/**
 * Answers exchanges over TCP: one sealed request, one sealed answer, then the end.
 *
 * A request of another pool, or without a key of ours, is answered by an empty message in our own label and mode, so
 * that the other side can tell its operator what it knocked at.
 * Bounds: STREAMS_MAX connections and HELD_BYTES_MAX bytes of unfinished requests together (more are cut and counted),
 * `timeoutMs` from connecting to the end of the answer.
 */

import type { Buffer } from 'node:buffer'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../core/log.ts'
import type { NodeAddress } from '../../core/swim/types.ts'
import { type Clock, instant } from '../../core/time.ts'
import { FrameReader } from './frame-reader.ts'
import type { RefusalLog } from './refusal-log.ts'
import { NO_TICKET, type Seal, type SealRefusal } from './seal.ts'

export const STREAMS_MAX = 128
export const HELD_BYTES_MAX = 64 * 1024 * 1024

export interface StreamRequest {
  readonly from: NodeAddress
  readonly body: Uint8Array
  /** Who sent it has a key of this pool. */
  readonly isEncrypted: boolean
}

/** @returns the answer; a rejection cuts the connection */
export type RequestHandler = (request: StreamRequest) => Uint8Array | Promise<Uint8Array>

/** Those whose sender should learn what this pool is. */
const ANSWERED: readonly SealRefusal[] = ['label', 'plain', 'encrypted', 'key']

export interface StreamServerDeps {
  readonly seal: Seal
  readonly clock: Clock
  readonly log: Logger
  readonly refusals: RefusalLog
  readonly onRequest: RequestHandler
}

export class StreamServer {
  readonly #server: Server
  readonly #deps: StreamServerDeps
  readonly #timeoutMs: number
  readonly #sockets = new Set<Socket>()
  #heldBytes = 0
  /** Connections cut at a bound or for what they sent. */
  refused = 0

  constructor(options: { readonly timeoutMs: number }, deps: StreamServerDeps) {
    this.#timeoutMs = options.timeoutMs
    this.#deps = deps
    this.#server = createServer({ noDelay: true }, (socket) => this.#onConnection(socket))
  }

  /** @returns the port; @throws the platform's error when the address cannot be bound */
  async listen(address: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host: address, port, ipv6Only: true, exclusive: true }, resolve)
    await promise
    this.#server.off('error', reject)
    this.#server.on('error', (err) => this.#deps.log.warn('gossip listener failed', { err }))
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    await promise
  }

  #onConnection(socket: Socket): void {
    socket.on('error', () => socket.destroy()) // the peer went away: nobody to tell
    if (this.#sockets.size >= STREAMS_MAX) {
      this.#refuse(socket)
      return
    }
    const { clock, seal } = this.#deps
    this.#sockets.add(socket)
    const timer = clock.timer(instant(clock.now() + this.#timeoutMs), () => socket.destroy())
    const reader = new FrameReader(seal)
    let held = 0
    const hold = (bytes: number): void => {
      this.#heldBytes += bytes - held
      held = bytes
    }
    socket.on('close', () => {
      timer.cancel()
      hold(0)
      this.#sockets.delete(socket)
    })
    const onData = (chunk: Buffer): void => {
      const result = reader.push(chunk)
      hold(reader.size)
      if (result.kind === 'incomplete') {
        if (this.#heldBytes > HELD_BYTES_MAX) this.#refuse(socket)
        return
      }
      socket.off('data', onData)
      socket.resume() // whatever follows is thrown away
      if (result.kind === 'refused') this.#refuseFor(socket, result.reason)
      else void this.#answer(socket, result.frame)
    }
    socket.on('data', onData)
  }

  async #answer(socket: Socket, frame: Buffer): Promise<void> {
    const { seal, log, onRequest } = this.#deps
    const { ticket, ...opened } = seal.openRequest(frame)
    if (opened.kind === 'refused') {
      this.#refuseFor(socket, opened.reason)
      return
    }
    const { body, isEncrypted } = opened
    try {
      const answer = await onRequest({ from: addressOf(socket), body, isEncrypted })
      socket.end(seal.sealReply(answer, ticket))
    } catch (err) {
      log.warn('a request of a member could not be answered', { err })
      socket.destroy()
    }
  }

  #refuseFor(socket: Socket, reason: SealRefusal): void {
    this.#deps.refusals.note(reason, addressOf(socket))
    if (ANSWERED.includes(reason)) {
      this.refused++
      socket.end(this.#deps.seal.sealReply(new Uint8Array(0), NO_TICKET))
    } else {
      this.#refuse(socket)
    }
  }

  #refuse(socket: Socket): void {
    this.refused++
    socket.destroy()
  }
}

function addressOf(socket: Socket): NodeAddress {
  return { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
}
