/**
 * The consensus core: one synchronous object; same inputs, same outputs, on every machine.
 *
 * No clock, no chance but the given generator, no I/O. Inputs go through `handle`, work comes out of
 * `pull`. Source: Raft specification sections 1 to 8. Bounds: see RaftOptions.
 *
 * Duties of the host:
 *  1. Execute append jobs in the order of their tokens, each atomically and synced, then say `appended`.
 *  2. Release `messagesAfterAppend` only once `afterToken` is durable; `messages` may leave at once.
 *  3. Deliver local completions always, in order; peer messages may be lost.
 *  4. Apply `committed` in order, then say `applied`. Answer a client only after that.
 *  5. In one turn: completions first, then messages, then ticks, then proposals.
 *  6. After a storage error say `storage-failed` and end the process; nothing leaves from then on.
 */

import { assert } from '../assert.ts'
import type { Rng } from '../rng.ts'
import { AppendTracker } from './append-tracker.ts'
import { advanceLeaderCommit } from './commit.ts'
import { ConfigStack } from './config-stack.ts'
import { type Configuration, isSoleVoter, memberIds } from './configuration.ts'
import { campaign, countOwnVote, tickElection } from './election.ts'
import { propose, tickLeader } from './leader.ts'
import type { ProgressMode } from './progress.ts'
import { RaftLog } from './raft-log.ts'
import { requestRead, startReadRound } from './read-index.ts'
import { receive } from './receive.ts'
import { drawElectionTimeout, halt, isPromotable, isRecovering } from './roles.ts'
import { emptyOutbox, leaderOf, type RaftState } from './state.ts'
import {
  type AppendJob,
  type AppendToken,
  type Batch,
  type Entry,
  type InputOutcome,
  type LogIndex,
  type LogPosition,
  logIndex,
  type PersistedState,
  type RaftInput,
  type RaftOptions,
  type RoleName,
  type ServerId,
  type SnapshotMeta,
  type Term,
} from './types.ts'

const MIB = 1_048_576
const DONE: InputOutcome = { kind: 'done' }

const DEFAULTS = {
  messageBytesMax: MIB,
  inflightMessagesMax: 64,
  inflightBytesMax: 8 * MIB,
  uncommittedBytesMax: 16 * MIB,
  applyingBytesMax: 16 * MIB,
  unappliedMax: 5_000,
  readsMax: 8_192,
  preVote: true,
  checkQuorum: true,
} as const

/** What the leader knows of a peer. */
export interface PeerView {
  readonly match: LogIndex
  readonly mode: ProgressMode
  readonly isRecentlyActive: boolean
  /** It came back without data that it had acknowledged (10.6). */
  readonly isAmnesiac: boolean
}

export class RaftCore {
  readonly #state: RaftState
  /** Term and vote carried by jobs that are not durable yet, in order of tokens. */
  readonly #jobs: AppendJob[] = []

