/**
 * Loaded into a server under measurement (`node --import`): what only the process itself knows.
 *
 * A timer of one millisecond finds every turn of the event loop that came STALL_MIN_MS late, with the CPU time
 * that its own thread spent meanwhile (a machine with too few cores is late, too) and the share of the
 * garbage collector. Answers over a Unix socket, one JSON line for one word: `stalls` (since the last `forget`, and
 * forgets them), `forget`, `memory` (after a full collection). Must not make stalls itself: what is dear is left
 * to who asks. Bound: STALLS_MAX and COLLECTIONS_MAX, later ones are left out and counted.
 */

import { createServer } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

const STALL_MIN_MS = 5
const STALLS_MAX = 10_000
const COLLECTIONS_MAX = 50_000

export interface Stall {
  /** When it ended, ms since 1970. */
  readonly at: number
  readonly durationMs: number
  /** Of the thread of the event loop. */
  readonly cpuMs: number
}

/** When the collector held the thread, ms since 1970. */
export interface Collection {
  readonly from: number
  readonly to: number
}

export interface Record {
  readonly stalls: readonly Stall[]
  readonly collections: readonly Collection[]
  readonly dropped: number
}

export interface ProcessMemory {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
}

let stalls: Stall[] = []
let collections: Collection[] = []
let dropped = 0

const path = process.env['BENCH_PROBE']
if (isMainThread && path !== undefined) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  watchLoop()
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      const from = performance.timeOrigin + startTime
      if (collections.length < COLLECTIONS_MAX) collections.push({ from, to: from + duration })
      else dropped += 1
    }
  }).observe({ entryTypes: ['gc'] })
  createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (word) => {
      socket.end(`${JSON.stringify(answer(word.toString(), collect))}\n`)
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
        stalls.push({ at: performance.timeOrigin + now, durationMs, cpuMs })
      } else dropped += 1
    }
    last = now
    cpu = spent
  }, 1).unref()
}

function answer(word: string, collect: () => void): Record | ProcessMemory | null {
  if (word === 'memory') return memory(collect)
  const record: Record = { stalls, collections, dropped }
  stalls = []
  collections = []
  dropped = 0
  return word === 'stalls' ? record : null
}

function memory(collect: () => void): ProcessMemory {
  collect()
  collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heapUsed, external }
}
