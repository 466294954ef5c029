/**
 * Linearizable reads without a log entry (specification 8.2): batched rounds of heartbeats.
 *
 * A read gets the commit index of the moment its round starts, and the round counts once a quorum has
 * answered a heartbeat sent after that moment, in this term. Acks are monotone sequence numbers, so that a
 * later answer covers a lost one. A round asks no more peers than a quorum needs (read-quorum.ts): safety lies
 * in the answers alone, each of which says that its sender had heard of no later term after the round began,
 * so that whom it asks decides only how soon they come. It asks everybody at the second tick without them, at
 * the latest with the next heartbeat to all; that one, by which leadership and leases live, is none of its matter.
 * At most two rounds are in flight; requests that arrive meanwhile share the next one. Before the leader's first own entry is committed reads wait; a change of role or term
 * fails them all. A read of mode `lease` skips the round while this server leads and its lease holds; the
 * host checks `holdsLease` again once it has the answer. Bounds: `readsMax` reads waiting on a leader or
 * forwarded by a follower; a forwarded one fails when it is not answered within E.
 */

import { isSoleVoter } from './configuration.ts'
import { holdsLease } from './lease.ts'
import type { ReadReplyMessage, ReadRequestMessage } from './messages.ts'
import { quorumValue } from './quorum.ts'
import { readQuorum } from './read-quorum.ts'
import { broadcastHeartbeat, sendHeartbeat } from './sending.ts'
import type { FollowerRole, LeaderRole, PendingRead, RaftState } from './state.ts'
import type { InputOutcome, LogIndex, ReadMode } from './types.ts'

const ROUNDS_MAX = 2
/** More than one, as a round may leave just before a tick. */
const WIDEN_TICKS = 2

/** A read of this server: queued on the leader, forwarded by a follower. */
export function requestRead(state: RaftState, context: string, mode: ReadMode): InputOutcome {
  const role = state.role
  switch (role.kind) {
    case 'leader':
      if (mode === 'lease' && answerByLease(state, role, context)) return { kind: 'done' }
      if (role.waitingReads.length >= state.options.readsMax) return rejected('busy')
      if (role.waitingReads.length > 0) state.mark('read.batched')
      role.waitingReads.push({ context, from: null })
      return { kind: 'done' }
    case 'follower':
      if (role.leader === null) return rejected('no-leader')
      if (role.forwardedReads.size >= state.options.readsMax) return rejected('busy')
      state.mark('read.forwarded')
      role.forwardedReads.set(context, state.now)
      state.outbox.messagesAfterAppend.push({
        kind: 'read-request',
        from: state.id,
        to: role.leader,
        term: state.term,
        context,
      })
      return { kind: 'done' }
    case 'pre-candidate':
    case 'candidate':
      return rejected('no-leader')
    case 'failed':
      return rejected('failed')
  }
}

/** Reads that a leader should have answered long ago: the request or the answer is lost. */
export function expireForwarded(state: RaftState, role: FollowerRole): void {
  for (const [context, since] of role.forwardedReads) {
    if (state.now - since < state.options.electionTicks) return
    role.forwardedReads.delete(context)
    state.outbox.readsFailed.push(context)
  }
}

/** A follower's read; dropped when this server does not lead or has too many, and the follower retries. */
export function handleReadRequest(state: RaftState, message: ReadRequestMessage): void {
  const role = state.role
  if (role.kind !== 'leader' || role.waitingReads.length >= state.options.readsMax) return
  role.waitingReads.push({ context: message.context, from: message.from })
}

/** Accepted only from the leader of the present term, and once. */
export function handleReadReply(state: RaftState, message: ReadReplyMessage): void {
  const role = state.role
  if (role.kind !== 'follower' || role.leader !== message.from) return
  if (!role.forwardedReads.delete(message.context)) {
    state.mark('read.reply.stale')
    return
  }
  state.outbox.reads.push({ context: message.context, index: message.index })
}

/** Starts a round for what waits, if it may; called once for each pull so that reads of a turn share one. */
export function startReadRound(state: RaftState, role: LeaderRole): void {
  if (role.waitingReads.length === 0) return
  if (state.commit < role.noopIndex) {
    state.mark('read.parked')
    return
  }
  if (isSoleVoter(state.configs.active, state.id)) {
    for (const read of role.waitingReads) confirm(state, read, state.commit)
    role.waitingReads = []
    return
  }
  if (role.rounds.length >= ROUNDS_MAX) {
    state.mark('read.rounds-full')
    return
  }
  role.readSeq++
  role.rounds.push({
    seq: role.readSeq,
    since: state.now,
    index: state.commit,
    reads: role.waitingReads,
  })
  role.waitingReads = []
  const quorum = readQuorum(state.configs.active, state.id, role.progress)
  if (quorum === null) {
    state.mark('read.round.no-quorum-known')
    broadcastHeartbeat(state, role)
  } else sendHeartbeat(state, role, quorum)
}

/** Once a tick: those that a round did not ask are asked now if it still waits for an answer. */
export function widenReadRounds(state: RaftState, role: LeaderRole): void {
  const oldest = role.rounds[0]
  if (oldest === undefined || oldest.seq <= role.beat.readSeq) return
  if (state.now - oldest.since < WIDEN_TICKS) return
  state.mark('read.round.widened')
  broadcastHeartbeat(state, role)
}

/** Hands out every round that a quorum has answered. */
export function confirmReadRounds(state: RaftState, role: LeaderRole): void {
  if (role.rounds.length === 0) return
  const confirmed = quorumValue(state.configs.active, (id) =>
    id === state.id ? role.readSeq : (role.progress.get(id)?.readSeqAcked ?? 0),
  )
  const pending = role.rounds.filter((round) => round.seq > confirmed)
  for (const round of role.rounds) {
    if (round.seq > confirmed) break
    state.mark('read.round.confirmed')
    for (const read of round.reads) confirm(state, read, round.index)
  }
  role.rounds = pending
}

function answerByLease(state: RaftState, role: LeaderRole, context: string): boolean {
  if (state.commit < role.noopIndex) return false
  if (role.lease.isForfeited) state.mark('lease.forced-votes')
  if (!holdsLease(state)) {
    state.mark('lease.lapsed')
    return false
  }
  state.mark('lease.served')
  state.outbox.reads.push({ context, index: state.commit })
  return true
}

function confirm(state: RaftState, read: PendingRead, index: LogIndex): void {
  if (read.from === null) {
    state.outbox.reads.push({ context: read.context, index })
    return
  }
  state.outbox.messages.push({
    kind: 'read-reply',
    from: state.id,
    to: read.from,
    term: state.term,
    context: read.context,
    index,
  })
}

function rejected(reason: 'busy' | 'no-leader' | 'failed'): InputOutcome {
  return { kind: 'rejected', reason }
}
