/**
 * How long the leader stands still while it takes an image of a large state, under writes.
 *
 * State: BENCH_INSTANCES (100,000) instances with a check each and a quarter as many keys of one KiB. wrk writes keys through
 * 16 connections meanwhile. The probe inside the leader finds the longest stalls of its event loop; those while an
 * image was taken stand beside those of the rest of the same run, because a machine with fewer cores than
 * processes stalls by itself; the leader has a core to itself where there are two. `CPU` is what the thread of the loop itself spent within the stall. Bounded: about two
 * minutes. Run alone: `node bench/cluster/pause.ts`.
 */

import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, printFigures } from '../figures.ts'
import { forgetStalls, type KnownStall, longestStalls, stallsOf } from './ask-probe.ts'
import { type FairleadCluster, startFairlead } from './fairlead-cluster.ts'
import { entries, putAll, registrations } from './load.ts'
import { isInstalled, temporaryFolder } from './members.ts'
import { SCRIPTS, writeScript, wrk } from './wrk.ts'

const run = promisify(execFile)
const INSTANCES = Number(process.env['BENCH_INSTANCES'] ?? 100_000)
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 30)

interface Span {
  readonly from: number
  readonly to: number
}

export async function benchPause(): Promise<Figure[]> {
  if (!(await isInstalled('wrk'))) {
    console.log('cluster/pause: wrk is not installed; this benchmark is left out')
    return []
  }
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'fairlead'), {
    hcl: 'raft_snapshot_threshold = 4096 raft_snapshot_interval = "5s"',
    hasProbe: true,
    logLevel: 'info',
  })
  const leader = await cluster.leader()
  await using _apart = await apart(cluster, leader)
  await putAll(leader, registrations(INSTANCES, { services: true, checks: true }))
  await putAll(leader, entries(INSTANCES / 4, 1_024))
  await forgetStalls(cluster.probeOf(leader))
  const begun = Date.now()
  const script = await writeScript(join(folder.path, 'put.lua'), SCRIPTS.fairleadPut)
  const load = await wrk(leader, { connections: 16, seconds: SECONDS, script })
  const stalls = await stallsOf(cluster.probeOf(leader))
  const spans = imagesTaken(await cluster.logOf(leader)).filter(({ to }) => to >= begun)
  const within = stalls.filter((stall) => spans.some((span) => overlaps(stall, span)))
  const outside = stalls.filter((stall) => !within.includes(stall))
  if (process.env['BENCH_VERBOSE'] !== undefined) printLongest(within)
  return [
    { name: 'images taken', value: spans.length, unit: '' },
    { name: '  time each', value: meanMs(spans), unit: 'ms' },
    { name: 'writes meanwhile', value: load.perSecond, unit: 'requests/s' },
    ...longestStalls('while an image is taken', within),
    ...longestStalls('at other times', outside),
  ]
}

/**
 * The leader on one core and everything else on the others, as if each had a host of its own: all servers take
 * their images at the same entry of the log.
 */
async function apart(cluster: FairleadCluster, leader: string): Promise<AsyncDisposable> {
  const last = availableParallelism() - 1
  if (last < 1 || !(await isInstalled('taskset'))) {
    console.log('cluster/pause: all servers share the cores (apart they need two, and taskset)')
    return { [Symbol.asyncDispose]: async () => {} }
  }
  const pin = async (cores: string, pid: number): Promise<void> => {
    await run('taskset', ['-a', '-c', '-p', cores, String(pid)])
  }
  for (const url of cluster.urls) {
    await pin(url === leader ? '0' : `1-${last}`, cluster.pidOf(url))
  }
  // The load is started by this process, and inherits its cores.
  await pin(`1-${last}`, process.pid)
  return { [Symbol.asyncDispose]: () => pin(`0-${last}`, process.pid) }
}

/** From the log: when each image was begun and done. */
function imagesTaken(log: string): readonly Span[] {
  const spans: Span[] = []
  for (const line of log.split('\n')) {
    if (!line.includes('snapshot taken')) continue
    const to = Date.parse(line.slice(0, line.indexOf(' ')))
    spans.push({ from: to - Number(/durationMs=(\d+)/.exec(line)?.[1]), to })
  }
  return spans
}

function overlaps({ at, durationMs }: KnownStall, { from, to }: Span): boolean {
  return at >= from && at - durationMs <= to
}

function printLongest(stalls: readonly KnownStall[]): void {
  const sorted = [...stalls].sort((a, b) => b.durationMs - a.durationMs).slice(0, 20)
  for (const { at, durationMs, cpuMs, gcMs } of sorted) {
    const [stall, cpu, gc] = [durationMs, cpuMs, gcMs].map((ms) => ms.toFixed(1))
    console.log(`  ${new Date(at).toISOString()} ${stall} ms, CPU ${cpu}, garbage ${gc}`)
  }
}

function meanMs(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0) / spans.length
}

if (import.meta.main)
  printFigures('Pause of the leader while it takes an image', await benchPause())
