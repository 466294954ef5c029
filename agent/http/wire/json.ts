/**
 * Writes JSON text the way Consul's encoder does, so that bodies agree byte for byte (http-api.md section 3).
 *
 * Guarantees: `<`, `>`, `&`, U+2028 and U+2029 are escaped, lone surrogates become U+FFFD, keys of maps are
 * in byte order, integers keep every digit. Encoders of objects build text from these pieces: no
 * intermediate objects, compact, no trailing newline.
 */

import type { Json, StringMap } from '../../../core/catalog/types.ts'

const NEEDS_ESCAPE = /[<>&\u2028\u2029]/
const ESCAPES = /[<>&\u2028\u2029]/g
const ESCAPED: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** A quoted string. */
export function text(value: string): string {
  const quoted = JSON.stringify(value.isWellFormed() ? value : value.toWellFormed())
  return NEEDS_ESCAPE.test(quoted) ? quoted.replace(ESCAPES, escapeOne) : quoted
}

function escapeOne(char: string): string {
  return ESCAPED[char] ?? char
}

export function textList(values: readonly string[]): string {
  if (values.length === 0) return '[]'
  let out = `[${text(values[0] ?? '')}`
  for (let i = 1; i < values.length; i++) out += `,${text(values[i] ?? '')}`
  return `${out}]`
}

/** An object with text values, or null. */
export function textMap(values: StringMap | null): string {
  return values === null ? 'null' : map(values, text)
}

/** An object whose keys are data: sorted by their bytes. */
export function map<T>(values: Readonly<Record<string, T>>, encode: (value: T) => string): string {
  const keys = Object.keys(values)
  if (keys.length === 0) return '{}'
  if (keys.length > 1) keys.sort(compareBytes)
  let out = ''
  for (const key of keys) out += `,${text(key)}:${encode(values[key] as T)}`
  return `{${out.slice(1)}}`
}

export function list<T>(values: readonly T[], encode: (value: T) => string): string {
  if (values.length === 0) return '[]'
  let out = `[${encode(values[0] as T)}`
  for (let i = 1; i < values.length; i++) out += `,${encode(values[i] as T)}`
  return `${out}]`
}

/** Standard alphabet, padded; no bytes are null, as a nil slice is. */
export function bytes(value: Uint8Array): string {
  if (value.length === 0) return 'null'
  return `"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}"`
}

/** What a user gave, returned as it was but for the order of keys. */
export function opaque(value: Json): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null'
    case 'boolean':
      return value ? 'true' : 'false'
    default:
      return isList(value) ? list(value, opaque) : map(value, opaque)
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

const ZERO_TIME = '"0001-01-01T00:00:00Z"'

/** RFC 3339 with the fraction that is needed; 0 is the zero time. @param epochMs milliseconds */
export function time(epochMs: number): string {
  if (epochMs === 0) return ZERO_TIME
  return `"${new Date(epochMs).toISOString().replace(/\.?0*Z$/, 'Z')}"`
}

/** By code points, which is the order of UTF-8 bytes (the built-in order is by UTF-16 units). */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates stand for code points above every other unit.
    const isHighX = x >= 0xd800 && x < 0xe000
    const isHighY = y >= 0xd800 && y < 0xe000
    if (isHighX !== isHighY) return isHighX ? 1 : -1
    return x - y
  }
  return a.length - b.length
}
