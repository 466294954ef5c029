/**
 * Terms of messages, before any rule of a role (raft.md 3.1).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { logIndex, serverId, term } from '../../../../core/raft/types.ts'
import { A, B, Bench, C, heartbeat, makeLog, persistedLog } from './bench-core.ts'

describe('the term of a message', () => {
  it('is ignored with the message when it is for someone else, or from itself', () => {
    const bench = new Bench()
    bench.receive({ ...heartbeat(B, 5), to: C })
    bench.receive({ ...heartbeat(B, 5), from: A })
    assert.equal(bench.core.term, 1)
  })

  it('makes a follower of everyone when it is later, and a leader known only from a leader', () => {
    const leader = Bench.leader()
    leader.receive(heartbeat(B, 9))
    assert.deepEqual([leader.core.role, leader.core.term, leader.core.leader], ['follower', 9, B])
    const other = Bench.leader()
    other.receive({ kind: 'vote-reply', from: B, to: A, term: term(9), granted: false })
    assert.deepEqual([other.core.role, other.core.term, other.core.leader], ['follower', 9, null])
  })

  it('is durable before anything is said in it', () => {
    const bench = new Bench({ slowDisk: true })
    bench.receive(heartbeat(B, 9))
    assert.deepEqual(bench.take(), [])
    bench.finishWrite()
    assert.deepEqual(
      bench.take().map((m) => [m.kind, m.term]),
      [['heartbeat-ack', 9]],
    )
  })

  it('does not move for a PreVote or its grant', () => {
    const bench = new Bench({ persisted: persistedLog(makeLog([1]), { term: 3 }) })
    bench.receive({
      kind: 'pre-vote',
      from: B,
      to: A,
      term: term(9),
      lastIndex: logIndex(1),
      lastTerm: term(1),
      transfer: false,
    })
    bench.receive({ kind: 'pre-vote-reply', from: B, to: A, term: term(9), granted: true })
    assert.equal(bench.core.term, 3)
    bench.receive({ kind: 'pre-vote-reply', from: B, to: A, term: term(9), granted: false })
    assert.equal(bench.core.term, 9)
  })

  it('is answered when it is earlier, so that a stuck leader or pre-candidate learns', () => {
    const bench = new Bench({ persisted: persistedLog(makeLog([1]), { term: 5 }) })
    bench.receive(heartbeat(B, 4))
    bench.receive({
      kind: 'pre-vote',
      from: C,
      to: A,
      term: term(4),
      lastIndex: logIndex(9),
      lastTerm: term(4),
      transfer: false,
    })
    bench.receive({ kind: 'vote-reply', from: C, to: A, term: term(4), granted: true })
    assert.deepEqual(
      bench.take().map((m) => [m.kind, m.to, m.term]),
      [
        ['append-ack', B, 5],
        ['pre-vote-reply', C, 5],
      ],
    )
    assert.equal(bench.core.leader, null)
  })

  it('halts a leader that meets another leader of its own term', () => {
    const bench = Bench.leader()
    bench.take()
    bench.receive(heartbeat(B, bench.core.term))
    assert.equal(bench.core.role, 'failed')
    assert.match(bench.core.failure ?? '', /also leads in term 2/)
    bench.tick(30)
    assert.deepEqual(bench.take(), [])
  })

  it('lets a response of an unknown server change nothing', () => {
    const bench = Bench.leader()
    bench.take()
    const header = { from: serverId('stranger'), to: A, term: bench.core.term } as const
    const fields = {
      seq: 0,
      lastIndex: logIndex(2),
      boot: 'boot',
      isRecovering: false,
      appliedIndex: logIndex(0),
    }
    bench.receive({ kind: 'append-ack', ...header, ...fields, matchIndex: logIndex(2) })
    bench.receive({
      kind: 'append-reject',
      ...header,
      ...fields,
      rejectedIndex: logIndex(1),
      hintIndex: logIndex(0),
      hintTerm: term(0),
    })
    bench.receive({
      kind: 'heartbeat-ack',
      ...header,
      readSeq: 99,
      leaseSeq: 0,
      isRecovering: false,
    })
    assert.equal(bench.core.commit, 0)
    assert.deepEqual(bench.take(), [])
  })

  it('counts an offer of a snapshot as a sign of life', () => {
    const bench = new Bench()
    const [first] = makeLog([1])
    assert.ok(first !== undefined)
    const configuration = bench.core.configuration
    const snapshot = { ...first, configuration, configurationIndex: logIndex(1) }
    bench.receive({ kind: 'snapshot-offer', from: C, to: A, term: term(1), snapshot })
    assert.equal(bench.core.leader, C)
  })
})
