/**
 * Which dead servers are taken out of the configuration in this round (Raft specification 12). Pure.
 *
 * Order: learners that gossip does not know, such voters, failed learners, failed voters. Guarantees: at
 * most one voter a round, and never more than a minority of the potential voters; never fewer potential
 * voters than `minQuorum`; the healthy voters that stay are a quorum of the configuration that results; a
 * voter has been away for VOTER_AWAY_MIN_MS and somebody takes its place, or for VOTER_AWAY_MAX_MS. Its place is
 * taken when a learner is ready, or when the number of voters is even: then the newcomer votes already,
 * and the removal makes the quorum smaller. The leader is never removed. Nothing while a joint change runs.
 */

import { isPresent, isStable } from './state.ts'
import type { AutopilotInput, AutopilotState, ServerHealth } from './types.ts'

export const VOTER_AWAY_MIN_MS = 30_000
export const VOTER_AWAY_MAX_MS = 72 * 3_600_000
const VOTERS_A_ROUND = 1

export function removals(state: AutopilotState, input: AutopilotInput): readonly string[] {
  const { config, raft } = input
  if (!config.cleanupDeadServers || raft.configuration.outgoing.length > 0) return []
  const gone = state.servers.filter((server) => !isPresent(server) && !server.isLeader)
  const stale = gone.filter((server) => server.serfStatus === 'none')
  const failed = gone.filter((server) => server.serfStatus !== 'none')
  const inOrder = [stale, failed].flatMap((servers) => [
    ...servers.filter((server) => !server.isVoter),
    ...servers.filter((server) => server.isVoter),
  ])
  const potentialVoters = state.servers.length
  const votersMax = Math.min(VOTERS_A_ROUND, Math.floor((potentialVoters - 1) / 2))
  const removed: string[] = []
  let removedVoters = 0
  for (const server of inOrder) {
    if (potentialVoters - removed.length - 1 < config.minQuorum) break
    if (server.isVoter) {
      if (removedVoters >= votersMax || !mayLose(server, state, input)) continue
      removedVoters++
    }
    removed.push(server.id)
  }
  return removed
}

function mayLose(voter: ServerHealth, state: AutopilotState, input: AutopilotInput): boolean {
  const voters = state.servers.filter((server) => server.isVoter)
  const staying = voters.filter((server) => server.id !== voter.id)
  const healthy = staying.filter((server) => server.isHealthy).length
  if (healthy < Math.floor(staying.length / 2) + 1) return false
  const awayMs = input.now - (voter.notAliveSince ?? input.now)
  if (awayMs >= VOTER_AWAY_MAX_MS) return true
  if (awayMs < VOTER_AWAY_MIN_MS) return false
  const isReplaced = voters.length % 2 === 0
  return isReplaced || state.servers.some((server) => !server.isVoter && isStable(server, input))
}
