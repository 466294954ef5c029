/**
 * From a value as written to the type its key takes, as leniently as Consul (agent-config.md section 1).
 *
 * "true" is accepted for a bool, "8500" for a number, one text where a list is expected, a list of one
 * block for a block. A bare number is no duration. Pure; never throws.
 */

import { durationFault, parseDurationMs } from '../duration.ts'
import type { KeyType } from './key-table.ts'
import type { RawValue } from './raw-config.ts'
import { describeValue, type SourceValue, toPlain } from './source-value.ts'

export type Converted =
  | { readonly ok: true; readonly value: RawValue }
  /** `message` follows the key and a colon. */
  | { readonly ok: false; readonly message: string; readonly fix: string }

/** Most elements of one list or map. */
const ITEMS_MAX = 10_000

export function convertValue(value: SourceValue, type: KeyType, origin: string): Converted {
  switch (type) {
    case 'string':
      return scalar(textOf(value), value, 'a text in quotes')
    case 'integer':
      return scalar(integerOf(value), value, 'a whole number')
    case 'number':
      return scalar(numberOf(value), value, 'a number')
    case 'bool':
      return scalar(boolOf(value), value, 'true or false')
    case 'duration':
      return durationOf(value)
    case 'strings':
      return stringsOf(value)
    case 'string-map':
      return stringMapOf(value)
    case 'duration-map':
      return durationMapOf(value)
    case 'definitions':
      return definitionsOf(value, origin)
    case 'any':
      return { ok: true, value: { type: 'any', value: toPlain(value) } }
  }
}

/** `name` of a Go duration error: what Consul prints for a wrong one. */
export function durationProblem(text: string): string {
  return `invalid duration: ${JSON.stringify(text)}: ${durationFault(text)}`
}

function scalar(
  converted: string | number | boolean | undefined,
  value: SourceValue,
  wanted: string,
): Converted {
  if (converted === undefined) return wrongType(value, wanted)
  return { ok: true, value: { type: 'scalar', value: converted } }
}

function wrongType(value: SourceValue, wanted: string): Converted {
  return {
    ok: false,
    message: `expected ${wanted}, got ${describeValue(value)}`,
    fix: `write ${wanted}`,
  }
}

function textOf(value: SourceValue): string | undefined {
  const { kind } = value
  return kind === 'string' || kind === 'number' || kind === 'bool' ? String(value.value) : undefined
}

function numberOf(value: SourceValue): number | undefined {
  if (value.kind === 'number') return value.value
  if (value.kind !== 'string' || value.value.trim() === '') return undefined
  const parsed = Number(value.value)
  return Number.isFinite(parsed) ? parsed : undefined
}

function integerOf(value: SourceValue): number | undefined {
  const number = numberOf(value)
  return number !== undefined && Number.isSafeInteger(number) ? number : undefined
}

function boolOf(value: SourceValue): boolean | undefined {
  if (value.kind === 'bool') return value.value
  if (value.kind !== 'string' && value.kind !== 'number') return undefined
  const text = String(value.value).toLowerCase()
  if (['true', 't', '1'].includes(text)) return true
  return ['false', 'f', '0'].includes(text) ? false : undefined
}

function durationOf(value: SourceValue): Converted {
  const text = textOf(value)
  if (text === undefined) return wrongType(value, 'a duration such as "10s"')
  const ms = value.kind === 'string' ? parseDurationMs(text) : undefined
  if (ms === undefined) {
    return {
      ok: false,
      message: durationProblem(text),
      fix: 'write a duration such as "10s" or "1h30m"',
    }
  }
  return { ok: true, value: { type: 'scalar', value: ms } }
}

function stringsOf(value: SourceValue): Converted {
  const items = value.kind === 'list' ? value.items : [value]
  if (items.length > ITEMS_MAX) return tooMany()
  const texts: string[] = []
  for (const item of items) {
    const text = textOf(item)
    if (text === undefined) return wrongType(item, 'a list of texts')
    texts.push(text)
  }
  return { ok: true, value: { type: 'list', value: texts } }
}

function tooMany(): Converted {
  return { ok: false, message: `more than ${ITEMS_MAX} elements`, fix: 'shorten it' }
}

/** The entries of a block, or of a list of blocks; undefined for anything else. */
function entriesOf(value: SourceValue): readonly (readonly [string, SourceValue])[] | undefined {
  if (value.kind === 'list') {
    const parts = value.items.map(entriesOf)
    return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? [])
  }
  if (value.kind !== 'object') return undefined
  return value.entries.map((entry) => [entry.key, entry.value])
}

function stringMapOf(value: SourceValue): Converted {
  const entries = entriesOf(value)
  if (entries === undefined) return wrongType(value, 'a block of texts')
  if (entries.length > ITEMS_MAX) return tooMany()
  const pairs: [string, string][] = []
  for (const [name, item] of entries) {
    const text = textOf(item)
    if (text === undefined) return wrongType(item, 'a text')
    pairs.push([name, text])
  }
  return { ok: true, value: { type: 'map', value: Object.fromEntries(pairs) } }
}

function durationMapOf(value: SourceValue): Converted {
  const entries = entriesOf(value)
  if (entries === undefined) return wrongType(value, 'a block of durations')
  if (entries.length > ITEMS_MAX) return tooMany()
  const pairs: [string, number][] = []
  for (const [name, item] of entries) {
    const converted = durationOf(item)
    if (!converted.ok) return converted
    if (typeof converted.value.value === 'number') pairs.push([name, converted.value.value])
  }
  return { ok: true, value: { type: 'durations', value: Object.fromEntries(pairs) } }
}

function definitionsOf(value: SourceValue, origin: string): Converted {
  const items = value.kind === 'list' ? value.items : [value]
  if (items.length > ITEMS_MAX) return tooMany()
  const wrong = items.find((item) => item.kind !== 'object')
  if (wrong !== undefined) return wrongType(wrong, 'a block')
  const file = origin.replace(/:\d+:\d+$/, '')
  const definitions = items.map((item) => ({
    body: toPlain(item),
    origin: `${file}:${item.at.line}:${item.at.column}`,
  }))
  return { ok: true, value: { type: 'definitions', value: definitions } }
}
