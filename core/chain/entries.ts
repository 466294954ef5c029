/**
 * The config entries a chain is compiled from, read from their stored bodies (mesh.md 7.1, 7.2, 7.4–7.6).
 *
 * Guarantees: what is absent or of a wrong type reads as its zero value, so a body that an older version let
 * pass cannot crash a compilation. Does not validate: that was done before the entry was stored.
 */

import type { JsonObject } from '../catalog/types.ts'
import {
  durationAt,
  flagAt,
  listAt,
  numberAt,
  objectAt,
  objectsIn,
  objectsUnder,
  textAt,
} from '../config-entries/read-field.ts'
import { mirrorsOf, type RouteMirror } from '../config-entries/route-mirror.ts'

/** Where entries come from: the state store, or the entries a test writes down. Names are as stored. */
export interface ChainEntries {
  /** @returns the body of the entry, or undefined */
  entry(kind: ChainEntryKind, name: string): JsonObject | undefined
}

/** All kinds of entries that chains follow from. */
export const CHAIN_KINDS = [
  'proxy-defaults',
  'service-defaults',
  'service-router',
  'service-splitter',
  'service-resolver',
] as const

export type ChainEntryKind = (typeof CHAIN_KINDS)[number]

/** Names another destination; '' is "not given". */
export interface Reference {
  readonly service: string
  readonly subset: string
  readonly datacenter: string
  readonly peer: string
}

export interface Failover {
  readonly reference: Reference
  readonly datacenters: readonly string[]
  readonly targets: readonly Reference[]
  readonly policy: JsonObject | undefined
}

export interface Resolver {
  /** Nothing in it changes how calls go. */
  readonly isDefault: boolean
  readonly defaultSubset: string
  readonly subsets: ReadonlyMap<string, { readonly filter: string; readonly onlyPassing: boolean }>
  readonly redirect: Reference | undefined
  readonly failover: ReadonlyMap<string, Failover>
  readonly connectTimeoutNs: number
  readonly requestTimeoutNs: number
  readonly localityMode: string
  readonly loadBalancer: JsonObject | undefined
}

/** A leg of a router. */
export interface RouteLeg extends Leg {
  readonly mirrors: readonly RouteMirror[]
}

export interface Leg {
  readonly definition: JsonObject
  readonly service: string
  readonly subset: string
}

export interface SplitLeg extends Leg {
  readonly weight: number
}

export interface ServiceDefaults {
  readonly protocol: string
  readonly externalSni: string
  readonly meshGatewayMode: string
  readonly dialedDirectly: boolean
  readonly meta: JsonObject
  readonly envoyExtensions: readonly JsonObject[]
}

export interface ProxyDefaults {
  readonly protocol: string
  readonly meshGatewayMode: string
  readonly dialedDirectly: boolean
  readonly failoverPolicy: JsonObject | undefined
  readonly localityMode: string
  readonly envoyExtensions: readonly JsonObject[]
}

const NO_REDIRECT: Resolver = {
  isDefault: true,
  defaultSubset: '',
  subsets: new Map(),
  redirect: undefined,
  failover: new Map(),
  connectTimeoutNs: 0,
  requestTimeoutNs: 0,
  localityMode: '',
  loadBalancer: undefined,
}

export function resolverOf(entries: ChainEntries, service: string): Resolver {
  const body = entries.entry('service-resolver', service)
  if (body === undefined) return NO_REDIRECT
  const redirect = objectAt(body, 'Redirect')
  const resolver = {
    defaultSubset: textAt(body, 'DefaultSubset'),
    subsets: new Map(
      objectsUnder(body, 'Subsets').map(([name, subset]) => [
        name,
        { filter: textAt(subset, 'Filter'), onlyPassing: flagAt(subset, 'OnlyPassing') },
      ]),
    ),
    redirect: redirect === undefined ? undefined : referenceOf(redirect),
    failover: new Map(
      objectsUnder(body, 'Failover').map(([subset, section]) => [subset, failoverOf(section)]),
    ),
    connectTimeoutNs: durationAt(body, 'ConnectTimeout'),
    requestTimeoutNs: durationAt(body, 'RequestTimeout'),
    localityMode: textAt(objectAt(body, 'PrioritizeByLocality'), 'Mode'),
    loadBalancer: objectAt(body, 'LoadBalancer'),
  }
  return { ...resolver, isDefault: changesNothing(resolver) }
}

