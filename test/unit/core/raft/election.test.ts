/**
 * The rules of PreVote and Vote (raft.md 4), one core at a time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { VoteRequestMessage } from '../../../../core/raft/messages.ts'
import { logIndex, type ServerId, term } from '../../../../core/raft/types.ts'
import { A, B, Bench, C, heartbeat, makeLog, persistedLog } from './bench-core.ts'

function ballot(
  kind: 'pre-vote' | 'vote',
  fields: { from?: ServerId; term: number; last?: [number, number]; transfer?: boolean },
): VoteRequestMessage {
  const [lastIndex, lastTerm] = fields.last ?? [1, 1]
  return {
    kind,
    from: fields.from ?? B,
    to: A,
    term: term(fields.term),
    lastIndex: logIndex(lastIndex),
    lastTerm: term(lastTerm),
    transfer: fields.transfer ?? false,
  }
}

describe('an election', () => {
  it('begins after between E and 2E-1 ticks of silence', () => {
    const waits = new Set<number>()
    for (let seed = 1; seed <= 60; seed++) {
      const bench = new Bench({ seed })
      let ticks = 0
      while (bench.core.role === 'follower') {
        bench.tick(1)
        ticks++
      }
      waits.add(ticks)
    }
    assert.equal(Math.min(...waits), 10)
    assert.equal(Math.max(...waits), 19)
  })

  it('asks with PreVote first, which changes neither term nor vote', () => {
    const bench = new Bench()
    bench.tick(19)
    assert.equal(bench.core.role, 'pre-candidate')
    assert.equal(bench.core.term, 1)
    const asked = bench.takeOf('pre-vote')
    assert.deepEqual(
      asked.map((m) => [m.to, m.term, m.lastIndex]),
      [
        [B, 2, 1],
        [C, 2, 1],
      ],
    )
  })

  it('is put off by every sign of life of a leader', () => {
    const bench = new Bench()
    for (let i = 0; i < 20; i++) {
      bench.receive(heartbeat(B, 1))
      bench.tick(9)
    }
    assert.equal(bench.core.role, 'follower')
  })

  it('opens a new term only when a quorum grants the PreVote', () => {
    const bench = new Bench()
    bench.tick(19)
    const reply = { kind: 'pre-vote-reply', to: A, term: term(2) } as const
    bench.receive({ ...reply, from: B, granted: true })
    assert.equal(bench.core.role, 'candidate')
    assert.equal(bench.core.term, 2)
    assert.equal(bench.takeOf('vote').length, 2)
  })

  it('ends in the same term when a quorum refuses the PreVote', () => {
    const bench = new Bench()
    bench.tick(19)
    for (const from of [B, C]) {
      bench.receive({ kind: 'pre-vote-reply', from, to: A, term: term(1), granted: false })
    }
    assert.equal(bench.core.role, 'follower')
    assert.equal(bench.core.term, 1)
  })

  it('ignores grants of another round and of another kind', () => {
    const bench = new Bench()
    bench.tick(19)
    bench.receive({ kind: 'pre-vote-reply', from: B, to: A, term: term(1), granted: true })
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: term(1), granted: true })
    assert.equal(bench.core.role, 'pre-candidate')
  })

  it('ends at once when the leader of the term speaks', () => {
    const bench = new Bench()
    bench.tick(19)
    bench.receive(heartbeat(B, 1))
    assert.equal(bench.core.role, 'follower')
    assert.equal(bench.core.leader, B)
  })

  it('sends vote requests, and counts its own vote, only once both are durable', () => {
    const bench = new Bench({ slowDisk: true })
    bench.do({ kind: 'campaign' })
    assert.deepEqual(bench.take(), [])
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: term(2), granted: true })
    assert.equal(bench.core.role, 'candidate')
    bench.finishWrite()
    assert.equal(bench.core.role, 'leader')
    assert.equal(bench.takeOf('vote').length, 2)
  })

  it('does not take an earlier write for proof of its own vote', () => {
    const bench = new Bench({ slowDisk: true })
    bench.receive(ballot('vote', { term: 2 }))
    bench.do({ kind: 'campaign' })
    bench.receive({ kind: 'vote-reply', from: C, to: A, term: term(3), granted: true })
    bench.finishWrite()
    assert.equal(bench.core.role, 'candidate')
    bench.finishWrite()
    assert.equal(bench.core.role, 'leader')
  })

  it('counts the first answer of each voter', () => {
    const bench = new Bench()
    bench.do({ kind: 'campaign' })
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: term(2), granted: false })
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: term(2), granted: true })
    assert.equal(bench.core.role, 'candidate')
    bench.receive({ kind: 'vote-reply', from: C, to: A, term: term(2), granted: false })
    assert.equal(bench.core.role, 'follower')
  })

  it('is not started by a server outside the configuration', () => {
    const bench = new Bench({ voters: [B, C] })
    bench.tick(60)
    bench.do({ kind: 'campaign' })
    assert.equal(bench.core.role, 'follower')
  })

  it('follows TimeoutNow at once and overrides the lease', () => {
    const bench = new Bench()
    bench.receive(heartbeat(B, 1))
    bench.take()
    bench.receive({ kind: 'timeout-now', from: B, to: A, term: term(1) })
    assert.deepEqual(
      bench.takeOf('vote').map((m) => m.transfer),
      [true, true],
    )
  })
})

describe('a vote', () => {
  it('is durable before it is told', () => {
    const bench = new Bench({ slowDisk: true })
    bench.receive(ballot('vote', { term: 2 }))
    assert.deepEqual(bench.take(), [])
    assert.equal(bench.jobs[0]?.hardState.vote, B)
    bench.finishWrite()
    assert.deepEqual(
      bench.takeOf('vote-reply').map((m) => [m.granted, m.term]),
      [[true, 2]],
    )
  })

  it('goes to one candidate in a term, again if it asks again', () => {
    const bench = new Bench()
    bench.receive(ballot('vote', { term: 2, from: B }))
    bench.receive(ballot('vote', { term: 2, from: C }))
    bench.receive(ballot('vote', { term: 2, from: B }))
    assert.deepEqual(
      bench.takeOf('vote-reply').map((m) => [m.to, m.granted]),
      [
        [B, true],
        [C, false],
        [B, true],
      ],
    )
  })

  it('survives a restart', () => {
    const persisted = persistedLog(makeLog([1]), { term: 2, vote: B })
    const bench = new Bench({ persisted })
    bench.receive(ballot('vote', { term: 2, from: C }))
    assert.deepEqual(
      bench.takeOf('vote-reply').map((m) => m.granted),
      [false],
    )
  })

  it('is refused to a log that is behind, by term first and then by index', () => {
    const cases: [[number, number], boolean][] = [
      [[9, 1], false],
      [[2, 2], false],
      [[3, 2], true],
      [[1, 3], true],
    ]
    for (const [last, granted] of cases) {
      const bench = new Bench({ persisted: persistedLog(makeLog([1, 2, 2])) })
      bench.receive(ballot('vote', { term: 5, last }))
      bench.receive(ballot('pre-vote', { term: 6, last }))
      const replies = bench.take()
      assert.deepEqual(
        replies.map((m) => 'granted' in m && m.granted),
        [granted, granted],
      )
    }
  })

  it('resets the election timer when granted, within a term too', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const bench = new Bench({ seed })
      bench.receive({ kind: 'vote-reply', from: C, to: A, term: term(2), granted: false })
      bench.tick(9)
      bench.receive(ballot('vote', { term: 2 }))
      bench.tick(9)
      assert.equal(bench.core.role, 'follower')
    }
  })

  it('is not asked for within the lease of a live leader: such requests are ignored', () => {
    const bench = new Bench()
    bench.receive(heartbeat(C, 1))
    bench.take()
    bench.receive(ballot('vote', { term: 9, last: [99, 9] }))
    bench.receive(ballot('pre-vote', { term: 9, last: [99, 9] }))
    assert.deepEqual(bench.take(), [])
    assert.equal(bench.core.term, 1)
    bench.receive(ballot('vote', { term: 9, last: [99, 9], transfer: true }))
    assert.deepEqual(
      bench.takeOf('vote-reply').map((m) => m.granted),
      [true],
    )
  })

  it('is given again once the lease has run out', () => {
    const bench = new Bench({ seed: 5 })
    bench.receive(heartbeat(C, 1))
    bench.tick(10)
    bench.take()
    bench.receive(ballot('pre-vote', { term: 2 }))
    assert.deepEqual(
      bench.takeOf('pre-vote-reply').map((m) => [m.granted, m.term]),
      [[true, 2]],
    )
    assert.equal(bench.core.term, 1, 'granting a PreVote changes nothing')
  })

  it('is not given within E of a restart, and no election is started then', () => {
    const bench = new Bench({ startGrace: true, boot: 'boot' })
    bench.receive(ballot('vote', { term: 2 }))
    bench.tick(9)
    bench.receive(ballot('pre-vote', { term: 2 }))
    assert.deepEqual(bench.take(), [])
    bench.tick(1)
    bench.receive(ballot('vote', { term: 3 }))
    assert.deepEqual(
      bench.takeOf('vote-reply').map((m) => m.granted),
      [true],
    )
  })
})
