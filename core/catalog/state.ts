/**
 * One version of the replicated state: tables and secondary indexes, all immutable. Pure.
 *
 * Whoever holds a State holds a consistent snapshot for ever. Keys: nodes, services, destinations, ids of
 * nodes and config entries by lower-cased name (they compare so); ids of services, checks and sessions
 * as they are; KV keys through `orderKey`. Names cannot contain KEY_SEPARATOR, so compound keys are
 * unambiguous. Secondary indexes hold nothing that the tables do not say: the image leaves them out.
 */

import type {
  AuthMethodRecord,
  BindingRuleRecord,
  PolicyRecord,
  RoleRecord,
  TokenRecord,
} from '../acl/records.ts'
import type { AutopilotConfig } from '../autopilot/types.ts'
import type { JoinTokenRecord } from '../join/join-token.ts'
import type { PreparedQueryRecord } from '../queries/types.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import { PersistentMap } from './persistent-map.ts'
import type {
  CaConfig,
  CaProviderState,
  CaRevocation,
  CaRoot,
  CheckRecord,
  ConfigEntryRecord,
  CoordinateRecord,
  HealthEntry,
  IntentionRecord,
  KvEntry,
  NodeRecord,
  ServiceRecord,
  SessionRecord,
  VirtualIpRecord,
} from './types.ts'

/** Raft index of the last change of each table; 0 when there was none. */
export interface TableIndexes {
  readonly nodes: number
  readonly services: number
  readonly checks: number
  /** Entries and tombstones. */
  readonly kv: number
  readonly sessions: number
  readonly intentions: number
  readonly config: number
  readonly caRoots: number
  readonly caConfig: number
  readonly virtualIps: number
  readonly autopilot: number
  readonly coordinates: number
  readonly queries: number
  readonly aclTokens: number
  readonly aclPolicies: number
  readonly aclRoles: number
  readonly aclAuthMethods: number
  readonly aclBindingRules: number
  readonly joinTokens: number
  /** The last time that the last instance of some service name went away. */
  readonly serviceExtinction: number
  /** The same for the destinations of proxies. */
  readonly destinationExtinction: number
}

export type TableName = keyof TableIndexes

export interface NodeState {
  readonly record: NodeRecord
  readonly services: PersistentMap<ServiceRecord>
  readonly checks: PersistentMap<CheckRecord>
  /** `<service id>\0<check id>`; checks of the node itself under service id ''. */
  readonly checksByService: PersistentMap<CheckRecord>
  /** Last change of any of its services, their removal included; 0 when there was none. */
  readonly servicesIndex: number
  readonly checksIndex: number
}

/** The instances behind a service name, or able to take mesh traffic for a destination. Never empty. */
export interface InstanceGroup {
  /** Spelling of the instance that made the group. */
  readonly name: string
  readonly index: number
  /** `<node key>\0<service id>` */
  readonly instances: PersistentMap<HealthEntry>
}

export interface Tombstone {
  readonly key: string
  readonly index: number
}

export interface LockDelay {
  readonly key: string
  /** Epoch ms from which the key may be locked again. */
  readonly until: number
}

export interface State {
  readonly lastIndex: number
  /** The latest time the leader stamped on a command, epoch ms; never goes back. */
  readonly clock: number
  readonly indexes: TableIndexes
  /** Where a user's snapshot replaced everything, 0 for never: no read reports a lower index. */
  readonly restoredAt: number

  readonly nodes: PersistentMap<NodeState>
  /** Lower-cased node id → node key. */
  readonly nodeIds: PersistentMap<string>
  /** `<address>\0<node key>` */
  readonly nodeAddresses: PersistentMap<string>
  /** `<address>\0<node key>\0<service id>` → instance key */
  readonly serviceAddresses: PersistentMap<string>
  readonly services: PersistentMap<InstanceGroup>
  readonly destinations: PersistentMap<InstanceGroup>

  readonly kv: PersistentMap<KvEntry>
  readonly tombstones: PersistentMap<Tombstone>
  /** `<index key><order key>` */
  readonly tombstonesByIndex: PersistentMap<Tombstone>
  readonly lockDelays: PersistentMap<LockDelay>
  /** `<index key of until><order key>` */
  readonly lockDelaysByTime: PersistentMap<LockDelay>
  /** `<session id>\0<order key>` → KV key held */
  readonly locks: PersistentMap<string>

  readonly sessions: PersistentMap<SessionRecord>
  /** `<node key>\0<session id>` → session id */
  readonly sessionsByNode: PersistentMap<string>
  /** `<node key>\0<check id>\0<session id>` → session id */
  readonly sessionsByCheck: PersistentMap<string>

  /** `<destination>\0<source>` */
  readonly intentions: PersistentMap<IntentionRecord>
  /** Intention id → key in `intentions`. */
  readonly intentionIds: PersistentMap<string>
  /** `<kind>\0<name>` */
  readonly configEntries: PersistentMap<ConfigEntryRecord>

