/**
 * Compiles the discovery chain of a service: which calls go where (mesh.md 9).
 *
 * Pure and total: any entries give a chain or the problem in the reference's words, never an exception.
 * Guarantees: every node of a chain is reachable from its start, each path ends in a resolver, and each
 * resolver's targets are among the chain's. Bounds: NODES_MAX, LEGS_MAX of flatten.ts.
 */

import type { JsonObject } from '../catalog/types.ts'
import { textAt } from '../config-entries/read-field.ts'
import {
  type ChainEntries,
  configuredProtocol,
  type Failover,
  type Leg,
  type ProxyDefaults,
  proxyDefaultsOf,
  type Resolver,
  resolverOf,
  routesOf,
  serviceDefaultsOf,
  splitsOf,
} from './entries.ts'
import { circularReference, flattenSplitters, nextOf, roundedWeight } from './flatten.ts'
import { type Place, placeId, placeSni, rewritten } from './target.ts'
import {
  type ChainFailover,
  type ChainMirror,
  type ChainNode,
  type ChainProblem,
  type ChainRoute,
  type ChainSplit,
  type ChainTarget,
  type CompiledChain,
  isHttpLike,
  isProblem,
  resolverKey,
  routerKey,
  splitterKey,
} from './types.ts'

/** Nodes of one chain while it is compiled. */
export const NODES_MAX = 1000
const CONNECT_TIMEOUT_NS = 5_000_000_000
const HASH_POLICIES: ReadonlySet<string> = new Set(['ring_hash', 'maglev'])

export interface ChainOverrides {
  /** '' for none. */
  readonly protocol: string
  /** 0 for none. */
  readonly connectTimeoutNs: number
  /** '' for none. */
  readonly meshGatewayMode: string
}

export const NO_OVERRIDES: ChainOverrides = {
  protocol: '',
  connectTimeoutNs: 0,
  meshGatewayMode: '',
}

export interface ChainRequest {
  readonly serviceName: string
  /** From where the chain is looked at. */
  readonly datacenter: string
  readonly trustDomain: string
  readonly overrides: ChainOverrides
  /**
   * Routers and splitters of a service whose protocol knows no requests: calls go past them (9.2), or they are a
   * problem (9.4.4), as they are while somebody writes them.
   */
  readonly layer7OnLayer4: 'ignored' | 'refused'
}

export function compileChain(
  request: ChainRequest,
  entries: ChainEntries,
): CompiledChain | ChainProblem {
  if (request.serviceName === '') return { problem: 'serviceName is required' }
  if (request.datacenter === '') return { problem: 'evaluateInDatacenter is required' }
  if (request.trustDomain === '') return { problem: 'evaluateInTrustDomain is required' }
  return new ChainCompiler(request, entries).compile()
}

class ChainCompiler {
  readonly #request: ChainRequest
  readonly #entries: ChainEntries
  readonly #proxyDefaults: ProxyDefaults
  readonly #nodes = new Map<string, ChainNode>()
  readonly #targets = new Map<string, ChainTarget>()
  #protocol: string | undefined
  /** A router or a splitter was used. */
  #isAdvanced = false
  /** Overrides that changed something, for the hash. */
  readonly #effective = { protocol: '', connectTimeoutNs: 0, meshGatewayMode: '' }

  constructor(request: ChainRequest, entries: ChainEntries) {
    this.#request = request
    this.#entries = entries
    this.#proxyDefaults = proxyDefaultsOf(entries)
  }

