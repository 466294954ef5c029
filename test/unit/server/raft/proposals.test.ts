/**
 * Each write gets one answer, and the right one: done, certainly not done, or nobody knows.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { ENTRY_BYTES_MAX, Proposals } from '../../../../server/raft/proposals.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length)
const refused = new FairleadError('NO_LEADER', 'No cluster leader')

async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (thrown) {
    return thrown instanceof FairleadError ? thrown.code : thrown
  }
}

describe('proposals', () => {
  it('resolve with index and result when applied, batch by batch', async () => {
    const proposals = new Proposals()
    const writes = [1, 2, 3].map((n) => proposals.add(bytes(n)))
    assert.equal(proposals.take().length, 3)
    proposals.appended(2, 10)
    const later = proposals.add(bytes(1))
    proposals.take()
    proposals.appended(2, 13)
    for (let index = 8; index <= 13; index++) proposals.applied(index, 2, `r${index}`)
    assert.deepEqual(
      await Promise.all([...writes, later]),
      [10, 11, 12, 13].map((index) => ({ index, result: `r${index}` })),
    )
    assert.ok(proposals.isEmpty)
  })

  it('take no more than fits into one write', () => {
    const proposals = new Proposals()
    for (let i = 0; i < 3; i++) void outcomeOf(proposals.add(bytes(600_000)))
    assert.equal(proposals.take().length, 1)
    proposals.refused(refused)
    assert.equal(proposals.take().length, 1, 'two would exceed a mebibyte')
    proposals.refused(refused)
    for (let i = 0; i < 2_000; i++) void outcomeOf(proposals.add(bytes(1)))
    assert.equal(proposals.take().length, 1_024)
  })

  it('are refused beyond the bounds', async () => {
    const proposals = new Proposals()
    assert.equal(await outcomeOf(proposals.add(bytes(ENTRY_BYTES_MAX + 1))), 'TOO_LARGE')
    for (let i = 0; i < 4_096; i++) void outcomeOf(proposals.add(bytes(1)))
    assert.equal(await outcomeOf(proposals.add(bytes(1))), 'BUSY')
    proposals.fail(refused)
    for (let i = 0; i < 16; i++) void outcomeOf(proposals.add(bytes(ENTRY_BYTES_MAX)))
    assert.equal(await outcomeOf(proposals.add(bytes(1))), 'BUSY')
  })

  it('keep apart, when office is lost, what was not appended, what is committed and the rest', async () => {
    const proposals = new Proposals()
    const committed = proposals.add(bytes(1))
    const doubtful = proposals.add(bytes(1))
    proposals.take()
    proposals.appended(3, 7)
    const waiting = proposals.add(bytes(1))
    proposals.leadershipLost(7, refused)
    assert.equal(await outcomeOf(doubtful), 'OUTCOME_UNKNOWN')
    assert.equal(await outcomeOf(waiting), 'NO_LEADER')
    proposals.applied(7, 3, 'done')
    assert.deepEqual(await committed, { index: 7, result: 'done' })
    assert.ok(proposals.isEmpty)
  })

  it('are of unknown outcome when another term stands in their place, or an image covers them', async () => {
    const proposals = new Proposals()
    const replaced = proposals.add(bytes(1))
    proposals.take()
    proposals.appended(3, 7)
    proposals.applied(7, 4, 'of somebody else')
    assert.equal(await outcomeOf(replaced), 'OUTCOME_UNKNOWN')
    const skipped = proposals.add(bytes(1))
    proposals.take()
    proposals.appended(5, 20)
    proposals.skippedTo(25)
    assert.equal(await outcomeOf(skipped), 'OUTCOME_UNKNOWN')
    assert.ok(proposals.isEmpty)
  })
})
