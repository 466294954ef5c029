/**
 * Decoders of single values and of lists and maps: from parsed JSON (or HCL) to typed data, noting every problem.
 *
 * A decoder never throws and never keeps its input. In `json` style types are strict, null means absent, as
 * in Go; in `config` style texts are taken for numbers and booleans, numbers for texts, and a single
 * element for a list of it (agent-config.md 1). Objects with named fields: core/decode/object.ts.
 * Bounds: lists `LIST_LENGTH_MAX`, maps `MAP_SIZE_MAX`, opaque values `DEPTH_MAX` levels.
 */

import type { Json, JsonObject, StringMap } from '../catalog/types.ts'
import { durationFault, NS_PER_MS, parseDuration } from '../duration.ts'
import { type DecodeStyle, INVALID, type Invalid, Place, type Problem } from './place.ts'

export interface Decoder<T> {
  /** Type as Go's message would name it. */
  readonly type: string
  read(input: unknown, at: Place): T | Invalid
}

export type DecodeResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export const LIST_LENGTH_MAX = 65_536
export const MAP_SIZE_MAX = 65_536
/** Levels of an opaque value such as `Proxy.Config`. */
export const DEPTH_MAX = 64

/** Reads `input` as a whole; `path` names it in problems (`services[0]`). */
export function decode<T>(
  decoder: Decoder<T>,
  input: unknown,
  options: { readonly style: DecodeStyle; readonly path?: string },
): DecodeResult<T> {
  const at = Place.root(options.style, options.path)
  const value = decoder.read(input, at)
  if (value === INVALID || at.problems.length > 0) return { ok: false, problems: at.problems }
  return { ok: true, value }
}

export const string: Decoder<string> = {
  type: 'string',
  read(input, at) {
    if (typeof input === 'string') return input
    if (at.style === 'config' && (typeof input === 'number' || typeof input === 'boolean')) {
      return String(input)
    }
    return at.mismatch(input, 'string')
  },
}

export const boolean: Decoder<boolean> = {
  type: 'bool',
  read(input, at) {
    if (typeof input === 'boolean') return input
    if (at.style === 'config') {
      if (input === 'true' || input === '1' || input === 1) return true
      if (input === 'false' || input === '0' || input === 0 || input === '') return false
    }
    return at.mismatch(input, 'bool')
  },
}

export const integer: Decoder<number> = {
  type: 'int',
  read(input, at) {
    if (typeof input === 'number' && Number.isSafeInteger(input)) return input
    if (at.style === 'config' && typeof input === 'string' && /^[+-]?[0-9]{1,15}$/.test(input)) {
      return Number(input)
    }
    return at.mismatch(input, 'int')
  },
}

export const number: Decoder<number> = {
  type: 'float64',
  read(input, at) {
    if (typeof input === 'number' && Number.isFinite(input)) return input
    if (at.style === 'config' && typeof input === 'string' && input.trim() !== '') {
      const value = Number(input)
      if (Number.isFinite(value)) return value
    }
    return at.mismatch(input, 'float64')
  },
}

/** Unsigned 64 bit; large ones reach it exactly only through `parseJsonText`. */
export const unsigned64: Decoder<bigint> = {
  type: 'uint64',
  read(input, at) {
    const value = typeof input === 'number' && Number.isSafeInteger(input) ? BigInt(input) : input
    if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value
    return at.mismatch(input, 'uint64')
  },
}

/** An index of Raft. Beyond every one that can be, one is as good as another. */
export const raftIndex: Decoder<number> = {
  type: 'uint64',
  read(input, at) {
    const value = unsigned64.read(input, at)
    return typeof value === 'bigint' ? Math.min(Number(value), Number.MAX_SAFE_INTEGER) : value
  },
}

/** A Go duration string, or (not in configuration files) a number of nanoseconds. @returns milliseconds */
export const durationMs: Decoder<number> = {
  type: 'time.Duration',
  read(input, at) {
    if (typeof input === 'number' && at.style === 'json' && Number.isFinite(input)) {
      return Math.trunc(input) / NS_PER_MS
    }
    if (typeof input === 'string') {
      // Only the HTTP form takes an empty text for an absent duration.
      if (input === '' && at.style === 'json') return 0
      const ns = parseDuration(input)
      if (ns !== undefined) return ns / NS_PER_MS
    }
    const isBareNumber = typeof input === 'number' && at.style === 'config'
    if (typeof input !== 'string' && !isBareNumber) return at.mismatch(input, 'time.Duration')
    return at.problem(durationProblem(String(input), at))
  },
}

