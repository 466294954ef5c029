/**
 * Both ends of an append (raft.md 5), one core at a time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainedEntry } from '../../../../core/raft/chain.ts'
import type { AppendMessage } from '../../../../core/raft/messages.ts'
import { chain, type Entry, type LogPosition, logIndex, term } from '../../../../core/raft/types.ts'
import {
  A,
  B,
  Bench,
  C,
  heartbeat,
  heartbeatAck,
  makeLog,
  ORIGIN,
  persistedLog,
} from './bench-core.ts'

function append(
  prev: LogPosition,
  entries: readonly Entry[],
  fields: { term: number; commit?: number },
): AppendMessage {
  return {
    kind: 'append',
    from: B,
    to: A,
    term: term(fields.term),
    prevIndex: prev.index,
    prevTerm: prev.term,
    prevChain: prev.chain,
    entries,
    leaderCommit: logIndex(fields.commit ?? 0),
    seq: 1,
  }
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  assert.ok(item !== undefined)
  return item
}

const follower = (terms: readonly number[], commit = 0, slowDisk = false): Bench =>
  new Bench({ persisted: persistedLog(makeLog(terms), { commit }), slowDisk })

const terms = (bench: Bench): number[] => {
  const out: number[] = []
  for (let i = 1; i <= bench.core.last.index; i++) out.push(bench.core.entry(i)?.term ?? 0)
  return out
}

describe('a follower', () => {
  it('acknowledges entries only when they are durable', () => {
    const bench = follower([1], 0, true)
    const log = makeLog([1, 1, 1])
    bench.receive(append(at(log, 0), log.slice(1), { term: 1 }))
    assert.deepEqual(bench.take(), [])
    bench.finishWrite()
    assert.deepEqual(
      bench.takeOf('append-ack').map((m) => m.matchIndex),
      [3],
    )
  })

  it('acknowledges the end of the message, not the end of its log', () => {
    const log = makeLog([1, 1, 1, 1])
    const bench = follower([1, 1, 1, 1])
    bench.receive(append(at(log, 0), log.slice(1, 2), { term: 1 }))
    assert.deepEqual(
      bench.takeOf('append-ack').map((m) => m.matchIndex),
      [2],
    )
  })

  it('does not cut its log for an old append that it already holds', () => {
    const log = makeLog([1, 1, 1, 1])
    const bench = follower([1, 1, 1, 1])
    bench.receive(append(at(log, 0), log.slice(1, 2), { term: 1 }))
    assert.equal(bench.core.last.index, 4)
  })

  it('replaces a conflicting tail, in one write', () => {
    const bench = follower([1, 1, 2, 2], 0, true)
    const log = makeLog([1, 1, 3])
    bench.receive(append(at(log, 0), log.slice(1), { term: 3 }))
    assert.deepEqual(terms(bench), [1, 1, 3])
    assert.equal(bench.jobs.length, 1)
    assert.equal(bench.jobs[0]?.truncateFrom, 3)
    assert.deepEqual(
      bench.jobs[0]?.entries.map((e) => e.index),
      [3],
    )
  })

  it('does not commit its own stale tail behind what matches', () => {
    const bench = follower([1, 1, 2, 2, 2])
    const log = makeLog([1, 1, 3, 3, 3])
    bench.receive(append(at(log, 0), log.slice(1, 2), { term: 3, commit: 5 }))
    assert.equal(bench.core.commit, 2)
  })

  it('answers with its commit index when the append starts below it', () => {
    const log = makeLog([1, 1, 1, 1])
    const bench = follower([1, 1, 1, 1], 3)
    bench.receive(append(ORIGIN, log.slice(0, 2), { term: 1 }))
    assert.deepEqual(
      bench.takeOf('append-ack').map((m) => m.matchIndex),
      [3],
    )
  })

  it('rejects what does not join, with the place to go on from', () => {
    const leader = makeLog([1, 3, 3, 3, 5, 5, 5, 5, 5])
    const bench = follower([1, 1, 1, 1, 2, 2])
    bench.receive(append(at(leader, 8), [], { term: 5 }))
    const [reject] = bench.takeOf('append-reject')
    assert.deepEqual([reject?.rejectedIndex, reject?.hintIndex, reject?.hintTerm], [9, 6, 2])
  })

  it('never replaces a committed entry, whatever a message says', () => {
    const bench = follower([1, 1, 1], 2)
    const rival = makeLog([1, 2])
    bench.receive(append(at(rival, 0), rival.slice(1), { term: 2 }))
    assert.deepEqual(
      bench.takeOf('append-ack').map((m) => m.matchIndex),
      [2],
    )
    assert.deepEqual(terms(bench), [1, 1, 1])
  })

  it('halts when index and term agree and the chain does not', () => {
    const log = makeLog([1, 1, 1])
    const joined = follower([1, 1])
    const second = at(log, 1)
    joined.receive(append({ ...second, chain: chain(second.chain + 1) }, [], { term: 1 }))
    assert.match(joined.core.failure ?? '', /log differs from the leader's at or below 2/)
    const other = makeLog([1, 1], { voters: [A, B] })
    const overlapping = follower([1, 1])
    overlapping.receive(append(ORIGIN, other, { term: 1 }))
    assert.equal(overlapping.core.role, 'failed')
  })

  it('drops a message whose entries do not follow each other', () => {
    const log = makeLog([1, 1, 1, 1])
    const bench = follower([1])
    const third = at(log, 2)
    const bad: (readonly Entry[])[] = [
      [third],
      [at(log, 1), at(log, 3)],
      [{ ...at(log, 1), data: Buffer.from('changed') }],
      [{ ...at(log, 1), term: term(9) }],
    ]
    for (const entries of bad) bench.receive(append(at(log, 0), entries, { term: 1 }))
    assert.deepEqual(bench.take(), [])
    assert.equal(bench.core.last.index, 1)
    assert.equal(bench.core.failure, null)
  })

  it('drops a config entry that holds no configuration, however well it is chained', () => {
    const log = makeLog([1])
    const bench = follower([1])
    for (const text of ['no JSON', '{}', '{"incoming":[""]}']) {
      const fields = { index: logIndex(2), term: term(1), type: 'config' } as const
      const entry = chainedEntry(at(log, 0).chain, { ...fields, data: Buffer.from(text) })
      bench.receive(append(at(log, 0), [entry], { term: 1 }))
    }
    assert.deepEqual([bench.take(), bench.core.last.index, bench.core.failure], [[], 1, null])
  })

  it('halts when a heartbeat says that entries it lacks are committed', () => {
    const bench = follower([1])
    bench.receive(heartbeat(B, 1, 5))
    assert.match(bench.core.failure ?? '', /committed, the log ends at 1: .* a new node id/)
  })

  it('goes back to the configuration before when a config entry is cut off', () => {
    const base = makeLog([1])
    const two = at(makeLog([1], { voters: [A, B] }), 0).data
    const config = chainedEntry(at(base, 0).chain, {
      index: logIndex(2),
      term: term(2),
      type: 'config',
      data: two,
    })
    const bench = new Bench({ persisted: persistedLog([...base, config]) })
    assert.deepEqual(bench.core.configuration.incoming, [A, B])
    const replacement = makeLog([3], { after: at(base, 0) })
    bench.receive(append(at(base, 0), replacement, { term: 3 }))
    assert.deepEqual(bench.core.configuration.incoming, [A, B, C])
  })
})

describe('a leader', () => {
  it('sends to its peers before its own disk is done, and counts itself only afterwards', () => {
    const bench = Bench.leader({ slowDisk: true })
    assert.equal(bench.takeOf('append').length, 2)
    assert.equal(bench.core.commit, 0)
    bench.ack(B)
    assert.equal(bench.core.commit, 0, 'two of three, but one of them is not durable')
    bench.finishWrite()
    assert.equal(bench.core.commit, 2)
  })

  it('commits with two durable peers while its own disk is slow, and applies when it is done', () => {
    const bench = Bench.leader({ slowDisk: true })
    bench.ack(B)
    bench.ack(C)
    assert.equal(bench.core.commit, 2)
    const applied = bench.committed.map((e) => e.index)
    assert.deepEqual(applied, [1], 'what is not durable here is not applied here')
    bench.finishWrite()
    assert.deepEqual(
      bench.committed.map((e) => e.index),
      [1, 2],
    )
  })

  it('never commits an entry of an earlier term by counting', () => {
    const persisted = persistedLog(makeLog([1, 1, 2, 2]), { term: 3 })
    const bench = Bench.leader({ persisted })
    bench.ack(B, 4)
    bench.ack(C, 4)
    assert.equal(bench.core.commit, 0)
    bench.ack(B, 5)
    assert.equal(bench.core.commit, 5)
  })

  it('finds the join in one probe for each term, as in the example of the specification', () => {
    const persisted = persistedLog(makeLog([1, 3, 3, 3, 5, 5, 5, 5, 5]), { term: 5 })
    const bench = Bench.leader({ persisted })
    bench.take()
    bench.receive({
      kind: 'append-reject',
      from: B,
      to: A,
      term: bench.core.term,
      rejectedIndex: logIndex(9),
      hintIndex: logIndex(6),
      hintTerm: term(2),
      seq: 1,
      lastIndex: logIndex(6),
      boot: 'boot',
      isRecovering: false,
      appliedIndex: logIndex(0),
    })
    assert.deepEqual(
      bench.takeOf('append').map((m) => m.prevIndex),
      [1],
    )
  })

  it('tells its peers of a commit at once, with empty appends', () => {
    const bench = Bench.leader()
    bench.take()
    bench.ack(B)
    const news = bench.takeOf('append').filter((m) => m.to === B)
    assert.deepEqual(
      news.map((m) => [m.entries.length, m.leaderCommit]),
      [[0, 2]],
    )
  })

  it('clips the commit index of heartbeats to what the peer holds', () => {
    const bench = Bench.leader()
    bench.ack(B)
    bench.take()
    bench.tick(1)
    assert.deepEqual(
      bench.takeOf('heartbeat').map((m) => [m.to, m.commit]),
      [
        [B, 2],
        [C, 0],
      ],
    )
  })

  it('sends in pieces of the message limit, within the window, and goes on with each ack', () => {
    const bench = Bench.leader({ messageBytesMax: 1, inflightMessagesMax: 2 })
    bench.ack(B)
    bench.take()
    bench.propose('one', 'two', 'three', 'four')
    const first = bench.takeOf('append').filter((m) => m.to === B)
    assert.deepEqual(
      first.map((m) => m.entries.map((e) => e.index)),
      [[3], [4]],
    )
    bench.ack(B, 3)
    const next = bench.takeOf('append').filter((m) => m.to === B)
    assert.deepEqual(
      next.flatMap((m) => m.entries.map((e) => e.index)),
      [5],
    )
  })

  it('re-opens a window whose messages were all lost, by the next heartbeat answer', () => {
    const bench = Bench.leader({ inflightMessagesMax: 1 })
    bench.ack(B)
    bench.propose('lost')
    bench.propose('waiting')
    bench.take()
    const answer = heartbeatAck(B, bench.core.term)
    bench.receive(answer)
    const [probe] = bench.takeOf('append')
    assert.deepEqual([probe?.prevIndex, probe?.entries.length], [3, 0])
    bench.receive({
      kind: 'append-reject',
      from: B,
      to: A,
      term: bench.core.term,
      rejectedIndex: logIndex(3),
      hintIndex: logIndex(2),
      hintTerm: term(2),
      seq: 9,
      lastIndex: logIndex(2),
      boot: 'boot',
      isRecovering: false,
      appliedIndex: logIndex(0),
    })
    assert.deepEqual(
      bench.takeOf('append').map((m) => m.entries.map((e) => e.index)),
      [[3, 4]],
    )
  })

  it('probes again after the transport lost a peer', () => {
    const bench = Bench.leader()
    bench.ack(B)
    bench.do({ kind: 'unreachable', peer: B })
    bench.take()
    bench.propose('one')
    bench.propose('two')
    assert.equal(bench.takeOf('append').filter((m) => m.to === B).length, 1)
  })

  it('ignores an ack for entries that it does not have', () => {
    const bench = Bench.leader()
    bench.ack(B, 99)
    assert.equal(bench.core.commit, 0)
  })

  it('asks for a snapshot when a live peer needs entries that are gone', () => {
    const persisted = persistedLog(makeLog([1, 1, 1, 1]), { commit: 4, term: 1 })
    const bench = Bench.leader({ persisted })
    bench.ack(B)
    const index = logIndex(4)
    bench.do({ kind: 'compacted', index, snapshot: bench.core.snapshotMetaAt(index) })
    const behind = {
      kind: 'append-reject',
      from: C,
      to: A,
      term: bench.core.term,
      rejectedIndex: logIndex(4),
      hintIndex: logIndex(1),
      hintTerm: term(1),
      seq: 1,
      lastIndex: logIndex(1),
      boot: 'boot',
      isRecovering: false,
      appliedIndex: logIndex(0),
    } as const
    bench.receive(behind)
    assert.deepEqual(bench.snapshotsWanted, [C])
    bench.take()
    bench.propose('meanwhile')
    assert.deepEqual(
      bench.takeOf('append').map((m) => m.to),
      [B],
      'nothing is sent to a peer that gets an image',
    )
    bench.do({ kind: 'snapshot-report', peer: C, ok: true })
    bench.receive(heartbeatAck(C, bench.core.term))
    assert.deepEqual(
      bench.takeOf('append').map((m) => [m.to, m.prevIndex]),
      [[C, 4]],
    )
  })
})
