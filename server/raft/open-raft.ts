/**
 * Opens the storage of a server and brings it to where Raft may start, by way of peers.json when there is one.
 *
 * Guarantees that peers.json is consumed only when what it asks for is durable, that it changes nothing when
 * it is refused, and that a crash in the middle is made good by the next start. A failed opening closes what
 * it has opened. Source: Raft specification 13.2; the procedure is in docs/how-to/recover-a-cluster.md.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { type Configuration, isSoleVoter } from '../../core/raft/configuration.ts'
import { serverId } from '../../core/raft/types.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { StoredIdentity } from '../../runtime/storage/log-store.ts'
import type { RaftStorage, RaftStorageOpener } from '../../runtime/storage/raft-storage.ts'
import type { RecoveryFiles } from '../../runtime/storage/recovery-files.ts'
import {
  lastConfiguration,
  planRecovery,
  type RecoveryPlan,
  type SurvivingLog,
} from './disaster-recovery.ts'
import { NO_STATE } from './first-state.ts'
import { parsePeersFile, type Survivor } from './peers-file.ts'
import {
  assertOwner,
  beyondRepair,
  nameOf,
  type Recovered,
  type RecoveryDeps,
  type RecoveryOptions,
  recover,
  restore,
  useNewestSnapshot,
} from './recovery.ts'
import { isSeed, type SurvivorsDeps } from './survivors.ts'

export interface OpenedRaft {
  readonly storage: RaftStorage
  readonly recovered: Recovered
}

export interface OpenOptions extends RecoveryOptions {
  readonly files: RecoveryFiles | undefined
}

export interface OpenDeps extends Omit<RecoveryDeps, 'storage'>, Pick<SurvivorsDeps, 'clock'> {
  readonly openStorage: RaftStorageOpener
  readonly stats?: SurvivorsDeps['stats']
  /** Where the log ends, for other survivors that ask. */
  readonly announce: (position: {
    readonly cluster: ClusterName
    readonly lastLogTerm: number
    readonly lastLogIndex: number
  }) => void
}

/** @throws FairleadError STORAGE_FAILED | STORAGE_CORRUPT | INVALID_CONFIG, or the signal's reason */
export async function openRaft(
  options: OpenOptions,
  deps: OpenDeps,
  signal: AbortSignal,
): Promise<OpenedRaft> {
  const storage = await deps.openStorage({ owner: serverId(options.id), clock: deps.clock })
  try {
    const { files } = options
    const text = files === undefined ? null : await files.read()
    if (files === undefined || text === null) {
      return { storage, recovered: await recover(options, { ...deps, storage }) }
    }
    const survivors = parsePeersFile(text, { path: files.path, selfId: options.id })
    const surviving = await survivingLog(options.id, { storage, log: deps.log }, files.path)
    if (isDone(surviving, survivors, options.id)) {
      deps.log.info('peers.json asks for what is in force already', { path: files.path })
    } else if (await goesOn(surviving, survivors, { ...deps, id: options.id }, signal)) {
      return await beSeed(surviving, survivors, { options, files, deps, storage })
    } else {
      await storage.log.close()
      return await startEmpty(surviving, { files, deps })
    }
    await files.consume()
    const { log, damagedTo: to } = surviving
    const damage = to === null ? null : { to, reason: 'the Raft log is damaged' }
    return { storage, recovered: await restore(options, log, damage, { ...deps, storage }) }
  } catch (err) {
    await storage.log.close()
    throw err
  }
}

/**
 * What a disaster has left in a data directory.
 *
 * @throws FairleadError INVALID_CONFIG when there is nothing, STORAGE_CORRUPT when it cannot go on
 */
