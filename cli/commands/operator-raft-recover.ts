/**
 * `fairlead operator raft recover`: this server alone goes on when a majority of the servers is lost for good.
 *
 * A local command: it works on the data directory of a stopped server, and asks no agent. Without
 * `-i-understand` it changes nothing and says what it would do. See docs/how-to/recover-a-cluster.md.
 */

import { stat } from 'node:fs/promises'
import { FairleadError } from '../../core/errors.ts'
import { silentLogger } from '../../core/log.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { loadNodeId } from '../../runtime/host/node-id.ts'
import { diskRaftStorage } from '../../runtime/storage/raft-storage.ts'
import { recoveryFiles } from '../../runtime/storage/recovery-files.ts'
import type { IndexRange } from '../../server/raft/disaster-recovery.ts'
import { type OfflineRecovery, recoverCluster } from '../../server/raft/offline-recovery.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'

export const operatorRaftRecoverCommand: CommandSpec = {
  summary: 'Make a stopped server the only voter of its cluster, after the majority is lost',
  usage: '',
  flags: [
    flag('data-dir', 'path', 'data directory of this server, whose agent is stopped'),
    flag('i-understand', 'cluster id', 'id of the cluster; without it nothing is changed'),
    flag('address', 'host:port', 'address of this server from now on, when it has changed'),
  ],
  run: async (args, context) => {
    const dataDir = args.text('data-dir')
    if (dataDir === undefined || dataDir === '') throw new UsageError('Must specify -data-dir')
    const address = args.text('address')
    const confirmation = args.text('i-understand')
    const recovery = await recoverCluster(
      {
        dataDir,
        serverId: await nodeIdOf(dataDir),
        ...(address === undefined ? {} : { address }),
        ...(confirmation === undefined ? {} : { confirmation }),
      },
      {
        openStorage: diskRaftStorage(dataDir),
        files: recoveryFiles(dataDir),
        clock: systemClock,
        log: silentLogger,
      },
    )
    context.stdout(describe(recovery, dataDir))
    return 0
  },
}

async function nodeIdOf(dataDir: string): Promise<string> {
  const isThere = await stat(dataDir).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const id = isThere ? await loadNodeId(dataDir) : undefined
  if (id !== undefined) return id
  throw new FairleadError(
    'BAD_REQUEST',
    `Failed to recover: "${dataDir}" is not the data directory of a server`,
  )
}

function describe(recovery: OfflineRecovery, dataDir: string): string {
  const { report, address, isDone } = recovery
  const givenUp = report.givenUp.map((member) => `${member.id} ${member.address}`)
  const rows: readonly (readonly [string, string])[] = [
    ['Cluster', `${report.clusterId}, epoch ${report.epoch - 1} -> ${report.epoch}`],
    ['Only voter', `${report.serverId} ${address}`],
    ['Servers given up', givenUp.length === 0 ? 'none' : givenUp.join(', ')],
    ['Log reaches to', `index ${report.lastIndex}, term ${report.lastTerm}`],
    ['Known committed', `to index ${report.commitIndex}`],
    ['Committed by this', rangeText(report.uncommitted)],
    ['Lost for good', rangeText(report.damaged)],
    ['New term', String(report.term)],
  ]
  const table = rows.map(([name, value]) => `${name.padEnd(18)}${value}\n`).join('')
  const next = isDone
    ? 'Done. Start this server; then start the others with empty data directories and new node ids.\n'
    : `Nothing was changed. Of all servers that are left, recover the one whose log reaches furthest (term first,\nthen index). To go on: fairlead operator raft recover -data-dir=${dataDir} -i-understand=${report.clusterId}\n`
  return `${table}\n${next}`
}

function rangeText(range: IndexRange | null): string {
  return range === null ? 'nothing' : `index ${range.from} to ${range.to}`
}
