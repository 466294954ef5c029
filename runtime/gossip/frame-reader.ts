/**
 * Gathers one sealed message from the chunks of a TCP connection.
 *
 * Guarantees: keeps no more than was announced and allowed, and nothing after a refusal. Bytes after the message are
 * ignored: one message goes each way on a connection.
 */

import { Buffer } from 'node:buffer'
import type { Seal, SealRefusal } from './seal.ts'

export type FrameResult =
  | { readonly kind: 'incomplete' }
  /** A whole frame, still sealed. */
  | { readonly kind: 'frame'; readonly frame: Buffer }
  | { readonly kind: 'refused'; readonly reason: SealRefusal; readonly label: string }

export class FrameReader {
  readonly #seal: Seal
  #chunks: Buffer[] = []
  #size = 0
  #end: number | null = null

  constructor(seal: Seal) {
    this.#seal = seal
  }

  /** Bytes held. */
  get size(): number {
    return this.#size
  }

  push(chunk: Buffer): FrameResult {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#end === null) {
      const prefix = this.#seal.readPrefix(this.#joined())
      if (prefix.kind !== 'prefix') {
        if (prefix.kind === 'refused') this.#drop()
        return prefix
      }
      this.#end = prefix.end
    }
    if (this.#size < this.#end) return { kind: 'incomplete' }
    const frame = this.#joined().subarray(0, this.#end)
    this.#drop()
    return { kind: 'frame', frame }
  }

  #joined(): Buffer {
    if (this.#chunks.length === 1) return this.#chunks[0] ?? Buffer.alloc(0)
    const joined = Buffer.concat(this.#chunks, this.#size)
    this.#chunks = [joined]
    return joined
  }

  #drop(): void {
    this.#chunks = []
    this.#size = 0
  }
}
