/**
 * One node as an agent has it and as the catalog has it: the two sides that anti-entropy compares.
 *
 * `CatalogView` is what the agent believes the catalog to hold; a full sync replaces it by what was read,
 * and every acknowledged step is entered. Keeps references to immutable records only.
 */

import type {
  CheckDefinition,
  CheckRecord,
  NodeRecord,
  ServiceDefinition,
  ServiceRecord,
  StringMap,
} from '../catalog/types.ts'

export interface NodeInfo {
  readonly id: string
  readonly node: string
  readonly address: string
  readonly taggedAddresses: StringMap | null
  readonly meta: StringMap | null
}

/** What runs on this host; never changed by the planner. */
export interface LocalView {
  readonly node: NodeInfo
  readonly services: ReadonlyMap<string, ServiceDefinition>
  readonly checks: ReadonlyMap<string, CheckDefinition>
}

export interface CatalogView {
  node: NodeInfo | null
  readonly services: Map<string, ServiceDefinition>
  readonly checks: Map<string, CheckDefinition>
}

export function emptyCatalogView(): CatalogView {
  return { node: null, services: new Map(), checks: new Map() }
}

/** @param found the reply of the read `catalog.node` */
export function catalogViewOf(
  found: {
    readonly node: NodeRecord
    readonly services: readonly ServiceRecord[]
    readonly checks: readonly CheckRecord[]
  } | null,
): CatalogView {
  if (found === null) return emptyCatalogView()
  const { id, node, address, taggedAddresses, meta } = found.node
  const services = new Map<string, ServiceDefinition>()
  for (const { node: _node, createIndex: _c, modifyIndex: _m, ...service } of found.services) {
    services.set(service.id, service)
  }
  const checks = new Map<string, CheckDefinition>()
  for (const { node: _node, createIndex: _c, modifyIndex: _m, ...check } of found.checks) {
    checks.set(check.checkId, check)
  }
  return { node: { id, node, address, taggedAddresses, meta }, services, checks }
}
