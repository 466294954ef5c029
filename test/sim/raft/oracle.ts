/**
 * The invariants of the Raft specification, section 18, checked against a view of the whole world.
 *
 * Knows the disks, the jobs, the released messages and the applied entries, and keeps for each server a
 * mirror of its log made from jobs alone. Shares no code with the quorum, log, progress or configuration of
 * the core: the oracle is written from the specification. Incremental: a step costs what changed in it.
 * A violation throws with the name of the invariant.
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { RaftCore } from '../../../core/raft/raft-core.ts'
import type { AppendJob, Entry, SnapshotMeta } from '../../../core/raft/types.ts'
import { ConfigurationRules, hasQuorum, type MemberSets } from './configuration-rules.ts'
import type { Counters } from './counters.ts'
import { digestOf } from './digest.ts'
import { LogMirror } from './log-mirror.ts'
import type { ModelDisk } from './model-disk.ts'
import type { MachineResult, SimMachine } from './state-machines.ts'
import { VoteLedger } from './vote-ledger.ts'

const TERMS = 1_048_576
const PROGRESS_EVERY = 32

interface Watched {
  readonly core: RaftCore
  readonly disk: ModelDisk
  readonly mirror: LogMirror
  role: string
  term: number
  commit: number
  applied: number
  lastIndex: number
  steps: number
}

interface Defined {
  readonly entry: Entry
  readonly previousTerm: number
}

export interface OracleOptions {
  readonly counters: Counters
  readonly inflightMax: number
}

export class Oracle {
  readonly #options: OracleOptions
  readonly #leaders = new Map<number, string>()
  readonly #votes = new VoteLedger()
  readonly #configurations = new ConfigurationRules()
  /** By index and term: the first to hold an entry defines it, and what comes before it (I3). */
  readonly #defined = new Map<number, Defined>()
  /** committed[i] is the entry at index i + 1. */
  readonly #committed: Entry[] = []
  /** Where commits ended, which are entries of the term of the leader that made them. */
  readonly #commits: Entry[] = []
  readonly #results = new Map<number, string>()
  readonly #images = new Map<number, number>()
  readonly #disks = new Map<string, ModelDisk>()
  readonly #voters = new Set<string>()
  readonly #watched = new Map<string, Watched>()
  /** Highest index acknowledged to any client. */
  acknowledgedMax = 0

  constructor(options: OracleOptions) {
    this.#options = options
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

  /** The configuration that the committed log ends with. */
  get committedConfiguration(): MemberSets {
    const committed = this.#committed.findLast(({ type }) => type === 'config')
    const entry = committed ?? this.#defined.get(TERMS + 1)?.entry
    assert.ok(entry !== undefined, 'the cluster was founded')
    return this.#configurations.of(entry)
  }

  /** Configurations that some server holds above the committed log. */
  get uncommittedConfigurations(): readonly MemberSets[] {
    const above = [...this.#disks.values()].flatMap((disk) => {
      return disk.entries().filter((e) => e.type === 'config' && e.index > this.#committed.length)
    })
    return above.map((entry) => this.#configurations.of(entry))
  }

  memberSets(entry: Entry): MemberSets {
    return this.#configurations.of(entry)
  }

  /** The result of the entry at `index`, as every server that applied it agreed. */
  resultAt(index: number): { readonly result: MachineResult; readonly index: number } | undefined {
    const text = this.#results.get(index)
    return text === undefined ? undefined : JSON.parse(text)
  }

  started(id: string, core: RaftCore, disk: ModelDisk): void {
    this.#disks.set(id, disk)
    // What the founding members begin with is defined by whoever starts first.
    let previousTerm: number = disk.anchor.term
    for (const entry of disk.entries()) {
      this.#define(id, entry, previousTerm)
      previousTerm = entry.term
    }
    const mirror = LogMirror.ofDisk(disk, this.#configurations)
    this.#watched.set(id, {
      core,
      disk,
      mirror,
      role: 'none',
      term: core.term,
      commit: 0,
      applied: 0,
      lastIndex: 0,
      steps: 0,
    })
    this.#votes.restarted(id, core.term)
  }

  /** A disk has lost what its server acknowledged, and nothing on it tells. */
  forgive(id: string): void {
    this.#votes.forgive(id)
  }

  /** It was a voter of some configuration that anybody ever held. */
  mayHaveVoted(id: string): boolean {
    return this.#voters.has(id)
  }

  stopped(id: string): void {
    this.#watched.delete(id)
  }

  /** A job is handed to a disk: the log of its server is this from now on. */
  job(id: string, job: AppendJob): void {
    const watched = this.#watched.get(id)
    assert.ok(watched !== undefined)
    const { mirror, core } = watched
    if (job.snapshot !== null) {
      const { index, term } = job.snapshot
      assert.equal(
        this.#committed[index - 1]?.term,
        term,
        `I20: ${id} takes an image of no committed state`,
      )
      this.#checkKept(id, mirror, index)
      mirror.replaceWith(job.snapshot)
    }
    if (job.truncateFrom !== null && job.truncateFrom <= mirror.lastIndex) {
      assert.ok(
        core.role !== 'leader' || watched.role !== 'leader' || watched.term !== core.term,
        `I2: leader ${id} truncates its log`,
      )
      const top = this.#committed.length
      if (job.truncateFrom <= top) {
        const kept = mirror.termAt(job.truncateFrom)
        assert.notEqual(
          kept,
          this.#committed[job.truncateFrom - 1]?.term,
          `I6: ${id} truncates ${job.truncateFrom}, which is committed`,
        )
      }
      mirror.truncate(job.truncateFrom)
    }
    for (const entry of job.entries) this.#append(id, mirror, entry)
  }

  /** After each input of several in one turn: what a leader commits in one it may lose its office over in the next. */
  advanced(id: string, core: RaftCore): void {
    const watched = this.#watched.get(id)
    if (watched === undefined || core.commit <= watched.commit) return
    if (watched.role !== 'leader' || watched.term !== core.term) return
    this.#committedBy(id, core.commit, watched)
    watched.commit = core.commit
  }

  /** After every input of a server and before anything of its work leaves. */
  step(id: string, core: RaftCore, disk: ModelDisk): void {
    const watched = this.#watched.get(id)
    assert.ok(watched !== undefined && watched.core === core)
    const { mirror } = watched
    const { role, term, commit, applied } = core
    const lastIndex = core.last.index
    assert.ok(
      applied <= commit && commit <= lastIndex,
      `I9 at ${id}: applied ${applied}, commit ${commit}, last ${lastIndex}`,
    )
    assert.ok(
      (core.snapshot?.index ?? 0) <= applied || core.restoring !== null,
      `I9: ${id} has an image of the future`,
    )
    assert.ok(
      core.firstIndex <= (core.snapshot?.index ?? core.restoring?.index ?? 0) + 1 ||
        core.restoring !== null,
      `I9: the log of ${id} begins above its image`,
    )
    assert.ok(term >= watched.term, `I8: the term of ${id} fell`)
    assert.ok(commit >= watched.commit, `I8: the commit index of ${id} fell`)
    assert.ok(applied >= watched.applied, `I8: the applied index of ${id} fell`)
    const isNewLeader = role === 'leader' && (watched.role !== 'leader' || watched.term !== term)
    if (isNewLeader) this.#elected(id, core, watched)
    if (role === 'leader') {
      if (!isNewLeader)
        assert.ok(lastIndex >= watched.lastIndex, `I2: leader ${id} shortened its log`)
      if (commit > watched.commit) this.#committedBy(id, commit, watched)
      this.#checkLeaderConfiguration(id, core, mirror)
      if (watched.steps % PROGRESS_EVERY === 0) this.#checkProgress(id, core)
    } else if (commit > watched.commit) {
      // A leader that its own last commit takes out of office has made it as leader.
      if (watched.role === 'leader' && watched.term === term) this.#committedBy(id, commit, watched)
      else this.#followedTo(id, commit, mirror)
    }
    if (core.configurationIndex !== mirror.configurationIndex && lastIndex === mirror.lastIndex) {
      assert.fail(
        `I13: ${id} follows the configuration of ${core.configurationIndex}, its log has one at ${mirror.configurationIndex}`,
      )
    }
    watched.role = role
    watched.term = term
    watched.commit = commit
    watched.applied = applied
    watched.lastIndex = lastIndex
    watched.steps++
    assert.equal(this.#disks.get(id), disk)
  }

  /** A message leaves a server. */
  released(message: RaftMessage, disk: ModelDisk, core: RaftCore): void {
    this.#votes.released(message, disk)
    switch (message.kind) {
      case 'append-ack':
        this.#checkAck(message, disk)
        break
      case 'vote-reply':
      case 'pre-vote-reply':
        if (message.granted) {
          assert.ok(disk.damagedTo === null, `I27: ${message.from} votes while it recovers`)
        }
        break
      case 'vote':
      case 'pre-vote':
        assert.ok(disk.damagedTo === null, `I27: ${message.from} campaigns while it recovers`)
        break
      case 'append': {
        const first = message.entries[0]
        if (first === undefined) break
        assert.equal(
          first.index,
          message.prevIndex + 1,
          'appended entries follow their predecessor',
        )
        break
      }
      default:
        break
    }
    assert.equal(core.failure, null, `15.1: ${message.from} speaks after its storage failed`)
  }

  applied(id: string, entry: Entry): void {
    const committed = this.#committed[entry.index - 1]
    assert.ok(committed !== undefined, `I5: ${id} applies ${entry.index} before it is committed`)
    assert.ok(isSame(entry, committed), `I5: ${id} applies another entry ${entry.index}`)
  }

  /** Every server gets the same from the same entry. */
  result(id: string, index: number, outcome: unknown): void {
    const text = JSON.stringify(outcome)
    const known = this.#results.get(index)
    if (known === undefined) this.#results.set(index, text)
    else assert.equal(text, known, `I5: ${id} gets another result at ${index}`)
  }

  acknowledged(index: number): void {
    this.acknowledgedMax = Math.max(this.acknowledgedMax, index)
  }

  imageTaken(id: string, meta: SnapshotMeta, digest: number): void {
    assert.equal(
      this.#committed[meta.index - 1]?.term,
      meta.term,
      `I20: ${id} takes an image of no committed state`,
    )
    const known = this.#images.get(meta.index)
    if (known === undefined) this.#images.set(meta.index, digest)
    else assert.equal(digest, known, `I20: ${id} has another image at ${meta.index}`)
    const entry = this.#configurationAt(meta.index)
    assert.equal(
      meta.configurationIndex,
      entry?.index ?? 0,
      `I13: the image at ${meta.index} names another configuration`,
    )
  }

  restored(id: string, meta: SnapshotMeta, machine: SimMachine): void {
    const known = this.#images.get(meta.index)
    assert.equal(
      digestOf(machine.image()),
      known,
      `I20: ${id} restores another state at ${meta.index}`,
    )
    this.#options.counters.add('event.restored')
  }

  /** An image takes the place of a log that lacks what it holds, never of one that holds more (9.3). */
  #checkKept(id: string, mirror: LogMirror, imageIndex: number): void {
    const top = Math.min(this.#committed.length, mirror.lastIndex)
    if (top <= imageIndex || top <= mirror.anchorIndex) return
    assert.notEqual(
      mirror.termAt(top),
      this.#committed[top - 1]?.term,
      `I6: ${id} drops committed entry ${top} for an image at ${imageIndex}`,
    )
  }

  #append(id: string, mirror: LogMirror, entry: Entry): void {
    assert.equal(entry.index, mirror.lastIndex + 1, `I22: the jobs of ${id} leave a gap`)
    const previousTerm = mirror.lastTerm
    assert.ok(entry.term >= previousTerm, `I3: terms fall in the log of ${id}`)
    const isNew = this.#define(id, entry, previousTerm)
    if (isNew && entry.type === 'config') {
      this.#configurations.checkChange(mirror.configurationEntry, entry)
    }
    mirror.append(entry)
  }

  /** @returns whether nobody had this entry before */
  #define(id: string, entry: Entry, previousTerm: number): boolean {
    const key = entry.index * TERMS + entry.term
    const known = this.#defined.get(key)
    if (known === undefined) {
      this.#defined.set(key, { entry, previousTerm })
      if (entry.type === 'config') {
        const { incoming, outgoing } = this.#configurations.of(entry)
        for (const voter of [...incoming, ...outgoing]) this.#voters.add(voter)
      }
      return true
    }
    const name = `${entry.index}/${entry.term}`
    assert.equal(previousTerm, known.previousTerm, `I3: ${id} holds ${name} after another entry`)
    assert.ok(isSame(entry, known.entry), `I3: ${id} holds another entry ${name}`)
    return false
  }

  #elected(id: string, core: RaftCore, watched: Watched): void {
    const { term } = core
    const { disk, mirror } = watched
    assert.equal(disk.hardState.term, term, `I11: ${id} leads in a volatile term`)
    assert.equal(disk.hardState.vote, id, `I11: ${id} leads without its own durable vote`)
    assert.ok(disk.damagedTo === null, `I27: ${id} leads while it recovers`)
    const other = this.#leaders.get(term)
    assert.ok(other === undefined || other === id, `I1: ${other} and ${id} lead term ${term}`)
    this.#leaders.set(term, id)
    // Votes may be long on their way: what a later leader has committed since is not meant (I4).
    const last = this.#commits.findLast((top) => top.term < term)
    if (last === undefined || last.index <= mirror.anchorIndex) return
    assert.equal(
      mirror.termAt(last.index),
      last.term,
      `I4: new leader ${id} lacks committed entry ${last.index}`,
    )
  }

  /** I6 and I14: what is called committed for the first time is on quorums of disks now. */
  #committedBy(id: string, commit: number, watched: Watched): void {
    const { mirror, core } = watched
    const isNew = commit > this.#committed.length
    this.#extendCommitted(id, commit, watched.commit, mirror)
    if (!isNew) return
    const top = this.#committed[commit - 1] as Entry
    assert.equal(top.term, core.term, `I14: leader ${id} commits an earlier term by counting`)
    this.#commits.push(top)
    const config = mirror.configuration
    assert.ok(config !== null, `I14: leader ${id} has no configuration`)
    const holds = (member: string): boolean => {
      const disk = this.#disks.get(member)
      return disk !== undefined && (disk.holds(commit, top.term) || disk.hadLost(commit, top.term))
    }
    assert.ok(
      hasQuorum(config, holds),
      `I6: ${commit} is committed by ${id} and on the disks of ${[...this.#disks.keys()].filter(holds).join(', ')} only`,
    )
  }

  #extendCommitted(id: string, commit: number, from: number, mirror: LogMirror): void {
    for (let index = Math.max(from, mirror.anchorIndex) + 1; index <= commit; index++) {
      const known = this.#committed[index - 1]
      const term = mirror.termAt(index)
      if (known !== undefined) {
        assert.equal(term, known.term, `I5: ${id} commits another entry ${index}`)
        continue
      }
      assert.equal(index, this.#committed.length + 1, 'commits are reported without a gap')
      const defined = this.#defined.get(index * TERMS + (term ?? 0))
      assert.ok(defined !== undefined, 'a committed entry was appended by somebody')
      this.#committed.push(defined.entry)
      if (defined.entry.type === 'config') this.#options.counters.add('event.config-committed')
    }
  }

  /** A follower learns of commits; it never makes any. */
  #followedTo(id: string, commit: number, mirror: LogMirror): void {
    assert.ok(
      commit <= this.#committed.length,
      `I8: ${id} calls ${commit} committed, nobody committed it`,
    )
    if (commit <= mirror.anchorIndex) return
    assert.equal(
      mirror.termAt(commit),
      this.#committed[commit - 1]?.term,
      `I5: ${id} follows another entry ${commit}`,
    )
  }

  #checkLeaderConfiguration(id: string, core: RaftCore, mirror: LogMirror): void {
    const entry = mirror.configurationEntry
    if (entry === null || entry.index <= this.#committed.length) return
    assert.ok(
      mirror.configurationsAbove(this.#committed.length) <= 1,
      `I13: leader ${id} has two uncommitted configurations`,
    )
    if (entry.term !== core.term) return
    const committed = this.#committed[core.commit - 1]
    assert.equal(
      committed?.term,
      core.term,
      `10.3: leader ${id} changes members before it has committed anything`,
    )
  }

  #checkProgress(id: string, core: RaftCore): void {
    for (const [peer, view] of core.peers) {
      assert.ok(
        view.match < view.next,
        `I16: ${id} has match ${view.match}, next ${view.next} of ${peer}`,
      )
      assert.ok(
        view.match <= core.last.index,
        `I16: ${id} has match ${view.match} of ${peer} beyond its log`,
      )
      assert.ok(
        view.inflightCount <= this.#options.inflightMax,
        `I23: too many appends of ${id} are in flight to ${peer}`,
      )
    }
  }

  #checkAck(message: Extract<RaftMessage, { kind: 'append-ack' }>, disk: ModelDisk): void {
    const { from, matchIndex, term } = message
    if (disk.damagedTo !== null) {
      assert.ok(message.isRecovering, `I27: ${from} hides that it recovers`)
    }
    if (disk.hardState.term !== term) return
    assert.ok(
      disk.lastIndex >= matchIndex,
      `I10: ${from} acks ${matchIndex}, its disk ends at ${disk.lastIndex}`,
    )
    const leader = this.#watched.get(message.to)
    if (leader === undefined || leader.core.role !== 'leader' || leader.core.term !== term) return
    if (matchIndex <= disk.anchor.index || matchIndex > leader.mirror.lastIndex) return
    const own = leader.mirror.termAt(matchIndex)
    if (own === undefined) return
    assert.equal(
      disk.entry(matchIndex)?.term,
      own,
      `I10: ${from} acks ${matchIndex}, which it holds otherwise`,
    )
  }

  #configurationAt(index: number): Entry | undefined {
    for (let i = index - 1; i >= 0; i--) {
      const entry = this.#committed[i]
      if (entry?.type === 'config') return entry
    }
    return undefined
  }
}

function isSame(x: Entry, y: Entry): boolean {
  if (x === y) return true
  if (x.index !== y.index || x.term !== y.term || x.type !== y.type) return false
  if (x.data === y.data) return true
  return x.data.length === y.data.length && x.data.every((byte, i) => byte === y.data[i])
}
