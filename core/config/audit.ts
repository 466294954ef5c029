/**
 * The audit block: whether it is written down who did what, and where (agent-config.md 3.1; the shape is that of
 * Consul Enterprise). Pure.
 *
 * Durations in ms, sizes in bytes.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { parseDurationMs } from '../duration.ts'
import type { KeyTable } from './key-table.ts'
import { group, key } from './key-table.ts'
import type { LogFileConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'

export const AUDIT_KEYS: KeyTable = {
  audit: group({
    enabled: key('bool', 'false', 'Write down who asked what of the HTTP API, and what came of it'),
    sink: key(
      'definitions',
      '[]',
      'Where to: one block of type "file" with path, rotate_bytes, rotate_duration and rotate_max_files',
    ),
  }),
}

const DAY_MS = 24 * 3_600_000
const FIX = 'see docs/how-to/audit.md'
const FIELDS = [
  'name',
  'type',
  'format',
  'path',
  'delivery_guarantee',
  'rotate_bytes',
  'rotate_duration',
  'rotate_max_files',
  'mode',
]

/** Undefined when nothing is audited. */
export function resolveAudit(reader: RawReader): LogFileConfig | undefined {
  const sinks = reader
    .definitions('audit.sink')
    .flatMap(({ body, origin }) => unlabelled(body).map((fields) => ({ fields, origin })))
  const files = sinks.flatMap(({ fields, origin }) => {
    const file = sinkOf(fields)
    if (typeof file !== 'string') return [file]
    reader.problems.push({ key: 'audit.sink', message: `audit.sink: ${file}`, origin, fix: FIX })
    return []
  })
  if (sinks.length > 1) {
    reader.problem('audit.sink', `audit.sink: there are ${sinks.length}; one is written`, FIX)
  }
  if (!reader.bool('audit.enabled', false)) return undefined
  if (sinks.length === 0) {
    reader.problem('audit.enabled', 'audit is enabled and has no sink', 'add a sink "file" block')
  }
  return files[0]
}

/** `sink "name" { … }` comes as `{ name: { … } }`. */
function unlabelled(body: unknown): readonly JsonObject[] {
  const fields = objectOf(body)
  if (fields === null) return []
  const inner = Object.values(fields).map(objectOf)
  const isLabelled = inner.length > 0 && inner.every((value) => value !== null)
  return isLabelled ? inner.filter((value) => value !== null) : [fields]
}

/** @returns what is wrong, as text */
function sinkOf(fields: JsonObject): LogFileConfig | string {
  const odd = Object.keys(fields).find((name) => !FIELDS.includes(name))
  if (odd !== undefined) return `"${odd}" is not known`
  const { type = 'file', format = 'json', delivery_guarantee: guarantee = 'best-effort' } = fields
  if (type !== 'file') return `type ${JSON.stringify(type)} is not known; use "file"`
  if (format !== 'json') return `format ${JSON.stringify(format)} is not known; use "json"`
  if (guarantee !== 'best-effort') {
    return `delivery_guarantee ${JSON.stringify(guarantee)} is not known; use "best-effort"`
  }
  const { path } = fields
  if (typeof path !== 'string' || path === '') return 'path is not set'
  const bytesMax = countOf(fields['rotate_bytes'], 0)
  if (bytesMax === undefined || bytesMax < 0) return 'rotate_bytes is no size in bytes'
  const filesMax = countOf(fields['rotate_max_files'], 0)
  if (filesMax === undefined || filesMax < -1) return 'rotate_max_files is no number of files'
  const duration = fields['rotate_duration'] ?? '24h'
  const ageMaxMs = duration === '24h' ? DAY_MS : durationOf(duration)
  if (ageMaxMs === undefined || ageMaxMs <= 0) return 'rotate_duration is no duration'
  return { path, bytesMax, ageMaxMs, filesMax }
}

function durationOf(value: Json): number | undefined {
  return typeof value === 'string' ? parseDurationMs(value) : undefined
}

function countOf(value: Json | undefined, fallback: number): number | undefined {
  if (value === undefined) return fallback
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}

function objectOf(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null
}
