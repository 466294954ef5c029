/**
 * The server's end of a stream of feeds without a network: what it writes is read by the test, which says when
 * the bytes have left.
 */

import { EventEmitter } from 'node:events'
import type { FairleadError } from '../../../../core/errors.ts'
import type { ByteStream } from '../../../../runtime/rpc/byte-stream.ts'
import {
  decodeFromServer,
  encodeFeedMessage,
  type FromAgent,
  type FromServer,
} from '../../../../runtime/rpc/feed-messages.ts'

export class FakeStream implements ByteStream {
  readonly written: Buffer[] = []
  error: FairleadError | undefined
  hasEnded = false
  /** False keeps all bytes on their way until `drain`. */
  isFast = true
  readonly #events = new EventEmitter()
  #done: (() => void)[] = []

  /** All messages since the last call. */
  take(): FromServer[] {
    return this.written.splice(0).map(decodeFromServer)
  }

  say(message: FromAgent): void {
    this.sayBytes(encodeFeedMessage(message))
  }

  sayBytes(bytes: Buffer): void {
    this.#events.emit('bytes', bytes)
  }

  drain(): void {
    for (const done of this.#done.splice(0)) done()
  }

  lose(): void {
    this.#events.emit('end', null)
  }

  write(bytes: Buffer, done: () => void): void {
    this.written.push(bytes)
    if (this.isFast) done()
    else this.#done.push(done)
  }

  finish(): void {}

  end(error?: FairleadError): void {
    this.hasEnded = true
    this.error = error
  }

  onBytes(receiver: (bytes: Buffer) => void): void {
    this.#events.on('bytes', receiver)
  }

  onFinished(listener: () => void): void {
    this.#events.on('finished', listener)
  }

  onEnd(listener: (error: FairleadError | null) => void): void {
    this.#events.on('end', listener)
  }

  pause(): void {}

  resume(): void {}
}
