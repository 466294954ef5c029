/**
 * What a server says about itself, from its core: `RaftStatus`, and what compaction asks of the followers.
 */

import { EMPTY_CONFIGURATION, isVoter } from '../../core/raft/configuration.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { PeerProgress, RaftStatus } from './types.ts'

export const STATUS_BEFORE_START: RaftStatus = {
  role: 'follower',
  term: 0,
  leaderId: null,
  commitIndex: 0,
  appliedIndex: 0,
  lastLogIndex: 0,
  lastLogTerm: 0,
  lastSnapshotIndex: 0,
  lastSnapshotTerm: 0,
  lastContactMs: Number.POSITIVE_INFINITY,
  peers: [],
  configuration: EMPTY_CONFIGURATION,
  configurationIndex: 0,
  progress: new Map(),
  isRecovering: false,
  cluster: null,
}

/** @param lastContactMs since the last message of a leader; 0 while leading */
export function statusOf(
  core: RaftCore,
  host: { readonly lastContactMs: number; readonly cluster: ClusterName | null },
): RaftStatus {
  const { configuration } = core
  return {
    role: core.role,
    term: core.term,
    leaderId: core.leader,
    commitIndex: core.commit,
    appliedIndex: core.applied,
    lastLogIndex: core.last.index,
    lastLogTerm: core.last.term,
    lastSnapshotIndex: core.snapshot?.index ?? 0,
    lastSnapshotTerm: core.snapshot?.term ?? 0,
    lastContactMs: host.lastContactMs,
    peers: configuration.addresses.map(({ id, address }) => ({
      id,
      address,
      voter: isVoter(configuration, id),
    })),
    configuration,
    configurationIndex: core.configurationIndex,
    progress: progressOf(core),
    isRecovering: core.isRecovering,
    cluster: host.cluster,
  }
}

/** How far followers match that were heard lately; empty unless leading. */
export function activeMatches(core: RaftCore): readonly number[] {
  const matches: number[] = []
  for (const peer of core.peers.values()) {
    if (peer.isRecentlyActive && !peer.isAmnesiac) matches.push(peer.match)
  }
  return matches
}

function progressOf(core: RaftCore): ReadonlyMap<string, PeerProgress> {
  const progress = new Map<string, PeerProgress>()
  for (const [id, { match, mode, isRecentlyActive, isAmnesiac }] of core.peers) {
    progress.set(id, { matchIndex: match, mode, isActive: isRecentlyActive, isAmnesiac })
  }
  return progress
}
