/**
 * UTF-8 of short texts that are mostly ASCII: ids and keys on the hot path. Pure.
 *
 * The platform's encoders cost half a microsecond a call whatever the length; a loop over ASCII costs a tenth
 * of that. Anything else goes the long way.
 */

import { decodeUtf8 } from './json-codec.ts'

/** Longer texts are faster the long way. */
const SHORT = 128
const UTF8_ENCODER = new TextEncoder()

/** @returns bytes of the text in UTF-8 */
export function utf8Size(text: string): number {
  return isShortAscii(text) ? text.length : UTF8_ENCODER.encode(text).length
}

/** Writes the text at `at`; there must be room for `utf8Size(text)` bytes. */
export function putUtf8(out: Uint8Array, at: number, text: string): void {
  if (!isShortAscii(text)) {
    out.set(UTF8_ENCODER.encode(text), at)
    return
  }
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
}

/** @throws FairleadError BAD_REQUEST for what is no UTF-8 */
export function utf8At(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT) return decodeUtf8(bytes.subarray(from, to))
  let text = ''
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number
    if (byte >= 0x80) return decodeUtf8(bytes.subarray(from, to))
    text += String.fromCharCode(byte)
  }
  return text
}

function isShortAscii(text: string): boolean {
  if (text.length > SHORT) return false
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}
