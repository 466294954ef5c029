/**
 * The consensus core: one synchronous object; same inputs, same outputs, on every machine.
 *
 * No clock, no chance but the given generator, no I/O. Inputs go through `handle`, work comes out of
 * `pull`. Source: Raft specification sections 1 to 11 and 14.5. Bounds: see RaftOptions.
 *
 * Duties of the host:
 *  1. Execute append jobs in the order of their tokens, each atomically and synced, then say `appended`.
 *  2. Release `messagesAfterAppend` only once `afterToken` is durable; `messages` may leave at once.
 *  3. Deliver local completions always, in order; peer messages may be lost.
 *  4. Apply `committed` in order, then say `applied`. Answer a client only after that.
 *  5. In one turn: completions first, then messages, then ticks, then proposals.
 *  6. After a storage error say `storage-failed` and end the process; nothing leaves from then on.
 *  7. Offer the newest image to each of `snapshotsWanted`, and report how that ended. Receive what is in
 *     `snapshotOffered`, then say `snapshot-received` once it is durable, or `snapshot-abandoned`.
 *  8. At `restore`, drop what was to be applied at or below it, restore, and say `applied` with its index.
 *  9. Say `stalled` whenever ticks were left out.
 */

import { assert } from '../assert.ts'
import type { Rng } from '../rng.ts'
import { appended, applied, compacted } from './completions.ts'
import { type Configuration, isSoleVoter, memberIds } from './configuration.ts'
import { campaign, tickElection } from './election.ts'
import { snapshotAbandoned, snapshotReceived } from './images.ts'
import { initialState } from './initial-state.ts'
import { propose, tickLeader } from './leader.ts'
import { holdsLease, noteStall } from './lease.ts'
import { proposeConfiguration } from './membership.ts'
import type { SnapshotOfferMessage } from './messages.ts'
import { takeBatch, takeLastWords } from './output.ts'
import { isActive, progressOf } from './peers.ts'
import type { ProgressMode } from './progress.ts'
import { requestRead, startReadRound } from './read-index.ts'
import { receive } from './receive.ts'
import { halt, isPromotable } from './roles.ts'
import { broadcastAppend } from './sending.ts'
import { leaderOf, type RaftState } from './state.ts'
import { requestTransfer } from './transfer.ts'
import {
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
  type SnapshotOffer,
  type Term,
} from './types.ts'

const DONE: InputOutcome = { kind: 'done' }

/** What the leader knows of one peer. */
export interface PeerView {
  readonly match: LogIndex
  readonly next: LogIndex
  readonly mode: ProgressMode
  readonly inflightCount: number
  readonly isRecentlyActive: boolean
  /** It lost acknowledged entries and is getting them back; it counts for nothing meanwhile (14.5). */
  readonly isRecovering: boolean
  /** It lost acknowledged entries without knowing; it has to rejoin under a new id (10.6). */
  readonly isAmnesiac: boolean
}

export class RaftCore {
  readonly #state: RaftState

  constructor(options: RaftOptions, persisted: PersistedState, rng: Rng) {
    this.#state = initialState(options, persisted, rng)
    const { configs, recovery } = this.#state
    if (isSoleVoter(configs.active, options.id) && recovery === null) {
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
        state.now++
        if (state.role.kind === 'leader') tickLeader(state, state.role)
        else tickElection(state)
        return DONE
      case 'receive':
        receive(state, input.message)
        return DONE
      case 'propose':
        return propose(state, input.proposals)
      case 'propose-config':
        return proposeConfiguration(state, input.change)
      case 'transfer':
        return requestTransfer(state, input.target)
      case 'read-index':
        return requestRead(state, input.context, input.mode ?? 'quorum')
      case 'stalled':
        noteStall(state)
        return DONE
      case 'campaign':
        if (isPromotable(state)) campaign(state, 'vote')
        return DONE
      case 'appended':
        appended(state, input.token)
        return DONE
      case 'applied':
        applied(state, input.index)
        return DONE
      case 'compacted':
        compacted(state, input.index, input.snapshot)
        return DONE
      case 'snapshot-report':
        this.#snapshotReported(input.peer, input.ok)
        return DONE
      case 'snapshot-received':
        snapshotReceived(state, input.snapshot)
        return DONE
      case 'snapshot-abandoned':
        snapshotAbandoned(state, input.snapshot)
        return DONE
      case 'unreachable':
        this.#unreachable(input.peer)
        return DONE
      case 'storage-failed':
        halt(state, input.reason)
        return DONE
    }
  }

