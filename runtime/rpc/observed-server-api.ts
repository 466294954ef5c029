/**
 * A server API whose calls somebody watches; changes nothing about them.
 *
 * Used on servers and on client agents, each with an observer of its own. Subscriptions are passed through: they
 * live long and are no calls.
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

export interface CallFacts {
  /** For instance `health.service` or `kv`. */
  readonly method: string
  readonly isWrite: boolean
  /** Waits for a change. */
  readonly isBlocking: boolean
  readonly isConsistent: boolean
  /** The name of the service that is asked about, '' for none. */
  readonly service: string
  readonly isConnect: boolean
}

/** @returns is told how the call ended; @param thrown undefined for an answer */
export type CallObserver = (
  facts: CallFacts,
) => (thrown: unknown, answer: { readonly isEmpty: boolean }) => void

const PLAIN = { isBlocking: false, isConsistent: false, service: '', isConnect: false } as const
const FULL = { isEmpty: false } as const
const EMPTY = { isEmpty: true } as const

export class ObservedServerApi implements ServerApi {
  readonly #target: ServerApi
  readonly #observe: CallObserver

  constructor(target: ServerApi, observe: CallObserver) {
    this.#target = target
    this.#observe = observe
  }

  as(secret: () => string): ServerApi {
    return new ObservedServerApi(this.#target.as(secret), this.#observe)
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options?: ReadOptions,
  ): Promise<ReadResult<N>> {
    const done = this.#observe({
      method: name,
      isWrite: false,
      isBlocking: (options?.minIndex ?? 0) > 0,
      isConsistent: options?.consistency === 'consistent',
      service: 'service' in request ? request.service : '',
      isConnect: 'connect' in request && request.connect === true,
    })
    try {
      const result = await this.#target.read(name, request, options)
      const { value } = result
      done(undefined, value === null || (Array.isArray(value) && value.length === 0) ? EMPTY : FULL)
      return result
    } catch (thrown) {
      done(thrown, EMPTY)
      throw thrown
    }
  }

  write(command: Command, options?: WriteOptions): Promise<WriteResult> {
    return this.#observed(command.kind, true, this.#target.write(command, options))
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    return this.#target.subscribe(topic, from)
  }

  signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    return this.#observed('leaf.sign', true, this.#target.signLeaf(csrPem, signal))
  }

  renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    return this.#observed('session.renew', true, this.#target.renewSession(id, signal))
  }

  placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void> {
    return this.#observed('coordinate.update', true, this.#target.placeNode(place, signal))
  }

  operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']> {
    return this.#observed(name, true, this.#target.operate(name, request, signal))
  }

  saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage> {
    return this.#observed('snapshot.save', false, this.#target.saveImage(options))
  }

  restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    return this.#observed('snapshot.restore', true, this.#target.restoreImage(chunks, signal))
  }

  status(signal?: AbortSignal): Promise<ServerStatus> {
    return this.#observed('status', false, this.#target.status(signal))
  }

  async #observed<T>(method: string, isWrite: boolean, call: Promise<T>): Promise<T> {
    const done = this.#observe({ ...PLAIN, method, isWrite })
    try {
      const result = await call
      done(undefined, FULL)
      return result
    } catch (thrown) {
      done(thrown, EMPTY)
      throw thrown
    }
  }
}
