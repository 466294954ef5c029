/**
 * From what the disk holds to a state machine and a core that may start (Raft specification 13.1, 14.5).
 *
 * Guarantees that nothing starts on data that was not proved. Where acknowledged entries are damaged and
 * other servers have them, this one starts all the same, in recovering mode: it neither votes nor
 * acknowledges before it has got them back. It refuses with STORAGE_CORRUPT when its vote may be lost, when
 * the data is another server's, when nobody else has what is lost, and when the log contradicts itself. A
 * new server writes identity and first configuration in one batch.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { isSoleVoter } from '../../core/raft/configuration.ts'
import {
  type LogIndex,
  type LogPosition,
  logIndex,
  type PersistedState,
  type SnapshotMeta,
  serverId,
} from '../../core/raft/types.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type {
  LogVerdict,
  RecoveringLog,
  StoredIdentity,
  StoredLog,
} from '../../runtime/storage/log-store.ts'

import type { RaftStorage } from '../../runtime/storage/raft-storage.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'
import { lastConfiguration } from './disaster-recovery.ts'
import { firstState, NO_STATE } from './first-state.ts'
import type { BootstrapOptions, RaftStateMachine } from './types.ts'

export interface Recovered {
  readonly persisted: PersistedState
  readonly cluster: ClusterName | null
  /** Nothing had been persisted before: no vote or ack can have been given. */
  readonly isNew: boolean
}

export interface RecoveryOptions {
  readonly id: string
  readonly bootstrap: BootstrapOptions | undefined
}

export interface RecoveryDeps {
  readonly storage: RaftStorage
  readonly stateMachine: RaftStateMachine
  readonly log: Logger
}

export interface Damage {
  readonly to: LogIndex
  readonly reason: string
}

/** @throws FairleadError STORAGE_CORRUPT | STORAGE_FAILED | INVALID_CONFIG */
export async function recover(options: RecoveryOptions, deps: RecoveryDeps): Promise<Recovered> {
  const verdict = await deps.storage.log.load()
  switch (verdict.kind) {
    case 'empty':
      assertOwner(options.id, verdict.identity)
      return await initialize(options, verdict.identity, deps.storage)
    case 'consistent':
      assertOwner(options.id, verdict.log.identity)
      return await restore(options, verdict.log, null, deps)
    case 'recovering': {
      assertOwner(options.id, verdict.log.identity)
      const { reason, damagedTo, log } = verdict
      deps.log.error('the Raft log is damaged; other servers are asked for what is in doubt', {
        reason,
        intactTo: lastOf(log).index,
        damagedTo,
      })
      return await restore(options, log, { to: damagedTo, reason }, deps)
    }
    case 'retired':
    case 'corrupt':
      throw beyondRepair(verdict)
  }
}

export function beyondRepair(
  verdict: Extract<LogVerdict, { kind: 'retired' | 'corrupt' }>,
): FairleadError {
  const consequence =
    verdict.kind === 'retired'
      ? 'what this server voted for is unknown, so its id is spent: start it'
      : 'the log cannot be trusted, start this server'
  return new FairleadError(
    'STORAGE_CORRUPT',
    `Failed to start Raft: ${verdict.reason}; ${consequence} with an empty data directory and a new node id, or restore a backup`,
  )
}

/** Also for the offline tools. @throws FairleadError STORAGE_CORRUPT when the data is of another server */
export function assertOwner(id: string, identity: StoredIdentity | null): void {
  if (identity === null || identity.serverId === id) return
  throw new FairleadError(
    'STORAGE_CORRUPT',
    `Failed to start Raft: the data directory belongs to server "${identity.serverId}", this is "${id}"; a data directory is never shared or swapped between servers`,
  )
}

export function lastOf(log: Pick<StoredLog, 'entries' | 'anchor'>): LogPosition {
  return log.entries.at(-1) ?? log.anchor
}

async function initialize(
  options: RecoveryOptions,
  identity: StoredIdentity | null,
  storage: RaftStorage,
): Promise<Recovered> {
  const { id, bootstrap } = options
  if (identity !== null) return { persisted: NO_STATE, cluster: nameOf(identity), isNew: true }
  if (bootstrap === undefined) return { persisted: NO_STATE, cluster: null, isNew: true }
  const first = firstState(serverId(id), bootstrap)
  await storage.log.initialize(first.identity, first.job)
  return { persisted: first.persisted, cluster: nameOf(first.identity), isNew: true }
}

