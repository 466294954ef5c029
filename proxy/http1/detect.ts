/**
 * Whether the first bytes of a connection are an HTTP/1 request line. Pure.
 *
 * Only a whole, valid first line counts: other protocols begin with words too (`GET key` of a cache). While
 * the bytes could still become one, the answer is 'more'. Bounds: LINE_BYTES_MAX, beyond it 'tcp'.
 */

import { CR, IS_TOKEN, LF, SPACE, TARGET_CLASS } from './bytes.ts'

const LINE_BYTES_MAX = 8192
const METHOD_BYTES_MAX = 32
const VERSION = 'HTTP/1.'

/** First bytes of HTTP/2 with prior knowledge are no HTTP/1: their version says 2.0. */
export function detectHttp1(bytes: Uint8Array, length: number): 'http' | 'tcp' | 'more' {
  let at = 0
  while (at < length && IS_TOKEN[bytes[at] as number] === 1) at++
  if (at > METHOD_BYTES_MAX) return 'tcp'
  if (at === length) return 'more'
  if (at === 0 || bytes[at] !== SPACE) return 'tcp'
  const target = ++at
  while (at < length && TARGET_CLASS[bytes[at] as number] !== 0) at++
  if (at > LINE_BYTES_MAX) return 'tcp'
  if (at === length) return 'more'
  if (at === target || bytes[at] !== SPACE) return 'tcp'
  return detectVersion(bytes, at + 1, length)
}

function detectVersion(bytes: Uint8Array, from: number, length: number): 'http' | 'tcp' | 'more' {
  let at = from
  for (let i = 0; i < VERSION.length; i++, at++) {
    if (at === length) return 'more'
    if (bytes[at] !== VERSION.charCodeAt(i)) return 'tcp'
  }
  if (at === length) return 'more'
  if (bytes[at] !== 0x30 && bytes[at] !== 0x31) return 'tcp'
  if (++at === length) return 'more'
  if (bytes[at] !== CR) return 'tcp'
  if (++at === length) return 'more'
  return bytes[at] === LF ? 'http' : 'tcp'
}