  compile(): CompiledChain | ChainProblem {
    const { serviceName, datacenter } = this.#request
    const startNode = this.#start()
    if (typeof startNode !== 'string') return startNode
    const problem =
      circularReference(this.#nodes, startNode) ??
      flattenSplitters(this.#nodes) ??
      this.#adviseAgainstLayer4()
    if (problem !== undefined) return problem
    const { nodes, targets } = this.#reachable(startNode)
    const defaults = serviceDefaultsOf(this.#entries, serviceName)
    return {
      serviceName,
      datacenter,
      protocol: this.#overriddenProtocol(),
      customizationHash: customizationHash(this.#effective),
      isDefault: this.#isDefault(startNode),
      serviceMeta: defaults?.meta ?? {},
      envoyExtensions: [
        ...this.#proxyDefaults.envoyExtensions,
        ...(defaults?.envoyExtensions ?? []),
      ],
      startNode,
      nodes,
      targets,
    }
  }

  /** @returns the key of the node at which calls begin */
  #start(): string | ChainProblem {
    const { serviceName } = this.#request
    const routes = this.#permitsLayer7(serviceName)
      ? routesOf(this.#entries, serviceName)
      : undefined
    if (routes === undefined) return this.#splitterOrResolver(serviceName)
    this.#isAdvanced = true
    const problem = this.#recordProtocol(serviceName)
    if (problem !== undefined) return problem
    const compiled: ChainRoute[] = []
    for (const { definition, mirrors, ...leg } of routes) {
      const next = this.#leg(leg)
      if (typeof next !== 'string') return next
      const copies: ChainMirror[] = []
      for (const { percent, keepsHost, ...to } of mirrors) {
        const nextNode = this.#leg(to)
        if (typeof nextNode !== 'string') return nextNode
        copies.push({ nextNode, percent, keepsHost })
      }
      const also = copies.length === 0 ? {} : { mirrors: copies }
      compiled.push({ definition, nextNode: next, ...also })
    }
    const last = this.#splitterOrResolver(serviceName)
    if (typeof last !== 'string') return last
    compiled.push({ definition: catchAll(serviceName), nextNode: last })
    const key = routerKey(serviceName)
    this.#nodes.set(key, { type: 'router', name: nameIn(key), routes: compiled })
    return key
  }

  /** Where a route or a copy leads. */
  #leg({ service, subset }: Pick<Leg, 'service' | 'subset'>): string | ChainProblem {
    return subset === ''
      ? this.#splitterOrResolver(service)
      : this.#resolver(this.#local(service, subset))
  }

  /** Services whose protocol knows no requests have no use for routers and splitters. */
  #permitsLayer7(service: string): boolean {
    const override = this.#request.overrides.protocol
    if (override !== '' && !isHttpLike(override)) return false
    if (this.#request.layer7OnLayer4 === 'refused') return true
    return isHttpLike(this.#protocolOf(service))
  }

  #splitterOrResolver(service: string): string | ChainProblem {
    const splits = this.#permitsLayer7(service) ? splitsOf(this.#entries, service) : undefined
    if (splits === undefined) return this.#resolver(this.#local(service, ''))
    return this.#splitter(service, splits)
  }

  #splitter(
    service: string,
    legs: NonNullable<ReturnType<typeof splitsOf>>,
  ): string | ChainProblem {
    const key = splitterKey(service)
    if (this.#nodes.has(key)) return key
    const problem = this.#recordProtocol(service) ?? this.#roomForNode()
    if (problem !== undefined) return problem
    this.#isAdvanced = true
    // It stands before its legs do, so that splitters that lead to each other end here; 9.4.1 names the loop.
    this.#nodes.set(key, {
      type: 'splitter',
      name: nameIn(key),
      splits: [],
      loadBalancer: undefined,
    })
    const splits: ChainSplit[] = []
    let loadBalancer: JsonObject | undefined
    for (const { definition, service: to, subset, weight } of legs) {
      const next =
        to !== service && subset === ''
          ? this.#splitterOrResolver(to)
          : this.#resolver(this.#local(to, subset))
      if (typeof next !== 'string') return next
      splits.push({ definition, weight: roundedWeight(weight), nextNode: next })
      loadBalancer ??= hashing(this.#nodes.get(next))
    }
    this.#nodes.set(key, { type: 'splitter', name: nameIn(key), splits, loadBalancer })
    return key
  }

  /** Follows redirects and default subsets to where calls end (9.3.4). @returns the key of the node */
  #resolver(first: Place): string | ChainProblem {
    const place = this.#settled(first)
    if (isProblem(place)) return place
    const key = resolverKey(placeId(place))
    if (this.#nodes.has(key)) return key
    const resolver = resolverOf(this.#entries, place.service)
    const target = this.#target(place, resolver)
    if (isProblem(target)) return target
    const full = this.#roomForNode()
    if (full !== undefined) return full
    const failover = this.#failover(place, resolver)
    if (isProblem(failover)) return failover
    this.#nodes.set(key, {
      type: 'resolver',
      name: nameIn(key),
      resolver: {
        isDefault: resolver.isDefault,
        target: target.id,
        connectTimeoutNs: target.connectTimeoutNs,
        requestTimeoutNs: resolver.requestTimeoutNs,
        failover,
      },
      loadBalancer: resolver.loadBalancer,
    })
    return key
  }

  #settled(first: Place): Place | ChainProblem {
    const seen: string[] = []
    let place = first
    for (;;) {
      const id = placeId(place)
      if (seen.includes(id)) {
        const loop = [...seen.slice(seen.indexOf(id)), id]
        return { problem: `detected circular resolver redirect: [${loop.join(' -> ')}]` }
      }
      seen.push(id)
      // A peer's own configuration is not ours to apply.
      if (place.peer !== '') return place
      const problem = this.#recordProtocol(place.service)
      if (problem !== undefined) return problem
      const { redirect, defaultSubset } = resolverOf(this.#entries, place.service)
      const next =
        redirect === undefined
          ? place
          : rewritten(place, redirect, { localDatacenter: this.#request.datacenter })
      if (placeId(next) !== id) place = next
      else if (place.subset === '' && defaultSubset !== '')
        place = { ...place, subset: defaultSubset }
      else return place
    }
  }

  #target(place: Place, resolver: Resolver): ChainTarget | ChainProblem {
    const id = placeId(place)
    const existing = this.#targets.get(id)
    if (existing !== undefined) return existing
    const isPeer = place.peer !== ''
    const subset = resolver.subsets.get(place.subset)
    if (!isPeer && place.subset !== '' && subset === undefined) {
      return {
        problem: `service "${place.service}" does not have a subset named "${place.subset}"`,
      }
    }
    const defaults = isPeer ? undefined : serviceDefaultsOf(this.#entries, place.service)
    const externalSni = defaults?.externalSni ?? ''
    if (externalSni !== '') {
      const conflict = externalConflict(place.service, resolver)
      if (conflict !== undefined) return conflict
    }
    const name = placeSni(place, this.#request.trustDomain)
    const target: ChainTarget = {
      id,
      service: place.service,
      subset: place.subset,
      datacenter: place.datacenter,
      peer: place.peer,
      subsetFilter: subset?.filter ?? '',
      onlyPassing: subset?.onlyPassing ?? false,
      meshGatewayMode: this.#meshGatewayMode(defaults?.meshGatewayMode ?? '', externalSni !== ''),
      dialedDirectly: this.#proxyDefaults.dialedDirectly || (defaults?.dialedDirectly ?? false),
      connectTimeoutNs: this.#connectTimeoutNs(resolver),
      isExternal: externalSni !== '',
      sni: externalSni || name,
      name,
      localityMode: isPeer ? '' : resolver.localityMode || this.#proxyDefaults.localityMode,
    }
    this.#targets.set(id, target)
    return target
  }

  #connectTimeoutNs(resolver: Resolver): number {
    const own = resolver.connectTimeoutNs || CONNECT_TIMEOUT_NS
    const override = this.#request.overrides.connectTimeoutNs
    if (override === 0 || override === own) return own
    this.#effective.connectTimeoutNs = override
    return override
  }

  #meshGatewayMode(own: string, isExternal: boolean): string {
    if (isExternal) return ''
    const mode = own || this.#proxyDefaults.meshGatewayMode
    const override = this.#request.overrides.meshGatewayMode
    if (override === '' || override === mode) return mode
    this.#effective.meshGatewayMode = override
    return override
  }

  /** Where calls go when the place has nobody left (9.3.4 m). */
  #failover(place: Place, resolver: Resolver): ChainFailover | undefined | ChainProblem {
    const section = resolver.failover.get(place.subset) ?? resolver.failover.get('*')
    if (section === undefined || place.peer !== '') return undefined
    const targets: string[] = []
    for (const candidate of this.#candidates(place, section)) {
      if (placeId(candidate) === placeId(place)) continue
      const settled = this.#settled(candidate)
      if (isProblem(settled)) return settled
      const target = this.#target(settled, resolverOf(this.#entries, settled.service))
      if (isProblem(target)) return target
      if (target.id !== placeId(place) && !targets.includes(target.id)) targets.push(target.id)
    }
    if (targets.length === 0) return undefined
    return { targets, policy: section.policy ?? this.#proxyDefaults.failoverPolicy }
  }

  #candidates(place: Place, section: Failover): Place[] {
    const local = { localDatacenter: this.#request.datacenter }
    if (section.datacenters.length > 0) {
      return section.datacenters.map((datacenter) =>
        rewritten(place, { ...section.reference, datacenter }, local),
      )
    }
    if (section.targets.length > 0) {
      return section.targets.map((reference) => rewritten(place, reference, local))
    }
    return [rewritten(place, section.reference, local)]
  }

  #recordProtocol(service: string): ChainProblem | undefined {
    const protocol = this.#protocolOf(service)
    this.#protocol ??= protocol
    if (protocol === this.#protocol) return undefined
    return {
      problem: `discovery chain "${this.#request.serviceName}" uses inconsistent protocols; service "${service}" has "${protocol}" which is not "${this.#protocol}"`,
    }
  }

  #protocolOf(service: string): string {
    return configuredProtocol(this.#entries, service) || 'tcp'
  }

  #adviseAgainstLayer4(): ChainProblem | undefined {
    const protocol = this.#protocol ?? 'tcp'
    if (!this.#isAdvanced || isHttpLike(protocol)) return undefined
    return {
      problem: `discovery chain "${this.#request.serviceName}" uses a protocol "${protocol}" that does not permit advanced routing or splitting behavior`,
    }
  }

  #overriddenProtocol(): string {
    const own = this.#protocol ?? 'tcp'
    const override = this.#request.overrides.protocol
    if (override === '' || override === own) return own
    this.#effective.protocol = override
    return override
  }

  #isDefault(startNode: string): boolean {
    const node = this.#nodes.get(startNode)
    if (node?.type !== 'resolver' || !node.resolver.isDefault) return false
    return node.resolver.target === placeId(this.#local(this.#request.serviceName, ''))
  }

  #reachable(startNode: string): Pick<CompiledChain, 'nodes' | 'targets'> {
    const nodes = new Map<string, ChainNode>()
    const targets = new Map<string, ChainTarget>()
    const open = [startNode]
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      const node = this.#nodes.get(key)
      if (node === undefined || nodes.has(key)) continue
      nodes.set(key, node)
      open.push(...nextOf(node))
      if (node.type !== 'resolver') continue
      for (const id of [node.resolver.target, ...(node.resolver.failover?.targets ?? [])]) {
        const target = this.#targets.get(id)
        if (target !== undefined) targets.set(id, target)
      }
    }
    return { nodes: recordOf(nodes), targets: recordOf(targets) }
  }

  #roomForNode(): ChainProblem | undefined {
    if (this.#nodes.size < NODES_MAX) return undefined
    return {
      problem: `discovery chain "${this.#request.serviceName}" has more than ${NODES_MAX} nodes`,
    }
  }

  #local(service: string, subset: string): Place {
    return { service, subset, datacenter: this.#request.datacenter, peer: '' }
  }
}

