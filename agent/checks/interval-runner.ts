/**
 * Runs one probe again and again (http-api.md 10.4).
 *
 * The first run comes at a random point of the interval, so that the checks of a host do not run together;
 * each next one an interval after the last has ended. An eager check runs at once and, until it has passed
 * for the first time, at growing distances from EAGER_FIRST_MS up to its interval. Guarantees: one run at a time, one timer; after `stop`
 * has resolved no timer, process or connection of the check is left and no result is reported.
 */

import type { CheckStatus } from '../../core/catalog/types.ts'
import { ThresholdCounter, type Thresholds } from '../../core/health/threshold.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { type Probe, type ProbeResult, ProbeTimeout } from '../../runtime/probe/probe.ts'

export interface IntervalRunnerOptions {
  readonly checkId: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly thresholds: Thresholds
  /** For what fairlead itself is about to open: callers should not wait an interval to hear of it. */
  readonly isEager?: boolean
}

const EAGER_FIRST_MS = 50

export interface IntervalRunnerDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly probe: Probe
  readonly onResult: (status: CheckStatus, output: string) => void
}

export class IntervalRunner {
  readonly #options: IntervalRunnerOptions
  readonly #deps: IntervalRunnerDeps
  readonly #counter: ThresholdCounter
  /** The next run's, or the limit of the present one. */
  #timer: Timer | undefined
  #abort: AbortController | undefined
  #running: Promise<void> = Promise.resolve()
  /** Delay before the next run of an eager check that has not passed yet; 0 otherwise. */
  #eagerMs: number
  #stopped = false

  constructor(options: IntervalRunnerOptions, deps: IntervalRunnerDeps) {
    this.#options = options
    this.#deps = deps
    this.#counter = new ThresholdCounter(options.thresholds)
    this.#eagerMs = options.isEager === true ? EAGER_FIRST_MS : 0
  }

  start(): void {
    this.#arm(this.#eagerMs > 0 ? 0 : this.#deps.rng.float() * this.#options.intervalMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#abort?.abort(new Error('check is stopping'))
    await this.#running
  }

  #arm(delayMs: number): void {
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + delayMs), () => {
      this.#running = this.#run()
    })
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const { intervalMs, timeoutMs } = this.#options
    const abort = new AbortController()
    this.#abort = abort
    this.#timer = clock.timer(instant(clock.now() + timeoutMs), () => {
      abort.abort(new ProbeTimeout(timeoutMs))
    })
    const result = await this.#probe(abort.signal)
    this.#timer.cancel()
    this.#abort = undefined
    if (this.#stopped) return
    if (result !== undefined) this.#report(result)
    if (result?.status === 'passing') this.#eagerMs = 0
    this.#arm(this.#eagerMs > 0 ? Math.min(this.#eagerMs, intervalMs) : intervalMs)
    this.#eagerMs *= 2
  }

  async #probe(signal: AbortSignal): Promise<ProbeResult | undefined> {
    try {
      return await this.#deps.probe(signal)
    } catch (error) {
      if (this.#stopped) return undefined
      this.#deps.log.error('probe failed', { check: this.#options.checkId, err: error })
      return { status: 'critical', output: error instanceof Error ? error.message : String(error) }
    }
  }

  #report(result: ProbeResult): void {
    const { log, onResult } = this.#deps
    const facts = { check: this.#options.checkId, found: result.status }
    const status = result.immediate === true ? result.status : this.#counter.observe(result.status)
    if (status === undefined) {
      log.debug('check result below its threshold', facts)
      return
    }
    log.debug('check ran', facts)
    onResult(status, result.output)
  }
}
