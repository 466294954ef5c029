/**
 * Rules of config entries beyond the spelling of their fields, as far as this version reads them (mesh.md 7).
 *
 * Checked: names, metadata, the protocol of a service. Not checked: how entries fit together (references,
 * protocols along a chain), which nothing evaluates yet.
 * Bounds: META_*, NAME_LENGTH_MAX.
 */

import { goQuote } from '../../../core/catalog/go-quote.ts'
import type { Json, JsonObject } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'

export const META_PAIRS_MAX = 64
export const META_KEY_BYTES_MAX = 128
export const META_VALUE_BYTES_MAX = 512
export const NAME_LENGTH_MAX = 512

/** Kinds with one entry, and its name. */
export const SINGLE_NAMES: ReadonlyMap<string, string> = new Map([
  ['proxy-defaults', 'global'],
  ['mesh', 'mesh'],
  ['exported-services', 'default'],
])

const PROTOCOLS: ReadonlySet<string> = new Set(['', 'tcp', 'http', 'http2', 'grpc'])

/** @throws FairleadError REJECTED with the first broken rule */
export function checkConfigEntry(entry: {
  readonly entryKind: string
  readonly name: string
  readonly body: JsonObject
}): void {
  const problem = nameProblem(entry.entryKind, entry.name) ?? bodyProblem(entry)
  if (problem !== undefined) throw new FairleadError('REJECTED', problem)
}

function nameProblem(kind: string, name: string): string | undefined {
  const single = SINGLE_NAMES.get(kind)
  if (single !== undefined && name !== single) {
    return `invalid name (${goQuote(name)}), only ${goQuote(single)} is supported`
  }
  if (name === '') return 'Name is required'
  if (name.length > NAME_LENGTH_MAX) return `Name exceeds maximum length ${NAME_LENGTH_MAX}`
  if (kind.startsWith('service-') && kind !== 'service-intentions' && name === '*') {
    return `${kind} name must be the name of a service, and not a wildcard`
  }
  return undefined
}

function bodyProblem({
  entryKind,
  body,
}: {
  readonly entryKind: string
  readonly body: JsonObject
}): string | undefined {
  const meta = metaProblem(body['Meta'])
  if (meta !== undefined || entryKind !== 'service-defaults') return meta
  const protocol = body['Protocol'] ?? ''
  const isKnown = typeof protocol === 'string' && PROTOCOLS.has(protocol)
  return isKnown ? undefined : `invalid value for protocol: ${String(protocol)}`
}

function metaProblem(meta: Json | undefined): string | undefined {
  if (meta === undefined || meta === null || typeof meta !== 'object') return undefined
  const pairs = Object.entries(meta)
  if (pairs.length > META_PAIRS_MAX) return `Meta exceeds maximum element count ${META_PAIRS_MAX}`
  for (const [key, value] of pairs) {
    if (Buffer.byteLength(key) > META_KEY_BYTES_MAX) {
      return `Meta key ${goQuote(key)} exceeds maximum length ${META_KEY_BYTES_MAX}`
    }
    if (Buffer.byteLength(String(value)) > META_VALUE_BYTES_MAX) {
      return `Meta value for key ${goQuote(key)} exceeds maximum length ${META_VALUE_BYTES_MAX}`
    }
  }
  return undefined
}
