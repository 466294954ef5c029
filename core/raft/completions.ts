/**
 * What the host has done: writes that are durable, entries that are applied, prefixes that are dropped
 * (specification 1.3).
 */

import { assert } from '../assert.ts'
import { advanceLeaderCommit } from './commit.ts'
import { countOwnVote } from './election.ts'
import { restored } from './images.ts'
import { entryBytes } from './raft-log.ts'
import { endRecovery } from './recovery.ts'
import type { RaftState } from './state.ts'
import { type AppendToken, type LogIndex, logIndex, type SnapshotMeta } from './types.ts'

export function appended(state: RaftState, token: AppendToken): void {
  const job = state.jobs.shift()?.job
  assert(job !== undefined && job.token === token, 'append jobs complete in order, each once')
  state.tracker.complete(token)
  state.durable = job.hardState
  if (state.isDiskSick) {
    state.mark('disk-sick.healed')
    state.isDiskSick = false
  }
  // An image that another one has replaced since is not restored: the later job will ask for that one.
  if (job.snapshot !== null && job.snapshot === state.restoring) {
    state.outbox.restore = job.snapshot
  }
  endRecovery(state)
  countOwnVote(state)
  if (state.role.kind === 'leader') advanceLeaderCommit(state, state.role)
}

export function applied(state: RaftState, index: LogIndex): void {
  assert(index <= state.applying, 'only handed-out entries can have been applied')
  for (let i = state.applied + 1; i <= index; i++) {
    const entry = state.log.entry(i)
    if (entry !== undefined) state.applyingBytes -= entryBytes(entry)
  }
  // Entries that an image took the place of in the meantime are not there to be subtracted, or added.
  state.applyingBytes = Math.max(0, state.applyingBytes)
  state.applied = logIndex(Math.max(state.applied, index))
  restored(state, state.applied)
}

export function compacted(state: RaftState, index: LogIndex, snapshot: SnapshotMeta): void {
  assert(index <= snapshot.index, 'compaction stays below the snapshot')
  assert(snapshot.index <= state.applied, 'a snapshot is of applied entries')
  const newest = state.restoring ?? state.snapshot
  if (newest !== null && newest.index > snapshot.index) {
    state.mark('compaction.late')
    return
  }
  state.snapshot = snapshot
  state.log.compactTo(index)
  state.configs.compactTo(snapshot.index)
}
