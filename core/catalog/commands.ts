/**
 * Every change of the replicated state: the union that a Raft entry carries and `StateStore.apply` executes.
 *
 * Deterministic by construction: the leader stamps time (`now`) and ids before proposing; apply reads no
 * clock and draws no randomness (raft.md 7). A command that breaks a rule is a no-op with an error result.
 * Encoded by core/catalog/codec.ts, versioned.
 */

import type {
  AuthMethodWrite,
  BindingRuleWrite,
  PolicyWrite,
  RoleWrite,
  TokenWrite,
} from '../acl/records.ts'
import type { AutopilotSettings } from '../autopilot/types.ts'
import type { ErrorCode } from '../errors.ts'
import type { JoinTokenWrite } from '../join/join-token.ts'
import type { PreparedQuery } from '../queries/types.ts'
import type { WallTime } from '../time.ts'
import type {
  CaConfig,
  CaProviderState,
  CaRevocation,
  CaRoot,
  CheckDefinition,
  CoordinateRecord,
  Indexed,
  IntentionRecord,
  JsonObject,
  KvEntry,
  Locality,
  NodeRecord,
  ServiceDefinition,
  ServiceRecord,
  SessionRecord,
  StringMap,
} from './types.ts'

export interface RegisterRequest {
  /** '' when unknown. */
  readonly id: string
  readonly node: string
  /** May be '' only with `skipNodeUpdate`. */
  readonly address: string
  readonly taggedAddresses: StringMap | null
  readonly meta: StringMap | null
  readonly locality?: Locality
  readonly skipNodeUpdate: boolean
  readonly service?: ServiceDefinition
  readonly checks: readonly CheckDefinition[]
}

export interface DeregisterRequest {
  readonly node: string
  readonly serviceId?: string
  readonly checkId?: string
}

export type KvWrite = Omit<KvEntry, keyof Indexed | 'lockIndex'>

/** KV PUT/DELETE forms and txn verbs; `index` is the expected ModifyIndex (0 = must not exist for cas). */
export type KvOp =
  | { readonly verb: 'set'; readonly entry: KvWrite }
  | { readonly verb: 'cas'; readonly entry: KvWrite; readonly index: number }
  | { readonly verb: 'lock'; readonly entry: KvWrite }
  | { readonly verb: 'unlock'; readonly entry: KvWrite }
  | { readonly verb: 'delete'; readonly key: string }
  | { readonly verb: 'delete-tree'; readonly key: string }
  | { readonly verb: 'delete-cas'; readonly key: string; readonly index: number }

/** Read and assertion verbs that exist only inside a transaction. */
export type KvReadOp =
  | { readonly verb: 'get'; readonly key: string }
  | { readonly verb: 'get-or-empty'; readonly key: string }
  | { readonly verb: 'get-tree'; readonly key: string }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: number }
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string }
  | { readonly verb: 'check-not-exists'; readonly key: string }

export type ObjectVerb = 'get' | 'set' | 'cas' | 'delete' | 'delete-cas'

export type TxnOp =
  | { readonly type: 'kv'; readonly op: KvOp | KvReadOp }
  | {
      readonly type: 'node'
      readonly verb: ObjectVerb
      readonly node: Omit<NodeRecord, keyof Indexed>
      readonly index: number
    }
  | {
      readonly type: 'service'
      readonly verb: ObjectVerb
      readonly node: string
      readonly service: ServiceDefinition
      readonly index: number
    }
  | {
      readonly type: 'check'
      readonly verb: ObjectVerb
      readonly node: string
      readonly check: CheckDefinition
      readonly index: number
    }

export type TxnResult =
  | { readonly type: 'kv'; readonly entry: KvEntry; readonly withValue: boolean }
  | { readonly type: 'node'; readonly node: NodeRecord }
  | { readonly type: 'service'; readonly service: ServiceRecord }
  | {
      readonly type: 'check'
      readonly check: CheckDefinition & Indexed & { readonly node: string }
    }

export interface TxnError {
  readonly opIndex: number
  /** Exact text of http-api.md section 17. */
  readonly what: string
}

export type IntentionWrite = Omit<
  IntentionRecord,
  keyof Indexed | 'precedence' | 'createdAt' | 'updatedAt'
>