function durationProblem(text: string, at: Place): string {
  const reason = durationFault(text)
  return at.style === 'config' ? `${at.path()}: invalid duration: "${text}": ${reason}` : reason
}

/** Standard alphabet, padded; null is absent. */
export const base64: Decoder<Uint8Array> = {
  type: '[]uint8',
  read(input, at) {
    if (typeof input !== 'string') return at.mismatch(input, '[]uint8')
    const bytes = fromBase64(input)
    return bytes ?? at.problem('illegal base64 data')
  },
}

export function list<T>(element: Decoder<T>): Decoder<readonly T[]> {
  return {
    type: `[]${element.type}`,
    read(input, at) {
      const items = Array.isArray(input) ? input : undefined
      if (items === undefined) {
        if (at.style !== 'config') return at.mismatch(input, `[]${element.type}`)
        const single = element.read(input, at)
        return single === INVALID ? INVALID : [single]
      }
      if (items.length > LIST_LENGTH_MAX) {
        return at.problem(
          `${at.path()}: list has ${items.length} elements, at most ${LIST_LENGTH_MAX}`,
        )
      }
      const out: T[] = []
      for (let i = 0; i < items.length; i++) {
        const value = element.read(items[i], at.child(i))
        if (value !== INVALID) out.push(value)
      }
      return out
    },
  }
}

export function mapOf<T>(element: Decoder<T>): Decoder<Readonly<Record<string, T>>> {
  return {
    type: `map[string]${element.type}`,
    read(input, at) {
      // HCL gives a block repeated once as a list of one object.
      const object =
        at.style === 'config' && Array.isArray(input) && input.length === 1 ? input[0] : input
      if (!isPlainObject(object)) return at.mismatch(input, `map[string]${element.type}`)
      const entries: [string, T][] = []
      for (const [key, raw] of Object.entries(object)) {
        if (entries.length >= MAP_SIZE_MAX) {
          return at.problem(`${at.path()}: more than ${MAP_SIZE_MAX} entries`)
        }
        const value = element.read(raw, at.child(key))
        if (value !== INVALID) entries.push([key, value])
      }
      // fromEntries defines own properties, so that a key "__proto__" is only a key.
      return Object.fromEntries(entries)
    },
  }
}

export const stringMap: Decoder<StringMap> = mapOf(string)

/** Any JSON value, copied; returned to users as it was. */
export const opaque: Decoder<Json> = {
  type: 'interface {}',
  read: (input, at) => copyJson(input, at, 0),
}

export const opaqueObject: Decoder<JsonObject> = {
  type: 'map[string]interface {}',
  read(input, at) {
    const object =
      at.style === 'config' && Array.isArray(input) && input.length === 1 ? input[0] : input
    if (!isPlainObject(object)) return at.mismatch(input, 'map[string]interface {}')
    return copyJson(object, at, 0) as JsonObject | Invalid
  },
}

/** `decoder`, or null where the input says null. */
export function nullable<T>(decoder: Decoder<T>): Decoder<T | null> {
  return {
    type: decoder.type,
    read: (input, at) => (input === null ? null : decoder.read(input, at)),
  }
}

export function isPlainObject(input: unknown): input is Record<string, unknown> {
  return typeof input === 'object' && input !== null && !Array.isArray(input)
}

function copyJson(input: unknown, at: Place, depth: number): Json | Invalid {
  if (input === null || typeof input === 'string' || typeof input === 'boolean') return input
  if (typeof input === 'number') return input
  if (typeof input === 'bigint') return Number(input)
  if (depth >= DEPTH_MAX) return at.problem(`${at.path()}: nested deeper than ${DEPTH_MAX} levels`)
  if (Array.isArray(input)) {
    const out: Json[] = []
    for (const item of input) {
      const value = copyJson(item, at, depth + 1)
      if (value === INVALID) return INVALID
      out.push(value)
    }
    return out
  }
  if (!isPlainObject(input)) return at.mismatch(input, 'interface {}')
  const entries: [string, Json][] = []
  for (const [key, item] of Object.entries(input)) {
    const value = copyJson(item, at, depth + 1)
    if (value === INVALID) return INVALID
    entries.push([key, value])
  }
  return Object.fromEntries(entries)
}

function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
