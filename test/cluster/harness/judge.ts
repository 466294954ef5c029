/**
 * The verdict on a history of registers: linearizable, by the search of test/history/.
 *
 * That no acknowledged write is lost follows, because every key is read through every server in the end.
 */

import assert from 'node:assert/strict'
import { checkLinearizability } from '../../history/linearizability.ts'
import { type HistoryEvent, operationsOf } from '../../history/operations.ts'
import { registerCodec, registerModel } from '../../history/register-model.ts'

/** @throws AssertionError with the operation that no order explains */
export function judge(events: readonly HistoryEvent[]): string {
  const report = checkLinearizability(operationsOf(events, registerCodec), registerModel)
  const { verdict, operations, partitions, steps, counterexample } = report
  const found = counterexample === undefined ? '' : JSON.stringify(counterexample.impossible)
  assert.equal(verdict, 'ok', `${operations} operations: ${verdict}; cannot be explained: ${found}`)
  return `${operations} operations on ${partitions} keys are linearizable (${steps} steps)`
}
