/**
 * The commit index (specification 7).
 *
 * Guarantees: it never decreases, never passes the end of the log, and on the leader it only moves to an
 * entry of the leader's own term that a quorum has made durable. Its own disk counts as its own match, and
 * only while it is a voter; a peer that lost data counts for nothing.
 */

import { onCommitted } from './membership.ts'
import { quorumValue } from './quorum.ts'
import { halt } from './roles.ts'
import { broadcastAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { type LogIndex, logIndex } from './types.ts'

/**
 * Recomputes the commit index of the leader. That it moved is told with the next batch of output, so that
 * proposals of the same turn carry it and no message goes for it alone; only a committed configuration is
 * told at once, as afterwards this server may lead no more: the change may have taken it out.
 */
export function advanceLeaderCommit(state: RaftState, role: LeaderRole): boolean {
  const matched = quorumValue(state.configs.active, (id) =>
    id === state.id ? state.tracker.durable : (role.progress.get(id)?.countedMatch ?? 0),
  )
  if (matched <= state.commit) return false
  if (state.log.term(matched) !== state.term) {
    state.mark('commit.earlier-term.waits')
    return false
  }
  if (matched > state.tracker.durable) state.mark('commit.before-own-disk')
  for (let index = state.commit + 1; index <= matched; index++) {
    role.uncommittedBytes -= state.log.entry(index)?.data.length ?? 0
  }
  role.uncommittedBytes = Math.max(0, role.uncommittedBytes)
  const hasConfiguration = state.configs.activeIndex > state.commit
  state.commit = logIndex(matched)
  if (hasConfiguration) broadcastAppend(state, role)
  else role.isCommitUntold = role.progress.size > 0 || role.departing.size > 0
  onCommitted(state, role)
  return true
}

/** Takes over a commit index that is known to be within the part of the log that matches the leader's. */
export function advanceFollowerCommit(state: RaftState, commit: LogIndex): void {
  if (commit <= state.commit) return
  if (commit > state.log.lastIndex) {
    halt(
      state,
      `entries up to ${commit} are committed, the log ends at ${state.log.lastIndex}: this server lost what it had acknowledged, so its id is spent; start it with an empty data directory and a new node id, and it joins as a new server`,
    )
    return
  }
  state.commit = commit
}
