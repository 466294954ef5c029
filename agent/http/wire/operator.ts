/**
 * What /v1/operator prints: Raft's configuration, autopilot, usage (http-api.md 20).
 */

import type {
  AutopilotConfig,
  AutopilotState,
  ServerHealth,
} from '../../../core/autopilot/types.ts'
import { formatDurationMs } from '../../../core/duration.ts'
import type { RaftConfigurationView } from '../../../core/rpc/operator.ts'
import { list, map, text, textList, textMap, time } from './json.ts'

export function raftConfigurationJson({ servers, index }: RaftConfigurationView): string {
  const printed = list(
    servers,
    (server) =>
      `{"ID":${text(server.id)},"Node":${text(server.node)},"Address":${text(server.address)},` +
      `"Leader":${server.isLeader},"ProtocolVersion":${text(server.protocolVersion)},` +
      `"Voter":${server.isVoter},"LastIndex":${server.lastIndex}}`,
  )
  return `{"Servers":${printed},"Index":${index}}`
}

export function autopilotConfigJson(config: AutopilotConfig): string {
  return (
    `{"CleanupDeadServers":${config.cleanupDeadServers},` +
    `"LastContactThreshold":${duration(config.lastContactThresholdMs)},` +
    `"MaxTrailingLogs":${config.maxTrailingLogs},"MinQuorum":${config.minQuorum},` +
    `"ServerStabilizationTime":${duration(config.serverStabilizationTimeMs)},` +
    `"RedundancyZoneTag":${text(config.redundancyZoneTag)},` +
    `"DisableUpgradeMigration":${config.disableUpgradeMigration},` +
    `"UpgradeVersionTag":${text(config.upgradeVersionTag)},` +
    `"CreateIndex":${config.createIndex},"ModifyIndex":${config.modifyIndex}}`
  )
}

export function autopilotHealthJson(state: AutopilotState): string {
  const servers = list(
    state.servers,
    (server) =>
      `{"ID":${text(server.id)},"Name":${text(server.name)},"Address":${text(server.address)},` +
      `"SerfStatus":${text(server.serfStatus)},"Version":${text(server.version)},` +
      `"Leader":${server.isLeader},${contactFields(server)},` +
      `"Healthy":${server.isHealthy},"Voter":${server.isVoter},` +
      `"StableSince":${time(server.stableSince)}}`,
  )
  return (
    `{"Healthy":${state.isHealthy},"FailureTolerance":${state.failureTolerance},` +
    `"Servers":${servers}}`
  )
}

export function autopilotStateJson(state: AutopilotState): string {
  const servers = Object.fromEntries(state.servers.map((server) => [server.id, server]))
  return (
    `{"Healthy":${state.isHealthy},"FailureTolerance":${state.failureTolerance},` +
    `"OptimisticFailureTolerance":${state.optimisticFailureTolerance},` +
    `"Servers":${map(servers, stateServerJson)},"Leader":${text(state.leader)},` +
    `"Voters":${textList(state.voters)}}`
  )
}

function stateServerJson(server: ServerHealth): string {
  return (
    `{"ID":${text(server.id)},"Name":${text(server.name)},"Address":${text(server.address)},` +
    `"NodeStatus":${text(server.serfStatus)},"Version":${text(server.version)},` +
    `${contactFields(server)},"Healthy":${server.isHealthy},` +
    `"StableSince":${time(server.stableSince)},"ReadReplica":false,` +
    `"Status":${text(statusOf(server))},"Meta":${textMap(server.meta)},"NodeType":"voter"}`
  )
}

function statusOf({ isLeader, isVoter }: ServerHealth): string {
  if (isLeader) return 'leader'
  return isVoter ? 'voter' : 'non-voter'
}

/** A server that did not answer shows no time, as in the reference; it is unhealthy then. */
function contactFields({ lastContactMs, lastTerm, lastIndex }: ServerHealth): string {
  return `"LastContact":${duration(lastContactMs ?? 0)},"LastTerm":${lastTerm},"LastIndex":${lastIndex}`
}

function duration(ms: number): string {
  return text(formatDurationMs(ms))
}

export interface Usage {
  readonly services: number
  readonly instances: number
  /** By kind, `connect-native` among them. */
  readonly connect: Readonly<Record<string, number>>
  readonly billable: number
  readonly nodes: number
}

export function usageJson(
  datacenter: string,
  usage: Usage,
  meta: {
    readonly index: number
    readonly knownLeader: boolean
    readonly lastContactMs: number
    readonly consistency: string
  },
): string {
  const { services, instances, connect, billable, nodes } = usage
  const kinds = CONNECT_KINDS.map((kind) => `${text(kind)}:${connect[kind] ?? 0}`).join(',')
  return (
    `{"Usage":{${text(datacenter)}:{"Services":${services},"ServiceInstances":${instances},` +
    `"ConnectServiceInstances":{${kinds}},"BillableServiceInstances":${billable},"Nodes":${nodes}}},` +
    `"Index":${meta.index},"LastContact":${Math.round(meta.lastContactMs * 1e6)},` +
    `"KnownLeader":${meta.knownLeader},"ConsistencyLevel":${text(meta.consistency)},` +
    '"NotModified":false,"Backend":0,"ResultsFilteredByACLs":false}'
  )
}

export const CONNECT_KINDS = [
  'connect-native',
  'connect-proxy',
  'ingress-gateway',
  'mesh-gateway',
  'terminating-gateway',
  'api-gateway',
] as const
