/**
 * Transactions over lists: each appends to lists and reads whole lists, at one moment.
 *
 * For the search of part-search.ts; dependency-cycles.ts checks the same histories in linear time.
 */

import { type EventCodec, HistoryError, type HistoryEvent } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'
import { isScalar, keyOf, list, type Scalar, text } from './values.ts'

export type ListMicroOp =
  | { readonly f: 'append'; readonly key: string; readonly value: Scalar }
  | { readonly f: 'read'; readonly key: string }

export interface ListInput {
  readonly ops: readonly ListMicroOp[]
}

/** What the reads saw, in their order. */
export type ListOutput = readonly (readonly Scalar[])[]

export type ListState = ReadonlyMap<string, readonly Scalar[]>

export const listModel: SequentialModel<ListState, ListInput, ListOutput> = {
  initial: new Map(),
  step(state, input, output) {
    const next = new Map(state)
    let reads = 0
    for (const op of input.ops) {
      const present = next.get(op.key) ?? []
      if (op.f === 'append') {
        next.set(op.key, [...present, op.value])
        continue
      }
      const seen = output?.[reads++]
      if (output !== undefined && !isSameList(seen ?? [], present)) return undefined
    }
    return next
  },
  encode: (state) => JSON.stringify([...state].sort(([x], [y]) => (x < y ? -1 : 1))),
  objects: (input) => input.ops.map((op) => op.key),
  isRead: (input) => input.ops.every((op) => op.f === 'read'),
}

/** `txn` takes [["append", key, value] | ["r", key, null] …]; its end repeats them with what was read. */
export const listCodec: EventCodec<ListInput, ListOutput> = {
  input(event) {
    switch (event.f) {
      case 'txn':
        return { ops: list(event.value, event).map((op) => microOp(op, event)) }
      case 'append':
        return { ops: [{ f: 'append', key: keyOf(event), value: value(event.value, event) }] }
      case 'read':
        return { ops: [{ f: 'read', key: keyOf(event) }] }
      default:
        throw new HistoryError(`the list model knows txn, append and read, not "${event.f}"`)
    }
  },
  output(_input, event) {
    if (event.f === 'append') return []
    if (event.f === 'read') return [values(event.value ?? [], event)]
    const reads = list(event.value, event).filter((op) => list(op, event)[0] !== 'append')
    return reads.map((op) => values(list(op, event)[2] ?? [], event))
  },
}

function microOp(given: unknown, event: HistoryEvent): ListMicroOp {
  const [f, key, argument] = list(given, event)
  if (f === 'append') return { f, key: text(key, event), value: value(argument, event) }
  if (f === 'r' || f === 'read') return { f: 'read', key: text(key, event) }
  throw new HistoryError(`a transaction over lists knows append and r, not "${String(f)}"`)
}

function values(given: unknown, event: HistoryEvent): Scalar[] {
  return list(given, event).map((item) => value(item, event))
}

function value(given: unknown, event: HistoryEvent): Scalar {
  if (isScalar(given)) return given
  throw new HistoryError(
    `"${event.f}" of process "${event.process}" holds a value that is no scalar`,
  )
}

function isSameList(x: readonly Scalar[], y: readonly Scalar[]): boolean {
  return x.length === y.length && x.every((item, i) => item === y[i])
}
