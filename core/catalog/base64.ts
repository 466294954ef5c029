/**
 * Base64 (RFC 4648 section 4, padded) without a platform library. Pure.
 *
 * Decoding is strict: a wrong length, a foreign character, misplaced padding or set spare bits give
 * undefined, so that every byte array has exactly one text.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PAD = '='.charCodeAt(0)
const FOREIGN = 0xff

const CODES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0))
const DIGITS = digits()
const LATIN1 = new TextDecoder('latin1')

export function toBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  const whole = bytes.length - (bytes.length % 3)
  let to = 0
  for (let from = 0; from < whole; from += 3) {
    to = putGroup(out, to, byteAt(bytes, from), byteAt(bytes, from + 1), byteAt(bytes, from + 2))
  }
  if (whole < bytes.length) {
    const isPair = bytes.length - whole === 2
    putGroup(out, to, byteAt(bytes, whole), isPair ? byteAt(bytes, whole + 1) : 0, 0)
    out[out.length - 1] = PAD
    if (!isPair) out[out.length - 2] = PAD
  }
  return LATIN1.decode(out)
}

/** @returns undefined when `text` is not strict base64 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='))
  const out = new Uint8Array((text.length / 4) * 3 - padding)
  const whole = padding === 0 ? text.length : text.length - 4
  let to = 0
  let seen = 0
  for (let from = 0; from < whole; from += 4) {
    const a = digitAt(text, from)
    const b = digitAt(text, from + 1)
    const c = digitAt(text, from + 2)
    const d = digitAt(text, from + 3)
    seen |= a | b | c | d
    out[to] = (a << 2) | (b >>> 4)
    out[to + 1] = (b << 4) | (c >>> 2)
    out[to + 2] = (c << 6) | d
    to += 3
  }
  if (padding > 0) {
    const a = digitAt(text, whole)
    const b = digitAt(text, whole + 1)
    const c = padding === 1 ? digitAt(text, whole + 2) : 0
    const spare = padding === 1 ? c & 3 : b & 15
    seen |= a | b | c
    if (spare !== 0) return undefined
    out[to] = (a << 2) | (b >>> 4)
    if (padding === 1) out[to + 1] = (b << 4) | (c >>> 2)
  }
  // A digit has six bits, FOREIGN eight.
  return seen > 63 ? undefined : out
}

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? byteAt(DIGITS, code) : FOREIGN
}

function putGroup(out: Uint8Array, to: number, a: number, b: number, c: number): number {
  out[to] = byteAt(CODES, a >>> 2)
  out[to + 1] = byteAt(CODES, ((a & 3) << 4) | (b >>> 4))
  out[to + 2] = byteAt(CODES, ((b & 15) << 2) | (c >>> 6))
  out[to + 3] = byteAt(CODES, c & 63)
  return to + 4
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

function digits(): Uint8Array {
  const table = new Uint8Array(128).fill(FOREIGN)
  for (let i = 0; i < CODES.length; i++) table[byteAt(CODES, i)] = i
  return table
}