  /**
   * The work that has come up since the last pull; null when there is none. Nothing is handed out twice.
   *
   * @param options.keepCommitNews whether peers may hear later, with entries or from a later pull, that the
   *   commit index moved; `hasCommitNews` tells that something is kept
   */
  pull(options: { readonly keepCommitNews: boolean } = { keepCommitNews: false }): Batch | null {
    const state = this.#state
    if (state.role.kind === 'failed') return takeLastWords(state)
    if (state.role.kind === 'leader') {
      if (this.hasCommitNews && !options.keepCommitNews) broadcastAppend(state, state.role)
      startReadRound(state, state.role)
    }
    return takeBatch(state)
  }

  /** This server leads, the commit index moved, and peers may not have heard of it. */
  get hasCommitNews(): boolean {
    const { role } = this.#state
    return role.kind === 'leader' && role.isCommitUntold
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

  get vote(): ServerId | null {
    return this.#state.vote
  }

  /** Where the configuration in force stands in the log; 0 before there is any. */
  get configurationIndex(): LogIndex {
    return this.#state.configs.activeIndex
  }

  /** Who is to take over; null when leadership is not being handed over. */
  get transferTarget(): ServerId | null {
    const role = this.#state.role
    return role.kind === 'leader' ? (role.transfer?.target ?? null) : null
  }

  /**
   * A read of mode `lease` that was answered may be given to its client: true while this server leads and
   * its lease holds. To be asked once the answer is made; if it is false the read starts over as `quorum`.
   */
  get holdsLease(): boolean {
    return holdsLease(this.#state)
  }

  /** Acknowledged entries are missing here and being fetched again (14.5). */
  get isRecovering(): boolean {
    return this.#state.recovery !== null
  }

  /** An image that the leader offered and that is on its way. */
  get installing(): SnapshotOffer | null {
    return this.#state.installing
  }

  /** The image that the state machine has to be restored from before anything else is applied. */
  get restoring(): SnapshotMeta | null {
    return this.#state.restoring
  }

  /** What the leader knows of its peers, in the order of ids; empty elsewhere. */
  get peers(): ReadonlyMap<ServerId, PeerView> {
    const state = this.#state
    if (state.role.kind !== 'leader') return new Map()
    return new Map(
      [...state.role.progress].map(([id, peer]): [ServerId, PeerView] => [
        id,
        {
          match: peer.match,
          next: peer.next,
          mode: peer.mode,
          inflightCount: peer.inflights.count,
          isRecentlyActive: isActive(state, peer),
          isRecovering: peer.isRecovering,
          isAmnesiac: peer.isAmnesiac,
        },
      ]),
    )
  }

  /** The message that offers an image to a peer that needs one (Batch.snapshotsWanted). */
  offerOf(peer: ServerId, snapshot: SnapshotMeta): SnapshotOfferMessage {
    const { id, term } = this.#state
    return { kind: 'snapshot-offer', from: id, to: peer, term, snapshot }
  }

  /** How far each peer is known to match; empty unless leading. */
  get matches(): ReadonlyMap<ServerId, LogIndex> {
    const role = this.#state.role
    if (role.kind !== 'leader') return new Map()
    return new Map([...role.progress].map(([id, progress]) => [id, progress.match]))
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

  #snapshotReported(peer: ServerId, ok: boolean): void {
    const progress = this.#progressOf(peer)
    if (progress === undefined || progress.mode !== 'snapshot') return
    this.#state.mark(ok ? 'image.report.ok' : 'image.report.failed')
    progress.snapshotEnded(ok)
  }

  #unreachable(peer: ServerId): void {
    const progress = this.#progressOf(peer)
    if (progress?.mode !== 'replicate') return
    this.#state.mark('unreachable.probes')
    progress.becomeProbe()
  }

  #progressOf(peer: ServerId) {
    const role = this.#state.role
    return role.kind === 'leader' ? progressOf(role, peer) : undefined
  }
}
