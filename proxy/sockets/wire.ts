/**
 * One socket, plain or TLS, as the proxy uses it: bytes in by callback, bytes out gathered per turn.
 *
 * Guarantees: what is written leaves in order, and everything written in one turn of the event loop in as
 * few writes as possible; `onClosed` is called exactly once unless `destroy` or `abort` was called first,
 * after which nothing is called. Bytes given to `onBytes` are only valid during the call. Bounds: pauses are
 * the owner's duty, told by the result of the write methods; after `pause` a TLS socket may still deliver what
 * it had decrypted (64 KiB).
 */

import type { Socket } from 'node:net'
import type { Flushable, Turn } from './turn.ts'

export interface WireHandler {
  /** `bytes[0, length)`; copied if kept. */
  onBytes(bytes: Buffer, length: number): void
  /** The peer sends no more. */
  onEnd(): void
  /** What was written is on its way; only after a write that returned false. */
  onDrain(): void
  /** Both directions are over. */
  onClosed(err: Error | undefined): void
}

/** Pieces up to this are joined with text in one string write, which is cheaper than a Buffer of its own. */
const SMALL_BYTES = 2048
/** Text that waits for the end of the turn is sent early beyond this. */
const TEXT_MAX = 32 * 1024
export const READ_BYTES = 64 * 1024

const deaf: WireHandler = {
  onBytes: () => {},
  onEnd: () => {},
  onDrain: () => {},
  onClosed: () => {},
}

/** Read buffer of all sockets opened with `onread`: a callback ends before the next read begins. */
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
/** TLS sockets have their own, since decrypting one can happen while a plain callback runs. */
const sharedTlsBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** `onread` option for a socket whose wire is made after it; bytes before that are not possible. */
export function sharedRead(
  kind: 'plain' | 'tls',
  wire: () => Wire | undefined,
): { buffer: Buffer; callback: (length: number, buffer: Uint8Array) => boolean } {
  const buffer = kind === 'plain' ? sharedBuffer : sharedTlsBuffer
  return {
    buffer,
    callback: (length) => {
      const target = wire()
      if (target === undefined) return true
      target.handler.onBytes(buffer, length)
      return !target.isPaused
    },
  }
}

export class Wire implements Flushable {
  handler: WireHandler = deaf
  readonly socket: Socket
  isPaused = false
  /** Grows with every write handed to the system: unchanged means that nothing was sent since. */
  sends = 0
  readonly #turn: Turn
  #text = ''
  #isDirty = false
  #needsDrain = false
  #isEnding = false
  #error: Error | undefined

  /** @param reads 'data' for accepted sockets, 'onread' for those opened with `sharedRead` */
  constructor(socket: Socket, turn: Turn, reads: 'data' | 'onread') {
    this.socket = socket
    this.#turn = turn
    if (reads === 'data') {
      socket.on('data', (chunk: Buffer) => this.handler.onBytes(chunk, chunk.length))
    }
    socket.on('end', () => this.handler.onEnd())
    socket.on('drain', () => {
      this.#needsDrain = false
      this.handler.onDrain()
    })
    socket.on('error', (err) => {
      this.#error = err
    })
    socket.on('close', () => {
      const handler = this.handler
      this.handler = deaf
      handler.onClosed(this.#error)
    })
  }

  /** @returns false when the owner should wait for `onDrain` before writing more */
  writeText(latin1: string): boolean {
    this.#text += latin1
    if (this.#text.length > TEXT_MAX) this.flush()
    else this.#markDirty()
    return !this.#needsDrain
  }

  /** As writeText, but leaves with the next flush or other write: for who is flushed at the end of the turn himself. */
  holdText(latin1: string): void {
    this.#text += latin1
  }

  /** False when the owner should wait for `onDrain` before writing more. */
  get isRoomy(): boolean {
    return !this.#needsDrain
  }

  /** Copies the bytes. @returns as writeText */
  writeBytes(bytes: Buffer, from: number, to: number): boolean {
    if (to - from <= SMALL_BYTES) return this.writeText(bytes.toString('latin1', from, to))
    const text = this.#text
    const out = Buffer.allocUnsafe(text.length + to - from)
    if (text.length > 0) out.write(text, 0, 'latin1')
    bytes.copy(out, text.length, from, to)
    this.#text = ''
    this.#send(out)
    return !this.#needsDrain
  }

  /** Hands over a buffer that nobody changes any more. @returns as writeText */
  writeOwned(bytes: Uint8Array, onWritten?: () => void): boolean {
    this.flush()
    if (this.socket.destroyed || this.#isEnding) return true
    this.sends++
    if (!this.socket.write(bytes, onWritten)) this.#needsDrain = true
    return !this.#needsDrain
  }

  flush(): void {
    this.#isDirty = false
    const text = this.#text
    if (text.length === 0) return
    this.#text = ''
    this.#send(text)
  }

  /** Sends what is waiting, then says that no more follows. The other direction stays open. */
  end(): void {
    if (this.#isEnding) return
    this.flush()
    this.#isEnding = true
    this.socket.end()
  }

  /** Closes at once; what was flushed may still arrive. */
  destroy(): void {
    this.handler = deaf
    this.#text = ''
    this.socket.destroy()
  }

  /** Closes at once and tells the peer that it was no orderly end. */
  abort(): void {
    this.handler = deaf
    this.#text = ''
    if (this.socket.destroyed) return
    if (isPlainTcp(this.socket)) {
      this.socket.resetAndDestroy()
      return
    }
    resetUnderTls(this.socket)
    this.socket.destroy()
  }

  pause(): void {
    if (this.isPaused) return
    this.isPaused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.socket.resume()
  }

  /** Given to the socket and not yet taken by the system. */
  get unsentBytes(): number {
    return this.socket.writableLength
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  #send(data: string | Buffer): void {
    if (this.socket.destroyed || this.#isEnding) return
    this.sends++
    const isRoomy =
      typeof data === 'string' ? this.socket.write(data, 'latin1') : this.socket.write(data)
    if (!isRoomy) this.#needsDrain = true
  }

  #markDirty(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    this.#turn.add(this)
  }
}

/** Only TCP has a reset; a TLS socket or a pipe throws when asked for one. */
function isPlainTcp(socket: Socket): boolean {
  return socket.remoteAddress !== undefined && !('encrypted' in socket)
}

/**
 * Resets the TCP connection under a TLS socket. Node has no public way: closing without it looks to the peer
 * like an orderly end, so a cut stream would pass for a whole one. Where the inner handle is not found, that
 * is what happens.
 */
function resetUnderTls(socket: Socket): void {
  const inner = (socket as { _handle?: { _parent?: { reset?: (done: () => void) => number } } })
    ._handle?._parent
  if (typeof inner?.reset === 'function') inner.reset(() => {})
}
