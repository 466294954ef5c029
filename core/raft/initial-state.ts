/**
 * The state of a core that has just started: what storage gave back, under the options given.
 *
 * A log that was found damaged starts with its proven prefix; what was committed beyond it is not known to be
 * here (recovery.ts).
 */

import { assert } from '../assert.ts'
import type { Rng } from '../rng.ts'
import { AppendTracker } from './append-tracker.ts'
import { ConfigStack } from './config-stack.ts'
import { RaftLog } from './raft-log.ts'
import { drawElectionTimeout } from './roles.ts'
import { emptyOutbox, type RaftState, type ResolvedOptions } from './state.ts'
import { logIndex, type PersistedState, type RaftOptions } from './types.ts'

const MIB = 1_048_576

const DEFAULTS = {
  messageBytesMax: MIB,
  inflightMessagesMax: 64,
  inflightBytesMax: 8 * MIB,
  uncommittedBytesMax: 16 * MIB,
  applyingBytesMax: 16 * MIB,
  unappliedMax: 5_000,
  readsMax: 8_192,
  preVote: true,
  checkQuorum: true,
} as const

const NO_MARK = (): void => {}

export function initialState(options: RaftOptions, persisted: PersistedState, rng: Rng): RaftState {
  const { hardState, snapshot, anchor, entries, damagedTo } = persisted
  const resolved = resolve(options)
  const log = new RaftLog(anchor, entries)
  const applied = logIndex(snapshot?.index ?? anchor.index)
  assert(anchor.index <= applied && applied <= log.lastIndex, 'the snapshot joins the log')
  const isWhole = damagedTo === null
  assert(!isWhole || hardState.commit <= log.lastIndex, 'what is committed is in the log')
  const commit = logIndex(Math.max(Math.min(hardState.commit, log.lastIndex), applied))
  const configs = new ConfigStack(
    snapshot === null
      ? undefined
      : { index: snapshot.configurationIndex, configuration: snapshot.configuration },
  )
  configs.append(entries.filter((entry) => entry.index > configs.activeIndex))
  return {
    id: resolved.id,
    options: resolved,
    mark: options.mark ?? NO_MARK,
    rng,
    log,
    tracker: new AppendTracker(log.lastIndex),
    configs,
    jobs: [],
    now: 0,
    term: hardState.term,
    vote: hardState.vote,
    commit,
    applied,
    applying: applied,
    applyingBytes: 0,
    snapshot,
    installing: null,
    unwrittenSnapshot: null,
    restoring: null,
    recovery: isWhole ? null : { damagedTo, leaderCommit: null },
    isDiskSick: false,
    role: { kind: 'follower', leader: null, forwardedReads: new Map() },
    electionElapsed: 0,
    heartbeatElapsed: 0,
    electionTimeout: drawElectionTimeout({ rng, options: resolved }),
    graceTicks: resolved.startGrace ? resolved.electionTicks : 0,
    handedOut: hardState,
    durable: hardState,
    outbox: emptyOutbox(),
  }
}

function resolve(options: RaftOptions): ResolvedOptions {
  const { mark: _, ...given } = options
  const resolved: ResolvedOptions = {
    ...DEFAULTS,
    leaseTicks: Math.floor(options.electionTicks / 2),
    diskStallTicks: 2 * options.electionTicks,
    ...given,
  }
  assert(resolved.heartbeatTicks * 3 <= resolved.electionTicks, 'heartbeats are frequent enough')
  assert(resolved.inflightBytesMax >= resolved.messageBytesMax, 'a message fits into the window')
  assert(resolved.leaseTicks < resolved.electionTicks, 'the lease ends before votes are given')
  assert(resolved.boot.length > 0, 'each run of a server has a name')
  return resolved
}
