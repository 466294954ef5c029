/**
 * Config entries by kind and name, with check-and-set (http-api.md 23, mesh.md 7.15).
 *
 * Guarantees: no change leaves a discovery chain that compiled before and does not after it. Bodies are opaque here: they were validated before they were proposed. `service-intentions` is refused,
 * because intentions have a table of their own and one fact has one home.
 */

import { assert } from '../assert.ts'
import { brokenByChange, isChainKind } from '../chain/graph-check.ts'
import { providersOf } from '../intentions/jwt.ts'
import { chainGraphOf } from './chain-entries.ts'
import type { Command } from './commands.ts'
import { type Change, type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { goQuote } from './go-quote.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import type { PersistentMap } from './persistent-map.ts'
import { configKey, nameKey } from './state.ts'
import type { ConfigEntryRecord } from './types.ts'
import { configKindWatch, configWatch } from './watch-keys.ts'

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
  return replaceEntries(draft, draft.next.configEntries.set(key, after), {
    before: existing,
    after,
  })
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
  const user =
    nameKey(existing.kind) === 'jwt-provider' ? userOfProvider(draft, existing.name) : undefined
  if (user !== undefined) return refuse(user)
  const without = draft.next.configEntries.delete(key)
  return replaceEntries(draft, without, { before: existing, after: undefined })
}

function userOfProvider({ next }: Draft, provider: string): string | undefined {
  const user = next.intentions
    .values()
    .find((rule) => providersOf(rule).some((name) => nameKey(name) === nameKey(provider)))
  if (user === undefined) return undefined
  return `cannot delete jwt-provider ${goQuote(provider)}: the intention ${user.sourceName} => ${user.destinationName} refers to it`
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

/** @returns a refusal when a chain would be broken; nothing has changed then */
function replaceEntries(
  draft: Draft,
  entries: PersistentMap<ConfigEntryRecord>,
  change: Change<ConfigEntryRecord>,
): true | Refusal {
  const entry = change.after ?? change.before
  assert(entry !== undefined, 'a change has an entry before or after it')
  const kind = nameKey(entry.kind)
  if (isChainKind(kind)) {
    const broken = brokenByChange(
      { kind, name: nameKey(entry.name) },
      {
        before: chainGraphOf(draft.next.configEntries),
        after: chainGraphOf(entries),
        datacenter: draft.datacenter,
      },
    )
    if (broken !== undefined) return refuse(broken.problem)
  }
  draft.next.configEntries = entries
  draft.changes.configEntries.push(change)
  draft.fired.push(configWatch(configKey(entry.kind, entry.name)))
  draft.fired.push(configKindWatch(kind))
  touchTable(draft, 'config')
  return true
}
