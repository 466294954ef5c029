/**
 * Keeps the groups that reads and feeds live from: the instances of each service name and destination.
 *
 * Each instance is one ready `HealthEntry` (node, service, every check that bears on it), so a read by
 * name only collects. Tables mark what became stale; `settleInstances` runs once at the end of a command,
 * makes those entries anew, moves the index of exactly the services concerned (http-api.md 4, per-service
 * index), and notes extinctions. Cost: proportional to the instances marked; a node-level check marks
 * every instance of its node.
 */

import type { Draft } from './draft.ts'
import { touchTable } from './draft.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import { PersistentMap } from './persistent-map.ts'
import {
  type InstanceGroup,
  type NodeState,
  nameKey,
  pairKey,
  type State,
  type TableName,
} from './state.ts'
import type { CheckRecord, HealthEntry, ServiceDefinition } from './types.ts'
import { destinationWatch, serviceWatch } from './watch-keys.ts'

type GroupTable = 'services' | 'destinations'

const EXTINCTION: Readonly<Record<GroupTable, TableName>> = {
  services: 'serviceExtinction',
  destinations: 'destinationExtinction',
}

/** The service whose mesh traffic this instance takes, if it takes any. */
export function destinationOf(service: ServiceDefinition): string | undefined {
  if (service.kind === 'connect-proxy') {
    const name = service.proxy?.destinationServiceName
    return name === '' ? undefined : name
  }
  return service.connectNative ? service.service : undefined
}

export function markInstance(draft: Draft, nodeKey: string, serviceId: string): void {
  draft.staleInstances.add(pairKey(nodeKey, serviceId))
}

export function markNode(draft: Draft, nodeKey: string): void {
  const node = draft.next.nodes.get(nodeKey)
  if (node === undefined) return
  for (const service of node.services.values()) markInstance(draft, nodeKey, service.id)
}

export function instanceAt(state: State, instanceKey: string): HealthEntry | undefined {
  const separator = instanceKey.indexOf(KEY_SEPARATOR)
  const node = state.nodes.get(instanceKey.slice(0, separator))
  const service = node?.services.get(instanceKey.slice(separator + 1))
  if (service === undefined) return undefined
  return state.services.get(nameKey(service.service))?.instances.get(instanceKey)
}

/** Every check of one instance: those of its node first, each part by check id. */
export function checksOf(node: NodeState, serviceId: string): readonly CheckRecord[] {
  if (node.checks.size === 0) return []
  const ofNode = node.checksByService.valuesUnder(KEY_SEPARATOR)
  const own = node.checksByService.valuesUnder(pairKey(serviceId, ''))
  return ofNode.length === 0 ? own : ofNode.concat(own)
}

export function settleInstances(draft: Draft): void {
  for (const instanceKey of draft.staleInstances) {
    const before = instanceAt(draft.base, instanceKey)
    const after = makeEntry(draft.next, instanceKey)
    if (before === undefined && after === undefined) continue
    moveInGroup(
      draft,
      'services',
      instanceKey,
      before?.service.service,
      after?.service.service,
      after,
    )
    const destination = before === undefined ? undefined : destinationOf(before.service)
    const newDestination = after === undefined ? undefined : destinationOf(after.service)
    moveInGroup(draft, 'destinations', instanceKey, destination, newDestination, after)
    draft.changes.instances.push({ before, after })
  }
}

function makeEntry(state: State, instanceKey: string): HealthEntry | undefined {
  const separator = instanceKey.indexOf(KEY_SEPARATOR)
  const node = state.nodes.get(instanceKey.slice(0, separator))
  const service = node?.services.get(instanceKey.slice(separator + 1))
  if (node === undefined || service === undefined) return undefined
  return { node: node.record, service, checks: checksOf(node, service.id) }
}

function moveInGroup(
  draft: Draft,
  table: GroupTable,
  instanceKey: string,
  oldName: string | undefined,
  newName: string | undefined,
  entry: HealthEntry | undefined,
): void {
  if (oldName !== undefined && (newName === undefined || nameKey(oldName) !== nameKey(newName))) {
    leaveGroup(draft, table, nameKey(oldName), instanceKey)
  }
  if (newName !== undefined && entry !== undefined)
    joinGroup(draft, table, newName, instanceKey, entry)
}

function joinGroup(
  draft: Draft,
  table: GroupTable,
  name: string,
  instanceKey: string,
  entry: HealthEntry,
): void {
  const key = nameKey(name)
  const group = draft.next[table].get(key)
  const changed: InstanceGroup = {
    name: group?.name ?? name,
    index: draft.index,
    instances: (group?.instances ?? PersistentMap.empty<HealthEntry>()).set(instanceKey, entry),
  }
  draft.next[table] = draft.next[table].set(key, changed)
  fireGroup(draft, table, key)
}

function leaveGroup(draft: Draft, table: GroupTable, key: string, instanceKey: string): void {
  const group = draft.next[table].get(key)
  if (group === undefined) return
  const instances = group.instances.delete(instanceKey)
  fireGroup(draft, table, key)
  if (instances.size > 0) {
    const changed: InstanceGroup = { name: group.name, index: draft.index, instances }
    draft.next[table] = draft.next[table].set(key, changed)
    return
  }
  draft.next[table] = draft.next[table].delete(key)
  draft.orphanNames.add(key)
  touchTable(draft, EXTINCTION[table])
}

function fireGroup(draft: Draft, table: GroupTable, key: string): void {
  draft.fired.push(table === 'services' ? serviceWatch(key) : destinationWatch(key))
}
