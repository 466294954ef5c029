/**
 * Removes services whose check has been critical for too long (http-api.md 10.6).
 *
 * Looks every 30 s; a service goes with all its checks and its sidecar, from the agent and the catalog.
 * The time counts from the transition seen by this agent, so it starts again with the agent.
 */

import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { LocalState } from '../local/local-state.ts'

export const REAP_INTERVAL_MS = 30_000
/** Lower values of a check are raised to this. */
export const REAP_AFTER_MIN_MS = 60_000

export interface CriticalReaperDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly local: LocalState
}

export class CriticalReaper implements Service {
  readonly #deps: CriticalReaperDeps
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(deps: CriticalReaperDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    this.#arm()
  }

  async drain(): Promise<void> {
    await this.stop()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  #arm(): void {
    if (this.#stopped) return
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + REAP_INTERVAL_MS), () => {
      this.#running = this.#reap()
    })
  }

  async #reap(): Promise<void> {
    const { local, log } = this.#deps
    for (const [serviceId, checkId] of this.#overdue()) {
      if (this.#stopped) return
      if (!local.services().has(serviceId)) continue
      try {
        log.info('service removed, its check was critical for too long', {
          service: serviceId,
          check: checkId,
        })
        await local.deregisterService(serviceId)
      } catch (err) {
        log.error('critical service not removed', { service: serviceId, err })
      }
    }
    this.#arm()
  }

  /** Service id → the check that condemns it. */
  #overdue(): ReadonlyMap<string, string> {
    const { clock, local } = this.#deps
    const found = new Map<string, string>()
    for (const { check, spec } of local.checks().values()) {
      const afterMs = spec?.deregisterCriticalServiceAfterMs ?? 0
      const since = local.criticalSince(check.checkId)
      if (afterMs <= 0 || since === undefined || check.serviceId === '') continue
      const isDue = clock.now() - since >= Math.max(afterMs, REAP_AFTER_MIN_MS)
      if (isDue) found.set(check.serviceId, check.checkId)
    }
    return found
  }
}
