/**
 * The body of PUT /v1/config: kind, name and fields in their printed spelling (http-api.md 23, mesh.md 7).
 *
 * Guarantees: what is stored has only fields of its kind, spelled as they are printed, with scalars where
 * scalars belong; it keeps the rules of core/config-entries/rules.ts.
 */

import { goQuote } from '../../../core/catalog/go-quote.ts'
import type { Json, JsonObject } from '../../../core/catalog/types.ts'
import type { Fields, FieldType } from '../../../core/config-entries/field-type.ts'
import { CONFIG_KINDS } from '../../../core/config-entries/kind-fields.ts'
import { inNormalForm } from '../../../core/config-entries/normal-form.ts'
import { configEntryProblem, SINGLE_NAMES } from '../../../core/config-entries/rules.ts'
import { parseJsonText } from '../../../core/decode/body.ts'
import { decode, isPlainObject, opaqueObject, stringMap } from '../../../core/decode/decoder.ts'
import { parseDuration } from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'
import { multiError } from '../../local/service-rules.ts'
import { certificateProblem } from './certificate-rules.ts'

export interface ConfigEntryWrite {
  readonly entryKind: string
  readonly name: string
  /** Without kind, name and indexes. */
  readonly body: JsonObject
}

/** Problems named in one answer. */
const PROBLEMS_MAX = 16

/** Printed and computed fields, which a client may send back. */
const ENVELOPE: ReadonlySet<string> = new Set([
  'kind',
  'name',
  'namespace',
  'partition',
  'createindex',
  'modifyindex',
  'hash',
  'raftindex',
])

/** @throws FairleadError BAD_REQUEST, REJECTED */
export function configEntryFromBody(text: string): ConfigEntryWrite {
  const given = objectOf(text)
  const kind = fieldNamed(given, 'kind')
  if (kind === undefined) {
    throw undecodable(['Payload does not contain a kind/Kind key at the top level'])
  }
  if (typeof kind !== 'string') throw undecodable(['Kind value in payload is not a string'])
  const fields = fieldsOf(kind)
  const problems: string[] = []
  const body = canonicalFields(given, fields, { at: '', problems, isTop: true })
  const name = nameOf(kind, fieldNamed(given, 'name'), problems)
  if (problems.length > 0) throw undecodable(problems)
  const entry = { entryKind: kind, name, body: inNormalForm(kind, body) }
  const problem = configEntryProblem(entry) ?? certificateProblem(entry)
  if (problem !== undefined) throw new FairleadError('REJECTED', problem)
  return entry
}

/** @throws FairleadError BAD_REQUEST for a kind that does not exist */
function fieldsOf(kind: string): Fields {
  const fields = CONFIG_KINDS.get(kind)
  if (fields !== undefined) return fields
  throw undecodable([`invalid config entry kind: ${kind}`])
}

function objectOf(text: string): JsonObject {
  let parsed: unknown
  try {
    parsed = parseJsonText(text)
  } catch (thrown) {
    const reason = thrown instanceof FairleadError ? thrown.message : String(thrown)
    throw bad(reason.replace(/^Request decode failed/, 'Request decoding failed'))
  }
  const result = decode(opaqueObject, parsed, { style: 'json' })
  if (result.ok) return result.value
  throw bad(`Request decoding failed: ${result.problems[0]?.message ?? 'invalid value'}`)
}

/** Value of the first key that folds to `folded`. */
function fieldNamed(given: JsonObject, folded: string): Json | undefined {
  const key = Object.keys(given).find((candidate) => fold(candidate) === folded)
  return key === undefined ? undefined : given[key]
}

/** CamelCase and snake_case of one name fold to the same. */
function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

interface Walk {
  /** Path of the object, with a dot behind; '' at the top. */
  readonly at: string
  readonly problems: string[]
  readonly isTop: boolean
}

const tables = new WeakMap<Fields, ReadonlyMap<string, string>>()

/** Printed names by their folded form. */
function tableOf(fields: Fields): ReadonlyMap<string, string> {
  let table = tables.get(fields)
  if (table === undefined) {
    table = new Map(Object.keys(fields).map((name) => [fold(name), name]))
    tables.set(fields, table)
  }
  return table
}

function canonicalFields(given: JsonObject, fields: Fields, walk: Walk): JsonObject {
  const table = tableOf(fields)
  const entries: [string, Json][] = []
  for (const [key, value] of Object.entries(given)) {
    const folded = fold(key)
    if (walk.isTop && ENVELOPE.has(folded)) continue
    if (walk.isTop && folded === 'meta') {
      entries.push(['Meta', metaOf(value, walk.problems)])
      continue
    }
    const name = table.get(folded)
    const type = name === undefined ? undefined : fields[name]
    if (name === undefined || type === undefined) {
      note(walk.problems, `invalid config key ${goQuote(walk.at + key)}`)
      continue
    }
    if (value === null) continue
    entries.push([name, canonical(value, type, { ...walk, at: walk.at + name })])
  }
  return Object.fromEntries(entries)
}

/** @param walk `at` is the path of the value itself */
function canonical(value: Json, type: FieldType, walk: Omit<Walk, 'isTop'>): Json {
  if (typeof type === 'string') return scalar(value, type, walk)
  if ('list' in type) {
    if (!isList(value)) return mistyped(walk, 'a list')
    return value.map((item, i) => canonical(item, type.list, { ...walk, at: `${walk.at}[${i}]` }))
  }
  if (!isObject(value)) return mistyped(walk, 'an object')
  if ('fields' in type) {
    return canonicalFields(value, type.fields, { ...walk, at: `${walk.at}.`, isTop: false })
  }
  const entries = Object.entries(value).map(([key, item]): [string, Json] => [
    key,
    canonical(item, type.map, { ...walk, at: `${walk.at}[${key}]` }),
  ])
  return Object.fromEntries(entries)
}

function scalar(value: Json, type: Extract<FieldType, string>, walk: Omit<Walk, 'isTop'>): Json {
  switch (type) {
    case 'any':
      return value
    case 'text':
      return typeof value === 'string' ? value : mistyped(walk, 'a string')
    case 'flag':
      return typeof value === 'boolean' ? value : mistyped(walk, 'a boolean')
    case 'integer':
      return Number.isSafeInteger(value) ? value : mistyped(walk, 'an integer')
    case 'number':
      return typeof value === 'number' ? value : mistyped(walk, 'a number')
    case 'duration':
      if (typeof value === 'number') return value
      if (typeof value === 'string' && parseDuration(value) !== undefined) return value
      return mistyped(walk, 'a duration')
  }
}

function mistyped(walk: Omit<Walk, 'isTop'>, wanted: string): Json {
  note(walk.problems, `${goQuote(walk.at)} must be ${wanted}`)
  return null
}

function note(problems: string[], problem: string): void {
  if (problems.length < PROBLEMS_MAX) problems.push(problem)
}

function metaOf(value: Json, problems: string[]): JsonObject {
  if (value === null) return {}
  const result = decode(stringMap, value, { style: 'json' })
  if (result.ok) return result.value
  note(problems, '"Meta" must be an object of strings')
  return {}
}

function nameOf(kind: string, given: Json | undefined, problems: string[]): string {
  const single = SINGLE_NAMES.get(kind)
  if (given === undefined || given === null || given === '') return single ?? ''
  if (typeof given !== 'string') {
    note(problems, '"Name" must be a string')
    return ''
  }
  return given
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isObject(value: Json | undefined): value is JsonObject {
  return isPlainObject(value)
}

function undecodable(problems: readonly string[]): FairleadError {
  return bad(`Request decoding failed: ${multiError(problems, 'json')}`)
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
