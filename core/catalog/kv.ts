/**
 * Key/value pairs with check-and-set, advisory locks and tombstones (http-api.md 13).
 *
 * A write that leaves value, flags and session as they are changes nothing and moves no index. Deleting
 * leaves a tombstone so that the index of a prefix moves forward; removing a whole tree leaves one
 * tombstone for it and drops those below, which it covers. Lock delays live here, replicated, and are
 * compared with the leader's stamped time only. Sizes of keys and values are bounded by the caller.
 */

import type { KvOp } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameBytes } from './equality.ts'
import { goQuote } from './go-quote.ts'
import { indexKey, orderKey } from './key-order.ts'
import { type LockDelay, pairKey, type Tombstone } from './state.ts'
import type { KvEntry, SessionRecord } from './types.ts'
import { kvWatch } from './watch-keys.ts'

/** Why a conditional write was not done. Not an error: the HTTP answer is `false`. */
export type KvMiss = 'stale' | 'held' | 'delayed' | 'not-held'

export type KvOutcome =
  | { readonly kind: 'done'; readonly entry?: KvEntry }
  | { readonly kind: 'missed'; readonly reason: KvMiss }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

const DONE: KvOutcome = { kind: 'done' }

export function writeKv(draft: Draft, op: KvOp): KvOutcome {
  switch (op.verb) {
    case 'set':
    case 'cas':
    case 'lock':
    case 'unlock':
      if (op.entry.key === '') return refused('Must provide key')
      return writeEntry(draft, op)
    case 'delete':
      if (op.key === '') return refused('Must provide key')
      deleteKey(draft, op.key)
      return DONE
    case 'delete-cas':
      if (op.key === '') return refused('Must provide key')
      return deleteIfCurrent(draft, op.key, op.index)
    case 'delete-tree':
      deleteTree(draft, op.key)
      return DONE
  }
}

export function kvAt(draft: Draft, key: string): KvEntry | undefined {
  return draft.next.kv.get(orderKey(key))
}

/** What the end of a session does to one key it holds. */
export function endLock(draft: Draft, key: string, session: SessionRecord): void {
  const entry = kvAt(draft, key)
  if (entry === undefined || entry.session !== session.id) return
  if (session.behavior === 'delete') deleteKey(draft, key)
  else putEntry(draft, entry, { ...entry, session: '', modifyIndex: draft.index })
  if (session.lockDelayMs > 0)
    putLockDelay(draft, { key, until: draft.next.clock + session.lockDelayMs })
}

/** Moves the store's time forward and forgets the lock delays that are over. */
export function advanceClock(draft: Draft, now: number | undefined): void {
  if (now === undefined || now <= draft.next.clock) return
  draft.next.clock = now
  const cursor = draft.next.lockDelaysByTime.cursor()
  while (cursor.next() && cursor.value.until <= now) {
    draft.next.lockDelaysByTime = draft.next.lockDelaysByTime.delete(cursor.key)
    draft.next.lockDelays = draft.next.lockDelays.delete(orderKey(cursor.value.key))
  }
}

/** Forgets the tombstones made at `index` or before. */
export function reapTombstones(draft: Draft, index: number): void {
  const cursor = draft.next.tombstonesByIndex.cursor()
  while (cursor.next() && cursor.value.index <= index) {
    draft.next.tombstonesByIndex = draft.next.tombstonesByIndex.delete(cursor.key)
    draft.next.tombstones = draft.next.tombstones.delete(orderKey(cursor.value.key))
  }
}

function writeEntry(
  draft: Draft,
  op: Extract<KvOp, { verb: 'set' | 'cas' | 'lock' | 'unlock' }>,
): KvOutcome {
  const { key, value, flags, session } = op.entry
  const existing = kvAt(draft, key)
  const held = existing?.session ?? ''
  const lockIndex = existing?.lockIndex ?? 0
  switch (op.verb) {
    case 'cas':
      if ((existing?.modifyIndex ?? 0) !== op.index) return missed('stale')
      return changeEntry(draft, existing, { key, value, flags, session: held, lockIndex })
    case 'set':
      return changeEntry(draft, existing, { key, value, flags, session: held, lockIndex })
    case 'lock': {
      if (draft.next.lockDelays.has(orderKey(key))) return missed('delayed')
      if (session === '') return refused('missing session')
      if (!draft.next.sessions.has(session)) return refused(`invalid session ${goQuote(session)}`)
      if (held !== '' && held !== session) return missed('held')
      const isNew = held === ''
      const write = { key, value, flags, session, lockIndex: isNew ? lockIndex + 1 : lockIndex }
      return changeEntry(draft, existing, write)
    }
    case 'unlock':
      if (session === '') return refused('missing session')
      if (held !== session) return missed('not-held')
      return changeEntry(draft, existing, { key, value, flags, session: '', lockIndex })
  }
}

