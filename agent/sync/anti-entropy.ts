/**
 * Anti-entropy: keeps the catalog in agreement with what runs on this host (http-api.md 10.7).
 *
 * Full sync at start, then every minute plus stagger, scaled by the size of the cluster; a partial one at
 * once after each local change. Guarantees: syncs run one after another; a registration that awaits its
 * sync sees it done or logged as failed; what failed is tried again by a full sync within 15 to 30 s.
 * The decisions are core/sync/plan.ts. One timer. Bounds: the sets hold ids of local services and checks
 * (agent/local/limits.ts); at most one sync waits behind the running one, and STEPS_AT_ONCE writes are on their
 * way.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Member, Membership } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import {
  type CatalogView,
  catalogViewOf,
  emptyCatalogView,
  type LocalView,
  type NodeInfo,
} from '../../core/sync/node-view.ts'
import {
  acknowledge,
  adoptions,
  differsInOutputOnly,
  type PlanScope,
  planSync,
  type SyncStep,
} from '../../core/sync/plan.ts'
import {
  fullSyncDelayMs,
  outputDeferralMs,
  retryDelayMs,
  SERVER_JOIN_SPREAD_MS,
} from '../../core/sync/timing.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { LocalState } from '../local/local-state.ts'
import type { LocalChange } from '../local/types.ts'

export interface AntiEntropyOptions {
  readonly nodeAddress: string
  readonly nodeTaggedAddresses: Readonly<Record<string, string>>
  /** Output-only changes of checks wait about this long; 0 sends each at once. */
  readonly checkUpdateIntervalMs: number
}

export interface Registrants {
  service(id: string): Pick<ServerApi, 'write'>
  check(id: string): Pick<ServerApi, 'write'>
}

export interface AntiEntropyDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly local: LocalState
  /** On behalf of the agent. */
  readonly servers: Pick<ServerApi, 'read' | 'write'>
  /** On behalf of who registered something, by its id; absent where the agent may do everything itself. */
  readonly registrants?: Registrants
  readonly membership: Membership
}

interface PendingSync {
  full: boolean
  done: Promise<void>
}

/** More would let the agents of a fleet that starts anew take each other's turns at the leader. */
const STEPS_AT_ONCE = 4
const NEVER = instant(Number.POSITIVE_INFINITY)

export class AntiEntropy implements Service {
  readonly #options: AntiEntropyOptions
  readonly #deps: AntiEntropyDeps
  readonly #abort = new AbortController()
  readonly #dirtyServices = new Set<string>()
  readonly #dirtyChecks = new Set<string>()
  /** When the output of a check is to be sent, for those that wait. */
  readonly #deferred = new Map<string, Instant>()
  #catalog: CatalogView = emptyCatalogView()
  /** False until the catalog was read: a partial sync cannot know what to remove. */
  #hasRead = false
  #fullAt: Instant = NEVER
  #timer: Timer | undefined
  #pending: PendingSync | undefined
  #tail: Promise<void> = Promise.resolve()
  #knownServers: ReadonlySet<string> = new Set()
  #unsubscribe: readonly (() => void)[] = []

