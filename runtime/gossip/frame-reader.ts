/**
 * Gathers one sealed message from the chunks of a TCP connection.
 *
 * Guarantees: keeps no more than was announced and allowed, and nothing after a refusal. Bytes after the message are
 * ignored: one message goes each way on a connection.
 */

import { Buffer } from 'node:buffer'
import type { Opened, Seal, SealRefusal } from './seal.ts'

export type FrameResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'opened'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: SealRefusal; readonly label: string }

export class FrameReader {
  readonly #seal: Seal
  #chunks: Buffer[] = []
  #size = 0
  #range: { readonly start: number; readonly end: number } | null = null

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
    if (this.#range === null) {
      const prefix = this.#seal.readPrefix(this.#joined())
      if (prefix.kind !== 'prefix') {
        if (prefix.kind === 'refused') this.#drop()
        return prefix
      }
      this.#range = prefix
    }
    const { start, end } = this.#range
    if (this.#size < end) return { kind: 'incomplete' }
    const opened: Opened = this.#seal.openStream(this.#joined().subarray(start, end))
    this.#drop()
    return opened.kind === 'opened' ? opened : { ...opened, label: '' }
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
