/**
 * Taking and holding office: the noop of a new term, proposals, the leader's clock (4.5, 4.7, 4.8, 6).
 *
 * Guarantees: a leader only appends (I2); proposals are refused, never queued, beyond the limits of
 * uncommitted bytes and unapplied entries, during a transfer, and when no quorum was heard from for twice
 * the lease. A leader whose own write hangs hands over, or at last gives up, and does not stand again until
 * a write completes.
 */

import { assert } from '../assert.ts'
import { appendOwn, NO_DATA } from './appending.ts'
import { isVoter } from './configuration.ts'
import { LeaseClock, NEVER } from './lease-clock.ts'
import { isWithoutQuorum, leaveJointByItself } from './membership.ts'
import { alignProgress, hasActiveQuorum, isHealthy } from './peers.ts'
import { widenReadRounds } from './read-index.ts'
import { becomeFollower, changeRole } from './roles.ts'
import { broadcastAppend, broadcastHeartbeat } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { beginTransfer, bestTarget, tickTransfer } from './transfer.ts'
import { type InputOutcome, logIndex, type Proposal } from './types.ts'

export function becomeLeader(state: RaftState): void {
  assert(state.role.kind === 'candidate', 'only a candidate becomes leader')
  const role: LeaderRole = {
    kind: 'leader',
    progress: new Map(),
    departing: new Map(),
    noopIndex: logIndex(state.log.lastIndex + 1),
    since: state.now,
    waitingReads: [],
    rounds: [],
    readSeq: 0,
    beat: { leaseSeq: 0, readSeq: 0, answers: 0 },
    lease: new LeaseClock(state.options.leaseTicks),
    appendSeq: 0,
    uncommittedBytes: 0,
    isCommitUntold: false,
    transfer: null,
  }
  changeRole(state, role)
  alignProgress(state, role, { heardAt: NEVER })
  appendOwn(state, [{ type: 'noop', data: NO_DATA }])
  broadcastAppend(state, role)
}

export function propose(state: RaftState, proposals: readonly Proposal[]): InputOutcome {
  const role = state.role
  if (role.kind === 'failed') return { kind: 'rejected', reason: 'failed' }
  if (role.kind !== 'leader') return { kind: 'rejected', reason: 'not-leader' }
  if (role.transfer !== null) {
    state.mark('transfer.proposal-refused')
    return { kind: 'rejected', reason: 'transferring' }
  }
  if (isWithoutQuorum(state, role)) {
    state.mark('leader.no-quorum.refused')
    return { kind: 'rejected', reason: 'no-quorum' }
  }
  if (isOverloaded(state, role, proposals)) return { kind: 'rejected', reason: 'busy' }
  const firstIndex = appendOwn(state, proposals)
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
    if (state.options.checkQuorum && !hasActiveQuorum(state, role)) {
      state.mark('leader.check-quorum.failed')
      becomeFollower(state, state.term, null)
      return
    }
  }
  if (tickTransfer(state, role)) afterFailedTransfer(state, role)
  else checkDisk(state, role)
  if (state.role !== role) return
  if (state.heartbeatElapsed >= state.options.heartbeatTicks) {
    state.heartbeatElapsed = 0
    broadcastHeartbeat(state, role)
  } else widenReadRounds(state, role)
}

/** Service goes on, unless this server was only waiting to be relieved. */
function afterFailedTransfer(state: RaftState, role: LeaderRole): void {
  const { configs, commit, id } = state
  const isTakenOut = configs.activeIndex <= commit && !isVoter(configs.active, id)
  if (state.isDiskSick) state.mark('leader.disk-sick.steps-down')
  if (isTakenOut || state.isDiskSick) becomeFollower(state, state.term, null)
  else leaveJointByItself(state, role)
}

/** A write that hangs while others are ahead of it: somebody whose disk works should lead (4.8). */
function checkDisk(state: RaftState, role: LeaderRole): void {
  const oldest = state.jobs[0]
  if (oldest === undefined || role.transfer !== null) return
  if (state.now - oldest.issuedAt < state.options.diskStallTicks) return
  const target = bestTarget(state, role)
  const progress = target === null ? undefined : role.progress.get(target)
  if (target === null || progress === undefined || !isHealthy(state, progress)) return
  if (progress.match < state.tracker.durable) return
  state.mark('leader.disk-sick.hands-over')
  state.isDiskSick = true
  beginTransfer(state, role, target)
}

/** A single oversize proposal is let through when nothing is pending, so that it cannot starve. */
function isOverloaded(state: RaftState, role: LeaderRole, proposals: readonly Proposal[]): boolean {
  if (state.commit - state.applied > state.options.unappliedMax) {
    state.mark('leader.busy.unapplied')
    return true
  }
  if (role.uncommittedBytes === 0) return false
  let bytes = role.uncommittedBytes
  for (const proposal of proposals) bytes += proposal.data.length
  if (bytes <= state.options.uncommittedBytesMax) return false
  state.mark('leader.busy.uncommitted')
  return true
}
