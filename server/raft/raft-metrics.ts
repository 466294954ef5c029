/**
 * What Raft counts of itself: one object for a server, whatever engines run in it one after the other.
 *
 * Bounds: batches that are not committed yet (the engine bounds those), and one instant for each follower.
 */

import { RAFT_METRICS } from '../../core/metrics/catalogue/raft.ts'
import type { Counter, Gauge, Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import type { ServerId } from '../../core/raft/types.ts'
import type { Instant } from '../../core/time.ts'
import type { AppliedSlice } from './applier.ts'
import type { RaftStatus } from './types.ts'

/** How often the leader looks when it heard of each follower. */
const CONTACT_LOOK_MS = 500

export class RaftMetrics {
  readonly stall: Counter
  readonly snapshotTaken: Sample
  readonly #apply: Counter
  readonly #commitTime: Sample
  readonly #dispatchLog: Sample
  readonly #storeLogs: Sample
  readonly #lastContact: Sample
  readonly #candidate: Counter
  readonly #leader: Counter
  readonly #follower: Counter
  readonly #fsmApply: Sample
  readonly #commitNumLogs: Gauge
  readonly #fsmRestore: Sample
  readonly #lastRestore: Gauge
  #role: RaftCore['role'] = 'follower'
  #uncommitted: { readonly lastIndex: number; readonly at: Instant }[] = []
  #heard = new Map<ServerId, Instant>()
  #lookedAt = 0

  constructor(metrics: Metrics) {
    this.stall = metrics.counter(RAFT_METRICS.stall)
    this.snapshotTaken = metrics.sample(RAFT_METRICS.takeSnapshot)
    this.#apply = metrics.counter(RAFT_METRICS.apply)
    this.#commitTime = metrics.sample(RAFT_METRICS.commitTime)
    this.#dispatchLog = metrics.sample(RAFT_METRICS.dispatchLog)
    this.#storeLogs = metrics.sample(RAFT_METRICS.storeLogs)
    this.#lastContact = metrics.sample(RAFT_METRICS.leaderLastContact)
    this.#candidate = metrics.counter(RAFT_METRICS.candidate)
    this.#leader = metrics.counter(RAFT_METRICS.leader)
    this.#follower = metrics.counter(RAFT_METRICS.follower)
    this.#fsmApply = metrics.sample(RAFT_METRICS.fsmApply)
    this.#commitNumLogs = metrics.gauge(RAFT_METRICS.commitNumLogs)
    this.#fsmRestore = metrics.sample(RAFT_METRICS.fsmRestore)
    this.#lastRestore = metrics.gauge(RAFT_METRICS.lastRestoreDuration)
  }

  appended(firstIndex: number, count: number, now: Instant): void {
    this.#apply.increment(count)
    this.#uncommitted.push({ lastIndex: firstIndex + count - 1, at: now })
  }

  committed(index: number, now: Instant): void {
    let done = 0
    for (const { lastIndex, at } of this.#uncommitted) {
      if (lastIndex > index) break
      this.#commitTime.record(now - at)
      done++
    }
    if (done > 0) this.#uncommitted.splice(0, done)
  }

  written(ms: number): void {
    if (this.#role === 'leader') this.#dispatchLog.record(ms)
    else this.#storeLogs.record(ms)
  }

  applied(slice: AppliedSlice, ms: number): void {
    this.#fsmApply.record(ms)
    this.#commitNumLogs.set(slice.entries)
  }

  restored(ms: number): void {
    this.#fsmRestore.record(ms)
    this.#lastRestore.set(ms)
  }

  heard(peer: ServerId, now: Instant): void {
    if (this.#role === 'leader') this.#heard.set(peer, now)
  }

  /** Notices changes of the role, and looks after the followers now and then. */
  follow(core: RaftCore, now: Instant): void {
    if (core.role !== this.#role) this.#change(core.role)
    if (this.#role !== 'leader' || now - this.#lookedAt < CONTACT_LOOK_MS) return
    this.#lookedAt = now
    const { peers } = core
    for (const [peer, at] of this.#heard) {
      if (peers.has(peer)) this.#lastContact.record(now - at)
      else this.#heard.delete(peer)
    }
  }

  #change(role: RaftCore['role']): void {
    // Whoever only asked around had not stood for election.
    const wasMore = this.#role !== 'pre-candidate'
    this.#role = role
    this.#uncommitted = []
    this.#heard = new Map()
    if (role === 'leader') this.#leader.increment()
    else if (role === 'candidate') this.#candidate.increment()
    else if (role === 'follower' && wasMore) this.#follower.increment()
  }
}

/** Figures that are read from what Raft says of itself. @returns ends it */
export function showRaftStatus(metrics: Metrics, status: () => RaftStatus): () => void {
  const peers = metrics.gauge(RAFT_METRICS.peers)
  const term = metrics.gauge(RAFT_METRICS.term)
  const lastIndex = metrics.gauge(RAFT_METRICS.lastIndex)
  const commitIndex = metrics.gauge(RAFT_METRICS.commitIndex)
  const appliedIndex = metrics.gauge(RAFT_METRICS.appliedIndex)
  const isLeader = metrics.gauge(RAFT_METRICS.isLeader)
  return metrics.onRead(() => {
    const now = status()
    peers.set(now.peers.length)
    term.set(now.term)
    lastIndex.set(now.lastLogIndex)
    commitIndex.set(now.commitIndex)
    appliedIndex.set(now.appliedIndex)
    isLeader.set(now.role === 'leader' ? 1 : 0)
  })
}
