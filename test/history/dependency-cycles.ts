/**
 * Transactions over append lists, checked by the cycles of what they depend on (verification 16.4).
 *
 * The longest read of a list gives the order of its appends; that order, what each read saw, and real time
 * give edges between transactions, and a cycle means that no order of them explains the history: it is not
 * strictly serializable. Also found: a read that is no prefix of the order, a lost or doubled append, and
 * values of transactions that never took effect. Needs values that are unique per list. Linear but for
 * sorting. Source: the method of Kingsbury and Alvaro (2020).
 */

import type { ListInput, ListOutput } from './list-model.ts'
import type { Operation } from './operations.ts'
import { cycleOf } from './strong-components.ts'
import type { Scalar } from './values.ts'

export type CyclesReport =
  | { readonly verdict: 'ok'; readonly transactions: number }
  | { readonly verdict: 'violation'; readonly reason: string }

type ListOperation = Operation<ListInput, ListOutput>

class Broken extends Error {}

export function checkCycles(operations: readonly ListOperation[]): CyclesReport {
  try {
    const appends = appendsOf(operations)
    const orders = ordersOf(operations, appends)
    const edges = operations.map(() => new Set<number>())
    addDependencies(operations, appends, orders, edges)
    addRealTime(operations, edges)
    const cycle = cycleOf(edges.map((targets) => [...targets]))
    if (cycle !== null) {
      const steps = cycle.map((i) => (i < operations.length ? show(operations[i]) : 'time passes'))
      throw new Broken(`these depend on each other in a circle: ${steps.join(' → ')}`)
    }
    return { verdict: 'ok', transactions: operations.length }
  } catch (err) {
    if (err instanceof Broken) return { verdict: 'violation', reason: err.message }
    throw err
  }
}

/** Which transaction appended a value to a list, by `key` and value. */
type Appends = ReadonlyMap<string, number>

function appendsOf(operations: readonly ListOperation[]): Appends {
  const appends = new Map<string, number>()
  for (const [i, operation] of operations.entries()) {
    for (const op of operation.input.ops) {
      if (op.f !== 'append') continue
      const name = nameOf(op.key, op.value)
      if (appends.has(name)) throw new Broken(`${name} is appended by two transactions`)
      appends.set(name, i)
    }
  }
  return appends
}

/** The order of each list: its longest read. Every other read is a prefix of it. */
function ordersOf(
  operations: readonly ListOperation[],
  appends: Appends,
): ReadonlyMap<string, readonly Scalar[]> {
  const orders = new Map<string, readonly Scalar[]>()
  for (const { key, seen } of readsOf(operations)) {
    if (seen.length > (orders.get(key)?.length ?? -1)) orders.set(key, seen)
  }
  for (const { key, seen, operation } of readsOf(operations)) {
    const order = orders.get(key) ?? []
    if (seen.some((value, i) => value !== order[i])) {
      throw new Broken(
        `a read of "${key}" is no beginning of ${JSON.stringify(order)}: ${show(operation)}`,
      )
    }
  }
  for (const [key, order] of orders) {
    if (new Set(order).size !== order.length) {
      throw new Broken(`"${key}" holds a value twice: ${JSON.stringify(order)}`)
    }
    const stranger = order.find((value) => !appends.has(nameOf(key, value)))
    if (stranger !== undefined) {
      throw new Broken(`"${key}" holds ${JSON.stringify(stranger)}, which nobody appended`)
    }
  }
  return orders
}

function addDependencies(
  operations: readonly ListOperation[],
  appends: Appends,
  orders: ReadonlyMap<string, readonly Scalar[]>,
  edges: readonly Set<number>[],
): void {
  const edge = (from: number | undefined, to: number | undefined): void => {
    if (from !== undefined && to !== undefined && from !== to) edges[from]?.add(to)
  }
  const writer = (key: string, value: Scalar | undefined): number | undefined => {
    return value === undefined ? undefined : appends.get(nameOf(key, value))
  }
  for (const [key, order] of orders) {
    for (let i = 1; i < order.length; i++) edge(writer(key, order[i - 1]), writer(key, order[i]))
  }
  for (const { key, seen, index, operation } of readsOf(operations)) {
    const order = orders.get(key) ?? []
    const own = ownAppendsBefore(operation, key, seen)
    const foreign = seen.slice(0, seen.length - own)
    edge(writer(key, foreign.at(-1)), index)
    const following = order.slice(seen.length).find((value) => writer(key, value) !== index)
    edge(index, writer(key, following))
  }
  addUnreadAppends(operations, appends, orders, edge)
}

