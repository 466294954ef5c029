/**
 * Keys with values, modify indexes, locks and sessions, and transactions over several keys (verification 15.4).
 *
 * An index that a result carries has to be explained: it is the one that the last change of the key was
 * given. Changes of unknown outcome get a name in its place; the first result that shows the index binds it,
 * and until then a comparison with it may go either way, which can only miss a violation, never invent one.
 * Indexes of successive changes of a key that are both known must grow. Lock delays are not modelled: use
 * sessions without one. A write that changes nothing keeps its index, as the store does.
 */

import type { SequentialModel } from './sequential-model.ts'

/** A Raft index, or the name of one that nobody has seen yet. */
type ModelIndex = number | string

interface KeyState {
  readonly value: string
  readonly modifyIndex: ModelIndex
  readonly lockIndex: number
  /** '' when free. */
  readonly session: string
}

export interface KvState {
  readonly keys: ReadonlyMap<string, KeyState>
  /** False for one that was destroyed; sessions that are not named here were never created. */
  readonly sessions: ReadonlyMap<string, boolean>
}

export type KvTxnOp =
  /** `get` of a key that is not there fails the whole transaction, `get-or-empty` sees nothing. */
  | { readonly f: 'get' | 'get-or-empty'; readonly key: string }
  | { readonly f: 'put'; readonly key: string; readonly value: string }
  | { readonly f: 'cas'; readonly key: string; readonly value: string; readonly index: number }
  | { readonly f: 'delete'; readonly key: string }
  | { readonly f: 'check-index'; readonly key: string; readonly index: number }
  | { readonly f: 'check-not-exists'; readonly key: string }
  | { readonly f: 'check-session'; readonly key: string; readonly session: string }

export type KvInput =
  | { readonly f: 'get'; readonly key: string }
  | { readonly f: 'put'; readonly key: string; readonly value: string; readonly name: string }
  | {
      readonly f: 'cas'
      readonly key: string
      readonly value: string
      /** 0: the key must not exist. */
      readonly index: number
      readonly name: string
    }
  | { readonly f: 'delete'; readonly key: string; readonly name: string }
  | {
      readonly f: 'delete-cas'
      readonly key: string
      readonly index: number
      readonly name: string
    }
  | {
      readonly f: 'acquire' | 'release'
      readonly key: string
      readonly value: string
      readonly session: string
      readonly name: string
    }
  | {
      readonly f: 'session-create' | 'session-destroy'
      readonly session: string
      readonly name: string
    }
  | { readonly f: 'txn'; readonly ops: readonly KvTxnOp[]; readonly name: string }

/** Absent fields were not in the result and are not checked. */
export interface KvEntrySeen {
  readonly value: string
  readonly modifyIndex?: number
  readonly lockIndex?: number
  readonly session?: string
}

export type KvOutput =
  | { readonly kind: 'entry'; readonly entry: KvEntrySeen | null }
  /** Whether it was done; `index` is the log index of the command where the server tells it. */
  | { readonly kind: 'done'; readonly done: boolean; readonly index?: number }
  /** Of a transaction that was done: what its gets saw, in order. */
  | {
      readonly kind: 'results'
      readonly entries: readonly (KvEntrySeen | null)[]
      readonly index?: number
    }

export const EMPTY_KV: KvState = { keys: new Map(), sessions: new Map() }

export const kvModel: SequentialModel<KvState, KvInput, KvOutput> = {
  initial: EMPTY_KV,
  step,
  encode(state) {
    const keys = [...state.keys].sort(byName).map(([key, entry]) => {
      return [key, entry.value, entry.modifyIndex, entry.lockIndex, entry.session]
    })
    return JSON.stringify([keys, [...state.sessions].sort(byName)])
  },
  objects(input) {
    switch (input.f) {
      case 'get':
      case 'put':
      case 'cas':
      case 'delete':
      case 'delete-cas':
        return [input.key]
      case 'acquire':
      case 'release':
        return [input.key, sessionObject(input.session)]
      case 'session-create':
      case 'session-destroy':
        return [sessionObject(input.session)]
      case 'txn':
        return input.ops.flatMap((op) => {
          return op.f === 'check-session' && op.session !== ''
            ? [op.key, sessionObject(op.session)]
            : [op.key]
        })
    }
  },
  isRead: (input) => input.f === 'get',
}

