/**
 * Images of the state machine on a follower: whether an offered one is wanted, and what a received one does
 * to the log (specification 9.3).
 *
 * An image is of committed state. One at or below the commit index, or whose (index, term) the log holds, is
 * declined by an acknowledgement that takes the leader past it; the log is kept and at most committed
 * further. Any other is wanted. Once the host has it whole and durable, it replaces the log: in memory at
 * once, on disk by one atomic job. From then on nothing that was handed to storage before proves anything
 * about the log (append-tracker.ts), and nothing is applied until the state machine is restored from the
 * image, which the host is told to do when that job is durable. A crash before finds the old log, a crash
 * after it the new one. The leader hears of it after the job, so that what it counts is on disk.
 *
 * A server need not be a member by the image's own configuration. The rule of the specification, to ignore
 * such an image, would leave a server stuck that was added, or added again, after the image was taken: its
 * log cannot reach back to the entry that added it. What the rule defends against cannot happen here: only
 * the leader of the present term is followed, it offers images to members of its active configuration alone,
 * and messages of other clusters do not arrive. After such an image this server does not campaign until an
 * entry lists it (4.2).
 *
 * While an image is on its way this server does not campaign; a new leader or term ends that. What is
 * received late is judged as if it had just been offered. Bound: one image at a time.
 */

import { advanceFollowerCommit } from './commit.ts'
import { configurationFault, memberIds } from './configuration.ts'
import type { SnapshotOfferMessage } from './messages.ts'
import { halt } from './roles.ts'
import { leaderOf, type RaftState, replyStatus } from './state.ts'
import type { LogIndex, ServerId, SnapshotMeta } from './types.ts'

export function handleSnapshotOffer(state: RaftState, message: SnapshotOfferMessage): void {
  const { snapshot, from } = message
  if (configurationFault(snapshot.configuration) !== null) return
  if (passesBy(state, snapshot)) {
    acknowledge(state, from, state.commit)
    return
  }
  if (state.role.kind === 'failed') return
  const { installing } = state
  if (installing !== null && !isSame(installing.snapshot, snapshot)) {
    state.mark('image.offered.superseded')
  }
  state.mark('image.offered.taken')
  if (!memberIds(snapshot.configuration).includes(state.id)) state.mark('image.offered.unlisted')
  state.installing = { from, snapshot }
  state.outbox.snapshotOffered = state.installing
}

/** The image is whole, proven and durable in the snapshot store. */
export function snapshotReceived(state: RaftState, snapshot: SnapshotMeta): void {
  if (state.installing === null) state.mark('image.received.late')
  else if (isSame(state.installing.snapshot, snapshot)) state.installing = null
  // A leader holds everything that was ever committed: it can only meet an image it asked for earlier.
  if (state.role.kind === 'leader') return
  if (passesBy(state, snapshot)) {
    state.mark('image.received.log-matches')
  } else {
    if (state.role.kind === 'failed') return
    replaceLog(state, snapshot)
  }
  const leader = leaderOf(state)
  if (leader !== null) acknowledge(state, leader, state.commit)
}

export function snapshotAbandoned(state: RaftState, snapshot: SnapshotMeta): void {
  if (state.installing === null || !isSame(state.installing.snapshot, snapshot)) return
  state.mark('image.abandoned')
  state.installing = null
}

/** The state machine has been through `index`. */
export function restored(state: RaftState, index: LogIndex): void {
  if (state.restoring === null || index < state.restoring.index) return
  state.mark('image.restored')
  state.snapshot = state.restoring
  state.restoring = null
}

/** @returns whether the log does without the image; it is committed up to it then, or the server halted */
function passesBy(state: RaftState, snapshot: SnapshotMeta): boolean {
  const { index, term, chain } = snapshot
  if (index <= state.commit) {
    state.mark('image.offered.declined')
    return true
  }
  if (state.log.term(index) !== term) return false
  const own = state.log.chain(index)
  if (own !== chain) {
    halt(
      state,
      `log differs from the leader's image at or below ${index}: chain ${own}, not ${chain}`,
    )
    return false
  }
  state.mark('image.offered.log-matches')
  advanceFollowerCommit(state, index)
  return true
}

function replaceLog(state: RaftState, snapshot: SnapshotMeta): void {
  const { index, term, chain, configuration, configurationIndex } = snapshot
  state.mark(state.restoring === null ? 'image.installed' : 'image.installed.superseded')
  state.log.replaceWith({ index, term, chain })
  state.tracker.replaceTo(index)
  state.configs.replaceWith({ index: configurationIndex, configuration })
  state.commit = index
  state.applying = index
  state.applyingBytes = 0
  state.unwrittenSnapshot = snapshot
  state.restoring = snapshot
  state.outbox.restore = null
}

function acknowledge(state: RaftState, to: ServerId, matchIndex: LogIndex): void {
  state.outbox.messagesAfterAppend.push({
    kind: 'append-ack',
    from: state.id,
    to,
    term: state.term,
    matchIndex,
    seq: 0,
    ...replyStatus(state),
  })
}

function isSame(a: SnapshotMeta, b: SnapshotMeta): boolean {
  return a.index === b.index && a.term === b.term
}
