/**
 * Which instances a prepared query answers with, and where it looks when there are none (http-api.md 16). Pure.
 *
 * Guarantees: an instance with a critical check that counts is never among them; the order is that of the input.
 */

import type { HealthEntry, StringMap } from '../catalog/types.ts'
import type { QueryFailover, QueryService } from './types.ts'

export function selectInstances(
  entries: readonly HealthEntry[],
  service: QueryService,
): readonly HealthEntry[] {
  const ignored = new Set(service.ignoreCheckIds)
  const tags = (service.tags ?? []).map((tag) => tag.toLowerCase())
  const wanted = tags.filter((tag) => !tag.startsWith('!'))
  const unwanted = tags.filter((tag) => tag.startsWith('!')).map((tag) => tag.slice(1))
  return entries.filter((entry) => {
    const counts = entry.checks.filter(({ checkId }) => !ignored.has(checkId))
    if (!counts.every(({ status }) => isGood(status, service.onlyPassing))) return false
    if (!hasAll(entry.node.meta, service.nodeMeta)) return false
    if (!hasAll(entry.service.meta, service.serviceMeta)) return false
    if (tags.length === 0) return true
    const own = new Set(entry.service.tags.map((tag) => tag.toLowerCase()))
    return wanted.every((tag) => own.has(tag)) && !unwanted.some((tag) => own.has(tag))
  })
}

/** What a read of the service's health may leave out already: less to carry, the choice is the same. */
export function narrowingOf(service: QueryService): {
  readonly tags?: readonly string[]
  readonly nodeMeta?: StringMap
} {
  const tags = (service.tags ?? []).filter((tag) => !tag.startsWith('!'))
  const { nodeMeta } = service
  const hasMeta = nodeMeta !== null && Object.keys(nodeMeta).length > 0
  return { ...(tags.length === 0 ? {} : { tags }), ...(hasMeta ? { nodeMeta } : {}) }
}

function isGood(status: string, onlyPassing: boolean): boolean {
  return status === 'passing' || (status === 'warning' && !onlyPassing)
}

function hasAll(own: StringMap | null, wanted: StringMap | null): boolean {
  return Object.entries(wanted ?? {}).every(
    ([key, value]) => own !== null && Object.hasOwn(own, key) && own[key] === value,
  )
}

/**
 * The datacenters to ask in turn when there is no instance here, each once.
 *
 * The nearest N are not among them: how far other datacenters are is not known. Peers neither.
 */
export function failoverDatacenters(failover: QueryFailover, own: string): readonly string[] {
  const listed = failover.targets?.length
    ? failover.targets.filter(({ peer }) => peer === '').map(({ datacenter }) => datacenter)
    : (failover.datacenters ?? [])
  const names = listed.map((name) => name.toLowerCase())
  return [...new Set(names)].filter((name) => name !== '' && name !== own.toLowerCase())
}
