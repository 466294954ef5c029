/**
 * The nodes table: who may hold a node name, renaming, removal with all that hangs on a node (http-api.md
 * 11.1, node identity rules).
 *
 * Names compare case-insensitively. A name held under another id is refused unless that node has no id, or
 * no serfHealth check, or a critical one. The same id under a new name is a rename: the old node goes
 * away with its services, checks and sessions first.
 */

import { moveAddresses, nodeAddresses } from './address-index.ts'
import { deleteAllChecks } from './checks.ts'
import { deleteCoordinates } from './coordinate-table.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { goQuote } from './go-quote.ts'
import { markNode } from './instances.ts'
import { PersistentMap } from './persistent-map.ts'
import { deleteService } from './services.ts'
import { invalidateSessionsOfNode } from './sessions.ts'
import { type NodeState, nameKey } from './state.ts'
import type { Indexed, NodeRecord } from './types.ts'
import { nodeWatch } from './watch-keys.ts'

export type NodeWrite = Omit<NodeRecord, keyof Indexed>

export const SERF_HEALTH = 'serfHealth'

/** Creates, changes or renames a node. An empty id keeps the one the node has. */
export function ensureNode(draft: Draft, write: NodeWrite): Refusal | undefined {
  const key = nameKey(write.node)
  let createIndex: number | undefined
  if (write.id !== '') {
    const holderKey = draft.next.nodeIds.get(nameKey(write.id))
    const conflict = holderKey === key ? undefined : nameConflict(draft, key, write)
    if (conflict !== undefined) return conflict
    if (holderKey !== undefined && holderKey !== key) {
      createIndex = draft.next.nodes.get(holderKey)?.record.createIndex
      deleteNode(draft, holderKey)
    }
  }
  const existing = draft.next.nodes.get(key)
  const record: NodeRecord = {
    ...write,
    id: write.id === '' ? (existing?.record.id ?? '') : write.id,
    createIndex: createIndex ?? existing?.record.createIndex ?? draft.index,
    modifyIndex: existing?.record.modifyIndex ?? draft.index,
  }
  if (existing !== undefined && sameData(existing.record, record)) return undefined
  putNode(draft, key, existing, { ...record, modifyIndex: draft.index })
  return undefined
}

/** Removes the node, its services, checks, sessions and coordinates; nothing when there is no such node. */
export function deleteNode(draft: Draft, key: string): void {
  const node = draft.next.nodes.get(key)
  if (node === undefined) return
  for (const service of node.services.values()) deleteService(draft, key, service.id)
  deleteAllChecks(draft, key)
  invalidateSessionsOfNode(draft, key)
  deleteCoordinates(draft, key)
  draft.next.nodes = draft.next.nodes.delete(key)
  if (draft.next.nodeIds.get(nameKey(node.record.id)) === key) {
    draft.next.nodeIds = draft.next.nodeIds.delete(nameKey(node.record.id))
  }
  noteNode(draft, key, node.record, undefined)
}

/** Tells the change feed about the nodes that differ now from what they were before the command. */
export function settleNodes(draft: Draft): void {
  for (const key of draft.staleNodes) {
    const before = draft.base.nodes.get(key)?.record
    const after = draft.next.nodes.get(key)?.record
    if (before !== after) draft.changes.nodes.push({ before, after })
  }
}

function nameConflict(draft: Draft, key: string, write: NodeWrite): Refusal | undefined {
  const other = draft.next.nodes.get(key)
  if (other === undefined || other.record.id === '') return undefined
  const serfHealth = other.checks.get(SERF_HEALTH)
  if (serfHealth === undefined || serfHealth.status === 'critical') return undefined
  const { id, node, address } = other.record
  return refuse(
    `Error while renaming Node ID: ${goQuote(write.id)}: Node name ${write.node} is reserved by node ${id} with name ${node} (${address})`,
  )
}

/** Stores the record as it is, in place of `existing`, the node at this key. */
export function putNode(
  draft: Draft,
  key: string,
  existing: NodeState | undefined,
  record: NodeRecord,
): void {
  const changed: NodeState =
    existing === undefined
      ? {
          record,
          services: PersistentMap.empty(),
          checks: PersistentMap.empty(),
          checksByService: PersistentMap.empty(),
          servicesIndex: 0,
          checksIndex: 0,
        }
      : { ...existing, record }
  draft.next.nodes = draft.next.nodes.set(key, changed)
  const oldId = existing?.record.id ?? ''
  if (oldId !== record.id) {
    if (oldId !== '') draft.next.nodeIds = draft.next.nodeIds.delete(nameKey(oldId))
    if (record.id !== '') draft.next.nodeIds = draft.next.nodeIds.set(nameKey(record.id), key)
  }
  markNode(draft, key)
  noteNode(draft, key, existing?.record, record)
}

function noteNode(
  draft: Draft,
  key: string,
  before: NodeRecord | undefined,
  after: NodeRecord | undefined,
): void {
  draft.next.nodeAddresses = moveAddresses(
    draft.next.nodeAddresses,
    key,
    nodeAddresses(before),
    nodeAddresses(after),
  )
  draft.staleNodes.add(key)
  touchTable(draft, 'nodes')
  draft.fired.push(nodeWatch(key))
}
