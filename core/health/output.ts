/**
 * What a check may say: outputs cut to a number of bytes (http-api.md 10.5). Pure.
 *
 * Scripts keep the end of what they print, reported texts their beginning. A cut inside a UTF-8 sequence
 * drops the broken character. Memory is bounded by the limit, whatever is written.
 */

/** Limit of the agent unless configured, and of a check that sets none. */
export const OUTPUT_MAX_BYTES = 4096

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** @param checkMax 0 when the check sets no limit of its own */
export function outputLimit(agentMax: number, checkMax: number): number {
  return checkMax > 0 ? Math.min(agentMax, checkMax) : agentMax
}

/** Cuts a reported text, saying so. */
export function headOutput(text: string, limitBytes: number): string {
  // A UTF-16 unit takes at most three bytes, so short texts need no encoding.
  if (text.length * 3 <= limitBytes) return text
  const bytes = encoder.encode(text)
  if (bytes.length <= limitBytes) return text
  return `${headBytes(bytes, limitBytes)} ... (captured ${limitBytes} of ${bytes.length} bytes)`
}

/** The first bytes as text, without a broken last character. */
export function headBytes(bytes: Uint8Array, limitBytes: number): string {
  let end = Math.min(limitBytes, bytes.length)
  if (end < bytes.length) {
    for (let back = 0; back < 3 && end > 0 && isContinuation(bytes[end]); back++) end--
  }
  return decoder.decode(bytes.subarray(0, end))
}

/** Keeps the last `limitBytes` of what is pushed. */
export class TailOutput {
  readonly #ring: Uint8Array
  #total = 0

  constructor(limitBytes: number) {
    this.#ring = new Uint8Array(Math.max(1, limitBytes))
  }

  push(chunk: Uint8Array): void {
    const size = this.#ring.length
    const tail = chunk.length > size ? chunk.subarray(chunk.length - size) : chunk
    const at = (this.#total + chunk.length - tail.length) % size
    const first = Math.min(tail.length, size - at)
    this.#ring.set(tail.subarray(0, first), at)
    this.#ring.set(tail.subarray(first), 0)
    this.#total += chunk.length
  }

  text(): string {
    const size = this.#ring.length
    if (this.#total <= size) return decoder.decode(this.#ring.subarray(0, this.#total))
    const at = this.#total % size
    const kept = new Uint8Array(size)
    kept.set(this.#ring.subarray(at), 0)
    kept.set(this.#ring.subarray(0, at), size - at)
    let start = 0
    while (start < 3 && isContinuation(kept[start])) start++
    const text = decoder.decode(kept.subarray(start))
    return `Captured ${size} of ${this.#total} bytes\n...\n${text}`
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
