/**
 * Installing a large state on a fresh third server: how long, and the memory of both ends.
 *
 * Two servers hold BENCH_IMAGE_MB (1,000) megabytes of image: keys with values of 8 KiB, which the image
 * holds in base64. Their log no longer reaches back to its start, so that the third one, whose folder is empty,
 * gets the image. Time counts from the launch of its process to the moment at which it answers for the
 * last key from its own state. The leader's stalls meanwhile come from its probe. Bounded: about five minutes.
 * Run alone: `node bench/cluster/install.ts`.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Figure, printFigures } from '../figures.ts'
import { forgetStalls, longestStalls, stallsOf } from './ask-probe.ts'
import { raftStats, startFairlead } from './fairlead-cluster.ts'
import { entries, entryKey, putAll } from './load.ts'
import { temporaryFolder, until } from './members.ts'

const IMAGE_MB = Number(process.env['BENCH_IMAGE_MB'] ?? 1_000)
const VALUE_BYTES = 8_192
/** Base64, the key and the fields of an entry. */
const LINE_BYTES = Math.ceil(VALUE_BYTES / 3) * 4 + 160
const COUNT = Math.ceil((IMAGE_MB * 1e6) / LINE_BYTES)

export async function benchInstall(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'fairlead'), {
    size: 2,
    hcl: 'raft_trailing_logs = 10 raft_snapshot_threshold = 500 raft_snapshot_interval = "1s"',
    hasProbe: true,
    logLevel: 'info',
  })
  const leader = await cluster.leader()
  await putAll(leader, entries(COUNT, VALUE_BYTES), 8)
  await until('an image of all of it', async () => {
    const stats = await raftStats(leader)
    const behind = Number(stats?.['applied_index']) - Number(stats?.['last_snapshot_index'])
    return behind < 500 ? true : undefined
  })
  await forgetStalls(cluster.probeOf(leader))
  forgetPeak(cluster.pidOf(leader))
  const before = peakBytes(cluster.pidOf(leader))
  const begun = performance.now()
  const fresh = await cluster.add()
  await until('the third server to listen', () => raftStats(fresh))
  // Loading its modules is one long turn.
  await forgetStalls(cluster.probeOf(fresh))
  await until('the third server to answer', async () => {
    const url = `${fresh}/v1/kv/${entryKey(COUNT - 1)}?stale`
    const response = await fetch(url).catch(() => null)
    return response?.ok === true ? true : undefined
  })
  const seconds = (performance.now() - begun) / 1_000
  const stalls = await stallsOf(cluster.probeOf(leader))
  const theirs = await stallsOf(cluster.probeOf(fresh))
  const imageBytes = sentBytes(await cluster.logOf(leader))
  if (imageBytes === 0) throw new Error('no image was sent: BENCH_IMAGE_MB is too small')
  return [
    { name: 'image', value: imageBytes / 1e6, unit: 'MB' },
    { name: 'launch to answering from its own state', value: seconds, unit: 's' },
    { name: '  a second', value: imageBytes / 1e6 / seconds, unit: 'MB' },
    { name: 'resident, leader before', value: before / 1e6, unit: 'MB' },
    { name: 'peak resident, leader', value: peakBytes(cluster.pidOf(leader)) / 1e6, unit: 'MB' },
    { name: 'peak resident, fresh', value: peakBytes(cluster.pidOf(fresh)) / 1e6, unit: 'MB' },
    ...longestStalls('of the leader', stalls),
    ...longestStalls('of the fresh server', theirs),
  ]
}

/** Of the last image that the leader sent. */
function sentBytes(log: string): number {
  return Number(/.*sending an image.*sizeBytes=(\d+)/s.exec(log)?.[1] ?? 0)
}

function peakBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) * 1024
}

/** Sets the peak back to what is resident now. */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

if (import.meta.main) printFigures('An image installed on a fresh server', await benchInstall())
