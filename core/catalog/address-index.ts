/**
 * Which addresses lead to a node or an instance: what reverse DNS and the catalog's look-ups by address go by.
 *
 * An IPv6 address counts in its canonical text, however it was registered, so that the one spelling that a reverse name
 * stands for finds it. The virtual address of a service finds no instance: it belongs to the name.
 */

import { formatIp, parseIp } from '../dns/ip.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import type { PersistentMap } from './persistent-map.ts'
import type { NodeRecord, ServiceRecord } from './types.ts'

/** Tag of the address that a service has in the mesh. */
export const VIRTUAL_TAG = 'consul-virtual'

/** Most instances have the address of their node and none of their own. */
const NO_ADDRESSES: ReadonlySet<string> = new Set()

export function nodeAddresses(record: NodeRecord | undefined): ReadonlySet<string> {
  if (record === undefined) return NO_ADDRESSES
  const addresses = new Set<string>()
  addresses.add(canonical(record.address))
  for (const address of Object.values(record.taggedAddresses ?? {})) {
    addresses.add(canonical(address))
  }
  addresses.delete('')
  return addresses
}

export function serviceAddresses(record: ServiceRecord | undefined): ReadonlySet<string> {
  if (record === undefined) return NO_ADDRESSES
  const tagged = Object.entries(record.taggedAddresses)
  if (record.address === '' && tagged.length === 0) return NO_ADDRESSES
  const addresses = new Set<string>()
  addresses.add(canonical(record.address))
  for (const [tag, { address }] of tagged) {
    if (tag !== VIRTUAL_TAG) addresses.add(canonical(address))
  }
  addresses.delete('')
  return addresses
}

/** The table `<address>\0<key>` after what is at `key` went from some addresses to others. */
export function moveAddresses(
  table: PersistentMap<string>,
  key: string,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): PersistentMap<string> {
  if (before === after) return table
  let moved = table
  for (const address of before) {
    if (!after.has(address)) moved = moved.delete(`${address}${KEY_SEPARATOR}${key}`)
  }
  for (const address of after) {
    if (!before.has(address)) moved = moved.set(`${address}${KEY_SEPARATOR}${key}`, key)
  }
  return moved
}

function canonical(address: string): string {
  if (!address.includes(':')) return address
  const bytes = parseIp(address)
  return bytes === null ? address : formatIp(bytes)
}
