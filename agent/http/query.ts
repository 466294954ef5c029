/**
 * The query string of a request: presence, first value, all values (http-api.md 1.2, 1.5).
 *
 * Decoded as Go does: `+` is a blank, a bad percent escape or a bare `;` makes the whole string malformed.
 * Escapes that are no UTF-8 are replaced, not refused. Bounded by the size of the request line.
 */

import { decodePercent } from './path.ts'

export class Query {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  get isEmpty(): boolean {
    return this.#values.size === 0
  }

  /** The parameter is there, with or without a value. */
  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** First value, '' when absent. */
  get(name: string): string {
    return this.#values.get(name)?.[0] ?? ''
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? NONE
  }

  /** Encoded with the keys sorted, as error texts repeat it. */
  encode(): string {
    const pairs: string[] = []
    for (const [name, values] of [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const value of values) pairs.push(`${queryEscape(name)}=${queryEscape(value)}`)
    }
    return pairs.join('&')
  }
}

const NONE: readonly string[] = []
const EMPTY = new Query(new Map())

/** @param raw without the question mark. @returns undefined when malformed */
export function parseQuery(raw: string): Query | undefined {
  if (raw === '') return EMPTY
  const values = new Map<string, string[]>()
  for (const pair of raw.split('&')) {
    if (pair === '') continue
    if (pair.includes(';')) return undefined
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? '' : decode(pair.slice(at + 1))
    if (name === undefined || value === undefined) return undefined
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else known.push(value)
  }
  return new Query(values)
}

function decode(part: string): string | undefined {
  return decodePercent(part.includes('+') ? part.replaceAll('+', ' ') : part, 'replace')
}

/** As Go's url.QueryEscape. */
function queryEscape(part: string): string {
  return encodeURIComponent(part.toWellFormed())
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}
