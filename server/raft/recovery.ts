/**
 * From what the disk holds to a state machine and a core that may start (Raft specification 13.1, 14.5).
 *
 * Guarantees that nothing starts on data that was not proved: a damaged or contradictory log refuses with
 * STORAGE_CORRUPT and says which entries are in doubt. A new server writes identity and first configuration
 * in one batch. Does not repair.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { CHAIN_START, chainedEntry } from '../../core/raft/chain.ts'
import { encodeConfiguration, votersOnly } from '../../core/raft/configuration.ts'
import {
  type LogPosition,
  logIndex,
  type PersistedState,
  type SnapshotMeta,
  serverId,
  term,
} from '../../core/raft/types.ts'
import type { RecoveringLog, StoredIdentity, StoredLog } from '../../runtime/storage/log-store.ts'
import type { RaftStorage } from '../../runtime/storage/raft-storage.ts'
import type { RaftStateMachine } from './types.ts'

export interface BootstrapOptions {
  /** New UUID; ignored when the data directory already belongs to a cluster. */
  readonly clusterId: string
  readonly members: readonly { readonly id: string; readonly address: string }[]
}

export interface Recovered {
  readonly persisted: PersistedState
  readonly clusterId: string | null
  /** Nothing had been persisted before: no vote or ack can have been given. */
  readonly isNew: boolean
}

const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

/** @throws FairleadError STORAGE_CORRUPT | STORAGE_FAILED | INVALID_CONFIG */
export async function recover(
  options: { readonly id: string; readonly bootstrap: BootstrapOptions | undefined },
  deps: {
    readonly storage: RaftStorage
    readonly stateMachine: RaftStateMachine
    readonly log: Logger
  },
): Promise<Recovered> {
  const verdict = await deps.storage.log.load()
  switch (verdict.kind) {
    case 'empty':
      assertOwner(options.id, verdict.identity)
      return await initialize(options, deps.storage)
    case 'consistent':
      assertOwner(options.id, verdict.log.identity)
      return await restore(verdict.log, deps)
    case 'recovering':
      throw new FairleadError('STORAGE_CORRUPT', damageText(verdict), {
        facts: { lastGood: lastGoodIndex(verdict), damagedTo: verdict.damagedTo },
      })
    case 'retired':
      throw new FairleadError(
        'STORAGE_CORRUPT',
        `Failed to start Raft: ${verdict.reason}; what this server voted for is unknown, so its id is spent: start it with an empty data directory and a new node id, or restore a backup`,
      )
    case 'corrupt':
      throw new FairleadError(
        'STORAGE_CORRUPT',
        `Failed to start Raft: ${verdict.reason}; the log cannot be trusted, start this server with an empty data directory and a new node id, or restore a backup`,
      )
  }
}

async function initialize(
  options: { readonly id: string; readonly bootstrap: BootstrapOptions | undefined },
  storage: RaftStorage,
): Promise<Recovered> {
  const { id, bootstrap } = options
  if (bootstrap === undefined) {
    const hardState = { term: term(0), vote: null, commit: logIndex(0) }
    const persisted = { hardState, snapshot: null, anchor: ORIGIN, entries: [], damagedTo: null }
    return { persisted, clusterId: null, isNew: true }
  }
  if (!bootstrap.members.some((member) => member.id === id)) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to bootstrap: the first configuration does not contain this server, "${id}"`,
    )
  }
  const members = bootstrap.members.map((m) => ({ id: serverId(m.id), address: m.address }))
  const first = chainedEntry(CHAIN_START, {
    index: logIndex(1),
    term: term(1),
    type: 'config',
    data: encodeConfiguration(votersOnly(members)),
  })
  const hardState = { term: term(1), vote: null, commit: logIndex(0) }
  const identity: StoredIdentity = {
    serverId: serverId(id),
    clusterId: bootstrap.clusterId,
    epoch: 0,
  }
  await storage.log.initialize(identity, {
    truncateFrom: null,
    entries: [first],
    hardState,
    last: first,
    snapshot: null,
  })
  const persisted = { hardState, snapshot: null, anchor: ORIGIN, entries: [first], damagedTo: null }
  return { persisted, clusterId: bootstrap.clusterId, isNew: true }
}

async function restore(
  stored: StoredLog,
  deps: {
    readonly storage: RaftStorage
    readonly stateMachine: RaftStateMachine
    readonly log: Logger
  },
): Promise<Recovered> {
  const { hardState, anchor, entries, identity } = stored
  const snapshot = await restoreNewestSnapshot(stored, deps)
  const commit = logIndex(Math.max(hardState.commit, snapshot?.index ?? 0))
  return {
    persisted: {
      hardState: { ...hardState, commit },
      snapshot,
      anchor,
      entries,
      damagedTo: null,
    },
    clusterId: identity.clusterId,
    isNew: false,
  }
}

/** The newest good snapshot that the log continues; null when the log itself reaches back to its start. */
async function restoreNewestSnapshot(
  stored: StoredLog,
  deps: {
    readonly storage: RaftStorage
    readonly stateMachine: RaftStateMachine
    readonly log: Logger
  },
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
      await deps.stateMachine.restore(opened.image())
      return opened.meta
    } catch (err) {
      const isUnusable =
        err instanceof FairleadError && (err.code === 'STORAGE_CORRUPT' || err.code === 'NOT_FOUND')
      if (!isUnusable) throw err
      deps.log.warn('snapshot is unusable, trying an older one', { index: name.index, err })
    }
  }
  if (anchor.index === 0) return null
  throw new FairleadError(
    'STORAGE_CORRUPT',
    `Failed to start Raft: the log begins after entry ${anchor.index} and no good snapshot covers what was before; start this server with an empty data directory and a new node id, or restore a backup`,
    { facts: { anchor: anchor.index } },
  )
}

function isInLog(meta: SnapshotMeta, stored: StoredLog): boolean {
  const { anchor, entries } = stored
  const at: LogPosition | undefined =
    meta.index === anchor.index ? anchor : entries[meta.index - anchor.index - 1]
  return at !== undefined && at.term === meta.term && at.chain === meta.chain
}

function assertOwner(id: string, identity: StoredIdentity | null): void {
  if (identity === null || identity.serverId === id) return
  throw new FairleadError(
    'STORAGE_CORRUPT',
    `Failed to start Raft: the data directory belongs to server "${identity.serverId}", this is "${id}"; a data directory is never shared or swapped between servers`,
  )
}

function damageText(verdict: RecoveringLog): string {
  const { reason, damagedTo } = verdict
  return `Failed to start Raft: ${reason}; entries up to ${lastGoodIndex(verdict)} are intact, those up to ${damagedTo} are in doubt. Entries that were acknowledged may be lost, so nothing was cut off: restore the data directory from a backup, or start this server with an empty one and a new node id`
}

function lastGoodIndex(verdict: RecoveringLog): number {
  return (verdict.log.entries.at(-1) ?? verdict.log.anchor).index
}
