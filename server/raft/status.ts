/**
 * The status of a server as `RaftStatus`, from its core.
 */

import { isVoter } from '../../core/raft/configuration.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import type { RaftStatus } from './types.ts'

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
}

/** @param lastContactMs since the last message of a leader; ignored while leading */
export function statusOf(core: RaftCore, lastContactMs: number): RaftStatus {
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
    lastContactMs: core.role === 'leader' ? 0 : lastContactMs,
    peers: core.configuration.addresses.map(({ id, address }) => ({
      id,
      address,
      voter: isVoter(core.configuration, id),
    })),
  }
}
