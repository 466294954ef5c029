/**
 * Who takes part, changed through the log (specification 10).
 *
 * A configuration is in force from the moment its entry is appended, here and on followers, until the entry
 * is truncated. Guarantees: never before an entry of this term is committed (10.3), at most one uncommitted
 * change, adjacent configurations share quorums, and no change but a forced one leaves fewer healthy voters
 * than the new quorum needs (10.7). A leader that a change takes out goes on, without counting itself, until
 * the change is committed.
 */

import { appendOwn } from './appending.ts'
import {
  type Configuration,
  type ConfigurationChange,
  encodeConfiguration,
  isVoter,
} from './configuration.ts'
import { changeConfiguration, votersLost } from './configuration-change.ts'
import { alignProgress, isHealthy, quorumContactAt } from './peers.ts'
import { majorityOf } from './quorum.ts'
import { broadcastAppend, sendAppend } from './sending.ts'
import type { LeaderRole, RaftState } from './state.ts'
import { leaveOffice } from './transfer.ts'
import type { InputOutcome, LogIndex, RejectReason } from './types.ts'

export function proposeConfiguration(state: RaftState, change: ConfigurationChange): InputOutcome {
  const role = state.role
  if (role.kind !== 'leader') return rejected('not-leader')
  if (role.transfer !== null) {
    state.mark('transfer.proposal-refused')
    return rejected('transferring')
  }
  if (state.commit < role.noopIndex) {
    state.mark('config.refused.noop')
    return rejected('config-pending', 'nothing of this term is committed yet')
  }
  if (state.configs.activeIndex > state.commit) {
    state.mark('config.refused.pending')
    return rejected('config-pending', 'the change before this one is not committed yet')
  }
  if (isWithoutQuorum(state, role)) return rejected('no-quorum')
  const result = changeConfiguration(state.configs.active, change)
  if (result.kind === 'refused') {
    state.mark('config.refused.invalid')
    return rejected('invalid', result.detail)
  }
  const fault = quorumFault(state, role, result.configuration)
  if (fault !== null) {
    if (change.kind !== 'simple' || change.force !== true) {
      state.mark('config.refused.unhealthy')
      return rejected('invalid', fault)
    }
    state.mark('config.forced')
  }
  const firstIndex = appendConfiguration(state, role, result.configuration)
  if (change.kind === 'enter-joint') state.mark('config.joint.entered')
  if (change.kind === 'leave-joint') state.mark('config.joint.left')
  return { kind: 'appended', term: state.term, firstIndex }
}

/** No quorum was heard from for twice the lease (4.7). */
export function isWithoutQuorum(state: RaftState, role: LeaderRole): boolean {
  if (!state.options.checkQuorum) return false
  return state.now - quorumContactAt(state, role) > 2 * state.options.leaseTicks
}

/** The commit index of the leader moved: what waits for a committed configuration happens now. */
export function onCommitted(state: RaftState, role: LeaderRole): void {
  tellDeparting(state, role)
  leaveJointByItself(state, role)
  const { configs, commit, id } = state
  if (configs.activeIndex > commit || commit < role.noopIndex) return
  if (isVoter(configs.active, id)) return
  const isMember = configs.active.learners.includes(id)
  state.mark(isMember ? 'config.leader.demoted' : 'config.leader.removed')
  leaveOffice(state, role)
}

/** With `autoLeave` the leader ends the joint phase as soon as its entry is committed (10.4). */
export function leaveJointByItself(state: RaftState, role: LeaderRole): void {
  const { active, activeIndex } = state.configs
  if (!active.autoLeave || activeIndex > state.commit || state.commit < role.noopIndex) return
  if (role.transfer !== null) return
  const result = changeConfiguration(active, { kind: 'leave-joint' })
  if (result.kind !== 'changed') return
  state.mark('config.joint.left-by-itself')
  appendConfiguration(state, role, result.configuration)
}

function appendConfiguration(
  state: RaftState,
  role: LeaderRole,
  configuration: Configuration,
): LogIndex {
  const data = encodeConfiguration(configuration)
  const index = appendOwn(state, [{ type: 'config', data }])
  role.uncommittedBytes += data.length
  state.configs.push(index, configuration)
  state.mark('config.appended')
  alignProgress(state, role, { heardAt: state.now })
  broadcastAppend(state, role)
  return index
}

/** The last append to a server that was taken out carries the news that this is committed. */
function tellDeparting(state: RaftState, role: LeaderRole): void {
  for (const [id, { progress, until }] of role.departing) {
    if (until > state.commit) continue
    if (progress.next > until) state.mark('config.peer.told')
    else sendAppend(state, role, { id, progress, evenIfEmpty: true })
    role.departing.delete(id)
  }
}

/** Why the voters that are left could not decide anything; null when they can, or none was taken out (10.7). */
function quorumFault(state: RaftState, role: LeaderRole, next: Configuration): string | null {
  if (votersLost(state.configs.active, next).length === 0) return null
  const needed = majorityOf(next.incoming.length)
  const healthy = next.incoming.filter((id) => {
    const progress = role.progress.get(id)
    // Itself, or new with this very change: like every new peer it starts as heard from.
    return progress === undefined || isHealthy(state, progress)
  }).length
  if (healthy >= needed) return null
  return `${healthy} of the ${next.incoming.length} voters would be healthy, and ${needed} are needed`
}

function rejected(reason: RejectReason, detail?: string): InputOutcome {
  return detail === undefined ? { kind: 'rejected', reason } : { kind: 'rejected', reason, detail }
}
