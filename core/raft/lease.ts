/**
 * Whether this server may answer a read by its lease alone (specification 8.3).
 *
 * Holds while a quorum has acknowledged a heartbeat that left less than L ago: each of them refuses its vote
 * for E > L after hearing it, also over a restart (4.6), so that nobody else can lead yet. Assumes clocks
 * whose rates differ by less than E / L; a process that may be paused without its clock moving must not use
 * it, and says `stalled` when it finds that ticks were missed.
 */

import { isSoleVoter } from './configuration.ts'
import { NEVER } from './lease-clock.ts'
import { quorumValue } from './quorum.ts'
import type { RaftState } from './state.ts'

export function holdsLease(state: RaftState): boolean {
  const role = state.role
  if (role.kind !== 'leader' || role.transfer !== null || !state.options.checkQuorum) return false
  if (isSoleVoter(state.configs.active, state.id)) return true
  const sentAt = quorumValue(state.configs.active, (id) => {
    if (id === state.id) return state.now
    const progress = role.progress.get(id)
    return progress?.isCounted === true ? progress.leaseAt : NEVER
  })
  return role.lease.holds(state.now, sentAt)
}

/** Ticks were missed: what was acknowledged before proves nothing now. */
export function noteStall(state: RaftState): void {
  if (state.role.kind !== 'leader') return
  state.mark('lease.stalled')
  state.role.lease.stalled()
  for (const progress of state.role.progress.values()) progress.leaseAt = NEVER
}
