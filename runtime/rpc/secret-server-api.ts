/**
 * The servers' API over RPC on behalf of one token: each call carries its secret, as it is then.
 *
 * Feeds are the agent's own, whoever looks at them: they go with the token of the agent (feed-client.ts).
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
import type { RpcServerApi } from './rpc-server-api.ts'

export class SecretServerApi implements ServerApi {
  readonly #target: RpcServerApi
  readonly #secret: () => string

  constructor(target: RpcServerApi, secret: () => string) {
    this.#target = target
    this.#secret = secret
  }

  as(secret: () => string): ServerApi {
    return new SecretServerApi(this.#target, secret)
  }

  read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options?: ReadOptions,
  ): Promise<ReadResult<N>> {
    return this.#target.read(name, request, options, this.#secret())
  }

  write(command: Command, options?: WriteOptions): Promise<WriteResult> {
    return this.#target.write(command, options, this.#secret())
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    return this.#target.subscribe(topic, from)
  }

  signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    return this.#target.signLeaf(csrPem, signal, this.#secret())
  }

  renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    return this.#target.renewSession(id, signal, this.#secret())
  }

  placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void> {
    return this.#target.placeNode(place, signal, this.#secret())
  }

  operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']> {
    return this.#target.operate(name, request, signal, this.#secret())
  }

  saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage> {
    return this.#target.saveImage(options, this.#secret())
  }

  restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    return this.#target.restoreImage(chunks, signal, this.#secret())
  }

  status(signal?: AbortSignal): Promise<ServerStatus> {
    return this.#target.status(signal, this.#secret())
  }
}