  constructor(options: RaftOptions, persisted: PersistedState, rng: Rng) {
    this.#state = initialState(options, persisted, rng)
    if (isSoleVoter(this.#state.configs.active, options.id)) {
      // Nobody else can lead or have heard from a leader: neither grace nor timeout has a purpose.
      this.#state.graceTicks = 0
      campaign(this.#state, 'vote')
    }
  }

  /** Takes one input. Never throws for what peers send; an AssertionError is a bug and ends the server. */
  handle(input: RaftInput): InputOutcome {
    const state = this.#state
    if (state.role.kind === 'failed') return { kind: 'rejected', reason: 'failed' }
    switch (input.kind) {
      case 'tick':
        if (state.role.kind === 'leader') tickLeader(state, state.role)
        else tickElection(state)
        return DONE
      case 'receive':
        receive(state, input.message)
        return DONE
      case 'propose':
        return propose(state, input.proposals)
      case 'read-index':
        return requestRead(state, input.context)
      case 'campaign':
        if (isPromotable(state)) campaign(state, 'vote')
        return DONE
      case 'appended':
        this.#onAppended(input.token)
        return DONE
      case 'applied':
        this.#onApplied(input.index)
        return DONE
      case 'compacted':
        this.#onCompacted(input.index, input.snapshot)
        return DONE
      case 'snapshot-report':
        this.#progressOf(input.peer)?.snapshotEnded(input.ok)
        return DONE
      case 'unreachable': {
        const progress = this.#progressOf(input.peer)
        if (progress?.mode === 'replicate') progress.becomeProbe()
        return DONE
      }
      case 'propose-config':
      case 'transfer':
        return { kind: 'rejected', reason: state.role.kind === 'leader' ? 'invalid' : 'not-leader' }
      case 'stalled':
      case 'snapshot-received':
      case 'snapshot-abandoned':
        return DONE
      case 'storage-failed':
        halt(state, input.reason)
        return DONE
    }
  }

  /** The work that has come up since the last pull; null when there is none. Nothing is handed out twice. */
  pull(): Batch | null {
    const state = this.#state
    if (state.role.kind === 'failed') return this.#lastWords()
    if (state.role.kind === 'leader') startReadRound(state, state.role)
    const job = this.#takeJob()
    const committed = this.#takeCommitted()
    const out = state.outbox
    const isEmpty =
      job === null &&
      committed.length === 0 &&
      out.messages.length === 0 &&
      out.messagesAfterAppend.length === 0 &&
      out.reads.length === 0 &&
      out.readsFailed.length === 0 &&
      out.snapshotsWanted.size === 0 &&
      out.snapshotOffered === null &&
      out.restore === null
    if (isEmpty) return null
    state.outbox = emptyOutbox()
    return {
      job,
      messages: out.messages,
      messagesAfterAppend: out.messagesAfterAppend,
      afterToken: state.tracker.lastIssued,
      committed,
      reads: out.reads,
      readsFailed: out.readsFailed,
      snapshotsWanted: [...out.snapshotsWanted],
      snapshotOffered: out.snapshotOffered,
      restore: out.restore,
    }
  }

  get role(): RoleName {
    return this.#state.role.kind
  }

  /** Why the core halted; null while it works. */
  get failure(): string | null {
    return this.#state.role.kind === 'failed' ? this.#state.role.reason : null
  }

  get term(): Term {
    return this.#state.term
  }

  get leader(): ServerId | null {
    return leaderOf(this.#state)
  }

  get commit(): LogIndex {
    return this.#state.commit
  }

  /** The commit index as far as it may be written down: never past what is durable here. */
  get commitHint(): LogIndex {
    return logIndex(Math.min(this.#state.commit, this.#state.tracker.durable))
  }

  get applied(): LogIndex {
    return this.#state.applied
  }

  get last(): LogPosition {
    return this.#state.log.last
  }

  get firstIndex(): LogIndex {
    return this.#state.log.firstIndex
  }

  get configuration(): Configuration {
    return this.#state.configs.active
  }

  get snapshot(): SnapshotMeta | null {
    return this.#state.snapshot
  }

  /** Index of the noop of this reign; null unless leading. */
  get noopIndex(): LogIndex | null {
    return this.#state.role.kind === 'leader' ? this.#state.role.noopIndex : null
  }

  /** False while time means nothing to this server: it leads and has no peer. */
  get needsTicks(): boolean {
    const { role, configs, id } = this.#state
    if (role.kind === 'failed') return false
    return role.kind !== 'leader' || memberIds(configs.active).some((member) => member !== id)
  }

  /** An entry of the present log; undefined when compacted or not there yet. */
  entry(index: number): Entry | undefined {
    return this.#state.log.entry(index)
  }

  /** How far each peer is known to match; empty unless leading. */
  get matches(): ReadonlyMap<ServerId, LogIndex> {
    const role = this.#state.role
    if (role.kind !== 'leader') return new Map()
    return new Map([...role.progress].map(([id, progress]) => [id, progress.match]))
  }

  /** Where the active configuration stands in the log. */
  get configurationIndex(): LogIndex {
    return this.#state.configs.activeIndex
  }

  /** Acknowledged entries are damaged here and being fetched again (PersistedState.damagedTo). */
  get isRecovering(): boolean {
    return isRecovering(this.#state)
  }

  /** To whom leadership is being handed over; null when it is not (11). */
  get transferTarget(): ServerId | null {
    return null
  }

  /** The leader's lease holds at this moment (8.3); false elsewhere. */
  get holdsLease(): boolean {
    return false
  }

  /** What the leader knows of each peer, for status and for compaction; empty unless leading. */
  get peers(): ReadonlyMap<ServerId, PeerView> {
    const role = this.#state.role
    if (role.kind !== 'leader') return new Map()
    return new Map(
      [...role.progress].map(([id, { match, mode, isRecentlyActive }]) => {
        return [id, { match, mode, isRecentlyActive, isAmnesiac: false }]
      }),
    )
  }

  /** What a snapshot of the state at `index` has to record; `index` must be applied and in the log. */
  snapshotMetaAt(index: LogIndex): SnapshotMeta {
    const { log, configs, applied } = this.#state
    const entryTerm = log.term(index)
    const entryChain = log.chain(index)
    assert(index <= applied, 'a snapshot is taken of applied entries')
    assert(entryTerm !== undefined && entryChain !== undefined, 'a snapshot index is in the log')
    const level = configs.at(index)
    return {
      index,
      term: entryTerm,
      chain: entryChain,
      configuration: level.configuration,
      configurationIndex: level.index,
    }
  }

  #onAppended(token: AppendToken): void {
    const state = this.#state
    const job = this.#jobs.shift()
    assert(job !== undefined && job.token === token, 'append jobs complete in order, each once')
    state.tracker.complete(token)
    state.durable = job.hardState
    countOwnVote(state)
    if (state.role.kind === 'leader') advanceLeaderCommit(state, state.role)
  }

  #onApplied(index: LogIndex): void {
    const state = this.#state
    assert(index <= state.applying, 'only handed-out entries can have been applied')
    for (let i = state.applied + 1; i <= index; i++) {
      state.applyingBytes -= state.log.entry(i)?.data.length ?? 0
    }
    state.applied = logIndex(Math.max(state.applied, index))
  }

  #onCompacted(index: LogIndex, snapshot: SnapshotMeta): void {
    const state = this.#state
    assert(index <= snapshot.index, 'compaction stays below the snapshot')
    assert(snapshot.index <= state.applied, 'a snapshot is of applied entries')
    state.snapshot = snapshot
    state.log.compactTo(index)
    state.configs.compactTo(snapshot.index)
  }

  #takeJob(): AppendJob | null {
    const { log, tracker, handedOut, term, vote, commit } = this.#state
    const hasEntries = log.lastIndex > tracker.handedOut
    if (!hasEntries && handedOut.term === term && handedOut.vote === vote) return null
    const entries = log.slice(tracker.handedOut + 1, log.lastIndex + 1)
    const hardState = { term, vote, commit }
    const { token, truncateFrom } = tracker.issue(log.lastIndex)
    const job: AppendJob = {
      token,
      truncateFrom,
      entries,
      hardState,
      last: log.last,
      snapshot: null,
    }
    this.#state.handedOut = hardState
    this.#jobs.push(job)
    return job
  }

  #takeCommitted(): readonly Entry[] {
    const state = this.#state
    const to = Math.min(state.commit, state.tracker.durable)
    const room = state.options.applyingBytesMax - state.applyingBytes
    if (state.applying >= to || (room <= 0 && state.applying > state.applied)) return []
    const entries = state.log.slice(state.applying + 1, to + 1, Math.max(0, room))
    for (const entry of entries) state.applyingBytes += entry.data.length
    state.applying = logIndex(state.applying + entries.length)
    return entries
  }

  /** A halted core still owes its readers an answer, once, and nothing else. */
  #lastWords(): Batch | null {
    const { readsFailed } = this.#state.outbox
    this.#state.outbox = emptyOutbox()
    if (readsFailed.length === 0) return null
    return {
      job: null,
      messages: [],
      messagesAfterAppend: [],
      afterToken: this.#state.tracker.lastIssued,
      committed: [],
      reads: [],
      readsFailed,
      snapshotsWanted: [],
      snapshotOffered: null,
      restore: null,
    }
  }

