/**
 * Makes the server of a data directory the only voter of a new epoch of its cluster, while it is stopped
 * (Raft specification 13.2); behind `fairlead operator raft recover`.
 *
 * Guarantees that nothing is changed unless the cluster's id is repeated, and that the change is one durable
 * write. A server that runs holds the lock of its data directory, so that this fails. Does not compare
 * survivors: the report says how far the log reaches, and the operator picks the one that reaches furthest.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { serverId } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftStorageOpener } from '../../runtime/storage/raft-storage.ts'
import type { RecoveryFiles } from '../../runtime/storage/recovery-files.ts'
import {
  lastConfiguration,
  planRecovery,
  type RecoveryReport,
  type SurvivingLog,
} from './disaster-recovery.ts'
import { carryOut, survivingLog } from './open-raft.ts'
import { isAddress } from './peers-file.ts'

export interface OfflineRecoveryOptions {
  readonly dataDir: string
  readonly serverId: string
  /** `host:port` of this server from now on; default the one that the configuration knows. */
  readonly address?: string
  /** The id of the cluster, repeated by the operator; without it nothing is changed. */
  readonly confirmation?: string
}

export interface OfflineRecovery {
  /** False when nothing was changed. */
  readonly isDone: boolean
  readonly address: string
  readonly report: RecoveryReport
}

export interface OfflineRecoveryDeps {
  readonly openStorage: RaftStorageOpener
  readonly files: RecoveryFiles
  readonly clock: Clock
  readonly log: Logger
}

/** @throws FairleadError BAD_REQUEST | INVALID_CONFIG | STORAGE_CORRUPT | STORAGE_FAILED; nothing is changed */
export async function recoverCluster(
  options: OfflineRecoveryOptions,
  deps: OfflineRecoveryDeps,
): Promise<OfflineRecovery> {
  const { dataDir, confirmation } = options
  await assertNoPeersFile(deps.files)
  const owner = serverId(options.serverId)
  const storage = await deps.openStorage({ owner, clock: deps.clock })
  try {
    const surviving = await survivingLog(options.serverId, { storage, log: deps.log }, dataDir)
    const address = ownAddress(surviving, options)
    const voter = { id: serverId(options.serverId), address }
    const plan = planRecovery(surviving, { voter, learners: [] })
    if (confirmation === undefined) return { isDone: false, address, report: plan.report }
    const { clusterId } = plan.report
    if (confirmation !== clusterId) {
      throw new FairleadError(
        'BAD_REQUEST',
        `Failed to recover: the cluster of "${dataDir}" is "${clusterId}", not "${confirmation}"`,
      )
    }
    await carryOut(plan, storage)
    return { isDone: true, address, report: plan.report }
  } finally {
    await storage.log.close()
  }
}

/** Two recoveries at once would raise the epoch twice. */
async function assertNoPeersFile(files: RecoveryFiles): Promise<void> {
  if ((await files.read()) === null) return
  throw new FairleadError(
    'BAD_REQUEST',
    `Failed to recover: "${files.path}" is there and asks for a recovery at the next start; delete it first, or start the agent instead`,
  )
}

function ownAddress(surviving: SurvivingLog, options: OfflineRecoveryOptions): string {
  const known = lastConfiguration(surviving)?.addresses.find(({ id }) => id === options.serverId)
  const address = options.address ?? known?.address
  if (address === undefined) {
    throw new FairleadError(
      'BAD_REQUEST',
      'Failed to recover: this server is no member of its last configuration, so its address is not known; give it with -address=<host:port>',
    )
  }
  if (isAddress(address)) return address
  throw new FairleadError('BAD_REQUEST', `Failed to recover: "${address}" is not "host:port"`)
}
