/**
 * How the events of a history speak of keys: the NDJSON form of kv-model.ts.
 *
 *   get                 → null, a text, or {value, modifyIndex?, lockIndex?, session?}
 *   put "x" · delete    → true or absent, or {done, index}
 *   cas {value, index} · delete-cas {index} · acquire/release {value, session} → true or false, or {done, index}
 *   session-create "s" · session-destroy "s"
 *   txn [{f, key, value?, index?, session?} …] → false, or the list of what its gets saw, or {entries, index}
 */

import type { KvEntrySeen, KvInput, KvOutput, KvTxnOp } from './kv-model.ts'
import { type EventCodec, HistoryError, type HistoryEvent } from './operations.ts'
import { count, fields, isRecord, keyOf, list, text } from './values.ts'

/** For one history: it numbers the invocations. */
export function kvCodec(): EventCodec<KvInput, KvOutput> {
  let invocations = 0
  return { input: (event) => inputOf(event, `#${++invocations}`), output: outputOf }
}

/** @param name stands for the index of the change until that is seen */
function inputOf(event: HistoryEvent, name: string): KvInput {
  const key = keyOf(event)
  switch (event.f) {
    case 'get':
      return { f: 'get', key }
    case 'put':
      return { f: 'put', key, value: text(event.value, event), name }
    case 'delete':
      return { f: 'delete', key, name }
    case 'cas': {
      const { value, index } = fields(event.value, event)
      return { f: 'cas', key, value: text(value, event), index: count(index, event), name }
    }
    case 'delete-cas':
      return {
        f: 'delete-cas',
        key,
        index: count(fields(event.value, event)['index'], event),
        name,
      }
    case 'acquire':
    case 'release': {
      const { value, session } = fields(event.value, event)
      const given = { key, value: text(value ?? '', event), session: text(session, event), name }
      return { f: event.f, ...given }
    }
    case 'session-create':
    case 'session-destroy':
      return { f: event.f, session: text(event.value, event), name }
    case 'txn':
      return { f: 'txn', ops: list(event.value, event).map((op) => txnOp(op, event)), name }
    default:
      throw new HistoryError(`the kv model does not know "${event.f}"`)
  }
}

function outputOf(input: KvInput, event: HistoryEvent): KvOutput {
  const { value } = event
  if (input.f === 'get') return { kind: 'entry', entry: entryOf(value, event) }
  if (input.f === 'txn' && value !== false) {
    const given = isRecord(value) ? value : { entries: value ?? [] }
    const entries = list(given['entries'], event).map((entry) => entryOf(entry, event))
    return { kind: 'results', entries, ...indexField(given, event) }
  }
  if (isRecord(value)) {
    return { kind: 'done', done: value['done'] !== false, ...indexField(value, event) }
  }
  return { kind: 'done', done: value !== false }
}

function txnOp(given: unknown, event: HistoryEvent): KvTxnOp {
  const op = fields(given, event)
  const key = text(op['key'], event)
  switch (op['f']) {
    case 'get':
    case 'get-or-empty':
    case 'delete':
    case 'check-not-exists':
      return { f: op['f'], key }
    case 'put':
      return { f: 'put', key, value: text(op['value'], event) }
    case 'cas':
      return {
        f: 'cas',
        key,
        value: text(op['value'], event),
        index: count(op['index'], event),
      }
    case 'check-index':
      return { f: 'check-index', key, index: count(op['index'], event) }
    case 'check-session':
      return { f: 'check-session', key, session: text(op['session'], event) }
    default:
      throw new HistoryError(`a transaction does not know "${String(op['f'])}"`)
  }
}

function entryOf(value: unknown, event: HistoryEvent): KvEntrySeen | null {
  if (value === null || value === undefined) return null
  if (!isRecord(value)) return { value: text(value, event) }
  const { modifyIndex, lockIndex, session } = value
  return {
    value: text(value['value'], event),
    ...(modifyIndex === undefined ? {} : { modifyIndex: count(modifyIndex, event) }),
    ...(lockIndex === undefined ? {} : { lockIndex: count(lockIndex, event) }),
    ...(session === undefined ? {} : { session: text(session, event) }),
  }
}

function indexField(
  given: Readonly<Record<string, unknown>>,
  event: HistoryEvent,
): { readonly index?: number } {
  return given['index'] === undefined ? {} : { index: count(given['index'], event) }
}
