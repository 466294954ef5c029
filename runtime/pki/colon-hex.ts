/**
 * Colon-separated lower hex, the spelling of fingerprints, key ids and serial numbers (mesh.md 4.1).
 */

export function colonHex(bytes: Uint8Array): string {
  return colonSeparated(Buffer.from(bytes).toString('hex'))
}

/** `3C4F` → `3c:4f`; an odd number of digits gets a leading zero. */
export function colonSeparated(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`
  return (even.toLowerCase().match(/../g) ?? []).join(':')
}

/** Even-length hex of a serial number taken from the replicated counter. */
export function serialHex(serial: number): string {
  const hex = serial.toString(16)
  return hex.length % 2 === 0 ? hex : `0${hex}`
}