export type Command =
  /** `now` starts the lock delays of sessions that end by it; without it the latest known time counts. */
  | { readonly kind: 'register'; readonly request: RegisterRequest; readonly now?: WallTime }
  | { readonly kind: 'deregister'; readonly request: DeregisterRequest; readonly now?: WallTime }
  | { readonly kind: 'kv'; readonly op: KvOp; readonly now: WallTime }
  | { readonly kind: 'txn'; readonly ops: readonly TxnOp[]; readonly now: WallTime }
  | { readonly kind: 'session.create'; readonly session: Omit<SessionRecord, keyof Indexed> }
  | { readonly kind: 'session.destroy'; readonly id: string; readonly now: WallTime }
  | { readonly kind: 'tombstone.reap'; readonly index: number }
  /** Replaces by (source, destination) when id is '', else by id. */
  | { readonly kind: 'intention.set'; readonly intention: IntentionWrite; readonly now: WallTime }
  /** All rules of one destination at once, none to delete them. `cas`: their highest modifyIndex, or 0. */
  | {
      readonly kind: 'intention.replace'
      readonly destinationName: string
      readonly intentions: readonly IntentionWrite[]
      readonly cas?: number
      readonly now: WallTime
    }
  | {
      readonly kind: 'intention.delete'
      readonly by:
        | { readonly id: string }
        | { readonly sourceName: string; readonly destinationName: string }
    }
  | {
      readonly kind: 'config.set'
      readonly entryKind: string
      readonly name: string
      readonly body: JsonObject
      readonly cas?: number
    }
  | {
      readonly kind: 'config.delete'
      readonly entryKind: string
      readonly name: string
      readonly cas?: number
    }
  /** First set creates the cluster id; later ones keep it. `cas` is the expected modifyIndex. */
  | {
      readonly kind: 'ca.config.set'
      readonly config: Omit<CaConfig, keyof Indexed>
      readonly cas?: number
      /** For the leader, who may have to rotate the root first; means nothing to apply. */
      readonly forceWithoutCrossSigning?: boolean
    }
  /**
   * Replaces all roots at once if the roots table is still at `cas`; exactly one is active. A configuration
   * goes with them or nothing does.
   */
  | {
      readonly kind: 'ca.roots.set'
      readonly roots: readonly Omit<CaRoot, keyof Indexed>[]
      readonly provider: CaProviderState
      readonly cas: number
      readonly config?: { readonly record: Omit<CaConfig, keyof Indexed>; readonly cas: number }
    }
  /** `value` in its normal form. */
  | {
      readonly kind: 'ca.revoke'
      readonly revocation: Pick<CaRevocation, 'kind' | 'value' | 'reason'>
      readonly now: WallTime
    }
  /** By the id of a revocation; the result says whether there was one. */
  | { readonly kind: 'ca.reinstate'; readonly id: string }
  /** Takes `count` serial numbers; the result value is the first of them. */
  | { readonly kind: 'ca.serial.take'; readonly count: number }
  /** All manual virtual addresses of a service; taken away from others that had one of them. */
  | { readonly kind: 'virtual-ip.set'; readonly service: string; readonly ips: readonly string[] }
  /** Replaces all settings. `cas` is the expected modifyIndex, 0 for none yet. */
  | {
      readonly kind: 'autopilot.config.set'
      readonly config: AutopilotSettings
      readonly cas?: number
    }
  /** Where nodes stand in the network; nodes that are not there are passed over. At most COORDINATE_BATCH_MAX. */
  | { readonly kind: 'coordinate.batch'; readonly updates: readonly CoordinateRecord[] }
  | {
      readonly kind: 'query.set'
      readonly query: PreparedQuery
      readonly mode: 'create' | 'update'
    }
  | { readonly kind: 'query.delete'; readonly id: string }
  /** The first token of all; `resetIndex` is what an operator wrote into a file to do it again. */
  | {
      readonly kind: 'acl.bootstrap'
      readonly token: TokenWrite
      readonly resetIndex?: number
      readonly now: WallTime
    }
  /** An update keeps secret, locality, auth method and times. */
  | {
      readonly kind: 'acl.token.set'
      readonly token: TokenWrite
      readonly mode: 'create' | 'update'
      readonly now: WallTime
    }
  | { readonly kind: 'acl.token.delete'; readonly accessorId: string }
  /** Deletes those whose time is over. */
  | {
      readonly kind: 'acl.token.reap'
      readonly accessorIds: readonly string[]
      readonly now: WallTime
    }
  | {
      readonly kind: 'acl.policy.set'
      readonly policy: PolicyWrite
      readonly mode: 'create' | 'update'
    }
  | { readonly kind: 'acl.policy.delete'; readonly id: string }
  | { readonly kind: 'acl.role.set'; readonly role: RoleWrite; readonly mode: 'create' | 'update' }
  | { readonly kind: 'acl.role.delete'; readonly id: string }
  | {
      readonly kind: 'acl.auth-method.set'
      readonly method: AuthMethodWrite
      readonly mode: 'create' | 'update'
    }
  | { readonly kind: 'acl.auth-method.delete'; readonly name: string }
  | {
      readonly kind: 'acl.binding-rule.set'
      readonly rule: BindingRuleWrite
      readonly mode: 'create' | 'update'
    }
  | { readonly kind: 'acl.binding-rule.delete'; readonly id: string }
  | {
      readonly kind: 'join-token.set'
      readonly token: JoinTokenWrite
      readonly now: WallTime
    }
  | { readonly kind: 'join-token.delete'; readonly id: string }
  /** A host wants in; the leader's alone. */
  | {
      readonly kind: 'join-token.use'
      readonly secretHash: string
      readonly node: string
      readonly now: WallTime
    }
  /** Announces the image of a whole state; takes the place of a restore that nobody goes on with. */
  | { readonly kind: 'restore.begin'; readonly id: string; readonly now: WallTime }
  | {
      readonly kind: 'restore.piece'
      readonly id: string
      readonly offset: number
      readonly bytes: Uint8Array
      readonly now: WallTime
    }
  /** Replaces the state by the image, if size and SHA-256 (lower hex) are those of what came. */
  | {
      readonly kind: 'restore.end'
      readonly id: string
      readonly sizeBytes: number
      readonly digest: string
      readonly now: WallTime
    }
  | { readonly kind: 'restore.abort'; readonly id: string }
  /** Nothing changes; proves that the leader can commit. */
  | { readonly kind: 'noop' }

/**
 * Outcome of apply. `value` by command kind: kv → boolean; session.create and query.set → id; txn → TxnResult[];
 * config.* and intention.replace with cas → boolean; virtual-ip.set → false for a service without an
 * address, else the names it took one from, as JSON;
 * ca.serial.take → number; ca.*.set, ca.reinstate and
 * autopilot.config.set → boolean; otherwise true.
 */
export type ApplyResult = Outcome & {
  /**
   * Present when this request had been applied before: the index of that. Nothing was done now; the rest is
   * the recorded outcome.
   */
  readonly replayOf?: number
}

export type Outcome =
  | { readonly ok: true; readonly value: ApplyValue }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string }
  | { readonly ok: false; readonly code: 'TXN_FAILED'; readonly errors: readonly TxnError[] }

export type ApplyValue = boolean | string | number | readonly TxnResult[]
