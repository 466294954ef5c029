/**
 * A dialogue over a byte stream: one reads and writes in turn, and every wait ends.
 *
 * Guarantees: what was received before the stream ended is read before the end is told; a wait ends at its
 * timeout, with the signal, or with the stream. Holds the other side back while something is unread.
 * Bound: UNREAD_MAX messages, and what gRPC has on its way.
 */

import { FairleadError } from '../../core/errors.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { ByteStream } from './byte-stream.ts'

const UNREAD_MAX = 8

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export class MessageStream<T> {
  readonly #stream: ByteStream
  readonly #decode: (bytes: Buffer) => T
  readonly #clock: Clock
  #unread: T[] = []
  #isPaused = false
  #hasFinished = false
  #end: { readonly error: FairleadError } | null = null
  #wakers = new Set<() => void>()

  /** @param decode may throw; the stream is then over with what it threw */
  constructor(stream: ByteStream, decode: (bytes: Buffer) => T, clock: Clock) {
    this.#stream = stream
    this.#decode = decode
    this.#clock = clock
    stream.onEnd((error) => this.#over(error ?? ENDED))
    stream.onFinished(() => {
      this.#hasFinished = true
      this.#wake()
    })
    stream.onBytes((bytes) => this.#receive(bytes))
  }

  /** The next message if it is here already. */
  take(): T | undefined {
    const message = this.#unread.shift()
    if (message !== undefined && this.#isPaused) {
      this.#isPaused = false
      this.#stream.resume()
    }
    return message
  }

  /**
   * @returns null when the other side has said all
   * @throws FairleadError of the other side, NO_SERVERS when the connection is lost or after the timeout
   */
  async next(options: WaitOptions): Promise<T | null> {
    await this.#until(() => this.#unread.length > 0 || this.#hasFinished, options)
    return this.take() ?? null
  }

  /** Resolves when the bytes have left. @throws as `next` */
  async write(bytes: Buffer, options: WaitOptions): Promise<void> {
    let hasLeft = false
    this.#stream.write(bytes, () => {
      hasLeft = true
      this.#wake()
    })
    await this.#until(() => hasLeft, options)
  }

  #receive(bytes: Buffer): void {
    if (this.#end !== null) return
    try {
      this.#unread.push(this.#decode(bytes))
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      this.#over(new FairleadError('BAD_REQUEST', `Malformed message: ${message}`, { cause }))
    }
    if (this.#unread.length >= UNREAD_MAX && !this.#isPaused) {
      this.#isPaused = true
      this.#stream.pause()
    }
    this.#wake()
  }

  #over(error: FairleadError): void {
    this.#end ??= { error }
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake()
  }

  #until(isReady: () => boolean, { timeoutMs, signal }: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const settle = (act: () => void): void => {
        this.#wakers.delete(look)
        signal.removeEventListener('abort', look)
        timer?.cancel()
        act()
      }
      const look = (): void => {
        const end = this.#end
        if (signal.aborted) settle(() => reject(signal.reason))
        else if (isReady()) settle(resolve)
        else if (end !== null) settle(() => reject(end.error))
      }
      this.#wakers.add(look)
      signal.addEventListener('abort', look)
      timer = this.#clock.timer(instant(this.#clock.now() + timeoutMs), () =>
        settle(() => reject(new FairleadError('NO_SERVERS', 'rpc error making call: i/o timeout'))),
      )
      look()
    })
  }
}

const ENDED = new FairleadError('NO_SERVERS', 'rpc error making call: EOF')
