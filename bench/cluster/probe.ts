/**
 * Loaded into a server under measurement (`node --import`): what only the process itself knows.
 *
 * A timer of one millisecond finds every turn of the event loop that came STALL_MIN_MS late, with the CPU time
 * that its own thread spent meanwhile (a machine with too few cores is late, too) and the share of the
 * garbage collector. Answers over a Unix socket, one JSON line for one word: `stalls` (and forgets them),
 * `memory` (after a full collection). Bound: STALLS_MAX, newer ones are left out and counted.
 */

import { createServer } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

const STALL_MIN_MS = 5
const STALLS_MAX = 10_000

export interface Stall {
  /** When it ended, ms since 1970. */
  readonly at: number
  readonly durationMs: number
  /** Of the thread of the event loop. */
  readonly cpuMs: number
  readonly gcMs: number
}

export interface ProcessMemory {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
}

const stalls: Stall[] = []
const collections: { readonly from: number; readonly to: number }[] = []
let dropped = 0

const path = process.env['BENCH_PROBE']
if (isMainThread && path !== undefined) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  watchLoop()
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      collections.push({ from: startTime, to: startTime + duration })
    }
  }).observe({ entryTypes: ['gc'] })
  createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (word) => {
      socket.end(`${JSON.stringify(word.toString() === 'memory' ? memory(collect) : take())}\n`)
    })
  })
    .listen(path)
    .unref()
}

function watchLoop(): void {
  let last = performance.now()
  let cpu = process.threadCpuUsage()
  setInterval(() => {
    const now = performance.now()
    const spent = process.threadCpuUsage()
    const durationMs = now - last - 1
    if (durationMs >= STALL_MIN_MS) {
      if (stalls.length < STALLS_MAX) {
        const cpuMs = (spent.user + spent.system - cpu.user - cpu.system) / 1_000
        stalls.push({ at: performance.timeOrigin + now, durationMs, cpuMs, gcMs: 0 })
      } else dropped += 1
    }
    last = now
    cpu = spent
  }, 1).unref()
}

function take(): { readonly stalls: readonly Stall[]; readonly dropped: number } {
  const out = { stalls: stalls.splice(0).map(withCollections), dropped }
  collections.length = 0
  dropped = 0
  return out
}

/** The observer hears of collections only after the stall that they made. */
function withCollections(stall: Stall): Stall {
  const end = stall.at - performance.timeOrigin
  let gcMs = 0
  for (const { from, to } of collections) {
    gcMs += Math.max(0, Math.min(to, end) - Math.max(from, end - stall.durationMs - 1))
  }
  return { ...stall, gcMs }
}

function memory(collect: () => void): ProcessMemory {
  collect()
  collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heapUsed, external }
}
