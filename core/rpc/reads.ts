/**
 * Every read an agent can ask of the servers: request and reply by name.
 *
 * Replies are records of core/catalog/types.ts. Filtering by expression, sorting by RTT and the Consul
 * spelling are done by the asking agent; the narrowing that saves transfer (tag, passing) is done here.
 * A reply's index follows http-api.md section 4, "Which index is returned".
 */

import type {
  AuthMethodRecord,
  BindingRuleRecord,
  PolicyRecord,
  ResolvedToken,
  RoleRecord,
  TokenRecord,
} from '../acl/records.ts'
import type { AutopilotConfig } from '../autopilot/types.ts'
import type { TxnOp, TxnResult } from '../catalog/commands.ts'
import type {
  CaConfig,
  CaRoots,
  CheckRecord,
  CheckStatus,
  ConfigEntryRecord,
  CoordinateRecord,
  HealthEntry,
  IntentionRecord,
  KvEntry,
  NodeDump,
  NodeRecord,
  ServiceRecord,
  ServiceWithNode,
  SessionRecord,
  StringMap,
  VirtualIpRecord,
} from '../catalog/types.ts'
import type { ChainOverrides } from '../chain/compile.ts'
import type { ChainProblem, CompiledChain } from '../chain/types.ts'
import type { JoinTokenRecord } from '../join/join-token.ts'
import type { PreparedQueryRecord, QueryResolution } from '../queries/types.ts'

