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
  // An image belongs to who offered it; what is already received is taken whoever leads (images.ts).
  if (state.installing !== null && state.installing.from !== leader) state.installing = null
  changeRole(state, { kind: 'follower', leader, forwardedReads: new Map() })
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

/** May stand for election by itself: out of its grace, and whole (4.2). */
export function isPromotable(state: RaftState): boolean {
  return state.graceTicks === 0 && mayCampaign(state)
}

/**
 * May stand for election when the leader asks it to. Who is taken out by an entry that is not known to be
 * committed may too: it can be the only one whose log is long enough to win (4.2).
 */
export function mayCampaign(state: RaftState): boolean {
  if (state.role.kind === 'failed' || state.role.kind === 'leader') return false
  if (state.installing !== null || state.recovery !== null || state.isDiskSick) return false
  const { configs, commit, id } = state
  if (isVoter(configs.active, id)) return true
  return configs.activeIndex > commit && isVoter(configs.at(commit).configuration, id)
}

/** A live leader is known, or may exist for all we know after a restart: votes are not given (3.1, 4.6). */
export function isInLease(state: RaftState): boolean {
  if (!state.options.checkQuorum) return false
  if (state.graceTicks > 0) return true
  if (state.role.kind === 'leader') return true
  return (
    state.role.kind === 'follower' &&
    state.role.leader !== null &&
    state.electionElapsed < state.options.electionTicks
  )
}

function failReads(state: RaftState): void {
  const failed = state.outbox.readsFailed
  const before = failed.length
  if (state.role.kind === 'follower') failed.push(...state.role.forwardedReads.keys())
  if (state.role.kind === 'leader') {
    const rounds = state.role.rounds.flatMap((round) => round.reads)
    for (const read of [...rounds, ...state.role.waitingReads]) {
      if (read.from === null) failed.push(read.context)
    }
  }
  if (failed.length > before) state.mark('read.failed')
}
