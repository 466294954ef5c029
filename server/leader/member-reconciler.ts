/**
 * Makes the catalog say of the gossip pool what gossip says (http-api.md 10.8): the leader's oldest duty.
 *
 * Guarantees: one sweep at a time; a change during a sweep causes one more; a sweep that finds nothing
 * different writes nothing; a failed sweep is tried again, one refused member is passed over. Whom gossip has forgotten
 * (pruned by an operator, or away or left for long) is deregistered. Whom this leader never saw in gossip, which may know
 * few members yet, turns critical at the second sweep and is deregistered after `reconnectTimeoutMs`, counted from when
 * this leader first missed it.
 * Bounds: `#missing` holds at most one entry a node of the catalog, `#seen` one a member.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Command } from '../../core/catalog/commands.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { StringMap } from '../../core/catalog/types.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Member, Membership } from '../../core/membership.ts'
import { SERVER_METRICS } from '../../core/metrics/catalogue/server.ts'
import type { Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Clock, Instant, Timer } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import { planGone, planMember, planMissing } from './member-plan.ts'
import { timed } from './timed.ts'

export const RECONCILE_INTERVAL_MS = 60_000
const RETRY_MS = 1000
/** Reads between two turns of the event loop. */
const YIELD_EVERY = 256

export interface MemberReconcilerDeps {
  readonly store: StateStoreApi
  readonly membership: Membership
  /** What this server says of itself besides its gossip tags: role, id, RPC port. */
  readonly ownTags: () => StringMap
  readonly reconnectTimeoutMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly write: (command: Command) => Promise<unknown>
}

export class MemberReconciler {
  readonly #deps: MemberReconcilerDeps
  readonly #duration: Sample
  /** Nodes with a serfHealth check that gossip does not name, by lower-case name. */
  readonly #missing = new Map<string, Instant>()
  /** Members of the last sweeps, by lower-case name. */
  readonly #seen = new Set<string>()
  #stopListening: (() => void) | undefined
  #timer: Timer | undefined
  #sweeping: Promise<void> | undefined
  #isDirty = false
  #isLeading = false

  constructor(deps: MemberReconcilerDeps) {
    this.#deps = deps
    this.#duration = deps.metrics.sample(SERVER_METRICS.reconcile)
  }

  /** Begins at once. @returns when the first sweep is over, however it went */
  start(): Promise<void> {
    this.#isLeading = true
    this.#stopListening = this.#deps.membership.onChange(() => void this.sweepSoon())
    return this.sweepSoon()
  }

  /** Resolves when no sweep runs any more. Idempotent. */
  async stop(): Promise<void> {
    this.#isLeading = false
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#missing.clear()
    this.#seen.clear()
    await this.#sweeping
  }

  /** Looks at everything again, at once. Without effect while not leading. */
  sweepSoon(): Promise<void> {
    this.#isDirty = true
    this.#sweeping ??= this.#sweepUntilClean().finally(() => {
      this.#sweeping = undefined
    })
    return this.#sweeping
  }

  async #sweepUntilClean(): Promise<void> {
    let nextMs = RECONCILE_INTERVAL_MS
    while (this.#isDirty && this.#isLeading) {
      this.#isDirty = false
      try {
        await timed(this.#duration, this.#deps.clock, () => this.#sweep())
      } catch (err) {
        if (!this.#isLeading) return
        this.#deps.log.warn('cannot reconcile members into the catalog, will try again', { err })
        nextMs = RETRY_MS
      }
    }
    if (this.#isLeading) this.#arm(nextMs)
  }

  #arm(ms: number): void {
    const { clock } = this.#deps
    this.#timer?.cancel()
    this.#timer = clock.timer(instant(clock.now() + ms), () => void this.sweepSoon())
  }

  async #sweep(): Promise<void> {
    const { membership, ownTags } = this.#deps
    const gossiped = membership.self()
    const self = { ...gossiped, tags: { ...gossiped.tags, ...ownTags() } }
    const members = new Map(membership.members().map((member) => [keyOf(member.name), member]))
    // A server that leads is alive, whatever its own gossip has got round to saying.
    members.set(keyOf(self.name), { ...self, status: 'alive' })
    for (const key of members.keys()) this.#seen.add(key)
    let done = 0
    for (const member of inOrder(members, self)) {
      if (!this.#isLeading) return
      await this.#reconcile(member)
      if (++done % YIELD_EVERY === 0) await nextTurn()
    }
    await this.#handleMissing(members)
    for (const key of this.#seen) if (!members.has(key)) this.#seen.delete(key)
  }

  async #reconcile(member: Member): Promise<void> {
    const plan = planMember(member, this.#known(member.name))
    await this.#writeIfAny(plan)
    if (plan?.kind !== 'deregister' || member.status !== 'alive') return
    // Another host had the name; now it is free.
    await this.#writeIfAny(planMember(member, this.#known(member.name)))
  }

  async #handleMissing(members: ReadonlyMap<string, Member>): Promise<void> {
    const { store, clock } = this.#deps
    const now = clock.now()
    for (const key of this.#missing.keys()) if (members.has(key)) this.#missing.delete(key)
    let done = 0
    for (const node of store.read('catalog.nodes', {}).value) {
      if (!this.#isLeading) return
      const key = keyOf(node.node)
      if (members.has(key)) continue
      const known = this.#known(node.node)
      if (known === null) continue
      const since = this.#missing.get(key)
      if (this.#seen.has(key)) await this.#writeIfAny(planGone(known))
      else if (since === undefined) this.#missing.set(key, now)
      else if (now - since >= this.#deps.reconnectTimeoutMs) await this.#writeIfAny(planGone(known))
      else await this.#writeIfAny(planMissing(known))
      if (++done % YIELD_EVERY === 0) await nextTurn()
    }
  }

  #known(name: string) {
    return this.#deps.store.read('catalog.node', { node: name }).value
  }

  async #writeIfAny(command: Command | null): Promise<void> {
    if (command === null) return
    try {
      await this.#deps.write(command)
    } catch (err) {
      const { code } = toFairleadError(err)
      if (code !== 'REJECTED' && code !== 'BAD_REQUEST') throw err
      // One member that the catalog will not have (an id that is taken, say) must not stop the others.
      this.#deps.log.warn('the catalog refuses what gossip says of a member', { command, err })
      return
    }
    if (command.kind === 'deregister') {
      this.#missing.delete(keyOf(command.request.node))
      this.#deps.log.info('deregistered a node that is gone', { node: command.request.node })
    }
  }
}

/** Node names compare without case. */
function keyOf(name: string): string {
  return name.toLowerCase()
}

/** This server first: until its own node is in the catalog, nothing of this host can be found. */
function inOrder(members: ReadonlyMap<string, Member>, self: Member): Member[] {
  const own = keyOf(self.name)
  const first = members.get(own)
  const rest = [...members].filter(([key]) => key !== own).map(([, member]) => member)
  return first === undefined ? rest : [first, ...rest]
}
