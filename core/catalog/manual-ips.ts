/**
 * Virtual addresses that an operator gives a service besides its own (mesh.md 1.6): those of another platform, by
 * which redirected traffic reaches it too.
 *
 * An address belongs to one service: who is given it takes it from whoever had it. Lives and goes with the
 * service's record. Part of apply. Bound: MANUAL_IPS_MAX a service.
 */

import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { nameKey } from './state.ts'
import type { VirtualIpRecord } from './types.ts'

export const MANUAL_IPS_MAX = 8

/** @returns false when the service has no virtual address, else the services that lost one, as JSON */
export function setManualIps(
  draft: Draft,
  { service, ips }: Extract<Command, { kind: 'virtual-ip.set' }>,
): boolean | string | Refusal {
  if (ips.length > MANUAL_IPS_MAX) {
    const text = `ManualVIPs can have at most ${MANUAL_IPS_MAX} addresses for one service`
    return refuse(text, 'BAD_REQUEST')
  }
  const key = nameKey(service)
  const record = draft.next.virtualIps.get(key)
  if (record === undefined) return false
  const wanted = [...new Set(ips)].sort()
  const robbed: string[] = []
  for (const other of draft.next.virtualIps.values()) {
    const had = other.manualIps ?? []
    const kept = had.filter((ip) => !wanted.includes(ip))
    if (kept.length === had.length || nameKey(other.service) === key) continue
    robbed.push(other.service)
    put(draft, other, kept)
  }
  const before = record.manualIps ?? []
  const isSame = before.length === wanted.length && before.every((ip, i) => ip === wanted[i])
  if (!isSame) put(draft, record, wanted)
  return JSON.stringify(robbed.sort())
}

function put(draft: Draft, record: VirtualIpRecord, manualIps: readonly string[]): void {
  const { manualIps: _, ...rest } = record
  const key = nameKey(record.service)
  const next = { ...rest, modifyIndex: draft.index }
  draft.next.virtualIps = draft.next.virtualIps.set(
    key,
    manualIps.length === 0 ? next : { ...next, manualIps },
  )
  touchTable(draft, 'virtualIps')
  // settleVirtualIps notes for the feed what became of these.
  draft.orphanNames.add(key)
}
