/**
 * The checks of this agent: their records, statuses, TTL deadlines and what is remembered over a restart.
 *
 * Guarantees: a check that is stored again keeps its status and output; `criticalSince` is the instant of
 * the last transition to critical on this agent (http-api.md 10.6). Knows nothing of services beyond the
 * fields their checks repeat. Part of LocalState, which serialises what changes definitions.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { CheckStatus, ServiceDefinition } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { headOutput, outputLimit } from '../../core/health/output.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { ownerFields } from './check-records.ts'
import type { DefinitionFiles, StoredCheckState } from './definition-files.ts'
import { TtlTimers } from './ttl-timers.ts'
import type { LocalCheck } from './types.ts'

export interface LocalChecksOptions {
  /** Agent-wide limit of check outputs in bytes. */
  readonly outputMaxSize: number
  readonly discardOutput: boolean
}

export interface LocalChecksDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly files: DefinitionFiles | undefined
  readonly onChange: (checkId: string, removed: boolean) => void
}

export class LocalChecks {
  readonly #options: LocalChecksOptions
  readonly #deps: LocalChecksDeps
  readonly #entries = new Map<string, LocalCheck>()
  readonly #tokens = new Map<string, string>()
  readonly #criticalSince = new Map<string, Instant>()
  readonly #ttl: TtlTimers
  /** From now on; what is kept stays until the check runs again. */
  discardOutput: boolean
  /** States of before the restart, while loading. */
  #restored: ReadonlyMap<string, StoredCheckState> = new Map()

  constructor(options: LocalChecksOptions, deps: LocalChecksDeps) {
    this.#options = options
    this.discardOutput = options.discardOutput
    this.#deps = deps
    this.#ttl = new TtlTimers((id) => this.#expire(id), deps)
  }

  get entries(): ReadonlyMap<string, LocalCheck> {
    return this.#entries
  }

  token(id: string): string {
    return this.#tokens.get(id) ?? ''
  }

  criticalSince(id: string): Instant | undefined {
    return this.#criticalSince.get(id)
  }

  /** '' selects the checks of the node. Cost: all checks of the agent. */
  ofService(serviceId: string): readonly LocalCheck[] {
    const found: LocalCheck[] = []
    for (const entry of this.#entries.values()) {
      if (entry.check.serviceId === serviceId) found.push(entry)
    }
    return found
  }

  /** States that the next `put`s take over. */
  restoreFrom(states: ReadonlyMap<string, StoredCheckState>): void {
    this.#restored = states
  }

  /** Stores a definition; status and output stay what they were, here or before a restart. */
  put(planned: LocalCheck, token: string): void {
    const id = planned.check.checkId
    const before = this.#entries.get(id)
    const kept = before?.check ?? this.#restored.get(id)
    const entry: LocalCheck =
      kept === undefined
        ? planned
        : { ...planned, check: { ...planned.check, status: kept.status, output: kept.output } }
    this.#entries.set(id, entry)
    this.#tokens.set(id, token)
    this.#noteStatus(id, entry.check.status)
    this.#armTtl(entry)
    if (!sameData(before, entry)) this.#deps.onChange(id, false)
  }

  drop(id: string): void {
    this.#ttl.cancel(id)
    this.#tokens.delete(id)
    this.#criticalSince.delete(id)
    if (this.#entries.delete(id)) this.#deps.onChange(id, true)
  }

  /** Makes the service's checks repeat its present name and tags. */
  refreshOwner(service: ServiceDefinition): void {
    const owner = ownerFields(service)
    for (const entry of this.ofService(service.id)) {
      const check = { ...entry.check, ...owner }
      if (sameData(check, entry.check)) continue
      this.#entries.set(check.checkId, { ...entry, check })
      this.#deps.onChange(check.checkId, false)
    }
  }

  /** What a runner found out; no effect for a check that is gone. `output` is within the limit already. */
  report(id: string, status: CheckStatus, output: string): void {
    const before = this.#entries.get(id)?.check.status
    this.#setResult(id, status, output)
    if (before !== undefined && before !== status) this.#saveState(id, undefined)
  }

  /**
   * A TTL report: stores it and starts the time anew.
   *
   * @returns whether the status changed
   * @throws FairleadError NOT_FOUND | REJECTED when the check has no TTL
   */
  reportTtl(id: string, status: CheckStatus, output: string): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw unknownCheck(id)
    const ttlMs = ttlOf(entry)
    if (ttlMs === undefined) {
      throw new FairleadError('REJECTED', `CheckID "${id}" does not have associated TTL`)
    }
    const limit = outputLimit(this.#options.outputMaxSize, entry.spec?.outputMaxSize ?? 0)
    this.#ttl.arm(id, ttlMs)
    this.#setResult(id, status, headOutput(output, limit))
    this.#saveState(id, this.#deps.clock.wall() + ttlMs)
    return entry.check.status !== status
  }

  stop(): void {
    this.#ttl.stop()
  }

  #armTtl(entry: LocalCheck): void {
    const id = entry.check.checkId
    const ttlMs = ttlOf(entry)
    if (ttlMs === undefined) {
      this.#ttl.cancel(id)
      return
    }
    const expiresAt = this.#restored.get(id)?.ttlExpiresAt
    const leftMs = expiresAt === undefined ? ttlMs : expiresAt - this.#deps.clock.wall()
    this.#ttl.arm(id, Math.min(ttlMs, Math.max(0, leftMs)))
  }

  #expire(id: string): void {
    const check = this.#entries.get(id)?.check
    if (check === undefined) return
    const output =
      check.output === ''
        ? 'TTL expired'
        : `TTL expired (last output before timeout follows): ${check.output}`
    this.#deps.log.warn('check missed its ttl and is now critical', { check: id })
    this.#setResult(id, 'critical', output)
    this.#saveState(id, undefined)
  }

  #setResult(id: string, status: CheckStatus, output: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    const kept = this.discardOutput ? '' : output
    if (entry.check.status === status && entry.check.output === kept) return
    this.#entries.set(id, { ...entry, check: { ...entry.check, status, output: kept } })
    this.#noteStatus(id, status)
    this.#deps.onChange(id, false)
  }

  #noteStatus(id: string, status: CheckStatus): void {
    if (status !== 'critical') this.#criticalSince.delete(id)
    else if (!this.#criticalSince.has(id)) this.#criticalSince.set(id, this.#deps.clock.now())
  }

  #saveState(id: string, ttlExpiresAt: number | undefined): void {
    const check = this.#entries.get(id)?.check
    if (check === undefined) return
    this.#deps.files?.saveState({
      checkId: id,
      status: check.status,
      output: check.output,
      ...(ttlExpiresAt === undefined ? {} : { ttlExpiresAt }),
    })
  }
}

export function unknownCheck(id: string): FairleadError {
  return new FairleadError(
    'NOT_FOUND',
    `Unknown check ID "${id}". Ensure that the check ID is passed, not the check name.`,
  )
}

function ttlOf(entry: LocalCheck): number | undefined {
  return entry.check.type === 'ttl' ? entry.spec?.ttlMs : undefined
}
