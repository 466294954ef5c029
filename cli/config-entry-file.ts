/**
 * A config entry of a JSON or HCL file, as `config write` sends it to the API (cli.md section 8).
 *
 * HCL cannot tell a block from a list of blocks. What the tables of fields say about a kind decides: one block
 * becomes a list where a list belongs, a list of blocks becomes one object where an object does. Names and
 * values are left for the API to judge, which knows both spellings.
 */

import type { Json, JsonObject } from '../core/catalog/types.ts'
import { parseHcl } from '../core/config/hcl-parser.ts'
import { parseJson } from '../core/config/json-reader.ts'
import { type SourceObject, SyntaxProblem, toPlain } from '../core/config/source-value.ts'
import type { Fields, FieldType } from '../core/config-entries/field-type.ts'
import { CONFIG_KINDS } from '../core/config-entries/kind-fields.ts'
import { isObject } from '../core/config-entries/read-field.ts'
import { SINGLE_NAMES } from '../core/config-entries/rules.ts'
import { FairleadError } from '../core/errors.ts'

export interface ConfigEntryFile {
  readonly kind: string
  readonly name: string
  readonly body: JsonObject
}

/** @throws FairleadError INVALID_CONFIG naming the place, or the key that is missing */
export function configEntryOfFile(text: string, path: string): ConfigEntryFile {
  const body = toPlain(parse(text, path)) as JsonObject
  const kind = textField(body, 'kind')
  if (kind === undefined) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to decode config entry input: "${path}" has no Kind`,
      {
        facts: { hint: 'begin it with Kind = "service-defaults", for instance, and Name = "web"' },
      },
    )
  }
  const name = textField(body, 'name') ?? SINGLE_NAMES.get(kind) ?? ''
  return { kind, name, body: shapedEntry(body) }
}

/** Lists and objects where the kind wants them; an entry of no known kind stays as it is. */
export function shapedEntry(body: JsonObject): JsonObject {
  const fields = CONFIG_KINDS.get(textField(body, 'kind') ?? '')
  return fields === undefined ? body : shapedFields(body, fields)
}

function parse(text: string, path: string): SourceObject {
  const isJson = path.endsWith('.json') || (!path.endsWith('.hcl') && /^\s*\{/.test(text))
  try {
    return isJson ? parseJson(text) : parseHcl(text)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxProblem)) throw thrown
    const { line, column } = thrown.at
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to decode config entry input: ${path}:${line}:${column}: ${thrown.message}`,
      { cause: thrown },
    )
  }
}

function textField(body: JsonObject, folded: string): string | undefined {
  const key = Object.keys(body).find((candidate) => fold(candidate) === folded)
  const value = key === undefined ? undefined : body[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

function shapedFields(body: JsonObject, fields: Fields): JsonObject {
  const types = new Map(Object.entries(fields).map(([name, type]) => [fold(name), type]))
  const entries = Object.entries(body).map(([key, value]): [string, Json] => {
    // Meta is common to all kinds and in none of the tables.
    const type = types.get(fold(key)) ?? (fold(key) === 'meta' ? META : undefined)
    return [key, type === undefined ? value : shaped(value, type)]
  })
  return Object.fromEntries(entries)
}

const META: FieldType = { map: 'text' }

function shaped(value: Json, type: FieldType): Json {
  if (value === null || typeof type === 'string') return value
  if ('list' in type) {
    const items: readonly Json[] = Array.isArray(value) ? value : [value]
    return items.map((item) => shaped(item, type.list))
  }
  const object = oneObject(value)
  if (object === undefined) return value
  if ('fields' in type) return shapedFields(object, type.fields)
  const entries = Object.entries(object).map(([key, item]): [string, Json] => [
    key,
    shaped(item, type.map),
  ])
  return Object.fromEntries(entries)
}

/** A block, or what several blocks of one name say together; undefined for anything else. */
function oneObject(value: Json): JsonObject | undefined {
  const parts: readonly Json[] = Array.isArray(value) ? value : [value]
  if (parts.length === 0 || !parts.every(isObject)) return undefined
  return Object.assign({}, ...parts) as JsonObject
}
