/**
 * A wire between two servers that a test can cut, or make swallow everything: a TCP relay on loopback.
 *
 * `cut` breaks what is connected and refuses the rest; `silence` keeps connections open and forwards
 * nothing more, as when the other host is gone without a word; `mend` lets new connections through.
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class TcpWire implements AsyncDisposable {
  readonly #target: () => number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #mode: 'open' | 'cut' | 'silent' = 'open'
  #onClosed: (() => void) | undefined
  /** Bytes that went through towards the target. */
  forwarded = 0

  private constructor(target: () => number) {
    this.#target = target
    this.#server = createServer({ noDelay: true }, (socket) => this.#relay(socket))
  }

  static async open(target: () => number): Promise<TcpWire> {
    const wire = new TcpWire(target)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    return wire
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get connections(): number {
    return this.#sockets.size / 2
  }

  /** Resolves when a connection has ended on both sides. */
  async closed(): Promise<void> {
    const before = this.connections
    while (this.connections > before - 1) {
      await new Promise<void>((resolve) => {
        this.#onClosed = resolve
      })
    }
  }

  cut(): void {
    this.#mode = 'cut'
    this.#drop()
  }

  silence(): void {
    this.#mode = 'silent'
  }

  mend(): void {
    this.#mode = 'open'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #drop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  #relay(from: Socket): void {
    if (this.#mode === 'cut') {
      from.destroy()
      return
    }
    const to = connect({ port: this.#target(), host: '127.0.0.1', noDelay: true })
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(one)
      one.on('data', (bytes) => {
        if (this.#mode === 'silent') return
        if (one === from) this.forwarded += bytes.length
        if (!other.write(bytes)) one.pause()
      })
      one.on('drain', () => other.resume())
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        if (this.#mode !== 'silent') other.destroy()
        this.#onClosed?.()
      })
    }
  }
}
