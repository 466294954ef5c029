/**
 * The checks table: node-level and service checks, and what their state does to others.
 *
 * A check that turns critical or goes away ends the sessions bound to it, in the same command
 * (http-api.md 14). A service check moves the index of its service, a node-level one those of all
 * services of the node (http-api.md 4).
 */

import { dropCheck, putCheck } from './check-table.ts'
import { type Draft, type Refusal, refuse } from './draft.ts'
import { sameData } from './equality.ts'
import { invalidateSessionsOfCheck } from './sessions.ts'
import { pairKey } from './state.ts'
import type { CheckDefinition, CheckRecord, ServiceRecord } from './types.ts'

export function ensureCheck(
  draft: Draft,
  nodeKey: string,
  given: CheckDefinition,
): Refusal | undefined {
  const node = draft.next.nodes.get(nodeKey)
  if (node === undefined) return refuse('Missing node registration')
  const service = given.serviceId === '' ? undefined : node.services.get(given.serviceId)
  if (given.serviceId !== '' && service === undefined) {
    return refuse(`Unknown service ID '${given.serviceId}' for check ID '${given.checkId}'`)
  }
  const existing = node.checks.get(given.checkId)
  const record: CheckRecord = {
    ...given,
    serviceName: service?.service ?? '',
    serviceTags: service?.tags ?? [],
    node: node.record.node,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
  if (existing === undefined || !sameData(existing, record)) {
    putCheck(draft, nodeKey, { ...record, modifyIndex: draft.index })
  }
  if (record.status === 'critical') invalidateSessionsOfCheck(draft, nodeKey, record.checkId)
  return undefined
}

/** Removes a check; nothing when there is none. */
export function deleteCheck(draft: Draft, nodeKey: string, checkId: string): void {
  const node = draft.next.nodes.get(nodeKey)
  const existing = node?.checks.get(checkId)
  if (node === undefined || existing === undefined) return
  dropCheck(draft, nodeKey, existing)
  invalidateSessionsOfCheck(draft, nodeKey, checkId)
}

export function deleteAllChecks(draft: Draft, nodeKey: string): void {
  for (const check of draft.next.nodes.get(nodeKey)?.checks.values() ?? []) {
    deleteCheck(draft, nodeKey, check.checkId)
  }
}

/** A check shows the name and tags of its service: keeps them right when the service changes. */
export function refreshServiceChecks(draft: Draft, nodeKey: string, service: ServiceRecord): void {
  const checks = draft.next.nodes.get(nodeKey)?.checksByService.valuesUnder(pairKey(service.id, ''))
  for (const check of checks ?? []) {
    if (check.serviceName === service.service && sameData(check.serviceTags, service.tags)) continue
    putCheck(draft, nodeKey, {
      ...check,
      serviceName: service.service,
      serviceTags: service.tags,
      modifyIndex: draft.index,
    })
  }
}
