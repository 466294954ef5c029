/**
 * A server API that asks before each call whether it may be made.
 *
 * What keeps a cluster alive is always let through: operators' calls, snapshots, questions about tokens and about the
 * server itself. Subscriptions live long and are no calls.
 */

import type { Command } from '../../core/catalog/commands.ts'
import type { FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import type { CoordinateRecord, SessionRecord } from '../../core/catalog/types.ts'
import type { OperatorCalls, OperatorName, StateImage } from '../../core/rpc/operator.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type {
  ReadOptions,
  ReadResult,
  ServerApi,
  ServerStatus,
  SignedLeaf,
  Subscription,
  WriteOptions,
  WriteResult,
} from '../../core/rpc/server-api.ts'

export type CallKind = 'read' | 'write'

/** @throws FairleadError for a call that must not be made now */
export type Admission = (kind: CallKind, method: string) => void

export class LimitedServerApi implements ServerApi {
  readonly #target: ServerApi
  readonly #admit: Admission

  constructor(target: ServerApi, admit: Admission) {
    this.#target = target
    this.#admit = admit
  }

  as(secret: () => string): ServerApi {
    return new LimitedServerApi(this.#target.as(secret), this.#admit)
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options?: ReadOptions,
  ): Promise<ReadResult<N>> {
    if (name !== 'acl.resolve') this.#admit('read', name)
    return this.#target.read(name, request, options)
  }

  async write(command: Command, options?: WriteOptions): Promise<WriteResult> {
    this.#admit('write', command.kind)
    return this.#target.write(command, options)
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    return this.#target.subscribe(topic, from)
  }

  async signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    this.#admit('write', 'leaf.sign')
    return this.#target.signLeaf(csrPem, signal)
  }

  async renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    this.#admit('write', 'session.renew')
    return this.#target.renewSession(id, signal)
  }

  async placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void> {
    this.#admit('write', 'coordinate.update')
    return this.#target.placeNode(place, signal)
  }

  operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']> {
    return this.#target.operate(name, request, signal)
  }

  saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage> {
    return this.#target.saveImage(options)
  }

  restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    return this.#target.restoreImage(chunks, signal)
  }

  status(signal?: AbortSignal): Promise<ServerStatus> {
    return this.#target.status(signal)
  }
}
