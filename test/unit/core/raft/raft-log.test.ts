/**
 * The log window: slices, compaction, completeness, walking back.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError } from '../../../../core/assert.ts'
import { ENTRY_HEAD_BYTES, RaftLog } from '../../../../core/raft/raft-log.ts'
import { logIndex, term } from '../../../../core/raft/types.ts'
import { makeLog, ORIGIN } from './bench-core.ts'

const logOf = (...terms: number[]): RaftLog => new RaftLog(ORIGIN, makeLog(terms))

describe('the log window', () => {
  it('refuses gaps and falling terms', () => {
    const entries = makeLog([1, 2, 3])
    assert.throws(() => new RaftLog(ORIGIN, entries.slice(1)), AssertionError)
    const log = logOf(1, 3)
    assert.throws(() => log.append(makeLog([2], { after: log.last })), AssertionError)
  })

  it('cuts a slice at the byte limit but always gives one entry', () => {
    const log = logOf(1, 1, 1, 1)
    const size = ENTRY_HEAD_BYTES + (log.entry(2)?.data.length ?? 0)
    assert.deepEqual(
      log.slice(2, 5, 2 * size).map((e) => e.index),
      [2, 3],
    )
    assert.deepEqual(
      log.slice(2, 5, 2 * size - 1).map((e) => e.index),
      [2],
    )
    assert.deepEqual(
      log.slice(2, 5, 1).map((e) => e.index),
      [2],
    )
    assert.deepEqual(
      log.slice(5, 9).map((e) => e.index),
      [],
    )
    assert.throws(() => log.slice(0, 2), AssertionError)
  })

  it('answers for the anchor after compaction, and not below it', () => {
    const log = logOf(1, 1, 2, 2)
    const third = log.entry(3)
    log.compactTo(logIndex(3))
    log.compactTo(logIndex(2))
    assert.equal(log.firstIndex, 4)
    assert.equal(log.term(3), 2)
    assert.equal(log.chain(3), third?.chain)
    assert.equal(log.term(2), undefined)
    assert.equal(log.term(5), undefined)
    assert.throws(() => log.truncateFrom(logIndex(3)), AssertionError)
    assert.throws(() => log.compactTo(logIndex(9)), AssertionError)
  })

  it('compares completeness by term, then by index', () => {
    const log = logOf(1, 2, 2)
    const cases: [number, number, boolean][] = [
      [1, 3, true],
      [9, 1, false],
      [3, 2, true],
      [2, 2, false],
      [4, 2, true],
    ]
    for (const [index, t, expected] of cases) {
      assert.equal(log.isUpToDate(logIndex(index), term(t)), expected, `${index} of ${t}`)
    }
  })

  it('walks back to the highest index whose term is low enough', () => {
    const log = logOf(1, 3, 3, 3, 5, 5, 5, 5, 5)
    assert.deepEqual(log.highestWithTermAtMost(6, term(2)), { index: 1, term: 1 })
    assert.deepEqual(log.highestWithTermAtMost(6, term(3)), { index: 4, term: 3 })
    assert.deepEqual(log.highestWithTermAtMost(99, term(9)), { index: 9, term: 5 })
    assert.deepEqual(log.highestWithTermAtMost(3, term(0)), { index: 0, term: 0 })
  })
})
