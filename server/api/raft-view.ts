/**
 * Raft's configuration as operators see it (http-api.md 20). Pure.
 */

import { isVoter } from '../../core/raft/configuration.ts'
import type { RaftConfigurationView } from '../../core/rpc/operator.ts'
import type { RaftStatus } from '../raft/types.ts'

const UNKNOWN_NODE = '(unknown)'
const RAFT_PROTOCOL = '3'

/** @param nameOf the node's name, undefined for a server that gossip does not know */
export function raftConfigurationView(
  status: RaftStatus,
  selfId: string,
  nameOf: (id: string) => string | undefined,
): RaftConfigurationView {
  const { configuration } = status
  return {
    index: status.configurationIndex,
    servers: configuration.addresses.map(({ id, address }) => ({
      id,
      node: nameOf(id) ?? UNKNOWN_NODE,
      address,
      isLeader: id === status.leaderId,
      isVoter: isVoter(configuration, id),
      protocolVersion: RAFT_PROTOCOL,
      lastIndex: id === selfId ? status.lastLogIndex : (status.progress.get(id)?.matchIndex ?? 0),
    })),
  }
}
