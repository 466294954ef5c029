/**
 * Elections: PreVote, Vote, and who may have ours (specification 4.1 to 4.4).
 *
 * PreVote and CheckQuorum are on but for the test port. A candidate's own vote counts, and its requests
 * leave, only once term and vote are durable; every reply leaves after the writes before it. A sole voter
 * needs nobody and does not wait for a timeout. Learners vote when asked, as they may be voters by now
 * without knowing; whether a vote counts is the candidate's configuration's matter. A server that is getting
 * lost entries back grants nothing (recovery.ts).
 */

import { isSoleVoter, isVoter } from './configuration.ts'
import { becomeLeader } from './leader.ts'
import type { VoteReplyMessage, VoteRequestMessage } from './messages.ts'
import { quorumVote } from './quorum.ts'
import { expireForwarded } from './read-index.ts'
import { adoptTerm, becomeCandidate, becomeFollower, isPromotable } from './roles.ts'
import { type CandidateRole, leaderOf, type RaftState } from './state.ts'
import { type ServerId, term } from './types.ts'

/** One tick of everyone but the leader. */
export function tickElection(state: RaftState): void {
  if (state.graceTicks > 0) state.graceTicks--
  if (state.role.kind === 'follower') expireForwarded(state, state.role)
  state.electionElapsed++
  if (state.electionElapsed < state.electionTimeout) return
  if (!isPromotable(state)) {
    state.mark('election.timeout.not-promotable')
    return
  }
  campaign(state, state.options.preVote ? 'pre-vote' : 'vote')
}

/**
 * Stands for election.
 *
 * @param kind `pre-vote` asks first and changes nothing; `vote` opens a new term; `transfer` does so on
 *   behalf of the leader and overrides its lease
 */
export function campaign(state: RaftState, kind: 'pre-vote' | 'vote' | 'transfer'): void {
  if (!isVoter(state.configs.active, state.id)) {
    state.mark('election.removed-uncommitted.campaigns')
  }
  if (kind === 'pre-vote' && !isSoleVoter(state.configs.active, state.id)) {
    state.mark('election.pre-vote.started')
    becomeCandidate(state, 'pre-candidate')
    ;(state.role as CandidateRole).votes.set(state.id, true)
    askForVotes(state, { kind: 'pre-vote', transfer: false })
    return
  }
  state.mark(kind === 'transfer' ? 'transfer.campaign' : 'election.vote.started')
  adoptTerm(state, term(state.term + 1))
  state.vote = state.id
  becomeCandidate(state, 'candidate')
  askForVotes(state, { kind: 'vote', transfer: kind === 'transfer' })
}

/** Grants or refuses; the term rules of 3.1 were applied before. */
export function handleVoteRequest(state: RaftState, message: VoteRequestMessage): void {
  const isPreVote = message.kind === 'pre-vote'
  const isFree =
    state.vote === message.from ||
    (state.vote === null && leaderOf(state) === null) ||
    (isPreVote && message.term > state.term)
  const isUpToDate = state.log.isUpToDate(message.lastIndex, message.lastTerm)
  const granted = isFree && isUpToDate && state.recovery === null
  if (!granted) markRefusal(state, { isPreVote, isFree, isUpToDate })
  else if (!isPreVote && state.vote === message.from) state.mark('election.vote.repeated')
  if (granted && !isPreVote) {
    state.vote = message.from
    state.electionElapsed = 0
  }
  state.outbox.messagesAfterAppend.push({
    kind: isPreVote ? 'pre-vote-reply' : 'vote-reply',
    from: state.id,
    to: message.from,
    term: granted && isPreVote ? message.term : state.term,
    granted,
  })
}

function markRefusal(
  state: RaftState,
  why: { readonly isPreVote: boolean; readonly isFree: boolean; readonly isUpToDate: boolean },
): void {
  if (state.recovery !== null) state.mark('recovery.vote-refused')
  if (!why.isFree) state.mark('election.vote.refused-given-away')
  if (why.isUpToDate) return
  state.mark(
    why.isPreVote ? 'election.pre-vote.refused-stale-log' : 'election.vote.refused-stale-log',
  )
}

/** The first answer of each voter counts. Answers to another round or role are ignored. */
export function handleVoteReply(state: RaftState, message: VoteReplyMessage): void {
  const role = state.role
  const wanted = message.kind === 'pre-vote-reply' ? 'pre-candidate' : 'candidate'
  if (role.kind !== wanted) {
    state.mark('election.reply.late')
    return
  }
  const isForThisRound =
    message.kind === 'pre-vote-reply' && message.granted
      ? message.term === state.term + 1
      : message.term === state.term
  if (!isForThisRound) return
  if (role.votes.has(message.from)) state.mark('election.reply.doubled')
  else role.votes.set(message.from, message.granted)
  tally(state, role)
}

/** Term and vote of a candidate have become durable: its own vote counts now. */
export function countOwnVote(state: RaftState): void {
  const role = state.role
  if (role.kind !== 'candidate' || role.votes.has(state.id)) return
  if (state.durable.term !== state.term || state.durable.vote !== state.id) return
  state.mark('election.vote.own-durable')
  role.votes.set(state.id, true)
  tally(state, role)
}

function tally(state: RaftState, role: CandidateRole): void {
  const isPreVote = role.kind === 'pre-candidate'
  switch (quorumVote(state.configs.active, role.votes)) {
    case 'won':
      state.mark(isPreVote ? 'election.pre-vote.won' : 'election.vote.won')
      if (isPreVote) campaign(state, 'vote')
      else becomeLeader(state)
      return
    case 'lost':
      state.mark(isPreVote ? 'election.pre-vote.lost' : 'election.vote.lost')
      becomeFollower(state, state.term, null)
      return
    case 'pending':
      return
  }
}

function askForVotes(
  state: RaftState,
  ballot: { readonly kind: 'pre-vote' | 'vote'; readonly transfer: boolean },
): void {
  const last = state.log.last
  for (const id of otherVoters(state)) {
    state.outbox.messagesAfterAppend.push({
      kind: ballot.kind,
      from: state.id,
      to: id,
      term: ballot.kind === 'pre-vote' ? term(state.term + 1) : state.term,
      lastIndex: last.index,
      lastTerm: last.term,
      transfer: ballot.transfer,
    })
  }
}

function otherVoters(state: RaftState): readonly ServerId[] {
  const { incoming, outgoing } = state.configs.active
  return [...new Set([...incoming, ...outgoing])].filter((id) => id !== state.id).sort()
}
