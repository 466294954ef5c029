/**
 * Raft's state in the words of Consul's `Stats.raft` (http-api.md 9.1): every value is text. Pure.
 */

import type { RaftStatus } from '../raft/types.ts'

const ROLE_NAMES: Readonly<Record<RaftStatus['role'], string>> = {
  leader: 'Leader',
  follower: 'Follower',
  'pre-candidate': 'Candidate',
  candidate: 'Candidate',
  failed: 'Shutdown',
}

export function raftStats(status: RaftStatus, selfId: string): Record<string, string> {
  const others = status.peers.filter((peer) => peer.voter && peer.id !== selfId)
  return {
    state: ROLE_NAMES[status.role],
    term: String(status.term),
    last_log_index: String(status.lastLogIndex),
    last_log_term: String(status.lastLogTerm),
    commit_index: String(status.commitIndex),
    applied_index: String(status.appliedIndex),
    last_snapshot_index: String(status.lastSnapshotIndex),
    last_snapshot_term: String(status.lastSnapshotTerm),
    num_peers: String(others.length),
    last_contact: lastContact(status),
  }
}

function lastContact(status: RaftStatus): string {
  if (status.role === 'leader') return '0'
  return Number.isFinite(status.lastContactMs) ? `${Math.round(status.lastContactMs)}ms` : 'never'
}
