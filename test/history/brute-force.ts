/**
 * The judge of the judge: tries every order of every choice of operations. For histories of a few operations.
 *
 * Shares nothing with the search of part-search.ts: no parts, no memory, no linked list, no order of trying.
 */

import type { Operation } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'

export function isLinearizableByBruteForce<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: SequentialModel<S, I, O>,
): boolean {
  const extend = (state: S, left: readonly Operation<I, O>[]): boolean => {
    if (left.every((operation) => operation.outcome === 'unknown')) return true
    return left.some((operation) => {
      const others = left.filter((other) => other !== operation)
      // Whoever had returned before this one was called has to come first.
      const isTooEarly = others.some((other) => {
        return other.outcome === 'ok' && other.end < operation.call
      })
      if (isTooEarly) return false
      const output = operation.outcome === 'ok' ? operation.output : undefined
      const after = model.step(state, operation.input, output)
      return after !== undefined && extend(after, others)
    })
  }
  return extend(model.initial, operations)
}