function step(state: KvState, input: KvInput, output: KvOutput | undefined): KvState | undefined {
  switch (input.f) {
    case 'get':
      return output?.kind === 'entry' ? explain(state, input.key, output.entry) : state
    case 'session-create':
      return wasDone(output, true) ? withSession(state, input.session, true) : undefined
    case 'session-destroy':
      return wasDone(output, true) ? destroySession(state, input, output) : undefined
    case 'txn':
      return transact(state, input, output)
    case 'put':
    case 'cas':
    case 'delete':
    case 'delete-cas':
    case 'acquire':
    case 'release':
      return write(state, input, output)
  }
}

type KvWrite = Exclude<
  KvInput,
  { readonly f: 'get' | 'session-create' | 'session-destroy' | 'txn' }
>

function write(state: KvState, input: KvWrite, output: KvOutput | undefined): KvState | undefined {
  const index = indexOf(output) ?? input.name
  const before = state.keys.get(input.key)
  switch (input.f) {
    case 'put': {
      if (!wasDone(output, true)) return undefined
      return changed(state, input.key, { ...held(before), value: input.value }, index)
    }
    case 'delete':
      if (!wasDone(output, true)) return undefined
      return removed(state, input.key, index)
    case 'cas':
      return compared(state, { ...input, actual: before?.modifyIndex ?? 0 }, output, (bound) => {
        const entry = { ...held(bound.keys.get(input.key)), value: input.value }
        return changed(bound, input.key, entry, index)
      })
    case 'delete-cas':
      if (before === undefined) return wasDone(output, true) ? state : undefined
      return compared(state, { ...input, actual: before.modifyIndex }, output, (bound) => {
        return removed(bound, input.key, index)
      })
    case 'acquire': {
      const { lockIndex, session } = held(before)
      const isAlive = state.sessions.get(input.session) === true
      const canLock = isAlive && (session === '' || session === input.session)
      if (!wasDone(output, canLock)) return undefined
      if (!canLock) return state
      const next = session === '' ? lockIndex + 1 : lockIndex
      const entry = { value: input.value, lockIndex: next, session: input.session }
      return changed(state, input.key, entry, index)
    }
    case 'release': {
      const { lockIndex, session } = held(before)
      const canRelease = session === input.session
      if (!wasDone(output, canRelease)) return undefined
      if (!canRelease) return state
      return changed(state, input.key, { value: input.value, lockIndex, session: '' }, index)
    }
  }
}

/** Done exactly when the indexes agree; an unseen index allows both, and agreeing binds it. */
function compared(
  state: KvState,
  op: { readonly key: string; readonly index: number; readonly actual: ModelIndex },
  output: KvOutput | undefined,
  apply: (bound: KvState) => KvState | undefined,
): KvState | undefined {
  const done = output?.kind === 'done' ? output.done : undefined
  if (typeof op.actual === 'number' || op.index === 0) {
    const agrees = op.actual === op.index
    if (done !== undefined && done !== agrees) return undefined
    return agrees ? apply(state) : state
  }
  if (done === false) return state
  if (done === undefined) return apply(state)
  const bound = bind(state, op.key, op.index)
  return bound === undefined ? undefined : apply(bound)
}

function transact(
  state: KvState,
  input: Extract<KvInput, { readonly f: 'txn' }>,
  output: KvOutput | undefined,
): KvState | undefined {
  const index = indexOf(output) ?? input.name
  const isDone = output === undefined ? undefined : output.kind === 'results'
  const seen = output?.kind === 'results' ? output.entries : undefined
  let next: KvState = state
  let gets = 0
  /** Hangs on an index that nobody has seen: the comparison may have gone either way. */
  let isInDoubt = false
  for (const op of input.ops) {
    const before = next.keys.get(op.key)
    let after: KvState | undefined = next
    switch (op.f) {
      case 'get':
      case 'get-or-empty':
        if (before === undefined && op.f === 'get') after = undefined
        else if (seen !== undefined) {
          after = explain(next, op.key, seen[gets] ?? null)
          if (after === undefined) return undefined
        }
        gets++
        break
      case 'put':
        after = changed(next, op.key, { ...held(before), value: op.value }, index)
        break
      case 'delete':
        after = removed(next, op.key, index)
        break
      case 'check-not-exists':
        if (before !== undefined) after = undefined
        break
      case 'check-session':
        if (before === undefined || before.session !== op.session) after = undefined
        break
      case 'cas':
      case 'check-index': {
        const actual = before?.modifyIndex ?? 0
        if (op.f === 'check-index' && before === undefined) after = undefined
        else if (typeof actual === 'number' || op.index === 0) {
          if (actual !== op.index) after = undefined
        } else {
          isInDoubt = true
          after = isDone === true ? bind(next, op.key, op.index) : next
        }
        if (after !== undefined && op.f === 'cas') {
          const entry = { ...held(after.keys.get(op.key)), value: op.value }
          after = changed(after, op.key, entry, index)
        }
        break
      }
    }
    if (after === undefined) return isDone === true ? undefined : state
    next = after
  }
  if (isDone === false) return isInDoubt ? state : undefined
  return next
}

