/**
 * Hashes of 32 bits for choosing among entries; not for secrets. Pure.
 *
 * Source: xxHash32 of Yann Collet's xxHash specification, over the code units of a text below 256 each (heads are latin1;
 * others count with their low byte and their high byte). `mixed` is its final avalanche.
 */

const P1 = 0x9e3779b1
const P2 = 0x85ebca77
const P3 = 0xc2b2ae3d
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

export function textHash(text: string, seed = 0): number {
  const bytes = isLatin1(text) ? text : splitUnits(text)
  const length = bytes.length
  let at = 0
  let hash: number
  if (length >= 16) {
    let a = (seed + P1 + P2) | 0
    let b = (seed + P2) | 0
    let c = seed | 0
    let d = (seed - P1) | 0
    for (; at + 16 <= length; at += 16) {
      a = round(a, wordAt(bytes, at))
      b = round(b, wordAt(bytes, at + 4))
      c = round(c, wordAt(bytes, at + 8))
      d = round(d, wordAt(bytes, at + 12))
    }
    hash = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0
  } else {
    hash = (seed + P5) | 0
  }
  hash = (hash + length) | 0
  for (; at + 4 <= length; at += 4) {
    hash = Math.imul(rotl((hash + Math.imul(wordAt(bytes, at), P3)) | 0, 17), P4)
  }
  for (; at < length; at++) {
    hash = Math.imul(rotl((hash + Math.imul(bytes.charCodeAt(at), P5)) | 0, 11), P1)
  }
  return mixed(hash)
}

export function mixed(hash: number): number {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 15), P2)
  h = Math.imul(h ^ (h >>> 13), P3)
  return (h ^ (h >>> 16)) >>> 0
}

/** Of several values, in their order (mesh.md 10.3). */
export function combined(before: number, hash: number): number {
  return (rotl(before, 1) ^ hash) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotl((lane + Math.imul(word, P2)) | 0, 13), P1)
}

function rotl(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}

function wordAt(text: string, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  )
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false
  return true
}

function splitUnits(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    out += String.fromCharCode(unit & 0xff, unit >> 8)
  }
  return out
}
