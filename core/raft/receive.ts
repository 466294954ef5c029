/**
 * What every message goes through before the rules of a role: recipient, term, lease (specification 3.1).
 */

import { campaign, handleVoteReply, handleVoteRequest } from './election.ts'
import { handleAppend, handleHeartbeat } from './following.ts'
import { handleSnapshotOffer } from './images.ts'
import type { RaftMessage, VoteRequestMessage } from './messages.ts'
import { handleReadReply, handleReadRequest } from './read-index.ts'
import { handleAppendAck, handleAppendReject, handleHeartbeatAck } from './replication.ts'
import { becomeFollower, halt, isInLease, mayCampaign } from './roles.ts'
import { type RaftState, replyStatus } from './state.ts'
import { logIndex } from './types.ts'

export function receive(state: RaftState, message: RaftMessage): void {
  if (message.to !== state.id || message.from === state.id) return
  if (isVoteRequest(message) && isRefusedByLease(state, message)) return
  if (message.term > state.term) adoptLaterTerm(state, message)
  else if (message.term < state.term) {
    answerEarlierTerm(state, message)
    return
  }
  if (isFromLeader(message) && !followSender(state, message)) return
  dispatch(state, message)
}

/** Requests of other candidates are ignored, not refused, while a leader is alive: no term moves. */
function isRefusedByLease(state: RaftState, message: VoteRequestMessage): boolean {
  if (message.term < state.term || !isInLease(state)) return false
  if (message.transfer) {
    state.mark('election.lease.overridden')
    return false
  }
  state.mark(state.graceTicks > 0 ? 'election.grace.refused' : 'election.lease.refused')
  return true
}

function adoptLaterTerm(state: RaftState, message: RaftMessage): void {
  if (message.kind === 'pre-vote') return
  if (message.kind === 'pre-vote-reply' && message.granted) return
  const { kind } = state.role
  state.mark(kind === 'leader' ? 'term.later.leader-stepped-down' : 'term.later.adopted')
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : null)
}

/** Tells a leader of an earlier term, or a pre-candidate, that time has moved on; drops the rest. */
function answerEarlierTerm(state: RaftState, message: RaftMessage): void {
  const { preVote, checkQuorum } = state.options
  if (isFromLeader(message) && (preVote || checkQuorum)) {
    state.mark('term.earlier.leader-told')
    state.outbox.messagesAfterAppend.push({
      kind: 'append-ack',
      from: state.id,
      to: message.from,
      term: state.term,
      matchIndex: logIndex(0),
      seq: 0,
      ...replyStatus(state),
    })
  } else if (message.kind === 'pre-vote') {
    state.mark('term.earlier.pre-vote-told')
    state.outbox.messagesAfterAppend.push({
      kind: 'pre-vote-reply',
      from: state.id,
      to: message.from,
      term: state.term,
      granted: false,
    })
  } else {
    state.mark('term.earlier.dropped')
  }
}

/** @returns false when there would be two leaders in one term, which ends this server */
function followSender(state: RaftState, message: RaftMessage): boolean {
  const role = state.role
  if (role.kind === 'leader') {
    halt(state, `"${message.from}" also leads in term ${state.term}`)
    return false
  }
  if (role.kind === 'follower' && role.leader === message.from) {
    state.electionElapsed = 0
    return true
  }
  if (role.kind !== 'follower') state.mark('candidate.follows-equal-term')
  becomeFollower(state, state.term, message.from)
  return true
}

function dispatch(state: RaftState, message: RaftMessage): void {
  const role = state.role
  switch (message.kind) {
    case 'append':
      handleAppend(state, message)
      return
    case 'heartbeat':
      handleHeartbeat(state, message)
      return
    case 'append-ack':
      if (role.kind === 'leader') handleAppendAck(state, role, message)
      return
    case 'append-reject':
      if (role.kind === 'leader') handleAppendReject(state, role, message)
      return
    case 'heartbeat-ack':
      if (role.kind === 'leader') handleHeartbeatAck(state, role, message)
      return
    case 'pre-vote':
    case 'vote':
      handleVoteRequest(state, message)
      return
    case 'pre-vote-reply':
    case 'vote-reply':
      handleVoteReply(state, message)
      return
    case 'timeout-now':
      // The start-up grace does not hold this back: it is the leader itself that gives up its lease.
      if (mayCampaign(state)) campaign(state, 'transfer')
      return
    case 'read-request':
      handleReadRequest(state, message)
      return
    case 'read-reply':
      handleReadReply(state, message)
      return
    case 'snapshot-offer':
      handleSnapshotOffer(state, message)
      return
  }
}

function isVoteRequest(message: RaftMessage): message is VoteRequestMessage {
  return message.kind === 'pre-vote' || message.kind === 'vote'
}

function isFromLeader(message: RaftMessage): boolean {
  return (
    message.kind === 'append' || message.kind === 'heartbeat' || message.kind === 'snapshot-offer'
  )
}
