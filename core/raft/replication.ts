/**
 * Both ends of an append (specification 5.2 to 5.4): the follower's checks, the leader's bookkeeping.
 *
 * Guarantees: a follower's log is cut only at a real conflict, never below its commit index; commit follows
 * the end of the message, not the end of the log; acks leave after the entries are durable. A difference of
 * chain where index and term agree is proof of corruption: the server halts.
 */

import { assert } from '../assert.ts'
import { chainOf } from './chain.ts'
import { advanceFollowerCommit, advanceLeaderCommit } from './commit.ts'
import type {
  AppendAckMessage,
  AppendMessage,
  AppendRejectMessage,
  HeartbeatAckMessage,
  HeartbeatMessage,
} from './messages.ts'
import { confirmReadRounds } from './read-index.ts'
import { halt, isRecovering, replyStatus } from './roles.ts'
import { fillWindow, sendAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { type Entry, type LogIndex, logIndex } from './types.ts'

export function handleAppend(state: RaftState, message: AppendMessage): void {
  if (message.prevIndex < state.commit) {
    acknowledge(state, message, state.commit)
    return
  }
  if (state.log.term(message.prevIndex) !== message.prevTerm) {
    reject(state, message)
    return
  }
  if (state.log.chain(message.prevIndex) !== message.prevChain) {
    haltDiverged(state, message.prevIndex, message.prevChain)
    return
  }
  if (!isWellFormed(message)) return
  const fresh = newEntries(state, message)
  if (fresh === null) return
  appendFresh(state, fresh)
  const matched = logIndex(message.prevIndex + message.entries.length)
  advanceFollowerCommit(state, logIndex(Math.min(message.leaderCommit, matched)))
  acknowledge(state, message, matched)
}

export function handleHeartbeat(state: RaftState, message: HeartbeatMessage): void {
  advanceFollowerCommit(state, message.commit)
  state.outbox.messagesAfterAppend.push({
    kind: 'heartbeat-ack',
    from: state.id,
    to: message.from,
    term: state.term,
    readSeq: message.readSeq,
    leaseSeq: message.leaseSeq,
    isRecovering: isRecovering(state),
  })
}

export function handleAppendAck(
  state: RaftState,
  role: LeaderRole,
  message: AppendAckMessage,
): void {
  const progress = role.progress.get(message.from)
  if (progress === undefined || message.matchIndex > state.log.lastIndex) return
  progress.isRecentlyActive = true
  const wasPaused = progress.isPaused
  if (!progress.acked(message.matchIndex)) return
  const isInsideLog = progress.match + 1 >= state.log.firstIndex
  if (progress.mode === 'probe' || (progress.mode === 'snapshot' && isInsideLog)) {
    progress.becomeReplicate()
  }
  const target = { id: message.from, progress }
  if (!advanceLeaderCommit(state, role) && wasPaused) {
    sendAppend(state, role, {
      ...target,
      evenIfEmpty: progress.sentCommit < state.commit,
    })
  }
  fillWindow(state, role, target)
}

export function handleAppendReject(
  state: RaftState,
  role: LeaderRole,
  message: AppendRejectMessage,
): void {
  const progress = role.progress.get(message.from)
  if (progress === undefined) return
  progress.isRecentlyActive = true
  const candidate = state.log.highestWithTermAtMost(message.hintIndex, message.hintTerm)
  if (!progress.rejected(message.rejectedIndex, candidate.index + 1)) return
  sendAppend(state, role, { id: message.from, progress, evenIfEmpty: true })
}

export function handleHeartbeatAck(
  state: RaftState,
  role: LeaderRole,
  message: HeartbeatAckMessage,
): void {
  const progress = role.progress.get(message.from)
  if (progress === undefined) return
  progress.isRecentlyActive = true
  progress.resume()
  progress.readSeqAcked = Math.max(progress.readSeqAcked, message.readSeq)
  confirmReadRounds(state, role)
  if (progress.match < state.log.lastIndex || progress.mode === 'probe') {
    sendAppend(state, role, { id: message.from, progress, evenIfEmpty: true })
  }
}

/** Entries follow each other and their chain is what the fields say; anything else is line noise. */
function isWellFormed(message: AppendMessage): boolean {
  let index: number = message.prevIndex
  let term = message.prevTerm
  let chain = message.prevChain
  for (const entry of message.entries) {
    index++
    if (entry.index !== index || entry.term < term || entry.term > message.term) return false
    if (chainOf(chain, entry) !== entry.chain) return false
    chain = entry.chain
    term = entry.term
  }
  return true
}

/** The part of the message that our log does not hold yet; null when the server had to halt. */
function newEntries(state: RaftState, message: AppendMessage): readonly Entry[] | null {
  for (const [i, entry] of message.entries.entries()) {
    if (state.log.term(entry.index) !== entry.term) return message.entries.slice(i)
    if (state.log.chain(entry.index) !== entry.chain) {
      haltDiverged(state, entry.index, entry.chain)
      return null
    }
  }
  return []
}

function appendFresh(state: RaftState, fresh: readonly Entry[]): void {
  const first = fresh[0]
  if (first === undefined) return
  assert(first.index > state.commit, 'appends below the commit index were answered before')
  if (first.index <= state.log.lastIndex) {
    state.log.truncateFrom(first.index)
    state.tracker.truncateFrom(first.index)
    state.configs.truncateFrom(first.index)
  }
  state.log.append(fresh)
  state.configs.append(fresh)
}

function acknowledge(state: RaftState, message: AppendMessage, matchIndex: LogIndex): void {
  state.outbox.messagesAfterAppend.push({
    kind: 'append-ack',
    from: state.id,
    to: message.from,
    term: state.term,
    matchIndex,
    seq: message.seq,
    ...replyStatus(state),
  })
}

function reject(state: RaftState, message: AppendMessage): void {
  const hint = state.log.highestWithTermAtMost(message.prevIndex, message.prevTerm)
  state.outbox.messagesAfterAppend.push({
    kind: 'append-reject',
    from: state.id,
    to: message.from,
    term: state.term,
    rejectedIndex: message.prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
    seq: message.seq,
    ...replyStatus(state),
  })
}

function haltDiverged(state: RaftState, index: LogIndex, theirs: number): void {
  const ours = state.log.chain(index)
  halt(state, `log differs from the leader's at or below ${index}: chain ${ours}, not ${theirs}`)
}
