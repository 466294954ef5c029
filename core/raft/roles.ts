/**
 * Changes of role and term: what is forgotten, what is redrawn (specification 3.1, 4.1, 4.7).
 *
 * Guarantees that the term never decreases, that a new term starts without a vote, and that reads which
 * the old role had promised are reported as failed.
 */

import { assert } from '../assert.ts'
import { isVoter } from './configuration.ts'
import type { RaftState, Role } from './state.ts'
import type { ServerId, Term } from './types.ts'

export function becomeFollower(state: RaftState, term: Term, leader: ServerId | null): void {
  if (state.role.kind === 'failed') return
  adoptTerm(state, term)
  changeRole(state, { kind: 'follower', leader, forwardedReads: new Set() })
}

export function becomeCandidate(state: RaftState, kind: 'pre-candidate' | 'candidate'): void {
  assert(state.role.kind !== 'leader', 'a leader does not campaign')
  changeRole(state, { kind, votes: new Map() })
}

/** Broken safety or failed storage: nothing is said or done from here on. */
export function halt(state: RaftState, reason: string): void {
  if (state.role.kind === 'failed') return
  changeRole(state, { kind: 'failed', reason })
}

/** A later term clears the vote. */
export function adoptTerm(state: RaftState, term: Term): void {
  assert(term >= state.term, 'the term never decreases')
  if (term === state.term) return
  state.term = term
  state.vote = null
}

export function changeRole(state: RaftState, role: Role): void {
  failReads(state)
  state.role = role
  state.electionElapsed = 0
  state.heartbeatElapsed = 0
  state.electionTimeout = drawElectionTimeout(state)
}

/** Uniform in [E, 2E-1] (4.1). */
export function drawElectionTimeout(state: Pick<RaftState, 'rng' | 'options'>): number {
  const base = state.options.electionTicks
  return state.rng.range(base, 2 * base)
}

/** May stand for election: a voter of the latest configuration, and out of its grace (4.2). */
export function isPromotable(state: RaftState): boolean {
  return (
    state.role.kind !== 'failed' &&
    state.role.kind !== 'leader' &&
    state.graceTicks === 0 &&
    isVoter(state.configs.active, state.id)
  )
}

/** A live leader is known, or may exist for all we know after a restart: votes are not given (3.1, 4.6). */
export function isInLease(state: RaftState): boolean {
  if (state.graceTicks > 0) return true
  if (state.role.kind === 'leader') return true
  return (
    state.role.kind === 'follower' &&
    state.role.leader !== null &&
    state.electionElapsed < state.options.electionTicks
  )
}

/** Acknowledged entries were lost here and are not all back yet (14.5). */
export function isRecovering(state: RaftState): boolean {
  return state.recovery !== null
}

/** What every answer to an append says about this server. */
export function replyStatus(state: RaftState) {
  return {
    boot: state.options.boot,
    isRecovering: isRecovering(state),
    lastIndex: state.log.lastIndex,
    appliedIndex: state.applied,
  }
}

function failReads(state: RaftState): void {
  const failed = state.outbox.readsFailed
  if (state.role.kind === 'follower') failed.push(...state.role.forwardedReads)
  if (state.role.kind !== 'leader') return
  const rounds = state.role.rounds.flatMap((round) => round.reads)
  for (const read of [...rounds, ...state.role.waitingReads]) {
    if (read.from === null) failed.push(read.context)
  }
}
