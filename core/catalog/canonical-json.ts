/**
 * Canonical JSON: as json-codec.ts writes it, with the keys of every object in one order. Pure.
 *
 * Guarantees: equal values give equal text, the same on every server and in every version; `decodeJsonText` reads
 * it. The order is that of JavaScript's objects: numbers first, ascending, then the rest by UTF-16 units. Text
 * is built directly, without sorted copies: an image has millions of records (a service costs 3 µs, by copies it
 * was 8). Bound: SHAPES_MAX orders of keys are remembered, then all are forgotten.
 */

import { toBase64 } from './base64.ts'
import { BIGINT, BYTES, JSON_DEPTH_MAX, PLAIN, unencodable } from './json-codec.ts'

const SHAPES_MAX = 1_024

/** Needs no escape; most texts are such. */
const SIMPLE = /^[ !#-[\]-~]*$/

/** Keys as they were met, and what is written for them. */
interface KeyOrder {
  readonly met: readonly string[]
  readonly sorted: readonly string[]
  /** `"key":` of each, in that order. */
  readonly heads: readonly string[]
}

/** @throws FairleadError BAD_REQUEST for a number that is not finite, a function or symbol, or too much depth */
export function canonicalJsonText(value: unknown): string {
  return new CanonicalJson().text(value)
}

/** For many values: remembers the keys of those it has written. */
export class CanonicalJson {
  /** By the first key that was met. */
  readonly #orders = new Map<string, KeyOrder>()

  /** @throws FairleadError as `canonicalJsonText` */
  text(value: unknown): string {
    return this.#text(value, 0) ?? 'null'
  }

  /** @returns undefined for what is left out */
  #text(value: unknown, depth: number): string | undefined {
    switch (typeof value) {
      case 'string':
        return quoted(value)
      case 'boolean':
        return value ? 'true' : 'false'
      case 'undefined':
        return undefined
      case 'number':
        if (!Number.isFinite(value)) throw unencodable('the number is not finite')
        return String(value)
      case 'bigint':
        return `{"${BIGINT}":"${value}"}`
      case 'object':
        break
      default:
        throw unencodable(`a ${typeof value} is no data`)
    }
    if (value === null) return 'null'
    if (value instanceof Uint8Array) return `{"${BYTES}":"${toBase64(value)}"}`
    if (depth >= JSON_DEPTH_MAX) throw unencodable(`more than ${JSON_DEPTH_MAX} levels`)
    if (Array.isArray(value)) return this.#list(value, depth + 1)
    return this.#object(value as Readonly<Record<string, unknown>>, depth + 1)
  }

  #list(list: readonly unknown[], depth: number): string {
    let out = ''
    for (let i = 0; i < list.length; i++) {
      out += `${i === 0 ? '' : ','}${this.#text(list[i], depth) ?? 'null'}`
    }
    return `[${out}]`
  }

  #object(object: Readonly<Record<string, unknown>>, depth: number): string {
    const keys = Object.keys(object)
    if (keys.length === 0) return '{}'
    const { sorted, heads } = this.#orderOf(keys)
    let out = ''
    for (let i = 0; i < sorted.length; i++) {
      const text = this.#text(object[sorted[i] as string], depth)
      if (text !== undefined) out += `${out === '' ? '' : ','}${heads[i]}${text}`
    }
    const isAmbiguous = keys.length === 1 && keys[0]?.startsWith('$')
    return isAmbiguous ? `{"${PLAIN}":{${out}}}` : `{${out}}`
  }

  #orderOf(keys: readonly string[]): KeyOrder {
    const first = keys[0] ?? ''
    const known = this.#orders.get(first)
    if (known !== undefined && isSame(known.met, keys)) return known
    const asObject = Object.fromEntries(keys.toSorted().map((key) => [key, null]))
    const sorted = Object.keys(asObject)
    const order = { met: keys, sorted, heads: sorted.map((key) => `${quoted(key)}:`) }
    if (this.#orders.size >= SHAPES_MAX) this.#orders.clear()
    this.#orders.set(first, order)
    return order
  }
}

function quoted(text: string): string {
  return SIMPLE.test(text) ? `"${text}"` : JSON.stringify(text)
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
