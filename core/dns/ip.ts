/**
 * IP addresses as bytes and text, and the names that DNS makes of them (dns.md 2, 8). Pure.
 *
 * Accepts dotted quads without leading zeros, and RFC 4291 text for IPv6 without zone.
 */

/**
 * @returns 4 or 16 bytes, or null when the text is not an IP address
 */
export function parseIp(text: string): Uint8Array | null {
  if (text.length < 2 || text.length > 45) return null
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16))
  }
  return compressGroups(groups)
}

/** The label of an address in `<hex>.addr` names: 8 or 32 lower-case hex digits. */
export function ipToHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

export function ipFromHex(hex: string): Uint8Array | null {
  if ((hex.length !== 8 && hex.length !== 32) || !/^[0-9a-f]+$/.test(hex)) return null
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)
  return bytes
}

/**
 * The address that a reverse name stands for.
 *
 * @param labels lower case, without `arpa`: `5.0.0.10.in-addr` or 32 nibbles and `ip6`
 */
export function ipFromReverse(labels: readonly string[]): Uint8Array | null {
  const zone = labels.at(-1)
  const reversed = labels.slice(0, -1).reverse()
  if (zone === 'in-addr' && reversed.length === 4) return parseIpv4(reversed.join('.'))
  if (zone !== 'ip6' || reversed.length !== 32) return null
  return reversed.every((nibble) => nibble.length === 1) ? ipFromHex(reversed.join('')) : null
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  const bytes = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part)) return null
    const value = Number(part)
    if (value > 255) return null
    bytes[i] = value
  }
  return bytes
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === null || tail === null) return null
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** Bytes of colon-separated groups; only the last groups of an address may be a dotted quad. */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (group.includes('.')) {
      const quad = isEnd && i === groups.length - 1 ? parseIpv4(group) : null
      if (quad === null) return null
      bytes.push(...quad)
      continue
    }
    if (!/^[0-9A-Fa-f]{1,4}$/.test(group)) return null
    const value = Number.parseInt(group, 16)
    bytes.push(value >> 8, value & 0xff)
  }
  return bytes.length > 16 ? null : bytes
}

/** Puts `::` for the longest run of two or more zero groups (RFC 5952). */
function compressGroups(groups: readonly string[]): string {
  let bestAt = -1
  let bestLength = 1
  for (let i = 0; i < groups.length; i++) {
    let length = 0
    while (groups[i + length] === '0') length++
    if (length > bestLength) {
      bestAt = i
      bestLength = length
    }
    if (length > 0) i += length - 1
  }
  if (bestAt < 0) return groups.join(':')
  return `${groups.slice(0, bestAt).join(':')}::${groups.slice(bestAt + bestLength).join(':')}`
}
