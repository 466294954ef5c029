/**
 * PEM blocks: split and made, nothing interpreted (RFC 7468, lax about what stands between blocks).
 *
 * Guarantees linear time and that a block's bytes are what its base64 says. Does not look at the DER.
 * Bounds: PEM_BYTES_MAX of text, PEM_BLOCKS_MAX blocks; beyond them BAD_REQUEST.
 */

import { FairleadError } from '../../core/errors.ts'

export const PEM_BYTES_MAX = 1024 * 1024
export const PEM_BLOCKS_MAX = 256

export interface PemBlock {
  /** `CERTIFICATE`, `EC PRIVATE KEY`, … */
  readonly label: string
  /** The block as it stood, with a trailing newline. */
  readonly text: string
  /** Decoded body; empty when the block has headers (legacy encryption), which only OpenSSL reads. */
  readonly der: Uint8Array
}

const BEGIN = '-----BEGIN '
const DASHES = '-----'

export function pemBlocks(text: string): PemBlock[] {
  if (text.length > PEM_BYTES_MAX) {
    throw new FairleadError('BAD_REQUEST', `PEM text is longer than ${PEM_BYTES_MAX} bytes`)
  }
  const blocks: PemBlock[] = []
  let at = text.indexOf(BEGIN)
  while (at >= 0) {
    const labelEnd = text.indexOf(DASHES, at + BEGIN.length)
    if (labelEnd < 0) break
    const label = text.slice(at + BEGIN.length, labelEnd)
    const endMarker = `-----END ${label}-----`
    const bodyEnd = text.indexOf(endMarker, labelEnd)
    if (bodyEnd < 0) break
    if (blocks.length === PEM_BLOCKS_MAX) {
      throw new FairleadError('BAD_REQUEST', `PEM text has more than ${PEM_BLOCKS_MAX} blocks`)
    }
    const body = text.slice(labelEnd + DASHES.length, bodyEnd)
    const end = bodyEnd + endMarker.length
    blocks.push({ label, text: `${text.slice(at, end)}\n`, der: decodeBody(body) })
    at = text.indexOf(BEGIN, end)
  }
  return blocks
}

/** Lines of 64 characters, trailing newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function decodeBody(body: string): Uint8Array {
  return body.includes(':') ? new Uint8Array() : Buffer.from(body, 'base64')
}