/** An acknowledged append that no read shows comes after all that is shown, and after those who saw it all. */
function addUnreadAppends(
  operations: readonly ListOperation[],
  appends: Appends,
  orders: ReadonlyMap<string, readonly Scalar[]>,
  edge: (from: number | undefined, to: number | undefined) => void,
): void {
  const shown = new Set<string>()
  for (const [key, order] of orders) for (const value of order) shown.add(nameOf(key, value))
  const readers = new Map<string, number[]>()
  for (const { key, seen, index } of readsOf(operations)) {
    if (seen.length !== orders.get(key)?.length) continue
    const known = readers.get(key)
    if (known === undefined) readers.set(key, [index])
    else known.push(index)
  }
  for (const [i, operation] of operations.entries()) {
    if (operation.outcome !== 'ok') continue
    for (const op of operation.input.ops) {
      if (op.f !== 'append' || shown.has(nameOf(op.key, op.value))) continue
      const last = orders.get(op.key)?.at(-1)
      if (last !== undefined) edge(appends.get(nameOf(op.key, last)), i)
      for (const reader of readers.get(op.key) ?? []) edge(reader, i)
    }
  }
}

/** A transaction sees its own earlier appends at the end of what it reads. */
function ownAppendsBefore(operation: ListOperation, key: string, seen: readonly Scalar[]): number {
  const own = new Set(
    operation.input.ops.flatMap((op) => (op.f === 'append' && op.key === key ? [op.value] : [])),
  )
  let count = 0
  while (count < seen.length && own.has(seen[seen.length - 1 - count] as Scalar)) count++
  return count
}

/**
 * One node for each return, each leading to the next, so that "ended before it was called" needs one edge
 * into and one out of this line for each transaction instead of one for each pair.
 */
function addRealTime(operations: readonly ListOperation[], edges: Set<number>[]): void {
  const ended = operations
    .flatMap((operation, i) => (operation.outcome === 'ok' ? [{ i, end: operation.end }] : []))
    .sort((x, y) => x.end - y.end)
  const base = operations.length
  for (const [k, { i }] of ended.entries()) {
    edges.push(new Set(k + 1 < ended.length ? [base + k + 1] : []))
    edges[i]?.add(base + k)
  }
  const called = operations.map((operation, i) => ({ i, call: operation.call }))
  called.sort((x, y) => x.call - y.call)
  let before = 0
  for (const { i, call } of called) {
    while (before < ended.length && (ended[before]?.end ?? 0) < call) before++
    if (before > 0) edges[base + before - 1]?.add(i)
  }
}

interface Read {
  readonly key: string
  readonly seen: readonly Scalar[]
  readonly index: number
  readonly operation: ListOperation
}

function* readsOf(operations: readonly ListOperation[]): Generator<Read> {
  for (const [index, operation] of operations.entries()) {
    if (operation.outcome !== 'ok') continue
    let reads = 0
    for (const op of operation.input.ops) {
      if (op.f !== 'read') continue
      yield { key: op.key, seen: operation.output[reads++] ?? [], index, operation }
    }
  }
}

function nameOf(key: string, value: Scalar): string {
  return `${JSON.stringify(value)} of "${key}"`
}

function show(operation: ListOperation | undefined): string {
  if (operation === undefined) return '?'
  const output = operation.outcome === 'ok' ? JSON.stringify(operation.output) : 'unknown'
  return `${operation.process} ${JSON.stringify(operation.input.ops)} saw ${output}`
}
