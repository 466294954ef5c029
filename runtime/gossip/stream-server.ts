/**
 * Answers exchanges over TCP: one sealed request, one sealed answer, then the end.
 *
 * A request of another pool's label is answered by an empty message under our label, so that the other side can tell
 * its operator which pool it knocked at.
 * Bounds: STREAMS_MAX connections and HELD_BYTES_MAX bytes of unfinished requests together (more are cut and counted),
 * `timeoutMs` from connecting to the end of the answer.
 */

import type { Buffer } from 'node:buffer'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../core/log.ts'
import type { NodeAddress } from '../../core/swim/types.ts'
import { type Clock, instant } from '../../core/time.ts'
import { FrameReader } from './frame-reader.ts'
import type { Seal } from './seal.ts'

export const STREAMS_MAX = 128
export const HELD_BYTES_MAX = 64 * 1024 * 1024

export interface StreamServerDeps {
  readonly seal: Seal
  readonly clock: Clock
  readonly log: Logger
  /** @returns the answer */
  readonly onRequest: (from: NodeAddress, body: Uint8Array) => Uint8Array
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
      if (result.kind === 'opened') {
        socket.end(seal.sealStream(this.#deps.onRequest(addressOf(socket), result.body)))
      } else if (result.reason === 'label') {
        this.refused++
        socket.end(seal.sealStream(new Uint8Array(0)))
      } else {
        this.#refuse(socket)
      }
    }
    socket.on('data', onData)
  }

  #refuse(socket: Socket): void {
    this.refused++
    socket.destroy()
  }
}

function addressOf(socket: Socket): NodeAddress {
  return { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
}
