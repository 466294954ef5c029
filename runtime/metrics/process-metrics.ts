/**
 * Figures of the process and its JavaScript engine.
 *
 * Guarantees: after `stop` neither the observer of collections nor the measurement of the loop runs. Costs one
 * timer of LOOP_RESOLUTION_MS in the engine, so seldom that an idle agent sleeps, and one callback for each collection.
 */

import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { RUNTIME_METRICS } from '../../core/metrics/catalogue/runtime.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'

type LoopDelay = ReturnType<typeof monitorEventLoopDelay>

const LOOP_RESOLUTION_MS = 100
const NS_PER_MS = 1e6
const US_PER_S = 1e6

export class ProcessMetrics {
  readonly #metrics: Metrics
  #collections: PerformanceObserver | undefined
  #loop: LoopDelay | undefined
  #end: (() => void) | undefined

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  start(): void {
    if (this.#end !== undefined) return
    this.#observeCollections()
    const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
    loop.enable()
    this.#loop = loop
    this.#end = this.#show(loop)
  }

  stop(): void {
    this.#end?.()
    this.#end = undefined
    this.#collections?.disconnect()
    this.#collections = undefined
    this.#loop?.disable()
    this.#loop = undefined
  }

  #observeCollections(): void {
    const pause = this.#metrics.sample(RUNTIME_METRICS.gcPause)
    const runs = this.#metrics.counter(RUNTIME_METRICS.gcRuns)
    const total = this.#metrics.counter(RUNTIME_METRICS.gcPauseTotal)
    this.#collections = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        const ns = Math.round(duration * NS_PER_MS)
        pause.record(ns)
        runs.increment()
        total.add(ns)
      }
    })
    this.#collections.observe({ entryTypes: ['gc'] })
  }

  #show(loop: LoopDelay): () => void {
    const metrics = this.#metrics
    const alloc = metrics.gauge(RUNTIME_METRICS.allocBytes)
    const heapTotal = metrics.gauge(RUNTIME_METRICS.heapTotal)
    const external = metrics.gauge(RUNTIME_METRICS.external)
    const sys = metrics.gauge(RUNTIME_METRICS.sysBytes)
    const tasks = metrics.gauge(RUNTIME_METRICS.tasks)
    const delay = metrics.gauge(RUNTIME_METRICS.loopDelay)
    const delayMax = metrics.gauge(RUNTIME_METRICS.loopDelayMax)
    const cpu = metrics.counter(RUNTIME_METRICS.cpuSeconds)
    let cpuBefore = 0
    return metrics.onRead(() => {
      const memory = process.memoryUsage()
      alloc.set(memory.heapUsed)
      heapTotal.set(memory.heapTotal)
      external.set(memory.external)
      sys.set(memory.rss)
      tasks.set(process.getActiveResourcesInfo().length)
      const { user, system } = process.cpuUsage()
      cpu.add((user + system - cpuBefore) / US_PER_S)
      cpuBefore = user + system
      if (loop.count > 0) {
        // What is measured includes the timer itself.
        delay.set(Math.max(0, loop.percentile(99) / NS_PER_MS - LOOP_RESOLUTION_MS))
        delayMax.set(Math.max(0, loop.max / NS_PER_MS - LOOP_RESOLUTION_MS))
        loop.reset()
      }
    })
  }
}
