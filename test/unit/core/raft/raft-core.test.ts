/**
 * The core as a whole: alone, restarted, overloaded, failed.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError } from '../../../../core/assert.ts'
import { RaftCore } from '../../../../core/raft/raft-core.ts'
import { appendToken, logIndex, serverId, term } from '../../../../core/raft/types.ts'
import { seededRng } from '../../../../core/rng.ts'
import { A, B, Bench, C, heartbeatAck, makeLog, ORIGIN, persistedLog } from './bench-core.ts'

describe('a server that decides alone', () => {
  it('leads after two writes, without a tick, also after a restart', () => {
    for (const startGrace of [false, true]) {
      const bench = new Bench({ voters: [A], slowDisk: true, startGrace })
      assert.equal(bench.core.role, 'candidate', 'its own vote is not durable yet')
      bench.finishWrite()
      assert.equal(bench.core.role, 'leader')
      bench.finishWrite()
      assert.deepEqual(
        bench.committed.map((e) => e.type),
        ['config', 'noop'],
      )
      assert.equal(bench.core.needsTicks, false)
    }
  })

  it('commits what it proposes when that is durable', () => {
    const bench = new Bench({ voters: [A], slowDisk: true })
    bench.finishWrite()
    bench.finishWrite()
    const outcome = bench.propose('one', 'two')
    assert.deepEqual(outcome, { kind: 'appended', term: 2, firstIndex: 3 })
    assert.equal(bench.core.commit, 2)
    bench.finishWrite()
    assert.equal(bench.core.commit, 4)
    assert.equal(bench.core.commitHint, 4)
  })
})

describe('the leader', () => {
  it('refuses proposals beyond its limits and when it does not lead', () => {
    const follower = new Bench()
    assert.deepEqual(follower.propose('x'), { kind: 'rejected', reason: 'not-leader' })
    const bench = Bench.leader({ uncommittedBytesMax: 10 })
    assert.equal(bench.propose('longer than the limit').kind, 'appended')
    assert.deepEqual(bench.propose('x'), { kind: 'rejected', reason: 'busy' })
    bench.ack(B)
    assert.equal(bench.propose('x').kind, 'appended')
  })

  it('refuses proposals while apply is far behind', () => {
    const core = new RaftCore(
      {
        id: A,
        electionTicks: 10,
        heartbeatTicks: 1,
        startGrace: false,
        boot: 'boot',
        unappliedMax: 1,
      },
      persistedLog(makeLog([1, 1, 1], { voters: [A] })),
      seededRng(1),
    )
    for (let token = 1; token <= 2; token++) {
      core.pull()
      core.handle({ kind: 'appended', token: appendToken(token) })
    }
    assert.equal(core.commit, 4)
    const proposals = [{ type: 'normal', data: new Uint8Array(1) }] as const
    assert.deepEqual(core.handle({ kind: 'propose', proposals }), {
      kind: 'rejected',
      reason: 'busy',
    })
    const batch = core.pull()
    core.handle({ kind: 'applied', index: logIndex(batch?.committed.at(-1)?.index ?? 0) })
    assert.equal(core.handle({ kind: 'propose', proposals }).kind, 'appended')
  })

  it('steps down when no quorum answered for E, and stays while one peer does', () => {
    const bench = Bench.leader()
    for (let i = 0; i < 5; i++) {
      bench.receive(heartbeatAck(B, bench.core.term))
      bench.tick(10)
    }
    assert.equal(bench.core.role, 'leader')
    bench.tick(10)
    assert.equal(bench.core.role, 'follower')
    assert.equal(bench.core.leader, null)
  })

  it('beats every H', () => {
    const bench = Bench.leader({ heartbeatTicks: 3 })
    bench.take()
    bench.tick(7)
    assert.equal(bench.takeOf('heartbeat').length, 4)
  })

  it('knows how far its peers match', () => {
    const bench = Bench.leader()
    bench.ack(C)
    assert.deepEqual(
      [...bench.core.matches],
      [
        [B, 0],
        [C, 2],
      ],
    )
    assert.equal(new Bench().core.matches.size, 0)
  })
})

describe('a restart', () => {
  it('applies what was known to be committed without waiting for a leader', () => {
    const bench = new Bench({ persisted: persistedLog(makeLog([1, 1, 1]), { commit: 2 }) })
    assert.deepEqual(
      bench.committed.map((e) => e.index),
      [1, 2],
    )
  })

  it('goes on from a snapshot and the log above its anchor', () => {
    const log = makeLog([1, 1, 2, 2, 2])
    const [, second, third] = log
    assert.ok(second !== undefined && third !== undefined)
    const before = new Bench({ persisted: persistedLog(log, { commit: 3 }) })
    const snapshot = before.core.snapshotMetaAt(third.index)
    const hardState = { term: term(2), vote: null, commit: logIndex(4) }
    const entries = log.slice(2)
    const persisted = { hardState, snapshot, anchor: second, entries, damagedTo: null }
    const bench = new Bench({ persisted })
    assert.deepEqual(
      bench.committed.map((e) => e.index),
      [4],
    )
    assert.equal(bench.core.firstIndex, 3)
    assert.deepEqual(bench.core.configuration.incoming, [A, B, C])
    assert.equal(bench.core.snapshot?.index, 3)
  })

  it('refuses a log that contradicts itself', () => {
    const options = { id: A, electionTicks: 10, heartbeatTicks: 1, startGrace: false, boot: 'boot' }
    const missing = persistedLog(makeLog([1]), { commit: 5 })
    assert.throws(() => new RaftCore(options, missing, seededRng(1)), AssertionError)
    const rare = { ...options, heartbeatTicks: 5 }
    assert.throws(
      () => new RaftCore(rare, persistedLog(makeLog([1])), seededRng(1)),
      AssertionError,
    )
  })

  it('without anything persisted waits to be told of a cluster', () => {
    const hardState = { term: term(0), vote: null, commit: logIndex(0) }
    const persisted = { hardState, snapshot: null, anchor: ORIGIN, entries: [], damagedTo: null }
    const bench = new Bench({ persisted, id: serverId('new') })
    bench.tick(100)
    assert.equal(bench.core.role, 'follower')
    assert.equal(bench.core.term, 0)
  })
})

describe('the core', () => {
  it('gives equal outputs for equal inputs', () => {
    const run = (): unknown[] => {
      const bench = new Bench({ seed: 9 })
      bench.tick(25)
      bench.receive({ kind: 'pre-vote-reply', from: C, to: A, term: term(2), granted: true })
      bench.receive({ kind: 'vote-reply', from: C, to: A, term: term(2), granted: true })
      bench.propose('x')
      bench.tick(5)
      return [bench.take(), bench.committed, bench.core.commit]
    }
    assert.deepEqual(run(), run())
  })

  it('hands out committed entries within the byte limit, and goes on when they are applied', () => {
    const core = new RaftCore(
      {
        id: B,
        electionTicks: 10,
        heartbeatTicks: 1,
        startGrace: false,
        boot: 'boot',
        applyingBytesMax: 1,
      },
      persistedLog(makeLog([1, 1, 1]), { commit: 3 }),
      seededRng(1),
    )
    const seen: number[] = []
    for (let batch = core.pull(); batch !== null; batch = core.pull()) {
      assert.equal(batch.committed.length, 1)
      const index = batch.committed[0]?.index ?? logIndex(0)
      seen.push(index)
      core.handle({ kind: 'applied', index })
    }
    assert.deepEqual(seen, [1, 2, 3])
  })

  it('says nothing more after storage has failed, and fails the reads it had promised', () => {
    const bench = Bench.leader()
    bench.do({ kind: 'read-index', context: 'r1' })
    bench.take()
    bench.do({ kind: 'storage-failed', reason: 'EIO' })
    assert.deepEqual(bench.readsFailed, ['r1'])
    assert.deepEqual(bench.propose('x'), { kind: 'rejected', reason: 'failed' })
    bench.tick(30)
    assert.deepEqual(bench.take(), [])
    assert.deepEqual(
      [bench.core.role, bench.core.failure, bench.core.needsTicks],
      ['failed', 'EIO', false],
    )
  })

  it('keeps the snapshot configuration and drops the prefix when compacted', () => {
    const bench = new Bench({ persisted: persistedLog(makeLog([1, 1, 1, 1]), { commit: 4 }) })
    const snapshot = bench.core.snapshotMetaAt(logIndex(4))
    assert.equal(snapshot.configurationIndex, 1)
    bench.do({ kind: 'compacted', index: logIndex(2), snapshot })
    assert.equal(bench.core.firstIndex, 3)
    assert.throws(() => bench.core.snapshotMetaAt(logIndex(1)), AssertionError)
    assert.throws(
      () => bench.core.handle({ kind: 'compacted', index: logIndex(9), snapshot }),
      AssertionError,
    )
  })

  it('takes the end of a snapshot transfer for one peer', () => {
    const bench = Bench.leader()
    bench.do({ kind: 'snapshot-report', peer: B, ok: true })
    new Bench().do({ kind: 'snapshot-report', peer: B, ok: false })
    assert.equal(bench.core.role, 'leader')
  })
})