  #progressOf(peer: ServerId) {
    const role = this.#state.role
    return role.kind === 'leader' ? role.progress.get(peer) : undefined
  }
}

function initialState(options: RaftOptions, persisted: PersistedState, rng: Rng): RaftState {
  const { hardState, snapshot, anchor, entries } = persisted
  const resolved: Required<RaftOptions> = {
    ...DEFAULTS,
    leaseTicks: Math.floor(options.electionTicks / 2),
    diskStallTicks: 2 * options.electionTicks,
    ...options,
  }
  assert(resolved.heartbeatTicks * 3 <= resolved.electionTicks, 'heartbeats are frequent enough')
  assert(resolved.inflightBytesMax >= resolved.messageBytesMax, 'a message fits into the window')
  const log = new RaftLog(anchor, entries)
  const applied = logIndex(snapshot?.index ?? anchor.index)
  assert(anchor.index <= applied && applied <= log.lastIndex, 'the snapshot joins the log')
  assert(hardState.commit <= log.lastIndex, 'what is committed is in the log')
  const configs = new ConfigStack(
    snapshot === null
      ? undefined
      : { index: snapshot.configurationIndex, configuration: snapshot.configuration },
  )
  configs.append(entries.filter((entry) => entry.index > configs.activeIndex))
  return {
    id: resolved.id,
    options: resolved,
    rng,
    log,
    tracker: new AppendTracker(log.lastIndex),
    configs,
    term: hardState.term,
    vote: hardState.vote,
    commit: logIndex(Math.max(hardState.commit, applied)),
    applied,
    applying: applied,
    applyingBytes: 0,
    snapshot,
    role: { kind: 'follower', leader: null, forwardedReads: new Set() },
    electionElapsed: 0,
    heartbeatElapsed: 0,
    electionTimeout: drawElectionTimeout({ rng, options: resolved }),
    graceTicks: resolved.startGrace ? resolved.electionTicks : 0,
    handedOut: hardState,
    durable: hardState,
    recovery: persisted.damagedTo === null ? null : { damagedTo: persisted.damagedTo },
    outbox: emptyOutbox(),
  }
}
