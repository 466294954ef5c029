/**
 * The leader's bookkeeping for each answer of a peer (specification 5.3, 5.4, 6).
 *
 * Guarantees: match only rises within what a peer has made durable, except for a peer that says it lost
 * data; out-of-date rejects change nothing; a window whose messages were all lost is opened again by the
 * next heartbeat answer. Every answer is a sign of life, whatever else it says.
 */

import { advanceLeaderCommit } from './commit.ts'
import type { AppendAckMessage, AppendRejectMessage, HeartbeatAckMessage } from './messages.ts'
import { progressOf } from './peers.ts'
import type { Progress } from './progress.ts'
import { confirmReadRounds } from './read-index.ts'
import { acceptAnswer, lengthenFor } from './recovery.ts'
import { fillWindow, sendAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { tellWhenCaughtUp } from './transfer.ts'

export function handleAppendAck(
  state: RaftState,
  role: LeaderRole,
  message: AppendAckMessage,
): void {
  const progress = progressOf(role, message.from)
  if (progress === undefined) {
    state.mark('ack.unknown-peer')
    return
  }
  if (message.matchIndex > state.log.lastIndex) {
    state.mark('ack.beyond-log')
    return
  }
  progress.heard(state.now)
  const wasCounted = progress.isCounted
  if (acceptAnswer(state, role, { progress, message }) === 'dropped') return
  const wasPaused = progress.isPaused
  const isNews = progress.acked(message.matchIndex)
  if (!isNews) {
    state.mark('ack.late')
    if (wasCounted || !progress.isCounted) return
  }
  if (isNews) leaveProbe(state, progress)
  const isCommitNews = advanceLeaderCommit(state, role)
  if (state.role !== role) return
  const target = { id: message.from, progress }
  if (!isCommitNews && wasPaused) {
    if (progress.mode === 'replicate') state.mark('ack.window.reopened')
    sendAppend(state, role, { ...target, evenIfEmpty: progress.sentCommit < state.commit })
  }
  fillWindow(state, role, target)
  if (tellWhenCaughtUp(state, role)) state.mark('transfer.caught-up')
}

export function handleAppendReject(
  state: RaftState,
  role: LeaderRole,
  message: AppendRejectMessage,
): void {
  const progress = progressOf(role, message.from)
  if (progress === undefined) return
  progress.heard(state.now)
  const verdict = acceptAnswer(state, role, { progress, message })
  if (verdict === 'dropped') return
  if (verdict === 'taken') {
    const candidate = state.log.highestWithTermAtMost(message.hintIndex, message.hintTerm)
    if (!progress.rejected(message.rejectedIndex, candidate.index + 1)) {
      state.mark('reject.stale')
      return
    }
    state.mark('reject.backtracked')
  }
  sendAppend(state, role, { id: message.from, progress, evenIfEmpty: true })
}

export function handleHeartbeatAck(
  state: RaftState,
  role: LeaderRole,
  message: HeartbeatAckMessage,
): void {
  const progress = role.progress.get(message.from)
  if (progress === undefined || progress.isAmnesiac) return
  progress.heard(state.now)
  noteAnswer(role, progress, message.leaseSeq)
  progress.resume()
  if (!message.isRecovering && progress.isCounted) {
    progress.readSeqAcked = Math.max(progress.readSeqAcked, message.readSeq)
    progress.leaseAt = Math.max(progress.leaseAt, role.lease.sentAt(message.leaseSeq))
    confirmReadRounds(state, role)
  }
  // A peer that restarted damaged says so here first; only an append makes it say where its log ends now.
  const needsAnswer =
    progress.match < state.log.lastIndex ||
    progress.mode === 'probe' ||
    progress.isRecovering ||
    message.isRecovering
  if (!needsAnswer) return
  // Once a tick is enough: reads make many more heartbeats than that.
  const isFirstOfTick = progress.nudgedAt !== state.now
  progress.nudgedAt = state.now
  if (message.isRecovering && isFirstOfTick) lengthenFor(state, role, progress)
  sendAppend(state, role, { id: message.from, progress, evenIfEmpty: isFirstOfTick })
}

/** Who answers the newest heartbeat to all first is asked first by the next rounds of reads. */
function noteAnswer(role: LeaderRole, progress: Progress, leaseSeq: number): void {
  const { beat } = role
  if (leaseSeq < beat.leaseSeq || progress.beatAnswered === beat.leaseSeq) return
  progress.beatAnswered = beat.leaseSeq
  progress.beatRank = beat.answers
  beat.answers++
}

function leaveProbe(state: RaftState, progress: NonNullable<ReturnType<typeof progressOf>>): void {
  if (progress.mode === 'probe') {
    state.mark('ack.probe.joined')
    progress.becomeReplicate()
    return
  }
  if (progress.mode !== 'snapshot' || progress.match + 1 < state.log.firstIndex) return
  state.mark('image.peer.back-in-log')
  progress.becomeReplicate()
}
