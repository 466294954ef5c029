/**
 * Elections: PreVote, Vote, and who may have ours (specification 4.1 to 4.4).
 *
 * PreVote and CheckQuorum are always on. A candidate's own vote counts, and its requests leave, only once
 * term and vote are durable; every reply leaves after the writes before it. A sole voter needs nobody and
 * does not wait for a timeout.
 */

import { isSoleVoter } from './configuration.ts'
import { becomeLeader } from './leader.ts'
import type { VoteReplyMessage, VoteRequestMessage } from './messages.ts'
import { quorumVote } from './quorum.ts'
import { adoptTerm, becomeCandidate, becomeFollower, isPromotable } from './roles.ts'
import { type CandidateRole, leaderOf, type RaftState } from './state.ts'
import { type ServerId, term } from './types.ts'

/** One tick of everyone but the leader. */
export function tickElection(state: RaftState): void {
  if (state.graceTicks > 0) state.graceTicks--
  state.electionElapsed++
  if (state.electionElapsed < state.electionTimeout || !isPromotable(state)) return
  campaign(state, 'pre-vote')
}

/**
 * Stands for election.
 *
 * @param kind `pre-vote` asks first and changes nothing; `vote` opens a new term; `transfer` does so on
 *   behalf of the leader and overrides its lease
 */
export function campaign(state: RaftState, kind: 'pre-vote' | 'vote' | 'transfer'): void {
  if (kind === 'pre-vote' && !isSoleVoter(state.configs.active, state.id)) {
    becomeCandidate(state, 'pre-candidate')
    ;(state.role as CandidateRole).votes.set(state.id, true)
    askForVotes(state, { kind: 'pre-vote', transfer: false })
    return
  }
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
  const granted = isFree && state.log.isUpToDate(message.lastIndex, message.lastTerm)
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

/** The first answer of each voter counts. Answers to another round or role are ignored. */
export function handleVoteReply(state: RaftState, message: VoteReplyMessage): void {
  const role = state.role
  const wanted = message.kind === 'pre-vote-reply' ? 'pre-candidate' : 'candidate'
  if (role.kind !== wanted) return
  const isForThisRound =
    message.kind === 'pre-vote-reply' && message.granted
      ? message.term === state.term + 1
      : message.term === state.term
  if (!isForThisRound) return
  if (!role.votes.has(message.from)) role.votes.set(message.from, message.granted)
  tally(state, role)
}

/** Term and vote of a candidate have become durable: its own vote counts now. */
export function countOwnVote(state: RaftState): void {
  const role = state.role
  if (role.kind !== 'candidate' || role.votes.has(state.id)) return
  if (state.durable.term !== state.term || state.durable.vote !== state.id) return
  role.votes.set(state.id, true)
  tally(state, role)
}

function tally(state: RaftState, role: CandidateRole): void {
  switch (quorumVote(state.configs.active, role.votes)) {
    case 'won':
      if (role.kind === 'pre-candidate') campaign(state, 'vote')
      else becomeLeader(state)
      return
    case 'lost':
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
