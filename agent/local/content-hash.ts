/**
 * The content hash of a service: what hash-based blocking compares (http-api.md 4.1).
 *
 * Structural: equal definitions have equal hashes, whatever the order of their keys. 16 hex digits, opaque.
 */

import { createHash } from 'node:crypto'
import type { ServiceDefinition } from '../../core/catalog/types.ts'

export function contentHash(service: ServiceDefinition): string {
  return createHash('sha256').update(canonical(service)).digest('hex').slice(0, 16)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const fields: string[] = []
    for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (item !== undefined) fields.push(`${JSON.stringify(key)}:${canonical(item)}`)
    }
    return `{${fields.join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}
