/**
 * The names of the things a read can depend on. Opaque outside this folder.
 *
 * A key fires when the thing it names changes, appears or goes away; never misses, may fire for a change
 * that a particular read does not show.
 */

import type { TableName } from './state.ts'
import type { WatchKey } from './store-api.ts'

export function tableWatch(table: TableName): WatchKey {
  return `t:${table}`
}

/** The node, any of its services, any of its checks. */
export function nodeWatch(nodeKey: string): WatchKey {
  return `n:${nodeKey}`
}

/** Any instance of a service name, its node and checks included. */
export function serviceWatch(serviceKey: string): WatchKey {
  return `s:${serviceKey}`
}

/** Any instance able to take mesh traffic for a destination. */
export function destinationWatch(serviceKey: string): WatchKey {
  return `d:${serviceKey}`
}

export function kvWatch(orderKey: string): WatchKey {
  return `k:${orderKey}`
}

/** Any key below a prefix; the registry matches these by prefix. */
export const KV_PREFIX_MARK = 'p:'

export function kvPrefixWatch(orderKey: string): WatchKey {
  return `${KV_PREFIX_MARK}${orderKey}`
}

export function sessionWatch(id: string): WatchKey {
  return `x:${id}`
}

export function nodeSessionsWatch(nodeKey: string): WatchKey {
  return `y:${nodeKey}`
}

export function configWatch(entryKey: string): WatchKey {
  return `c:${entryKey}`
}

export function configKindWatch(kindKey: string): WatchKey {
  return `e:${kindKey}`
}