  constructor(options: AntiEntropyOptions, deps: AntiEntropyDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** Begins the first full sync and does not wait for it: an agent serves without servers too. */
  async start(): Promise<void> {
    const { local, membership } = this.#deps
    this.#knownServers = liveServers(membership.members())
    this.#unsubscribe = [
      local.onChange((change) => this.#onLocalChange(change)),
      membership.onChange((members) => this.#onMembers(members)),
    ]
    local.bindSync(() => this.syncChanges())
    void this.#request(true)
  }

  /** Gives the last changes the time until `deadline` to reach the catalog. */
  async drain(deadline: Instant): Promise<void> {
    const { clock } = this.#deps
    const synced = new AbortController()
    const timeUp = clock.sleep(Math.max(0, deadline - clock.now()), synced.signal).catch(() => {})
    await Promise.race([this.syncChanges(), timeUp])
    synced.abort()
    await timeUp
  }

  async stop(): Promise<void> {
    this.#abort.abort(new FairleadError('SHUTTING_DOWN', 'Anti-entropy is stopping'))
    this.#deps.local.bindSync(undefined)
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#timer?.cancel()
    await this.#tail
    this.#timer?.cancel()
  }

  /** Resolves when all changes made so far were offered to the catalog; a failure is logged, not thrown. */
  async syncChanges(): Promise<void> {
    const hasChanges = this.#dirtyServices.size > 0 || this.#dirtyChecks.size > 0
    if (hasChanges) await this.#request(false)
    else await this.#tail
  }

  /** Compares everything now. Resolves as `syncChanges` does. */
  async syncAll(): Promise<void> {
    await this.#request(true)
  }

  #onLocalChange(change: LocalChange): void {
    if (change.kind === 'service') {
      this.#dirtyServices.add(change.id)
    } else {
      if (this.#defersOutput(change)) return
      this.#deferred.delete(change.id)
      this.#dirtyChecks.add(change.id)
    }
    void this.#request(false)
  }

  /** Whether the change is one of output alone, which then is sent later. */
  #defersOutput(change: LocalChange): boolean {
    const interval = this.#options.checkUpdateIntervalMs
    if (interval === 0 || change.removed || this.#dirtyChecks.has(change.id)) return false
    const mine = this.#deps.local.checks().get(change.id)?.check
    const theirs = this.#catalog.checks.get(change.id)
    if (mine === undefined || theirs === undefined) return false
    if (!differsInOutputOnly(mine, theirs)) return false
    if (!this.#deferred.has(change.id)) {
      const { clock, rng } = this.#deps
      this.#deferred.set(change.id, instant(clock.now() + outputDeferralMs(interval, rng)))
      this.#arm()
    }
    return true
  }

  #onMembers(members: readonly Member[]): void {
    const servers = liveServers(members)
    const hasNew = [...servers].some((name) => !this.#knownServers.has(name))
    this.#knownServers = servers
    if (!hasNew) return
    const { clock, rng } = this.#deps
    const soon = instant(clock.now() + rng.float() * SERVER_JOIN_SPREAD_MS)
    if (soon < this.#fullAt) this.#fullAt = soon
    this.#arm()
  }

  /** Queues a sync behind the running one; requests made before it begins are one. */
  #request(full: boolean): Promise<void> {
    if (this.#pending !== undefined) {
      this.#pending.full ||= full
      return this.#pending.done
    }
    const pending: PendingSync = { full, done: Promise.resolve() }
    pending.done = this.#tail.then(async () => {
      // A change has others follow in its turn of the event loop, as a service's check has that of its sidecar.
      await nextTurn()
      this.#pending = undefined
      await this.#run(pending.full)
    })
    this.#pending = pending
    this.#tail = pending.done
    return pending.done
  }

