/**
 * What a founding member of a cluster begins with: its identity and entry 1, the first configuration (13.1).
 *
 * Pure; the same options give the same entry on every founding member, so that all begin with equal logs.
 */

import { FairleadError } from '../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../core/raft/chain.ts'
import {
  configurationFault,
  encodeConfiguration,
  votersOnly,
} from '../../core/raft/configuration.ts'
import {
  type AppendJob,
  type LogPosition,
  logIndex,
  type PersistedState,
  type ServerId,
  serverId,
  term,
} from '../../core/raft/types.ts'
import type { StoredIdentity } from '../../runtime/storage/log-store.ts'
import type { BootstrapOptions } from './types.ts'

/** Position below the first entry of a log that was never compacted. */
export const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

/** A server that belongs to no cluster yet. */
export const NO_STATE: PersistedState = {
  hardState: { term: term(0), vote: null, commit: logIndex(0) },
  snapshot: null,
  anchor: ORIGIN,
  entries: [],
  damagedTo: null,
}

export interface FirstState {
  readonly identity: StoredIdentity
  readonly job: Omit<AppendJob, 'token'>
  readonly persisted: PersistedState
}

/** @throws FairleadError INVALID_CONFIG when the members make no configuration with this server in it */
export function firstState(id: ServerId, bootstrap: BootstrapOptions): FirstState {
  const members = bootstrap.members.map((m) => ({ id: serverId(m.id), address: m.address }))
  const configuration = votersOnly(members)
  const fault = members.some((member) => member.id === id)
    ? configurationFault(configuration)
    : `the first configuration does not contain this server, "${id}"`
  if (fault !== null) throw new FairleadError('INVALID_CONFIG', `Failed to bootstrap: ${fault}`)
  const first = chainedEntry(CHAIN_START, {
    index: logIndex(1),
    term: term(1),
    type: 'config',
    data: encodeConfiguration(configuration),
  })
  const hardState = { term: term(1), vote: null, commit: logIndex(0) }
  return {
    identity: { serverId: id, clusterId: bootstrap.clusterId, epoch: 0 },
    job: { truncateFrom: null, entries: [first], hardState, last: first, snapshot: null },
    persisted: { ...NO_STATE, hardState, entries: [first] },
  }
}
