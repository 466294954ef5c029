/**
 * One simulated agent: a real stream of feeds to a real server, whose messages are counted and thrown away.
 */

import type { ByteStream } from '../../runtime/rpc/byte-stream.ts'
import { encodeFeedMessage } from '../../runtime/rpc/feed-messages.ts'
import { dialFeeds } from '../../runtime/rpc/feed-socket.ts'
import type { OutgoingTls } from '../../runtime/tls/rpc-tls.ts'

/** Of a topic's frames; bookmarks are much shorter. */
const FRAME_MARK = Buffer.from('{"kind":"frame"')
const HEAD_BYTES = 5

export class Subscriber {
  readonly #stream: ByteStream
  #frames = 0
  #wanted = Number.POSITIVE_INFINITY
  #onWanted: () => void = () => {}

  private constructor(stream: ByteStream) {
    this.#stream = stream
    stream.onEnd((error) => {
      if (error !== null) console.error(`a stream has ended: ${error.message}`)
    })
    stream.onBytes((bytes) => this.#receive(bytes))
  }

  static async open(address: string, signal: AbortSignal, tls?: OutgoingTls): Promise<Subscriber> {
    return new Subscriber(await dialFeeds(address, signal, tls))
  }

  follow(service: string): void {
    const topic = { topic: 'health', key: service } as const
    this.#stream.write(encodeFeedMessage({ kind: 'follow', topic }), () => {})
  }

  /** @param done called in the turn in which the last of `count` more frames has come */
  after(count: number, done: () => void): void {
    this.#wanted = this.#frames + count
    this.#onWanted = done
  }

  /** Resolves when `count` more frames have come. */
  receives(count: number): Promise<void> {
    return new Promise((resolve) => this.after(count, resolve))
  }

  #receive(bytes: Buffer): void {
    if (
      bytes.compare(FRAME_MARK, 0, FRAME_MARK.length, HEAD_BYTES, HEAD_BYTES + FRAME_MARK.length)
    ) {
      return
    }
    this.#frames += 1
    if (this.#frames !== this.#wanted) return
    this.#wanted = Number.POSITIVE_INFINITY
    this.#onWanted()
  }
}
