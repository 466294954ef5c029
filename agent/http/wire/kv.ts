/**
 * KV entries (http-api.md 13, 17): flags keep all 64 bits, an empty value is null.
 */

import type { KvEntry } from '../../../core/catalog/types.ts'
import { bytes, list, text } from './json.ts'

export function kvJson(entry: KvEntry): string {
  return kvWithValue(entry, bytes(entry.value))
}

export function kvListJson(entries: readonly KvEntry[]): string {
  return list(entries, kvJson)
}

/** A written key in a transaction's results: the value is not sent back. */
export function kvWithoutValueJson(entry: KvEntry): string {
  return kvWithValue(entry, 'null')
}

function kvWithValue(entry: KvEntry, value: string): string {
  const session = entry.session === '' ? '' : `"Session":${text(entry.session)},`
  return (
    `{"LockIndex":${entry.lockIndex},"Key":${text(entry.key)},"Flags":${entry.flags},` +
    `"Value":${value},${session}"CreateIndex":${entry.createIndex},"ModifyIndex":${entry.modifyIndex}}`
  )
}
