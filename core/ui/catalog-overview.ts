/**
 * How many nodes, services and checks are in which state (http-api.md 26). Pure.
 *
 * A node is as its own checks are, an instance of a service as its node's and its own; the worst of them counts, and
 * what has no checks passes.
 */

import { compareCodePoints } from '../catalog/key-order.ts'
import type { CheckRecord, CheckStatus, NodeDump } from '../catalog/types.ts'
import { checkFinder } from './service-summary.ts'

export interface HealthCount {
  /** '' for all nodes together. */
  readonly name: string
  readonly total: number
  readonly passing: number
  readonly warning: number
  readonly critical: number
}

export interface CatalogOverview {
  /** One for all of them; none without nodes. */
  readonly nodes: readonly HealthCount[]
  /** By name. */
  readonly services: readonly HealthCount[]
  /** By name. */
  readonly checks: readonly HealthCount[]
}

class Counts {
  readonly #byName = new Map<string, Record<CheckStatus, number>>()

  add(name: string, status: CheckStatus): void {
    let counts = this.#byName.get(name)
    if (counts === undefined) {
      counts = { passing: 0, warning: 0, critical: 0 }
      this.#byName.set(name, counts)
    }
    counts[status]++
  }

  list(): readonly HealthCount[] {
    return [...this.#byName]
      .sort(([a], [b]) => compareCodePoints(a, b))
      .map(([name, { passing, warning, critical }]) => ({
        name,
        total: passing + warning + critical,
        passing,
        warning,
        critical,
      }))
  }
}

export function catalogOverview(dump: readonly NodeDump[]): CatalogOverview {
  const nodes = new Counts()
  const services = new Counts()
  const checked = new Counts()
  for (const { services: instances, checks } of dump) {
    nodes.add('', worstOf(checks.filter(({ serviceId }) => serviceId === '')))
    for (const check of checks) checked.add(check.name, check.status)
    const checksOf = checkFinder(checks)
    for (const instance of instances) {
      services.add(instance.service, worstOf(checksOf(instance)))
    }
  }
  return { nodes: nodes.list(), services: services.list(), checks: checked.list() }
}

function worstOf(checks: readonly CheckRecord[]): CheckStatus {
  if (checks.some(({ status }) => status === 'critical')) return 'critical'
  return checks.some(({ status }) => status === 'warning') ? 'warning' : 'passing'
}
