/**
 * Config entries by kind and name, with check-and-set (http-api.md 23, mesh.md 7.15).
 *
 * Bodies are opaque here: they were validated before they were proposed. `service-intentions` is refused,
 * because intentions have a table of their own and one fact has one home.
 */

import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import { nameKey, pairKey } from './state.ts'
import type { ConfigEntryRecord } from './types.ts'
import { configKindWatch, configWatch } from './watch-keys.ts'

export function configKey(kind: string, name: string): string {
  return pairKey(nameKey(kind), nameKey(name))
}

/** @returns false when `cas` does not match; 0 asks for absence */
export function setConfigEntry(
  draft: Draft,
  command: Extract<Command, { kind: 'config.set' }>,
): boolean | Refusal {
  const { entryKind, name, body, cas } = command
  const problem = keyProblem(entryKind, name)
  if (problem !== undefined) return problem
  const key = configKey(entryKind, name)
  const existing = draft.next.configEntries.get(key)
  if (cas !== undefined && cas !== (existing?.modifyIndex ?? 0)) return false
  if (existing !== undefined && sameData(existing.body, body)) return true
  const after: ConfigEntryRecord = {
    kind: existing?.kind ?? entryKind,
    name: existing?.name ?? name,
    body,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: draft.index,
  }
  draft.next.configEntries = draft.next.configEntries.set(key, after)
  noteChange(draft, existing, after)
  return true
}

/** @returns false when `cas` is given and there is no entry at that index */
export function deleteConfigEntry(
  draft: Draft,
  command: Extract<Command, { kind: 'config.delete' }>,
): boolean | Refusal {
  const { entryKind, name, cas } = command
  if (entryKind === '' || name === '') {
    return refuse('Must provide both a kind and name to delete', 'NOT_FOUND')
  }
  const key = configKey(entryKind, name)
  const existing = draft.next.configEntries.get(key)
  if (cas !== undefined && cas !== existing?.modifyIndex) return false
  if (existing === undefined) return true
  draft.next.configEntries = draft.next.configEntries.delete(key)
  noteChange(draft, existing, undefined)
  return true
}

function keyProblem(kind: string, name: string): Refusal | undefined {
  if (kind === '' || kind.includes(KEY_SEPARATOR)) {
    return refuse(`invalid config entry kind: ${kind}`, 'BAD_REQUEST')
  }
  if (name === '' || name.includes(KEY_SEPARATOR)) return refuse('Name is required')
  if (nameKey(kind) === 'service-intentions') {
    return refuse(
      'service-intentions entries are kept as intentions: write them through /v1/connect/intentions/exact',
      'NOT_SUPPORTED',
    )
  }
  return undefined
}

function noteChange(
  draft: Draft,
  before: ConfigEntryRecord | undefined,
  after: ConfigEntryRecord | undefined,
): void {
  const entry = after ?? before
  if (entry === undefined) return
  draft.changes.configEntries.push({ before, after })
  draft.fired.add(configWatch(configKey(entry.kind, entry.name)))
  draft.fired.add(configKindWatch(nameKey(entry.kind)))
  touchTable(draft, 'config')
}
