/**
 * Taking and holding office: the noop of a new term, proposals, the leader's clock (4.5, 4.7, 6).
 *
 * Guarantees: a leader only appends (I2); proposals are refused, never queued, beyond the limits of
 * uncommitted bytes and unapplied entries.
 */

import { assert } from '../assert.ts'
import { chainedEntry } from './chain.ts'
import { memberIds } from './configuration.ts'
import { Progress } from './progress.ts'
import { quorumVote } from './quorum.ts'
import { becomeFollower, changeRole } from './roles.ts'
import { broadcastAppend, broadcastHeartbeat } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import {
  type EntryType,
  type InputOutcome,
  logIndex,
  type Proposal,
  type ServerId,
} from './types.ts'

const NO_DATA = new Uint8Array(0)

export function becomeLeader(state: RaftState): void {
  assert(state.role.kind === 'candidate', 'only a candidate becomes leader')
  const role: LeaderRole = {
    kind: 'leader',
    progress: new Map(),
    noopIndex: logIndex(state.log.lastIndex + 1),
    waitingReads: [],
    rounds: [],
    readSeq: 0,
    leaseSeq: 0,
    appendSeq: 0,
    uncommittedBytes: 0,
  }
  changeRole(state, role)
  alignProgress(state, role, { isRecentlyActive: false })
  appendAsLeader(state, [{ type: 'noop', data: NO_DATA }])
  broadcastAppend(state, role)
}

/** Gives every peer of the active configuration a progress, and forgets the others. */
export function alignProgress(
  state: RaftState,
  role: LeaderRole,
  options: { readonly isRecentlyActive: boolean },
): void {
  const aligned = new Map<ServerId, Progress>()
  for (const id of memberIds(state.configs.active)) {
    if (id === state.id) continue
    const known = role.progress.get(id)
    aligned.set(id, known ?? freshProgress(state, options.isRecentlyActive))
  }
  role.progress = aligned
}

export function propose(state: RaftState, proposals: readonly Proposal[]): InputOutcome {
  const role = state.role
  if (role.kind === 'failed') return { kind: 'rejected', reason: 'failed' }
  if (role.kind !== 'leader') return { kind: 'rejected', reason: 'not-leader' }
  if (isOverloaded(state, role, proposals)) return { kind: 'rejected', reason: 'busy' }
  const firstIndex = logIndex(state.log.lastIndex + 1)
  appendAsLeader(state, proposals)
  for (const proposal of proposals) role.uncommittedBytes += proposal.data.length
  broadcastAppend(state, role)
  return { kind: 'appended', term: state.term, firstIndex }
}

/** One tick of a leader: heartbeats every H; every E the check that a quorum still answers (4.7). */
export function tickLeader(state: RaftState, role: LeaderRole): void {
  state.electionElapsed++
  state.heartbeatElapsed++
  if (state.electionElapsed >= state.options.electionTicks) {
    state.electionElapsed = 0
    if (!hasActiveQuorum(state, role)) {
      becomeFollower(state, state.term, null)
      return
    }
    for (const progress of role.progress.values()) progress.isRecentlyActive = false
  }
  if (state.heartbeatElapsed >= state.options.heartbeatTicks) {
    state.heartbeatElapsed = 0
    broadcastHeartbeat(state, role)
  }
}

function appendAsLeader(
  state: RaftState,
  items: readonly { readonly type: EntryType; readonly data: Uint8Array }[],
): void {
  for (const item of items) {
    const entry = chainedEntry(state.log.last.chain, {
      index: logIndex(state.log.lastIndex + 1),
      term: state.term,
      type: item.type,
      data: item.data,
    })
    state.log.append([entry])
  }
}

function freshProgress(state: RaftState, isRecentlyActive: boolean): Progress {
  return new Progress(logIndex(state.log.lastIndex + 1), {
    isRecentlyActive,
    inflightMessagesMax: state.options.inflightMessagesMax,
    inflightBytesMax: state.options.inflightBytesMax,
  })
}

/** A single oversize proposal is let through when nothing is pending, so that it cannot starve. */
function isOverloaded(state: RaftState, role: LeaderRole, proposals: readonly Proposal[]): boolean {
  if (state.commit - state.applied > state.options.unappliedMax) return true
  if (role.uncommittedBytes === 0) return false
  let bytes = role.uncommittedBytes
  for (const proposal of proposals) bytes += proposal.data.length
  return bytes > state.options.uncommittedBytesMax
}

function hasActiveQuorum(state: RaftState, role: LeaderRole): boolean {
  const heard = new Map<ServerId, boolean>([[state.id, true]])
  for (const [id, progress] of role.progress) heard.set(id, progress.isRecentlyActive)
  return quorumVote(state.configs.active, heard) === 'won'
}
