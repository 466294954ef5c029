/**
 * What this server says of itself to the others (Raft specification 12, 13.1). Pure.
 */

import type { PeerStats } from '../../core/rpc/peer-calls.ts'
import type { RaftStatus } from '../raft/types.ts'

export function peerStats(
  status: RaftStatus,
  self: { readonly nodeId: string; readonly bootstrapExpect: number; readonly version: string },
): PeerStats {
  return {
    serverId: self.nodeId,
    cluster: status.cluster,
    lastTerm: status.lastLogTerm,
    lastIndex: status.lastLogIndex,
    commitIndex: status.commitIndex,
    leaderId: status.leaderId,
    lastContactMs: Number.isFinite(status.lastContactMs) ? status.lastContactMs : null,
    bootstrapExpect: self.bootstrapExpect,
    version: self.version,
  }
}