export async function survivingLog(
  id: string,
  deps: { readonly storage: RaftStorage; readonly log: Logger },
  where: string,
): Promise<SurvivingLog> {
  const verdict = await deps.storage.log.load()
  if (verdict.kind === 'empty') {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover from "${where}": this server has no Raft state, so there is nothing to recover; start it without and let it join`,
    )
  }
  if (verdict.kind === 'retired' || verdict.kind === 'corrupt') throw beyondRepair(verdict)
  const { log } = verdict
  assertOwner(id, log.identity)
  const snapshot = await useNewestSnapshot(log, deps, async () => {})
  if (snapshot === null && log.anchor.index > 0) {
    throw new FairleadError(
      'STORAGE_CORRUPT',
      `Failed to recover from "${where}": the log begins after entry ${log.anchor.index} and no good snapshot covers what was before; recover on another survivor`,
    )
  }
  return { log, damagedTo: verdict.kind === 'recovering' ? verdict.damagedTo : null, snapshot }
}

/** Writes the plan. @throws FairleadError STORAGE_FAILED */
export async function carryOut(plan: RecoveryPlan, storage: RaftStorage): Promise<void> {
  await storage.log.initialize(plan.identity, plan.job)
  // What was damaged is given up; nobody is asked for it any more.
  if (plan.report.damaged !== null) await storage.log.recovered()
}

/** A crash after the last step but one leaves the file behind. */
function isDone(surviving: SurvivingLog, survivors: readonly Survivor[], id: string): boolean {
  const now = lastConfiguration(surviving)
  if (now === null || !isSoleVoter(now, serverId(id))) return false
  const listed = survivors.map(({ id: listedId, address }) => `${listedId} ${address}`)
  return addressLines(now).join('\n') === listed.sort().join('\n')
}

function addressLines(configuration: Configuration): readonly string[] {
  return configuration.addresses.map(({ id, address }) => `${id} ${address}`).sort()
}

/** Whether this server's log is the one that goes on. */
async function goesOn(
  surviving: SurvivingLog,
  survivors: readonly Survivor[],
  deps: OpenDeps & { readonly id: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { log } = surviving
  const { index, term } = log.entries.at(-1) ?? log.anchor
  const cluster = nameOf(log.identity)
  deps.announce({ cluster, lastLogIndex: index, lastLogTerm: term })
  const { stats } = deps
  if (survivors.length > 1 && stats === undefined) {
    throw new FairleadError(
      'NOT_SUPPORTED',
      'Failed to recover: several survivors cannot be compared here; list the one with the most complete log alone',
    )
  }
  const own = { id: deps.id, lastTerm: term, lastIndex: index, cluster }
  return await isSeed(
    own,
    survivors,
    {
      stats: stats ?? (() => Promise.reject(new Error('nobody to ask'))),
      clock: deps.clock,
      log: deps.log,
    },
    signal,
  )
}

interface Step {
  readonly options: OpenOptions
  readonly files: RecoveryFiles
  readonly deps: OpenDeps
}

async function beSeed(
  surviving: SurvivingLog,
  survivors: readonly Survivor[],
  step: Step & { readonly storage: RaftStorage },
): Promise<OpenedRaft> {
  const { options, files, deps, storage } = step
  const self = survivors.find(({ id }) => id === options.id)
  if (self === undefined) throw new FairleadError('INTERNAL', 'peers.json lists this server')
  const learners = survivors.filter(({ id }) => id !== options.id)
  const plan = planRecovery(surviving, { voter: self, learners })
  await carryOut(plan, storage)
  deps.log.warn('this server begins a new epoch of its cluster', { ...plan.report })
  await files.consume()
  const recovered = await restore(options, plan.log, null, { ...deps, storage })
  return { storage, recovered }
}

/** Another survivor goes on. What is here may be of another history; it is kept aside and fetched anew. */
async function startEmpty(
  surviving: SurvivingLog,
  step: Omit<Step, 'options'>,
): Promise<OpenedRaft> {
  const { files, deps } = step
  const identity: StoredIdentity = {
    ...surviving.log.identity,
    epoch: surviving.log.identity.epoch + 1,
  }
  const keptIn = await files.setAside(identity.epoch)
  const owner = surviving.log.identity.serverId
  const storage = await deps.openStorage({ owner, clock: deps.clock })
  try {
    await storage.log.load()
    await storage.log.saveIdentity(identity)
  } catch (err) {
    await storage.log.close()
    throw err
  }
  deps.log.warn('another survivor has the log that goes on; this server fetches it', {
    epoch: identity.epoch,
    keptIn,
  })
  return { storage, recovered: { persisted: NO_STATE, cluster: nameOf(identity), isNew: true } }
}
