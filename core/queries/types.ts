/**
 * A prepared query as it is kept: which instances of which service answer to a name (http-api.md 16). Plain data.
 *
 * Null lists and maps are those the user left out; they are shown as null again and mean "none".
 */

import type { Indexed, StringMap } from '../catalog/types.ts'

export interface QueryTemplate {
  /** '' for a query that is no template, else `name_prefix_match`; refused otherwise. */
  readonly type: string
  /** RE2, matched against the whole name that is asked for; '' for none. */
  readonly regexp: string
  readonly removeEmptyTags: boolean
}

export interface FailoverTarget {
  readonly peer: string
  readonly datacenter: string
}

export interface QueryFailover {
  readonly nearestN: number
  readonly datacenters: readonly string[] | null
  readonly targets: readonly FailoverTarget[] | null
}

export interface QueryService {
  readonly service: string
  readonly failover: QueryFailover
  /** Leaves out instances that are not passing; without it only the critical ones. */
  readonly onlyPassing: boolean
  /** These checks do not count. */
  readonly ignoreCheckIds: readonly string[] | null
  /** Name of a node, `_agent`, `_ip` or ''. */
  readonly near: string
  /** With `!` in front: must not have it. */
  readonly tags: readonly string[] | null
  readonly nodeMeta: StringMap | null
  readonly serviceMeta: StringMap | null
  /** Asks for what takes mesh traffic for the service. */
  readonly connect: boolean
}

export interface PreparedQuery {
  /** UUID, '' until the servers have given it one. */
  readonly id: string
  readonly name: string
  /** The query goes away with this session; '' for none. */
  readonly session: string
  readonly token: string
  readonly template: QueryTemplate
  readonly service: QueryService
  /** A Go duration, or '' for the TTL of the service. */
  readonly dnsTtl: string
}

export interface PreparedQueryRecord extends PreparedQuery, Indexed {}

/** What a name or id stands for. */
export type QueryResolution =
  /** A template is rendered for the name. */
  | { readonly kind: 'query'; readonly query: PreparedQueryRecord }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly message: string }

export const NAME_PREFIX_MATCH = 'name_prefix_match'

export function isTemplate(query: Pick<PreparedQuery, 'template'>): boolean {
  return query.template.type !== ''
}
