/**
 * Linearizable reads without a log entry (specification 8.2): batched rounds of heartbeats.
 *
 * A read gets the commit index of the moment its round starts, and the round counts once a quorum has
 * answered a heartbeat sent after that moment, in this term. Acks are monotone sequence numbers, so that a
 * later answer covers a lost one. At most two rounds are in flight; requests that arrive meanwhile share
 * the next one. Before the leader's first own entry is committed reads wait; a change of role or term
 * fails them all. Bound: `readsMax` waiting reads.
 */

import { isSoleVoter } from './configuration.ts'
import type { ReadReplyMessage, ReadRequestMessage } from './messages.ts'
import { quorumValue } from './quorum.ts'
import { broadcastHeartbeat } from './sending.ts'
import type { LeaderRole, PendingRead, RaftState } from './state.ts'
import type { InputOutcome, LogIndex } from './types.ts'

const ROUNDS_MAX = 2

/** A read of this server: queued on the leader, forwarded by a follower. */
export function requestRead(state: RaftState, context: string): InputOutcome {
  const role = state.role
  switch (role.kind) {
    case 'leader':
      if (role.waitingReads.length >= state.options.readsMax) return rejected('busy')
      role.waitingReads.push({ context, from: null })
      return { kind: 'done' }
    case 'follower':
      if (role.leader === null) return rejected('no-leader')
      if (role.forwardedReads.size >= state.options.readsMax) return rejected('busy')
      role.forwardedReads.add(context)
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
  if (!role.forwardedReads.delete(message.context)) return
  state.outbox.reads.push({ context: message.context, index: message.index })
}

/** Starts a round for what waits, if it may; called once for each pull so that reads of a turn share one. */
export function startReadRound(state: RaftState, role: LeaderRole): void {
  if (role.waitingReads.length === 0 || state.commit < role.noopIndex) return
  if (isSoleVoter(state.configs.active, state.id)) {
    for (const read of role.waitingReads) confirm(state, read, state.commit)
    role.waitingReads = []
    return
  }
  if (role.rounds.length >= ROUNDS_MAX) return
  role.readSeq++
  role.rounds.push({ seq: role.readSeq, index: state.commit, reads: role.waitingReads })
  role.waitingReads = []
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
    for (const read of round.reads) confirm(state, read, round.index)
  }
  role.rounds = pending
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
