/**
 * What a definition of a prepared query must hold before it is written (http-api.md 16). Pure.
 *
 * Names that others have and sessions that are not there are the store's to refuse. Bounds: names of QUERY_NAME_MAX
 * characters, lists and maps of QUERY_ITEMS_MAX, texts of QUERY_TEXT_MAX in all.
 */

import { durationFault, parseDuration } from '../duration.ts'
import { templateProblem } from './template.ts'
import { isTemplate, type PreparedQuery, type QueryService } from './types.ts'

export const QUERY_NAME_MAX = 1024
export const QUERY_ITEMS_MAX = 256
export const QUERY_TEXT_MAX = 64 * 1024

/** What is shown instead of a token to those who may not see it. */
export const REDACTED_TOKEN = '<hidden>'

/** @returns the error text, undefined for a query that may be written */
export function queryProblem(query: PreparedQuery): string | undefined {
  const problem =
    definitionProblem(query) ?? serviceProblem(query.service) ?? ttlProblem(query.dnsTtl)
  if (problem !== undefined) return `Invalid prepared query: ${problem}`
  return templateProblem(query)
}

function definitionProblem(query: PreparedQuery): string | undefined {
  if (query.name === '' && query.session === '' && !isTemplate(query)) {
    return 'Must be bound to a session'
  }
  if (query.name.length > QUERY_NAME_MAX) {
    return `Bad Name: it has ${query.name.length} characters, at most ${QUERY_NAME_MAX}`
  }
  if (query.token === REDACTED_TOKEN) {
    return `Bad Token '${REDACTED_TOKEN}', it looks like a query definition with a redacted token was submitted`
  }
  const size = JSON.stringify(query).length
  return size > QUERY_TEXT_MAX
    ? `it has ${size} characters, at most ${QUERY_TEXT_MAX}: shorten its lists`
    : undefined
}

function serviceProblem(service: QueryService): string | undefined {
  if (service.service === '') return 'Must provide a Service name to query'
  const { nearestN, datacenters, targets } = service.failover
  const isByDatacenter = nearestN !== 0 || (datacenters ?? []).length > 0
  if ((targets ?? []).length > 0 && isByDatacenter) {
    return 'Targets cannot be populated with NearestN or Datacenters'
  }
  if (nearestN < 0) return `Bad NearestN '${nearestN}', must be >= 0`
  const sizes = {
    'Failover.Datacenters': datacenters?.length,
    'Failover.Targets': targets?.length,
    IgnoreCheckIDs: service.ignoreCheckIds?.length,
    Tags: service.tags?.length,
    NodeMeta: sizeOf(service.nodeMeta),
    ServiceMeta: sizeOf(service.serviceMeta),
  }
  for (const [field, size] of Object.entries(sizes)) {
    if (size !== undefined && size > QUERY_ITEMS_MAX) {
      return `Service.${field} has ${size} elements, at most ${QUERY_ITEMS_MAX}`
    }
  }
  return undefined
}

function sizeOf(map: QueryService['nodeMeta']): number {
  return map === null ? 0 : Object.keys(map).length
}

function ttlProblem(ttl: string): string | undefined {
  if (ttl === '') return undefined
  const ns = parseDuration(ttl)
  if (ns === undefined) return `Bad DNS TTL '${ttl}': ${durationFault(ttl)}`
  return ns < 0 ? `DNS TTL '${ns}', must be >=0` : undefined
}
