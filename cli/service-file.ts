/**
 * Service definitions of files, as `services register` sends them to the API.
 *
 * Files spell keys in snake_case, the API in CamelCase and without regard to case: dropping the underscores
 * of field names is all the translation needed. Names that users choose (meta, config, headers) stay.
 */

import type { Json, JsonObject } from '../core/catalog/types.ts'
import { decodeDocument } from '../core/config/decode.ts'
import { formatProblem } from '../core/config/problem.ts'
import { FairleadError } from '../core/errors.ts'

/** Fields whose keys are data. */
const OPAQUE = new Set(['meta', 'config', 'header', 'taggedaddresses'])

/** @throws FairleadError INVALID_CONFIG naming every problem */
export function servicesOfFile(text: string, path: string): readonly JsonObject[] {
  const isJson = path.endsWith('.json') || (!path.endsWith('.hcl') && /^\s*\{/.test(text))
  const { raw, problems } = decodeDocument(text, isJson ? 'json' : 'hcl', path)
  if (problems.length > 0) {
    const message = problems.map((problem) => formatProblem(problem)).join('\n')
    throw new FairleadError('INVALID_CONFIG', message)
  }
  return ['service', 'services'].flatMap((key) => {
    const value = raw.get(key)?.value
    if (value?.type !== 'definitions') return []
    return value.value.map(({ body }) => apiSpelling(body) as JsonObject)
  })
}

function apiSpelling(value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => apiSpelling(item))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value as JsonObject).map(([key, child]): [string, Json] => {
    const name = key.replaceAll('_', '').toLowerCase()
    return [name, OPAQUE.has(name) ? child : apiSpelling(child)]
  })
  return Object.fromEntries(entries)
}