function changeEntry(
  draft: Draft,
  existing: KvEntry | undefined,
  write: Pick<KvEntry, 'key' | 'value' | 'flags' | 'session' | 'lockIndex'>,
): KvOutcome {
  if (
    existing !== undefined &&
    existing.flags === write.flags &&
    existing.session === write.session &&
    existing.lockIndex === write.lockIndex &&
    sameBytes(existing.value, write.value)
  ) {
    return { kind: 'done', entry: existing }
  }
  const createIndex = existing?.createIndex ?? draft.index
  const entry: KvEntry = { ...write, createIndex, modifyIndex: draft.index }
  putEntry(draft, existing, entry)
  return { kind: 'done', entry }
}

/** Stores `after` as it is in place of `before`. */
export function putEntry(draft: Draft, before: KvEntry | undefined, after: KvEntry): void {
  const order = orderKey(after.key)
  draft.next.kv = draft.next.kv.set(order, after)
  const oldSession = before?.session ?? ''
  if (oldSession !== after.session) {
    if (oldSession !== '') draft.next.locks = draft.next.locks.delete(pairKey(oldSession, order))
    if (after.session !== '') {
      draft.next.locks = draft.next.locks.set(pairKey(after.session, order), after.key)
    }
  }
  touchKey(draft, order)
}

function deleteIfCurrent(draft: Draft, key: string, index: number): KvOutcome {
  const existing = kvAt(draft, key)
  if (existing === undefined) return DONE
  if (existing.modifyIndex !== index) return missed('stale')
  deleteKey(draft, key)
  return DONE
}

function deleteKey(draft: Draft, key: string): void {
  const existing = kvAt(draft, key)
  if (existing === undefined) return
  removeEntry(draft, existing)
  bury(draft, key)
}

function deleteTree(draft: Draft, prefix: string): void {
  const order = orderKey(prefix)
  const doomed = draft.next.kv.valuesUnder(order)
  if (doomed.length === 0) return
  for (const entry of doomed) removeEntry(draft, entry)
  for (const tombstone of draft.next.tombstones.valuesUnder(order)) {
    exhume(draft, tombstone.key, tombstone.index)
  }
  // Without any key left, every prefix reports the index of the table, which is at least as new.
  if (prefix !== '') bury(draft, prefix)
}

function removeEntry(draft: Draft, entry: KvEntry): void {
  const order = orderKey(entry.key)
  draft.next.kv = draft.next.kv.delete(order)
  if (entry.session !== '') {
    draft.next.locks = draft.next.locks.delete(pairKey(entry.session, order))
  }
  touchKey(draft, order)
}

function bury(draft: Draft, key: string): void {
  const older = draft.next.tombstones.get(orderKey(key))
  if (older !== undefined) exhume(draft, key, older.index)
  putTombstone(draft, { key, index: draft.index })
}

export function putTombstone(draft: Draft, tombstone: Tombstone): void {
  const order = orderKey(tombstone.key)
  const byIndex = indexKey(tombstone.index) + order
  draft.next.tombstones = draft.next.tombstones.set(order, tombstone)
  draft.next.tombstonesByIndex = draft.next.tombstonesByIndex.set(byIndex, tombstone)
}

function exhume(draft: Draft, key: string, index: number): void {
  const order = orderKey(key)
  draft.next.tombstones = draft.next.tombstones.delete(order)
  draft.next.tombstonesByIndex = draft.next.tombstonesByIndex.delete(indexKey(index) + order)
}

/** Replaces any delay of the same key. */
export function putLockDelay(draft: Draft, delay: LockDelay): void {
  const { key, until } = delay
  const order = orderKey(key)
  const older = draft.next.lockDelays.get(order)
  let byTime = draft.next.lockDelaysByTime
  if (older !== undefined) byTime = byTime.delete(indexKey(older.until) + order)
  draft.next.lockDelays = draft.next.lockDelays.set(order, delay)
  draft.next.lockDelaysByTime = byTime.set(indexKey(until) + order, delay)
}

function touchKey(draft: Draft, order: string): void {
  touchTable(draft, 'kv')
  draft.kvKeys.push(order)
  draft.fired.push(kvWatch(order))
}

function missed(reason: KvMiss): KvOutcome {
  return { kind: 'missed', reason }
}

function refused(message: string): KvOutcome {
  return { kind: 'refused', refusal: refuse(message) }
}
