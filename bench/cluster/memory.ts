/**
 * What registered instances cost in memory, on the leader of three servers.
 *
 * BENCH_INSTANCES (100,000) instances of 1,000 services with two tags and two meta keys, ten on a node; then the
 * same with a check of some sixty bytes of output each. Measured by the process itself after full collections, when
 * an image was taken and the log is short again, so that what counts is the state. Bounded: about two minutes. Run
 * alone: `node bench/cluster/memory.ts`.
 */

import { join } from 'node:path'
import { type Figure, printFigures } from '../figures.ts'
import { memoryOf } from './ask-probe.ts'
import { type FairleadCluster, raftStats, startFairlead } from './fairlead-cluster.ts'
import { putAll, registrations } from './load.ts'
import { temporaryFolder, until } from './members.ts'
import type { ProcessMemory } from './probe.ts'

const INSTANCES = Number(process.env['BENCH_INSTANCES'] ?? 100_000)

/** So few that what the log holds does not count. */
const SHORT_LOG =
  'raft_trailing_logs = 10 raft_snapshot_threshold = 500 raft_snapshot_interval = "100ms"'

export async function benchMemory(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'fairlead'), {
    hcl: SHORT_LOG,
    hasProbe: true,
  })
  const leader = await cluster.leader()
  const empty = await settled(cluster, leader)
  await putAll(leader, registrations(INSTANCES, { services: true }))
  const services = await settled(cluster, leader)
  await putAll(leader, registrations(INSTANCES, { checks: true }))
  const checks = await settled(cluster, leader)
  return [
    ...growth('instances without checks', empty, services),
    ...growth('instances with a check each', empty, checks),
    { name: 'resident in all', value: checks.rss / 1e6, unit: 'MB' },
  ]
}

/** Memory at rest: nothing but the state is held. */
async function settled(cluster: FairleadCluster, leader: string): Promise<ProcessMemory> {
  await until('an image of all of it', async () => {
    const stats = await raftStats(leader)
    const behind = Number(stats?.['applied_index']) - Number(stats?.['last_snapshot_index'])
    if (behind < 500) return true
    return undefined
  })
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  return await memoryOf(cluster.probeOf(leader))
}

function growth(what: string, before: ProcessMemory, after: ProcessMemory): readonly Figure[] {
  const per100k = (bytes: number): number => (bytes * 100_000) / INSTANCES / 1e6
  const name = `100,000 ${what}`
  return [
    { name: `${name}: heap`, value: per100k(after.heapUsed - before.heapUsed), unit: 'MB' },
    { name: `${name}: outside it`, value: per100k(after.external - before.external), unit: 'MB' },
    { name: `${name}: resident`, value: per100k(after.rss - before.rss), unit: 'MB' },
  ]
}

if (import.meta.main) printFigures('Memory of registrations', await benchMemory())
