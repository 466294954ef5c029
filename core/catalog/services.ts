/**
 * The services of each node: registering, changing and removing instances (http-api.md 11.1, 11.2).
 *
 * An identical registration changes nothing and moves no index. An instance that takes mesh traffic gets
 * the tagged address `consul-virtual` of its destination (mesh.md 1.6), written here and by nobody else.
 * Removing an instance removes its checks, and with them the sessions bound to those.
 */

import { moveAddresses, serviceAddresses, VIRTUAL_TAG } from './address-index.ts'
import { deleteCheck, refreshServiceChecks } from './checks.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { destinationOf, markInstance } from './instances.ts'
import { type NodeState, pairKey } from './state.ts'
import type { ServiceDefinition, ServiceRecord, TaggedAddress } from './types.ts'
import { allocateVirtualIp } from './virtual-ips.ts'
import { nodeWatch } from './watch-keys.ts'

export function ensureService(
  draft: Draft,
  nodeKey: string,
  given: ServiceDefinition,
): Refusal | undefined {
  const node = draft.next.nodes.get(nodeKey)
  if (node === undefined) return refuse('Missing node registration')
  const definition = withVirtualAddress(draft, given)
  if ('message' in definition) return definition
  const existing = node.services.get(definition.id)
  const record: ServiceRecord = {
    ...definition,
    node: node.record.node,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
  if (existing !== undefined && sameData(existing, record)) return undefined
  const changed = { ...record, modifyIndex: draft.index }
  putService(draft, nodeKey, node, existing, changed)
  if (existing !== undefined) refreshServiceChecks(draft, nodeKey, changed)
  return undefined
}

/** Removes an instance and its checks; nothing when there is none. */
export function deleteService(draft: Draft, nodeKey: string, serviceId: string): void {
  const existing = draft.next.nodes.get(nodeKey)?.services.get(serviceId)
  if (existing === undefined) return
  const checks = draft.next.nodes.get(nodeKey)?.checksByService.valuesUnder(pairKey(serviceId, ''))
  for (const check of checks ?? []) deleteCheck(draft, nodeKey, check.checkId)
  const node = draft.next.nodes.get(nodeKey)
  if (node !== undefined) putService(draft, nodeKey, node, existing, undefined)
}

function withVirtualAddress(draft: Draft, given: ServiceDefinition): ServiceDefinition | Refusal {
  const destination = destinationOf(given)
  if (destination === undefined) return given
  const address = allocateVirtualIp(draft, destination)
  if (address === undefined) {
    return refuse('failed inserting service: cannot allocate any more unique service virtual IPs')
  }
  const virtual: TaggedAddress = { address: address.virtualIp, port: given.port }
  return { ...given, taggedAddresses: { ...given.taggedAddresses, [VIRTUAL_TAG]: virtual } }
}

/** Stores `after` as it is in place of `before`; undefined for none. */
export function putService(
  draft: Draft,
  nodeKey: string,
  node: NodeState,
  before: ServiceRecord | undefined,
  after: ServiceRecord | undefined,
): void {
  const id = (after ?? before)?.id ?? ''
  const services = after === undefined ? node.services.delete(id) : node.services.set(id, after)
  draft.next.nodes = draft.next.nodes.set(nodeKey, {
    ...node,
    services,
    servicesIndex: draft.index,
  })
  draft.next.serviceAddresses = moveAddresses(
    draft.next.serviceAddresses,
    pairKey(nodeKey, id),
    serviceAddresses(before),
    serviceAddresses(after),
  )
  markInstance(draft, nodeKey, id)
  touchTable(draft, 'services')
  draft.fired.push(nodeWatch(nodeKey))
}
