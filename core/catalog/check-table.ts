/**
 * Storing and removing check records, with everything derived from them. No rules: those are checks.ts.
 *
 * Guarantees: both views of a node's checks (by id, by service) agree, and every instance on which a check
 * bears is marked stale.
 */

import { type Draft, touchTable } from './draft.ts'
import { markInstance, markNode } from './instances.ts'
import { type NodeState, pairKey } from './state.ts'
import type { CheckRecord } from './types.ts'
import { nodeWatch } from './watch-keys.ts'

/** Stores the record as it is, in place of any with its id. The node must exist. */
export function putCheck(draft: Draft, nodeKey: string, record: CheckRecord): void {
  const node = draft.next.nodes.get(nodeKey)
  if (node === undefined) return
  const before = node.checks.get(record.checkId)
  let byService = node.checksByService
  if (before !== undefined && before.serviceId !== record.serviceId) {
    byService = byService.delete(pairKey(before.serviceId, before.checkId))
    markBearers(draft, nodeKey, before.serviceId)
  }
  replaceNode(draft, nodeKey, {
    ...node,
    checks: node.checks.set(record.checkId, record),
    checksByService: byService.set(pairKey(record.serviceId, record.checkId), record),
    checksIndex: draft.index,
  })
  markBearers(draft, nodeKey, record.serviceId)
}

/** Removes a record that is stored. */
export function dropCheck(draft: Draft, nodeKey: string, record: CheckRecord): void {
  const node = draft.next.nodes.get(nodeKey)
  if (node === undefined) return
  replaceNode(draft, nodeKey, {
    ...node,
    checks: node.checks.delete(record.checkId),
    checksByService: node.checksByService.delete(pairKey(record.serviceId, record.checkId)),
    checksIndex: draft.index,
  })
  markBearers(draft, nodeKey, record.serviceId)
}

function replaceNode(draft: Draft, nodeKey: string, node: NodeState): void {
  draft.next.nodes = draft.next.nodes.set(nodeKey, node)
  touchTable(draft, 'checks')
  draft.fired.push(nodeWatch(nodeKey))
}

function markBearers(draft: Draft, nodeKey: string, serviceId: string): void {
  if (serviceId === '') markNode(draft, nodeKey)
  else markInstance(draft, nodeKey, serviceId)
}
