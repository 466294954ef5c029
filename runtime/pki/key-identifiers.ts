/**
 * Subject and authority key identifiers of a certificate, read from its DER (RFC 5280 4.2.1.1, 4.2.1.2).
 *
 * Walks the structure by its own lengths, so that bytes of another field are never taken for an
 * extension. Never throws: what is malformed or absent gives ''. Depth is fixed; no recursion.
 */

import { colonHex } from './colon-hex.ts'

const SEQUENCE = 0x30
const OCTET_STRING = 0x04
const EXTENSIONS = 0xa3
const KEY_ID = 0x80
const OID_SUBJECT_KEY_ID = '0603551d0e'
const OID_AUTHORITY_KEY_ID = '0603551d23'

interface Tlv {
  readonly tag: number
  readonly body: Uint8Array
  readonly whole: Uint8Array
}

export function keyIdentifiers(der: Uint8Array): { subject: string; authority: string } {
  const found = { subject: '', authority: '' }
  const certificate = elements(der)[0]
  const tbs = certificate === undefined ? undefined : elements(certificate.body)[0]
  if (tbs?.tag !== SEQUENCE) return found
  const wrapper = elements(tbs.body).find((field) => field.tag === EXTENSIONS)
  const list = wrapper === undefined ? undefined : elements(wrapper.body)[0]
  for (const extension of list === undefined ? [] : elements(list.body)) {
    const fields = elements(extension.body)
    const oid = Buffer.from(fields[0]?.whole ?? []).toString('hex')
    const value = fields.at(-1)
    if (value?.tag !== OCTET_STRING) continue
    const inner = elements(value.body)[0]
    if (inner === undefined) continue
    if (oid === OID_SUBJECT_KEY_ID && inner.tag === OCTET_STRING) {
      found.subject = colonHex(inner.body)
    }
    if (oid === OID_AUTHORITY_KEY_ID && inner.tag === SEQUENCE) {
      const id = elements(inner.body).find((field) => field.tag === KEY_ID)
      if (id !== undefined) found.authority = colonHex(id.body)
    }
  }
  return found
}

/** The elements that stand one after the other in `bytes`; stops at the first that does not fit. */
function elements(bytes: Uint8Array): Tlv[] {
  const out: Tlv[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const tag = bytes[at] ?? 0
    let length = bytes[at + 1] ?? 0
    let start = at + 2
    if (length > 0x80) {
      const count = length - 0x80
      if (count > 4 || start + count > bytes.length) return out
      length = 0
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0)
      start += count
    } else if (length === 0x80) {
      return out
    }
    const end = start + length
    if (end > bytes.length) return out
    out.push({ tag, body: bytes.subarray(start, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return out
}
