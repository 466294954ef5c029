/**
 * Servers that have lost what they once acknowledged: those that know it, and those that do not.
 *
 * Recovering (specification 14.5). A server whose log was found damaged above a proven prefix grants no vote
 * and no pre-vote and does not campaign, and marks its answers. The leader sends to it as to any other peer
 * and counts it for nothing: not for commit, not for reads, not for its own check of a quorum. It ends when
 * everything up to the damaged end, and to what the leader had committed when it was first heard, is durable
 * here again.
 *
 * Why that is safe. Let entry e have been committed by a quorum Q that counted this server's lost
 * acknowledgement, in a term of at most ours, which survived. A leader that we accept has a term of at least
 * ours. If we helped to elect it, we did so while we held e, or it is the one that gave us e; so it holds e.
 * If not, a quorum without us elected it, which meets Q in a server that held e when it voted; so it holds e. While we recover we help
 * nobody, so this stays true of every later leader. Our log after an append of such a leader equals its log
 * up to the end of that append; once this end, durable, has passed every index that we may have acknowledged,
 * our log holds every such e, as if nothing had been lost. What we had not acknowledged nobody counted. What
 * the leader has committed when first heard is asked for too, in case storage itself has forgotten where our
 * acknowledgements ended.
 *
 * Amnesiac (10.6). Each answer to an append names the run (`boot`) of its sender and echoes the number of
 * the append. An answer of another run, to an append that left after the former run was last heard, was made
 * after everything that the former run said; if its log ends below what was acknowledged and it does not
 * say that it recovers, the peer has lost data without knowing. It is neither sent to nor counted for the
 * rest of this reign and has to rejoin under a new id. Answers of another run to earlier appends may be old
 * ones of a former run on their way for long, and are dropped: a later append will be answered. An answer to
 * an image names no append and may be all that a restarted peer can say: then it is asked by an empty append.
 * Does not detect a loss across a change of leader; storage has its own witness for that (14.5).
 */

import { appendOwn, NO_DATA } from './appending.ts'
import type { AppendAckMessage, AppendRejectMessage } from './messages.ts'
import type { Progress } from './progress.ts'
import { askForAnswer, broadcastAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import type { LogIndex } from './types.ts'

/** On a recovering server: the leader's whole commit index is heard for the first time. */
export function noteLeaderCommit(state: RaftState, leaderCommit: LogIndex): void {
  if (state.recovery === null || state.recovery.leaderCommit !== null) return
  state.recovery.leaderCommit = leaderCommit
  endRecovery(state)
}

/** On a recovering server: more may have become durable. */
export function endRecovery(state: RaftState): void {
  const { recovery, tracker } = state
  if (recovery === null || recovery.leaderCommit === null) return
  if (tracker.durable < Math.max(recovery.damagedTo, recovery.leaderCommit)) return
  state.mark('recovery.ended')
  state.recovery = null
}

/** On the leader: who is answering? `reset` when the peer was found to hold less than it had acknowledged. */
export function acceptAnswer(
  state: RaftState,
  role: LeaderRole,
  answer: {
    readonly progress: Progress
    readonly message: AppendAckMessage | AppendRejectMessage
  },
): 'dropped' | 'taken' | 'reset' {
  const { progress, message } = answer
  const isNewBoot = progress.boot !== message.boot
  if (isNewBoot && !acceptBoot(state, progress, message)) {
    if (message.seq === 0) askForAnswer(state, role, message.from)
    return 'dropped'
  }
  progress.boot = message.boot
  progress.bootSeq = role.appendSeq
  if (progress.isAmnesiac) return 'dropped'
  const isReset = message.isRecovering && (isNewBoot || !progress.isRecovering)
  if (isReset) {
    state.mark('recovery.peer.noticed')
    progress.forget(message.lastIndex)
  } else if (progress.isRecovering && !message.isRecovering) {
    state.mark('recovery.peer.back')
  }
  progress.isRecovering = message.isRecovering
  return isReset ? 'reset' : 'taken'
}

/**
 * On the leader: a peer that recovers has everything and may have acknowledged more once, which nobody has any
 * more. It is done when its log is that long again (14.5); where nobody writes, that needs an entry of ours.
 * Asked once a heartbeat, so that the log grows by one entry each as long as it lasts.
 */
export function lengthenFor(state: RaftState, role: LeaderRole, progress: Progress): void {
  const { lastIndex } = state.log
  if (!progress.isRecovering || progress.match < lastIndex || state.commit < lastIndex) return
  if (role.transfer !== null) return
  state.mark('recovery.log.lengthened')
  appendOwn(state, [{ type: 'noop', data: NO_DATA }])
  broadcastAppend(state, role)
}

function acceptBoot(
  state: RaftState,
  progress: Progress,
  message: AppendAckMessage | AppendRejectMessage,
): boolean {
  if (progress.boot === null) return true
  if (message.seq <= progress.bootSeq) {
    state.mark('boot.earlier-ignored')
    return false
  }
  state.mark('boot.changed')
  if (!message.isRecovering && message.lastIndex < progress.match) {
    state.mark('amnesia.noticed')
    progress.isAmnesiac = true
  }
  return true
}
