/**
 * What the replicated state machine offers to its host (the server) and to tests.
 *
 * Pure and synchronous. A read sees one consistent version. Implemented by core/catalog/state-store.ts
 * over persistent maps, so that `snapshot()` costs O(1) and stays valid while apply goes on.
 */

import type { AuthMethodRecord, BindingRuleRecord, TokenRecord } from '../acl/records.ts'
import type { Rule } from '../acl/rule.ts'
import type { JoinTokenRecord } from '../join/join-token.ts'
import type { ReadName, ReadReply, Reads } from '../rpc/reads.ts'
import type { ApplyResult, Command } from './commands.ts'
import type { FeedFrame, Topic, TopicKey } from './feed.ts'
import type { RequestId } from './request-id.ts'
import type { CaProviderState } from './types.ts'

/** What a read depended on: firing any of these keys may change its result. Opaque to callers. */
export type WatchKey = string

export interface Evaluated<N extends ReadName> {
  readonly value: ReadReply<N>
  /** The index this result would report; ≥ 1 once anything was applied. */
  readonly index: number
  readonly watch: readonly WatchKey[]
  /** False when the thing read does not exist (blocking reads then re-block on a spurious wake-up). */
  readonly found: boolean
}

export interface StateReader {
  /** Raft index of the last command in this version. */
  readonly lastIndex: number
  read<N extends ReadName>(name: N, request: Reads[N]['request']): Evaluated<N>
  /** The signing key of the built-in CA, as the last `ca.roots.set` left it; for the leader's CA only. */
  caProvider(): CaProviderState | null
  /** For who decides about callers; digests of secrets are in it. */
  acl(): AclReader
  /** @param hash of its secret */
  joinTokenByHash(hash: string): JoinTokenRecord | undefined
}

/** What access control rests on, in one version of the state. */
export interface AclReader {
  /** Grows whenever what a token may do may have changed. */
  readonly version: number
  readonly bootstrapIndex: number
  tokenByHash(hash: string): TokenRecord | undefined
  tokenByAccessor(accessorId: string): TokenRecord | undefined
  rulesOf(token: TokenRecord, datacenter: string): readonly Rule[]
  authMethod(name: string): AuthMethodRecord | undefined
  bindingRulesOf(authMethod: string): readonly BindingRuleRecord[]
  exists(kind: 'role' | 'policy', name: string): boolean
  /** The name of the node that has this id now. */
  nodeOfId(id: string): string | undefined
  /** Accessors of tokens whose time is over. */
  expired(now: number, max: number): readonly string[]
}

/** An immutable version of the whole state. */
export interface StateSnapshot extends StateReader {
  /**
   * The image in deterministic order: same state, same bytes, on every server. Chunks of about 128 KiB,
   * produced lazily; the caller may interleave other work between chunks.
   */
  image(): Iterable<Uint8Array>
}

export interface Restoration {
  /** @throws FairleadError STORAGE_CORRUPT | NOT_SUPPORTED; this restoration is over then */
  push(chunk: Uint8Array): void
  /** @throws FairleadError STORAGE_CORRUPT when the image is cut; the state is as before then */
  finish(): void
}

export interface StateStoreApi extends StateReader {
  /**
   * Applies one committed command. Never throws for data reasons. Watches and feeds fire after the state
   * has changed and before this returns; their callbacks must not call apply.
   *
   * @param index Raft index of the entry; greater than every earlier one
   * @param requestId of a write that may come twice: the second time nothing changes and nobody is woken
   */
  apply(index: number, command: Command, requestId?: RequestId): ApplyResult
  snapshot(): StateSnapshot
  /**
   * Replaces everything by an image. Every watch fires; every feed gets a new snapshot frame.
   *
   * @throws FairleadError STORAGE_CORRUPT | NOT_SUPPORTED; the state is as before then
   */
  restore(image: Iterable<Uint8Array>): void
  /** `restore` in pieces, for images that are too large for one turn. Until `finish` nothing changes. */
  startRestore(): Restoration
  /** Calls `onChange` at most once, at the first change of any key. @returns cancel, idempotent */
  watchOnce(keys: readonly WatchKey[], onChange: () => void): () => void
  /**
   * Delivers a snapshot frame synchronously, then deltas as commands are applied. With `fromIndex` the
   * snapshot is left out when the kept history (bounded) reaches back to it.
   * @returns close, idempotent
   */
  follow<T extends Topic>(
    topic: TopicKey<T>,
    fromIndex: number | undefined,
    sink: (frame: FeedFrame<T>) => void,
  ): () => void
}
