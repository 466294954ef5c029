/**
 * One runner for each check of the local state that something must run.
 *
 * Follows local state: a new or changed specification gets a new runner, a check that goes away loses its
 * own, a re-registration that changes nothing leaves it running. Guarantees: after `stop` has resolved no
 * runner is left. TTL deadlines are not run here but kept by the local state.
 * Bounds: as many runners as the agent may hold checks (agent/local/limits.ts), each with one run at a time.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { CheckStatus } from '../../core/catalog/types.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { checkTypeOf } from '../local/check-type.ts'
import type { LocalState } from '../local/local-state.ts'
import type { CheckSpec, LocalChange, LocalCheck } from '../local/types.ts'
import { AliasRunner } from './alias-runner.ts'
import { REAP_AFTER_MIN_MS } from './critical-reaper.ts'
import { IntervalRunner } from './interval-runner.ts'
import { probeOf } from './probe-of.ts'

/** Shorter intervals are raised to this. */
export const CHECK_INTERVAL_MIN_MS = 1_000

export interface CheckRunnersOptions {
  /** Agent-wide limit of check outputs in bytes. */
  readonly outputMaxSize: number
}

export interface CheckRunnersDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly local: LocalState
  readonly servers: Pick<ServerApi, 'read'>
}

interface Runner {
  start(): void
  stop(): Promise<void>
}

interface Running {
  readonly spec: CheckSpec
  readonly runner: Runner
}

export class CheckRunners implements Service {
  readonly #options: CheckRunnersOptions
  readonly #deps: CheckRunnersDeps
  readonly #running = new Map<string, Running>()
  /** Stops under way of runners that were replaced or whose check went. */
  readonly #stopping = new Set<Promise<void>>()
  #unsubscribe: (() => void) | undefined

  constructor(options: CheckRunnersOptions, deps: CheckRunnersDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** The number of checks that are being run. */
  get size(): number {
    return this.#running.size
  }

  async start(): Promise<void> {
    const { local } = this.#deps
    this.#unsubscribe = local.onChange((change) => this.#onChange(change))
    for (const id of local.checks().keys()) this.#follow(id)
  }

  async drain(): Promise<void> {
    await this.stop()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    for (const id of [...this.#running.keys()]) this.#end(id)
    await Promise.all(this.#stopping)
  }

  #onChange(change: LocalChange): void {
    if (change.kind === 'check') this.#follow(change.id)
  }

  /** Makes what runs for this check agree with its specification. */
  #follow(id: string): void {
    const spec = this.#deps.local.checks().get(id)?.spec ?? undefined
    const running = this.#running.get(id)
    if (running !== undefined) {
      if (spec !== undefined && (running.spec === spec || sameData(running.spec, spec))) return
      this.#end(id)
    }
    if (spec === undefined) return
    this.#warnOfRaisedTimes(spec)
    const runner = this.#runnerOf(id, spec)
    if (runner === undefined) return
    this.#running.set(id, { spec, runner })
    runner.start()
  }

  #end(id: string): void {
    const running = this.#running.get(id)
    if (running === undefined) return
    this.#running.delete(id)
    const stopped = running.runner.stop().finally(() => this.#stopping.delete(stopped))
    this.#stopping.add(stopped)
  }

  #runnerOf(checkId: string, spec: CheckSpec): Runner | undefined {
    const { clock, rng, log, local, servers } = this.#deps
    const onResult = (status: CheckStatus, output: string): void => {
      this.#logTransition(local.checks().get(checkId), status)
      local.reportCheck(checkId, status, output)
    }
    const deps = { clock, rng: rng.fork(checkId), log, onResult }
    if (checkTypeOf(spec) === 'alias' && spec.alias !== undefined) {
      return new AliasRunner({ checkId, alias: spec.alias }, { ...deps, local, servers })
    }
    const timed = probeOf(spec, { outputMaxSize: this.#options.outputMaxSize, clock })
    if (timed === undefined) return undefined
    return new IntervalRunner(
      {
        checkId,
        intervalMs: Math.max(spec.intervalMs, CHECK_INTERVAL_MIN_MS),
        timeoutMs: timed.timeoutMs,
        isEager: local.services().get(spec.serviceId)?.isSidecar === true,
        thresholds: {
          successBeforePassing: spec.successBeforePassing,
          failuresBeforeWarning: spec.failuresBeforeWarning ?? spec.failuresBeforeCritical,
          failuresBeforeCritical: spec.failuresBeforeCritical,
        },
      },
      { ...deps, probe: timed.probe },
    )
  }

  #logTransition(entry: LocalCheck | undefined, status: CheckStatus): void {
    if (entry === undefined || entry.check.status === status) return
    const { checkId, serviceId } = entry.check
    const facts = { check: checkId, service: serviceId, was: entry.check.status, is: status }
    if (status === 'passing') this.#deps.log.info('check is passing', facts)
    else this.#deps.log.warn('check is not passing', facts)
  }

  #warnOfRaisedTimes(spec: CheckSpec): void {
    const { log } = this.#deps
    const facts = { check: spec.checkId }
    if (spec.intervalMs > 0 && spec.intervalMs < CHECK_INTERVAL_MIN_MS) {
      log.warn('check interval raised to its minimum', {
        ...facts,
        intervalMs: spec.intervalMs,
        minMs: CHECK_INTERVAL_MIN_MS,
      })
    }
    const reapAfterMs = spec.deregisterCriticalServiceAfterMs
    if (reapAfterMs > 0 && reapAfterMs < REAP_AFTER_MIN_MS) {
      log.warn('deregistration of a critical service raised to its minimum time', {
        ...facts,
        afterMs: reapAfterMs,
        minMs: REAP_AFTER_MIN_MS,
      })
    }
  }
}
