/**
 * How much the state holds, for metrics. Pure; costs one look at each name of a service and each config entry.
 */

import type { State } from './state.ts'

export interface StateSizes {
  readonly nodes: number
  /** Names. */
  readonly services: number
  readonly serviceInstances: number
  readonly kvEntries: number
  readonly sessions: number
  readonly intentions: number
  readonly configEntriesByKind: ReadonlyMap<string, number>
  /** Epoch ms; undefined while there is no active root. */
  readonly rootNotAfter: number | undefined
}

export function stateSizes(state: State): StateSizes {
  let serviceInstances = 0
  for (const group of state.services.values()) serviceInstances += group.instances.size
  const configEntriesByKind = new Map<string, number>()
  for (const { kind } of state.configEntries.values()) {
    configEntriesByKind.set(kind, (configEntriesByKind.get(kind) ?? 0) + 1)
  }
  return {
    nodes: state.nodes.size,
    services: state.services.size,
    serviceInstances,
    kvEntries: state.kv.size,
    sessions: state.sessions.size,
    intentions: state.intentions.size,
    configEntriesByKind,
    rootNotAfter: state.caRoots.find((root) => root.active)?.notAfter,
  }
}
