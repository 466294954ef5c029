/**
 * Writes a message body in its HTTP/1 framing and holds it to what the head announced.
 *
 * Guarantees: never more bytes than the content length; `end` says whether the body is whole. Whoever
 * writes must cut the connection when it is not, since the peer would read the rest into the next message.
 */

import type { Wire } from '../sockets/wire.ts'

export type OutgoingBody = 'none' | 'length' | 'chunked' | 'raw'

export class BodyWriter {
  readonly #wire: Wire
  #kind: OutgoingBody = 'none'
  #remaining = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  start(kind: OutgoingBody, length: number): void {
    this.#kind = kind
    this.#remaining = length
  }

  /** Whether so many more bytes may follow. */
  accepts(bytes: number): boolean {
    if (this.#kind === 'length') return bytes <= this.#remaining
    return this.#kind !== 'none' || bytes === 0
  }

  /** @returns false when the source should pause; only for what `accepts` allows */
  data(bytes: Buffer, from: number, to: number): boolean {
    const size = to - from
    if (size === 0) return true
    if (this.#kind !== 'chunked') {
      this.#remaining -= size
      return this.#wire.writeBytes(bytes, from, to)
    }
    this.#wire.writeText(`${size.toString(16)}\r\n`)
    this.#wire.writeBytes(bytes, from, to)
    return this.#wire.writeText('\r\n')
  }

  /** @param trailers canonical fields, '' for none. @returns false when bytes are missing */
  end(trailers: string): boolean {
    if (this.#kind === 'length') return this.#remaining === 0
    if (this.#kind === 'chunked') this.#wire.writeText(`0\r\n${trailers}\r\n`)
    return true
  }
}