  readonly caRoots: readonly CaRoot[]
  readonly caProvider: CaProviderState | null
  readonly caRevocations: readonly CaRevocation[]
  readonly caConfig: CaConfig | null
  /** The last serial number given out. */
  readonly caSerial: number

  /** Null until the first leader has written them. */
  readonly autopilot: AutopilotConfig | null

  /** `<node key>\0<segment>` */
  readonly coordinates: PersistentMap<CoordinateRecord>

  readonly queries: PersistentMap<PreparedQueryRecord>
  /** Lower-cased name of a prepared query → its id; without those that have no name. */
  readonly queryNames: PersistentMap<string>
  /** The same for templates, whose name may be empty. */
  readonly queryTemplates: PersistentMap<string>
  /** `<session id>\0<query id>` → query id */
  readonly queriesBySession: PersistentMap<string>

  /** By accessor; the built-in ones are not here (core/acl/builtin.ts) until they are changed. */
  readonly aclTokens: PersistentMap<TokenRecord>
  /** Digest of a secret → accessor. */
  readonly aclTokenHashes: PersistentMap<string>
  /** `<index key of the end>\0<accessor>` → accessor */
  readonly aclTokenExpiries: PersistentMap<string>
  readonly aclPolicies: PersistentMap<PolicyRecord>
  readonly aclPolicyNames: PersistentMap<string>
  readonly aclRoles: PersistentMap<RoleRecord>
  readonly aclRoleNames: PersistentMap<string>
  readonly aclAuthMethods: PersistentMap<AuthMethodRecord>
  readonly aclBindingRules: PersistentMap<BindingRuleRecord>
  readonly joinTokens: PersistentMap<JoinTokenRecord>
  /** Where the last bootstrap stands in the log, 0 for none. */
  readonly aclBootstrapIndex: number

  readonly virtualIps: PersistentMap<VirtualIpRecord>
  /** Index key of an offset → the offset: given back, to be used again before the counter grows. */
  readonly freeOffsets: PersistentMap<number>
  /** The highest offset ever given out. */
  readonly offsetCounter: number
}

export const EMPTY_INDEXES: TableIndexes = {
  nodes: 0,
  services: 0,
  checks: 0,
  kv: 0,
  sessions: 0,
  intentions: 0,
  config: 0,
  caRoots: 0,
  caConfig: 0,
  virtualIps: 0,
  autopilot: 0,
  coordinates: 0,
  queries: 0,
  aclTokens: 0,
  aclPolicies: 0,
  aclRoles: 0,
  aclAuthMethods: 0,
  aclBindingRules: 0,
  joinTokens: 0,
  serviceExtinction: 0,
  destinationExtinction: 0,
}

export function emptyState(): State {
  return {
    lastIndex: 0,
    clock: 0,
    indexes: EMPTY_INDEXES,
    restoredAt: 0,
    nodes: PersistentMap.empty(),
    nodeIds: PersistentMap.empty(),
    nodeAddresses: PersistentMap.empty(),
    serviceAddresses: PersistentMap.empty(),
    services: PersistentMap.empty(),
    destinations: PersistentMap.empty(),
    kv: PersistentMap.empty(),
    tombstones: PersistentMap.empty(),
    tombstonesByIndex: PersistentMap.empty(),
    lockDelays: PersistentMap.empty(),
    lockDelaysByTime: PersistentMap.empty(),
    locks: PersistentMap.empty(),
    sessions: PersistentMap.empty(),
    sessionsByNode: PersistentMap.empty(),
    sessionsByCheck: PersistentMap.empty(),
    intentions: PersistentMap.empty(),
    intentionIds: PersistentMap.empty(),
    configEntries: PersistentMap.empty(),
    caRoots: [],
    caProvider: null,
    caRevocations: [],
    caConfig: null,
    caSerial: 0,
    autopilot: null,
    coordinates: PersistentMap.empty(),
    queries: PersistentMap.empty(),
    queryNames: PersistentMap.empty(),
    queryTemplates: PersistentMap.empty(),
    queriesBySession: PersistentMap.empty(),
    aclTokens: PersistentMap.empty(),
    aclTokenHashes: PersistentMap.empty(),
    aclTokenExpiries: PersistentMap.empty(),
    aclPolicies: PersistentMap.empty(),
    aclPolicyNames: PersistentMap.empty(),
    aclRoles: PersistentMap.empty(),
    aclRoleNames: PersistentMap.empty(),
    aclAuthMethods: PersistentMap.empty(),
    aclBindingRules: PersistentMap.empty(),
    joinTokens: PersistentMap.empty(),
    aclBootstrapIndex: 0,
    virtualIps: PersistentMap.empty(),
    freeOffsets: PersistentMap.empty(),
    offsetCounter: 0,
  }
}

/** The form in which node, service, destination, config kind and config names compare. */
export function nameKey(name: string): string {
  return name.toLowerCase()
}

export function pairKey(first: string, second: string): string {
  return first + KEY_SEPARATOR + second
}

/** Of a config entry. */
export function configKey(kind: string, name: string): string {
  return pairKey(nameKey(kind), nameKey(name))
}
