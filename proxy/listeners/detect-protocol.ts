/**
 * What the first bytes of a connection are: a request line of HTTP/1, the preface of HTTP/2, or neither. Pure.
 */

import { detectHttp1 } from '../http1/detect.ts'
import { PREFACE } from '../http2/format.ts'

export type Detected = 'http1' | 'http2' | 'tcp'

/** @returns 'more' while the bytes could still become HTTP */
export function detectProtocol(bytes: Uint8Array, length: number): Detected | 'more' {
  const size = Math.min(length, PREFACE.length)
  let at = 0
  while (at < size && bytes[at] === PREFACE.charCodeAt(at)) at++
  if (at === PREFACE.length) return 'http2'
  if (at === length) return 'more'
  const verdict = detectHttp1(bytes, length)
  return verdict === 'http' ? 'http1' : verdict
}
