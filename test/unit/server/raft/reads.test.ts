/**
 * Attempts of linearizable reads: shared by a turn, never reused, void when the leader changes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { logIndex } from '../../../../core/raft/types.ts'
import { WAITERS_MAX } from '../../../../server/api/blocking-read.ts'
import { READS_MAX, Reads } from '../../../../server/raft/reads.ts'

const gone = (): FairleadError => new FairleadError('NO_LEADER', 'No cluster leader')
const isGone = (err: unknown): boolean => err instanceof FairleadError && err.code === 'NO_LEADER'
const at = (context: string, index: number) => [{ context, index: logIndex(index) }]

describe('reads', () => {
  it('of one turn share an attempt, and wait for apply', async () => {
    const reads = new Reads('s/1', 50)
    const answers = [reads.add('quorum'), reads.add('quorum')]
    const [attempt, ...others] = reads.takeNew()
    assert.deepEqual(others, [])
    assert.equal(attempt?.mode, 'quorum')
    reads.confirmed(at(attempt?.context ?? '', 9), 5)
    assert.ok(!reads.isEmpty)
    reads.applied(8)
    assert.ok(!reads.isEmpty)
    reads.applied(9)
    assert.deepEqual(await Promise.all(answers), [9, 9])
    assert.ok(reads.isEmpty)
  })

  it('may be all blocked reads of a server at once, and some more; beyond that they are told so', async () => {
    assert.ok(READS_MAX > WAITERS_MAX)
    const reads = new Reads('s/1', 50)
    const answers = Array.from({ length: READS_MAX }, () => reads.add('quorum'))
    await assert.rejects(reads.add('quorum'), { code: 'BUSY' })
    const [attempt] = reads.takeNew()
    reads.confirmed(at(attempt?.context ?? '', 9), 9)
    assert.equal((await Promise.all(answers)).length, READS_MAX)
  })

  it('of different modes go apart', () => {
    const reads = new Reads('s/1', 50)
    reads.add('lease').catch(() => undefined)
    reads.add('quorum').catch(() => undefined)
    assert.deepEqual(
      reads.takeNew().map(({ mode }) => mode),
      ['quorum', 'lease'],
    )
  })

  it('are asked for again under a new context, to which alone an answer counts', async () => {
    const reads = new Reads('s/1', 50)
    const answer = reads.add('quorum')
    const [first] = reads.takeNew()
    reads.elapsed(49, gone)
    assert.deepEqual(reads.takeNew(), [])
    reads.elapsed(1, gone)
    const [second] = reads.takeNew()
    assert.notEqual(second?.context, first?.context)
    reads.confirmed(at(first?.context ?? '', 3), 3)
    assert.ok(!reads.isEmpty, 'the first attempt is void')
    reads.confirmed(at(second?.context ?? '', 4), 4)
    assert.equal(await answer, 4)
  })

  it('fail after so many attempts', async () => {
    const reads = new Reads('s/1', 50)
    const answer = assert.rejects(reads.add('quorum'), isGone)
    for (let i = 0; i < 4; i++) {
      assert.equal(reads.takeNew().length, 1)
      reads.elapsed(50, gone)
    }
    await answer
    assert.ok(reads.isEmpty)
  })

  it('fail when the leader changes, also with the answer at hand; those not yet asked for go on', async () => {
    const reads = new Reads('s/1', 50)
    const asked = assert.rejects(reads.add('quorum'), isGone)
    reads.takeNew()
    const confirmed = assert.rejects(reads.add('quorum'), isGone)
    const [attempt] = reads.takeNew()
    reads.confirmed(at(attempt?.context ?? '', 9), 5)
    const fresh = reads.add('quorum')
    reads.voidAttempts(gone())
    await Promise.all([asked, confirmed])
    const [next] = reads.takeNew()
    reads.confirmed(at(next?.context ?? '', 9), 9)
    assert.equal(await fresh, 9)
  })

  it('all fail at the end', async () => {
    const reads = new Reads('s/1', 50)
    const asked = assert.rejects(reads.add('quorum'), isGone)
    reads.takeNew()
    const waiting = assert.rejects(reads.add('lease'), isGone)
    reads.failAll(gone())
    await Promise.all([asked, waiting])
    assert.ok(reads.isEmpty)
  })
})
