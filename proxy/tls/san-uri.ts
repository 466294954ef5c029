/**
 * The URI names in the subject alternative name of a certificate, read from its DER (RFC 5280 4.2.1.6).
 *
 * Walks the structure by its own lengths; every element must fit and the SAN must be whole, else the answer
 * is undefined: identity is never guessed from a malformed certificate. Never throws. No recursion.
 */

const SEQUENCE = 0x30
const OCTET_STRING = 0x04
const BOOLEAN = 0x01
const EXTENSIONS = 0xa3
/** GeneralName uniformResourceIdentifier: context tag 6, primitive. */
const URI_NAME = 0x86
/** OBJECT IDENTIFIER 2.5.29.17 */
const SAN_OID = Buffer.from('0603551d11', 'hex')

interface Element {
  readonly tag: number
  readonly from: number
  readonly to: number
  /** Where the next element begins; the header of this one starts at `start`. */
  readonly start: number
}

/** @returns the URIs in order, [] without a SAN, undefined when the certificate is malformed or has two SANs */
export function sanUris(der: Uint8Array): readonly string[] | undefined {
  const certificate = element(der, 0, der.length)
  if (certificate?.tag !== SEQUENCE) return undefined
  const tbs = element(der, certificate.from, certificate.to)
  if (tbs?.tag !== SEQUENCE) return undefined
  const fields = elements(der, tbs.from, tbs.to)
  if (fields === undefined) return undefined
  const wrapper = fields.find((field) => field.tag === EXTENSIONS)
  if (wrapper === undefined) return []
  const list = element(der, wrapper.from, wrapper.to)
  if (list?.tag !== SEQUENCE || list.to !== wrapper.to) return undefined
  const extensions = elements(der, list.from, list.to)
  if (extensions === undefined) return undefined
  let uris: readonly string[] | undefined
  for (const extension of extensions) {
    const parts =
      extension.tag === SEQUENCE ? elements(der, extension.from, extension.to) : undefined
    if (parts === undefined) return undefined
    if (!isSan(der, parts[0])) continue
    const names = sanNames(der, parts)
    if (names === undefined || uris !== undefined) return undefined
    uris = names
  }
  return uris ?? []
}

function isSan(der: Uint8Array, oid: Element | undefined): boolean {
  return oid !== undefined && SAN_OID.equals(der.subarray(oid.start, oid.to))
}

function sanNames(der: Uint8Array, parts: readonly Element[]): readonly string[] | undefined {
  const value = parts[1]?.tag === BOOLEAN ? parts[2] : parts[1]
  if (value?.tag !== OCTET_STRING) return undefined
  const names = element(der, value.from, value.to)
  if (names?.tag !== SEQUENCE || names.to !== value.to) return undefined
  const list = elements(der, names.from, names.to)
  return list
    ?.filter((name) => name.tag === URI_NAME)
    .map((name) => Buffer.from(der.subarray(name.from, name.to)).toString('latin1'))
}

function elements(der: Uint8Array, from: number, to: number): Element[] | undefined {
  const found: Element[] = []
  for (let at = from; at < to; ) {
    const next = element(der, at, to)
    if (next === undefined) return undefined
    found.push(next)
    at = next.to
  }
  return found
}

function element(der: Uint8Array, start: number, end: number): Element | undefined {
  if (start + 2 > end) return undefined
  const tag = der[start] as number
  let length = der[start + 1] as number
  let from = start + 2
  if (length > 0x80) {
    const count = length - 0x80
    if (count > 3 || from + count > end) return undefined
    length = 0
    for (let i = 0; i < count; i++) length = length * 256 + (der[from + i] as number)
    from += count
  } else if (length === 0x80) {
    return undefined
  }
  return from + length <= end ? { tag, start, from, to: from + length } : undefined
}
