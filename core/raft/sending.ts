/**
 * What the leader sends: appends within each peer's window, and heartbeats (specification 5.1, 6).
 *
 * Leader messages leave at once, in parallel with the leader's own disk (2.4): its match index counts only
 * what is durable. Peers are visited in the order of their ids, so that output is a function of input. The
 * window has a fixed size here; making it smaller when round trips grow is the transport's matter.
 */

import { assert } from '../assert.ts'
import { isActive } from './peers.ts'
import type { Progress } from './progress.ts'
import { entryBytes } from './raft-log.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { type Entry, type LogPosition, logIndex, type ServerId } from './types.ts'

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
  const { isPaused } = progress
  if (!progress.maySendEmpty || (isPaused && !evenIfEmpty)) return false
  const prevIndex = logIndex(progress.next - 1)
  const prevTerm = state.log.term(prevIndex)
  const prevChain = state.log.chain(prevIndex)
  if (prevTerm === undefined || prevChain === undefined) {
    wantSnapshot(state, id, progress)
    return false
  }
  const entries = isPaused
    ? []
    : state.log.slice(progress.next, state.log.lastIndex + 1, state.options.messageBytesMax)
  if (entries.length === 0 && !evenIfEmpty) return false
  if (isPaused) state.mark('send.empty-into-full-window')
  const prev = { index: prevIndex, term: prevTerm, chain: prevChain }
  pushAppend(state, role, { to: id, prev, entries })
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  progress.sent(prevIndex + entries.length, entries.length, bytes)
  progress.sentCommit = Math.max(progress.sentCommit, state.commit)
  return true
}

/** An empty append at the end of the log, whatever the progress: its answer tells who the peer is now. */
export function askForAnswer(state: RaftState, role: LeaderRole, id: ServerId): void {
  const last = state.log.last
  state.mark('boot.asked')
  pushAppend(state, role, { to: id, prev: last, entries: [] })
}

/** New entries or a new commit index go to everyone who can take them. */
export function broadcastAppend(state: RaftState, role: LeaderRole): void {
  role.isCommitUntold = false
  for (const [id, progress] of role.progress) sendNews(state, role, { id, progress })
  for (const [id, { progress }] of role.departing) sendNews(state, role, { id, progress })
}

/** Sends until the window is full or the log is exhausted; a probe sends at most one message. */
export function fillWindow(
  state: RaftState,
  role: LeaderRole,
  target: { readonly id: ServerId; readonly progress: Progress },
): void {
  const { id, progress } = target
  if (progress.mode === 'replicate' && progress.next > state.log.lastIndex) return
  let sent = 0
  while (sendAppend(state, role, { id, progress, evenIfEmpty: false })) {
    sent++
    if (progress.mode !== 'replicate') return
  }
  if (sent > 1) state.mark('send.several-messages')
  if (progress.inflights.isFull) state.mark('send.window-full')
}

export function broadcastHeartbeat(state: RaftState, role: LeaderRole): void {
  const leaseSeq = role.lease.open(state.now)
  const { beat } = role
  beat.leaseSeq = leaseSeq
  beat.readSeq = role.readSeq
  beat.answers = 0
  for (const [id, progress] of role.progress) {
    if (!progress.isAmnesiac) pushHeartbeat(state, role, { id, progress, leaseSeq })
  }
}

/** A heartbeat to some, for a round of reads. It tells nothing of who is prompt, as not all were asked. */
export function sendHeartbeat(
  state: RaftState,
  role: LeaderRole,
  peers: readonly ServerId[],
): void {
  const leaseSeq = role.lease.open(state.now)
  for (const id of peers) {
    const progress = role.progress.get(id)
    if (progress !== undefined) pushHeartbeat(state, role, { id, progress, leaseSeq })
  }
}

/** Heartbeats never carry entries, and a commit index only as far as the peer's log is known to match. */
function pushHeartbeat(
  state: RaftState,
  role: LeaderRole,
  to: { readonly id: ServerId; readonly progress: Progress; readonly leaseSeq: number },
): void {
  state.outbox.messages.push({
    kind: 'heartbeat',
    from: state.id,
    to: to.id,
    term: state.term,
    commit: logIndex(Math.min(to.progress.match, state.commit)),
    readSeq: role.readSeq,
    leaseSeq: to.leaseSeq,
  })
}

function pushAppend(
  state: RaftState,
  role: LeaderRole,
  append: { readonly to: ServerId; readonly prev: LogPosition; readonly entries: readonly Entry[] },
): void {
  const { to, prev, entries } = append
  role.appendSeq++
  state.outbox.messages.push({
    kind: 'append',
    from: state.id,
    to,
    term: state.term,
    prevIndex: prev.index,
    prevTerm: prev.term,
    prevChain: prev.chain,
    entries,
    leaderCommit: state.commit,
    seq: role.appendSeq,
  })
}

function sendNews(
  state: RaftState,
  role: LeaderRole,
  target: { readonly id: ServerId; readonly progress: Progress },
): void {
  const { id, progress } = target
  sendAppend(state, role, { id, progress, evenIfEmpty: progress.sentCommit < state.commit })
  fillWindow(state, role, target)
}

/** Only a peer that answers is worth an image; the host offers the newest one it has (9.3). */
function wantSnapshot(state: RaftState, id: ServerId, progress: Progress): void {
  if (!isActive(state, progress)) return
  const newest = state.restoring ?? state.snapshot
  assert(newest !== null, 'a compacted log has a snapshot')
  state.mark('image.wanted')
  progress.becomeSnapshot(newest.index)
  if (!state.outbox.snapshotsWanted.includes(id)) state.outbox.snapshotsWanted.push(id)
}
