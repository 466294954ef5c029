/**
 * Functions with small domains, enumerated instead of sampled (verification, section 17.2).
 *
 * Expected values come from definitions written here, not from the core.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import { Progress } from '../../../../core/raft/progress.ts'
import { quorumValue, quorumVote } from '../../../../core/raft/quorum.ts'
import { type Entry, logIndex, type ServerId, serverId, term } from '../../../../core/raft/types.ts'
import { A, B, Bench, ORIGIN, persistedLog } from './bench-core.ts'

const IDS = ['a', 'b', 'c', 'd', 'e'].map(serverId)

/** All lists of `length` values out of `values`. */
function* tuples<T>(values: readonly T[], length: number): Generator<readonly T[]> {
  if (length === 0) {
    yield []
    return
  }
  for (const head of values) {
    for (const tail of tuples(values, length - 1)) yield [head, ...tail]
  }
}

function subsets<T>(values: readonly T[]): T[][] {
  const all: T[][] = [[]]
  for (const value of values) all.push(...all.map((set) => [...set, value]))
  return all
}

function isMajority(voters: readonly ServerId[], has: (id: ServerId) => boolean): boolean {
  return voters.length === 0 || 2 * voters.filter(has).length > voters.length
}

describe('every quorum', () => {
  it('of one to five voters over five values, by counting', () => {
    for (let count = 1; count <= 5; count++) {
      const incoming = IDS.slice(0, count)
      for (const values of tuples([0, 1, 2, 3, 4], count)) {
        const at = (id: ServerId): number => values[IDS.indexOf(id)] ?? 0
        const expected = [4, 3, 2, 1, 0].find((v) => isMajority(incoming, (id) => at(id) >= v))
        assert.equal(quorumValue({ incoming, outgoing: [] }, at), expected)
      }
    }
  })

  it('of all pairs of halves over three values, and all votes over them', () => {
    const four = IDS.slice(0, 4)
    const halves = subsets(four)
    for (const incoming of halves) {
      for (const outgoing of halves) {
        const config = { incoming, outgoing }
        for (const values of tuples([0, 1, 2], 4)) {
          const at = (id: ServerId): number => values[four.indexOf(id)] ?? 0
          const holds = (v: number): boolean =>
            isMajority(incoming, (id) => at(id) >= v) && isMajority(outgoing, (id) => at(id) >= v)
          if (incoming.length + outgoing.length > 0) {
            assert.equal(quorumValue(config, at), [2, 1, 0].find(holds))
          }
          // The same values as votes: 0 no answer, 1 refused, 2 granted.
          const votes = new Map<ServerId, boolean>()
          for (const id of four) if (at(id) > 0) votes.set(id, at(id) === 2)
          const isWon = holds(2)
          const couldWin = [incoming, outgoing].every((half) =>
            isMajority(half, (id) => at(id) !== 1),
          )
          const expected = isWon ? 'won' : couldWin ? 'pending' : 'lost'
          assert.equal(quorumVote(config, votes), expected)
        }
      }
    }
  })
})

