/**
 * A body that goes on until the client or the agent ends it: pieces pushed from outside, sent as they come.
 *
 * Guarantees: `push` never waits; the source is let go exactly once, however the body ends. Bound: PIECES_MAX
 * pieces wait for a slow client; while there are that many, new ones are refused and counted.
 */

import { StreamedBody } from './reply.ts'

export const PIECES_MAX = 512

export interface LiveStreamOptions {
  /** Ends the body. */
  readonly signal: AbortSignal
  /** Pieces are gathered for so long, and sent as one. */
  readonly gatherMs: number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Begins to push, and returns what ends that. */
  readonly source: (push: (piece: string) => void) => () => void
  readonly onRefused: () => void
  /** What to say of pieces that were refused since the last piece; '' for nothing. */
  readonly noteOf?: (refused: number) => string
}

export function liveStream(options: LiveStreamOptions): StreamedBody {
  const live = new LiveStream(options)
  return new StreamedBody(live.chunks(), async () => live.close(), { isLive: true })
}

class LiveStream {
  readonly #options: LiveStreamOptions
  readonly #end: () => void
  #pieces: string[] = []
  #refused = 0
  #wake: (() => void) | undefined
  #isClosed = false

  constructor(options: LiveStreamOptions) {
    this.#options = options
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#end = options.source((piece) => this.#push(piece))
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { signal, gatherMs } = this.#options
    while (!signal.aborted && !this.#isClosed) {
      if (this.#pieces.length === 0) await this.#waitForPiece()
      if (gatherMs > 0) await this.#gather()
      const text = this.#takeAll()
      if (text !== '') yield Buffer.from(text)
    }
  }

  /** An end of the body ends the gathering too; what there is still goes out. */
  async #gather(): Promise<void> {
    const { signal, gatherMs, sleep } = this.#options
    try {
      await sleep(gatherMs, signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#end()
    this.#wake?.()
  }

  readonly #onAbort = (): void => this.#wake?.()

  #push(piece: string): void {
    if (this.#isClosed) return
    if (this.#pieces.length >= PIECES_MAX) {
      this.#refused++
      this.#options.onRefused()
      return
    }
    this.#pieces.push(piece)
    this.#wake?.()
  }

  #takeAll(): string {
    const text = this.#pieces.join('')
    const note = this.#refused === 0 ? '' : (this.#options.noteOf?.(this.#refused) ?? '')
    this.#pieces = []
    this.#refused = 0
    return text + note
  }

  #waitForPiece(): Promise<void> {
    if (this.#options.signal.aborted || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}
