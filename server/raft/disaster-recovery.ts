/**
 * How one survivor of a lost quorum begins a new epoch of its cluster (Raft specification 13.2). Pure.
 *
 * The log stays as it is and gets one more entry: a configuration in which this server is the only voter and
 * the other survivors are learners. Guarantees: the term lies above all that the lost servers may have used;
 * servers of the old epoch are refused from then on instead of forking the history. What it cannot know is
 * which of the entries beyond the commit index had been committed: it keeps them all, and says which.
 */

import { chainedEntry } from '../../core/raft/chain.ts'
import {
  type Configuration,
  compareIds,
  decodeConfiguration,
  encodeConfiguration,
  type MemberAddress,
  votersOnly,
} from '../../core/raft/configuration.ts'
import {
  type AppendJob,
  type LogIndex,
  logIndex,
  type SnapshotMeta,
  term,
} from '../../core/raft/types.ts'
import type { StoredIdentity, StoredLog } from '../../runtime/storage/log-store.ts'

/** Above what lost servers may have reached since this one last heard from them. */
const TERM_LEAP = 1_000

export interface SurvivingLog {
  /** Everything, or the proven prefix. */
  readonly log: StoredLog
  /** End of what is damaged beyond the prefix, or null. */
  readonly damagedTo: LogIndex | null
  /** The newest good snapshot of this log. */
  readonly snapshot: SnapshotMeta | null
}

export interface IndexRange {
  readonly from: number
  readonly to: number
}

export interface RecoveryReport {
  readonly clusterId: string
  readonly serverId: string
  readonly epoch: number
  readonly term: number
  readonly lastIndex: number
  readonly lastTerm: number
  readonly commitIndex: number
  /** Entries that nobody can say were committed; they will be. */
  readonly uncommitted: IndexRange | null
  /** Entries that are lost. */
  readonly damaged: IndexRange | null
  readonly learners: readonly string[]
  /** Members of the old configuration that are no part of the new one. */
  readonly givenUp: readonly MemberAddress[]
}

export interface RecoveryPlan {
  readonly identity: StoredIdentity
  readonly job: Omit<AppendJob, 'token'>
  readonly report: RecoveryReport
  /** The log as it is once the job is done. */
  readonly log: StoredLog
}

export function planRecovery(
  surviving: SurvivingLog,
  members: { readonly voter: MemberAddress; readonly learners: readonly MemberAddress[] },
): RecoveryPlan {
  const { log, damagedTo } = surviving
  const last = log.entries.at(-1) ?? log.anchor
  const newTerm = term(Math.max(log.hardState.term, last.term) + TERM_LEAP)
  const entry = chainedEntry(last.chain, {
    index: logIndex(last.index + 1),
    term: newTerm,
    type: 'config',
    data: encodeConfiguration(soleVoter(members)),
  })
  const identity: StoredIdentity = { ...log.identity, epoch: log.identity.epoch + 1 }
  const hardState = { term: newTerm, vote: null, commit: log.hardState.commit }
  const kept = new Set([members.voter.id, ...members.learners.map(({ id }) => id)])
  const old = lastConfiguration(surviving)
  const commit = Math.max(log.hardState.commit, surviving.snapshot?.index ?? 0)
  return {
    identity,
    job: {
      truncateFrom: damagedTo === null ? null : entry.index,
      entries: [entry],
      hardState,
      last: entry,
      snapshot: null,
    },
    report: {
      clusterId: identity.clusterId,
      serverId: identity.serverId,
      epoch: identity.epoch,
      term: newTerm,
      lastIndex: last.index,
      lastTerm: last.term,
      commitIndex: commit,
      uncommitted: range(commit + 1, last.index),
      damaged: damagedTo === null ? null : range(last.index + 1, damagedTo),
      learners: members.learners.map(({ id }) => id),
      givenUp: old === null ? [] : old.addresses.filter(({ id }) => !kept.has(id)),
    },
    log: { ...log, identity, hardState, entries: [...log.entries, entry] },
  }
}

/** The configuration in force in a log; null when nothing of it says. */
export function lastConfiguration(surviving: {
  readonly log: StoredLog
  readonly snapshot: SnapshotMeta | null
}): Configuration | null {
  const entry = surviving.log.entries.findLast(({ type }) => type === 'config')
  if (entry !== undefined) return decodeConfiguration(entry.data)
  return surviving.snapshot?.configuration ?? null
}

function soleVoter(members: {
  readonly voter: MemberAddress
  readonly learners: readonly MemberAddress[]
}): Configuration {
  const byId = (x: MemberAddress, y: MemberAddress): number => compareIds(x.id, y.id)
  const learners = [...members.learners].sort(byId)
  return {
    ...votersOnly([members.voter]),
    learners: learners.map(({ id }) => id),
    addresses: [members.voter, ...learners].map(({ id, address }) => ({ id, address })).sort(byId),
  }
}

function range(from: number, to: number): IndexRange | null {
  return from <= to ? { from, to } : null
}