/** A log that was proven becomes a state machine and what a core starts from. */
export async function restore(
  options: RecoveryOptions,
  stored: StoredLog,
  damage: Damage | null,
  deps: RecoveryDeps,
): Promise<Recovered> {
  const snapshot = await restoreNewestSnapshot(stored, deps)
  if (snapshot === null && stored.anchor.index > 0) {
    const startedOver = startOver(options, stored, damage, deps)
    return restored(startedOver.log, null, startedOver.damagedTo)
  }
  if (damage !== null) assertOthersHaveIt(options, stored, snapshot, damage)
  return restored(stored, snapshot, damage?.to ?? null)
}

function restored(
  stored: StoredLog,
  snapshot: SnapshotMeta | null,
  damagedTo: LogIndex | null,
): Recovered {
  const { hardState, anchor, entries, identity } = stored
  const commit = logIndex(Math.max(hardState.commit, snapshot?.index ?? 0))
  return {
    persisted: { hardState: { ...hardState, commit }, snapshot, anchor, entries, damagedTo },
    cluster: nameOf(identity),
    isNew: false,
  }
}

/** No good snapshot covers what lies below the log: what is left of it is of no use without. */
function startOver(
  options: RecoveryOptions,
  stored: StoredLog,
  damage: Damage | null,
  deps: RecoveryDeps,
): RecoveringLog {
  const reason = `the log begins after entry ${stored.anchor.index} and no good snapshot covers what was before`
  assertOthersHaveIt(options, stored, null, { to: damage?.to ?? lastOf(stored).index, reason })
  deps.log.error('no snapshot is usable; other servers are asked for the whole state', { reason })
  return deps.storage.log.startOver(reason)
}

async function restoreNewestSnapshot(
  stored: StoredLog,
  deps: RecoveryDeps,
): Promise<SnapshotMeta | null> {
  return await useNewestSnapshot(stored, deps, async (opened) => {
    await deps.stateMachine.restore(opened.image())
  })
}

/**
 * Tries the snapshots that the log continues, the newest first, until one is good.
 *
 * @returns what the good one says of itself; null when there is none
 */
export async function useNewestSnapshot(
  stored: StoredLog,
  deps: Pick<RecoveryDeps, 'storage' | 'log'>,
  use: (opened: OpenedSnapshot) => Promise<void>,
): Promise<SnapshotMeta | null> {
  const { pointer, anchor } = stored
  if (pointer === null) return null
  for (const name of await deps.storage.snapshots.list()) {
    if (name.index > pointer.index || name.index < anchor.index) continue
    try {
      const opened = await deps.storage.snapshots.open(name)
      if (!isInLog(opened.meta, stored)) {
        deps.log.warn('snapshot does not belong to this log', { index: name.index })
        continue
      }
      await use(opened)
      return opened.meta
    } catch (err) {
      const isUnusable =
        err instanceof FairleadError && (err.code === 'STORAGE_CORRUPT' || err.code === 'NOT_FOUND')
      if (!isUnusable) throw err
      deps.log.warn('snapshot is unusable, trying an older one', { index: name.index, err })
    }
  }
  return null
}

function isInLog(meta: SnapshotMeta, stored: StoredLog): boolean {
  const { anchor, entries } = stored
  const at: LogPosition | undefined =
    meta.index === anchor.index ? anchor : entries[meta.index - anchor.index - 1]
  return at !== undefined && at.term === meta.term && at.chain === meta.chain
}

/** A server alone would wait for ever for what only it had. */
function assertOthersHaveIt(
  options: RecoveryOptions,
  stored: StoredLog,
  snapshot: SnapshotMeta | null,
  damage: Damage,
): void {
  const configuration = lastConfiguration({ log: stored, snapshot })
  const isAlone =
    configuration === null
      ? options.bootstrap?.members.length === 1
      : isSoleVoter(configuration, serverId(options.id))
  if (!isAlone) return
  const { index } = lastOf(stored)
  throw new FairleadError(
    'STORAGE_CORRUPT',
    `Failed to start Raft: ${damage.reason}; entries up to ${index} are intact, those up to ${damage.to} are in doubt. Entries that were acknowledged may be lost and no other server has them, so nothing was cut off: restore the data directory from a backup, or start this server with an empty one and a new node id`,
    { facts: { intactTo: index, damagedTo: damage.to } },
  )
}

export function nameOf({ clusterId, epoch }: StoredIdentity): ClusterName {
  return { clusterId, epoch }
}
