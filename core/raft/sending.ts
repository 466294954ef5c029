/**
 * What the leader sends: appends within each peer's window, and heartbeats (specification 5.1, 6).
 *
 * Leader messages leave at once, in parallel with the leader's own disk (2.4): its match index counts only
 * what is durable. Peers are visited in the order of their ids, so that output is a function of input.
 */

import { assert } from '../assert.ts'
import type { Progress } from './progress.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { logIndex, type ServerId } from './types.ts'

/**
 * Sends what fits to one peer.
 *
 * @param evenIfEmpty also when there are no entries to send or the window is full: carries the commit
 *   index, and re-opens a window whose messages were all lost
 * @returns whether a message was sent
 */
export function sendAppend(
  state: RaftState,
  role: LeaderRole,
  target: { readonly id: ServerId; readonly progress: Progress; readonly evenIfEmpty: boolean },
): boolean {
  const { id, progress, evenIfEmpty } = target
  if (!progress.maySendEmpty || (progress.isPaused && !evenIfEmpty)) return false
  const prevIndex = logIndex(progress.next - 1)
  const prevTerm = state.log.term(prevIndex)
  const prevChain = state.log.chain(prevIndex)
  if (prevTerm === undefined || prevChain === undefined) {
    wantSnapshot(state, id, progress)
    return false
  }
  const entries = progress.isPaused
    ? []
    : state.log.slice(progress.next, state.log.lastIndex + 1, state.options.messageBytesMax)
  if (entries.length === 0 && !evenIfEmpty) return false
  role.appendSeq++
  state.outbox.messages.push({
    kind: 'append',
    from: state.id,
    to: id,
    term: state.term,
    prevIndex,
    prevTerm,
    prevChain,
    entries,
    leaderCommit: state.commit,
    seq: role.appendSeq,
  })
  let bytes = 0
  for (const entry of entries) bytes += entry.data.length
  progress.sent(prevIndex + entries.length, entries.length, bytes)
  progress.sentCommit = Math.max(progress.sentCommit, state.commit)
  return true
}

/** New entries or a new commit index go to everyone who can take them. */
export function broadcastAppend(state: RaftState, role: LeaderRole): void {
  for (const [id, progress] of role.progress) {
    const isCommitNews = progress.sentCommit < state.commit
    sendAppend(state, role, { id, progress, evenIfEmpty: isCommitNews })
    fillWindow(state, role, { id, progress })
  }
}

/** Sends until the window is full or the log is exhausted; a probe sends at most one message. */
export function fillWindow(
  state: RaftState,
  role: LeaderRole,
  target: { readonly id: ServerId; readonly progress: Progress },
): void {
  while (sendAppend(state, role, { ...target, evenIfEmpty: false })) {
    if (target.progress.mode !== 'replicate') return
  }
}

/** Heartbeats never carry entries, and a commit index only as far as the peer's log is known to match. */
export function broadcastHeartbeat(state: RaftState, role: LeaderRole): void {
  role.leaseSeq++
  for (const [id, progress] of role.progress) {
    state.outbox.messages.push({
      kind: 'heartbeat',
      from: state.id,
      to: id,
      term: state.term,
      commit: logIndex(Math.min(progress.match, state.commit)),
      readSeq: role.readSeq,
      leaseSeq: role.leaseSeq,
    })
  }
}

function wantSnapshot(state: RaftState, id: ServerId, progress: Progress): void {
  if (!progress.isRecentlyActive) return
  assert(state.snapshot !== null, 'a compacted log has a snapshot')
  progress.becomeSnapshot(state.snapshot.index)
  state.outbox.snapshotsWanted.add(id)
}
