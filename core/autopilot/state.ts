/**
 * Judges the health of every server of the configuration and what the cluster can bear. Pure.
 *
 * Healthy is who is alive by gossip, heard a leader lately, is in the leader's term and not far behind its
 * log. `stableSince` moves only when that verdict changes. A server that gossip does not know, or that did
 * not answer, is unhealthy. Source: Raft specification 12. Cost: O(servers).
 */

import { type Configuration, isVoter, type MemberAddress } from '../raft/configuration.ts'
import type { AutopilotInput, AutopilotState, KnownServer, ServerHealth } from './types.ts'

const UNKNOWN: Omit<KnownServer, 'id' | 'address'> = {
  name: '(unknown)',
  status: 'none',
  version: '',
  meta: {},
}

export function autopilotState(input: AutopilotInput): AutopilotState {
  const { configuration, leaderId } = input.raft
  const known = new Map(input.known.map((server) => [server.id, server]))
  const former = new Map(input.previous?.servers.map((server) => [server.id, server]))
  const servers = configuration.addresses.map((member) => {
    return judge(member, known.get(member.id), former.get(member.id), input)
  })
  const failureTolerance = toleranceOf(configuration, servers)
  return {
    isHealthy: servers.length > 0 && servers.every((server) => server.isHealthy),
    failureTolerance,
    // Standbys that would vote at once exist only with redundancy zones.
    optimisticFailureTolerance: failureTolerance,
    leader: leaderId,
    voters: servers.filter((server) => server.isVoter).map((server) => server.id),
    servers,
  }
}

/** Counts for a quorum as far as gossip can tell: "leaving" is still there. */
export function isPresent(server: Pick<ServerHealth, 'serfStatus'>): boolean {
  return server.serfStatus === 'alive' || server.serfStatus === 'leaving'
}

/** Healthy for as long as the settings ask for; any healthy time will do while autopilot itself is new. */
export function isStable(server: ServerHealth, input: AutopilotInput): boolean {
  const { serverStabilizationTimeMs } = input.config
  if (!server.isHealthy) return false
  if (input.now - input.runningSince < serverStabilizationTimeMs) return true
  return input.now - server.stableSince >= serverStabilizationTimeMs
}

function judge(
  member: MemberAddress,
  known: KnownServer | undefined,
  former: ServerHealth | undefined,
  input: AutopilotInput,
): ServerHealth {
  const { raft, config, now } = input
  const server = known ?? { ...UNKNOWN, ...member }
  const isLeader = server.id === raft.leaderId
  const stats = isLeader
    ? { lastContactMs: 0, lastTerm: raft.term, lastIndex: raft.lastIndex }
    : (input.stats.get(server.id) ?? { lastContactMs: null, lastTerm: 0, lastIndex: 0 })
  const isHealthy =
    server.status === 'alive' &&
    stats.lastContactMs !== null &&
    stats.lastContactMs >= 0 &&
    stats.lastContactMs <= config.lastContactThresholdMs &&
    stats.lastTerm === raft.term &&
    stats.lastIndex + config.maxTrailingLogs >= raft.lastIndex
  const hasChanged = former === undefined || former.isHealthy !== isHealthy
  return {
    id: server.id,
    name: server.name,
    address: server.address,
    serfStatus: server.status,
    version: server.version,
    isLeader,
    isVoter: isVoter(raft.configuration, member.id),
    ...stats,
    isHealthy,
    stableSince: hasChanged ? now : former.stableSince,
    ...(server.status === 'alive' ? {} : { notAliveSince: former?.notAliveSince ?? now }),
    meta: server.meta,
  }
}

function toleranceOf(configuration: Configuration, servers: readonly ServerHealth[]): number {
  const healthy = new Set(servers.filter((server) => server.isHealthy).map((server) => server.id))
  const halves = [configuration.incoming, configuration.outgoing].filter((half) => half.length > 0)
  const spare = halves.map((half) => {
    const quorum = Math.floor(half.length / 2) + 1
    return half.filter((id) => healthy.has(id)).length - quorum
  })
  return spare.length === 0 ? 0 : Math.max(0, Math.min(...spare))
}
