/**
 * Nodes that gossip has found failed, as the views of this agent know them before the catalog does (gossip.md 15.8).
 *
 * What is shown is what the leader is about to write: the node's `serfHealth` critical. Guarantees: it can only make
 * endpoints unhealthy, never healthy; entries without `serfHealth` (registered by API) and those of nodes that are
 * only suspected are left alone; nothing is shown so where more than half of the endpoints would be lost, or there
 * are fewer than ENDPOINTS_MIN. Ends as soon as the member is alive again or forgotten.
 * Bound: the failed members of the pool.
 */

import type { HealthEntry } from '../../core/catalog/types.ts'
import type { Member, Membership } from '../../core/membership.ts'
import { SERF_CHECK_ID } from '../../core/sync/plan.ts'

/** With fewer a mistake of gossip would cost too much. */
export const ENDPOINTS_MIN = 3

type Entries = ReadonlyMap<string, HealthEntry>

export class FailedNodes {
  readonly #membership: Membership
  readonly #listeners = new Set<() => void>()
  #names: ReadonlySet<string> = new Set()
  #unfollow: (() => void) | undefined

  constructor(membership: Membership) {
    this.#membership = membership
  }

  start(): void {
    this.#unfollow = this.#membership.onChange((members) => this.#learn(members))
    this.#learn(this.#membership.members())
  }

  /** Idempotent. */
  stop(): void {
    this.#unfollow?.()
    this.#listeners.clear()
  }

  /** Called after the failed nodes have changed. @returns stops; idempotent */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** @returns `entries` itself where nothing is to be shown otherwise */
  shown(entries: Entries): Entries {
    if (this.#names.size === 0 || entries.size < ENDPOINTS_MIN) return entries
    const failed = new Map<string, HealthEntry>()
    let alive = 0
    for (const [id, entry] of entries) {
      const status = entry.checks.find(({ checkId }) => checkId === SERF_CHECK_ID)?.status
      if (status === 'critical') continue
      if (status !== undefined && this.#names.has(entry.node.node.toLowerCase())) {
        failed.set(id, withFailedNode(entry))
      } else alive++
    }
    if (failed.size === 0 || alive < failed.size) return entries
    return new Map([...entries].map(([id, entry]) => [id, failed.get(id) ?? entry]))
  }

  #learn(members: readonly Member[]): void {
    const failed = members.filter(({ status }) => status === 'failed')
    const names = new Set(failed.map(({ name }) => name.toLowerCase()))
    const isSame =
      names.size === this.#names.size && [...names].every((name) => this.#names.has(name))
    this.#names = names
    if (!isSame) for (const listener of [...this.#listeners]) listener()
  }
}

function withFailedNode(entry: HealthEntry): HealthEntry {
  const checks = entry.checks.map((check) =>
    check.checkId === SERF_CHECK_ID
      ? { ...check, status: 'critical' as const, output: 'Agent not live or unreachable' }
      : check,
  )
  return { ...entry, checks }
}
