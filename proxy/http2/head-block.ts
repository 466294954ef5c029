/**
 * Header blocks of HTTP/2 from canonical text (http1/message.ts): what belongs to HTTP/1's connection is left out,
 * the first line becomes pseudo-header fields (RFC 9113 8.2, 8.3).
 */

import type { HpackEncoder } from './hpack-encoder.ts'

/** Fields of canonical text that mean nothing, or something else, in HTTP/2. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

export function requestBlock(encoder: HpackEncoder, text: string, scheme: string): string {
  const lineEnd = text.indexOf('\r\n')
  const methodEnd = text.indexOf(' ')
  const targetEnd = text.indexOf(' ', methodEnd + 1)
  return (
    encoder.begin() +
    encoder.field(':method', text.slice(0, methodEnd)) +
    encoder.field(':scheme', scheme) +
    encoder.authority(hostOf(text, lineEnd)) +
    encoder.path(text, methodEnd + 1, targetEnd) +
    fieldsOf(encoder, text, lineEnd + 2)
  )
}

export function responseBlock(encoder: HpackEncoder, status: number, text: string): string {
  const lineEnd = text.indexOf('\r\n')
  return (
    encoder.begin() +
    encoder.field(':status', String(status)) +
    fieldsOf(encoder, text, lineEnd + 2)
  )
}

/** @param text fields only */
export function trailerBlock(encoder: HpackEncoder, text: string): string {
  return encoder.begin() + fieldsOf(encoder, text, 0)
}

function fieldsOf(encoder: HpackEncoder, text: string, from: number): string {
  let block = ''
  for (let at = from; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) break
    block += encoder.known(text, at, end) || fieldOf(encoder, text, at, end)
    at = end + 2
  }
  return block
}

function fieldOf(encoder: HpackEncoder, text: string, from: number, to: number): string {
  const colon = text.indexOf(':', from)
  const name = text.slice(from, colon).toLowerCase()
  if (LEFT_OUT.has(name)) return ''
  return encoder.fresh(name, text.slice(colon + 1, to).trim(), text.slice(from, to))
}

/** '' when there is none: canonical requests have one. */
function hostOf(text: string, lineEnd: number): string {
  for (let at = lineEnd + 2; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) break
    if (text.charCodeAt(at + 4) === COLON && text.slice(at, at + 4).toLowerCase() === 'host') {
      return text.slice(at + 5, end).trim()
    }
    at = end + 2
  }
  return ''
}

const COLON = 0x3a