function nameIn(key: string): string {
  return key.slice(key.indexOf(':') + 1)
}

/** The route that each router ends with, whatever its user wrote. */
function catchAll(service: string): JsonObject {
  return { Match: { HTTP: { PathPrefix: '/' } }, Destination: { Service: service } }
}

/** The balancer of a leg that keeps callers at their instance. */
function hashing(node: ChainNode | undefined): JsonObject | undefined {
  if (node?.type !== 'resolver' || node.loadBalancer === undefined) return undefined
  return HASH_POLICIES.has(textAt(node.loadBalancer, 'Policy')) ? node.loadBalancer : undefined
}

function externalConflict(service: string, resolver: Resolver): ChainProblem | undefined {
  const words =
    (resolver.redirect !== undefined && 'redirects') ||
    (resolver.subsets.size > 0 && 'subsets') ||
    (resolver.failover.size > 0 && 'failover')
  if (words === false) return undefined
  return {
    problem: `service "${service}" has an external SNI set; cannot define ${words} for external services`,
  }
}

/** Opaque to clients: only has to differ where what was overridden differs (9.6). FNV-1a of 32 bits. */
function customizationHash(effective: ChainOverrides): string {
  const { protocol, connectTimeoutNs, meshGatewayMode } = effective
  if (protocol === '' && connectTimeoutNs === 0 && meshGatewayMode === '') return ''
  let hash = 0x811c9dc5
  for (const char of `${protocol}\0${connectTimeoutNs}\0${meshGatewayMode}`) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0
  }
  return hash.toString(16).padStart(8, '0')
}

/** Keys hold a colon or a dot, so none of them means something to an object. */
function recordOf<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}
