/**
 * Self-test V1 of the checker: every small history of a register, compared with the trial of all orders.
 *
 * Complete for up to three operations of all kinds (unknown outcomes too), for four operations of eight
 * kinds and for five of five kinds, on two values, at most three at a time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isLinearizableByBruteForce } from './brute-force.ts'
import { checkLinearizability } from './linearizability.ts'
import type { Operation } from './operations.ts'
import { type RegisterInput, type RegisterOutput, registerModel } from './register-model.ts'
import type { Scalar } from './values.ts'

interface Kind {
  readonly input: RegisterInput
  /** Undefined for an unknown outcome. */
  readonly output: RegisterOutput | undefined
}

const read = (value: Scalar): Kind => ({ input: { f: 'read', key: 'x' }, output: value })
const write = (value: Scalar): Kind => ({ input: { f: 'write', key: 'x', value }, output: null })
const cas = (from: Scalar, to: Scalar, done: boolean): Kind => ({
  input: { f: 'cas', key: 'x', from, to },
  output: done,
})
const unknown = (kind: Kind): Kind => ({ ...kind, output: undefined })

const FIVE = [read(1), read(2), write(1), write(2), cas(1, 2, true)]
const EIGHT = [...FIVE, cas(1, 2, false), unknown(write(2)), unknown(cas(2, 1, true))]
const ALL = [
  ...EIGHT,
  read(null),
  cas(2, 1, true),
  cas(2, 1, false),
  cas(null, 1, true),
  unknown(write(1)),
  unknown(cas(1, 2, true)),
  unknown(read(1)),
]

const PROCESSES = 3

interface Interval {
  readonly call: number
  readonly end: number
}

/** All ways in which the intervals of `count` operations can lie to each other, at most three open. */
function structures(count: number): Interval[][] {
  const found = new Map<string, Interval[]>()
  const visit = (time: number, calls: number[], ends: (number | undefined)[]): void => {
    if (ends.length === count && ends.every((end) => end !== undefined)) {
      const intervals = calls.map((call, i) => ({ call, end: ends[i] as number }))
      const relation = intervals.map((x) => intervals.map((y) => Number(x.end < y.call)).join(''))
      const key = relation.join('/')
      if (!found.has(key)) found.set(key, intervals)
      return
    }
    const open = ends.flatMap((end, i) => (end === undefined ? [i] : []))
    if (calls.length < count && open.length < PROCESSES) {
      visit(time + 1, [...calls, time], [...ends, undefined])
    }
    for (const i of open) {
      visit(
        time + 1,
        calls,
        ends.map((end, j) => (j === i ? time : end)),
      )
    }
  }
  visit(0, [], [])
  return [...found.values()]
}

function* histories(
  count: number,
  kinds: readonly Kind[],
): Generator<Operation<RegisterInput, RegisterOutput>[]> {
  const total = kinds.length ** count
  for (const intervals of structures(count)) {
    for (let code = 0; code < total; code++) {
      let rest = code
      yield intervals.map(({ call, end }, i) => {
        const kind = kinds[rest % kinds.length] as Kind
        rest = Math.floor(rest / kinds.length)
        const common = { process: `p${i}`, input: kind.input, call }
        return kind.output === undefined
          ? { ...common, outcome: 'unknown' }
          : { ...common, outcome: 'ok', output: kind.output, end }
      })
    }
  }
}

function compareAll(count: number, kinds: readonly Kind[]): { total: number; good: number } {
  let total = 0
  let good = 0
  for (const history of histories(count, kinds)) {
    const expected = isLinearizableByBruteForce(history, registerModel)
    const { verdict } = checkLinearizability(history, registerModel)
    if (verdict !== (expected ? 'ok' : 'violation')) {
      assert.fail(`${verdict} instead of ${expected} for ${JSON.stringify(history)}`)
    }
    total++
    if (expected) good++
  }
  return { total, good }
}

describe('the linearizability checker on every small register history', () => {
  for (const { count, kinds } of [
    { count: 1, kinds: ALL },
    { count: 2, kinds: ALL },
    { count: 3, kinds: ALL },
    { count: 4, kinds: EIGHT },
    { count: 5, kinds: FIVE },
  ]) {
    it(`agrees with the trial of all orders for ${count} operations of ${kinds.length} kinds`, (t) => {
      const { total, good } = compareAll(count, kinds)
      t.diagnostic(`${total} histories, ${good} of them linearizable`)
      assert.ok(good > 0 && good < total)
    })
  }
})
