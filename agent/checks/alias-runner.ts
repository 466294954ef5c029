/**
 * Runs one alias check: follows local state for the own node, the catalog for another (http-api.md 10.3).
 *
 * Guarantees: a change of the target shows within the same turn of the event loop on the own node; after
 * `stop` no result is reported. When the servers cannot be asked, the last result stays.
 * Bounds: one blocking read at a time, failures back off up to `BACKOFF_MAX_MS`.
 */

import type { CheckStatus } from '../../core/catalog/types.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import type { LocalChange, LocalStateApi } from '../local/types.ts'
import { type AliasTarget, aliasedLocalChecks, aliasResult } from './alias-status.ts'

const BACKOFF_MIN_MS = 1_000
const BACKOFF_MAX_MS = 60_000

export interface AliasRunnerDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly local: LocalStateApi
  readonly servers: Pick<ServerApi, 'read'>
  readonly onResult: (status: CheckStatus, output: string) => void
}

export class AliasRunner {
  readonly #checkId: string
  readonly #target: AliasTarget
  readonly #deps: AliasRunnerDeps
  readonly #abort = new AbortController()
  #unsubscribe: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #isQueued = false

  /** @param alias its node '' is this one */
  constructor(
    options: {
      readonly checkId: string
      readonly alias: { readonly node: string; readonly serviceId: string }
    },
    deps: AliasRunnerDeps,
  ) {
    this.#checkId = options.checkId
    this.#target = {
      serviceId: options.alias.serviceId,
      node: options.alias.node || deps.local.nodeName,
    }
    this.#deps = deps
  }

  start(): void {
    const { local } = this.#deps
    if (this.#target.node !== local.nodeName) {
      this.#running = this.#followRemote()
      return
    }
    this.#unsubscribe = local.onChange((change) => this.#onLocalChange(change))
    // At once, so that the catalog never hears of the status before the first look.
    this.#lookLocal()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#abort.abort(new Error('check is stopping'))
    await this.#running
  }

  #onLocalChange(change: LocalChange): void {
    if (change.kind === 'check' && change.id === this.#checkId) return
    this.#queueLocal()
  }

  /** Looks once however many changes this turn brings. */
  #queueLocal(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    queueMicrotask(() => {
      this.#isQueued = false
      if (!this.#abort.signal.aborted) this.#lookLocal()
    })
  }

  #lookLocal(): void {
    const { local, onResult } = this.#deps
    const { serviceId } = this.#target
    const services = local.services()
    const checks = aliasedLocalChecks(serviceId, {
      checks: local.checks(),
      hasService: (id) => services.has(id),
      nodeName: local.nodeName,
    })
    const hasTarget = serviceId === '' || services.has(serviceId)
    const { status, output } = aliasResult(this.#target, hasTarget, checks)
    onResult(status, output)
  }

  async #followRemote(): Promise<void> {
    const { signal } = this.#abort
    let index = 0
    let failures = 0
    while (!signal.aborted) {
      try {
        index = await this.#lookRemote(index)
        failures = 0
      } catch (err) {
        if (signal.aborted) return
        failures++
        this.#deps.log.warn('aliased node could not be read', { check: this.#checkId, err })
        await this.#backOff(failures)
      }
    }
  }

  /** @returns the index to wait beyond next */
  async #lookRemote(index: number): Promise<number> {
    const { servers, onResult } = this.#deps
    const { node, serviceId } = this.#target
    const { signal } = this.#abort
    const reply = await servers.read('catalog.node', { node }, { minIndex: index, signal })
    if (signal.aborted) return index
    const services = reply.value?.services ?? []
    const hasTarget =
      reply.value !== null && (serviceId === '' || services.some(({ id }) => id === serviceId))
    const checks = (reply.value?.checks ?? []).filter(
      (check) => check.serviceId === '' || check.serviceId === serviceId,
    )
    const { status, output } = aliasResult(this.#target, hasTarget, checks)
    onResult(status, output)
    // An index that went back means that the servers started over.
    return reply.index < index ? 0 : reply.index
  }

  async #backOff(failures: number): Promise<void> {
    const { clock, rng } = this.#deps
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures, 10))
    try {
      await clock.sleep(BACKOFF_MIN_MS + rng.float() * ceiling, this.#abort.signal)
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error
    }
  }
}
