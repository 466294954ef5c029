/**
 * What a pull takes out of the state: the next append job, and entries to apply (specification 1.4, 7).
 *
 * Nothing is handed out twice. Entries to apply are committed, durable here, contiguous, and never given
 * while the state machine is still to be restored from an image. A halted core owes its readers an answer,
 * once, and nothing else.
 */

import { entryBytes } from './raft-log.ts'
import { emptyOutbox, type RaftState } from './state.ts'
import { type AppendJob, type Batch, type Entry, logIndex } from './types.ts'

export function takeBatch(state: RaftState): Batch | null {
  const job = takeJob(state)
  const committed = takeCommitted(state)
  const out = state.outbox
  const isEmpty =
    job === null &&
    committed.length === 0 &&
    out.messages.length === 0 &&
    out.messagesAfterAppend.length === 0 &&
    out.reads.length === 0 &&
    out.readsFailed.length === 0 &&
    out.snapshotsWanted.length === 0 &&
    out.snapshotOffered === null &&
    out.restore === null
  if (isEmpty) return null
  state.outbox = emptyOutbox()
  return { ...out, job, afterToken: state.tracker.lastIssued, committed }
}

export function takeLastWords(state: RaftState): Batch | null {
  const { readsFailed } = state.outbox
  state.outbox = emptyOutbox()
  if (readsFailed.length === 0) return null
  const nothing = emptyOutbox()
  const afterToken = state.tracker.lastIssued
  return { ...nothing, readsFailed, job: null, afterToken, committed: [] }
}

function takeJob(state: RaftState): AppendJob | null {
  const { log, tracker, handedOut, term, vote, commit, unwrittenSnapshot } = state
  const hasEntries = log.lastIndex > tracker.handedOut
  const isVoteNews = handedOut.term !== term || handedOut.vote !== vote
  if (!hasEntries && !isVoteNews && unwrittenSnapshot === null) return null
  const entries = hasEntries ? log.slice(tracker.handedOut + 1, log.lastIndex + 1) : []
  const hardState = { term, vote, commit }
  const { token, truncateFrom } = tracker.issue(log.lastIndex)
  if (truncateFrom !== null) state.mark('storage.truncates')
  if (state.jobs.length > 0) state.mark('storage.several-jobs')
  const job: AppendJob = {
    token,
    truncateFrom,
    entries,
    hardState,
    last: log.last,
    snapshot: unwrittenSnapshot,
  }
  state.handedOut = hardState
  state.unwrittenSnapshot = null
  state.jobs.push({ job, issuedAt: state.now })
  return job
}

function takeCommitted(state: RaftState): readonly Entry[] {
  if (state.restoring !== null) return []
  const to = Math.min(state.commit, state.tracker.durable)
  if (state.applying >= to) return []
  const room = state.options.applyingBytesMax - state.applyingBytes
  if (room <= 0 && state.applying > state.applied) {
    state.mark('apply.withheld')
    return []
  }
  const entries = state.log.slice(state.applying + 1, to + 1, Math.max(0, room))
  for (const entry of entries) state.applyingBytes += entryBytes(entry)
  state.applying = logIndex(state.applying + entries.length)
  return entries
}