export interface Reads {
  'catalog.nodes': { request: { readonly nodeMeta?: StringMap }; reply: readonly NodeRecord[] }
  /** Instances of all services; the HTTP layer folds them to names and tags. */
  'catalog.services': {
    request: { readonly nodeMeta?: StringMap; readonly alsoConfig?: boolean }
    reply: readonly ServiceWithNode[]
  }
  /** `connect`: instances able to accept mesh traffic for `service` (proxies of it and native ones). */
  'catalog.service': {
    request: {
      readonly service: string
      readonly connect?: boolean
      readonly tags?: readonly string[]
      readonly nodeMeta?: StringMap
      /** Proxies with what config entries say about them (core/config-entries/central-config.ts). */
      readonly mergeCentral?: boolean
    }
    reply: readonly ServiceWithNode[]
  }
  'catalog.node': {
    request: { readonly node: string; readonly mergeCentral?: boolean }
    reply: {
      readonly node: NodeRecord
      readonly services: readonly ServiceRecord[]
      readonly checks: readonly CheckRecord[]
    } | null
  }
  /**
   * Everything in the catalog, in the order of node names; for overviews. `alsoConfig`, here and above, lets changes of
   * config entries count too: for answers that are made of both.
   */
  'catalog.dump': { request: { readonly alsoConfig?: boolean }; reply: readonly NodeDump[] }
  /** Node whose address, or a tagged address, is this IP; and service instances at it (for PTR). */
  'catalog.address': {
    request: { readonly ip: string }
    reply: { readonly nodes: readonly NodeRecord[]; readonly services: readonly ServiceWithNode[] }
  }
  'catalog.virtual-ips': { request: Record<string, never>; reply: readonly VirtualIpRecord[] }
  'health.node': { request: { readonly node: string }; reply: readonly CheckRecord[] }
  'health.checks': {
    request: { readonly service: string; readonly nodeMeta?: StringMap }
    reply: readonly CheckRecord[]
  }
  'health.state': {
    request: { readonly state: CheckStatus | 'any' | string; readonly nodeMeta?: StringMap }
    reply: readonly CheckRecord[]
  }
  'health.service': {
    request: {
      readonly service: string
      readonly connect?: boolean
      readonly passingOnly?: boolean
      readonly tags?: readonly string[]
      readonly nodeMeta?: StringMap
      readonly mergeCentral?: boolean
      /** The name or id of the prepared query for which is asked: its token counts, if it has one. */
      readonly viaQuery?: string
    }
    reply: readonly HealthEntry[]
  }
  'kv.get': { request: { readonly key: string }; reply: KvEntry | null }
  'kv.list': { request: { readonly prefix: string }; reply: readonly KvEntry[] }
  'kv.keys': {
    request: { readonly prefix: string; readonly separator: string }
    reply: readonly string[]
  }
  /** A transaction of read verbs only; never goes through Raft. */
  'txn.read': {
    request: { readonly ops: readonly TxnOp[] }
    reply:
      | { readonly ok: true; readonly results: readonly TxnResult[] }
      | { readonly ok: false; readonly errors: readonly { opIndex: number; what: string }[] }
  }
  'session.get': { request: { readonly id: string }; reply: SessionRecord | null }
  'session.list': { request: { readonly node?: string }; reply: readonly SessionRecord[] }
  'intention.list': { request: Record<string, never>; reply: readonly IntentionRecord[] }
  'intention.get': {
    request:
      | { readonly id: string }
      | { readonly sourceName: string; readonly destinationName: string }
    reply: IntentionRecord | null
  }
  /** By precedence descending, wildcards included. */
  'intention.match': {
    request: { readonly by: 'source' | 'destination'; readonly name: string }
    reply: readonly IntentionRecord[]
  }
  'config.get': {
    request: { readonly entryKind: string; readonly name: string }
    reply: ConfigEntryRecord | null
  }
  'config.list': { request: { readonly entryKind: string }; reply: readonly ConfigEntryRecord[] }
  'ca.roots': { request: Record<string, never>; reply: CaRoots }
  'chain.get': {
    request: {
      readonly service: string
      /** From where the chain is looked at. */
      readonly datacenter: string
      readonly overrides: ChainOverrides
    }
    reply: CompiledChain | ChainProblem
  }
  'ca.config': { request: Record<string, never>; reply: CaConfig | null }
  'coordinate.nodes': {
    request: { readonly segment?: string }
    reply: readonly CoordinateRecord[]
  }
  /** One record a segment. */
  'coordinate.node': {
    request: { readonly node: string; readonly segment?: string }
    reply: readonly CoordinateRecord[]
  }
  /** Of these nodes in the network's default segment, as far as they have one. */
  'coordinate.some': {
    request: { readonly nodes: readonly string[] }
    reply: readonly CoordinateRecord[]
  }
  'query.list': { request: Record<string, never>; reply: readonly PreparedQueryRecord[] }
  'query.get': { request: { readonly id: string }; reply: PreparedQueryRecord | null }
  /** What is executed for a name or id; templates are rendered. */
  'query.resolve': {
    request: {
      readonly nameOrId: string
      /** To be shown and not executed: the right to read it is needed. */
      readonly explain?: boolean
    }
    reply: QueryResolution
  }
  'autopilot.config': { request: Record<string, never>; reply: AutopilotConfig | null }
  /** Tokens come without the digests of their secrets. `policy` and `role` are ids. */
  'acl.token.list': {
    request: {
      readonly policy?: string
      readonly role?: string
      readonly serviceName?: string
      readonly authMethod?: string
    }
    reply: readonly TokenRecord[]
  }
  'acl.token.get': { request: { readonly accessorId: string }; reply: TokenRecord | null }
  /** The token with which is asked. */
  'acl.token.self': { request: Record<string, never>; reply: TokenRecord | null }
  /** What the token with which is asked may do. */
  'acl.resolve': { request: Record<string, never>; reply: ResolvedToken | null }
  'acl.policy.list': { request: Record<string, never>; reply: readonly PolicyRecord[] }
  'acl.policy.get': {
    request: { readonly id: string } | { readonly name: string }
    reply: PolicyRecord | null
  }
  'acl.role.list': { request: { readonly policy?: string }; reply: readonly RoleRecord[] }
  'acl.role.get': {
    request: { readonly id: string } | { readonly name: string }
    reply: RoleRecord | null
  }
  'join-token.list': { request: Record<string, never>; reply: readonly JoinTokenRecord[] }
  'acl.auth-method.list': { request: Record<string, never>; reply: readonly AuthMethodRecord[] }
  'acl.auth-method.get': { request: { readonly name: string }; reply: AuthMethodRecord | null }
  'acl.binding-rule.list': {
    request: { readonly authMethod?: string }
    reply: readonly BindingRuleRecord[]
  }
  'acl.binding-rule.get': { request: { readonly id: string }; reply: BindingRuleRecord | null }
}

export type ReadName = keyof Reads

export type ReadReply<N extends ReadName> = Reads[N]['reply']
