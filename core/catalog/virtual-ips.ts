/**
 * Virtual addresses of mesh services: one offset a name, in 240.0.0.0/4 and in each host's loopback range
 * (mesh.md 1.6).
 *
 * A name owns an offset from the moment an instance takes mesh traffic for it until no such instance and
 * no plain instance of the name is left. The lowest offset given back is used before the counter grows.
 * Deterministic, part of apply. Bound: OFFSET_MAX names, the size of the loopback range, the smaller one.
 */

import { VIRTUAL_BASE, virtualAddress } from '../mesh/virtual-address.ts'
import { type Draft, touchTable } from './draft.ts'
import { indexKey } from './key-order.ts'
import { nameKey } from './state.ts'
import type { VirtualIpRecord } from './types.ts'

/** 127.255.255.254 in the usual loopback range; the offset 0 is the address of the range itself and never used. */
export const OFFSET_MAX = 0x7ffffe

/** The addresses of a name, new ones if it has none. @returns undefined when all are taken */
export function allocateVirtualIp(
  draft: Draft,
  name: string,
  offsetMax = OFFSET_MAX,
): VirtualIpRecord | undefined {
  const key = nameKey(name)
  draft.orphanNames.add(key)
  const existing = draft.next.virtualIps.get(key)
  if (existing !== undefined) return existing
  const offset = takeOffset(draft, offsetMax)
  if (offset === undefined) return undefined
  const record: VirtualIpRecord = {
    service: name,
    offset,
    virtualIp: virtualAddress(VIRTUAL_BASE, offset),
    createIndex: draft.index,
    modifyIndex: draft.index,
  }
  draft.next.virtualIps = draft.next.virtualIps.set(key, record)
  touchTable(draft, 'virtualIps')
  return record
}

/**
 * Takes back the addresses of names that lost their last instance, and notes for the feed what became of
 * every name that this command gave or could have lost one. Runs after settleInstances.
 */
export function settleVirtualIps(draft: Draft): void {
  for (const key of draft.orphanNames) {
    const before = draft.base.virtualIps.get(key)
    const record = draft.next.virtualIps.get(key)
    const isOwned = draft.next.destinations.has(key) || draft.next.services.has(key)
    if (record !== undefined && !isOwned) giveBack(draft, key, record.offset)
    const after = isOwned ? record : undefined
    if (before !== after) draft.changes.virtualIps.push({ before, after })
  }
}

function giveBack(draft: Draft, key: string, offset: number): void {
  draft.next.virtualIps = draft.next.virtualIps.delete(key)
  draft.next.freeOffsets = draft.next.freeOffsets.set(indexKey(offset), offset)
  touchTable(draft, 'virtualIps')
}

function takeOffset(draft: Draft, offsetMax: number): number | undefined {
  const lowest = draft.next.freeOffsets.cursor()
  if (lowest.next()) {
    draft.next.freeOffsets = draft.next.freeOffsets.delete(lowest.key)
    return lowest.value
  }
  if (draft.next.offsetCounter >= offsetMax) return undefined
  draft.next.offsetCounter += 1
  return draft.next.offsetCounter
}