describe('every append', () => {
  const logs = [0, 1, 2, 3, 4]
    .flatMap((length) => [...tuples([1, 2, 3], length)])
    .filter((terms) => terms.every((t, i) => i === 0 || (terms[i - 1] as number) <= t))

  /** Logs that one history can have produced: where index and term agree, so does all before. */
  function match(x: readonly number[], y: readonly number[]): boolean {
    const last = Math.min(x.length, y.length)
    let isEqualSoFar = true
    for (let i = 0; i < last; i++) {
      if (x[i] === y[i] && !isEqualSoFar) return false
      if (x[i] !== y[i]) isEqualSoFar = false
    }
    return true
  }

  function commonPrefix(x: readonly number[], y: readonly number[]): number {
    let i = 0
    while (i < x.length && i < y.length && x[i] === y[i]) i++
    return i
  }

  it('of a log of up to four entries to every log it can meet', () => {
    let cases = 0
    for (const own of logs) {
      for (const leader of logs) {
        if (!match(own, leader)) continue
        const common = commonPrefix(own, leader)
        for (const commit of new Set([0, common])) {
          for (let prev = 0; prev <= leader.length; prev++) {
            for (let count = 0; prev + count <= leader.length; count++) {
              for (const leaderCommit of new Set([0, prev, leader.length])) {
                check({ own, leader, commit, prev, count, leaderCommit })
                cases++
              }
            }
          }
        }
      }
    }
    assert.ok(cases > 10_000, `${cases} cases`)
  })

  function check(at: {
    readonly own: readonly number[]
    readonly leader: readonly number[]
    readonly commit: number
    readonly prev: number
    readonly count: number
    readonly leaderCommit: number
  }): void {
    const { own, leader, commit, prev, count, leaderCommit } = at
    const entries = entriesOf(leader)
    const persisted = persistedLog(entriesOf(own), { term: 3, commit })
    const bench = new Bench({ persisted })
    bench.take()
    const before = entries[prev - 1] ?? ORIGIN
    bench.receive({
      kind: 'append',
      from: B,
      to: A,
      term: term(3),
      prevIndex: before.index,
      prevTerm: before.term,
      prevChain: before.chain,
      entries: entries.slice(prev, prev + count),
      leaderCommit: logIndex(leaderCommit),
      seq: 7,
    })
    const said = JSON.stringify(at)
    const answer = bench.take()[0]
    const end = prev + count
    const joins = prev <= own.length && own[prev - 1] === leader[prev - 1]
    if (prev < commit) {
      assert.equal(answer?.kind === 'append-ack' && answer.matchIndex, commit, said)
      assert.deepEqual(termsOf(bench), own, said)
      return
    }
    if (!joins) {
      assert.equal(answer?.kind === 'append-reject' && answer.rejectedIndex, prev, said)
      assert.deepEqual(termsOf(bench), own, said)
      return
    }
    const isKnown = leader.slice(prev, end).every((t, i) => own[prev + i] === t)
    assert.equal(answer?.kind === 'append-ack' && answer.matchIndex, end, said)
    assert.deepEqual(termsOf(bench), isKnown ? own : leader.slice(0, end), said)
    assert.equal(bench.core.commit, Math.max(commit, Math.min(leaderCommit, end)), said)
  }

  /** The content follows from the terms up to there, as in one history it does. */
  function entriesOf(terms: readonly number[]): Entry[] {
    let chain = CHAIN_START
    return terms.map((t, i) => {
      const data = Buffer.from(terms.slice(0, i + 1).join())
      const fields = { index: logIndex(i + 1), term: term(t), type: 'normal', data } as const
      const entry = chainedEntry(chain, fields)
      chain = entry.chain
      return entry
    })
  }

  function termsOf(bench: Bench): number[] {
    const { core } = bench
    return Array.from({ length: core.last.index }, (_, i) => core.entry(i + 1)?.term ?? 0)
  }
})

describe('every history of a peer', () => {
  const events: readonly [string, (p: Progress) => void][] = [
    ['send 1', (p) => p.sent(p.next, p.isPaused ? 0 : 1, 5)],
    ['ack next', (p) => ackAndGoOn(p, p.next)],
    ['ack match', (p) => ackAndGoOn(p, p.match)],
    ['reject', (p) => p.rejected(logIndex(p.next - 1), p.next - 2)],
    ['heartbeat', (p) => p.resume()],
    ['unreachable', (p) => p.mode === 'replicate' && p.becomeProbe()],
    ['image', (p) => p.becomeSnapshot(logIndex(4))],
    ['image sent', (p) => p.snapshotEnded(true)],
    ['image failed', (p) => p.snapshotEnded(false)],
    ['lost data', (p) => p.forget(logIndex(1))],
  ]

  function ackAndGoOn(p: Progress, index: number): void {
    if (p.acked(logIndex(index)) && p.mode !== 'replicate') p.becomeReplicate()
  }

  it('of up to five events keeps match below next and the window within its limit', () => {
    for (let length = 1; length <= 5; length++) {
      for (const sequence of tuples(events, length)) {
        const progress = new Progress(logIndex(3), {
          heardAt: 0,
          inflightMessagesMax: 2,
          inflightBytesMax: 100,
        })
        for (const [, event] of sequence) event(progress)
        const said = sequence.map(([name]) => name).join(', ')
        assert.ok(progress.match >= 0 && progress.match < progress.next, said)
        assert.ok(progress.inflights.count <= 2, said)
        if (progress.mode !== 'replicate') assert.equal(progress.inflights.count, 0, said)
      }
    }
  })
})
