/**
 * Encoded answers to questions, so that a repeated question costs a copy.
 *
 * An answer is used only while the view it came from has not changed (`version`) and before it expires (the
 * SOA serial is the time). Several orders of the same records are kept and renewed in turn, so that the
 * order stays random although most queries shuffle nothing.
 * Bounds: `ENTRIES_MAX` questions and `BYTES_MAX` bytes; the oldest go first.
 */

import type { Buffer } from 'node:buffer'

/** What answers were made from; a new version makes them void. */
export interface Versioned {
  readonly version: number
}

export interface ReusableAnswer {
  readonly source: Versioned
  readonly version: number
  /** Wall clock, ms. */
  readonly expiresAt: number
  /** The packet spells out the asked name, so it serves only questions in lower case. */
  readonly isLowerCaseOnly: boolean
  /** Encodes the answer again in another order; undefined when there is only one order. */
  readonly again: (() => Uint8Array) | undefined
}

export const ENTRIES_MAX = 8192
export const BYTES_MAX = 32 * 1024 * 1024
const VARIANTS_MAX = 16
/** A variant is encoded anew after this many uses. */
const USES_PER_ENCODING = 16

export class AnswerCache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @returns a packet to copy from, not to change; undefined when the question must be answered anew */
  find(key: string, isMixedCase: boolean, wallMs: number): Uint8Array | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const { answer } = entry
    if (answer.source.version !== answer.version || wallMs >= answer.expiresAt) return undefined
    if (isMixedCase && answer.isLowerCaseOnly) return undefined
    const before = entry.bytes
    const packet = entry.next()
    if (entry.bytes !== before) this.#grow(entry.bytes - before)
    return packet
  }

  put(key: string, packet: Uint8Array, answer: ReusableAnswer): void {
    this.#remove(key)
    const entry = new Entry(packet, answer)
    this.#entries.set(key, entry)
    this.#grow(entry.bytes)
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= BYTES_MAX && this.#entries.size <= ENTRIES_MAX) return
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= BYTES_MAX && this.#entries.size <= ENTRIES_MAX) break
      this.#remove(key)
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}

class Entry {
  readonly answer: ReusableAnswer
  readonly #variants: Uint8Array[]
  #turn = 0
  bytes: number

  constructor(packet: Uint8Array, answer: ReusableAnswer) {
    this.answer = answer
    this.#variants = [packet]
    this.bytes = packet.length
  }

  next(): Uint8Array {
    const variants = this.#variants
    const { again } = this.answer
    if (again === undefined) return variants[0] as Uint8Array
    this.#turn++
    const at = this.#turn % VARIANTS_MAX
    const round = Math.floor(this.#turn / VARIANTS_MAX)
    const known = variants[at]
    // The variants are renewed one by one, a different one each time.
    const isWorn = round % USES_PER_ENCODING === at % USES_PER_ENCODING
    if (known !== undefined && !isWorn) return known
    const packet = again()
    variants[at] = packet
    this.bytes += packet.length - (known?.length ?? 0)
    return packet
  }
}

/** Fits a cached packet to a request: its id, its RD bit and its spelling of the name. */
export function adopt(packet: Uint8Array, request: Buffer, nameEnd: number, out: Buffer): void {
  out.set(packet)
  out[0] = request[0] as number
  out[1] = request[1] as number
  out[2] = ((out[2] as number) & 0xfe) | ((request[2] as number) & 1)
  for (let i = 12; i < nameEnd; i++) out[i] = request[i] as number
}