  async #run(wantsFull: boolean): Promise<void> {
    if (this.#abort.signal.aborted) return
    const full = wantsFull || !this.#hasRead
    if (full) this.#fullAt = NEVER
    let scope: PlanScope = { services: new Set(), checks: new Set() }
    let problem: unknown
    try {
      if (full) await this.#readCatalog()
      scope = this.#takeDirty()
      const refused = await this.#agree(full ? undefined : scope)
      if (refused > 0) problem = new FairleadError('REJECTED', `${refused} changes were refused`)
    } catch (error) {
      problem = error
    }
    if (this.#abort.signal.aborted) return
    if (problem !== undefined) {
      for (const id of scope.services) this.#dirtyServices.add(id)
      for (const id of scope.checks) this.#dirtyChecks.add(id)
      this.#retryLater(problem)
    } else if (full) {
      const { clock, rng, membership } = this.#deps
      const members = membership.members().filter(({ status }) => status === 'alive').length
      this.#fullAt = instant(clock.now() + fullSyncDelayMs(members, rng))
    }
    this.#arm()
  }

  #retryLater(problem: unknown): void {
    const { clock, rng, log } = this.#deps
    const delayMs = retryDelayMs(rng)
    const retryAt = instant(clock.now() + delayMs)
    if (retryAt < this.#fullAt) this.#fullAt = retryAt
    log.warn('catalog not in sync with this agent, trying again later', {
      err: problem,
      retryInMs: Math.round(delayMs),
    })
  }

  async #readCatalog(): Promise<void> {
    const { local, servers } = this.#deps
    const found = await servers.read(
      'catalog.node',
      { node: local.nodeName },
      { signal: this.#abort.signal },
    )
    this.#catalog = catalogViewOf(found.value)
    this.#hasRead = true
    for (const { serviceId, ...taken } of adoptions(
      this.#localView(),
      this.#catalog,
      this.#dirtyServices,
    )) {
      local.adoptFromCatalog(serviceId, taken)
    }
  }

  #takeDirty(): PlanScope {
    const scope = {
      services: new Set(this.#dirtyServices),
      checks: new Set(this.#dirtyChecks),
    }
    this.#dirtyServices.clear()
    this.#dirtyChecks.clear()
    return scope
  }

  /** @returns how many steps the servers refused; throws when they could not be asked */
  async #agree(only: PlanScope | undefined): Promise<number> {
    const local = this.#localView()
    const phases = planSync(local, this.#catalog, {
      ...(only === undefined ? {} : { only }),
      deferredOutputs: new Set(this.#deferred.keys()),
    })
    let refused = 0
    for (const steps of phases) refused += await this.#performAll(steps, local)
    return refused
  }

  /** A few at once: a service and its sidecar, a check and its alias, go into one batch of the leader. */
  async #performAll(steps: readonly SyncStep[], local: LocalView): Promise<number> {
    const waiting = steps.values()
    const problems: unknown[] = []
    let refused = 0
    const work = async (): Promise<void> => {
      for (const step of waiting) {
        if (problems.length > 0) return
        try {
          if (await this.#perform(step)) acknowledge(this.#catalog, step, local)
          else refused++
        } catch (error) {
          problems.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(STEPS_AT_ONCE, steps.length) }, work))
    if (problems.length > 0) throw problems[0]
    return refused
  }

  /** @returns false when this step was refused and later ones may go on */
  async #perform(step: SyncStep): Promise<boolean> {
    const { log } = this.#deps
    const facts = {
      services: [...step.services.map(({ id }) => id), ...step.removedServices],
      checks: [...step.checks.map(({ checkId }) => checkId), ...step.removedChecks],
    }
    try {
      await this.#serversFor(step).write(step.command, { signal: this.#abort.signal })
      log.debug(step.command.kind === 'register' ? 'synced' : 'deregistered', facts)
      return true
    } catch (error) {
      const { code } = toFairleadError(error)
      if (code === 'PERMISSION_DENIED') {
        log.warn('change blocked by access control, not repeated before the next full sync', {
          ...facts,
          err: error,
        })
        return true
      }
      // Behind a refused node stands another host: nothing of ours may go under its name.
      const isOwnProblem = (code === 'REJECTED' || code === 'BAD_REQUEST') && !step.node
      if (!isOwnProblem) throw error
      log.error('change refused by the servers', { ...facts, err: error })
      return false
    }
  }

  /** A registration goes with the token that it came with; the node, and what is to go, with the agent's. */
  #serversFor(step: SyncStep): Pick<ServerApi, 'write'> {
    const { servers, registrants } = this.#deps
    if (registrants === undefined) return servers
    const [service] = step.services
    if (service !== undefined) return registrants.service(service.id)
    const [check] = step.checks
    return check === undefined ? servers : registrants.check(check.checkId)
  }

  #localView(): LocalView {
    const { local } = this.#deps
    const node: NodeInfo = {
      id: local.nodeId,
      node: local.nodeName,
      address: this.#options.nodeAddress,
      taggedAddresses: this.#options.nodeTaggedAddresses,
      meta: local.nodeMeta(),
    }
    const services = new Map([...local.services()].map(([id, { service }]) => [id, service]))
    const checks = new Map([...local.checks()].map(([id, { check }]) => [id, check]))
    return { node, services, checks }
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#abort.signal.aborted) return
    let at = this.#fullAt
    for (const due of this.#deferred.values()) if (due < at) at = due
    if (at !== NEVER) this.#timer = this.#deps.clock.timer(at, () => this.#onTimer())
  }

  #onTimer(): void {
    const now = this.#deps.clock.now()
    for (const [id, due] of this.#deferred) {
      if (due > now) continue
      this.#deferred.delete(id)
      this.#dirtyChecks.add(id)
    }
    const full = this.#fullAt <= now
    if (full) this.#fullAt = NEVER
    void this.#request(full)
    this.#arm()
  }
}

function liveServers(members: readonly Member[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { name, status, tags } of members) {
    if (status === 'alive' && tags['role'] === 'consul') names.add(name)
  }
  return names
}
