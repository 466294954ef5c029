/**
 * Tells the images of one run apart: two 32-bit hashes in one number of 53 bits. Not for security.
 */

export function digestOf(bytes: Uint8Array): number {
  let x = 0x811c9dc5
  let y = 0x9747b28c
  for (const byte of bytes) {
    x = Math.imul(x ^ byte, 0x01000193)
    y = Math.imul(y ^ byte, 0x85ebca6b)
    y ^= y >>> 15
  }
  return (x >>> 0) * 0x20_0000 + (y >>> 11)
}
