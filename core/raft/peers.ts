/**
 * The leader's peers: one progress for each member of the active configuration but itself.
 *
 * Who is taken out by a change stays in `departing` until it was sent the entry that takes it out and the
 * news that this is committed (specification 10.7, best effort); it counts for nothing from the moment the
 * entry is appended. Bound: the members of one configuration, and those of one uncommitted change.
 */

import { memberIds } from './configuration.ts'
import { Progress } from './progress.ts'
import { quorumValue, quorumVote } from './quorum.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { logIndex, type ServerId } from './types.ts'

/** Gives every peer of the active configuration a progress. */
export function alignProgress(
  state: RaftState,
  role: LeaderRole,
  options: { readonly heardAt: number },
): void {
  const aligned = new Map<ServerId, Progress>()
  for (const id of memberIds(state.configs.active)) {
    if (id === state.id) continue
    const known = role.progress.get(id) ?? role.departing.get(id)?.progress
    if (known === undefined && options.heardAt === state.now) state.mark('config.peer.added')
    aligned.set(id, known ?? freshProgress(state, options.heardAt))
    role.departing.delete(id)
  }
  for (const [id, progress] of role.progress) {
    if (aligned.has(id)) continue
    state.mark('config.peer.departing')
    role.departing.set(id, { progress, until: state.configs.activeIndex })
  }
  role.progress = aligned
}

/** The progress of whoever is sent to, counted or departing. */
export function progressOf(role: LeaderRole, id: ServerId): Progress | undefined {
  return role.progress.get(id) ?? role.departing.get(id)?.progress
}

/** A message within the last E ticks (4.7). */
export function isActive(state: RaftState, progress: Progress): boolean {
  return state.now - progress.heardAt <= state.options.electionTicks
}

/** Active, and holding what it acknowledged: it counts as a healthy voter (10.7). */
export function isHealthy(state: RaftState, progress: Progress): boolean {
  return progress.isCounted && isActive(state, progress)
}

export function hasActiveQuorum(state: RaftState, role: LeaderRole): boolean {
  const heard = new Map<ServerId, boolean>([[state.id, true]])
  for (const [id, progress] of role.progress) heard.set(id, isHealthy(state, progress))
  return quorumVote(state.configs.active, heard) === 'won'
}

/** The tick since which a quorum has been heard from; the beginning of the reign at the earliest. */
export function quorumContactAt(state: RaftState, role: LeaderRole): number {
  const contact = quorumValue(state.configs.active, (id) => {
    if (id === state.id) return state.now
    const progress = role.progress.get(id)
    return progress?.isCounted === true ? Math.max(role.since, progress.heardAt) : role.since
  })
  return Math.max(contact, role.since)
}

function freshProgress(state: RaftState, heardAt: number): Progress {
  return new Progress(logIndex(state.log.lastIndex + 1), {
    heardAt,
    inflightMessagesMax: state.options.inflightMessagesMax,
    inflightBytesMax: state.options.inflightBytesMax,
  })
}
