/**
 * A state store that stands in for the servers in DNS tests: real tables and feeds, no Raft.
 */

import {
  PreparedQueries,
  type PreparedQueriesDeps,
} from '../../../../agent/queries/prepared-queries.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import type { FeedFrame, FeedPosition, TopicKey } from '../../../../core/catalog/feed.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { HealthEntry, NodeRecord } from '../../../../core/catalog/types.ts'
import { FairleadError } from '../../../../core/errors.ts'
import type { ReadName, Reads } from '../../../../core/rpc/reads.ts'
import type {
  ReadOptions,
  ReadResult,
  ServerApi,
  Subscription,
} from '../../../../core/rpc/server-api.ts'

const DATACENTER = 'dc1'

/** Prepared queries of these servers, as an agent on node `vm-a` executes them. */
export function queriesOver(
  servers: Pick<ServerApi, 'read'>,
  { clock, rng, log }: Pick<PreparedQueriesDeps, 'clock' | 'rng' | 'log'>,
): PreparedQueries {
  return new PreparedQueries(
    { nodeName: 'vm-a', datacenter: DATACENTER, disableCoordinates: false },
    { servers, clock, rng, log },
  )
}

export class StoreCatalog implements Pick<ServerApi, 'read' | 'subscribe'> {
  readonly #store = new StateStore({ datacenter: DATACENTER })
  readonly #subscriptions = new Set<StoreSubscription>()
  #index = 0
  /** Nobody leads: only stale reads are answered. */
  hasLeader = true
  /** New subscriptions deliver nothing while this is set. */
  isSilent = false
  reads = 0

  apply(command: Command): void {
    this.#index++
    const result = this.#store.apply(this.#index, command)
    if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`)
  }

  register(...entries: readonly HealthEntry[]): void {
    for (const { node, service, checks } of entries) {
      const request = { ...nodeRequest(node), service, checks }
      this.apply({ kind: 'register', request })
    }
  }

  registerNode(node: NodeRecord): void {
    this.apply({ kind: 'register', request: nodeRequest(node) })
  }

  deregister(node: string, serviceId: string): void {
    this.apply({ kind: 'deregister', request: { node, serviceId } })
  }

  /** Ends every subscription with an error and lets no new one begin until `isSilent` is reset. */
  cut(): void {
    this.isSilent = true
    for (const subscription of this.#subscriptions) subscription.close()
  }

  get subscriptions(): number {
    return this.#subscriptions.size
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    const subscription = new StoreSubscription(
      (sink) => {
        return this.isSilent ? () => {} : this.#store.follow(topic, from?.index, sink)
      },
      () => this.#subscriptions.delete(subscription),
    )
    this.#subscriptions.add(subscription)
    return subscription
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options: ReadOptions = {},
  ): Promise<ReadResult<N>> {
    this.reads++
    if ((options.datacenter ?? DATACENTER) !== DATACENTER) {
      throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
    }
    if (!this.hasLeader && options.consistency !== 'stale') {
      throw new FairleadError('NO_LEADER', 'No cluster leader')
    }
    const { value, index } = this.#store.read(name, request)
    return { value, index, knownLeader: this.hasLeader, lastContactMs: 0 }
  }
}

class StoreSubscription implements Subscription {
  readonly epoch = 'store'
  readonly #frames: FeedFrame[] = []
  readonly #leave: () => void
  readonly #onClose: () => void
  #isClosed = false
  #wake = (): void => {}

  constructor(follow: (sink: (frame: FeedFrame) => void) => () => void, onClose: () => void) {
    this.#onClose = onClose
    this.#leave = follow((frame) => {
      this.#frames.push(frame)
      this.#wake()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#leave()
    this.#onClose()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<FeedFrame> {
    while (!this.#isClosed) {
      const frame = this.#frames.shift()
      if (frame !== undefined) yield frame
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

function nodeRequest(node: NodeRecord) {
  const { id, address, taggedAddresses, meta } = node
  return { id, node: node.node, address, taggedAddresses, meta, skipNodeUpdate: false, checks: [] }
}
