/**
 * The status of an alias check out of the checks it follows (http-api.md 10.3). Pure.
 *
 * On the own node an alias of an alias follows what that one follows, so that two services that alias each
 * other do not hold each other critical for ever; an alias never counts itself.
 */

import type { CheckDefinition, CheckStatus } from '../../core/catalog/types.ts'
import type { LocalCheck } from '../local/types.ts'

export interface AliasTarget {
  /** '' follows the checks of the node alone. */
  readonly serviceId: string
  readonly node: string
}

export interface AliasResult {
  readonly status: CheckStatus
  readonly output: string
}

/** @param checks those of the target service and of its node */
export function aliasResult(
  target: AliasTarget,
  hasTarget: boolean,
  checks: readonly CheckDefinition[],
): AliasResult {
  if (!hasTarget) {
    const output = `Service ${target.serviceId} could not be found on node ${target.node}`
    return { status: 'critical', output }
  }
  let result: AliasResult = {
    status: 'passing',
    output: checks.length === 0 ? 'No checks found.' : 'All checks passing.',
  }
  for (const check of checks) {
    if (check.status === 'passing') continue
    if (result.status === 'passing' || check.status === 'critical') {
      const output = `Aliased check "${check.name}" failing: ${check.output}`
      result = { status: check.status, output }
    }
    if (check.status === 'critical') break
  }
  return result
}

/**
 * The checks that bear on a service of this node, aliases replaced by what they follow.
 * The check that asks is left out by that: it follows what has been visited.
 *
 * Cost: all checks of the agent for each service on the way.
 */
export function aliasedLocalChecks(
  serviceId: string,
  context: {
    readonly checks: ReadonlyMap<string, LocalCheck>
    readonly hasService: (id: string) => boolean
    readonly nodeName: string
  },
): readonly CheckDefinition[] {
  const found = new Map<string, CheckDefinition>()
  const seen = new Set([serviceId])
  const queue = [serviceId]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const { check, spec } of context.checks.values()) {
      const bears = check.serviceId === '' || check.serviceId === next
      if (!bears) continue
      const alias = spec?.alias
      const isLocalAlias =
        alias !== undefined &&
        check.type === 'alias' &&
        (alias.node === '' || alias.node === context.nodeName) &&
        (alias.serviceId === '' || context.hasService(alias.serviceId))
      if (!isLocalAlias) found.set(check.checkId, check)
      else if (!seen.has(alias.serviceId)) {
        seen.add(alias.serviceId)
        queue.push(alias.serviceId)
      }
    }
  }
  return [...found.values()]
}
