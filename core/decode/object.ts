/**
 * Decoder of an object with named fields: names match without regard to case, unknown ones are problems.
 *
 * A field's own name wins over its aliases when both are given; of two equal spellings the last wins, as in
 * Go. In `config` style the snake_case form of every name is accepted as well. null counts as absent.
 * Source: http-api.md section 3 "Input" and the alias columns of 9.7, 10.1; agent-config.md 1, 4, 5.
 */

import { type Decoder, isPlainObject } from './decoder.ts'
import { INVALID, type Invalid, type Place } from './place.ts'

export interface Field<T> {
  /** As the documentation spells it, e.g. `TaggedAddresses`. */
  readonly name: string
  readonly decoder: Decoder<T>
  readonly fallback: T
  /** Other names accepted everywhere. */
  readonly aliases: readonly string[]
  /** Further names accepted in configuration files, besides the derived snake_case one. */
  readonly configNames: readonly string[]
}

export interface FieldOptions {
  readonly alias?: string | readonly string[]
  readonly config?: string | readonly string[]
}

export type Shape = Readonly<Record<string, Field<unknown>>>

export type Decoded<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never
}

/** A field that is `fallback` when absent. */
export function field<T>(
  name: string,
  decoder: Decoder<T>,
  fallback: T,
  options: FieldOptions = {},
): Field<T> {
  return {
    name,
    decoder,
    fallback,
    aliases: asList(options.alias),
    configNames: asList(options.config),
  }
}

/** A field that is undefined when absent. */
export function optional<T>(
  name: string,
  decoder: Decoder<T>,
  options: FieldOptions = {},
): Field<T | undefined> {
  return field<T | undefined>(name, decoder, undefined, options)
}

export interface ObjectOptions {
  /** Default 'reject'. */
  readonly unknownFields?: 'reject' | 'ignore'
}

interface Known {
  readonly key: string
  readonly field: Field<unknown>
  /** 0 for the field's own name, 1 for an alias. */
  readonly rank: number
}

/** @param typeName as Go's messages name the struct, e.g. `ServiceDefinition` */
export function object<S extends Shape>(
  typeName: string,
  shape: S,
  options: ObjectOptions = {},
): Decoder<Decoded<S>> {
  const names = { json: nameTable(shape, false), config: nameTable(shape, true) }
  const ignoreUnknown = options.unknownFields === 'ignore'
  return {
    type: typeName,
    read(input, at): Decoded<S> | Invalid {
      const source =
        at.style === 'config' && Array.isArray(input) && input.length === 1 ? input[0] : input
      if (!isPlainObject(source)) return at.mismatch(input, typeName)
      const values = new Map<string, { value: unknown; rank: number }>()
      for (const [name, raw] of Object.entries(source)) {
        const known = names[at.style].get(name.toLowerCase())
        if (known === undefined) {
          if (!ignoreUnknown) at.unknownField(name)
          continue
        }
        if (raw === null) continue
        readField(known, raw, at.field(name, `${typeName}.${known.field.name}`), values)
      }
      return fill(shape, values)
    },
  }
}

function readField(
  known: Known,
  raw: unknown,
  at: Place,
  values: Map<string, { value: unknown; rank: number }>,
): void {
  const value = known.field.decoder.read(raw, at)
  if (value === INVALID) return
  const earlier = values.get(known.key)
  if (earlier !== undefined && earlier.rank < known.rank) return
  values.set(known.key, { value, rank: known.rank })
}

function fill<S extends Shape>(
  shape: S,
  values: ReadonlyMap<string, { value: unknown; rank: number }>,
): Decoded<S> {
  const out: Record<string, unknown> = {}
  for (const [key, spec] of Object.entries(shape)) {
    const found = values.get(key)
    out[key] = found === undefined ? spec.fallback : found.value
  }
  return out as Decoded<S>
}

function nameTable(shape: Shape, forConfig: boolean): ReadonlyMap<string, Known> {
  const table = new Map<string, Known>()
  const add = (name: string, known: Known): void => {
    const folded = name.toLowerCase()
    if (!table.has(folded)) table.set(folded, known)
  }
  for (const [key, spec] of Object.entries(shape)) add(spec.name, { key, field: spec, rank: 0 })
  for (const [key, spec] of Object.entries(shape)) {
    if (forConfig) add(snakeCase(spec.name), { key, field: spec, rank: 0 })
    for (const alias of spec.aliases) add(alias, { key, field: spec, rank: 1 })
    if (!forConfig) continue
    for (const name of spec.configNames) add(name, { key, field: spec, rank: 1 })
  }
  return table
}

/** `TLSServerName` → `tls_server_name`. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
}

function asList(names: string | readonly string[] | undefined): readonly string[] {
  if (names === undefined) return []
  return typeof names === 'string' ? [names] : names
}