/** The state in which a read can have seen `seen`; undefined when it cannot. */
function explain(state: KvState, key: string, seen: KvEntrySeen | null): KvState | undefined {
  const entry = state.keys.get(key)
  if (seen === null || entry === undefined) {
    return seen === null && entry === undefined ? state : undefined
  }
  if (seen.value !== entry.value) return undefined
  if (seen.lockIndex !== undefined && seen.lockIndex !== entry.lockIndex) return undefined
  if (seen.session !== undefined && seen.session !== entry.session) return undefined
  return seen.modifyIndex === undefined ? state : bind(state, key, seen.modifyIndex)
}

/** The key's last change turns out to have this index. One command may have changed several keys. */
function bind(state: KvState, key: string, index: number): KvState | undefined {
  const present = state.keys.get(key)?.modifyIndex
  if (present === undefined) return undefined
  if (typeof present === 'number') return present === index ? state : undefined
  const keys = new Map<string, KeyState>()
  for (const [other, entry] of state.keys) {
    const isSame = entry.modifyIndex === present
    keys.set(other, isSame ? { ...entry, modifyIndex: index } : entry)
  }
  return { ...state, keys }
}

function changed(
  state: KvState,
  key: string,
  entry: Omit<KeyState, 'modifyIndex'>,
  index: ModelIndex,
): KvState | undefined {
  const before = state.keys.get(key)
  const isSame =
    before !== undefined &&
    before.value === entry.value &&
    before.session === entry.session &&
    before.lockIndex === entry.lockIndex
  if (isSame) return state
  if (!grows(before, index)) return undefined
  const keys = new Map(state.keys)
  keys.set(key, { ...entry, modifyIndex: index })
  return { ...state, keys }
}

function removed(state: KvState, key: string, index: ModelIndex): KvState | undefined {
  const before = state.keys.get(key)
  if (before === undefined) return state
  if (!grows(before, index)) return undefined
  const keys = new Map(state.keys)
  keys.delete(key)
  return { ...state, keys }
}

/** Within one transaction a key may be changed twice at one index. */
function grows(before: KeyState | undefined, index: ModelIndex): boolean {
  const present = before?.modifyIndex
  return typeof present !== 'number' || typeof index !== 'number' || index >= present
}

function withSession(state: KvState, session: string, isAlive: boolean): KvState {
  return { ...state, sessions: new Map(state.sessions).set(session, isAlive) }
}

/** The locks that it holds are released in the same step. */
function destroySession(
  state: KvState,
  input: { readonly session: string; readonly name: string },
  output: KvOutput | undefined,
): KvState | undefined {
  if (state.sessions.get(input.session) !== true) return withSession(state, input.session, false)
  const index = indexOf(output) ?? input.name
  let next: KvState | undefined = withSession(state, input.session, false)
  for (const [key, entry] of state.keys) {
    if (entry.session !== input.session || next === undefined) continue
    next = changed(next, key, { ...entry, session: '' }, index)
  }
  return next
}

function held(entry: KeyState | undefined): Pick<KeyState, 'lockIndex' | 'session'> {
  return { lockIndex: entry?.lockIndex ?? 0, session: entry?.session ?? '' }
}

/** Whether the result agrees with what the model says; an unknown result does. */
function wasDone(output: KvOutput | undefined, expected: boolean): boolean {
  return output?.kind !== 'done' || output.done === expected
}

function indexOf(output: KvOutput | undefined): number | undefined {
  return output === undefined || output.kind === 'entry' ? undefined : output.index
}

function sessionObject(session: string): string {
  return `session ${session}`
}

function byName(x: readonly [string, unknown], y: readonly [string, unknown]): number {
  if (x[0] === y[0]) return 0
  return x[0] < y[0] ? -1 : 1
}
