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
  /** Position of the field in the shape. */
  readonly at: number
  readonly field: Field<unknown>
  /** As Go's messages name it. */
  readonly label: string
  /** 0 for the field's own name, 1 for an alias. */
  readonly rank: number
}

/** What was read so far, by position in the shape. */
interface Found {
  readonly values: unknown[]
  /** Under which name; undefined where nothing was read. */
  readonly names: (Known | undefined)[]
}

/** @param typeName as Go's messages name the struct, e.g. `ServiceDefinition` */
export function object<S extends Shape>(
  typeName: string,
  shape: S,
  options: ObjectOptions = {},
): Decoder<Decoded<S>> {
  const fields = Object.entries<Field<unknown>>(shape)
  const names = {
    json: nameTable(typeName, shape, false),
    config: nameTable(typeName, shape, true),
  }
  const ignoreUnknown = options.unknownFields === 'ignore'
  return {
    type: typeName,
    read(input, at): Decoded<S> | Invalid {
      const source =
        at.style === 'config' && Array.isArray(input) && input.length === 1 ? input[0] : input
      if (!isPlainObject(source)) return at.mismatch(input, typeName)
      const table = names[at.style]
      const found: Found = { values: [], names: [] }
      for (const name of Object.keys(source)) {
        const known = table.get(name) ?? table.get(name.toLowerCase())
        if (known === undefined) {
          if (!ignoreUnknown) at.unknownField(name)
          continue
        }
        const raw = source[name]
        if (raw !== null) readField(known, raw, at.field(name, known.label), found)
      }
      return fill(fields, found) as Decoded<S>
    },
  }
}

function readField(known: Known, raw: unknown, at: Place, { values, names }: Found): void {
  const value = known.field.decoder.read(raw, at)
  if (value === INVALID) return
  const earlier = names[known.at]
  if (earlier !== undefined && earlier.rank < known.rank) return
  values[known.at] = value
  names[known.at] = known
}

function fill(
  fields: readonly (readonly [string, Field<unknown>])[],
  { values, names }: Found,
): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (let i = 0; i < fields.length; i++) {
    const [key, spec] = fields[i] as readonly [string, Field<unknown>]
    out[key] = names[i] === undefined ? spec.fallback : values[i]
  }
  return out
}

/** Folded names, and the usual spellings, which spare most look-ups the folding. */
function nameTable(typeName: string, shape: Shape, forConfig: boolean): ReadonlyMap<string, Known> {
  const table = new Map<string, Known>()
  const add = (name: string, known: Known): void => {
    const folded = name.toLowerCase()
    const first = table.get(folded) ?? known
    table.set(folded, first)
    table.set(name, first)
  }
  const known = Object.values(shape).map((spec, at) => {
    return { at, field: spec, label: `${typeName}.${spec.name}`, rank: 0 }
  })
  for (const each of known) add(each.field.name, each)
  for (const each of known) {
    const { field: spec } = each
    const alias = { ...each, rank: 1 }
    if (forConfig) add(snakeCase(spec.name), each)
    for (const name of spec.aliases) add(name, alias)
    if (!forConfig) continue
    for (const name of spec.configNames) add(name, alias)
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
