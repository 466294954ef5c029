/**
 * What a compiled discovery chain is made of (mesh.md 9.1). Plain data; durations are nanoseconds.
 *
 * A chain is a graph without loops from `startNode` through routers and splitters to resolvers, and each
 * resolver names a target. Definitions are the user's own words, in their printed spelling.
 */

import type { JsonObject } from '../catalog/types.ts'

export interface ChainRoute {
  readonly definition: JsonObject
  readonly nextNode: string
  /** Where copies of its requests go; absent: nowhere. */
  readonly mirrors?: readonly ChainMirror[]
}

export interface ChainMirror {
  readonly nextNode: string
  readonly percent: number
  readonly keepsHost: boolean
}

export interface ChainSplit {
  readonly definition: JsonObject
  /** Percent, in steps of 0.01. */
  readonly weight: number
  readonly nextNode: string
}

export interface ChainFailover {
  /** Target ids in the order in which they are tried. */
  readonly targets: readonly string[]
  readonly policy: JsonObject | undefined
}

export interface ChainResolver {
  /** Nobody configured anything for it. */
  readonly isDefault: boolean
  readonly target: string
  readonly connectTimeoutNs: number
  /** 0: none given. */
  readonly requestTimeoutNs: number
  readonly failover: ChainFailover | undefined
}

export type ChainNode =
  | { readonly type: 'router'; readonly name: string; readonly routes: readonly ChainRoute[] }
  | {
      readonly type: 'splitter'
      readonly name: string
      readonly splits: readonly ChainSplit[]
      readonly loadBalancer: JsonObject | undefined
    }
  | {
      readonly type: 'resolver'
      readonly name: string
      readonly resolver: ChainResolver
      readonly loadBalancer: JsonObject | undefined
    }

export interface ChainTarget {
  readonly id: string
  readonly service: string
  /** '' for all instances. */
  readonly subset: string
  /** '' for the target of a peer. */
  readonly datacenter: string
  /** '' for none. */
  readonly peer: string
  readonly subsetFilter: string
  readonly onlyPassing: boolean
  /** '' for the default of the proxy. */
  readonly meshGatewayMode: string
  readonly dialedDirectly: boolean
  readonly connectTimeoutNs: number
  /** Outside the mesh: reached by `sni` through a gateway. */
  readonly isExternal: boolean
  readonly sni: string
  /** Name of its cluster; the same as `sni` unless that was replaced. */
  readonly name: string
  /** `none` or `failover`; '' when nothing was asked for. */
  readonly localityMode: string
}

export interface CompiledChain {
  readonly serviceName: string
  readonly datacenter: string
  /** '' unless an override changed something. */
  readonly customizationHash: string
  /** The service itself, with nothing in between. */
  readonly isDefault: boolean
  readonly protocol: string
  readonly serviceMeta: JsonObject
  readonly envoyExtensions: readonly JsonObject[]
  readonly startNode: string
  /** By key, `<type>:<name>`, in order of it. */
  readonly nodes: Readonly<Record<string, ChainNode>>
  /** By id, in order of it. */
  readonly targets: Readonly<Record<string, ChainTarget>>
}

/** The text is what a Consul user reads. */
export interface ChainProblem {
  readonly problem: string
}

export function isProblem(value: object | undefined): value is ChainProblem {
  return value !== undefined && 'problem' in value
}

export function routerKey(service: string): string {
  return `router:${service}.default.default`
}

export function splitterKey(service: string): string {
  return `splitter:${service}.default.default`
}

export function resolverKey(targetId: string): string {
  return `resolver:${targetId}`
}

const HTTP_LIKE: ReadonlySet<string> = new Set(['http', 'http2', 'grpc'])

export function isHttpLike(protocol: string): boolean {
  return HTTP_LIKE.has(protocol)
}
