/**
 * Handing leadership over (specification 11).
 *
 * The leader stops taking proposals, brings the target to the end of its log and tells it once to stand for
 * election. Given up when not deposed within E of the start. The target stays a voter meanwhile, as changes
 * of the configuration are refused. A leader that was taken out of the configuration goes on as follower then. From the moment the target was
 * told, votes may be forced: no lease read is served for the rest of the reign (8.3).
 */

import { isHealthy } from './peers.ts'
import { becomeFollower } from './roles.ts'
import { sendAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import type { InputOutcome, ServerId } from './types.ts'

const DONE: InputOutcome = { kind: 'done' }

/** @param target null chooses the most advanced healthy voter */
export function requestTransfer(state: RaftState, target: ServerId | null): InputOutcome {
  const role = state.role
  if (role.kind !== 'leader') return { kind: 'rejected', reason: 'not-leader' }
  if (target !== null && role.transfer?.target === target) {
    state.mark('transfer.repeated')
    return DONE
  }
  const chosen = target ?? bestTarget(state, role)
  const fault = chosen === null ? 'no other voter is healthy' : targetFault(state, role, chosen)
  if (chosen === null || fault !== null) {
    state.mark('transfer.refused')
    return { kind: 'rejected', reason: 'invalid', detail: fault ?? 'no other voter is healthy' }
  }
  if (target === null) state.mark('transfer.chosen')
  if (role.transfer !== null) {
    if (role.transfer.target === chosen) return DONE
    state.mark('transfer.replaced')
  }
  beginTransfer(state, role, chosen)
  return DONE
}

export function beginTransfer(state: RaftState, role: LeaderRole, target: ServerId): void {
  state.mark('transfer.started')
  role.transfer = { target, startedAt: state.now, isTimeoutNowSent: false }
  if (tellWhenCaughtUp(state, role)) return
  const progress = role.progress.get(target)
  if (progress === undefined) return
  progress.resume()
  sendAppend(state, role, { id: target, progress, evenIfEmpty: true })
}

/** Called after every acknowledgement. @returns whether TimeoutNow was sent now */
export function tellWhenCaughtUp(state: RaftState, role: LeaderRole): boolean {
  const transfer = role.transfer
  if (transfer === null || transfer.isTimeoutNowSent) return false
  if (role.progress.get(transfer.target)?.countedMatch !== state.log.lastIndex) return false
  transfer.isTimeoutNowSent = true
  role.lease.forfeit()
  state.mark('transfer.timeout-now')
  state.outbox.messages.push({
    kind: 'timeout-now',
    from: state.id,
    to: transfer.target,
    term: state.term,
  })
  return true
}

/** One tick of a leader that hands over. @returns whether the transfer was given up */
export function tickTransfer(state: RaftState, role: LeaderRole): boolean {
  const transfer = role.transfer
  if (transfer === null) return false
  if (state.now - transfer.startedAt < state.options.electionTicks) return false
  state.mark('transfer.given-up')
  role.transfer = null
  return true
}

/** Taken out by a committed change: somebody else should lead at once (4.7, 10.7). */
export function leaveOffice(state: RaftState, role: LeaderRole): void {
  const target = bestTarget(state, role)
  if (role.transfer === null && target !== null) beginTransfer(state, role, target)
  if (role.transfer === null || role.transfer.isTimeoutNowSent) {
    becomeFollower(state, state.term, null)
  }
}

/** The most advanced healthy voter that stays one; the first in the order of ids among equals. */
export function bestTarget(state: RaftState, role: LeaderRole): ServerId | null {
  let best: ServerId | null = null
  let bestMatch = -1
  for (const id of state.configs.active.incoming) {
    const progress = role.progress.get(id)
    if (progress === undefined || !isHealthy(state, progress)) continue
    if (progress.match <= bestMatch) continue
    best = id
    bestMatch = progress.match
  }
  return best
}

function targetFault(state: RaftState, role: LeaderRole, target: ServerId): string | null {
  if (target === state.id) return `"${target}" is the leader`
  const progress = role.progress.get(target)
  if (progress === undefined) return `"${target}" is not a member`
  if (!state.configs.active.incoming.includes(target)) return `"${target}" is not a voter`
  if (!progress.isCounted) return `"${target}" has lost entries that it had acknowledged`
  if (!isHealthy(state, progress)) return `"${target}" has not been heard from lately`
  return null
}
