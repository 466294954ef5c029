/**
 * The sending halves of streams (RFC 9113 5.2): bytes cut into frames within the windows of the stream and of
 * the connection.
 *
 * Guarantees: never a byte more than granted; order kept; the end after everything. When the connection's window opens
 * again, the streams that waited for it take turns of one frame, so that a bulk transfer holds up no small
 * message. Bounds: what does not fit is kept here, and the source is told to wait, so at most what it had
 * read already (64 KiB, twice on TLS).
 */

import { FRAME_BYTES_MAX, WINDOW_DEFAULT, WINDOW_SIZE_MAX } from './format.ts'
import type { FrameWriter } from './frame-writer.ts'

export interface SendingOwner {
  /** What had to wait has left: the source may go on. */
  onClear(): void
  /** The end has left. */
  onEndSent(): void
  /** Sends the trailers, which end the stream. */
  sendTrailers(text: string): void
}

/** What the peer grants to all streams together. */
export class ConnectionWindow {
  bytes = WINDOW_DEFAULT
  /** Streams with room of their own that wait for this window, in order of their turn. */
  readonly #waiting = new Set<Sending>()

  wait(sending: Sending): void {
    this.#waiting.add(sending)
  }

  forget(sending: Sending): void {
    this.#waiting.delete(sending)
  }

  /** @returns false when the window would pass its limit */
  grant(bytes: number): boolean {
    this.bytes += bytes
    if (this.bytes > WINDOW_SIZE_MAX) return false
    while (this.bytes > 0) {
      const [next] = this.#waiting
      if (next === undefined) break
      this.#waiting.delete(next)
      next.sendFrame()
    }
    return true
  }
}

export class Sending {
  readonly #out: FrameWriter
  readonly #shared: ConnectionWindow
  readonly #owner: SendingOwner
  readonly #id: number
  /** May be negative: the peer can take room back by a setting. */
  #window: number
  #backlog: Buffer[] | undefined
  #trailers = ''
  #endPending = false
  isEnded = false

  constructor(
    stream: { readonly id: number; readonly window: number; readonly owner: SendingOwner },
    link: { readonly out: FrameWriter; readonly sendWindow: ConnectionWindow },
  ) {
    this.#id = stream.id
    this.#window = stream.window
    this.#owner = stream.owner
    this.#out = link.out
    this.#shared = link.sendWindow
  }

  /** @returns false when the source should wait */
  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.isEnded) return true
    let at = from
    if (this.#backlog === undefined) at = this.#send(bytes, from, to)
    if (at < to) {
      this.#backlog ??= []
      this.#backlog.push(Buffer.from(bytes.subarray(at, to)))
      if (this.#window > 0) this.#shared.wait(this)
      return false
    }
    return this.#out.isRoomy
  }

  trailers(text: string): void {
    this.#trailers = text
  }

  end(): void {
    if (this.isEnded) return
    if (this.#backlog === undefined) this.#sendEnd()
    else this.#endPending = true
  }

  /** Forgets what waits; nothing more is sent. */
  stop(): void {
    this.isEnded = true
    this.#backlog = undefined
    this.#shared.forget(this)
  }

  /** The peer granted more room on this stream, or took some back. @returns false past the limit */
  grant(bytes: number): boolean {
    this.#window += bytes
    if (this.#window > WINDOW_SIZE_MAX) return false
    if (this.#backlog !== undefined && this.#window > 0) {
      this.#shared.wait(this)
      this.#shared.grant(0)
    }
    return true
  }

  /** Sends one frame of what waits, and waits again for its turn if there is more. */
  sendFrame(): void {
    const backlog = this.#backlog
    if (backlog === undefined) return
    const piece = backlog[0] as Buffer
    const to = Math.min(piece.length, FRAME_BYTES_MAX)
    const at = this.#send(piece, 0, to)
    if (at < piece.length) backlog[0] = piece.subarray(at)
    else backlog.shift()
    if (backlog.length > 0) {
      if (this.#window > 0) this.#shared.wait(this)
      return
    }
    this.#backlog = undefined
    if (this.#endPending) {
      this.#sendEnd()
      this.#owner.onEndSent()
    } else if (this.#out.isRoomy) {
      this.#owner.onClear()
    }
  }

  /** Nothing waits for room in a window. */
  get isClear(): boolean {
    return this.#backlog === undefined && !this.isEnded
  }

  #send(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to) {
      const size = Math.min(to - at, this.#window, this.#shared.bytes, FRAME_BYTES_MAX)
      if (size <= 0) break
      this.#out.data(this.#id, bytes, at, at + size)
      this.#window -= size
      this.#shared.bytes -= size
      at += size
    }
    return at
  }

  #sendEnd(): void {
    this.isEnded = true
    if (this.#trailers === '') this.#out.endData(this.#id)
    else this.#owner.sendTrailers(this.#trailers)
  }
}
