/**
 * Ids for requests that arrive without one: random UUIDs of version 4, as text.
 *
 * Unique enough to find a request in logs; not secret.
 */

import type { Rng } from '../../core/rng.ts'

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, '0'),
)

export function requestId(rng: Rng): string {
  const a = rng.u32()
  const b = rng.u32()
  const c = rng.u32()
  const d = rng.u32()
  return (
    `${hex(a >>> 24)}${hex(a >>> 16)}${hex(a >>> 8)}${hex(a)}-` +
    `${hex(b >>> 24)}${hex(b >>> 16)}-${hex(((b >>> 8) & 0x0f) | 0x40)}${hex(b)}-` +
    `${hex(((c >>> 24) & 0x3f) | 0x80)}${hex(c >>> 16)}-` +
    `${hex(c >>> 8)}${hex(c)}${hex(d >>> 24)}${hex(d >>> 16)}${hex(d >>> 8)}${hex(d)}`
  )
}

function hex(value: number): string {
  return HEX[value & 0xff] as string
}