function changesNothing(resolver: Omit<Resolver, 'isDefault'>): boolean {
  return (
    resolver.defaultSubset === '' &&
    resolver.subsets.size === 0 &&
    resolver.redirect === undefined &&
    resolver.failover.size === 0 &&
    resolver.connectTimeoutNs === 0 &&
    resolver.requestTimeoutNs === 0 &&
    resolver.localityMode === '' &&
    resolver.loadBalancer === undefined
  )
}

function failoverOf(section: JsonObject): Failover {
  return {
    reference: referenceOf(section),
    datacenters: listAt(section, 'Datacenters').filter((name) => typeof name === 'string'),
    targets: objectsIn(section, 'Targets').map(referenceOf),
    policy: objectAt(section, 'Policy'),
  }
}

function referenceOf(body: JsonObject): Reference {
  return {
    service: textAt(body, 'Service'),
    subset: textAt(body, 'ServiceSubset'),
    datacenter: textAt(body, 'Datacenter'),
    peer: textAt(body, 'Peer'),
  }
}

/** @returns the routes of the router of `service`, or undefined when there is none */
export function routesOf(entries: ChainEntries, service: string): readonly RouteLeg[] | undefined {
  const body = entries.entry('service-router', service)
  if (body === undefined) return undefined
  return objectsIn(body, 'Routes').map((definition) => {
    const destination = objectAt(definition, 'Destination')
    return {
      definition,
      service: textAt(destination, 'Service') || service,
      subset: textAt(destination, 'ServiceSubset'),
      mirrors: mirrorsOf(destination, service),
    }
  })
}

/** @returns the legs of the splitter of `service`, or undefined when there is none */
export function splitsOf(entries: ChainEntries, service: string): readonly SplitLeg[] | undefined {
  const body = entries.entry('service-splitter', service)
  if (body === undefined) return undefined
  return objectsIn(body, 'Splits').map((definition) => ({
    definition,
    service: textAt(definition, 'Service') || service,
    subset: textAt(definition, 'ServiceSubset'),
    weight: numberAt(definition, 'Weight'),
  }))
}

export function serviceDefaultsOf(
  entries: ChainEntries,
  service: string,
): ServiceDefaults | undefined {
  const body = entries.entry('service-defaults', service)
  if (body === undefined) return undefined
  return {
    protocol: textAt(body, 'Protocol').toLowerCase(),
    externalSni: textAt(body, 'ExternalSNI'),
    meshGatewayMode: textAt(objectAt(body, 'MeshGateway'), 'Mode'),
    dialedDirectly: flagAt(objectAt(body, 'TransparentProxy'), 'DialedDirectly'),
    meta: objectAt(body, 'Meta') ?? {},
    envoyExtensions: objectsIn(body, 'EnvoyExtensions'),
  }
}

export function proxyDefaultsOf(entries: ChainEntries): ProxyDefaults {
  const body = entries.entry('proxy-defaults', 'global') ?? {}
  const config = objectAt(body, 'Config')
  return {
    protocol: (textAt(config, 'protocol') || textAt(config, 'Protocol')).toLowerCase(),
    meshGatewayMode: textAt(objectAt(body, 'MeshGateway'), 'Mode'),
    dialedDirectly: flagAt(objectAt(body, 'TransparentProxy'), 'DialedDirectly'),
    failoverPolicy: objectAt(body, 'FailoverPolicy'),
    localityMode: textAt(objectAt(body, 'PrioritizeByLocality'), 'Mode'),
    envoyExtensions: objectsIn(body, 'EnvoyExtensions'),
  }
}

/** @returns '' when nothing is said: a service's own entry without a protocol hides the default of all proxies */
export function configuredProtocol(entries: ChainEntries, service: string): string {
  return (serviceDefaultsOf(entries, service) ?? proxyDefaultsOf(entries)).protocol
}

/** Services that the entries of `service` lead to in one step, itself left out (mesh.md 9.2). */
export function referencesOf(entries: ChainEntries, service: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const leg of routesOf(entries, service) ?? []) {
    names.add(leg.service)
    for (const mirror of leg.mirrors) names.add(mirror.service)
  }
  for (const leg of splitsOf(entries, service) ?? []) names.add(leg.service)
  const { redirect, failover } = resolverOf(entries, service)
  if (redirect !== undefined && redirect.peer === '') names.add(redirect.service)
  for (const section of failover.values()) {
    names.add(section.reference.service)
    for (const target of section.targets) if (target.peer === '') names.add(target.service)
  }
  names.delete('')
  names.delete(service)
  return names
}
