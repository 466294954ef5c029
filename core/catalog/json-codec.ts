/**
 * JSON that also carries bytes and big integers, for commands, images and the RPC layer. Pure.
 *
 * A byte array is written `{"$bytes":"<base64>"}`, a bigint `{"$bigint":"<decimal>"}`; a plain object whose
 * only key begins with `$` is wrapped as `{"$plain":{…}}`, so that what a user stores is never mistaken
 * for either. Guarantees: decoding what was encoded gives an equal value (undefined fields are left out),
 * and bad input gives one FairleadError, never half a value. Bounds: JSON_DEPTH_MAX levels; the size is
 * bounded by the caller, who holds the bytes.
 */

import { FairleadError } from '../errors.ts'
import { fromBase64, toBase64 } from './base64.ts'

export const JSON_DEPTH_MAX = 128

export const BYTES = '$bytes'
export const BIGINT = '$bigint'
export const PLAIN = '$plain'

const BIGINT_FORM = /^(?:0|-?[1-9][0-9]{0,99})$/
const UTF8_ENCODER = new TextEncoder()
const UTF8_DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type PlainObject = Record<string, unknown>

/**
 * @throws FairleadError BAD_REQUEST for a number that is not finite, a function or symbol, or too much depth
 */
export function encodeJson(value: unknown): Uint8Array {
  return UTF8_ENCODER.encode(encodeJsonText(value))
}

/** As `encodeJson`, as text. */
export function encodeJsonText(value: unknown): string {
  return JSON.stringify(tag(value, 0) ?? null)
}

/** @throws FairleadError BAD_REQUEST when the bytes are not UTF-8, not JSON, too deep or wrongly tagged */
export function decodeJson(bytes: Uint8Array): unknown {
  return decodeJsonText(decodeUtf8(bytes))
}

/** @throws FairleadError BAD_REQUEST as `decodeJson` */
export function decodeJsonText(text: string): unknown {
  return untag(parse(text), 0)
}

/** @throws FairleadError BAD_REQUEST */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8_DECODER.decode(bytes)
  } catch (thrown) {
    throw new FairleadError('BAD_REQUEST', 'Cannot decode: not UTF-8', { cause: thrown })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw new FairleadError('BAD_REQUEST', 'Cannot decode: not JSON', { cause: thrown })
  }
}

/** @returns `value` itself when nothing in it needs a tag */
function tag(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw unencodable('the number is not finite')
      return value
    case 'bigint':
      return { [BIGINT]: value.toString() }
    case 'object':
      break
    default:
      throw unencodable(`a ${typeof value} is no data`)
  }
  if (value === null) return value
  if (value instanceof Uint8Array) return { [BYTES]: toBase64(value) }
  if (depth >= JSON_DEPTH_MAX) throw unencodable(`more than ${JSON_DEPTH_MAX} levels`)
  if (Array.isArray(value)) return tagList(value, depth)
  return tagObject(value as PlainObject, depth)
}

function tagList(list: readonly unknown[], depth: number): unknown {
  let out: unknown[] | undefined
  for (let i = 0; i < list.length; i++) {
    const item = list[i]
    const tagged = tag(item, depth + 1)
    if (tagged === item) continue
    out ??= list.slice()
    out[i] = tagged
  }
  return out ?? list
}

function tagObject(object: PlainObject, depth: number): unknown {
  const keys = Object.keys(object)
  let out: PlainObject | undefined
  for (const key of keys) {
    const item = object[key]
    const tagged = tag(item, depth + 1)
    if (tagged === item) continue
    out ??= copyOf(object)
    out[key] = tagged
  }
  const isAmbiguous = keys.length === 1 && keys[0]?.startsWith('$')
  return isAmbiguous ? { [PLAIN]: out ?? object } : (out ?? object)
}

/** Without a prototype, so that a key named `__proto__` is a key like any other. */
function copyOf(object: PlainObject): PlainObject {
  return Object.assign(Object.create(null), object) as PlainObject
}

/** Replaces tags in place: `value` comes fresh from JSON.parse and belongs to nobody else. */
function untag(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= 2 * JSON_DEPTH_MAX) throw undecodable(`more than ${JSON_DEPTH_MAX} levels`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i]
      if (typeof item === 'object') value[i] = untag(item, depth + 1)
    }
    return value
  }
  const object = value as PlainObject
  const keys = Object.keys(object)
  if (keys.length === 1 && keys[0]?.startsWith('$')) {
    return untagSingle(keys[0], object[keys[0]], depth)
  }
  return untagFields(object, keys, depth)
}

function untagFields(object: PlainObject, keys: readonly string[], depth: number): PlainObject {
  for (const key of keys) {
    const item = object[key]
    if (typeof item !== 'object' || item === null) continue
    const plain = untag(item, depth + 1)
    if (plain !== item) object[key] = plain
  }
  return object
}

function untagSingle(key: string, content: unknown, depth: number): unknown {
  if (key === BYTES) {
    const bytes = typeof content === 'string' ? fromBase64(content) : undefined
    if (bytes === undefined) throw undecodable(`${BYTES} is not base64`)
    return bytes
  }
  if (key === BIGINT) {
    if (typeof content !== 'string' || !BIGINT_FORM.test(content)) {
      throw undecodable(`${BIGINT} is not a decimal integer`)
    }
    return BigInt(content)
  }
  if (key === PLAIN && typeof content === 'object' && content !== null && !Array.isArray(content)) {
    const object = content as PlainObject
    return untagFields(object, Object.keys(object), depth + 1)
  }
  throw undecodable(`unknown tag "${key.slice(0, 32)}"`)
}

export function unencodable(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Cannot encode: ${reason}`)
}

function undecodable(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Cannot decode: ${reason}`)
}
