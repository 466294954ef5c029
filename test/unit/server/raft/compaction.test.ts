/**
 * How much of the log stays: trailing entries, courtesy to followers, room for a transfer, and their bounds.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type CompactionInput, compactionIndex } from '../../../../server/raft/compaction.ts'

const KIB = 1_024

function anchorOf(some: Partial<CompactionInput>): number | null {
  return compactionIndex({
    snapshotIndex: 1_000,
    firstIndex: 1,
    lastIndex: 1_050,
    trailingEntries: 100,
    trailingBytes: 1_000 * KIB,
    activeMatches: [],
    transferEntries: 0,
    sending: null,
    bytesOf: () => KIB,
    ...some,
  })
}

describe('compaction', () => {
  it('keeps the trailing entries below the snapshot', () => {
    assert.equal(anchorOf({}), 900)
    assert.equal(anchorOf({ trailingEntries: 0 }), 1_000)
    assert.equal(anchorOf({ trailingEntries: 5_000 }), null)
  })

  it('keeps fewer where they are large', () => {
    assert.equal(anchorOf({ trailingBytes: 40 * KIB }), 960)
  })

  it('waits for active followers that are close, and for no others', () => {
    assert.equal(anchorOf({ activeMatches: [1_040, 850] }), 850)
    assert.equal(anchorOf({ activeMatches: [850], trailingBytes: 150 * KIB }), 900)
    assert.equal(anchorOf({ activeMatches: [1_040, 990] }), 900)
    assert.equal(anchorOf({ activeMatches: [0], trailingBytes: 10_000 * KIB }), null)
  })

  it('keeps enough for twice the last transfer, and for the one under way', () => {
    assert.equal(anchorOf({ transferEntries: 300 }), 400)
    assert.equal(anchorOf({ sending: 700 }), 700)
    assert.equal(anchorOf({ sending: 700, trailingBytes: 50 * KIB }), 850)
  })

  it('drops nothing above the snapshot and nothing that is gone', () => {
    const input = fc.record({
      snapshotIndex: fc.integer({ min: 1, max: 200 }),
      firstIndex: fc.integer({ min: 1, max: 200 }),
      beyond: fc.integer({ min: 0, max: 50 }),
      trailingEntries: fc.integer({ min: 0, max: 250 }),
      trailingBytes: fc.integer({ min: 0, max: 300 }),
      activeMatches: fc.array(fc.integer({ min: 0, max: 250 }), { maxLength: 4 }),
      transferEntries: fc.integer({ min: 0, max: 250 }),
      sending: fc.option(fc.integer({ min: 0, max: 200 })),
    })
    fc.assert(
      fc.property(input, ({ beyond, ...some }) => {
        const firstIndex = Math.min(some.firstIndex, some.snapshotIndex)
        const lastIndex = some.snapshotIndex + beyond
        const anchor = anchorOf({ ...some, firstIndex, lastIndex, bytesOf: () => 1 })
        if (anchor === null) return
        assert.ok(anchor >= firstIndex && anchor <= some.snapshotIndex)
      }),
    )
  })
})
