/**
 * The second, independent method: the servers' own indexes say in which order things happened (15.5).
 *
 * Every done write carries the log index of its command, every read the index of the state it saw. Replaying
 * in that order has to give every result, and real time must agree with it. Linear but for sorting, so it
 * serves for millions of operations; complete only if the servers tell the truth about indexes, which is
 * why samples of the same history go through the search of linearizability.ts, which ignores them.
 */

import type { Operation } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'

export interface Witnessed<I, O> {
  readonly operation: Operation<I, O>
  /** Undefined for a write of unknown outcome that the log does not contain. */
  readonly index: number | undefined
}

export type WitnessReport =
  | { readonly verdict: 'ok'; readonly operations: number }
  | { readonly verdict: 'violation'; readonly reason: string }

export function checkWitness<S, I, O>(
  witnessed: readonly Witnessed<I, O>[],
  model: SequentialModel<S, I, O>,
): WitnessReport {
  const placed: {
    readonly operation: Operation<I, O>
    readonly index: number
    readonly isRead: boolean
  }[] = []
  for (const { operation, index } of witnessed) {
    if (index === undefined) {
      if (operation.outcome === 'unknown') continue
      return violation(`an operation that was done has no index: ${show(operation)}`)
    }
    placed.push({ operation, index, isRead: model.isRead(operation.input) })
  }
  // A read at an index comes after the write that has it.
  placed.sort((x, y) => x.index - y.index || Number(x.isRead) - Number(y.isRead))

  let state = model.initial
  let previous: (typeof placed)[number] | undefined
  for (const item of placed) {
    if (previous?.index === item.index && !item.isRead) {
      return violation(`two writes have index ${item.index}: ${show(item.operation)}`)
    }
    const { operation } = item
    const output = operation.outcome === 'ok' ? operation.output : undefined
    const after = model.step(state, operation.input, output)
    if (after === undefined) {
      return violation(`the result at index ${item.index} is impossible: ${show(operation)}`)
    }
    state = after
    previous = item
  }

  // Real time: nobody may have an index below one that was returned before it was called.
  const ended = placed.filter(({ operation }) => operation.outcome === 'ok').sort(byEnd)
  const called = [...placed].sort((x, y) => x.operation.call - y.operation.call)
  let next = 0
  let floor = 0
  for (const item of called) {
    for (; next < ended.length; next++) {
      const earlier = ended[next]
      if (earlier === undefined || endOf(earlier.operation) >= item.operation.call) break
      floor = Math.max(floor, earlier.index)
    }
    const isLate = item.isRead ? item.index < floor : item.index <= floor
    if (isLate) {
      return violation(
        `index ${item.index} was given after ${floor} had been returned: ${show(item.operation)}`,
      )
    }
  }
  return { verdict: 'ok', operations: placed.length }
}

function byEnd<I, O>(
  x: { readonly operation: Operation<I, O> },
  y: { readonly operation: Operation<I, O> },
): number {
  return endOf(x.operation) - endOf(y.operation)
}

function endOf<I, O>(operation: Operation<I, O>): number {
  return operation.outcome === 'ok' ? operation.end : Number.POSITIVE_INFINITY
}

function violation(reason: string): WitnessReport {
  return { verdict: 'violation', reason }
}

function show<I, O>(operation: Operation<I, O>): string {
  const output = operation.outcome === 'ok' ? JSON.stringify(operation.output) : 'unknown'
  return `${operation.process} ${JSON.stringify(operation.input)} → ${output}`
}
