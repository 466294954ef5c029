/**
 * Which right a kind of config entry needs (http-api.md 23, mesh.md 7). Pure.
 *
 * Reading proxy-defaults and mesh is free; entries of services follow the rights on the service.
 */

import type { Json } from '../catalog/types.ts'
import type { Authorizer } from './authorizer.ts'
import type { Resource } from './rule.ts'

interface Right {
  readonly resource: Resource
  /** The right is on the name of the entry. */
  readonly named: boolean
}

const ON_SERVICE: ReadonlySet<string> = new Set([
  'service-defaults',
  'service-router',
  'service-splitter',
  'service-resolver',
])
/** Written by who runs the mesh, read by who may see the gateway. */
const GATEWAYS: ReadonlySet<string> = new Set([
  'ingress-gateway',
  'terminating-gateway',
  'api-gateway',
  'bound-api-gateway',
])
const FREE_TO_READ: ReadonlySet<string> = new Set(['proxy-defaults', 'mesh'])

export function configEntryRight(kind: string, access: 'read' | 'write'): Right {
  if (ON_SERVICE.has(kind)) return { resource: 'service', named: true }
  if (kind === 'service-intentions') return { resource: 'intention', named: true }
  if (GATEWAYS.has(kind) && access === 'read') return { resource: 'service', named: true }
  return { resource: 'mesh', named: false }
}

export function mayReadConfigEntry(may: Authorizer, kind: string, name: string): boolean {
  if (FREE_TO_READ.has(kind)) return true
  const { resource, named } = configEntryRight(kind, 'read')
  return may.allows(resource, 'read', named ? name : '')
}

/** Services that the routes, splits, redirects and failovers of an entry lead to. */
export function servicesReferredTo(body: Json): ReadonlySet<string> {
  const found = new Set<string>()
  collectServices(body, found)
  return found
}

function collectServices(value: Json, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) collectServices(item, found)
    return
  }
  for (const [key, field] of Object.entries(value)) {
    if (key === 'Meta') continue
    if (key === 'Service' && typeof field === 'string' && field !== '') found.add(field)
    else collectServices(field, found)
  }
}
