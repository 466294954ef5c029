/**
 * The invariants of the Raft specification, section 18, checked against a view of the whole world.
 *
 * Knows the disks, the released messages and the applied entries; shares no code with the quorum, log or
 * progress of the core. A violation throws with the name of the invariant. Membership is fixed.
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { RaftCore } from '../../../core/raft/raft-core.ts'
import type { AppendJob, Entry } from '../../../core/raft/types.ts'
import type { ModelDisk } from './model-disk.ts'

export interface Observed {
  readonly id: string
  readonly core: RaftCore
  readonly disk: ModelDisk
}

interface Before {
  readonly core: RaftCore
  readonly role: string
  readonly term: number
  readonly commit: number
  readonly applied: number
  readonly lastIndex: number
  readonly lastChain: number
}

export class Oracle {
  readonly #disks: () => readonly ModelDisk[]
  readonly #quorum: number
  readonly #leaders = new Map<number, string>()
  readonly #grants = new Map<string, string>()
  readonly #chains = new Map<string, number>()
  /** committed[i] is the entry at index i + 1. */
  readonly #committed: Entry[] = []
  readonly #releasedTerm = new Map<string, number>()
  readonly #before = new Map<string, Before>()

  constructor(options: { readonly servers: number; readonly disks: () => readonly ModelDisk[] }) {
    this.#disks = options.disks
    this.#quorum = Math.floor(options.servers / 2) + 1
  }

  get elections(): number {
    return this.#leaders.size
  }

  get committed(): readonly Entry[] {
    return this.#committed
  }

  get termMax(): number {
    return Math.max(0, ...this.#leaders.keys())
  }

  /** After every input of a server. */
  step({ id, core, disk }: Observed): void {
    const last = core.last
    const before = this.#before.get(id)
    assert.equal(core.failure, null, `no correct server halts: ${core.failure}`)
    assert.ok(core.applied <= core.commit && core.commit <= last.index, `I9 at ${id}`)
    assert.ok((core.snapshot?.index ?? 0) <= core.applied, `I9 snapshot at ${id}`)
    for (const match of core.matches.values()) assert.ok(match <= last.index, `I16 at ${id}`)
    // A term that was never durable and never spoken may be forgotten by a crash; a spoken one may not.
    assert.ok(core.term >= (this.#releasedTerm.get(id) ?? 0), `I8: ${id} forgot its term`)
    if (before?.core === core) {
      assert.ok(core.term >= before.term, `I8: the term of ${id} fell`)
      assert.ok(core.commit >= before.commit, `I8: the commit index of ${id} fell`)
      assert.ok(core.applied >= before.applied, `I8: the applied index of ${id} fell`)
    }
    const isNewLeader =
      core.role === 'leader' &&
      (before?.core !== core || before.role !== 'leader' || before.term !== core.term)
    if (isNewLeader) this.#elected(id, core, disk)
    else if (core.role === 'leader' && before !== undefined) {
      assert.ok(last.index >= before.lastIndex, `I2: leader ${id} shortened its log`)
      const kept = core.entry(before.lastIndex)
      if (kept !== undefined) assert.equal(kept.chain, before.lastChain, `I2: leader ${id} rewrote`)
      const top = core.entry(core.commit)
      if (core.commit > before.commit && top !== undefined) {
        assert.equal(top.term, core.term, `I14: leader ${id} commits an earlier term by counting`)
      }
    }
    if (before?.core !== core || core.commit > before.commit) this.#reported(id, core)
    this.#before.set(id, {
      core,
      role: core.role,
      term: core.term,
      commit: core.commit,
      applied: core.applied,
      lastIndex: last.index,
      lastChain: last.chain,
    })
  }

  /** A job is handed to a disk. */
  job(id: string, job: AppendJob): void {
    for (const entry of job.entries) {
      const key = `${entry.index}/${entry.term}`
      const known = this.#chains.get(key)
      if (known === undefined) this.#chains.set(key, entry.chain)
      else assert.equal(entry.chain, known, `I3: ${id} holds another entry ${key}`)
    }
  }

  /** A message leaves a server. */
  released(message: RaftMessage, disk: ModelDisk): void {
    this.#checkSenderTerm(message, disk)
    if (message.kind === 'append-ack' && disk.hardState.term === message.term) {
      assert.ok(
        disk.lastIndex >= message.matchIndex,
        `I10: ${message.from} acks ${message.matchIndex}, its disk ends at ${disk.lastIndex}`,
      )
    }
    if (message.kind === 'vote-reply' && message.granted) {
      this.#grant(message.from, message.term, message.to, disk)
    }
    if (message.kind === 'vote') this.#grant(message.from, message.term, message.from, disk)
  }

  applied(id: string, entry: Entry): void {
    const committed = this.#committed[entry.index - 1]
    assert.ok(committed !== undefined, `I5: ${id} applies ${entry.index} before it is committed`)
    assert.equal(entry.chain, committed.chain, `I5: ${id} applies another entry ${entry.index}`)
  }

  #elected(id: string, core: RaftCore, disk: ModelDisk): void {
    assert.equal(disk.hardState.term, core.term, `I11: ${id} leads in a volatile term`)
    assert.equal(disk.hardState.vote, id, `I11: ${id} leads without its own durable vote`)
    const other = this.#leaders.get(core.term)
    assert.ok(other === undefined || other === id, `I1: ${other} and ${id} lead term ${core.term}`)
    this.#leaders.set(core.term, id)
    const last = this.#committed.at(-1)
    if (last === undefined || last.index < core.firstIndex) return
    assert.equal(
      core.entry(last.index)?.chain,
      last.chain,
      `I4: new leader ${id} lacks committed entry ${last.index}`,
    )
  }

  /** I6 and I14: what is called committed for the first time is on a quorum of disks now. */
  #reported(id: string, core: RaftCore): void {
    const from = Math.max(1, Math.min(core.firstIndex, this.#committed.length + 1))
    for (let index = from; index <= core.commit; index++) {
      const entry = core.entry(index)
      if (entry === undefined) continue
      const known = this.#committed[index - 1]
      if (known !== undefined) {
        assert.equal(entry.chain, known.chain, `I5: ${id} commits another entry ${index}`)
        continue
      }
      assert.equal(index, this.#committed.length + 1, 'commits are reported without a gap')
      this.#committed.push(entry)
    }
    const top = this.#committed[core.commit - 1]
    if (top === undefined) return
    const holders = this.#disks().filter((disk) => {
      return disk.firstIndex > top.index || disk.entry(top.index)?.chain === top.chain
    })
    assert.ok(holders.length >= this.#quorum, `I6: ${top.index} is on ${holders.length} disks`)
  }

  #grant(voter: string, term: number, candidate: string, disk: ModelDisk): void {
    const key = `${voter}/${term}`
    const other = this.#grants.get(key)
    assert.ok(other === undefined || other === candidate, `I7: ${voter} votes twice in ${term}`)
    this.#grants.set(key, candidate)
    const { hardState } = disk
    const isDurable =
      hardState.term > term || (hardState.term === term && hardState.vote === candidate)
    assert.ok(isDurable, `I11: a vote of ${voter} leaves before it is durable`)
  }

  #checkSenderTerm(message: RaftMessage, disk: ModelDisk): void {
    if (message.kind === 'pre-vote') return
    if (message.kind === 'pre-vote-reply' && message.granted) return
    const before = this.#releasedTerm.get(message.from) ?? 0
    assert.ok(message.term >= before, `I12: ${message.from} speaks in an earlier term`)
    assert.ok(disk.hardState.term >= message.term, `I12: ${message.from} speaks in a volatile term`)
    this.#releasedTerm.set(message.from, message.term)
  }
}
