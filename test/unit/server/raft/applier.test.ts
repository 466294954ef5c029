/**
 * Entries reach the state machine in order, each once, in slices, and never across an image.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import { type Entry, type EntryType, logIndex, term } from '../../../../core/raft/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Applier } from '../../../../server/raft/applier.ts'

const entry = (index: number, type: EntryType = 'normal'): Entry =>
  chainedEntry(CHAIN_START, {
    index: logIndex(index),
    term: term(1),
    type,
    data: new Uint8Array(10),
  })

const entries = (from: number, to: number): Entry[] =>
  Array.from({ length: to - from }, (_, i) => entry(from + i))

function rig(costMs = 0) {
  const clock = new ManualClock()
  const applied: number[] = []
  const results: (readonly [number, unknown])[] = []
  const applier = new Applier({
    stateMachine: {
      apply: (index) => {
        applied.push(index)
        clock.advance(costMs)
        return `r${index}`
      },
      snapshot: () => ({ lastIndex: 0, image: () => [] }),
      restore: async () => {},
    },
    clock,
    onResult: ({ index }, result) => results.push([index, result]),
  })
  return { applier, applied, results }
}

describe('the applier', () => {
  it('applies normal entries, and tells the end of all', () => {
    const { applier, applied, results } = rig()
    applier.add([entry(1, 'config'), entry(2), entry(3, 'noop')])
    assert.deepEqual(applier.applySlice(), { lastIndex: 3, entries: 3, bytes: 30 })
    assert.deepEqual(applied, [2])
    assert.deepEqual(results, [
      [1, undefined],
      [2, 'r2'],
      [3, undefined],
    ])
    assert.equal(applier.applySlice(), null)
  })

  it('ends a slice in time, and goes on where it stopped', () => {
    const { applier, applied } = rig(1)
    applier.add(entries(1, 200))
    const first = applier.applySlice()
    assert.ok(first !== null && first.entries < 199)
    applier.add(entries(200, 210))
    while (applier.hasWork) applier.applySlice()
    assert.deepEqual(
      applied,
      entries(1, 210).map(({ index }) => index),
    )
  })

  it('applies nothing while an image is on its way into place, and forgets what that covers', () => {
    const { applier, applied } = rig(1)
    applier.add(entries(1, 100))
    applier.applySlice()
    const before = applied.length
    applier.hold(150)
    applier.add(entries(151, 153))
    assert.equal(applier.hasWork, false)
    assert.equal(applier.applySlice(), null)
    applier.release()
    while (applier.hasWork) applier.applySlice()
    assert.deepEqual(applied.slice(before), [151, 152])
  })
})
