/**
 * One UDP socket that answers DNS queries.
 *
 * Replies leave from the same socket, at once where the engine has the answer at hand. The address of a
 * client is a literal already, so no name look-up happens on the way out. A shared socket leaves room for others of this
 * process on the same port, which take what is asked of their own address; who takes the TCP port keeps others away.
 */

import type { Buffer } from 'node:buffer'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Logger } from '../../core/log.ts'
import type { Answer } from './engine.ts'

/** Asked of the kernel, which may give less: room for a burst while the process is busy. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024

export class UdpListener {
  readonly #socket: Socket
  readonly #answer: Answer
  readonly #log: Logger
  #isClosed = false

  constructor(
    options: { readonly family: 4 | 6; readonly isShared: boolean },
    deps: { readonly answer: Answer; readonly log: Logger },
  ) {
    this.#answer = deps.answer
    this.#log = deps.log
    this.#socket = createSocket({
      type: options.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: options.family === 6,
      reuseAddr: options.isShared,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      lookup: (address, _options, callback) => callback(null, address, options.family),
    })
    this.#socket.on('message', (packet, client) => this.#onMessage(packet, client))
  }

  /** @returns the port; @throws the platform's error when the address cannot be bound */
  async listen(address: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket.once('error', reject)
    this.#socket.bind(port, address, resolve)
    await promise
    this.#socket.off('error', reject)
    this.#socket.on('error', (err) => this.#log.warn('udp socket failed', { err }))
    return this.#socket.address().port
  }

  /** Takes no more queries; replies to those taken still go out. */
  stopReading(): void {
    this.#socket.removeAllListeners('message')
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket.close(resolve)
    await promise
  }

  #onMessage(packet: Buffer, client: RemoteInfo): void {
    // From port 0 nobody can get an answer (RFC 768), and the platform throws when one is sent.
    if (client.port === 0) return
    const reply = this.#answer(packet, client.address)
    if (reply === null) return
    if (reply instanceof Promise) void reply.then((late) => this.#send(late, client))
    else this.#send(reply, client)
  }

  #send(reply: Uint8Array | null, client: RemoteInfo): void {
    if (reply === null || this.#isClosed) return
    this.#socket.send(reply, 0, reply.length, client.port, client.address)
  }
}
