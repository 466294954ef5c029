/**
 * Linearizable reads by rounds of heartbeats (raft.md 8.2).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { logIndex, term } from '../../../../core/raft/types.ts'
import { A, B, Bench, C, heartbeat, heartbeatAck } from './bench-core.ts'

const read = (bench: Bench, context: string) => bench.do({ kind: 'read-index', context })

function beat(bench: Bench, from: typeof B, readSeq: number): void {
  bench.receive(heartbeatAck(from, bench.core.term, readSeq))
}

function officeHolder(): Bench {
  const bench = Bench.leader()
  bench.ack(B)
  bench.take()
  return bench
}

describe('a linearizable read', () => {
  it('is confirmed by a round of heartbeats that began after it', () => {
    const bench = officeHolder()
    beat(bench, B, 0)
    read(bench, 'r1')
    assert.deepEqual(
      bench.takeOf('heartbeat').map((m) => [m.to, m.readSeq]),
      [[B, 1]],
    )
    beat(bench, B, 0)
    assert.deepEqual(bench.reads, [])
    beat(bench, B, 1)
    assert.deepEqual(bench.reads, [{ context: 'r1', index: 2 }])
  })

  it('waits until the leader has committed an entry of its own term', () => {
    const bench = Bench.leader()
    bench.take()
    read(bench, 'early')
    assert.deepEqual(bench.take(), [])
    bench.ack(B)
    assert.equal(bench.takeOf('heartbeat').length, 1)
    beat(bench, C, 1)
    assert.deepEqual(bench.reads, [{ context: 'early', index: 2 }])
  })

  it('shares a round with others, two rounds at a time, and a later answer covers earlier ones', () => {
    const bench = officeHolder()
    read(bench, 'r1')
    read(bench, 'r2')
    read(bench, 'r3')
    read(bench, 'r4')
    assert.deepEqual(
      bench.takeOf('heartbeat').map((m) => m.readSeq),
      [1, 2],
    )
    beat(bench, C, 2)
    assert.deepEqual(
      bench.reads.map((r) => r.context),
      ['r1', 'r2'],
    )
    beat(bench, C, 3)
    assert.deepEqual(
      bench.reads.map((r) => r.context),
      ['r1', 'r2', 'r3', 'r4'],
    )
  })

  it('asks everybody at the second tick without an answer, once, and by regular heartbeats meanwhile', () => {
    const bench = Bench.leader({ electionTicks: 20, heartbeatTicks: 4 })
    bench.ack(B)
    bench.take()
    const asked = (): string[] => bench.takeOf('heartbeat').map((m) => `${m.to}${m.readSeq}`)
    read(bench, 'r1')
    assert.deepEqual(asked(), ['b1'])
    bench.tick(1)
    assert.deepEqual(asked(), [])
    bench.tick(1)
    assert.deepEqual(asked(), ['b1', 'c1'])
    bench.tick(1)
    assert.deepEqual(asked(), [])
    bench.tick(1)
    assert.deepEqual(asked(), ['b1', 'c1'], 'the regular one')
    beat(bench, C, 1)
    assert.deepEqual(
      bench.reads.map((r) => r.context),
      ['r1'],
    )
  })

  it('fails when the leader loses office, wherever it stood', () => {
    const bench = officeHolder()
    for (const context of ['r1', 'r2', 'r3']) read(bench, context)
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: term(9), granted: false })
    assert.deepEqual(bench.readsFailed.sort(), ['r1', 'r2', 'r3'])
    beat(bench, B, 3)
    assert.deepEqual(bench.reads, [])
  })

  it('is answered at once by a server that decides alone', () => {
    const bench = new Bench({ voters: [A] })
    read(bench, 'alone')
    assert.deepEqual(bench.reads, [{ context: 'alone', index: 2 }])
  })

  it('goes to the leader from a follower, and is answered by that leader only, once', () => {
    const bench = new Bench()
    assert.deepEqual(read(bench, 'nobody'), { kind: 'rejected', reason: 'no-leader' })
    bench.receive(heartbeat(B, 1))
    bench.take()
    read(bench, 'f1')
    assert.deepEqual(
      bench.takeOf('read-request').map((m) => [m.to, m.context]),
      [[B, 'f1']],
    )
    const reply = {
      kind: 'read-reply',
      to: A,
      term: term(1),
      context: 'f1',
      index: logIndex(1),
    } as const
    bench.receive({ ...reply, from: C })
    assert.deepEqual(bench.reads, [])
    bench.receive({ ...reply, from: B })
    bench.receive({ ...reply, from: B })
    assert.deepEqual(bench.reads, [{ context: 'f1', index: 1 }])
  })

  it('of a follower fails when the leader changes', () => {
    const bench = new Bench()
    bench.receive(heartbeat(B, 1))
    read(bench, 'f1')
    bench.receive(heartbeat(C, 2))
    assert.deepEqual(bench.readsFailed, ['f1'])
  })

  it('of a follower gets its answer from the leader after a round', () => {
    const bench = officeHolder()
    bench.receive({ kind: 'read-request', from: C, to: A, term: bench.core.term, context: 'c1' })
    bench.take()
    beat(bench, B, 1)
    assert.deepEqual(
      bench.takeOf('read-reply').map((m) => [m.to, m.context, m.index]),
      [[C, 'c1', 2]],
    )
    assert.deepEqual(bench.reads, [])
  })

  it('is refused beyond the limit, and by a candidate', () => {
    const bench = Bench.leader({ readsMax: 1 })
    read(bench, 'r1')
    assert.deepEqual(read(bench, 'r2'), { kind: 'rejected', reason: 'busy' })
    bench.receive({ kind: 'read-request', from: C, to: A, term: bench.core.term, context: 'c1' })
    const candidate = new Bench()
    candidate.tick(19)
    assert.deepEqual(read(candidate, 'r1'), { kind: 'rejected', reason: 'no-leader' })
    const follower = new Bench({ readsMax: 0 })
    follower.receive(heartbeat(B, 1))
    assert.deepEqual(read(follower, 'r1'), { kind: 'rejected', reason: 'busy' })
  })
})
