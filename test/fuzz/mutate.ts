/**
 * How valid bytes are damaged: flips, inserts, removals, splices, lengths at their limits, cuts, plain noise.
 */

import type { Rng } from '../../core/rng.ts'

const NOISE_BYTES_MAX = 512
/** What a length field is set to: where decoders that trust it go wrong. */
const LENGTHS = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

/** @param other another valid input, to splice with */
export function mutate(input: Uint8Array, other: Uint8Array, rng: Rng): Uint8Array {
  const times = rng.pick([1, 1, 1, 2, 4, 16]) as number
  let bytes = input.slice()
  for (let i = 0; i < times; i++) bytes = once(bytes, other, rng)
  return bytes
}

export function noise(rng: Rng): Uint8Array {
  const bytes = new Uint8Array(rng.range(0, NOISE_BYTES_MAX))
  for (let i = 0; i < bytes.length; i++) bytes[i] = rng.range(0, 256)
  return bytes
}

function once(bytes: Uint8Array, other: Uint8Array, rng: Rng): Uint8Array<ArrayBuffer> {
  const at = rng.range(0, bytes.length + 1)
  switch (rng.range(0, 8)) {
    case 0:
      return flip(bytes, at, 1 << rng.range(0, 8))
    case 1:
      return flip(bytes, at, rng.range(1, 256))
    case 2:
      return joined(bytes.subarray(0, at), Uint8Array.of(rng.range(0, 256)), bytes.subarray(at))
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + rng.range(1, 9)))
    case 4:
      return joined(bytes.subarray(0, at), other.subarray(rng.range(0, other.length + 1)))
    case 5:
      return bytes.slice(0, at)
    case 6:
      return withLength(bytes, at, rng)
    default:
      return joined(bytes.subarray(0, at), bytes.subarray(0, at), bytes.subarray(at))
  }
}

function flip(bytes: Uint8Array, at: number, mask: number): Uint8Array<ArrayBuffer> {
  const out = bytes.slice()
  if (at < out.length) out[at] = (out[at] as number) ^ mask
  return out
}

/** Overwrites one, two, four or eight bytes by a length, in either order of bytes. */
function withLength(bytes: Uint8Array, at: number, rng: Rng): Uint8Array<ArrayBuffer> {
  const out = bytes.slice()
  const width = rng.pick([1, 2, 4, 8]) as number
  const near = bytes.length + rng.range(-2, 3)
  const value = rng.float() < 0.3 ? Math.max(0, near) : (rng.pick(LENGTHS) as number)
  const isLittle = rng.float() < 0.5
  for (let i = 0; i < width && at + i < out.length; i++) {
    const power = isLittle ? i : width - 1 - i
    out[at + i] = power >= 4 ? 0 : (value >>> (8 * power)) & 0xff
  }
  return out
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
